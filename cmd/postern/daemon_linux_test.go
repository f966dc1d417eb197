package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"postern/client"
	"postern/client/localapi"
)

// machine is a computer of its own for a system's daemon: a network namespace with an
// uplink, an /etc, folders, a service manager.
type machine struct {
	t    *testing.T
	dir  string
	self string // this program, where every user may run it
	sd   *manager
	env  []string
}

// cannot skips the test, or fails it where POSTERN_REQUIRE_PEERS=1 asks for all that need
// more than a person has.
func cannot(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("POSTERN_REQUIRE_PEERS") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// testGroup controls the daemon: a number, for a group needs no name.
const testGroup = 61500

// newMachine moves the calling test, alone on its thread, to namespaces of its own. What
// it starts is in them, and the thread ends with the test.
func newMachine(t *testing.T) *machine {
	t.Helper()
	if os.Geteuid() != 0 {
		cannot(t, "needs root, to make a network namespace")
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		cannot(t, "no /dev/net/tun")
	}
	dir, err := os.MkdirTemp("", "machine")
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	check(t, os.Chmod(dir, 0o755))
	m := &machine{t: t, dir: dir, sd: newServiceManager(t), self: filepath.Join(dir, "postern")}
	for _, name := range []string{"state", "profiles", "none", "run", "credentials", "hooks"} {
		check(t, os.Mkdir(filepath.Join(dir, name), 0o755))
	}
	own, err := os.ReadFile("/proc/self/exe")
	check(t, err)
	check(t, os.WriteFile(m.self, own, 0o755))
	m.sh("cp -a /etc " + dir + "/etc")

	runtime.LockOSThread() // and never unlocked: the thread isn't to be used again
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS); err != nil {
		cannot(t, "can't make a network namespace: %v", err)
	}
	check(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	check(t, unix.Mount(dir+"/etc", "/etc", "", unix.MS_BIND, ""))
	// No IPv6, whose addresses and routes appear when they like.
	check(t, os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("1"), 0))
	check(t, os.RemoveAll("/etc/resolv.conf"))
	check(t, os.WriteFile("/etc/resolv.conf", []byte("nameserver 192.0.2.53\nsearch example.net\n"), 0o644))
	m.sh("ip link set lo up; ip link add up0 type veth peer name far0; ip addr add 192.0.2.10/24 dev up0; ip link set far0 up; ip link set up0 up; ip route add default via 192.0.2.1")
	// The kernel says some time later that a cable is plugged in.
	until(t, "plugged in", func() bool { return strings.Count(m.sh("ip -o link"), " state UP ") == 2 })
	m.env = []string{"NOTIFY_SOCKET=" + m.sd.path, "CREDENTIALS_DIRECTORY=" + filepath.Join(dir, "credentials"), "DBUS_SYSTEM_BUS_ADDRESS=unix:path=" + dir + "/no-bus"}
	return m
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sh runs a shell's commands, and returns what they print.
func (m *machine) sh(script string) string {
	m.t.Helper()
	out, err := exec.Command("/bin/sh", "-ec", script).CombinedOutput()
	if err != nil {
		m.t.Fatalf("%s: %v: %s", script, err, out)
	}
	return string(out)
}

// network is all of the network that a tunnel may change.
func (m *machine) network() string {
	m.t.Helper()
	return m.sh(`ip -o link; ip -o addr; ip route show table all; ip rule; ls -lan /etc/resolv.conf | cut -c1-20; cat /etc/resolv.conf; ls -A /etc | grep postern || true`)
}

func (m *machine) file(name, text string) string {
	m.t.Helper()
	path := filepath.Join(m.dir, name)
	check(m.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func (m *machine) socket() string { return filepath.Join(m.dir, "run", "postern.sock") }

// daemon starts the system's daemon and waits until it serves.
func (m *machine) daemon(args ...string) *program {
	m.t.Helper()
	ready, _ := m.sd.lines("READY=1")
	p := m.starts(args...)
	m.sd.hears("READY=1", len(ready)+1)
	return p
}

func (m *machine) starts(args ...string) *program {
	m.t.Helper()
	p := postern(m.t, append([]string{
		"daemon", "--socket", m.socket(), "--profiles", filepath.Join(m.dir, "profiles"), "--state-dir", filepath.Join(m.dir, "state"), "--group", strconv.Itoa(testGroup),
	}, args...)...)
	p.Env = append(p.Env, m.env...)
	p.Stdout = &p.err
	check(m.t, p.Start())
	m.t.Cleanup(func() {
		if p.ProcessState == nil {
			_ = p.Process.Signal(syscall.SIGTERM)
			p.wait()
		}
	})
	return p
}

// resident is somebody on the machine. Their programs run as they do.
type resident struct {
	m    *machine
	home string
	cred *syscall.Credential
}

func (m *machine) resident(uid uint32, groups ...uint32) *resident {
	m.t.Helper()
	home := filepath.Join(m.dir, fmt.Sprint("home", uid))
	check(m.t, os.MkdirAll(filepath.Join(home, "postern", "profiles"), 0o700))
	for _, d := range []string{home, filepath.Join(home, "postern"), filepath.Join(home, "postern", "profiles")} {
		check(m.t, os.Chown(d, int(uid), int(uid)))
	}
	return &resident{m, home, &syscall.Credential{Uid: uid, Gid: uid, Groups: groups}}
}

// has writes a profile of the user's own.
func (u *resident) has(name, text string) string {
	u.m.t.Helper()
	path := filepath.Join(u.home, "postern", "profiles", name+".toml")
	check(u.m.t, os.WriteFile(path, []byte(text), 0o600))
	check(u.m.t, os.Chown(path, int(u.cred.Uid), int(u.cred.Gid)))
	return path
}

// runs runs the program to its end.
func (u *resident) runs(args ...string) (exit int, said string) {
	u.m.t.Helper()
	p := postern(u.m.t, append(args, "--socket", u.m.socket())...)
	p.Path, p.Args[0] = u.m.self, u.m.self
	p.Dir = "/"
	p.Env = append(p.Env, "HOME="+u.home, "XDG_CONFIG_HOME="+u.home, "XDG_STATE_HOME="+u.home, "XDG_RUNTIME_DIR="+u.home, "DBUS_SESSION_BUS_ADDRESS=autolaunch:", "DISPLAY=", "WAYLAND_DISPLAY=")
	p.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: u.cred}
	exit = p.finish()
	return exit, p.out.String() + p.err.String()
}

// profileText connects to the gateway, with these lines.
func profileText(gateway net.Addr, lines string) string {
	return fmt.Sprintf(withoutSecrets, gateway) + "esp = [\"aes256-sha256\"]\n" + lines
}

// TestWhoMayDoWhat: each user, each verb.
func TestWhoMayDoWhat(t *testing.T) {
	m := newMachine(t)
	at := net.UDPAddrFromAddrPort(gateway(t))
	m.file("profiles/office.toml", profileText(at, "secret = \"the group's key\"\nnetworks = [\"10.77.0.0/16\"]\n"))
	m.file("credentials/office.password", "the password")
	m.daemon()
	people := map[string]*resident{"root": m.resident(0), "alice": m.resident(61001, testGroup), "bob": m.resident(61002, testGroup), "mallory": m.resident(61003)}
	for name, u := range people {
		u.has("mine", profileText(at, stored+"networks = [\"10.78.0.0/16\"]\n"))
		if name == "alice" {
			u.has("private", profileText(at, stored+"networks = [\"10.79.0.0/16\"]\n"))
		}
	}
	private := filepath.Join(people["alice"].home, "postern", "profiles", "private.toml")
	expect := func(exit int, who string, args ...string) string {
		t.Helper()
		got, said := people[who].runs(args...)
		if got != exit {
			t.Errorf("%s: postern %s: exit code %d, want %d: %s", who, strings.Join(args, " "), got, exit, said)
		}
		return said
	}
	expect(0, "alice", "up", "private")
	const ok, denied, unknown = 0, client.ExitPermission, client.ExitNoProfile
	for _, row := range []struct {
		args []string
		want map[string]int
	}{
		{[]string{"status"}, map[string]int{"root": ok, "alice": ok, "bob": ok, "mallory": ok}},
		{[]string{"list"}, map[string]int{"root": ok, "alice": ok, "bob": ok, "mallory": ok}},
		{[]string{"up", "mine"}, map[string]int{"root": ok, "alice": ok, "bob": ok, "mallory": denied}},
		{[]string{"down", "mine"}, map[string]int{"root": ok, "alice": ok, "bob": ok, "mallory": unknown}},
		{[]string{"up", "office"}, map[string]int{"root": ok, "alice": ok, "bob": ok, "mallory": denied}},
		{[]string{"status", "office"}, map[string]int{"root": ok, "alice": ok, "bob": ok, "mallory": ok}},
		{[]string{"log", "office"}, map[string]int{"root": ok, "alice": ok, "bob": ok, "mallory": ok}},
		{[]string{"down", "office"}, map[string]int{"mallory": denied}},
		// Of another's connection nobody but root learns that it is there.
		{[]string{"status", "private"}, map[string]int{"alice": ok, "bob": unknown, "mallory": unknown}},
		{[]string{"status", "61001:private"}, map[string]int{"root": ok, "alice": ok, "bob": unknown, "mallory": unknown}},
		{[]string{"log", "61001:private"}, map[string]int{"root": ok, "alice": ok, "bob": unknown, "mallory": unknown}},
		{[]string{"down", "61001:private"}, map[string]int{"bob": unknown, "mallory": unknown}},
		{[]string{"down", "private"}, map[string]int{"bob": unknown, "mallory": unknown}},
		// Nor is another's profile read for anybody.
		{[]string{"up", private}, map[string]int{"bob": denied, "mallory": denied}},
		{[]string{"down", "--all"}, map[string]int{"mallory": denied}},
		{[]string{"probe", at.String()}, map[string]int{"root": ok, "alice": ok, "mallory": denied}},
	} {
		for _, who := range slices.Sorted(maps.Keys(row.want)) {
			said := expect(row.want[who], who, row.args...)
			if row.want[who] == denied && row.args[1] != private && !strings.Contains(said, "usermod -aG postern") {
				t.Errorf("%s: postern %s: says %q", who, row.args, said)
			}
			if who != "alice" && who != "root" && strings.Contains(said, "10.79.") {
				t.Errorf("%s: postern %s tells of another's: %s", who, row.args, said)
			}
		}
	}
	// Root is told of all; alice of hers.
	var s localapi.Snapshot
	for who, want := range map[string][]string{"root": {"61001:private", "office"}, "alice": {"61001:private", "office"}, "bob": {"office"}, "mallory": {"office"}} {
		s = localapi.Snapshot{}
		check(t, json.Unmarshal([]byte(expect(0, who, "status", "--json")), &s))
		var got []string
		for _, tunnel := range s.Tunnels {
			got = append(got, tunnel.ID)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", who, d)
		}
		if s.Control != (who != "mallory") || s.Mode != localapi.ModeSystem {
			t.Errorf("%s: %+v", who, s)
		}
	}
	expect(0, "root", "down", "61001:private")
	expect(0, "bob", "down", "office")
}

// children are the processes that a process started and that run.
func children(pid int) (out []int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, f := range tasks {
		b, _ := os.ReadFile(f)
		for _, n := range strings.Fields(string(b)) {
			if child, err := strconv.Atoi(n); err == nil {
				out = append(out, child)
			}
		}
	}
	return out
}

// until waits for something.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never %s", what)
		}
	}
}

