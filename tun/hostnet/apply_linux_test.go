package hostnet

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
)

const someResolvConf = "# by hand\nnameserver 192.0.2.53\nsearch home.example\noptions edns0\n\n; no newline at the end"

// fullTunnel wants all that there is.
func fullTunnel() Config {
	return Config{
		Interface: "ptun0",
		Addresses: prefixes("10.20.0.5/24 2001:db8:20::5/64"),
		MTU:       1300,
		Routes:    prefixes("0.0.0.0/0 2001:db8:30::/48"),
		Exclude:   prefixes("198.51.100.0/24"),
		Gateway:   netip.MustParseAddr("203.0.113.1"),
		DNS:       []netip.Addr{netip.MustParseAddr("10.20.0.53")},
		Search:    []string{"corp.example"},
	}
}

func TestApplyRestore(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	h := testHost(t, someResolvConf)
	before := snapshot(t, h)

	a, err := h.apply(t.Context(), fullTunnel())
	check(t, err)
	for to, want := range map[string]string{
		"10.1.2.3": "ptun0", "8.8.8.8": "ptun0", "200.0.0.1": "ptun0", "198.51.101.1": "ptun0", "2001:db8:30::1": "ptun0",
		"203.0.113.1":  "up0",   // the gateway
		"203.0.113.2":  "ptun0", // not the gateway
		"198.51.100.7": "up0",   // excluded
		"192.168.1.77": "lan0",  // connected
		"192.0.2.1":    "up0",   // the router
		"2001:db8::1":  "up0",
		"2001:db9::1":  "up0",
	} {
		if got := device(t, to); got != want {
			t.Errorf("packets to %s leave by %s, want %s", to, got, want)
		}
	}
	link, err := netlink.LinkByName("ptun0")
	check(t, err)
	if link.Attrs().MTU != 1300 {
		t.Errorf("MTU is %d", link.Attrs().MTU)
	}
	text, err := os.ReadFile(h.resolvConf)
	check(t, err)
	want := "# Written by postern for ptun0. The file as it was comes back when the tunnel ends.\n" +
		"search corp.example\nnameserver 10.20.0.53\noptions edns0\n"
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("resolv.conf (-want +got)\n%s", diff)
	}
	if a.Resolver() != h.resolvConf || len(a.Warnings()) > 0 {
		t.Errorf("resolver %q, warnings %q", a.Resolver(), a.Warnings())
	}
	if st, err := os.Stat(a.file); err != nil || st.Mode() != 0o600 {
		t.Errorf("state file: %v, %v", st, err)
	}

	check(t, a.Restore())
	if diff := cmp.Diff(before, snapshot(t, h)); diff != "" {
		t.Errorf("after restore (-before +after)\n%s", diff)
	}
	check(t, a.Restore())
	if paths := h.records(); len(paths) > 0 {
		t.Errorf("state files stay: %q", paths)
	}
}

// Nothing that wasn't asked for: with a split tunnel the netmask of the address makes no route, and neither resolver
// nor default route change.
func TestApplySplit(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	h := testHost(t, someResolvConf)
	before := snapshot(t, h)
	a, err := h.apply(t.Context(), Config{
		Interface: "ptun0", Addresses: prefixes("10.20.0.5/24"), Routes: prefixes("10.99.1.0/24 10.99.2.0/24"),
		Gateway: netip.MustParseAddr("192.0.2.1"),
	})
	check(t, err)
	for to, want := range map[string]string{
		"10.99.1.1": "ptun0", "10.99.2.1": "ptun0", "10.99.3.1": "up0", "10.20.0.6": "up0", "192.0.2.1": "up0",
	} {
		if got := device(t, to); got != want {
			t.Errorf("packets to %s leave by %s, want %s", to, got, want)
		}
	}
	if n := len(ourRoutes(t)); n != 2 {
		t.Errorf("%d routes, want 2: the gateway on a connected network needs none here", n)
	}
	check(t, a.Restore())
	if diff := cmp.Diff(before, snapshot(t, h)); diff != "" {
		t.Errorf("after restore (-before +after)\n%s", diff)
	}
}

// ourRoutes lists the routes that bear our mark.
func ourRoutes(t *testing.T) []netlink.Route {
	t.Helper()
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Protocol: routeProtocol}, netlink.RT_FILTER_PROTOCOL)
	check(t, err)
	return routes
}

