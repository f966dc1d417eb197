package gui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"

	"postern/client/localapi"
)

// Keys of the preferences.
const (
	prefTheme    = "theme"     // "", "light", "dark"
	prefSize     = "size"      // of text, in hundredths; 100
	prefTellUp   = "tell-up"   // bool, true
	prefTellLost = "tell-lost" // bool, true
	prefTellAsks = "tell-asks" // bool, true
	prefSelected = "selected"  // the profile that was shown last, by its key
	prefLast     = "last/"     // + name: when it was connected last (RFC 3339)
	prefWidth    = "width"     // of the window, in Fyne's units
	prefHeight   = "height"    // likewise
)

// setPref sets a preference, if it isn't so already: each change is written to disk.
func setPref(p fyne.Preferences, key, value string) {
	if p.String(key) != value {
		p.SetString(key, value)
	}
}

// notify tells what a person would want to know who looks at another window: a
// connection that came, dropped or came back, and a question that waits.
func (u *UI) notify(before localapi.State, t *localapi.Tunnel) {
	if before == t.State {
		return
	}
	text, wanted := "", prefTellUp
	switch t.State {
	case localapi.Up:
		switch before {
		case localapi.Rekeying, "":
			return
		}
		text = lang.L("Connected")
	case localapi.Reconnecting:
		text, wanted = lang.L("The connection dropped. Reconnecting…"), prefTellLost
	case localapi.Failed:
		if before == "" {
			return
		}
		text, wanted = stateWords(t.State), prefTellLost
		if t.Reason != nil {
			text = t.Reason.Message
		}
	case localapi.WaitingForInput:
		text, wanted = lang.L("The gateway asks you something."), prefTellAsks
	default:
		return
	}
	if !u.app.Preferences().BoolWithFallback(wanted, true) {
		return
	}
	u.app.SendNotification(fyne.NewNotification(t.Profile, text))
}
