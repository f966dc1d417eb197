package hostnet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestResolverFile(t *testing.T) {
	dns := []netip.Addr{netip.MustParseAddr("10.0.0.53"), netip.MustParseAddr("2001:db8::53")}
	const head = "# Written by postern for tun0. The file as it was comes back when the tunnel ends.\n"
	for _, tt := range []struct {
		name, before string
		c            Config
		want         string
	}{
		{"servers", "nameserver 1.1.1.1\nsearch a.example\noptions ndots:5\n", Config{DNS: dns}, "nameserver 10.0.0.53\nnameserver 2001:db8::53\nsearch a.example\noptions ndots:5\n"},
		{"search", "nameserver 1.1.1.1\ndomain a.example", Config{Search: []string{"b.example", "c.example"}}, "search b.example c.example\nnameserver 1.1.1.1\n"},
		{"both, comments go", "# x\n;y\n\n \nnameserver 1.1.1.1\nsearch a\nsortlist 1.0.0.0", Config{DNS: dns[:1], Search: []string{"b"}}, "search b\nnameserver 10.0.0.53\nsortlist 1.0.0.0\n"},
		{"empty", "", Config{DNS: dns[:1]}, "nameserver 10.0.0.53\n"},
	} {
		tt.c.Interface = "tun0"
		if diff := cmp.Diff(head+tt.want, string(resolverFile([]byte(tt.before), tt.c))); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.name, diff)
		}
	}
}

// oneFile is a step on a file in a folder of its own, with no host around it.
func oneFile(t *testing.T, before []byte) (*fileStep, *host) {
	t.Helper()
	h := &host{dir: t.TempDir(), resolvConf: filepath.Join(t.TempDir(), "resolv.conf")}
	if before != nil {
		check(t, os.WriteFile(h.resolvConf, before, 0o600))
	}
	target, found, err := readResolvConf(h.resolvConf)
	check(t, err)
	f, err := planFile(target, found, Config{Interface: "tun0", DNS: []netip.Addr{netip.MustParseAddr("10.0.0.53")}})
	check(t, err)
	return f, h
}

// Whatever a process that was killed while writing left, what was there before comes back.
func TestFileTorn(t *testing.T) {
	for _, before := range []string{"", "nameserver 1.1.1.1\n", strings.Repeat("# a long one\n", 40)} {
		f, h := oneFile(t, []byte(before))
		for name, now := range map[string]string{
			"not written": before,
			"written":     string(f.After),
			"half done":   string(over([]byte(before), f.After)),
			"half undone": string(over(f.After, []byte(before))),
		} {
			check(t, os.WriteFile(f.Path, []byte(now), 0o600))
			check(t, os.WriteFile(f.temporary(), []byte("left behind"), 0o600))
			for range 2 {
				check(t, f.undo(h))
				if got, _ := os.ReadFile(f.Path); string(got) != before {
					t.Errorf("%s: got %q, want %q", name, got, before)
				}
			}
			if _, err := os.Stat(f.temporary()); err == nil {
				t.Errorf("%s: the temporary file stays", name)
			}
		}
	}
}

func TestFileMissing(t *testing.T) {
	f, h := oneFile(t, nil)
	check(t, f.undo(h))
	check(t, f.do(t.Context(), h))
	if st, err := os.Stat(f.Path); err != nil || st.Mode() != 0o644 {
		t.Errorf("%v %v", st, err)
	}
	check(t, f.undo(h))
	if _, err := os.Stat(f.Path); err == nil {
		t.Error("the file stays")
	}
	// Deleted by somebody else: kept so.
	f, h = oneFile(t, []byte("x"))
	check(t, f.do(t.Context(), h))
	check(t, os.Remove(f.Path))
	if err := f.undo(h); !errors.Is(err, ErrKept) {
		t.Errorf("got %v, want ErrKept", err)
	}
}

// A link stays a link, and the file it leads to is written.
func TestFileLink(t *testing.T) {
	dir := t.TempDir()
	check(t, os.Mkdir(filepath.Join(dir, "run"), 0o755))
	check(t, os.WriteFile(filepath.Join(dir, "run/real"), []byte("x\n"), 0o640))
	check(t, os.Symlink("run/real", filepath.Join(dir, "link")))
	path := filepath.Join(dir, "resolv.conf")
	check(t, os.Symlink(filepath.Join(dir, "link"), path))
	target, before, err := readResolvConf(path)
	check(t, err)
	if target != filepath.Join(dir, "run/real") || string(before) != "x\n" {
		t.Fatalf("%s %q", target, before)
	}
	f, err := planFile(target, before, Config{Interface: "tun0", Search: []string{"a"}})
	check(t, err)
	h := &host{dir: t.TempDir()}
	check(t, f.do(t.Context(), h))
	text, err := os.ReadFile(path)
	check(t, err)
	if !strings.Contains(string(text), "search a\n") {
		t.Errorf("%q", text)
	}
	check(t, f.undo(h))
	st, err := os.Lstat(path)
	check(t, err)
	if text, _ := os.ReadFile(path); string(text) != "x\n" || st.Mode()&os.ModeSymlink == 0 {
		t.Errorf("%q %v", text, st)
	}
}