// A network that the host has a route for keeps it; it is neither replaced nor deleted.
func TestExistingRoutesStay(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	h := testHost(t, someResolvConf)
	lan, err := netlink.LinkByName("lan0")
	check(t, err)
	check(t, netlink.RouteAdd(&netlink.Route{LinkIndex: lan.Attrs().Index, Dst: ipNetOf("10.99.1.0/24")}))
	check(t, netlink.RouteAdd(&netlink.Route{LinkIndex: lan.Attrs().Index, Dst: ipNetOf("203.0.113.1/32")}))
	before := snapshot(t, h)
	c := fullTunnel()
	c.Routes = prefixes("10.99.1.0/24 10.99.2.0/24 203.0.113.0/24 192.168.1.128/25")
	c.LocalLAN = true
	a, err := h.apply(t.Context(), c)
	check(t, err)
	for to, want := range map[string]string{"10.99.1.1": "lan0", "10.99.2.1": "ptun0", "203.0.113.1": "lan0", "192.168.1.200": "lan0"} {
		if got := device(t, to); got != want {
			t.Errorf("packets to %s leave by %s, want %s", to, got, want)
		}
	}
	want := []string{
		"192.168.1.128/25 is a network of this host and stays outside the tunnel",
		"there is a route to 203.0.113.1/32 already, left as it is",
		"there is a route to 10.99.1.0/24 already, left as it is",
	}
	if diff := cmp.Diff(want, a.Warnings()); diff != "" {
		t.Errorf("warnings (-want +got)\n%s", diff)
	}
	check(t, a.Restore())
	if diff := cmp.Diff(before, snapshot(t, h)); diff != "" {
		t.Errorf("after restore (-before +after)\n%s", diff)
	}
}

// A network that is here and behind the gateway too stays here, unless a person prefers the one behind the gateway, which
// may be chosen and given up again while the tunnel is up.
func TestOverlapChosen(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	h := testHost(t, someResolvConf)
	before := snapshot(t, h)
	c := fullTunnel()
	c.Routes = prefixes("192.168.0.0/16")
	a, err := h.apply(t.Context(), c)
	check(t, err)
	defer a.Restore()
	lan := netip.MustParsePrefix("192.168.1.0/24")
	for _, prefer := range [][]netip.Prefix{nil, {lan}, nil} {
		c.Prefer = prefer
		check(t, a.Update(t.Context(), c))
		dev := map[bool]string{false: "lan0", true: "ptun0"}[prefer != nil]
		if got := device(t, "192.168.1.200"); got != dev {
			t.Errorf("preferring %v: packets to the network here leave by %s, want %s", prefer, got, dev)
		}
		if got := device(t, "192.168.7.1"); got != "ptun0" {
			t.Errorf("preferring %v: packets elsewhere leave by %s", prefer, got)
		}
		want := []Overlap{{lan, c.Routes[0], prefer != nil}}
		if !slices.Equal(a.Overlaps(), want) {
			t.Errorf("preferring %v: overlaps %v, want %v", prefer, a.Overlaps(), want)
		}
	}
	check(t, a.Restore())
	if diff := cmp.Diff(before, snapshot(t, h)); diff != "" {
		t.Errorf("after restore (-before +after)\n%s", diff)
	}
}

// A gateway on loopback or at an own address needs no route: table local comes first.
func TestGatewayOnThisHost(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	for _, gateway := range []string{"127.0.0.1", "192.0.2.10", "::1"} {
		h := testHost(t, someResolvConf)
		c := fullTunnel()
		c.Gateway = netip.MustParseAddr(gateway)
		a, err := h.apply(t.Context(), c)
		check(t, err)
		if got := device(t, gateway); got != "lo" {
			t.Errorf("packets to %s leave by %s, want lo", gateway, got)
		}
		check(t, a.Restore())
	}
}

