package hostnet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// guarded are the kill switches of a full tunnel and of a split one.
func guarded(full bool) GuardConfig {
	c := GuardConfig{
		ID: "1000/office", Protect: prefixes("0.0.0.0/0"), Exclude: prefixes("198.51.100.0/24"),
		Gateways: []netip.AddrPort{netip.MustParseAddrPort("203.0.113.1:500")},
		DNS:      []netip.Addr{netip.MustParseAddr("10.20.0.53")},
	}
	if !full {
		c.Protect, c.SplitDNS = prefixes("10.99.0.0/16 2001:db8:30::/48"), []string{"corp.example"}
	}
	return c
}

// guardHolder is the process that is killed: it puts a kill switch in force, says so, waits for a line, brings up the
// tunnel, says so, and lives on.
func guardHolder(full bool) error {
	tun, err := tunDevice("ptun0")
	if err != nil {
		return err
	}
	defer tun.Close() // and not by the garbage collector before
	ctx := context.Background()
	state := os.Getenv("HOSTNET_TEST_STATE")
	g, err := Protect(ctx, guarded(full), state)
	if err != nil {
		return err
	}
	fmt.Println("protected")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	h, err := open(state)
	if err != nil {
		return err
	}
	h.resolvConf, h.resolvconf, h.bus = os.Getenv("HOSTNET_TEST_RESOLVCONF"), "", noBus
	c := fullTunnel()
	if !full {
		c.Routes = guarded(full).Protect
	}
	if _, err = h.apply(ctx, c); err != nil {
		return err
	}
	with := guarded(full)
	with.Interface = "ptun0"
	if err := g.Update(ctx, with); err != nil {
		return err
	}
	fmt.Println("up")
	select {}
}

// rules is the ruleset as nft(8) tells it, the counts aside.
func rules(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "nft", "--stateless", "list", "ruleset").CombinedOutput()
	if err != nil {
		cannot(t, "needs nft (Debian: package nftables): %v %s", err, out)
	}
	return string(out)
}

// Nothing protected leaves while a tunnel connects, after its process was killed, while the crash is cleared up, while the
// next one takes over, and while the uplink changes.
func TestGuardKeepsItsWord(t *testing.T) {
	for _, tt := range []struct {
		name    string
		full    bool
		allowed []string
	}{
		{"full", true, []string{
			"203.0.113.1 udp 4500", "203.0.113.1 udp 500", "198.51.100.7 udp 9", "198.51.100.7 tcp 9",
		}},
		{"split", false, []string{
			"203.0.113.1 udp 4500", "203.0.113.1 udp 500", "198.51.100.7 udp 9", "198.51.100.7 tcp 9",
			"203.0.113.1 udp 443", "8.8.8.8 udp 9", "8.8.8.8 tcp 9", "2001:db9::1 udp 9", "2001:db9::1 tcp 9",
			"192.0.2.1 udp 9", "192.0.2.1 tcp 9", "192.168.1.77 udp 9", "192.168.1.77 tcp 9",
			"192.0.2.1 udp 53 www.example.org", "192.0.2.1 udp 53 notcorp.example", "192.168.1.77 udp 53 www.example.org",
			"198.51.100.7 udp 53 www.example.org",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			isolate(t)
			keepsItsWord(t, tt.full, tt.allowed)
		})
	}
}

