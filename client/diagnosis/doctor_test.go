package diagnosis

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/client/localapi"
	"postern/client/profile"
	"postern/ike"
	"postern/ike/isakmp"
)

func addrs(all ...string) (out []netip.Addr) {
	for _, a := range all {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

func prefixes(all ...string) (out []netip.Prefix) {
	for _, a := range all {
		out = append(out, netip.MustParsePrefix(a))
	}
	return out
}

func routes(all ...string) (out []route) {
	for _, text := range all {
		f := strings.Fields(text)
		out = append(out, route{to: netip.MustParsePrefix(f[0]), dev: f[1], text: f[0] + " dev " + f[1]})
	}
	return out
}

// healthy is a machine on which nothing is wrong.
func healthy() *facts {
	yes := true
	return &facts{
		system: "Test", now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), linux: true, netAdmin: true, synced: &yes,
		routes:   routes("0.0.0.0/0 eth0", "192.168.1.0/24 eth0"),
		links:    []link{{name: "eth0", kind: "veth", up: true, mtu: 1500, addresses: prefixes("192.168.1.7/24")}},
		resolver: resolver{file: "/etc/resolv.conf", text: "nameserver 192.168.1.1\n", servers: addrs("192.168.1.1")},
		wayOut:   func(netip.Addr) (string, error) { return "postern0", nil },
	}
}

func parsed(t *testing.T, text string) *profile.Profile {
	t.Helper()
	p, err := profile.Parse([]byte("gateway = \"vpn.example.com\"\n"+text), "office.toml")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// upSubject is a connection that is up, with a resolver.
func upSubject(resolver string, change func(*localapi.Tunnel)) Subject {
	t := localapi.Tunnel{ID: "office", Status: localapi.Status{
		Schema: 1, Profile: "office", State: localapi.Up,
		Tunnel: &localapi.TunnelStatus{
			Interface: "postern0", Address: addrs("10.20.0.10")[0], MTU: 1400, Networks: prefixes("10.20.0.0/16"), Rule: "the gateway's",
			DNS: addrs("10.20.0.53"), Domains: []string{"corp.example"}, Resolver: resolver,
		},
		Traffic: &localapi.TrafficStatus{In: localapi.TrafficCount{Packets: 50}, Out: localapi.TrafficCount{Packets: 60}},
	}}
	if change != nil {
		change(&t)
	}
	return Subject{Snapshot: &localapi.Snapshot{Schema: 1, Control: true, Mode: localapi.ModeSystem, Tunnels: []localapi.Tunnel{t}}}
}

func TestChecksOfTheMachine(t *testing.T) {
	no := false
	for _, c := range []struct {
		name    string
		change  func(*facts)
		subject Subject
		id      string
		want    localapi.Verdict
		says    string
	}{
		{name: "tun", id: "tun_device", want: localapi.VerdictOK, says: "is there"},
		{
			name: "no tun", id: "tun_device", want: localapi.VerdictFail, says: "modprobe",
			change: func(f *facts) { f.tun = &fs.PathError{Op: "open", Path: "/dev/net/tun", Err: fs.ErrNotExist} },
		},
		{
			name: "tun is forbidden", id: "tun_device", want: localapi.VerdictWarn, says: "--rootless",
			change: func(f *facts) { f.tun = &fs.PathError{Err: fs.ErrPermission} },
		},
		{
			name: "tun is the service's", id: "tun_device", want: localapi.VerdictOK, says: "service", subject: upSubject("", nil),
			change: func(f *facts) { f.tun = &fs.PathError{Err: fs.ErrPermission} },
		},
		{name: "no right", id: "tun_device", want: localapi.VerdictWarn, says: "right", change: func(f *facts) { f.netAdmin = false }},
		{name: "clock", id: "clock", want: localapi.VerdictOK, says: "kept right"},
		{
			name: "clock in the past", id: "clock", want: localapi.VerdictFail, says: "this program was made on 2026-05-01",
			change: func(f *facts) { f.built = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC) },
		},
		{name: "clock unkept", id: "clock", want: localapi.VerdictOK, says: "Nothing keeps it", change: func(f *facts) { f.synced = &no }},
		{
			name: "clock unkept with codes", id: "clock", want: localapi.VerdictWarn, says: "codes fail", change: func(f *facts) { f.synced = &no },
			subject: Subject{Profiles: []*profile.Profile{{Auth: profile.AuthPSK, OTP: profile.OTPTime}}},
		},
		{name: "route", id: "default_route", want: localapi.VerdictOK, says: "0.0.0.0/0"},
		{name: "no route", id: "default_route", want: localapi.VerdictFail, says: "no default route", change: func(f *facts) { f.routes = nil }},
		{name: "IPv6 only", id: "default_route", want: localapi.VerdictWarn, says: "IPv6 only", change: func(f *facts) { f.routes = routes("::/0 eth0") }},
		{name: "ports", id: "ike_ports", want: localapi.VerdictOK, says: "Nobody"},
		{
			name: "our own port", id: "ike_ports", want: localapi.VerdictOK, says: "Nobody",
			change: func(f *facts) { f.holders = []holder{{500, 7, "postern"}} },
		},
		{
			name: "charon", id: "ike_ports", want: localapi.VerdictWarn, says: "charon, process 812 (UDP 500)",
			change: func(f *facts) { f.holders = []holder{{500, 812, "charon"}, {4500, 812, "charon"}} },
		},
		{
			name: "charon, and we want 500", id: "ike_ports", want: localapi.VerdictFail, says: "office wants UDP 500",
			change:  func(f *facts) { f.holders = []holder{{500, 0, ""}} },
			subject: Subject{Profiles: []*profile.Profile{{Name: "office", SourcePort: 500}}},
		},
		{name: "no other VPN", id: "other_vpns", want: localapi.VerdictOK, says: "No other"},
		{
			name: "our own tunnel", id: "other_vpns", want: localapi.VerdictOK, says: "No other", subject: upSubject("", nil),
			change: func(f *facts) { f.links = append(f.links, link{name: "postern0", kind: "tun", up: true}) },
		},
		{
			name: "another for its networks", id: "other_vpns", want: localapi.VerdictOK, says: "wg0 (wireguard)",
			change: func(f *facts) { f.links = append(f.links, link{name: "wg0", kind: "wireguard", up: true}) },
		},
		{
			name: "another for everything", id: "other_vpns", want: localapi.VerdictWarn, says: "a route for everything",
			change: func(f *facts) {
				f.links = append(f.links, link{name: "tun0", kind: "tun", up: true})
				f.routes = append(f.routes, routes("128.0.0.0/1 tun0")...)
			},
		},
		{name: "resolv.conf", id: "resolver", want: localapi.VerdictOK, says: "192.168.1.1"},
		{
			name: "resolved", id: "resolver", want: localapi.VerdictOK, says: "systemd-resolved",
			change: func(f *facts) {
				f.resolver = resolver{text: "x", servers: addrs("127.0.0.53"), links: map[string]linkDNS{}}
			},
		},
		{
			name: "past resolved", id: "resolver", want: localapi.VerdictWarn, says: "leads past it",
			change: func(f *facts) { f.resolver.links = map[string]linkDNS{} },
		},
		{name: "no resolver", id: "resolver", want: localapi.VerdictWarn, says: "no /etc/resolv.conf", change: func(f *facts) { f.resolver = resolver{} }},
		{
			name: "no server", id: "resolver", want: localapi.VerdictWarn, says: "names no server",
			change: func(f *facts) { f.resolver = resolver{text: "search x\n"} },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := healthy()
			if c.change != nil {
				c.change(f)
			}
			found(t, f.machine(c.subject), c.id, c.want, c.says)
			other := *f
			other.linux = false
			for _, check := range other.machine(c.subject) {
				if check.ID != "clock" && check.Verdict != localapi.VerdictSkipped {
					t.Errorf("%s is judged without being known", check.ID)
				}
			}
		})
	}
}

