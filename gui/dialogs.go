package gui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/dialog"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/widget"
)

// say shows a text in a dialog that Escape, Enter and its button close.
func (u *UI) say(title string, size fyne.Size, content fyne.CanvasObject) {
	d := dialog.NewCustomWithoutButtons(title, content, u.window)
	u.closing(d, lang.L("Close"))
	d.Resize(size)
	d.Show()
}

// closing gives a dialog a button that closes it, with the focus on it.
func (u *UI) closing(d *dialog.CustomDialog, text string) {
	b := newKeyButton(text, d.Hide, d.Hide)
	d.SetButtons([]fyne.CanvasObject{b})
	fyne.Do(func() { u.window.Canvas().Focus(b) }) // once it is shown
}

// choice is a button of a dialog and what it does beside closing it; nil: nothing.
type choice struct {
	text string
	act  func()
}

// offer shows something with buttons, each of which closes the dialog. The last one has
// the focus, so that Enter presses it; Escape presses the one of number escape.
func (u *UI) offer(title string, size fyne.Size, content fyne.CanvasObject, escape int, choices ...choice) {
	d := dialog.NewCustomWithoutButtons(title, content, u.window)
	press := func(c choice) func() {
		return func() {
			d.Hide()
			if c.act != nil {
				c.act()
			}
		}
	}
	var all []fyne.CanvasObject
	var last *keyButton
	for _, c := range choices {
		last = newKeyButton(c.text, press(c), press(choices[escape]))
		all = append(all, last)
	}
	last.Importance = widget.HighImportance
	d.SetButtons(all)
	d.Resize(size)
	d.Show()
	u.window.Canvas().Focus(last)
}

// decide shows something to be taken or left: Enter takes it, Escape leaves it.
func (u *UI) decide(title, take string, size fyne.Size, content fyne.CanvasObject, act func(yes bool)) *dialog.CustomDialog {
	d := dialog.NewCustomWithoutButtons(title, content, u.window)
	end := func(yes bool) func() {
		return func() {
			d.Hide()
			act(yes)
		}
	}
	yes := newKeyButton(take, end(true), end(false))
	yes.Importance = widget.HighImportance
	d.SetButtons([]fyne.CanvasObject{newKeyButton(lang.L("Cancel"), end(false), end(false)), yes})
	d.Resize(size)
	d.Show()
	u.window.Canvas().Focus(yes)
	return d
}

// keyButton is a button of a dialog: Enter presses it, and Escape leaves the dialog.
type keyButton struct {
	widget.Button
	escape func()
}

func newKeyButton(text string, press, escape func()) *keyButton {
	b := &keyButton{escape: escape}
	b.Text, b.OnTapped = text, press
	b.ExtendBaseWidget(b)
	return b
}

// TypedKey implements fyne.Focusable.
func (b *keyButton) TypedKey(k *fyne.KeyEvent) {
	switch k.Name {
	case fyne.KeyEscape:
		if b.escape != nil {
			b.escape()
		}
	case fyne.KeyReturn, fyne.KeyEnter:
		b.OnTapped()
	default:
		b.Button.TypedKey(k)
	}
}

// wrapped is a text of several lines that can be selected.
func wrapped(text string) *widget.Label {
	l := widget.NewLabel(text)
	l.Wrapping, l.Selectable = fyne.TextWrapWord, true
	return l
}

// tell shows a longer text.
func (u *UI) tell(title, text string) {
	u.say(title, fyne.NewSize(520, 360), container.NewVScroll(wrapped(text)))
}
