package hostnet

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// prefixes parses a blank-separated list.
func prefixes(s string) []netip.Prefix {
	var ps []netip.Prefix
	for _, f := range strings.Fields(s) {
		ps = append(ps, netip.MustParsePrefix(f))
	}
	return ps
}

// list is the reverse of prefixes.
func list(ps []netip.Prefix) string {
	var s []string
	for _, p := range ps {
		s = append(s, p.String())
	}
	return strings.Join(s, " ")
}

func TestPlan(t *testing.T) {
	for _, tt := range []struct {
		name                        string
		pushed, configured, exclude string
		defaultRoute                bool
		want, rule                  string
	}{
		{
			name: "pushed only", pushed: "10.99.2.0/24 10.99.1.0/24", defaultRoute: true,
			want: "10.99.1.0/24 10.99.2.0/24", rule: "2 networks pushed by the gateway",
		},
		{
			name: "configured only", configured: "10.1.2.3/16", defaultRoute: true,
			want: "10.1.0.0/16", rule: "1 network of the profile",
		},
		{
			name: "both together", pushed: "10.1.0.0/16 10.2.0.0/16", configured: "10.1.5.0/24 192.168.0.0/24",
			want: "10.1.0.0/16 10.2.0.0/16 192.168.0.0/24", rule: "2 networks pushed by the gateway and 2 networks of the profile",
		},
		{
			name: "neither, everything", defaultRoute: true,
			want: "0.0.0.0/0", rule: "everything, since neither the gateway nor the profile lists networks",
		},
		{
			name: "neither, nothing",
			rule: "nothing, since neither the gateway nor the profile lists networks and default_route is off",
		},
		{name: "everything pushed", pushed: "0.0.0.0/0", want: "0.0.0.0/0", rule: "everything pushed by the gateway"},
		{
			name: "neighbours stay apart", pushed: "10.0.0.0/24 10.0.1.0/24",
			want: "10.0.0.0/24 10.0.1.0/24", rule: "2 networks pushed by the gateway",
		},
		{
			name: "an exclude inside", pushed: "10.0.0.0/8", exclude: "10.128.0.0/10",
			want: "10.0.0.0/9 10.192.0.0/10", rule: "1 network pushed by the gateway, without the excluded networks",
		},
		{
			name: "a host inside", pushed: "10.0.0.0/30", exclude: "10.0.0.1/32",
			want: "10.0.0.0/32 10.0.0.2/31", rule: "1 network pushed by the gateway, without the excluded networks",
		},
		{
			name: "an exclude that is wider wins", pushed: "10.1.0.0/16 10.2.0.0/16 172.16.0.0/12", exclude: "10.0.0.0/8",
			want: "172.16.0.0/12", rule: "3 networks pushed by the gateway, without the excluded networks",
		},
		{
			name: "nothing left", pushed: "10.1.0.0/16", exclude: "10.0.0.0/8",
			rule: "1 network pushed by the gateway, without the excluded networks, which leaves nothing",
		},
		{
			name: "everything but one half", defaultRoute: true, exclude: "128.0.0.0/1",
			want: "0.0.0.0/1", rule: "everything, since neither the gateway nor the profile lists networks, without the excluded networks",
		},
		{
			name: "an exclude beside", pushed: "10.0.0.0/8", exclude: "192.168.0.0/16",
			want: "10.0.0.0/8", rule: "1 network pushed by the gateway",
		},
		{
			name: "families apart", pushed: "10.0.0.0/8 2001:db8::/32", exclude: "::/0",
			want: "10.0.0.0/8", rule: "2 networks pushed by the gateway, without the excluded networks",
		},
		{name: "mapped", pushed: "::ffff:10.0.0.0/104", want: "10.0.0.0/8", rule: "1 network pushed by the gateway"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			routes, rule := Plan(prefixes(tt.pushed), prefixes(tt.configured), prefixes(tt.exclude), tt.defaultRoute)
			if list(routes) != tt.want || rule != tt.rule {
				t.Errorf("got  %q, %q\nwant %q, %q", list(routes), rule, tt.want, tt.rule)
			}
		})
	}
	if routes, _ := Plan([]netip.Prefix{{}}, nil, []netip.Prefix{{}}, true); list(routes) != "0.0.0.0/0" {
		t.Errorf("a prefix that isn't valid counts: %v", routes)
	}
}

