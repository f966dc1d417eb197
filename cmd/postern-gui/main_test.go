//go:build linux

package main_test

import (
	"os"
	"os/exec"
	"testing"
)

// need skips the test, or fails it where POSTERN_REQUIRE_PEERS=1 asks for all, unless
// every program is there.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			why := err.Error() + "; remedy: packaging/test-deps"
			if os.Getenv("POSTERN_REQUIRE_PEERS") == "1" {
				t.Fatal(why)
			}
			t.Skip(why)
		}
	}
}