// found holds one check to what it should say.
func found(t *testing.T, checks []localapi.Check, id string, want localapi.Verdict, says string) {
	t.Helper()
	i := slices.IndexFunc(checks, func(c localapi.Check) bool { return c.ID == id })
	if i < 0 {
		t.Fatalf("no check %s", id)
	}
	c := checks[i]
	if c.Verdict != want || !strings.Contains(c.Found+c.Advice, says) {
		t.Errorf("%+v, want %s with %q", c, want, says)
	}
	if (c.Verdict == localapi.VerdictWarn || c.Verdict == localapi.VerdictFail) && c.Advice == "" {
		t.Errorf("no advice: %+v", c)
	}
}

func TestChecksOfAProfile(t *testing.T) {
	for _, c := range []struct {
		name    string
		profile string
		change  func(*facts)
		subject Subject
		id      string
		want    localapi.Verdict
		says    string
	}{
		{name: "strong", id: "weak", want: localapi.VerdictOK, says: "Nothing weak"},
		{name: "weak", profile: `ike = ["3des-md5-modp1024"]`, id: "weak", want: localapi.VerdictWarn, says: "postern probe vpn.example.com."},
		{name: "secrets", profile: `secret = "canary-secret"` + "\nuser = \"u\"\npassword = \"canary-password\"", id: "secrets", want: localapi.VerdictOK, says: "Stored: the pre-shared key, the password."},
		{name: "no secrets", id: "secrets", want: localapi.VerdictOK, says: "Asked for at each connection: the pre-shared key, the password, the user's name"},
		{name: "an address", profile: ``, id: "gateway_name", want: localapi.VerdictSkipped, says: "Not looked up"},
		{name: "no networks", id: "networks", want: localapi.VerdictOK, says: "names none"},
		{name: "other networks", profile: `networks = ["10.0.0.0/8"]`, id: "networks", want: localapi.VerdictOK, says: "10.0.0.0/8"},
		{name: "the same networks", profile: `networks = ["192.168.0.0/16"]`, id: "networks", want: localapi.VerdictWarn, says: "192.168.1.0/24 dev eth0"},
		{name: "its own routes", id: "networks", want: localapi.VerdictOK, says: "10.20.0.0/16", subject: upSubject("", nil), change: func(f *facts) {
			f.routes = append(f.routes, routes("10.20.0.0/16 postern0")...)
		}},
		{name: "no IPv6", id: "ipv6", want: localapi.VerdictOK, says: "nothing can go around"},
		{
			name: "IPv6 around a tunnel for everything", id: "ipv6", want: localapi.VerdictWarn, says: "block_ipv6",
			change:  func(f *facts) { f.routes = append(f.routes, routes("::/0 eth0")...) },
			subject: upSubject("", func(t *localapi.Tunnel) { t.Tunnel.Networks = prefixes("0.0.0.0/0") }),
		},
		{
			name: "IPv6 beside a tunnel for some", id: "ipv6", want: localapi.VerdictOK, says: "some networks",
			change: func(f *facts) { f.routes = append(f.routes, routes("::/0 eth0")...) }, subject: upSubject("", nil),
		},
		{name: "connected", id: "gateway_answers", want: localapi.VerdictOK, says: "is up", subject: upSubject("", nil)},
		{name: "not asked", id: "gateway_answers", want: localapi.VerdictSkipped, says: "name one profile"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := healthy()
			if c.change != nil {
				c.change(f)
			}
			c.subject.Quiet = true
			checks := f.profile(t.Context(), c.subject, parsed(t, c.profile))
			found(t, checks, c.id, c.want, c.says)
			for _, check := range checks {
				if strings.Contains(check.Found+check.Advice, "canary") {
					t.Errorf("a secret: %+v", check)
				}
			}
		})
	}
}