// The tunnel's own packets never enter the tunnel, not even while there is no way to the gateway; SetGateway finds the
// new way when there is one, and the way to another gateway.
func TestUplinkChanges(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	h := testHost(t, someResolvConf)
	c := fullTunnel()
	c.Routes = prefixes("0.0.0.0/0 ::/0")
	for _, gateway := range []string{"203.0.113.1", "192.0.2.1", "2001:db8::1", "2001:db8:ffff::1"} {
		c.Gateway = netip.MustParseAddr(gateway)
		a, err := h.apply(t.Context(), c)
		check(t, err)
		if got := device(t, gateway); got != "up0" {
			t.Errorf("packets to the gateway %s leave by %s", gateway, got)
		}
		up, err := netlink.LinkByName("up0")
		check(t, err)
		check(t, netlink.LinkSetDown(up))
		if got := device(t, gateway); got == "ptun0" || got == "up0" {
			t.Errorf("without uplink packets to the gateway %s leave by %s", gateway, got)
		}
		if err := a.SetGateway(t.Context(), c.Gateway); err == nil {
			t.Errorf("there is no way to the gateway %s, and SetGateway finds one", gateway)
		}

		check(t, netlink.LinkSetUp(up))
		if c.Gateway.Is6() {
			check(t, netlink.AddrReplace(up, &netlink.Addr{IPNet: ipNetOf("2001:db8::10/64"), Flags: 0x02}))
			defaultRoute(t, "up0", "2001:db8::1")
		} else {
			defaultRoute(t, "lan0", "192.168.1.1")
		}
		for _, g := range []string{gateway, "203.0.113.77", gateway} {
			if c.Gateway.Is6() {
				g = gateway
			}
			check(t, a.SetGateway(t.Context(), netip.MustParseAddr(g)))
			if got := device(t, g); got != "lan0" && got != "up0" {
				t.Errorf("over the new uplink packets to the gateway %s leave by %s", g, got)
			}
		}
		check(t, a.Restore())
		if left := ourRoutes(t); len(left) > 0 {
			t.Errorf("gateway %s: routes are left: %v", gateway, left)
		}
		if !c.Gateway.Is6() { // as before
			lan, err := netlink.LinkByName("lan0")
			check(t, err)
			check(t, netlink.RouteDel(&netlink.Route{LinkIndex: lan.Attrs().Index, Gw: netip.MustParseAddr("192.168.1.1").AsSlice()}))
			defaultRoute(t, "up0", "192.0.2.1")
			check(t, netlink.AddrReplace(up, &netlink.Addr{IPNet: ipNetOf("2001:db8::10/64"), Flags: 0x02}))
			defaultRoute(t, "up0", "2001:db8::1")
		}
	}
	if err := (&Applied{host: h}).SetGateway(t.Context(), c.Gateway); err == nil {
		t.Error("SetGateway after Restore has no error")
	}
}

// A router that no connected network holds, as at some hosters.
func TestOnlinkRouter(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	h := testHost(t, someResolvConf)
	up, err := netlink.LinkByName("up0")
	check(t, err)
	check(t, netlink.RouteReplace(&netlink.Route{
		LinkIndex: up.Attrs().Index, Gw: netip.MustParseAddr("172.31.1.1").AsSlice(), Flags: int(netlink.FLAG_ONLINK),
	}))
	before := snapshot(t, h)
	a, err := h.apply(t.Context(), fullTunnel())
	check(t, err)
	if got := device(t, "203.0.113.1"); got != "up0" {
		t.Errorf("packets to the gateway leave by %s", got)
	}
	check(t, a.Restore())
	if diff := cmp.Diff(before, snapshot(t, h)); diff != "" {
		t.Errorf("after restore (-before +after)\n%s", diff)
	}
}

// All or nothing: when a step fails everything is as before, whichever it is.
func TestApplyFails(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	for _, tt := range []struct {
		name string
		bend func(*Config, *host)
		want string
	}{
		{"no such device", func(c *Config, _ *host) { c.Interface = "ptun9" }, `interface "ptun9"`},
		{"MTU", func(c *Config, _ *host) { c.MTU = 1 << 20 }, "MTU"},
		{"address", func(c *Config, _ *host) { c.Addresses = prefixes("224.0.0.1/32") }, "inner address 224.0.0.1/32"},
		{"resolvconf", func(_ *Config, h *host) { h.resolvconf = "/bin/false" }, "/bin/false -a ptun0.postern: exit status 1"},
		{"cancelled", func(*Config, *host) {}, context.Canceled.Error()},
	} {
		h := testHost(t, someResolvConf)
		before := snapshot(t, h)
		c := fullTunnel()
		tt.bend(&c, h)
		ctx, cancel := context.WithCancel(t.Context())
		if tt.name == "cancelled" {
			h.bus = nil // not asked
			check(t, os.MkdirAll(h.dir, 0o700))
			cancel()
		}
		a, err := h.apply(ctx, c)
		cancel()
		if err == nil || !strings.Contains(err.Error(), tt.want) || a != nil {
			t.Errorf("%s: got %v, want an error with %q", tt.name, err, tt.want)
		}
		if diff := cmp.Diff(before, snapshot(t, h)); diff != "" {
			t.Errorf("%s: (-before +after)\n%s", tt.name, diff)
		}
	}
}

