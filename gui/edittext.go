package gui

import (
	"os"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/dialog"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/widget"

	"postern/client/profile"
)

// editText opens a profile that can't be read as the text that it is, so that what is
// wrong can be put right. It is saved when it is right.
func (u *UI) editText(name string) {
	path, err := profile.Find(name)
	if err != nil {
		u.complain(err)
		return
	}
	text, err := os.ReadFile(path)
	if err != nil {
		u.complain(err)
		return
	}
	fault := widget.NewLabel("")
	fault.Wrapping, fault.Importance = fyne.TextWrapWord, widget.DangerImportance
	field := widget.NewMultiLineEntry()
	field.TextStyle = fyne.TextStyle{Monospace: true}
	d := dialog.NewCustomWithoutButtons(name, container.NewBorder(nil, fault, nil, nil, field), u.window)
	save := widget.NewButton(lang.L("Save"), func() {
		if err := profile.WriteFile(path, []byte(field.Text), true); err != nil {
			u.complain(err)
			return
		}
		d.Hide()
		u.reload()
	})
	save.Importance = widget.HighImportance
	field.OnChanged = func(text string) {
		p, err := profile.Parse([]byte(text), "")
		setText(fault, "")
		save.Enable()
		if err != nil {
			setText(fault, err.Error())
			save.Disable()
			return
		}
		p.Clear()
	}
	field.SetText(string(text))
	d.SetButtons([]fyne.CanvasObject{widget.NewButton(lang.L("Cancel"), d.Hide), save})
	d.Resize(fyne.NewSize(640, 480))
	d.Show()
	u.window.Canvas().Focus(field)
}
