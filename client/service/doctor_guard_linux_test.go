package service

import (
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"postern/client/localapi"
	"postern/tun/hostnet"
)

// The doctor knows of a kill switch that holds for nobody, and doesn't tell a stranger whose it is.
func TestDoctorOfAKillSwitch(t *testing.T) {
	const child = "POSTERN_TEST_GUARD_DIR"
	if dir := os.Getenv(child); dir != "" { // a process that dies with its kill switch in force
		c := hostnet.GuardConfig{ID: "1001:office", Protect: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
		if _, err := hostnet.Protect(t.Context(), c, dir); err != nil {
			t.Fatal(err)
		}
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make a network namespace")
	}
	runtime.LockOSThread() // and never unlocked: the thread isn't to be used again
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skip("can't make a network namespace:", err)
	}
	dir := t.TempDir()
	m := &Manager{config: Config{Mode: localapi.ModeSystem, StateDir: dir}, rights: rights{mode: localapi.ModeSystem, group: "postern"}}
	if found := m.killSwitches(alice); found != nil {
		t.Errorf("without any: %+v", found)
	}
	crash := exec.Command(os.Args[0], "-test.run", t.Name())
	crash.Env = append(os.Environ(), child+"="+dir)
	if out, err := crash.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for who, want := range map[*localapi.Caller]string{
		{UID: 1001, Name: "alice"}:   "that of 1001:office.",
		{UID: 1002, Name: "mallory"}: "that of somebody else.",
		{UID: 0, Name: "root"}:       "that of 1001:office.",
	} {
		found := m.killSwitches(*who)
		if len(found) != 1 || found[0].Verdict != localapi.VerdictFail || !strings.Contains(found[0].Found, want) {
			t.Errorf("%s is told %+v, want %q", who.Name, found, want)
		}
	}
	if err := hostnet.Release(dir, ""); err != nil {
		t.Fatal(err)
	}
	if found := m.killSwitches(alice); found != nil {
		t.Errorf("lifted: %+v", found)
	}
}
