//go:build unix

package service

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/client"
	"postern/client/localapi"
)

var update = flag.Bool("update", false, "write testdata/hook.env anew")

func up() client.Status {
	return client.Status{
		Profile: "office", State: client.Up,
		Gateway: &client.GatewayStatus{Name: "vpn.example.com", Address: netip.MustParseAddrPort("192.0.2.1:4500")},
		Tunnel: &client.TunnelStatus{
			Interface: "postern0", Address: netip.MustParseAddr("10.20.0.10"), MTU: 1400,
			Networks: []netip.Prefix{netip.MustParsePrefix("10.20.0.0/24"), netip.MustParsePrefix("10.0.0.1/8"), netip.MustParsePrefix("2001:db8::/48")},
			Exclude:  []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")},
			DNS:      []netip.Addr{netip.MustParseAddr("10.20.0.1"), netip.MustParseAddr("10.20.0.2"), netip.MustParseAddr("2001:db8::53")},
			NBNS:     []netip.Addr{netip.MustParseAddr("10.20.0.3")},
			Search:   []string{"home.example.com", "example.com."},
			SplitDNS: []string{"example.net", "$(reboot)", "a b", "-", "example.org"},
			Banner:   "Welcome\r\n`reboot`; $(reboot)\x1b]0;x\x07\u202e\x00" + strings.Repeat("a", 1000),
		},
	}
}

// TestHookEnvironment compares all that a hook is told with testdata/hook.env.
func TestHookEnvironment(t *testing.T) {
	const golden = "testdata/hook.env"
	env := hookEnvironment(connected, up())
	slices.Sort(env[1:])
	for i, v := range env {
		if strings.HasPrefix(v, "VPNPID=") {
			env[i] = "VPNPID=1"
		}
	}
	got := strings.Join(env, "\n") + "\n"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Error(d)
	}
	six := up()
	six.Tunnel.Address = netip.MustParseAddr("2001:db8::9")
	six.Tunnel.Networks = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	six.Tunnel.Exclude = nil
	env = hookEnvironment(disconnected, six)
	for _, v := range env {
		if strings.HasPrefix(v, "CISCO_SPLIT_INC") || strings.HasPrefix(v, "CISCO_IPV6") || strings.HasPrefix(v, "INTERNAL_IP4_ADDRESS") {
			t.Errorf("%q", v)
		}
	}
	if !slices.Contains(env, "INTERNAL_IP6_NETMASK=2001:db8::9/128") {
		t.Errorf("%q", env)
	}
	if before := hookEnvironment(preInit, client.Status{Profile: "office"}); len(before) != 4 {
		t.Errorf("%q", before)
	}
}

// hookLog collects what hooks say.
type hookLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *hookLog) note(o owner, line localapi.LogLine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := line.Message
	if line.Attrs["error"] != "" {
		text += ": " + line.Attrs["error"]
	}
	if o == ofDaemon {
		text = "daemon: " + text
	}
	l.lines = append(l.lines, text)
}

func script(t *testing.T, folder, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestHooks(t *testing.T) {
	folder := t.TempDir()
	script(t, folder, "10-first", `echo "$reason $TUNDEV"; env | grep -c POSTERN_TEST || true`, 0o700)
	script(t, folder, "20.second", `printf 'two\033[31m\n' >&2; exit 3`, 0o755)
	script(t, folder, "30-not-executable", "echo no", 0o644)
	script(t, folder, "40-everybody's", "echo no", 0o755)
	script(t, folder, "40-everybody", "echo no", 0o757)
	script(t, folder, ".hidden", "echo no", 0o700)
	script(t, folder, "50-old~", "echo no", 0o700)
	script(t, folder, "50.dpkg-old", "echo no", 0o700)
	if err := os.Symlink("10-first", filepath.Join(folder, "60-link")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("POSTERN_TEST_CANARY", "1")
	var log hookLog
	h := hooks{folder: folder, log: log.note}
	h.call(&tunnel{id: "office", owner: ofSystem}, connected, up())
	want := []string{
		"daemon: a hook isn't used, for " + folder + "/40-everybody can be written to by others than root (chmod go-w)",
		"daemon: a hook isn't used, for " + folder + "/60-link isn't a regular file",
		"connect postern0", "0", "two[31m", "a hook failed: exit status 3",
	}
	if d := cmp.Diff(want, log.lines); d != "" {
		t.Error(d)
	}
	// In a folder that others can write to there are none.
	if err := os.Chmod(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	if programs, problems := h.list(); len(programs) != 0 || len(problems) == 0 {
		t.Errorf("%q, %v", programs, problems)
	}
	if os.Geteuid() != 0 {
		t.Log("whose files these are is tried by root only")
		return
	}
	check(t, os.Chmod(folder, 0o755))
	check(t, os.Chown(filepath.Join(folder, "10-first"), 1001, 1001))
	if programs, _ := h.list(); slices.ContainsFunc(programs, func(p string) bool { return strings.HasSuffix(p, "first") }) {
		t.Error("another user's program runs")
	}
}

// TestHookKilled: a hook that takes too long is killed with all that it started; one
// that leaves something behind isn't waited for.
func TestHookKilled(t *testing.T) {
	folder := t.TempDir()
	mark := filepath.Join(folder, "mark")
	slow := script(t, folder, "slow", "(while sleep 0.2; do echo >>"+mark+"; done) &\necho begun\nsleep 1000", 0o700)
	var log hookLog
	began := time.Now()
	err := runHook(slow, nil, 3*time.Second, func(l string) { log.note(0, localapi.LogLine{Message: l}) })
	if err == nil || !strings.Contains(err.Error(), "killed") || time.Since(began) > patience {
		t.Error(err)
	}
	if len(log.lines) != 1 || log.lines[0] != "begun" {
		t.Errorf("%q", log.lines)
	}
	written, _ := os.ReadFile(mark)
	leaves := script(t, folder, "leaves", "sleep 4 & echo done", 0o700)
	if err := runHook(leaves, nil, patience, func(string) {}); err != nil {
		t.Error(err)
	}
	time.Sleep(time.Second)
	if now, _ := os.ReadFile(mark); len(now) != len(written) {
		t.Error("what it started goes on")
	}
	if err := runHook(filepath.Join(folder, "mark"), nil, patience, func(string) {}); err == nil {
		t.Error("no error")
	}
}

// TestHookReasons: each change of a connection has its reason, in order, and the values
// of the connection that it is about.
func TestHookReasons(t *testing.T) {
	folder := t.TempDir()
	script(t, folder, "say", `echo "$reason ${TUNDEV:-none}"`, 0o700)
	var log hookLog
	m := &Manager{hooks: &hooks{folder: folder, log: log.note}}
	tn := &tunnel{m: m, id: "office", profile: "office"}
	lost := client.Status{Profile: "office", State: client.Reconnecting}
	var e hookEvents
	e.open(tn)
	for _, st := range []client.Status{{State: client.Connecting}, up(), up(), lost, lost, {State: client.Connecting}, up(), lost} {
		e.saw(tn, st)
	}
	e.close(tn)
	want := []string{
		"pre-init none", "connect postern0", "attempt-reconnect postern0", "reconnect postern0", "attempt-reconnect postern0", "disconnect postern0",
	}
	if d := cmp.Diff(want, log.lines); d != "" {
		t.Error(d)
	}
	// One that never came up isn't disconnected.
	log.lines = nil
	var never hookEvents
	never.open(tn)
	never.saw(tn, client.Status{State: client.Failed})
	never.close(tn)
	if d := cmp.Diff([]string{"pre-init none"}, log.lines); d != "" {
		t.Error(d)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