func keepsItsWord(t *testing.T, full bool, allowed []string) {
	neighbour(t, "up0", "192.0.2.1", "2001:db8::1")
	neighbour(t, "lan0", "192.168.1.1", "192.168.1.77")
	h := testHost(t, someResolvConf)
	before, rulesBefore := snapshot(t, h), rules(t)
	c := openCapture(t, "up0-far", "lan0-far")
	shouting := startNoise(t)
	seen := hear(t, c, nil, noise)
	if len(seen) < len(noise) {
		t.Fatalf("without a kill switch, of %d destinations these are heard: %q", len(noise), seen)
	}
	check(t, shouting.Process.Signal(unix.SIGSTOP))
	for quiet := 0; quiet < 10; quiet++ { // what is on its way yet
		time.Sleep(20 * time.Millisecond)
		if len(c.packets(t)) > 0 {
			quiet = 0
		}
	}

	holder, say, said := startHolder(t, h, full)
	expect(t, said, "protected")
	check(t, shouting.Process.Signal(unix.SIGCONT))
	always := allowed[:4] // whatever the uplink
	hear(t, c, allowed, always)
	_, err := io.WriteString(say, "go\n")
	check(t, err)
	expect(t, said, "up")
	hear(t, c, allowed, always)
	if got := device(t, "10.99.1.1"); got != "ptun0" {
		t.Errorf("the tunnel is up, and packets leave by %s", got)
	}

	check(t, holder.Process.Kill())
	_ = holder.Wait()
	hear(t, c, allowed, always)
	check(t, h.recover())
	if diff := cmp.Diff(before, snapshot(t, h)); diff != "" {
		t.Errorf("after the crash was cleared up (-before +after)\n%s", diff)
	}
	hear(t, c, allowed, always)
	states, err := Guards(h.dir)
	check(t, err)
	if len(states) != 1 || states[0].Alive || states[0].ID != "1000/office" || states[0].PID != holder.Process.Pid {
		t.Errorf("kill switches: %+v", states)
	}

	g, err := Protect(t.Context(), guarded(full), h.dir)
	check(t, err)
	hear(t, c, allowed, always)
	roam(t)
	for range 30 {
		check(t, g.Update(t.Context(), guarded(full)))
	}
	hear(t, c, allowed, always)

	check(t, g.Release())
	if diff := cmp.Diff(rulesBefore, rules(t)); diff != "" {
		t.Errorf("after the release (-before +after)\n%s", diff)
	}
	check(t, g.Release())
	hear(t, c, nil, []string{"10.99.1.1 udp 9"})
}

// roam moves the default route from up0 to lan0.
func roam(t *testing.T) {
	up, err := netlink.LinkByName("up0")
	check(t, err)
	check(t, netlink.LinkSetDown(up))
	defaultRoute(t, "lan0", "192.168.1.1")
}

func startHolder(t *testing.T, h *host, full bool) (cmd *exec.Cmd, say io.Writer, said *bufio.Reader) {
	t.Helper()
	job := "guard"
	if full {
		job = "guard-full"
	}
	cmd = command(t, h, job, 0, true)
	say, err := cmd.StdinPipe()
	check(t, err)
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	return cmd, say, bufio.NewReader(out)
}

func expect(t *testing.T, said *bufio.Reader, want string) {
	t.Helper()
	if line, err := said.ReadString('\n'); strings.TrimSpace(line) != want {
		t.Fatalf("the other process says %q, %v; want %q", line, err, want)
	}
}

// hear waits until each of these destinations was heard of twice. What isn't allowed is a leak; nil allows all. It returns
// what it heard of.
func hear(t *testing.T, c *capture, allowed, want []string) []string {
	t.Helper()
	counts := map[string]int{}
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		for _, l := range c.packets(t) {
			counts[l]++
			if allowed != nil && !slices.Contains(allowed, l) && counts[l] == 1 {
				t.Errorf("leaves the host: %s", l)
			}
		}
		missing := slices.ContainsFunc(want, func(w string) bool { return counts[asLabel(w)] < 2 })
		if !missing || time.Now().After(end) {
			if missing {
				t.Errorf("of %q only these are heard: %v", want, counts)
			}
			break
		}
	}
	var heard []string
	for l := range counts {
		heard = append(heard, l)
	}
	return heard
}

// asLabel turns an entry of noise into the label of its packets.
func asLabel(s string) string {
	where, name, _ := strings.Cut(s, " ")
	to, err := netip.ParseAddrPort(where)
	if err != nil {
		return s
	}
	return strings.TrimSpace(fmt.Sprintf("%s udp %d %s", to.Addr(), to.Port(), name))
}

