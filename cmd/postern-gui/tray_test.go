//go:build linux

package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"postern/client/localapi"
)

// panel is a desktop's panel: it takes symbols (StatusNotifierItem) and notifications.
type panel struct {
	conn *dbus.Conn

	mu    sync.Mutex
	items []string // the names of those who registered one
	notes []string // notifications: title and text
}

// newPanel connects a panel to the desk's bus.
func newPanel(d *desk) *panel {
	d.Helper()
	p := new(panel)
	var err error
	if p.conn, err = dbus.Connect("unix:path=" + filepath.Join(d.folder, "bus")); err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { p.conn.Close() })
	const watcher, notifications = "org.kde.StatusNotifierWatcher", "org.freedesktop.Notifications"
	for _, err := range []error{
		p.conn.Export(trayWatcher{p}, "/StatusNotifierWatcher", watcher),
		p.conn.Export(notifier{p}, "/org/freedesktop/Notifications", notifications),
	} {
		if err != nil {
			d.Fatal(err)
		}
	}
	for _, name := range []string{watcher, notifications} {
		if reply, err := p.conn.RequestName(name, dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
			d.Fatal(name, reply, err)
		}
	}
	return p
}

type trayWatcher struct{ *panel }

// RegisterStatusNotifierItem is the watcher's method.
func (w trayWatcher) RegisterStatusNotifierItem(_ string, sender dbus.Sender) *dbus.Error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.items = append(w.items, string(sender))
	return nil
}

type notifier struct{ *panel }

// Notify is the method of org.freedesktop.Notifications.
func (n notifier) Notify(_ string, _ uint32, _, summary, body string, _ []string, _ map[string]dbus.Variant, _ int32) (uint32, *dbus.Error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.notes = append(n.notes, summary+": "+body)
	return uint32(len(n.notes)), nil
}

// item is the window's symbol; nil: there is none yet.
func (p *panel) item() dbus.BusObject {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.items) == 0 {
		return nil
	}
	return p.conn.Object(p.items[len(p.items)-1], "/StatusNotifierItem/menu")
}

// noted says whether a notification came that contains the text.
func (p *panel) noted(text string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.notes {
		if strings.Contains(n, text) {
			return true
		}
	}
	return false
}

// menuLayout is an item of com.canonical.dbusmenu and those below it.
type menuLayout struct {
	ID         int32
	Properties map[string]dbus.Variant
	Children   []dbus.Variant
}

// menu are the numbers of the menu's items, by their text.
func (p *panel) menu() map[string]int32 {
	item := p.item()
	if item == nil {
		return nil
	}
	var revision uint32
	var root menuLayout
	if item.Call("com.canonical.dbusmenu.GetLayout", 0, int32(0), int32(-1), []string{}).Store(&revision, &root) != nil {
		return nil
	}
	all := make(map[string]int32)
	for _, c := range root.Children {
		var child menuLayout
		if dbus.Store([]any{c.Value()}, &child) == nil {
			if label, ok := child.Properties["label"].Value().(string); ok {
				all[label] = child.ID
			}
		}
	}
	return all
}

// click chooses an item of the menu, once it is there.
func (p *panel) click(d *desk, text string) {
	d.Helper()
	var id int32
	d.until("item "+text+" in the menu", func() (ok bool) { id, ok = p.menu()[text]; return ok })
	if err := p.item().Call("com.canonical.dbusmenu.Event", 0, id, "clicked", dbus.MakeVariant(""), uint32(time.Now().Unix())).Err; err != nil {
		d.Fatal(err)
	}
}

// visible says whether the window is on the display.
func (d *desk) visible() bool {
	out, err := d.xdotool("search", "--onlyvisible", "--name", `postern$`)
	return err == nil && strings.TrimSpace(out) != ""
}

// TestTray works with the symbol beside the clock, as a desktop's panel would have it
// done, while the window is closed.
func TestTray(t *testing.T) {
	d := newDesk(t, look{"light", 1})
	p := newPanel(d)
	d.daemon()
	window := d.gui()
	d.until("symbol", func() bool { return p.item() != nil })
	d.close("closed window", func() bool { return !d.visible() })

	p.click(d, "Connect demo")
	d.until("connection", func() bool { tunnel := d.tunnel("demo"); return tunnel != nil && tunnel.State == localapi.Up })
	d.until("notification", func() bool { return p.noted("demo: Connected") })
	p.click(d, "Disconnect demo")
	d.until("end of the connection", func() bool { tunnel := d.tunnel("demo"); return tunnel == nil || tunnel.State == localapi.Down })
	p.click(d, "Connect demo-password")
	d.until("notification of a question", func() bool { return p.noted("demo-password: The gateway asks you something.") })
	d.until("window, for the question", d.visible)
	d.shows("demo-password: Waiting")
	d.keys("Escape")

	p.click(d, "Open the window")
	d.until("window", d.visible)
	d.close("closed window", func() bool { return !d.visible() })
	if second := d.run(nil, nil, built(t), "--socket", d.socket); d.ends(second) != nil {
		t.Error("the second start: ", second.err)
	}
	d.until("window, for the second start", d.visible)
	p.click(d, "Quit")
	if err := d.ends(window); err != nil {
		t.Error(err)
	}
}

// TestHidden starts the window as a login does: in the tray.
func TestHidden(t *testing.T) {
	d := newDesk(t, look{"light", 1})
	p := newPanel(d)
	d.daemon()
	window := d.run(nil, nil, built(t), "--socket", d.socket, "--hidden")
	p.click(d, "Connect demo")
	d.until("connection", func() bool { tunnel := d.tunnel("demo"); return tunnel != nil && tunnel.State == localapi.Up })
	if d.visible() {
		t.Error("the window is there")
	}
	p.click(d, "Quit")
	d.until("window, which asks what becomes of the connection", d.visible)
	out, err := d.xdotool("search", "--onlyvisible", "--name", `postern$`)
	if d.window = strings.TrimSpace(out); err != nil {
		t.Fatal(err)
	}
	d.focused()
	d.dialog()
	d.keys("Return") // it stays
	if err := d.ends(window); err != nil {
		t.Error(err)
	}
	if d.tunnel("demo") == nil {
		t.Error("the connection ended with the window")
	}
	if _, err := os.Stat(d.socket); err != nil {
		t.Error(err)
	}
}