func TestChecksOfATunnel(t *testing.T) {
	resolved := func(l linkDNS) func(*facts) {
		return func(f *facts) {
			f.resolver = resolver{text: "x", servers: addrs("127.0.0.53"), links: map[string]linkDNS{"postern0": l, "eth0": {servers: addrs("192.168.1.1")}}}
		}
	}
	for _, c := range []struct {
		name     string
		resolver string
		change   func(*facts)
		tunnel   func(*localapi.Tunnel)
		id       string
		want     localapi.Verdict
		says     string
	}{
		{name: "routes", id: "tunnel_routes", want: localapi.VerdictOK, says: "by postern0"},
		{
			name: "astray", id: "tunnel_routes", want: localapi.VerdictFail, says: "10.20.0.0/16 (by eth0)",
			change: func(f *facts) { f.wayOut = func(netip.Addr) (string, error) { return "eth0", nil } },
		},
		{
			name: "excluded", id: "tunnel_routes", want: localapi.VerdictOK, says: "by postern0",
			change: func(f *facts) { f.wayOut = func(netip.Addr) (string, error) { return "eth0", nil } },
			tunnel: func(t *localapi.Tunnel) { t.Tunnel.Exclude = prefixes("10.20.0.0/24") },
		},
		{
			name: "no device", id: "tunnel_routes", want: localapi.VerdictOK, says: "127.0.0.1:1080",
			tunnel: func(t *localapi.Tunnel) { t.Tunnel.Interface, t.Tunnel.Proxy = "", "127.0.0.1:1080" },
		},
		{name: "none pushed", id: "tunnel_dns", want: localapi.VerdictOK, says: "named none", tunnel: func(t *localapi.Tunnel) { t.Tunnel.DNS = nil }},
		{name: "unused", id: "tunnel_dns", want: localapi.VerdictOK, says: "unused"},
		{name: "resolv.conf overwritten", resolver: "/etc/resolv.conf", id: "tunnel_dns", want: localapi.VerdictFail, says: "has 192.168.1.1"},
		{
			name: "resolv.conf", resolver: "/etc/resolv.conf", id: "tunnel_dns", want: localapi.VerdictOK, says: "10.20.0.53",
			change: func(f *facts) { f.resolver.servers = addrs("10.20.0.53") },
		},
		{name: "resolved gone", resolver: "systemd-resolved", id: "tunnel_dns", want: localapi.VerdictFail, says: "doesn't answer"},
		{
			name: "resolved forgot", resolver: "systemd-resolved", id: "tunnel_dns", want: localapi.VerdictFail, says: "has no server there",
			change: resolved(linkDNS{}),
		},
		{
			name: "resolved without the domain", resolver: "systemd-resolved", id: "tunnel_dns", want: localapi.VerdictFail, says: "for corp.example",
			change: resolved(linkDNS{servers: addrs("10.20.0.53"), search: []string{"other.example"}}),
		},
		{
			name: "resolved, split", resolver: "systemd-resolved", id: "tunnel_dns", want: localapi.VerdictOK, says: "Names in corp.example",
			change: resolved(linkDNS{servers: addrs("10.20.0.53"), routing: []string{"corp.example"}}),
		},
		{
			name: "resolved, all", resolver: "systemd-resolved", id: "tunnel_dns", want: localapi.VerdictOK, says: "All names",
			change: resolved(linkDNS{servers: addrs("10.20.0.53"), search: []string{"corp.example"}, routing: []string{"."}}),
		},
		{
			name: "resolved, all twice", resolver: "systemd-resolved", id: "tunnel_dns", want: localapi.VerdictWarn, says: "wg0 claims all names too",
			change: func(f *facts) {
				resolved(linkDNS{servers: addrs("10.20.0.53"), routing: []string{"."}})(f)
				f.resolver.links["wg0"] = linkDNS{routing: []string{"."}}
			},
		},
		{name: "traffic", id: "tunnel_traffic", want: localapi.VerdictOK, says: "50 packets in, 60 out"},
		{
			name: "one way", id: "tunnel_traffic", want: localapi.VerdictFail, says: "nat_traversal",
			tunnel: func(t *localapi.Tunnel) { t.Traffic.In.Packets = 0 },
		},
		{
			name: "wrong packets", id: "tunnel_traffic", want: localapi.VerdictWarn, says: "sha256_96",
			tunnel: func(t *localapi.Tunnel) { t.Traffic.In.Dropped = map[string]uint64{"integrity": 40} },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := healthy()
			if c.change != nil {
				c.change(f)
			}
			s := upSubject(c.resolver, c.tunnel)
			s.Quiet = true
			found(t, f.tunnel(t.Context(), s, s.Snapshot.Tunnels[0]), c.id, c.want, c.says)
		})
	}
}