// The tunnel's own packets, the local network, and a name server that is excluded.
func TestGuardLetsThrough(t *testing.T) {
	isolate(t)
	neighbour(t, "up0", "192.0.2.1", "2001:db8::1")
	neighbour(t, "lan0", "192.168.1.77")
	tun := openTUN(t, "ptun0")
	h := testHost(t, someResolvConf)
	config := guarded(true)
	config.LocalLAN, config.Interface, config.Exclude = true, "ptun0", append(config.Exclude, netip.MustParsePrefix("10.20.0.53/32"))
	a, err := h.apply(t.Context(), fullTunnel())
	check(t, err)
	g, err := Protect(t.Context(), config, h.dir)
	check(t, err)
	if _, err := Protect(t.Context(), config, h.dir); err == nil {
		t.Error("in force twice")
	}
	if err := Release(h.dir, config.ID); err == nil {
		t.Error("released by its name while its process lives")
	}
	check(t, Release(h.dir, ""))
	c := openCapture(t, "up0-far", "lan0-far")
	startNoise(t)
	hear(t, c, []string{
		"203.0.113.1 udp 4500", "203.0.113.1 udp 500", "198.51.100.7 udp 9", "198.51.100.7 tcp 9",
		"192.168.1.77 udp 9", "192.168.1.77 tcp 9", "10.20.0.53 udp 53 host.corp.example",
	}, []string{"203.0.113.1:4500", "192.168.1.77:9"})
	b := make([]byte, 2048)
	for got := ""; got != "10.99.1.1 udp 9"; got = label(b) { // there is always more
		_, err := unix.Read(int(tun.Fd()), b)
		check(t, err)
	}
	other := config
	other.ID = "1000/lab"
	if err := g.Update(t.Context(), other); err == nil {
		t.Error("the ID changed")
	}
	check(t, g.Release())
	check(t, a.Restore())
	if err := g.Update(t.Context(), config); err == nil {
		t.Error("updated after the release")
	}
}

// Bridges of containers and virtual machines lead nowhere; one with a card in it does, and one with a router behind it.
func TestIsInside(t *testing.T) {
	attrs := func(index, master int) netlink.LinkAttrs { return netlink.LinkAttrs{Index: index, MasterIndex: master} }
	links := []netlink.Link{
		&netlink.Device{LinkAttrs: attrs(1, 0)},
		&netlink.Bridge{LinkAttrs: attrs(2, 0)},
		&netlink.Bridge{LinkAttrs: attrs(3, 0)}, &netlink.Veth{LinkAttrs: attrs(4, 3)}, &netlink.Tuntap{LinkAttrs: attrs(5, 3), Mode: unix.IFF_TAP},
		&netlink.Bridge{LinkAttrs: attrs(6, 0)}, &netlink.Veth{LinkAttrs: attrs(7, 6)}, &netlink.Device{LinkAttrs: attrs(8, 6)},
		&netlink.Bridge{LinkAttrs: attrs(9, 0)}, &netlink.Vxlan{LinkAttrs: attrs(10, 9)},
		&netlink.Bridge{LinkAttrs: attrs(11, 0)}, &netlink.Veth{LinkAttrs: attrs(12, 11)},
		&netlink.Tuntap{LinkAttrs: attrs(13, 0), Mode: unix.IFF_TUN}, &netlink.Veth{LinkAttrs: attrs(14, 0)},
	}
	var got []int
	for _, l := range links {
		if isInside(l, links, map[int]bool{11: true}) {
			got = append(got, l.Attrs().Index)
		}
	}
	if diff := cmp.Diff([]int{2, 3}, got); diff != "" {
		t.Errorf("devices that lead nowhere (-want +got)\n%s", diff)
	}
}

// What a crash left is released by name or altogether, once.
func TestRelease(t *testing.T) {
	isolate(t)
	h := testHost(t, someResolvConf)
	none := rules(t)
	for _, id := range []string{"1000/office", ""} {
		holder, _, said := startHolder(t, h, true)
		expect(t, said, "protected")
		check(t, holder.Process.Kill())
		_ = holder.Wait()
		if rules(t) == none {
			t.Fatal("the kill switch ended with its process")
		}
		check(t, Release(h.dir, "1000/lab"))
		if rules(t) == none {
			t.Error("another one was meant")
		}
		check(t, Release(h.dir, id))
		if diff := cmp.Diff(none, rules(t)); diff != "" {
			t.Errorf("after the release (-before +after)\n%s", diff)
		}
		check(t, Release(h.dir, id))
		if left, _ := filepath.Glob(filepath.Join(h.dir, "guard-*")); len(left) > 0 {
			t.Errorf("state files stay: %q", left)
		}
	}
	check(t, Release(filepath.Join(h.dir, "nowhere"), ""))
	if states, err := Guards(filepath.Join(h.dir, "nowhere")); len(states) > 0 || err != nil {
		t.Errorf("%v %v", states, err)
	}
}

