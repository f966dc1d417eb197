package gui

import (
	"embed"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/theme"

	"postern/client/localapi"
)

//go:embed icons
var iconFiles embed.FS

func icon(name string) fyne.Resource {
	b, err := iconFiles.ReadFile("icons/" + name)
	if err != nil {
		panic(err) // it is part of the program
	}
	return fyne.NewStaticResource(name, b)
}

// ID is the program to the desktop: the name of its desktop entry.
const ID = "io.postern.Postern"

// Icon is the program's.
var Icon = icon("postern.svg")

var (
	iconDown = theme.NewThemedResource(icon("state-down.svg"))
	iconBusy = theme.NewColoredResource(icon("state-busy.svg"), theme.ColorNameWarning)
	iconUp   = theme.NewColoredResource(icon("state-up.svg"), theme.ColorNameSuccess)
	iconLock = theme.NewThemedResource(icon("lock.svg"))
	iconFail = theme.NewColoredResource(icon("state-failed.svg"), theme.ColorNameError)
)

// stateIcon is a state's symbol. They differ in shape, not in colour only.
func stateIcon(s localapi.State, broken bool) fyne.Resource {
	switch {
	case broken || s == localapi.Failed:
		return iconFail
	case s == localapi.Up || s == localapi.Rekeying:
		return iconUp
	case s == localapi.Down:
		return iconDown
	}
	return iconBusy
}
