//go:build gui

// Command postern-gui is the window of postern: it needs the daemon, or starts a
// demonstration of its own.
package main

import (
	"flag"
	"fmt"
	"os"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/app"

	"postern/client/localapi"
	"postern/gui"
)

func main() {
	socket := flag.String("socket", "", "the daemon's socket (default: the system's, else the user's)")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "Usage: postern-gui [--socket PATH] [PROFILE FILE…]")
		flag.PrintDefaults()
	}
	flag.Parse()
	a := app.NewWithID(gui.ID)
	a.SetIcon(gui.Icon)
	w := a.NewWindow("postern")
	u := gui.New(a, localapi.New(*socket))
	w.SetContent(u.Content())
	w.Resize(fyne.NewSize(860, 620))
	u.Attach(w)
	u.Start()
	w.ShowAndRun()
	u.Close()
}
