package main

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"postern/tun/hostnet"
)

// A kill switch whose process is dead is lifted, one whose process lives stays.
func TestRecover(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make a network namespace")
	}
	runtime.LockOSThread() // and never unlocked: the thread isn't to be used again
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skip("can't make a network namespace:", err)
	}
	dir := t.TempDir()
	for _, id := range []string{"0/dead", "0/alive"} {
		g, err := hostnet.Protect(t.Context(), hostnet.GuardConfig{ID: id, Protect: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, dir)
		if err != nil {
			t.Skip(err)
		}
		if id == "0/alive" {
			defer g.Release()
			continue
		}
		// Another start of the same process ID: that one is dead.
		files, err := filepath.Glob(filepath.Join(dir, "guard-*dead*.json"))
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		text, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.Replace(text, []byte(`"start": `), []byte(`"start": 1`), 1)
		if err := os.WriteFile(files[0], text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	if err := putBack(&out, globals{}, dir); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"The kill switch of 0/dead is lifted; it held since ", "The kill switch of 0/alive stays", "is as it was before.\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q lacks %q", out.String(), want)
		}
	}
	out.Reset()
	if err := putBack(&out, globals{json: true}, dir); err != nil {
		t.Fatal(err)
	}
	var r recovered
	if err := json.Unmarshal([]byte(out.String()), &r); err != nil || len(r.Lifted) != 0 || len(r.Held) != 1 {
		t.Errorf("%s %v", out.String(), err)
	}
}

func TestRecoverNothing(t *testing.T) {
	var out strings.Builder
	if err := putBack(&out, globals{}, filepath.Join(t.TempDir(), "nowhere")); err != nil || out.String() != "This machine's network is as it was before.\n" {
		t.Errorf("%q %v", out.String(), err)
	}
}
