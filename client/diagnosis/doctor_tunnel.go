package diagnosis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"postern/client/localapi"
)

// The topics of a connection that is up.
var (
	topicRoutes  = topic{"tunnel_routes", "Routes into the tunnel"}
	topicDNS     = topic{"tunnel_dns", "Name servers of the tunnel"}
	topicServer  = topic{"tunnel_dns_answers", "Name servers answer"}
	topicTraffic = topic{"tunnel_traffic", "Traffic"}
)

// tunnel checks a connection that is up.
func (f *facts) tunnel(ctx context.Context, s Subject, t localapi.Tunnel) []localapi.Check {
	if t.Tunnel.Interface == "" {
		return []localapi.Check{
			topicRoutes.ok("None: programs reach the tunnel through the proxy at %s.", t.Tunnel.Proxy), checkTraffic(t),
		}
	}
	checks := []localapi.Check{f.checkRoutes(t), f.checkDNS(t)}
	if len(t.Tunnel.DNS) > 0 && !s.Quiet {
		checks = append(checks, checkServers(ctx, t, askServer))
	}
	return append(checks, checkTraffic(t))
}

// checkRoutes asks the kernel where a packet to each network would go.
func (f *facts) checkRoutes(t localapi.Tunnel) localapi.Check {
	if !f.linux {
		return topicRoutes.skip(elsewhere)
	}
	const enough = 16
	var astray []string
	for _, n := range t.Tunnel.Networks[:min(len(t.Tunnel.Networks), enough)] {
		host := n.Addr()
		if n.Bits() < host.BitLen() {
			host = host.Next()
		}
		if n.Bits() <= 1 || slices.ContainsFunc(t.Tunnel.Exclude, func(e netip.Prefix) bool { return e.Contains(host) }) {
			continue // of everything some things stay outside on purpose
		}
		if dev, err := f.wayOut(host); err != nil {
			astray = append(astray, fmt.Sprintf("%v (%v)", n, err))
		} else if dev != t.Tunnel.Interface {
			astray = append(astray, fmt.Sprintf("%v (by %s)", n, dev))
		}
	}
	if len(astray) > 0 {
		return topicRoutes.fail("Another program changed the routes, or a network here is the same: see Networks. Connect anew: postern down, postern up.", "These don't go into %s: %s.", t.Tunnel.Interface, strings.Join(astray, ", "))
	}
	return topicRoutes.ok("%s by %s (%s).", list(t.Tunnel.Networks), t.Tunnel.Interface, t.Tunnel.Rule)
}

// checkDNS compares what the gateway said with what programs will ask.
func (f *facts) checkDNS(t localapi.Tunnel) localapi.Check {
	const again = "Something has changed it since (NetworkManager, a DHCP client). Connect anew: postern down, postern up."
	want := t.Tunnel.DNS
	switch {
	case len(want) == 0:
		return topicDNS.ok("The gateway named none: names are looked up as always.")
	case !f.linux:
		return topicDNS.skip(elsewhere)
	case t.Tunnel.Resolver == "":
		return topicDNS.ok("%s, which the profile leaves unused (dns = false).", list(want))
	case t.Tunnel.Resolver == "systemd-resolved":
		return f.checkResolved(t, again)
	}
	var have []netip.Addr
	have = append(have, f.resolver.servers...)
	if len(have) == 0 || !slices.Contains(want, have[0]) {
		return topicDNS.fail(again, "Names should be asked of %s, but /etc/resolv.conf has %s.", list(want), nothing(list(have)))
	}
	return topicDNS.ok("All names are asked of %s (%s).", list(want), t.Tunnel.Resolver)
}

func nothing(s string) string {
	if s == "" {
		return "no server"
	}
	return s
}