// TestCapabilities: no thread of the daemon's, and none of its connections', has more of
// root's capabilities than three, or can get more.
func TestCapabilities(t *testing.T) {
	m := newMachine(t)
	at := net.UDPAddrFromAddrPort(gateway(t))
	m.file("profiles/office.toml", profileText(at, stored+"autoconnect = true\n"))
	p := m.daemon()
	m.sd.hears("STATUS=1 of 1 connections up", 1)
	const keep = 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_BIND_SERVICE | 1<<unix.CAP_NET_RAW
	workers := children(p.Process.Pid)
	if len(workers) != 1 {
		t.Fatalf("workers %v", workers)
	}
	for _, pid := range append(workers, p.Process.Pid) {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
		check(t, err)
		if len(threads) < 2 {
			t.Errorf("%d threads", len(threads))
		}
		for _, f := range threads {
			b, err := os.ReadFile(f)
			if err != nil {
				continue // it ended
			}
			got := map[string]string{}
			for line := range strings.Lines(string(b)) {
				key, value, _ := strings.Cut(line, ":")
				got[key] = strings.TrimSpace(value)
			}
			for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
				bits, err := strconv.ParseUint(got[set], 16, 64)
				if err != nil || bits&^keep != 0 {
					t.Errorf("%s: %s %s", f, set, got[set])
				}
				if set == "CapEff" && bits != keep {
					t.Errorf("%s: %s lacks some: %s", f, set, got[set])
				}
			}
			if got["NoNewPrivs"] != "1" || strings.Fields(got["Uid"])[0] != "0" {
				t.Errorf("%s: NoNewPrivs %s, Uid %s", f, got["NoNewPrivs"], got["Uid"])
			}
		}
		limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
		check(t, err)
		if !strings.Contains(string(limits), "Max core file size        0                    0") {
			t.Errorf("core files: %s", limits)
		}
	}
	p.endsAt(syscall.SIGTERM)
}

