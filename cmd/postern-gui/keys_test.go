//go:build linux

package main_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postern/client/profile"
)

// TestKeys goes all the way with the keys: a first profile is made, checked, looked at,
// and the focus can be seen wherever it is.
func TestKeys(t *testing.T) {
	d := newDesk(t, look{"light", 1})
	d.daemon()
	window := d.gui()
	d.shows("demo: Not connected")

	for range 3 { // the focus shows on each thing that it comes to
		before := d.settled()
		d.keys("Tab")
		d.changes("focus somewhere else", before)
	}
	d.keys("ctrl+n")
	d.dialog()
	d.types("office")
	d.keys("Tab")
	d.types("192.0.2.1")
	d.keys("Tab", "Tab")
	d.types("staff") // the group: the mode follows
	d.keys("Tab")
	d.types("a key of the group's")
	d.keys("Return")
	path := filepath.Join(d.folder, "home/.config/postern/profiles/office.toml")
	d.until("profile", func() bool { _, err := os.Stat(path); return err == nil })
	d.shows("office: Not connected")
	p, err := profile.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if p.Gateway.Host != "192.0.2.1" || p.Identity != "staff" || p.Mode != profile.AggressiveMode || string(p.Secret) != "a key of the group's" {
		t.Errorf("saved: %s %s %s", p.Gateway, p.Mode, p.Identity)
	}

	// The keys work where a field has the focus, too.
	d.keys("ctrl+3") // the focus goes to the page's first field
	before := d.settled()
	d.types("x")
	d.changes("field with what was typed", before)
	d.keys("ctrl+1")
	d.keys("ctrl+e")
	d.dialog()
	d.keys("Escape")
	d.choose("demo")
	d.keys("ctrl+q")
	if err := d.ends(window); err != nil {
		t.Error(err)
	}
}

// TestPage opens a page behind the gateway in a browser, which here notes what it is
// told to open.
func TestPage(t *testing.T) {
	d := newDesk(t, look{"light", 1})
	opened := filepath.Join(d.folder, "opened")
	browser := d.write("bin/xdg-open", "#!/bin/sh\necho \"$1\" >"+opened+"\n")
	if err := os.Chmod(browser, 0o700); err != nil {
		t.Fatal(err)
	}
	d.env[0] = "PATH=" + filepath.Dir(browser) + ":" + os.Getenv("PATH")
	d.daemon()
	d.gui()
	d.shows("demo: Not connected")
	d.keys("ctrl+Return")
	d.shows("demo: Connected")
	d.dialog()
	d.keys("Escape")
	before := d.settled()
	d.keys("ctrl+p")
	d.changes("question for the page", before)
	d.keys("Return")
	var page string
	d.until("browser", func() bool {
		text, err := os.ReadFile(opened)
		page = strings.TrimSpace(string(text))
		return err == nil && page != ""
	})
	answer, err := http.Get(page)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || len(body) == 0 {
		t.Errorf("%s: %s %v %q", page, answer.Status, err, body)
	}
}
