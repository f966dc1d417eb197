package gui

import (
	"errors"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/widget"

	"postern/client/localapi"
)

// failure says why a connection failed and what to try next, as buttons.
type failure struct {
	ui           *UI
	box          *fyne.Container
	message, try *widget.Label
	actions      *fyne.Container
	shown        string // for which reason the buttons are there
}

func newFailure(u *UI) *failure {
	f := &failure{ui: u, message: widget.NewLabel(""), try: widget.NewLabel(""), actions: container.NewHBox()}
	f.message.Importance = widget.DangerImportance
	for _, l := range []*widget.Label{f.message, f.try} {
		l.Wrapping, l.Selectable = fyne.TextWrapWord, true
	}
	f.box = container.NewVBox(f.message, f.try, f.actions)
	f.box.Hide()
	return f
}

// show shows an entry's failure, if it has one.
func (f *failure) show(e *entry) {
	var r *localapi.Reason
	switch {
	case e.problem != "":
		r = &localapi.Reason{Code: "profile", Message: e.problem}
	case e.tunnel != nil:
		r = e.tunnel.Reason
	}
	setHidden(f.box, r == nil)
	if r == nil {
		f.shown = ""
		return
	}
	setText(f.message, r.Message)
	setText(f.try, r.Try)
	setHidden(f.try, r.Try == "")
	if key := e.key + r.Code; key != f.shown {
		f.shown = key
		f.actions.Objects = f.ui.remedies(e, r)
		f.actions.Refresh()
	}
}

// copyReport puts into the clipboard what helps an administrator: no secret is in it.
func (u *UI) copyReport(e *entry, r *localapi.Reason) {
	text := "postern " + u.snapshot.Version + "\n" + e.name + ": " + r.Code + "\n" + r.Message + "\n"
	if r.Detail != "" {
		text += r.Detail + "\n"
	}
	u.app.Clipboard().SetContent(text)
}

// complain shows an error in a dialog: what a button couldn't do.
func (u *UI) complain(err error) {
	if u.window == nil {
		return
	}
	message, try := err.Error(), ""
	var r *localapi.Reason
	if errors.As(err, &r) {
		message, try = r.Message, r.Try
	}
	box := container.NewVBox(wrapped(message))
	if try != "" {
		box.Add(wrapped(try))
	}
	u.say(lang.L("That didn't work"), fyne.NewSize(440, 0), box)
}