// Two tunnels at once, ended in both orders: the resolver's file and the routes end as they began.
func TestTwoTunnels(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	openTUN(t, "ptun1")
	for _, firstEndsFirst := range []bool{true, false} {
		h := testHost(t, someResolvConf)
		before := snapshot(t, h)
		one := fullTunnel()
		one.Routes, one.Addresses = prefixes("10.99.1.0/24"), prefixes("10.20.0.5/32")
		two := one
		two.Interface, two.Routes, two.Addresses = "ptun1", prefixes("10.99.2.0/24"), prefixes("10.21.0.5/32")
		two.DNS = []netip.Addr{netip.MustParseAddr("10.21.0.53")}
		a, err := h.apply(t.Context(), one)
		check(t, err)
		if _, err := h.apply(t.Context(), one); err == nil {
			t.Fatal("the same device is set up twice")
		}
		h2 := *h
		h2.nl, err = netlink.NewHandle()
		check(t, err)
		b, err := h2.apply(t.Context(), two)
		check(t, err)
		if !firstEndsFirst {
			a, b = b, a
		}
		check(t, a.Restore())
		check(t, b.Restore())
		if diff := cmp.Diff(before, snapshot(t, h)); diff != "" {
			t.Errorf("first ends first: %t (-before +after)\n%s", firstEndsFirst, diff)
		}
	}
}

// What somebody else wrote into resolv.conf meanwhile stays, and is told of.
func TestResolvConfTaken(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	h := testHost(t, someResolvConf)
	a, err := h.apply(t.Context(), fullTunnel())
	check(t, err)
	check(t, os.WriteFile(h.resolvConf, []byte("nameserver 192.0.2.99\n"), 0o644))
	if err := a.Restore(); !errors.Is(err, ErrKept) || !strings.Contains(err.Error(), h.resolvConf) {
		t.Errorf("got %v, want ErrKept and the path", err)
	}
	if text, _ := os.ReadFile(h.resolvConf); string(text) != "nameserver 192.0.2.99\n" {
		t.Errorf("resolv.conf: %q", text)
	}
	check(t, a.Restore())
	if _, err := os.Stat(filepath.Join(h.dir, "lock")); err != nil || len(h.records()) > 0 {
		t.Errorf("state: %v %v", err, h.records())
	}
}

// The default route moves to another uplink while the old one stays up: the host route follows when it is told to, and
// doesn't take itself for the way.
func TestNewDefaultRoute(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	h := testHost(t, someResolvConf)
	a, err := h.apply(t.Context(), fullTunnel())
	check(t, err)
	lan, err := netlink.LinkByName("lan0")
	check(t, err)
	check(t, netlink.RouteReplace(&netlink.Route{LinkIndex: lan.Attrs().Index, Gw: netip.MustParseAddr("192.168.1.1").AsSlice()}))
	before := snapshot(t, h)
	if got := device(t, "203.0.113.1"); got != "up0" {
		t.Errorf("nobody told, and packets to the gateway leave by %s", got)
	}
	for range 2 {
		check(t, a.SetGateway(t.Context(), netip.MustParseAddr("203.0.113.1")))
		if got := device(t, "203.0.113.1"); got != "lan0" {
			t.Errorf("packets to the gateway leave by %s", got)
		}
	}
	if diff := cmp.Diff(strings.Count(before, "proto 80"), len(ourRoutes(t))); diff != "" {
		t.Errorf("number of our routes (-before +after)\n%s", diff)
	}
	check(t, a.Restore())
	if left := ourRoutes(t); len(left) > 0 {
		t.Errorf("routes are left: %v", left)
	}
}

// Bridges of containers keep their networks, whether everything enters the tunnel, a network around theirs, or the very
// same one.
func TestContainersStay(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	h := testHost(t, someResolvConf)
	for n := range 8 {
		name := fmt.Sprintf("br%d", n)
		uplink(t, name, fmt.Sprintf("172.%d.0.1/16", 17+n))
		kernelsRoutes(t, name, name+"-far")
	}
	before := snapshot(t, h)
	for _, routes := range []string{"0.0.0.0/0", "172.16.0.0/12", "172.16.0.0/12 172.18.0.0/16"} {
		c := fullTunnel()
		c.Routes = prefixes(routes)
		a, err := h.apply(t.Context(), c)
		check(t, err)
		for n := range 8 {
			if got := device(t, fmt.Sprintf("172.%d.0.2", 17+n)); got != fmt.Sprintf("br%d", n) {
				t.Errorf("%s: packets to 172.%d.0.2 leave by %s", routes, 17+n, got)
			}
		}
		if got := device(t, "172.31.0.2"); got != "ptun0" {
			t.Errorf("%s: packets to 172.31.0.2 leave by %s", routes, got)
		}
		check(t, a.Restore())
		if diff := cmp.Diff(before, snapshot(t, h)); diff != "" {
			t.Errorf("%s: after restore (-before +after)\n%s", routes, diff)
		}
		h2, err := open(h.dir) // Restore closed its socket
		check(t, err)
		h.nl = h2.nl
	}
}
