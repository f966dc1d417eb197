package gui

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/theme"
)

// sizes are the text sizes to choose from, in hundredths of the usual one.
var sizes = []int{85, 100, 120, 145, 175}

// applyTheme takes the look and the text size that were chosen.
func (u *UI) applyTheme() {
	prefs := u.app.Preferences()
	t := look{Theme: theme.DefaultTheme(), size: float32(prefs.IntWithFallback(prefSize, 100)) / 100}
	switch prefs.String(prefTheme) {
	case "light":
		t.variant, t.fixed = theme.VariantLight, true
	case "dark":
		t.variant, t.fixed = theme.VariantDark, true
	}
	u.app.Settings().SetTheme(t)
}

// look is Fyne's theme in another size, and light or dark whatever the desktop is.
type look struct {
	fyne.Theme
	size    float32
	variant fyne.ThemeVariant
	fixed   bool // the variant is the person's, not the desktop's
}

// Color implements fyne.Theme.
func (l look) Color(name fyne.ThemeColorName, v fyne.ThemeVariant) color.Color {
	if l.fixed {
		v = l.variant
	}
	if name == theme.ColorNameDisabled {
		name = theme.ColorNamePlaceHolder // Fyne's own can hardly be read, and locked values are there to be
	}
	return l.Theme.Color(name, v)
}

// Size implements fyne.Theme: what belongs to text grows with it.
func (l look) Size(name fyne.ThemeSizeName) float32 {
	s := l.Theme.Size(name)
	switch name {
	case theme.SizeNameText, theme.SizeNameCaptionText, theme.SizeNameHeadingText, theme.SizeNameSubHeadingText, theme.SizeNameInlineIcon:
		return s * l.size
	}
	return s
}
