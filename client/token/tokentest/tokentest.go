// Package tokentest makes tokens in software for tests, with SoftHSM 2.
package tokentest

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"postern/ike/pki/pkitest"
)

// PIN is of every token made here.
const PIN = "1234"

// modules are where systems put SoftHSM's library.
var modules = []string{"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so"}

// Soft makes a token with the pair's key, "vpn", and returns its URI. Without SoftHSM
// the test is skipped, or fails with POSTERN_REQUIRE_PEERS=1. The token lives as long
// as the test, and is the only one of the process.
func Soft(t *testing.T, pair *pkitest.Pair) string {
	t.Helper()
	i := slices.IndexFunc(modules, func(path string) bool { _, err := os.Stat(path); return err == nil })
	if _, err := exec.LookPath("softhsm2-util"); i < 0 || err != nil {
		if os.Getenv("POSTERN_REQUIRE_PEERS") == "1" {
			t.Fatal("SoftHSM 2 is missing; remedy: sudo packaging/test-deps")
		}
		t.Skip("SoftHSM 2 is missing; remedy: sudo packaging/test-deps")
	}
	dir := t.TempDir()
	conf, key := filepath.Join(dir, "softhsm2.conf"), filepath.Join(dir, "key.pem")
	write(t, conf, []byte("directories.tokendir = "+dir+"\nlog.level = ERROR\n"))
	t.Setenv("SOFTHSM2_CONF", conf)
	write(t, key, pair.KeyPEM(t))
	run(t, "softhsm2-util", "--init-token", "--free", "--label", "postern-test", "--pin", PIN, "--so-pin", "5678")
	run(t, "softhsm2-util", "--import", key, "--token", "postern-test", "--label", "vpn", "--id", "a1", "--pin", PIN)
	return "pkcs11:token=postern-test;object=vpn?module-path=" + modules[i]
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}
