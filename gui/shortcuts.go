package gui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/widget"
)

// shortcut is a key to be pressed with Ctrl.
type shortcut struct {
	key  fyne.KeyName
	show string // as it stands on the keyboard
	does string
	act  func()
}

// shortcuts are the keys that do what the window's buttons do.
func (u *UI) shortcuts() []shortcut {
	page := func(i int) func() { return func() { u.tabs.SelectIndex(i) } }
	withEntry := func(f func(*entry)) func() {
		return func() {
			if e := u.entry(); e != nil {
				f(e)
			}
		}
	}
	return []shortcut{
		{fyne.KeyReturn, "Enter", lang.L("Connect, cancel or disconnect"), func() {
			if !u.connection.button.Disabled() {
				u.connection.press()
			}
		}},
		{fyne.KeyUp, "↑", lang.L("The profile above"), func() { u.step(-1) }},
		{fyne.KeyDown, "↓", lang.L("The profile below"), func() { u.step(1) }},
		{fyne.KeyO, "O", lang.L("Import…"), u.pickImport},
		{fyne.KeyN, "N", lang.L("New profile"), func() { u.edit(nil, "") }},
		{fyne.KeyE, "E", lang.L("Edit…"), withEntry(func(e *entry) { u.editEntry(e, "name") })},
		{fyne.Key1, "1", lang.L("Connections"), page(0)},
		{fyne.Key2, "2", lang.L("Log"), page(1)},
		{fyne.Key3, "3", lang.L("Diagnosis"), page(2)},
		{fyne.Key4, "4", lang.L("Settings"), page(3)},
		{fyne.KeyQ, "Q", lang.L("Quit"), u.Quit},
	}
}

// listen lets the keys work in a window.
func (u *UI) listen(c fyne.Canvas) {
	for _, s := range u.shortcuts() {
		c.AddShortcut(&desktop.CustomShortcut{KeyName: s.key, Modifier: fyne.KeyModifierControl}, func(fyne.Shortcut) {
			if c.Overlays().Top() == nil { // a dialog has its own
				s.act()
			}
		})
	}
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
	for _, s := range u.shortcuts() {
		box.Add(widget.NewLabelWithStyle(lang.L("Ctrl")+" "+s.show, fyne.TextAlignLeading, fyne.TextStyle{Monospace: true}))
		box.Add(widget.NewLabel(s.does))
	}
	return box
}