// A bind mount, as containers have it, can't be renamed over: it is written in place, longer and shorter.
func TestFileBindMount(t *testing.T) {
	isolate(t)
	for _, before := range []string{"nameserver 192.0.2.53\n", strings.Repeat("# a long one\n", 400)} {
		h := testHost(t, "not this one")
		source := filepath.Join(t.TempDir(), "source")
		check(t, os.WriteFile(source, []byte(before), 0o644))
		check(t, unix.Mount(source, h.resolvConf, "", unix.MS_BIND, ""))
		tun := openTUN(t, "ptun0")
		was := snapshot(t, h)
		a, err := h.apply(t.Context(), fullTunnel())
		check(t, err)
		text, err := os.ReadFile(source)
		check(t, err)
		if !strings.Contains(string(text), "\nnameserver 10.20.0.53\n") || strings.Contains(string(text), "# a long one") {
			t.Errorf("while the tunnel is up: %q", text)
		}
		check(t, a.Restore())
		if diff := cmp.Diff(was, snapshot(t, h)); diff != "" {
			t.Errorf("after restore (-before +after)\n%s", diff)
		}
		if text, _ := os.ReadFile(source); string(text) != before {
			t.Errorf("mounted file: %q", text)
		}
		check(t, tun.Close())
		check(t, unix.Unmount(h.resolvConf, 0))
	}
}

// A file that can't be written at all stops the set-up, and all else is taken back.
func TestFileReadOnly(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	h := testHost(t, someResolvConf)
	dir := filepath.Dir(h.resolvConf)
	check(t, unix.Mount(dir, dir, "", unix.MS_BIND, ""))
	check(t, unix.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	defer unix.Unmount(dir, 0)
	before := snapshot(t, h)
	if _, err := h.apply(t.Context(), fullTunnel()); !errors.Is(err, unix.EROFS) {
		t.Errorf("got %v, want %v", err, unix.EROFS)
	}
	if diff := cmp.Diff(before, snapshot(t, h)); diff != "" {
		t.Errorf("(-before +after)\n%s", diff)
	}
}

// fakeResolvconf keeps its records in the folder that it lies in, and is as strict as openresolv.
func fakeResolvconf() int {
	dir := filepath.Dir(os.Args[0])
	switch args := os.Args[1:]; {
	case len(args) == 2 && args[0] == "-a":
		input, err := io.ReadAll(os.Stdin)
		if err != nil {
			return 1
		}
		text := fmt.Sprintf("metric %s exclusive %s\n%s", os.Getenv("IF_METRIC"), os.Getenv("IF_EXCLUSIVE"), input)
		if os.WriteFile(filepath.Join(dir, "record-"+args[1]), []byte(text), 0o600) != nil {
			return 1
		}
	case len(args) == 2 && args[0] == "-d":
		if os.Remove(filepath.Join(dir, "record-"+args[1])) != nil {
			return 1
		}
	case len(args) == 3 && args[0] == "-f" && args[1] == "-d":
		_ = os.Remove(filepath.Join(dir, "record-"+args[2]))
	default:
		return 99
	}
	return 0
}

func TestResolvconf(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	h := testHost(t, someResolvConf)
	dir := t.TempDir()
	h.resolvconf = filepath.Join(dir, "resolvconf")
	self, err := os.Executable()
	check(t, err)
	check(t, os.Symlink(self, h.resolvconf))
	before := snapshot(t, h)
	c := fullTunnel()
	a, err := h.apply(t.Context(), c)
	check(t, err)
	record := filepath.Join(dir, "record-ptun0.postern")
	text, err := os.ReadFile(record)
	check(t, err)
	want := "metric 0 exclusive 1\nsearch corp.example\nnameserver 10.20.0.53\n"
	if diff := cmp.Diff(want, string(text)); diff != "" || a.Resolver() != "resolvconf" {
		t.Errorf("%s (-want +got)\n%s", a.Resolver(), diff)
	}
	r, err := load(a.file)
	check(t, err)
	check(t, a.Restore())
	check(t, r.Steps[len(r.Steps)-1].action().undo(h)) // a second time, as after a kill
	if _, err := os.Stat(record); err == nil {
		t.Error("the record stays")
	}
	if diff := cmp.Diff(before, snapshot(t, h)); diff != "" {
		t.Errorf("(-before +after)\n%s", diff)
	}
	// Split DNS isn't for resolvconf, and is said so.
	h = testHost(t, someResolvConf)
	h.resolvconf = filepath.Join(dir, "resolvconf")
	c.SplitDNS = []string{"intern.example"}
	a, err = h.apply(t.Context(), c)
	check(t, err)
	if len(a.Warnings()) != 1 || !strings.Contains(a.Warnings()[0], "intern.example") {
		t.Errorf("warnings: %q", a.Warnings())
	}
	check(t, a.Restore())
}

func TestAsksResolved(t *testing.T) {
	for _, tt := range []struct {
		target, content string
		want            bool
	}{
		{"/etc/resolv.conf", "nameserver 127.0.0.53\noptions edns0\n", true},
		{"/etc/resolv.conf", "nameserver 192.0.2.1\n", false},
		{"/etc/resolv.conf", "# nameserver 127.0.0.53\n", false},
		{"/run/systemd/resolve/stub-resolv.conf", "", true},
		{"/run/systemd/resolve/resolv.conf", "nameserver 192.0.2.1\n", true},
		{"/run/NetworkManager/resolv.conf", "nameserver 192.0.2.1\n", false},
	} {
		if got := asksResolved(tt.target, []byte(tt.content)); got != tt.want {
			t.Errorf("%s %q: %t", tt.target, tt.content, got)
		}
	}
}

// fakeResolved is systemd-resolved as far as we talk to it: it remembers what it is told, as text.
type fakeResolved struct {
	mu    sync.Mutex
	calls []string
	fail  string // the method that fails
	err   *dbus.Error
}

func (f *fakeResolved) call(method string, format string, args ...any) *dbus.Error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, method+fmt.Sprintf(format, args...))
	if f.fail == method {
		return f.err
	}
	return nil
}

