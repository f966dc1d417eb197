//go:build gui

// Command postern-gui is the window of postern: it needs the daemon, or starts a
// demonstration of its own.
package main

import (
	"flag"
	"fmt"
	"os"

	"fyne.io/fyne/v2/app"

	"postern/client/localapi"
	"postern/gui"
)

// version is set by the linker for a release.
var version = "unknown"

func main() {
	socket := flag.String("socket", "", "the daemon's socket (default: the system's, else the user's)")
	hidden := flag.Bool("hidden", false, "begin in the tray, where there is one")
	printVersion := flag.Bool("version", false, "print the version and exit")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "Usage: postern-gui [--socket PATH] [--hidden] [--version] [FILE…]\n\nFILEs are profiles to import, of any format that is known.")
		flag.PrintDefaults()
	}
	flag.Parse()
	if *printVersion {
		fmt.Println("postern-gui", version)
		return
	}
	if gui.HandOver(flag.Args()) {
		return // to the window that is there
	}
	a := app.NewWithID(gui.ID)
	a.SetIcon(gui.Icon)
	w := a.NewWindow("postern")
	u := gui.New(a, localapi.New(*socket))
	defer u.Close()
	w.SetContent(u.Content())
	w.Resize(u.Size())
	u.Attach(w)
	u.Start()
	if err := u.Accept(); err != nil {
		fmt.Fprintln(os.Stderr, "postern-gui: a second start will open a second window:", err)
	}
	a.Lifecycle().SetOnStopped(u.Close)
	a.Lifecycle().SetOnStarted(func() { u.Open(flag.Args()...) })
	if *hidden && gui.HasTray() {
		a.Run()
		return
	}
	w.ShowAndRun()
}
