package hostnet

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// configs differ from each other in one thing or in several.
func configs() map[string]Config {
	out := map[string]Config{"full": fullTunnel()}
	vary := func(name string, f func(*Config)) {
		c := fullTunnel()
		f(&c)
		out[name] = c
	}
	vary("address", func(c *Config) { c.Addresses = prefixes("10.20.0.6/24 10.20.0.5/24") })
	vary("MTU", func(c *Config) { c.MTU = 1380 })
	vary("split", func(c *Config) { c.Routes = prefixes("10.99.0.0/16 10.98.0.0/16") })
	vary("other networks", func(c *Config) { c.Routes = prefixes("10.99.0.0/16 10.97.0.0/16 2001:db8:30::/48") })
	vary("gateway", func(c *Config) { c.Gateway = netip.MustParseAddr("203.0.113.2") })
	vary("gateway inside", func(c *Config) { c.Routes = prefixes("203.0.113.0/24") })
	vary("gateway over IPv6", func(c *Config) { c.Gateway, c.BlockIPv6 = netip.MustParseAddr("2001:db8:ffff::1"), true })
	vary("servers", func(c *Config) { c.DNS = append(c.DNS, netip.MustParseAddr("10.20.0.54")) })
	vary("no servers", func(c *Config) { c.DNS, c.Search = nil, nil })
	vary("nothing", func(c *Config) { *c = Config{Interface: c.Interface, MTU: 1400} })
	return out
}

// From each Config to each other one: the host is as if there had been the second alone, and as before in the end.
func TestUpdate(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	want := map[string]string{}
	var before string
	for name, c := range configs() {
		h := testHost(t, someResolvConf)
		before = snapshot(t, h)
		a, err := h.apply(t.Context(), c)
		check(t, err)
		want[name] = settled(snapshot(t, h))
		check(t, a.Restore())
	}
	for from, first := range configs() {
		for to, second := range configs() {
			h := testHost(t, someResolvConf)
			a, err := h.apply(t.Context(), first)
			check(t, err)
			check(t, a.Update(t.Context(), second))
			if diff := cmp.Diff(want[to], settled(snapshot(t, h))); diff != "" {
				t.Errorf("from %q to %q (-want +got)\n%s", from, to, diff)
			}
			if r, err := load(a.file); err != nil || len(a.Warnings()) > 0 {
				t.Errorf("%v, warnings %q, record %+v", err, a.Warnings(), r)
			}
			check(t, a.Restore())
			if diff := cmp.Diff(before, snapshot(t, h)); diff != "" {
				t.Fatalf("from %q to %q, restored (-before +after)\n%s", from, to, diff)
			}
		}
	}
}

// settled is a snapshot without what the kernel adds to it in its own time: the tunnel's addresses as local ones.
func settled(snapshot string) string {
	lines := strings.Split(snapshot, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, "table 255 dev ptun0") }), "\n")
}

