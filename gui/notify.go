package gui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"

	"postern/client/localapi"
)

// Keys of the preferences.
const (
	prefNotify  = "notifications" // bool, true
	prefTheme   = "theme"         // "", "light", "dark"
	prefConnect = "connect"       // the keys of profiles to connect when the window starts
)

// notify tells what a person would want to know who looks at another window: a
// connection that came, dropped or came back, and a question that waits.
func (u *UI) notify(before localapi.State, t *localapi.Tunnel) {
	if before == t.State || !u.app.Preferences().BoolWithFallback(prefNotify, true) {
		return
	}
	text := ""
	switch t.State {
	case localapi.Up:
		switch before {
		case localapi.Rekeying, "":
			return
		}
		text = lang.L("Connected")
	case localapi.Reconnecting:
		text = lang.L("The connection dropped. Reconnecting…")
	case localapi.Failed:
		if before == "" {
			return
		}
		text = stateWords(t.State)
		if t.Reason != nil {
			text = t.Reason.Message
		}
	case localapi.WaitingForInput:
		text = lang.L("The gateway asks you something.")
	default:
		return
	}
	u.app.SendNotification(fyne.NewNotification(t.Profile, text))
}
