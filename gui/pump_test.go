package gui

import (
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/theme"
)

// newApp is Fyne's app for tests with a goroutine of Fyne's own, as with a display: the
// test driver runs what fyne.Do is given wherever that is called.
func newApp(t *testing.T) fyne.App {
	t.Helper()
	a := test.NewTempApp(t)
	a.Settings().SetTheme(theme.DefaultTheme())
	p := &pump{App: a, work: make(chan func(), 4096), stop: make(chan struct{}), done: make(chan struct{})}
	fyne.SetCurrentApp(p)
	go p.run()
	t.Cleanup(func() {
		fyne.SetCurrentApp(a)
		close(p.stop)
		<-p.done
	})
	return p
}

type pump struct {
	fyne.App
	work chan func()
	stop chan struct{} // closed: the test is over, and nothing is run any more
	done chan struct{}
}

func (p *pump) run() {
	defer close(p.done)
	for {
		select {
		case f := <-p.work:
			f()
		case <-p.stop:
			return
		}
	}
}

// Driver implements fyne.App.
func (p *pump) Driver() fyne.Driver { return pumped{p.App.Driver(), p} }

type pumped struct {
	fyne.Driver
	pump *pump
}

// DoFromGoroutine implements fyne.Driver.
func (d pumped) DoFromGoroutine(f func(), wait bool) {
	done := make(chan struct{})
	select {
	case d.pump.work <- func() { defer close(done); f() }:
	case <-d.pump.stop:
		return
	}
	if wait {
		select {
		case <-done:
		case <-d.pump.done:
		}
	}
}