func (f *facts) checkResolved(t localapi.Tunnel, again string) localapi.Check {
	if f.resolver.links == nil {
		return topicDNS.fail("Start it: sudo systemctl start systemd-resolved, and connect anew.", "systemd-resolved, which was told the tunnel's name servers, doesn't answer.")
	}
	mine := f.resolver.links[t.Tunnel.Interface]
	for _, a := range t.Tunnel.DNS {
		if !slices.Contains(mine.servers, a) {
			return topicDNS.fail(again, "systemd-resolved should ask %s by %s, but has %s there.", list(t.Tunnel.DNS), t.Tunnel.Interface, nothing(list(mine.servers)))
		}
	}
	domains := slices.Concat(mine.search, mine.routing)
	for _, d := range t.Tunnel.Domains {
		if !slices.ContainsFunc(domains, func(have string) bool { return strings.EqualFold(strings.Trim(have, "~."), strings.Trim(d, ".")) }) && !slices.Contains(domains, ".") {
			return topicDNS.fail(again, "systemd-resolved doesn't ask the tunnel's servers for %s.", d)
		}
	}
	if !slices.Contains(mine.routing, ".") {
		return topicDNS.ok("Names in %s are asked of %s, the others elsewhere.", strings.Join(domains, ", "), list(t.Tunnel.DNS))
	}
	for name, l := range f.resolver.links {
		if name != t.Tunnel.Interface && slices.Contains(l.routing, ".") {
			return topicDNS.warn("Take the domain ~. from the other interface: resolvectl domain "+localapi.Word(name)+" ''.", "All names should be asked of %s, but %s claims all names too: both are asked.", list(t.Tunnel.DNS), name)
		}
	}
	return topicDNS.ok("All names are asked of %s.", list(t.Tunnel.DNS))
}

// checkServers asks a server of the tunnel's for a domain of the tunnel's.
func checkServers(ctx context.Context, t localapi.Tunnel, ask func(context.Context, netip.AddrPort, string) error) localapi.Check {
	domain := "."
	if len(t.Tunnel.Domains) > 0 {
		domain = strings.Trim(t.Tunnel.Domains[0], ".") + "."
	}
	var silent []string
	for _, server := range t.Tunnel.DNS[:min(len(t.Tunnel.DNS), 3)] {
		if err := ask(ctx, netip.AddrPortFrom(server, 53), domain); err != nil {
			silent = append(silent, fmt.Sprintf("%v (%v)", server, err))
		}
	}
	switch {
	case len(silent) == 0:
		return topicServer.ok("%s, through the tunnel, when asked for %s", list(t.Tunnel.DNS), domain)
	case len(silent) < len(t.Tunnel.DNS):
		return topicServer.warn("Names are found more slowly. Leave the silent one out with dns_servers.", "No answer from %s.", strings.Join(silent, ", "))
	}
	return topicServer.fail("The name servers may lie outside the networks in the tunnel, or be down: see Routes into the tunnel, and ask the administrator.", "No answer from %s.", strings.Join(silent, ", "))
}

// errSilent says that a name server didn't answer.
var errSilent = errors.New("silent")

// askServer asks a server for the name servers of a domain; that there are none is an
// answer too.
func askServer(ctx context.Context, server netip.AddrPort, domain string) error {
	ctx, cancel := within(ctx, 4*time.Second)
	defer cancel()
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, server.String())
	}}
	_, err := r.LookupNS(ctx, domain)
	var dns *net.DNSError
	switch {
	case err == nil, errors.As(err, &dns) && dns.IsNotFound:
		return nil
	case errors.As(err, &dns) && dns.IsTimeout, ctx.Err() != nil:
		return errSilent
	case dns != nil:
		return errors.New(dns.Err) // without the server that resolv.conf names
	}
	return err
}

// checkTraffic looks for one-way traffic and for drops.
func checkTraffic(t localapi.Tunnel) localapi.Check {
	const some = 10
	if t.Traffic == nil {
		return topicTraffic.skip("Not counted.")
	}
	in, out := t.Traffic.In, t.Traffic.Out
	if out.Packets >= some && in.Packets == 0 {
		return topicTraffic.fail("ESP may be blocked on the way: try nat_traversal = \"force\". Or the gateway has no way back for your address: ask its administrator.", "%d packets went out and none came in.", out.Packets)
	}
	if bad := in.Dropped["integrity"] + in.Dropped["malformed"]; bad > in.Packets/10 && bad >= some {
		return topicTraffic.warn("The ends disagree on keys or algorithms; with SHA-256, old gateways cut it to 96 bits: esp = [\"aes128-sha256_96\"].", "%d of %d packets that came in were wrong.", bad, in.Packets+bad)
	}
	return topicTraffic.ok("%d packets in, %d out.", in.Packets, out.Packets)
}