func TestNameServersAreAsked(t *testing.T) {
	tunnel := upSubject("", func(t *localapi.Tunnel) { t.Tunnel.DNS = addrs("10.20.0.53", "10.20.0.54") }).Snapshot.Tunnels[0]
	for _, c := range []struct {
		name   string
		silent []string
		want   localapi.Verdict
	}{
		{"both answer", nil, localapi.VerdictOK},
		{"one answers", []string{"10.20.0.54"}, localapi.VerdictWarn},
		{"none answers", []string{"10.20.0.53", "10.20.0.54"}, localapi.VerdictFail},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := checkServers(t.Context(), tunnel, func(_ context.Context, server netip.AddrPort, domain string) error {
				if domain != "corp.example." || server.Port() != 53 {
					t.Errorf("asked %v for %s", server, domain)
				}
				if slices.Contains(c.silent, server.Addr().String()) {
					return errSilent
				}
				return nil
			})
			if got.Verdict != c.want {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestGatewayIsAskedInTheProfilesWords(t *testing.T) {
	for _, c := range []struct {
		name    string
		profile string
		gateway ike.Config
		change  func(*bench)
		want    localapi.Verdict
		says    string
	}{
		{
			name: "accepts", profile: `ike = ["aes256-sha512-modp3072", "3des-sha1-modp1024"]`,
			gateway: ike.Config{Methods: []isakmp.AuthMethod{isakmp.AuthXAuthInitPSK}, Groups: staff, Proposals: proposals(t, "3des-sha1-modp1024")},
			want:    localapi.VerdictOK, says: "on UDP 500, and takes 3des-sha1-modp1024",
		},
		{
			name: "refuses", profile: `ike = ["aes256-sha512-modp3072"]`,
			gateway: ike.Config{Methods: []isakmp.AuthMethod{isakmp.AuthXAuthInitPSK}, Groups: staff, Proposals: proposals(t, "3des-sha1-modp1024")},
			want:    localapi.VerdictWarn, says: "NO-PROPOSAL-CHOSEN",
		},
		{
			name: "aggressive mode", profile: "ike = [\"3des-sha1-modp1024\"]\nmode = \"aggressive\"\nidentity = \"staff\"",
			gateway: ike.Config{
				Modes: []ike.Mode{ike.Aggressive}, Methods: []isakmp.AuthMethod{isakmp.AuthXAuthInitPSK}, Groups: staff,
				Proposals: proposals(t, "3des-sha1-modp1024"),
			},
			want: localapi.VerdictOK, says: "takes 3des-sha1-modp1024",
		},
		{name: "silence", want: localapi.VerdictFail, says: "Silence on UDP 500 and 4500"},
		{
			name: "closed", want: localapi.VerdictFail, says: "nothing listens",
			change: func(b *bench) { b.closed = func(uint16) bool { return true } },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, c.gateway)
				if c.change != nil {
					c.change(b)
				}
				a := &asker{limits: politely, send: b.send, inbox: b.inbox, refusals: b.refusals}
				got := askProfile(t.Context(), a, netip.AddrPortFrom(gatewayAddr, 500), parsed(t, c.profile))
				if got.Verdict != c.want || !strings.Contains(got.Found, c.says) {
					t.Errorf("%+v", got)
				}
				if len(b.sent) > 4 {
					t.Errorf("%d datagrams for one question", len(b.sent))
				}
			})
		})
	}
}

