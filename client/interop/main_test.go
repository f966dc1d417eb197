//go:build linux

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(helperVariable); mode != "" {
		if err := runHelper(mode, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// Debian keeps the tools of root outside the PATH of a person.
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	os.Setenv("LC_ALL", "C")
	if os.Geteuid() == 0 {
		sweep()
	}
	code := m.Run()
	removeBuilt()
	os.Exit(code)
}

// need ends the test unless it runs as root and every program is there. With POSTERN_REQUIRE_PEERS=1 that is a failure,
// otherwise a skip.
func need(t *testing.T, programs ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("real peers are left out of -short")
	}
	missing := func(format string, args ...any) {
		t.Helper()
		if os.Getenv("POSTERN_REQUIRE_PEERS") == "1" {
			t.Fatalf(format, args...)
		}
		t.Skipf(format, args...)
	}
	if os.Geteuid() != 0 {
		missing("network namespaces need root; remedy: make test")
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		missing("no TUN device: %v", err)
	}
	for _, p := range append([]string{"ip", "nft"}, programs...) {
		if _, err := exec.LookPath(p); err != nil {
			missing("%s is missing; remedy: sudo packaging/test-deps", filepath.Base(p))
		}
	}
}
