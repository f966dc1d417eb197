package gui

import "testing"

func TestStartAtLogin(t *testing.T) {
	home(t)
	if startsAtLogin() {
		t.Fatal("it does already")
	}
	for range 2 {
		if err := startAtLogin(true); err != nil || !startsAtLogin() {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := startAtLogin(false); err != nil || startsAtLogin() {
			t.Fatal(err)
		}
	}
	if got := execQuote(`/opt/a "b"/$c 5%`); got != `"/opt/a \\"b\\"/\\$c 5%%"` {
		t.Error(got)
	}
}