// said returns the calls since the last time.
func (f *fakeResolved) said() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

func (f *fakeResolved) SetLinkDNS(_ int32, servers []linkDNS) *dbus.Error {
	return f.call("SetLinkDNS", " %v", servers)
}

func (f *fakeResolved) SetLinkDomains(_ int32, domains []linkDomain) *dbus.Error {
	return f.call("SetLinkDomains", " %v", domains)
}

func (f *fakeResolved) SetLinkDefaultRoute(_ int32, on bool) *dbus.Error {
	return f.call("SetLinkDefaultRoute", " %t", on)
}

func (f *fakeResolved) SetLinkDNSSEC(_ int32, mode string) *dbus.Error {
	return f.call("SetLinkDNSSEC", " %s", mode)
}

func (f *fakeResolved) SetLinkLLMNR(_ int32, mode string) *dbus.Error {
	return f.call("SetLinkLLMNR", " %s", mode)
}

func (f *fakeResolved) SetLinkMulticastDNS(_ int32, mode string) *dbus.Error {
	return f.call("SetLinkMulticastDNS", " %s", mode)
}

func (f *fakeResolved) FlushCaches() *dbus.Error { return f.call("FlushCaches", "") }

func (f *fakeResolved) RevertLink(int32) *dbus.Error { return f.call("RevertLink", "") }

// What the clients of a bus may do; nothing is not even an answer to their greeting.
const (
	everythingAllowed = `<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>`
	nothingAllowed    = `<deny send_destination="*"/><deny receive_sender="*"/>`
)

// startBus runs a system bus of its own, and returns how to reach it.
func startBus(t *testing.T, policy string) func(context.Context) (*dbus.Conn, error) {
	t.Helper()
	program, err := exec.LookPath("dbus-daemon")
	if err != nil {
		cannot(t, "needs dbus-daemon (Debian: package dbus-daemon)")
	}
	dir, err := os.MkdirTemp("", "bus") // short, for the socket's name is limited
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	config := filepath.Join(dir, "bus.conf")
	check(t, os.WriteFile(config, []byte(`<busconfig><type>session</type><listen>unix:path=`+dir+`/socket</listen><auth>EXTERNAL</auth>
<policy context="default">`+policy+`</policy></busconfig>`), 0o600))
	cmd := exec.CommandContext(t.Context(), program, "--config-file="+config, "--nofork", "--nopidfile", "--print-address")
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	address, err := bufio.NewReader(out).ReadString('\n')
	check(t, err)
	return func(ctx context.Context) (*dbus.Conn, error) {
		return dbus.Connect(strings.TrimSpace(address), dbus.WithContext(ctx))
	}
}

