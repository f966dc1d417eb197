package gui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/widget"
)

// textEntry is a field in a dialog: Escape in it leaves the dialog.
type textEntry struct {
	widget.Entry
	escape func()
}

func newTextEntry(escape func()) *textEntry {
	e := &textEntry{escape: escape}
	e.ExtendBaseWidget(e)
	return e
}

func newSecretEntry(escape func()) *textEntry {
	e := newTextEntry(escape)
	e.Password = true
	return e
}

// TypedKey implements fyne.Focusable.
func (e *textEntry) TypedKey(k *fyne.KeyEvent) {
	if k.Name == fyne.KeyEscape && e.escape != nil {
		e.escape()
		return
	}
	e.Entry.TypedKey(k)
}
