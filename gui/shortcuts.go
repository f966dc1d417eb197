package gui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/widget"

	"postern/client/profile"
)

// verb is a line of the menu bar, which has all that the window's buttons do.
type verb struct {
	does string
	key  fyne.KeyName // to be pressed with Ctrl; "": none
	show string       // as it stands on the keyboard
	act  func()
}

// verbs are those of each menu.
func (u *UI) verbs() (profiles, connection, view []verb) {
	page := func(i int) func() { return func() { u.tabs.SelectIndex(i) } }
	withEntry := func(f func(*entry)) func() {
		return func() {
			if e := u.entry(); e != nil {
				f(e)
			}
		}
	}
	withOwn := func(f func(*profile.Profile)) func() {
		return withEntry(func(e *entry) {
			if p := u.person.find(e.name); e.own && p != nil {
				f(p)
			}
		})
	}
	profiles = []verb{
		{lang.L("Import…"), fyne.KeyO, "O", u.pickImport},
		{lang.L("Import what was copied"), "", "", u.importCopied},
		{lang.L("New profile"), fyne.KeyN, "N", func() { u.edit(nil, "") }},
		{lang.L("Edit…"), fyne.KeyE, "E", withEntry(func(e *entry) { u.editEntry(e, "name") })},
		{lang.L("Duplicate…"), fyne.KeyD, "D", withOwn(u.duplicate)},
		{lang.L("Export…"), fyne.KeyS, "S", withOwn(u.export)},
		{lang.L("Forget secrets"), "", "", withEntry(func(e *entry) {
			if e.own || e.managed {
				u.forgetSecrets(e.name)
			}
		})},
		{lang.L("Delete…"), fyne.KeyDelete, "Del", withEntry(func(e *entry) {
			if e.own {
				u.deleteProfile(e)
			}
		})},
		{lang.L("Quit"), fyne.KeyQ, "Q", u.Quit},
	}
	connection = []verb{
		{lang.L("Connect, cancel or disconnect"), fyne.KeyReturn, "Enter", func() {
			if !u.connection.button.Disabled() {
				u.connection.press()
			}
		}},
		{lang.L("The profile above"), fyne.KeyUp, "↑", func() { u.step(-1) }},
		{lang.L("The profile below"), fyne.KeyDown, "↓", func() { u.step(1) }},
		{lang.L("Details"), fyne.KeyI, "I", u.connection.readDetails},
		{lang.L("The gateway's message"), fyne.KeyM, "M", u.connection.readBanner},
		{lang.L("Open a page…"), fyne.KeyP, "P", u.askPage},
	}
	view = []verb{
		{lang.L("Connections"), fyne.Key1, "1", page(0)},
		{lang.L("Log"), fyne.Key2, "2", page(1)},
		{lang.L("Diagnosis"), fyne.Key3, "3", page(2)},
		{lang.L("Settings"), fyne.Key4, "4", page(3)},
	}
	return profiles, connection, view
}

// menu is the window's menu bar. Its keys work wherever the focus is, but in a dialog,
// which has its own.
func (u *UI) menu(c fyne.Canvas) *fyne.MainMenu {
	items := func(title string, verbs []verb) *fyne.Menu {
		m := fyne.NewMenu(title)
		for _, k := range verbs {
			item := fyne.NewMenuItem(k.does, func() {
				if c.Overlays().Top() == nil {
					k.act()
				}
			})
			if k.key != "" {
				item.Shortcut = &desktop.CustomShortcut{KeyName: k.key, Modifier: fyne.KeyModifierControl}
			}
			if k.key == fyne.KeyQ {
				item.IsQuit = true
				m.Items = append(m.Items, fyne.NewMenuItemSeparator())
			}
			m.Items = append(m.Items, item)
		}
		return m
	}
	profiles, connection, view := u.verbs()
	return fyne.NewMainMenu(items(lang.L("Profile"), profiles), items(lang.L("Connection"), connection), items(lang.L("View"), view))
}

// pasted imports what was copied, where no field takes it.
func (u *UI) pasted(c fyne.Canvas) {
	c.AddShortcut(&fyne.ShortcutPaste{}, func(fyne.Shortcut) {
		if c.Overlays().Top() == nil {
			u.importCopied()
		}
	})
}

// step selects another profile of the list.
func (u *UI) step(by int) {
	for i, e := range u.list.shown {
		if e.key == u.selected {
			if j := i + by; j >= 0 && j < len(u.list.shown) {
				u.list.widget.Select(j)
			}
			return
		}
	}
}

// keyboardHelp lists the keys.
func (u *UI) keyboardHelp() fyne.CanvasObject {
	box := container.New(layout.NewFormLayout())
	profiles, connection, view := u.verbs()
	for _, menu := range [][]verb{connection, profiles, view} {
		for _, k := range menu {
			if k.key == "" {
				continue
			}
			box.Add(widget.NewLabelWithStyle(lang.L("Ctrl")+" "+k.show, fyne.TextAlignLeading, fyne.TextStyle{Monospace: true}))
			box.Add(widget.NewLabel(k.does))
		}
	}
	box.Add(widget.NewLabelWithStyle("Tab", fyne.TextAlignLeading, fyne.TextStyle{Monospace: true}))
	box.Add(wrapped(lang.L("From one field or button to the next; the space bar presses a button. In dialogs Enter takes and Escape leaves.")))
	return box
}