// What is the same isn't touched: rtnetlink has nothing to tell, and the resolver's file is the same one.
func TestUpdateSame(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	for name, c := range configs() {
		h := testHost(t, someResolvConf)
		a, err := h.apply(t.Context(), c)
		check(t, err)
		file, err := os.Stat(h.resolvConf)
		check(t, err)
		news, err := subscribe()
		check(t, err)
		b := make([]byte, 4096)
		told := func() []byte {
			check(t, news.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
			n, _ := news.Read(b)
			return b[:n]
		}
		for len(told()) > 0 { // the kernel isn't done with the first one
		}
		check(t, a.Update(t.Context(), c))
		check(t, a.SetGateway(t.Context(), c.Gateway))
		check(t, a.SetMTU(c.MTU))
		if news := told(); len(news) > 0 {
			t.Errorf("%s: rtnetlink tells %x", name, news)
		}
		check(t, news.Close())
		if now, err := os.Stat(h.resolvConf); err != nil || !os.SameFile(file, now) {
			t.Errorf("%s: resolv.conf was written again", name)
		}
		check(t, a.Restore())
		if err := a.Update(t.Context(), c); err == nil {
			t.Error("updated after Restore")
		}
	}
}

func TestUpdateOtherInterface(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	openTUN(t, "ptun1")
	h := testHost(t, someResolvConf)
	a, err := h.apply(t.Context(), fullTunnel())
	check(t, err)
	c := fullTunnel()
	c.Interface = "ptun1"
	if err := a.Update(t.Context(), c); err == nil || !strings.Contains(err.Error(), "ptun0") {
		t.Errorf("got %v", err)
	}
	check(t, a.Restore())
}

func TestSetMTU(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	h := testHost(t, someResolvConf)
	before := snapshot(t, h)
	a, err := h.apply(t.Context(), fullTunnel())
	check(t, err)
	for _, mtu := range []int{1280, 8900, 1300} {
		check(t, a.SetMTU(mtu))
		link, err := netlink.LinkByName("ptun0")
		check(t, err)
		routes, err := netlink.RouteGet(netip.MustParseAddr("10.1.2.3").AsSlice())
		check(t, err)
		if link.Attrs().MTU != mtu || routes[0].MTU != 0 && routes[0].MTU != mtu {
			t.Errorf("set to %d: the device has %d, the route %d", mtu, link.Attrs().MTU, routes[0].MTU)
		}
	}
	check(t, a.SetMTU(1000)) // it has an IPv6 address
	if link, err := netlink.LinkByName("ptun0"); err != nil || link.Attrs().MTU != 1280 {
		t.Errorf("set to 1000: %v, %v", link, err)
	}
	if err := a.SetMTU(1 << 20); err == nil {
		t.Error("an MTU of 1 MiB")
	}
	check(t, a.SetMTU(1400))
	check(t, a.Restore())
	if diff := cmp.Diff(before, snapshot(t, h)); diff != "" {
		t.Errorf("after restore (-before +after)\n%s", diff)
	}
}

// Somebody else writes resolv.conf while the tunnel is up, as a DHCP client does on each new network: ours comes back
// with the next Update, and theirs in the end.
func TestUpdateResolvConfTaken(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	const theirs = "nameserver 192.0.2.99\n"
	for _, sameServers := range []bool{true, false} {
		h := testHost(t, someResolvConf)
		c := fullTunnel()
		a, err := h.apply(t.Context(), c)
		check(t, err)
		check(t, os.WriteFile(h.resolvConf, []byte(theirs), 0o644))
		if !sameServers {
			c.DNS = []netip.Addr{netip.MustParseAddr("10.20.0.99")}
		}
		check(t, a.Update(t.Context(), c))
		text, err := os.ReadFile(h.resolvConf)
		check(t, err)
		if !strings.Contains(string(text), "nameserver "+c.DNS[0].String()) || strings.Contains(string(text), "192.0.2.99") {
			t.Errorf("after the update: %q", text)
		}
		check(t, a.Restore())
		if text, _ := os.ReadFile(h.resolvConf); string(text) != theirs {
			t.Errorf("in the end: %q", text)
		}
	}
}

// Two tunnels share resolv.conf, and either is updated while both are up.
func TestUpdateTwoTunnels(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	openTUN(t, "ptun1")
	for _, tt := range []struct{ firstChanges, newServers, firstEndsFirst bool }{
		{true, false, true},
		{true, false, false},
		{true, true, true},
		{true, true, false},
		{false, false, true},
		{false, true, true},
		{false, true, false},
	} {
		h := testHost(t, someResolvConf)
		before := snapshot(t, h)
		one := fullTunnel()
		one.Routes, one.Addresses = prefixes("10.99.1.0/24"), prefixes("10.20.0.5/32")
		two := one
		two.Interface, two.Routes, two.Addresses = "ptun1", prefixes("10.99.2.0/24"), prefixes("10.21.0.5/32")
		two.DNS = []netip.Addr{netip.MustParseAddr("10.21.0.53")}
		a, err := h.apply(t.Context(), one)
		check(t, err)
		h2 := *h
		h2.nl, err = netlink.NewHandle()
		check(t, err)
		b, err := h2.apply(t.Context(), two)
		check(t, err)
		changes, c := b, two
		if tt.firstChanges {
			changes, c = a, one
		}
		if tt.newServers {
			c.DNS = []netip.Addr{netip.MustParseAddr("10.22.0.53")}
		}
		check(t, changes.Update(t.Context(), c))
		text, err := os.ReadFile(h.resolvConf)
		check(t, err)
		want := two.DNS[0] // the later one's
		if tt.newServers {
			want = c.DNS[0]
		}
		if !strings.Contains(string(text), "nameserver "+want.String()) {
			t.Errorf("%+v: resolv.conf %q, want %v", tt, text, want)
		}
		if !tt.firstEndsFirst {
			a, b = b, a
		}
		check(t, a.Restore())
		check(t, b.Restore())
		if diff := cmp.Diff(before, snapshot(t, h)); diff != "" {
			t.Errorf("%+v (-before +after)\n%s", tt, diff)
		}
	}
}

// Two tunnels have one gateway: its route stays until the last of them ends, and moves for both.
func TestOneGateway(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	openTUN(t, "ptun1")
	h := testHost(t, someResolvConf)
	before := snapshot(t, h)
	one, two := fullTunnel(), fullTunnel()
	one.BlockIPv6, two.BlockIPv6 = true, true
	one.Routes, two.Routes = prefixes("0.0.0.0/0"), prefixes("0.0.0.0/0")
	two.Interface, two.Addresses, two.DNS, two.Search = "ptun1", prefixes("10.21.0.5/32"), nil, nil
	two.Exclude = prefixes("0.0.0.0/1 128.0.0.0/2") // what is left has the gateway in it
	a, err := h.apply(t.Context(), one)
	check(t, err)
	h2 := *h
	h2.nl, err = netlink.NewHandle()
	check(t, err)
	b, err := h2.apply(t.Context(), two)
	check(t, err)
	leavesBy := func(want string) {
		t.Helper()
		if got := device(t, "203.0.113.1"); got != want {
			t.Errorf("packets to the gateway leave by %s, want %s", got, want)
		}
		if got := device(t, "2001:db9::1"); got == "up0" {
			t.Error("IPv6 isn't blocked")
		}
	}
	leavesBy("up0")
	lan, err := netlink.LinkByName("lan0")
	check(t, err)
	check(t, netlink.RouteReplace(&netlink.Route{LinkIndex: lan.Attrs().Index, Gw: netip.MustParseAddr("192.168.1.1").AsSlice()}))
	check(t, b.SetGateway(t.Context(), two.Gateway))
	leavesBy("lan0")
	check(t, a.SetGateway(t.Context(), two.Gateway))
	leavesBy("lan0")
	check(t, b.Restore())
	leavesBy("lan0")
	check(t, a.Restore())
	defaultRouteBack(t)
	if diff := cmp.Diff(before, snapshot(t, h)); diff != "" {
		t.Errorf("after both (-before +after)\n%s", diff)
	}
}

// defaultRouteBack makes up0 the uplink again.
func defaultRouteBack(t *testing.T) {
	t.Helper()
	up, err := netlink.LinkByName("up0")
	check(t, err)
	check(t, netlink.RouteReplace(&netlink.Route{LinkIndex: up.Attrs().Index, Gw: netip.MustParseAddr("192.0.2.1").AsSlice()}))
}

func TestBlockIPv6(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	for _, tt := range []struct {
		name    string
		routes  string
		gateway string
		blocked bool
	}{
		{"full", "0.0.0.0/0", "203.0.113.1", true},
		{"full, IPv6 outside", "0.0.0.0/0", "2001:db8:ffff::1", true},
		{"full, some IPv6 inside", "0.0.0.0/0 2001:db8:30::/48", "203.0.113.1", true},
		{"everything", "0.0.0.0/0 ::/0", "203.0.113.1", false},
		{"split", "10.99.0.0/16", "203.0.113.1", false},
	} {
		h := testHost(t, someResolvConf)
		before := snapshot(t, h)
		c := fullTunnel()
		c.BlockIPv6, c.Routes, c.Gateway = true, prefixes(tt.routes), netip.MustParseAddr(tt.gateway)
		a, err := h.apply(t.Context(), c)
		check(t, err)
		_, err = netlink.RouteGet(netip.MustParseAddr("2001:db9::1").AsSlice())
		if (err == unix.EHOSTUNREACH) != tt.blocked {
			t.Errorf("%s: %v", tt.name, err)
		}
		for to, want := range map[string]string{tt.gateway: "up0", "2001:db8::1": "up0", "::1": "lo"} {
			if got := device(t, to); got != want && !strings.Contains(tt.routes, "::/0") {
				t.Errorf("%s: packets to %s leave by %s, want %s", tt.name, to, got, want)
			}
		}
		r, err := load(a.file) // and a crash
		check(t, err)
		r.Owner.Start++
		check(t, r.save(a.file))
		check(t, Recover(h.dir))
		if diff := cmp.Diff(before, snapshot(t, h)); diff != "" {
			t.Errorf("%s: after a crash (-before +after)\n%s", tt.name, diff)
		}
	}
}

func TestWayTo(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	h := testHost(t, someResolvConf)
	lan, err := netlink.LinkByName("lan0")
	check(t, err)
	check(t, netlink.LinkSetMTU(lan, 1400))
	want := func(to string, want Way) {
		t.Helper()
		got, err := WayTo(netip.MustParseAddr(to), "ptun0")
		check(t, err)
		if got != want {
			t.Errorf("the way to %s is %+v, want %+v", to, got, want)
		}
	}
	parse := netip.MustParseAddr
	up4 := Way{Source: parse("192.0.2.10"), Interface: "up0", Via: parse("192.0.2.1"), MTU: 1500}
	up6 := Way{Source: parse("2001:db8::10"), Interface: "up0", Via: parse("2001:db8::1"), MTU: 1500}
	c := fullTunnel()
	c.Routes = prefixes("0.0.0.0/0 ::/0")
	a, err := h.apply(t.Context(), c)
	check(t, err)
	for range 2 {
		want("203.0.113.1", up4)
		want("::ffff:203.0.113.1", up4)
		want("203.0.113.2", up4)
		want("2001:db8:ffff::1", up6)
		want("192.168.1.77", Way{Source: parse("192.168.1.5"), Interface: "lan0", MTU: 1400})
		want("192.0.2.10", Way{Source: parse("192.0.2.10"), Interface: "lo", MTU: 65536, Local: true})
		c.Gateway = parse("2001:db8:ffff::1")
		check(t, a.Update(t.Context(), c))
	}
	if w, err := WayTo(parse("203.0.113.1")); err != nil || w.Interface != "ptun0" {
		t.Errorf("by way of the tunnel: %+v, %v", w, err)
	}
	c.Gateway = parse("203.0.113.1")
	check(t, a.Update(t.Context(), c))

	check(t, netlink.RouteReplace(&netlink.Route{LinkIndex: lan.Attrs().Index, Gw: parse("192.168.1.1").AsSlice()}))
	if got := device(t, "203.0.113.1"); got != "up0" {
		t.Errorf("the host route moved by itself, to %s", got)
	}
	want("203.0.113.1", Way{Source: parse("192.168.1.5"), Interface: "lan0", Via: parse("192.168.1.1"), MTU: 1400})
	if got, err := SourceFor(parse("203.0.113.1"), "ptun0"); err != nil || got != parse("192.168.1.5") {
		t.Errorf("source %v, %v", got, err)
	}
	check(t, netlink.LinkSetDown(lan))
	if w, err := WayTo(parse("203.0.113.1"), "ptun0"); err == nil {
		t.Errorf("without an uplink: %+v", w)
	}
	if _, err := WayTo(netip.Addr{}); err == nil {
		t.Error("to nowhere")
	}
	check(t, a.Restore())
}

// A router is known by its link-local address, as it is with IPv6.
func TestGatewayBehindLinkLocalRouter(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	h := testHost(t, someResolvConf)
	up, err := netlink.LinkByName("up0")
	check(t, err)
	check(t, netlink.AddrAdd(up, &netlink.Addr{IPNet: ipNetOf("fe80::10/64"), Flags: unix.IFA_F_NODAD}))
	check(t, netlink.RouteDel(&netlink.Route{LinkIndex: up.Attrs().Index, Gw: netip.MustParseAddr("2001:db8::1").AsSlice()}))
	defaultRoute(t, "up0", "fe80::1")
	before := snapshot(t, h)
	for end := time.Now().Add(10 * time.Second); !strings.Contains(before, "fe80::10/128") && time.Now().Before(end); {
		before = snapshot(t, h) // the kernel takes its time
	}
	c := fullTunnel()
	c.Routes, c.Gateway = prefixes("0.0.0.0/0 ::/0"), netip.MustParseAddr("2001:db8:ffff::1")
	a, err := h.apply(t.Context(), c)
	check(t, err)
	for range 2 {
		if got := device(t, "2001:db8:ffff::1"); got != "up0" {
			t.Errorf("packets to the gateway leave by %s", got)
		}
		check(t, a.SetGateway(t.Context(), c.Gateway))
	}
	w, err := WayTo(c.Gateway, "ptun0")
	check(t, err)
	if w.Source != netip.MustParseAddr("2001:db8::10") || w.Via != netip.MustParseAddr("fe80::1") {
		t.Errorf("%+v", w)
	}
	check(t, a.Restore())
	if diff := cmp.Diff(before, snapshot(t, h)); diff != "" {
		t.Errorf("after restore (-before +after)\n%s", diff)
	}
}

// After an Update that failed, whatever was done is taken back.
func TestUpdateFails(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	for name, bend := range map[string]func(*Config){
		"MTU":        func(c *Config) { c.MTU = 1 << 20 },
		"address":    func(c *Config) { c.Addresses = prefixes("224.0.0.1/32") },
		"resolvconf": func(c *Config) { c.DNS = nil; c.Search = []string{"other.example"} },
	} {
		h := testHost(t, someResolvConf)
		before := snapshot(t, h)
		a, err := h.apply(t.Context(), fullTunnel())
		check(t, err)
		c := configs()["other networks"]
		c.Gateway = netip.MustParseAddr("203.0.113.2")
		bend(&c)
		if name == "resolvconf" {
			h.resolvconf = "/bin/false"
		}
		if err := a.Update(t.Context(), c); err == nil {
			t.Errorf("%s: no error", name)
		}
		h.resolvconf = ""
		if name == "resolvconf" { // its own undoing fails, too
			paths := h.records()
			r, err := load(paths[0])
			check(t, err)
			r.Steps = slices.DeleteFunc(r.Steps, func(s step) bool { return s.Resolvconf != nil })
			check(t, r.save(paths[0]))
		}
		check(t, a.Restore())
		if diff := cmp.Diff(before, snapshot(t, h)); diff != "" {
			t.Errorf("%s: after restore (-before +after)\n%s", name, diff)
		}
		if left, _ := filepath.Glob(filepath.Join(h.dir, "net-*")); len(left) > 0 {
			t.Errorf("%s: %q stays", name, left)
		}
	}
}