// TestReload: SIGHUP has the system profiles read anew, and tells the service manager.
func TestReload(t *testing.T) {
	m := newMachine(t)
	at := net.UDPAddrFromAddrPort(gateway(t))
	p := m.daemon()
	m.file("profiles/office.toml", profileText(at, "autoconnect = true\n"))
	m.file("credentials/office.secret", "the group's key\n")
	m.file("credentials/office.password", "the password\n")
	check(t, p.Process.Signal(syscall.SIGHUP))
	m.sd.hears("RELOADING=1", 1)
	m.sd.hears("MONOTONIC_USEC=", 1)
	m.sd.hears("READY=1", 2)
	m.sd.hears("STATUS=1 of 1 connections up", 1)
	p.endsAt(syscall.SIGTERM)
}

// TestKilled: whenever the daemon, its connections or both are killed, after the next
// start the network is as it was, to the octet.
func TestKilled(t *testing.T) {
	moments := 50
	if testing.Short() {
		moments = 8
	}
	m := newMachine(t)
	at := net.UDPAddrFromAddrPort(gateway(t))
	m.file("profiles/office.toml", profileText(at, stored+"autoconnect = true\nnetworks = [\"10.0.0.0/8\", \"198.51.100.0/24\"]\nexclude = [\"10.9.0.0/16\"]\n"))
	before := m.network()
	began := time.Now()
	p := m.starts()
	m.sd.hears("STATUS=1 of 1 connections up", 1)
	took := time.Since(began)
	up := m.network()
	if up == before || !strings.Contains(up, "nameserver 10.20.0.1") {
		t.Fatalf("nothing changes: %s", up)
	}
	p.endsAt(syscall.SIGTERM)
	if d := cmp.Diff(before, m.network()); d != "" {
		t.Fatalf("after a clean end: %s", d)
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d; up after %v", seed, took)
	dirty := 0
	for i := range moments {
		ending := i%4 == 3
		victims := []string{"daemon", "daemon and connection", "connection"}[random.IntN(3)]
		wait := time.Duration(random.Float64() * 2 * float64(took))
		p := m.starts()
		if i%4 == 0 { // one that there is something to put back after, surely
			until(t, "up", func() bool { return strings.Contains(m.network(), "nameserver 10.20.0.1") })
			victims, wait = "daemon and connection", 0
		}
		if ending { // the moment is one of the end's
			until(t, "up", func() bool { return strings.Contains(m.network(), "nameserver 10.20.0.1") })
			check(t, p.Process.Signal(syscall.SIGTERM))
			wait = time.Duration(random.Float64() * float64(30*time.Millisecond))
		}
		time.Sleep(wait)
		m.kill(p, victims)
		if m.network() != before {
			dirty++
		}
		next := m.daemon("--profiles", filepath.Join(m.dir, "none"))
		if d := cmp.Diff(before, m.network()); d != "" {
			t.Errorf("%d: %s killed after %v, ending %t: %s", i, victims, wait, ending, d)
		}
		next.endsAt(syscall.SIGTERM)
		if left, _ := filepath.Glob(filepath.Join(m.dir, "state", "net-*")); len(left) != 0 {
			t.Errorf("%d: left %q", i, left)
		}
	}
	t.Logf("%d of %d moments left something to put back", dirty, moments)
	if dirty == 0 {
		t.Error("no moment left anything to put back")
	}
}

// kill kills, and waits until the daemon has ended.
func (m *machine) kill(p *program, victims string) {
	workers := children(p.Process.Pid)
	if strings.Contains(victims, "connection") {
		for _, pid := range workers {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	if strings.Contains(victims, "daemon") {
		_ = p.Process.Kill()
	} else {
		_ = p.Process.Signal(syscall.SIGTERM)
	}
	p.wait()
}

// TestOnlyAConnectionIsKilled: the daemon puts back what it left, and the others stay.
func TestOnlyAConnectionIsKilled(t *testing.T) {
	m := newMachine(t)
	at := net.UDPAddrFromAddrPort(gateway(t))
	before := m.network()
	p := m.daemon()
	root := m.resident(0)
	root.has("one", profileText(at, stored+"networks = [\"10.1.0.0/16\"]\n"))
	if exit, said := root.runs("up", "one"); exit != 0 {
		t.Fatal(said)
	}
	_ = syscall.Kill(children(p.Process.Pid)[0], syscall.SIGKILL)
	var st client.Status
	until(t, "failed", func() bool {
		st = client.Status{}
		exit, said := root.runs("status", "one", "--json")
		if err := json.Unmarshal([]byte(said), &st); err != nil {
			t.Fatalf("exit code %d: %s", exit, said)
		}
		return st.State == client.Failed
	})
	if st.Reason == nil || st.Reason.Code != "internal" {
		t.Errorf("%+v", st)
	}
	if d := cmp.Diff(before, m.network()); d != "" { // which was first
		t.Error(d)
	}
	if exit, said := root.runs("up", "one"); exit != 0 {
		t.Error(said)
	}
	p.endsAt(syscall.SIGTERM)
	if d := cmp.Diff(before, m.network()); d != "" {
		t.Error(d)
	}
}

// TestHooksOfTheDaemon: they are told of a real connection, with the daemon's rights and
// none of its environment.
func TestHooksOfTheDaemon(t *testing.T) {
	m := newMachine(t)
	at := net.UDPAddrFromAddrPort(gateway(t))
	m.file("profiles/office.toml", profileText(at, stored+"interface = \"office0\"\n"))
	hook := m.file("hooks/10-tell", "#!/bin/sh\n{ env | sort; grep -E '^(CapEff|CapBnd)' /proc/self/status; echo; } >>"+m.dir+"/told\n")
	check(t, os.Chmod(hook, 0o700))
	p := m.daemon("--hooks", filepath.Join(m.dir, "hooks"))
	root := m.resident(0)
	if exit, said := root.runs("up", "office"); exit != 0 {
		t.Fatal(said)
	}
	if exit, said := root.runs("down", "office"); exit != 0 {
		t.Fatal(said)
	}
	told, err := os.ReadFile(filepath.Join(m.dir, "told"))
	check(t, err)
	calls := strings.Split(strings.TrimSpace(string(told)), "\n\n")
	if len(calls) != 3 {
		t.Fatalf("%d calls: %s", len(calls), told)
	}
	for i, reason := range []string{"pre-init", "connect", "disconnect"} {
		if !strings.Contains(calls[i], "reason="+reason+"\n") || !strings.Contains(calls[i], "CapBnd:\t0000000000003400") || strings.Contains(calls[i], "NOTIFY_SOCKET") {
			t.Errorf("%s: %s", reason, calls[i])
		}
		if i > 0 && !strings.Contains(calls[i], "TUNDEV=office0\n") {
			t.Errorf("%s: %s", reason, calls[i])
		}
	}
	p.endsAt(syscall.SIGTERM)
}

// TestNoSecretStays: once a connection is ordered the daemon has nothing of its secrets
// any more, neither in its memory nor in what others can read of it; nor has its log.
func TestNoSecretStays(t *testing.T) {
	m := newMachine(t)
	at := net.UDPAddrFromAddrPort(gateway(t))
	p := m.daemon("--verbose")
	secrets := []string{"the password", "dGhlIHBhc3N3b3Jk", "the group's key"} // the first one in base64, too
	before := map[string]int{}                                                 // the program's own text has the words in it
	for _, s := range secrets {
		before[s] = inMemory(t, p.Process.Pid, s)
	}
	alice := m.resident(61001, testGroup)
	alice.has("mine", profileText(at, stored))
	if exit, said := alice.runs("up", "mine"); exit != 0 {
		t.Fatal(said)
	}
	pids := append(children(p.Process.Pid), p.Process.Pid)
	for _, pid := range pids {
		for _, name := range []string{"environ", "cmdline"} {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
			check(t, err)
			if bytes.Contains(b, []byte("the password")) || bytes.Contains(b, []byte("the group's key")) {
				t.Errorf("%d: %s has a secret in it", pid, name)
			}
		}
	}
	for _, s := range secrets {
		if n := inMemory(t, p.Process.Pid, s); n != before[s] {
			t.Errorf("the daemon has %q %d times more while the connection is up", s, n-before[s])
		}
	}
	if exit, said := alice.runs("down", "mine"); exit != 0 {
		t.Fatal(said)
	}
	p.endsAt(syscall.SIGTERM)
	if said := p.err.String(); strings.Contains(said, "the password") || strings.Contains(said, "the group's key") || !strings.Contains(said, "HDR*") {
		t.Error("the log has a secret in it, or nothing at all")
	}
}

// inMemory counts a text in what a process may write to.
func inMemory(t *testing.T, pid int, text string) (n int) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	check(t, err)
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	check(t, err)
	defer mem.Close()
	read := 0
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil || !strings.HasPrefix(mode, "rw") || to-from > 1<<30 {
			continue
		}
		b := make([]byte, to-from)
		if _, err := mem.ReadAt(b, from); err == nil {
			read += len(b)
			n += bytes.Count(b, []byte(text))
		}
	}
	if read == 0 {
		t.Error("nothing could be read")
	}
	return n
}

// TestKillSwitchOutlivesCrashes: whatever is killed, it holds until its connection is
// disconnected.
func TestKillSwitchOutlivesCrashes(t *testing.T) {
	m := newMachine(t)
	if _, err := exec.LookPath("nft"); err != nil {
		cannot(t, "needs nft (Debian: package nftables)")
	}
	at := net.UDPAddrFromAddrPort(gateway(t))
	m.file("profiles/office.toml", profileText(at, stored+"kill_switch = true\n"))
	root := m.resident(0)
	does := func(args ...string) {
		t.Helper()
		if exit, said := root.runs(args...); exit != 0 {
			t.Fatalf("%q: exit code %d: %s", args, exit, said)
		}
	}
	holds := func(want bool, when string) {
		t.Helper()
		if rules := m.sh("nft list ruleset"); (rules != "") != want {
			t.Errorf("%s: holds %t: %s", when, !want, rules)
		}
	}
	killed := func(pid int) {
		t.Helper()
		check(t, syscall.Kill(pid, syscall.SIGKILL))
	}
	p := m.daemon()
	does("up", "office")
	holds(true, "up")
	killed(children(p.Process.Pid)[0])
	until(t, "failed", func() bool {
		_, said := root.runs("status", "office")
		return strings.Contains(said, "ended unexpectedly")
	})
	holds(true, "after the connection's crash")
	does("up", "office")
	holds(true, "up again")
	does("down", "office")
	holds(false, "after down")

	does("up", "office")
	killed(children(p.Process.Pid)[0])
	until(t, "failed", func() bool {
		_, said := root.runs("status", "office")
		return strings.Contains(said, "ended unexpectedly")
	})
	does("down", "office")
	holds(false, "after down of what crashed")

	does("up", "office")
	check(t, p.Process.Kill())
	p.wait()
	p = m.daemon() // when the connection has ended
	holds(true, "after the daemon's crash")
	until(t, "said", func() bool { return strings.Contains(p.err.String(), "a kill switch holds") })
	does("up", "office")
	p.endsAt(syscall.SIGTERM)
	holds(false, "after a clean end")
}
