package gui

import (
	"fmt"
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/widget"
)

// newSettings is the page of what can be chosen about the window itself.
func newSettings(u *UI) fyne.CanvasObject {
	prefs := u.app.Preferences()
	names := []string{lang.L("As the desktop"), lang.L("Light"), lang.L("Dark")}
	values := []string{"", "light", "dark"}
	look := widget.NewSelect(names, nil)
	look.SetSelectedIndex(max(slices.Index(values, prefs.String(prefTheme)), 0))
	look.OnChanged = func(string) {
		prefs.SetString(prefTheme, values[look.SelectedIndex()])
		u.applyTheme()
	}
	var percents []string
	for _, n := range sizes {
		percents = append(percents, fmt.Sprintf("%d %%", n))
	}
	size := widget.NewSelect(percents, nil)
	size.SetSelectedIndex(max(slices.Index(sizes, prefs.IntWithFallback(prefSize, 100)), 0))
	size.OnChanged = func(string) {
		prefs.SetInt(prefSize, sizes[size.SelectedIndex()])
		u.applyTheme()
	}
	check := func(text, key string) fyne.CanvasObject {
		c := widget.NewCheck(text, func(on bool) { prefs.SetBool(key, on) })
		c.Checked = prefs.BoolWithFallback(key, true)
		return c
	}
	login := widget.NewCheck(lang.L("Start this window when I log in"), nil)
	login.Checked = startsAtLogin()
	login.OnChanged = func(on bool) {
		if err := startAtLogin(on); err != nil {
			u.complain(err)
		}
	}
	return container.NewVScroll(container.NewPadded(container.NewVBox(
		widget.NewForm(widget.NewFormItem(lang.L("Look"), look), widget.NewFormItem(lang.L("Text size"), size)),
		heading(lang.L("Tell me when a connection")),
		check(lang.L("is up"), prefTellUp), check(lang.L("drops or fails"), prefTellLost), check(lang.L("asks something"), prefTellAsks),
		heading(lang.L("This window")), login, wrapped(lang.L("To have a profile connect when the window starts: Edit…, page Network, Connect at start.")),
		widget.NewSeparator(), heading(lang.L("Keys")), u.keyboardHelp(),
		widget.NewSeparator(), u.about,
		wrapped(lang.L("Free software under the three-clause BSD licence.")),
	)))
}

// heading is a title within a page.
func heading(text string) *widget.Label {
	return widget.NewLabelWithStyle(text, fyne.TextAlignLeading, fyne.TextStyle{Bold: true})
}