func TestMerge(t *testing.T) {
	own := []localapi.Check{{ID: "service"}, {ID: "tun_device", Verdict: localapi.VerdictWarn}, {ID: "clock", Verdict: localapi.VerdictOK}, {ID: "weak", Profile: "office"}}
	daemon := []localapi.Check{{ID: "tun_device", Verdict: localapi.VerdictOK}, {ID: "clock", Verdict: localapi.VerdictSkipped}, {ID: "tunnel_dns", Profile: "office"}, {ID: "extra"}}
	want := []localapi.Check{
		{ID: "service"},
		{ID: "tun_device", Verdict: localapi.VerdictOK},
		{ID: "clock", Verdict: localapi.VerdictOK},
		{ID: "extra"},
		{ID: "weak", Profile: "office"},
		{ID: "tunnel_dns", Profile: "office"},
	}
	if diff := cmp.Diff(want, merge(own, daemon)); diff != "" {
		t.Error(diff)
	}
}

// TestDoctorOfThisMachine runs all of it where it is, and asks nobody anything.
func TestDoctorOfThisMachine(t *testing.T) {
	r, err := Doctor(t.Context(), Subject{Version: "test", Profiles: []*profile.Profile{parsed(t, "")}, Quiet: true, Bundle: true})
	if err != nil {
		t.Fatal(err)
	}
	if r.Schema != 1 || r.System == "" || len(r.Checks) < 10 || len(r.Sections) < 4 || r.Verdict == "" {
		t.Errorf("%+v", r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Doctor(ctx, Subject{Quiet: true}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
