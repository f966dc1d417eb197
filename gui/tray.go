package gui

import (
	"context"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/lang"

	"postern/client/localapi"
)

// tray is the symbol beside the clock, where the desktop has a place for it. It offers
// what the window does, and the window needs it for nothing.
type tray struct {
	ui    *UI
	app   desktop.App // nil: this system has none
	menu  *fyne.Menu  // always the same: Fyne shows the first one again when the symbol is there
	shown string      // what its menu says, so that it is built when that changes only
	icon  string
}

func newTray(u *UI) *tray {
	t := &tray{ui: u, menu: fyne.NewMenu("postern")}
	t.app, _ = u.app.(desktop.App)
	return t
}

// show brings the symbol and the menu up to date.
func (t *tray) show(all []*entry) {
	if t.app == nil || t.ui.window == nil {
		return
	}
	state := localapi.Down
	var says strings.Builder
	for _, e := range all {
		says.WriteString(e.key + "\x00" + e.below() + "\x00")
		state = loudest(state, e.state())
	}
	if icon := stateIcon(state, false); icon.Name() != t.icon {
		t.icon = icon.Name()
		t.app.SetSystemTrayIcon(icon)
	}
	if t.menu.Items != nil && says.String() == t.shown {
		return
	}
	t.shown, t.menu.Items = says.String(), t.items(all)
	t.app.SetSystemTrayMenu(t.menu)
}

// loudest is what a symbol for several connections shows.
func loudest(a, b localapi.State) localapi.State {
	rank := func(s localapi.State) int {
		switch s {
		case localapi.Down:
			return 0
		case localapi.Failed:
			return 1
		case localapi.Up, localapi.Rekeying:
			return 2
		}
		return 3
	}
	if rank(b) > rank(a) {
		return b
	}
	return a
}

func (t *tray) items(all []*entry) []*fyne.MenuItem {
	items := []*fyne.MenuItem{fyne.NewMenuItem(lang.L("Open the window"), t.ui.raise), fyne.NewMenuItemSeparator()}
	for _, e := range all {
		text, act := lang.L("Connect {{.Name}}", map[string]any{"Name": e.name}), func() { t.ui.choose(e.key); t.ui.connect(e) }
		if e.busy() {
			text, act = lang.L("Disconnect {{.Name}}", map[string]any{"Name": e.name}), func() { t.ui.disconnect(e) }
		}
		item := fyne.NewMenuItem(text, act)
		item.Disabled = e.problem != ""
		items = append(items, item)
	}
	quit := fyne.NewMenuItem(lang.L("Quit"), t.ui.Quit)
	quit.IsQuit = true
	return append(items, fyne.NewMenuItemSeparator(), quit)
}

// raise shows the window in front of the others.
func (u *UI) raise() {
	u.window.Show()
	u.window.RequestFocus()
}

// Quit ends the program, and asks what becomes of the person's connections first: they
// live on in the daemon, but for a demonstration's.
func (u *UI) Quit() {
	var names, ids []string
	for _, e := range u.entries {
		if e.busy() && e.owner == "" {
			names, ids = append(names, e.name), append(ids, e.id())
		}
	}
	if len(names) == 0 || u.window == nil || !u.snapshot.Control {
		u.leave()
		return
	}
	u.raise()
	values := map[string]any{"Names": strings.Join(names, ", ")}
	if u.demo != nil {
		u.offer(lang.L("Quit"), fyne.NewSize(420, 0), wrapped(lang.L("The demonstration ends with this window, and so does the connection: {{.Names}}.", values)), 0,
			choice{lang.L("Cancel"), nil}, choice{lang.L("Quit"), u.leave})
		return
	}
	u.offer(lang.L("Quit"), fyne.NewSize(460, 0), wrapped(lang.L("Without this window these stay connected: {{.Names}}.", values)), 0,
		choice{lang.L("Cancel"), nil}, choice{lang.L("Disconnect and quit"), func() { u.leaveDisconnected(ids) }}, choice{lang.L("Quit, stay connected"), u.leave})
}

// leave ends the program.
func (u *UI) leave() {
	if u.window != nil {
		u.keepSize()
	}
	u.Close()
	u.app.Quit()
}

// leaveDisconnected ends connections, then the program.
func (u *UI) leaveDisconnected(ids []string) {
	u.call(func(ctx context.Context, api *localapi.Client) error {
		for _, id := range ids {
			if err := api.Disconnect(ctx, localapi.TunnelRequest{Tunnel: id}); err != nil {
				return err
			}
		}
		fyne.Do(u.leave)
		return nil
	})
}
