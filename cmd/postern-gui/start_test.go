//go:build linux

package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/client/localapi"
)

// pcf is a profile of Cisco's client, whose gateway nobody runs.
const pcf = `[main]
Description=Office
Host=vpn.office.example
AuthType=1
GroupName=staff
GroupPwd=a group's key
Username=alice
SaveUserPassword=0
DHGroup=2
EnableISPConnect=0
`

// TestOpenWith imports a file as a file manager would have it done: with the window
// closed, and with the window open.
func TestOpenWith(t *testing.T) {
	scene(t, 2, func(d *desk) {
		d.daemon()
		d.gui(d.write("Office.pcf", pcf))
		d.dialog()
		d.picture("import", true)
		d.keys("Return")
		d.shows("Office: Not connected")
		d.imported("Office")
		d.picture("imported", false)

		second := d.run(nil, nil, built(d.T), "--socket", d.socket, d.write("Plant.pcf", strings.NewReplacer("Office", "Plant", "office", "plant").Replace(pcf)))
		if err := d.ends(second); err != nil {
			d.Fatal("the second start: ", err)
		}
		d.dialog()
		d.keys("Return")
		d.shows("Plant: Not connected")
		d.imported("Plant")
	})
}

// imported checks that a profile is in the person's folder, for nobody else to read.
func (d *desk) imported(name string) {
	d.Helper()
	info, err := os.Stat(filepath.Join(d.folder, "home/.config/postern/profiles", name+".toml"))
	if err != nil {
		d.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		d.Errorf("%s has mode %v", info.Name(), info.Mode())
	}
}

// TestNoService shows the window without a daemon, with one that comes, dies and comes
// back, and last the demonstration that the window starts itself.
func TestNoService(t *testing.T) {
	scene(t, 2, func(d *desk) {
		window := d.gui()
		d.shows("postern")
		d.picture("no-service", true)
		service := d.daemon()
		d.shows("demo: Not connected")
		d.keys("ctrl+Return")
		d.shows("demo: Connected")
		d.dialog() // its banner
		d.keys("Escape")
		_ = service.Process.Kill()
		_ = d.ends(service)
		d.until("notice", func() bool { return !strings.Contains(d.title(), "Connected") })
		d.picture("service-ended", false)
		ended := d.settled()
		service = d.daemon()
		d.changes("service that is back", ended)
		back := d.settled()
		service.end()
		d.changes("service that is gone", back)

		d.click(-100, 65) // "Try the demonstration"
		demonstration := filepath.Join(d.folder, "tmp/postern-demo-*")
		d.until("demonstration", func() bool {
			found, _ := filepath.Glob(demonstration + "/postern.sock")
			if len(found) == 1 {
				d.api = localapi.New(found[0])
			}
			return len(found) == 1
		})
		d.picture("demonstration", true)
		d.until("connection", func() bool { // once the window has turned to it
			d.keys("ctrl+Return")
			for end := time.Now().Add(3 * time.Second); d.tunnel("demo") == nil && time.Now().Before(end); {
				time.Sleep(50 * time.Millisecond)
			}
			return d.tunnel("demo") != nil
		})
		d.shows("demo: Connected")
		d.dialog()
		d.keys("Escape", "ctrl+q")
		d.dialog() // the connection ends with the demonstration
		d.picture("quit", false)
		d.keys("Return")
		if err := d.ends(window); err != nil {
			d.Error(err)
		}
		if left, _ := filepath.Glob(demonstration); len(left) > 0 {
			d.Error("the demonstration left", left)
		}
	})
}

// TestCloseWithoutTray: where no symbol could bring it back, closing the window ends it.
func TestCloseWithoutTray(t *testing.T) {
	d := newDesk(t, look{"light", 1})
	window := d.gui()
	d.close("end of the window", func() bool {
		select {
		case <-window.ended:
			return true
		default:
			return false
		}
	})
	if window.err != nil {
		d.Error(window.err)
	}
}

// close closes the window by the window manager's key, which on a busy machine may come
// before the manager listens.
func (d *desk) close(what string, is func() bool) {
	d.Helper()
	d.until(what, func() bool {
		d.keys("alt+F4")
		for end := time.Now().Add(3 * time.Second); !is() && time.Now().Before(end); {
			time.Sleep(50 * time.Millisecond)
		}
		return is()
	})
}
