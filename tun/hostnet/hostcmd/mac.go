package hostcmd

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Mac is macOS.
var Mac = System{Plan: macPlan, Table: macTable}

const (
	ifconfig = "/sbin/ifconfig"
	routing  = "/sbin/route"
	scutil   = "/usr/sbin/scutil"
	netstat  = "/usr/sbin/netstat"
)

func call(argv ...string) Command { return Command{Argv: argv} }

// family is how ifconfig and route call an address's.
func family(a netip.Addr) string {
	if a.Is4() {
		return "-inet"
	}
	return "-inet6"
}

func macPlan(t Tunnel) (steps []Step, warnings []string) {
	up := []string{ifconfig, t.Interface, "up"}
	if t.MTU > 0 {
		up = []string{ifconfig, t.Interface, "mtu", strconv.Itoa(t.MTU), "up"}
	}
	steps = append(steps, Step{Slot: "device", Do: []Command{call(up...)}})
	for _, a := range t.Addresses {
		add := call(ifconfig, t.Interface, "inet", a.String(), a.String(), "netmask", "255.255.255.255", "alias")
		if a.Is6() {
			add = call(ifconfig, t.Interface, "inet6", a.String(), "prefixlen", "128", "alias")
		}
		steps = append(steps, Step{Slot: "address " + a.String(), Do: []Command{add}})
	}
	if t.Gateway.IsValid() {
		steps = append(steps, macGateway(t))
	}
	for _, p := range t.Routes {
		steps = append(steps, macRoute(p, "-interface", t.Interface, &Target{Dst: p, Interface: t.Interface}))
	}
	if t.BlockIPv6 {
		for _, half := range []string{"::/1", "8000::/1"} {
			// To ourselves, and refused: route(8), -reject.
			p := netip.MustParsePrefix(half)
			steps = append(steps, Step{
				Slot: "route to " + half, Route: &Target{Dst: p, Interface: "lo0"},
				Do:   []Command{call(routing, "-q", "-n", "add", "-inet6", half, "::1", "-reject")},
				Undo: []Command{call(routing, "-q", "-n", "delete", "-inet6", half, "::1", "-reject")},
			})
		}
	}
	if len(t.DNS) > 0 {
		steps = append(steps, macDNS(t))
	}
	return steps, nil
}

func macRoute(p netip.Prefix, kind, to string, target *Target) Step {
	return Step{
		Slot: "route to " + p.String(), Route: target,
		Do:   []Command{call(routing, "-q", "-n", "add", family(p.Addr()), p.String(), kind, to)},
		Undo: []Command{call(routing, "-q", "-n", "delete", family(p.Addr()), p.String(), kind, to)},
	}
}

func macGateway(t Tunnel) Step {
	p := netip.PrefixFrom(t.Gateway, t.Gateway.BitLen())
	target := &Target{Dst: p, Interface: t.Way.Interface, Via: t.Way.Via}
	if t.Way.Via.IsValid() {
		return macRoute(p, "-gateway", t.Way.Via.String(), target)
	}
	return macRoute(p, "-interface", t.Way.Interface, target)
}

// macDNS is an entry of the dynamic store (scutil(8)). Domains that it matches are asked of its servers; the empty one
// matches all, and wins over the network's own servers.
func macDNS(t Tunnel) Step {
	key := "State:/Network/Service/postern-" + t.Interface + "/DNS"
	var in strings.Builder
	list := func(name string, words ...string) {
		fmt.Fprintf(&in, "d.add %s * %s\n", name, strings.Join(words, " "))
	}
	in.WriteString("d.init\n")
	var servers []string
	for _, a := range t.DNS {
		servers = append(servers, a.String())
	}
	list("ServerAddresses", servers...)
	if len(t.Search) > 0 {
		list("SearchDomains", t.Search...)
	}
	if len(t.Split) > 0 {
		list("SupplementalMatchDomains", t.Split...)
		in.WriteString("d.add SupplementalMatchDomainsNoSearch # 1\n")
	} else {
		list("SupplementalMatchDomains", `""`)
	}
	in.WriteString("set " + key + "\nquit\n")
	return Step{
		Slot: "name servers",
		Do:   []Command{{Argv: []string{scutil}, Input: in.String()}},
		Undo: []Command{{Argv: []string{scutil}, Input: "remove " + key + "\nquit\n"}},
	}
}

func macTable(ctx context.Context, run Run) (all []Route, err error) {
	for _, kind := range []string{"inet", "inet6"} {
		out, err := run(ctx, call(netstat, "-rn", "-f", kind))
		if err != nil {
			return nil, fmt.Errorf("routes: %w", err)
		}
		for line := range strings.Lines(out) {
			if r, ok := macLine(line, kind == "inet6"); ok {
				all = append(all, r)
			}
		}
	}
	return all, nil
}

// macLine reads a line of netstat -rn: destination, gateway, flags, interface. Routes of one interface alone (flag I) are
// no way for others.
func macLine(line string, six bool) (Route, bool) {
	f := strings.Fields(line)
	if len(f) < 4 || strings.Contains(f[2], "I") {
		return Route{}, false
	}
	dst, ok := macPrefix(f[0], six)
	if !ok {
		return Route{}, false
	}
	r := Route{Dst: dst, Interface: f[3]}
	if via, err := netip.ParseAddr(f[1]); err == nil && strings.Contains(f[2], "G") {
		r.Via = via
	}
	return r, true
}

// macPrefix reads a destination: "default", "10.20/16", "192.168.1", "203.0.113.1", "fe80::%en0/64". Octets that are left
// out are zero; without a length it follows from how many there are.
func macPrefix(s string, six bool) (netip.Prefix, bool) {
	if s == "default" {
		if six {
			return netip.PrefixFrom(netip.IPv6Unspecified(), 0), true
		}
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0), true
	}
	address, length, hasLength := strings.Cut(s, "/")
	address, _, _ = strings.Cut(address, "%")
	bits := 128
	if !six {
		octets := strings.Count(address, ".") + 1
		bits = 8 * octets
		address += strings.Repeat(".0", max(0, 4-octets))
	}
	if hasLength {
		n, err := strconv.Atoi(length)
		if err != nil {
			return netip.Prefix{}, false
		}
		bits = n
	}
	a, err := netip.ParseAddr(address)
	if err != nil || a.Is6() != six {
		return netip.Prefix{}, false
	}
	p, err := a.Prefix(bits)
	return p, err == nil
}