// Subtraction is exact: address by address over a small network.
func TestSubtractExact(t *testing.T) {
	from := prefixes("10.0.0.0/24 10.0.1.64/26")
	minus := prefixes("10.0.0.7/32 10.0.0.16/28 10.0.0.128/25 10.0.1.80/29 10.0.2.0/24")
	in := func(ps []netip.Prefix, a netip.Addr) (n int) {
		for _, p := range ps {
			if p.Contains(a) {
				n++
			}
		}
		return n
	}
	got := subtract(from, minus)
	for a := netip.MustParseAddr("10.0.0.0"); a.Less(netip.MustParseAddr("10.0.3.0")); a = a.Next() {
		want := 0
		if in(from, a) > 0 && in(minus, a) == 0 {
			want = 1
		}
		if n := in(got, a); n != want {
			t.Errorf("%s is in %d of the prefixes, want %d", a, n, want)
		}
	}
}

func TestJoin(t *testing.T) {
	for in, want := range map[string]string{
		"":                                      "",
		"10.0.0.0/25 10.0.0.128/25 10.0.1.0/24": "10.0.0.0/23",
		"10.0.1.0/24 10.0.2.0/24":               "10.0.1.0/24 10.0.2.0/24",
		"0.0.0.0/1 128.0.0.0/1":                 "0.0.0.0/0",
		"::/1 8000::/1":                         "::/0",
		"0.0.0.0/0 ::/0":                        "0.0.0.0/0 ::/0",
	} {
		if got := list(join(prefixes(in))); got != want {
			t.Errorf("join(%s) = %s, want %s", in, got, want)
		}
	}
}

func TestTunnelRoutes(t *testing.T) {
	const lan = "192.168.1.0/24"
	for _, tt := range []struct {
		name, want, exclude, connected string
		prefer                         string
		localLAN                       bool
		install, lost                  string
	}{
		{name: "split", want: "10.0.0.0/8", connected: lan, install: "10.0.0.0/8"},
		{name: "everything in halves", want: "0.0.0.0/0", connected: lan, install: "0.0.0.0/1 128.0.0.0/1"},
		{name: "both families", want: "0.0.0.0/0 ::/0", install: "0.0.0.0/1 128.0.0.0/1 ::/1 8000::/1"},
		{name: "more specific than the LAN", want: "192.168.1.128/25", connected: lan, install: "192.168.1.128/25"},
		{name: "same, local_lan", want: "192.168.1.128/25 10.0.0.0/8", connected: lan, localLAN: true, install: "10.0.0.0/8", lost: "192.168.1.128/25"},
		{name: "equal, local_lan", want: lan, connected: lan, localLAN: true, lost: lan},
		{name: "around the LAN, local_lan", want: "192.168.0.0/16", connected: lan, localLAN: true, install: "192.168.0.0/16"},
		{
			// What is left of the wanted /23 around the excluded host would take the local network with it.
			name: "an exclude in the LAN", want: "192.168.0.0/23", exclude: "192.168.1.0/30", connected: lan,
			install: "192.168.0.0/24",
			lost:    "192.168.1.4/30 192.168.1.8/29 192.168.1.16/28 192.168.1.32/27 192.168.1.64/26 192.168.1.128/25",
		},
		{
			name: "the same, excludes taken out before", want: "192.168.0.0/24 192.168.1.128/25 192.168.1.64/26", exclude: "192.168.1.0/26", connected: lan,
			install: "192.168.0.0/24", lost: "192.168.1.64/26 192.168.1.128/25",
		},
		{
			name: "an exclude in a part of the LAN that was asked for", want: "192.168.1.128/25", exclude: "192.168.1.192/26", connected: lan,
			install: "192.168.1.128/26",
		},
		{name: "the LAN preferred", want: "192.168.0.0/16", connected: lan, prefer: lan, install: "192.168.0.0/16 192.168.1.0/25 192.168.1.128/25"},
		{name: "a host of the LAN preferred", want: "192.168.0.0/16", connected: lan, prefer: "192.168.1.7/32", install: "192.168.0.0/16 192.168.1.7/32"},
		{name: "the LAN preferred, local_lan", want: "192.168.0.0/16", connected: lan, prefer: lan, localLAN: true, install: "192.168.0.0/16"},
		{name: "the LAN preferred that nothing wants", want: "10.0.0.0/8", connected: lan, prefer: lan, install: "10.0.0.0/8"},
		{name: "another network preferred", want: "192.168.0.0/16", connected: lan, prefer: "192.168.0.0/16 192.168.7.0/24", install: "192.168.0.0/16"},
		{name: "the LAN preferred but a host", want: "192.168.0.0/16", exclude: "192.168.1.0/25", connected: lan, prefer: lan, install: "192.168.0.0/24 192.168.1.128/25 192.168.2.0/23 192.168.4.0/22 192.168.8.0/21 192.168.16.0/20 192.168.32.0/19 192.168.64.0/18 192.168.128.0/17"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			install, lost := tunnelRoutes(prefixes(tt.want), prefixes(tt.exclude), prefixes(tt.connected), prefixes(tt.prefer), tt.localLAN)
			if list(install) != tt.install || list(lost) != tt.lost {
				t.Errorf("got  %q, lost %q\nwant %q, lost %q", list(install), list(lost), tt.install, tt.lost)
			}
		})
	}
}