// After another boot the table is gone, and the record goes.
func TestGuardAfterReboot(t *testing.T) {
	isolate(t)
	h := testHost(t, someResolvConf)
	g, err := Protect(t.Context(), guarded(true), h.dir)
	check(t, err)
	r, err := loadGuard(g.file)
	check(t, err)
	r.Owner.Boot = "another"
	check(t, saveJSON(g.file, r))
	states, err := Guards(h.dir)
	if len(states) > 0 || err != nil {
		t.Errorf("%v %v", states, err)
	}
	if _, err := os.Stat(g.file); err == nil {
		t.Error("the state file stays")
	}
}

// As many networks, gateways and domains as anybody may push.
func TestGuardLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("10,000 rules, twice")
	}
	isolate(t)
	h := testHost(t, someResolvConf)
	none := rules(t)
	c := guarded(false)
	for i := range 1500 {
		c.Protect = append(c.Protect, netip.PrefixFrom(netip.AddrFrom4([4]byte{11, byte(i >> 7), byte(i << 1), 0}), 24))
	}
	for i := range maxNames {
		c.SplitDNS = append(c.SplitDNS, fmt.Sprintf("%s-%d.example", strings.Repeat("x", i/2), i))
		c.Gateways = append(c.Gateways, netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 4500))
	}
	if _, err := Protect(t.Context(), c, h.dir); err == nil {
		t.Error("too many gateways, and no error")
	}
	c.Gateways = c.Gateways[1:]
	g, err := Protect(t.Context(), c, h.dir)
	check(t, err)
	check(t, g.Update(t.Context(), c))
	check(t, g.Release())
	if diff := cmp.Diff(none, rules(t)); diff != "" {
		t.Errorf("after the release (-before +after)\n%s", diff)
	}
}

// What can't be done is refused, and nothing is left.
func TestGuardRefused(t *testing.T) {
	for name, bend := range map[string]func(*GuardConfig){
		"no ID":     func(c *GuardConfig) { c.ID = "" },
		"long ID":   func(c *GuardConfig) { c.ID = strings.Repeat("x", 101) },
		"interface": func(c *GuardConfig) { c.Interface = "0123456789abcdef" },
		"gateway":   func(c *GuardConfig) { c.Gateways = []netip.AddrPort{{}} },
	} {
		c := guarded(true)
		bend(&c)
		if _, err := Protect(t.Context(), c, t.TempDir()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for err, want := range map[error]error{
		unix.EOPNOTSUPP: ErrNoFirewall, unix.EPROTONOSUPPORT: ErrNoFirewall, unix.ENOENT: ErrNoFirewall, unix.EPERM: fs.ErrPermission,
	} {
		if got := noFirewall(fmt.Errorf("receive: %w", err)); !errors.Is(got, want) || !errors.Is(got, err) {
			t.Errorf("%v is told as %v", err, got)
		}
	}
	isolate(t)
	h := testHost(t, someResolvConf)
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	check(t, unix.Capget(&header, &sets[0]))
	sets[0].Effective &^= 1 << unix.CAP_NET_ADMIN
	check(t, unix.Capset(&header, &sets[0])) // of this thread, which ends with the test
	if _, err := Protect(t.Context(), guarded(true), h.dir); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("without the privilege: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(h.dir, "guard-*")); len(left) > 0 {
		t.Errorf("state files: %q", left)
	}
}

func TestTableName(t *testing.T) {
	for id, want := range map[string]string{
		"office":      "postern_office",
		"1000/office": "postern_1000_office_3a4ed9a4",
		"1000_office": "postern_1000_office",
		"Büro":        "postern_B_ro_96eecebc",
	} {
		if got := tableName(id); got != want {
			t.Errorf("%q: %s, want %s", id, got, want)
		}
	}
}
