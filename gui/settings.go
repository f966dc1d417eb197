package gui

import (
	"image/color"
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"
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
	notify := widget.NewCheck(lang.L("Tell me when a connection drops, comes back, or asks something"), func(on bool) { prefs.SetBool(prefNotify, on) })
	notify.Checked = prefs.BoolWithFallback(prefNotify, true)
	login := widget.NewCheck(lang.L("Start this window when I log in"), nil)
	login.Checked = startsAtLogin()
	login.OnChanged = func(on bool) {
		if err := startAtLogin(on); err != nil {
			u.complain(err)
		}
	}
	return container.NewVScroll(container.NewPadded(container.NewVBox(
		widget.NewForm(widget.NewFormItem(lang.L("Look"), look)), notify, login,
		widget.NewSeparator(), widget.NewLabelWithStyle(lang.L("Keys"), fyne.TextAlignLeading, fyne.TextStyle{Bold: true}), u.keyboardHelp(),
		widget.NewSeparator(), u.about,
	)))
}

// applyTheme takes the look that was chosen.
func (u *UI) applyTheme() {
	var variant fyne.ThemeVariant
	switch u.app.Preferences().String(prefTheme) {
	case "light":
		variant = theme.VariantLight
	case "dark":
		variant = theme.VariantDark
	default:
		u.app.Settings().SetTheme(theme.DefaultTheme())
		return
	}
	u.app.Settings().SetTheme(fixed{theme.DefaultTheme(), variant})
}

// fixed is a theme that stays light or dark.
type fixed struct {
	fyne.Theme
	variant fyne.ThemeVariant
}

// Color implements fyne.Theme.
func (f fixed) Color(name fyne.ThemeColorName, _ fyne.ThemeVariant) color.Color {
	return f.Theme.Color(name, f.variant)
}