func TestOverlaps(t *testing.T) {
	const lan = "192.168.1.0/24"
	for _, tt := range []struct{ name, want, exclude, connected, prefer, found string }{
		{name: "apart", want: "10.0.0.0/8", connected: lan},
		{name: "everything", want: "0.0.0.0/0", connected: lan},
		{name: "around the LAN", want: "10.0.0.0/8 192.168.0.0/16", connected: lan, found: "192.168.1.0/24 192.168.0.0/16 false"},
		{name: "the same", want: lan, connected: lan, found: "192.168.1.0/24 192.168.1.0/24 true"},
		{name: "within", want: "192.168.1.128/25", connected: lan, found: "192.168.1.0/24 192.168.1.128/25 true"},
		{name: "preferred", want: "192.168.0.0/16", connected: lan, prefer: lan, found: "192.168.1.0/24 192.168.0.0/16 true"},
		{name: "excluded", want: "192.168.0.0/16", exclude: lan, connected: lan},
		{name: "link-local", want: "fe80::/10", connected: "fe80::/64"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want, exclude, connected := prefixes(tt.want), prefixes(tt.exclude), prefixes(tt.connected)
			install, _ := tunnelRoutes(want, exclude, connected, prefixes(tt.prefer), false)
			var found []string
			for _, o := range overlaps(want, exclude, connected, install) {
				found = append(found, fmt.Sprint(o.Local, " ", o.Tunnel, " ", o.Inside))
			}
			if got := strings.Join(found, ", "); got != tt.found {
				t.Errorf("%q, want %q", got, tt.found)
			}
		})
	}
}

func TestClean(t *testing.T) {
	long := strings.Repeat("a", 64)
	c := Config{
		Search: []string{
			"Corp.Example.", "corp.example", "x y", "a\nnameserver 6.6.6.6", "", ".", "10.0.0.1", "-a.example", "a..b", long + ".example",
			"_msdcs.corp.example", "bücher.example", "$(id)", "fe80::1", strings.Repeat("a.", 130) + "a",
		},
		SplitDNS: []string{".intern.example", "*.lab.example", "~x"},
		DNS: []netip.Addr{
			{},
			netip.MustParseAddr("10.0.0.53"), netip.MustParseAddr("::ffff:10.0.0.53"), netip.MustParseAddr("0.0.0.0"),
			netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("224.0.0.1"), netip.MustParseAddr("fe80::1%eth0"), netip.MustParseAddr("2001:db8::53"),
		},
		Routes: append(prefixes("10.1.0.0/8 127.0.0.0/8 224.0.0.0/4"), netip.Prefix{}),
	}
	got, warnings := c.Clean()
	want := Config{
		Search:   []string{"corp.example", "_msdcs.corp.example"},
		SplitDNS: []string{"intern.example", "lab.example"},
		DNS:      []netip.Addr{netip.MustParseAddr("10.0.0.53"), netip.MustParseAddr("2001:db8::53")},
		Routes:   prefixes("10.0.0.0/8"),
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if n := 12 + 1 + 5 + 3; len(warnings) != n {
		t.Errorf("%d warnings, want %d:\n%s", len(warnings), n, strings.Join(warnings, "\n"))
	}
	for _, w := range warnings {
		if strings.ContainsAny(w, "\n\r\x1b") || len(w) > 400 {
			t.Errorf("server text in a warning: %q", w)
		}
	}
}

func TestWithServers(t *testing.T) {
	for _, tt := range []struct{ routes, servers, want string }{
		{"10.99.0.0/16", "10.20.0.53 10.99.0.53 ::ffff:10.20.0.54 2001:db8::53", "10.20.0.53/32 10.20.0.54/32 10.99.0.0/16 2001:db8::53/128"},
		{"0.0.0.0/0", "10.20.0.53", "0.0.0.0/0"},
		{"10.99.0.0/16", "", "10.99.0.0/16"},
		{"", "10.20.0.53", ""},
	} {
		var servers []netip.Addr
		for s := range strings.FieldsSeq(tt.servers) {
			servers = append(servers, netip.MustParseAddr(s))
		}
		got := WithServers(prefixes(tt.routes), append(servers, netip.Addr{}))
		if diff := cmp.Diff(tt.want, list(got)); diff != "" {
			t.Errorf("%s with %s (-want +got)\n%s", tt.routes, tt.servers, diff)
		}
	}
}