func TestResolved(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	const stub = "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n"
	h := testHost(t, stub)
	h.bus = startBus(t, everythingAllowed)
	// No service on the bus: the file.
	a, err := h.apply(t.Context(), fullTunnel())
	check(t, err)
	if a.Resolver() != h.resolvConf {
		t.Errorf("without the service: %q", a.Resolver())
	}
	r, err := load(a.file)
	check(t, err)
	_, err = h.undo(r, a.file) // not Restore, which closes what the rest needs
	check(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a connection's context is all that ends its greeting
	defer cancel()
	conn, err := h.bus(ctx)
	check(t, err)
	defer conn.Close()
	service := &fakeResolved{}
	check(t, conn.Export(service, resolvedPath, strings.TrimSuffix(resolvedManager, ".")))
	_, err = conn.RequestName(resolvedName, dbus.NameFlagDoNotQueue)
	check(t, err)

	suits := []string{"SetLinkDNSSEC no", "SetLinkLLMNR no", "SetLinkMulticastDNS no", "FlushCaches"} // and no SetLinkDNSOverTLS, as before 239
	ends := []string{"RevertLink", "FlushCaches"}
	everything := []string{
		"SetLinkDNS [{2 [10 20 0 53]}]",
		"SetLinkDomains [{corp.example false} {. true}]",
		"SetLinkDefaultRoute true",
	}
	for _, tt := range []struct {
		name     string
		split    []string
		fail     string
		err      *dbus.Error
		want     []string
		wantFail bool
	}{
		{name: "everything", want: slices.Concat(everything, suits, ends)},
		{
			name: "split", split: []string{"intern.example", "lab.example"},
			want: slices.Concat([]string{
				everything[0],
				"SetLinkDomains [{corp.example false} {intern.example true} {lab.example true}]",
				"SetLinkDefaultRoute false",
			}, suits, ends),
		},
		{
			name: "an old systemd", fail: "SetLinkDefaultRoute", err: dbus.NewError("org.freedesktop.DBus.Error.UnknownMethod", nil),
			want: slices.Concat(everything, suits, ends),
		},
		{
			name: "refused", fail: "SetLinkDomains", err: dbus.NewError("org.freedesktop.DBus.Error.AccessDenied", []any{"no"}),
			want: slices.Concat(everything[:2], ends), wantFail: true,
		},
		{
			name: "the link is gone", fail: "RevertLink", err: dbus.NewError("org.freedesktop.resolve1.NoSuchLink", nil),
			want: slices.Concat(everything, suits, ends),
		},
	} {
		// No t.Run: it would be on another thread, outside the namespace.
		t.Log(tt.name)
		service.mu.Lock()
		service.fail, service.err = tt.fail, tt.err
		service.mu.Unlock()
		c := fullTunnel()
		c.SplitDNS = tt.split
		before := snapshot(t, h)
		a, err := h.apply(t.Context(), c)
		if (err != nil) != tt.wantFail {
			t.Fatalf("got %v", err)
		}
		if err == nil {
			if text, _ := os.ReadFile(h.resolvConf); string(text) != stub || a.Resolver() != "systemd-resolved" {
				t.Errorf("resolver %s, resolv.conf %q", a.Resolver(), text)
			}
			r, err = load(a.file)
			check(t, err)
			_, err = h.undo(r, a.file)
			check(t, err)
		}
		if diff := cmp.Diff(tt.want, service.said()); diff != "" {
			t.Errorf("the service was told (-want +got)\n%s", diff)
		}
		if diff := cmp.Diff(before, snapshot(t, h)); diff != "" {
			t.Errorf("(-before +after)\n%s", diff)
		}
	}
}

// A bus that says nothing is no bus, after a while.
func TestSilentBus(t *testing.T) {
	silent, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	check(t, err)
	defer silent.Close()
	for name, bus := range map[string]func(context.Context) (*dbus.Conn, error){
		"no authentication": func(ctx context.Context) (*dbus.Conn, error) {
			return dbus.Connect("unix:path="+silent.Addr().String(), dbus.WithContext(ctx))
		},
		"no answers": startBus(t, nothingAllowed),
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		h := &host{bus: bus}
		if h.resolvedRuns(ctx) {
			t.Errorf("%s: the service runs", name)
		}
		if ctx.Err() == nil {
			t.Errorf("%s: refused, not silent", name)
		}
		cancel()
	}
}
