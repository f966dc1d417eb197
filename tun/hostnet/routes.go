package hostnet

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// everything is what enters a tunnel whose gateway and profile name no networks.
var everything = netip.PrefixFrom(netip.IPv4Unspecified(), 0)

// Plan says which networks go into the tunnel: those that the gateway pushed and those that the profile lists, together;
// only when there are neither, and defaultRoute is set, everything. Excluded networks are taken out exactly. The rule is
// half a sentence for the status that says which of these applied.
//
// The routes are masked, sorted, and don't overlap. They are empty when nothing is to enter the tunnel.
func Plan(pushed, configured, exclude []netip.Prefix, defaultRoute bool) (routes []netip.Prefix, rule string) {
	pushed, configured, exclude = tidy(pushed), tidy(configured), tidy(exclude)
	want := tidy(slices.Concat(pushed, configured))
	switch {
	case len(pushed) > 0 && len(configured) > 0:
		rule = fmt.Sprintf("%s pushed by the gateway and %s of the profile", count(pushed), count(configured))
	case len(pushed) > 0:
		rule = count(pushed) + " pushed by the gateway"
	case len(configured) > 0:
		rule = count(configured) + " of the profile"
	case defaultRoute:
		want, rule = []netip.Prefix{everything}, "everything, since neither the gateway nor the profile lists networks"
	default:
		return nil, "nothing, since neither the gateway nor the profile lists networks and default_route is off"
	}
	routes = subtract(want, exclude)
	if !slices.Equal(routes, want) {
		rule += ", without the excluded networks"
	}
	if len(routes) == 0 {
		rule += ", which leaves nothing"
	}
	return routes, rule
}

// WithServers adds a host route to each name server that a tunnel's networks leave out: names of the inside are asked of
// servers inside, though a gateway often doesn't list their network. Where nothing enters the tunnel nothing is added.
func WithServers(routes []netip.Prefix, servers []netip.Addr) []netip.Prefix {
	if len(routes) == 0 {
		return nil
	}
	all := slices.Clone(routes)
	for _, a := range servers {
		if a = a.Unmap(); a.IsValid() {
			all = append(all, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return tidy(all)
}

// count says how many networks there are, or that they are everything.
func count(ps []netip.Prefix) string {
	switch {
	case slices.ContainsFunc(ps, func(p netip.Prefix) bool { return p.Bits() == 0 }):
		return "everything"
	case len(ps) == 1:
		return "1 network"
	}
	return fmt.Sprintf("%d networks", len(ps))
}

// subtract takes every address of minus out of the prefixes from, and returns the fewest prefixes that hold what is left
// of each.
func subtract(from, minus []netip.Prefix) []netip.Prefix {
	var rest []netip.Prefix
	for _, p := range tidy(from) {
		rest = append(rest, without(p, minus)...)
	}
	return rest
}

// without halves p until each half is either wholly inside minus or wholly outside.
func without(p netip.Prefix, minus []netip.Prefix) []netip.Prefix {
	touched := slices.DeleteFunc(slices.Clone(minus), func(m netip.Prefix) bool { return !m.Overlaps(p) })
	if len(touched) == 0 {
		return []netip.Prefix{p}
	}
	if slices.ContainsFunc(touched, func(m netip.Prefix) bool { return m.Bits() <= p.Bits() }) {
		return nil
	}
	low, high := halves(p)
	return append(without(low, touched), without(high, touched)...)
}

// halves splits p, which is no host address, into the two prefixes that are one bit longer.
func halves(p netip.Prefix) (low, high netip.Prefix) {
	bits := p.Bits()
	a := p.Masked().Addr().AsSlice()
	b := slices.Clone(a)
	b[bits/8] |= 0x80 >> (bits % 8)
	la, _ := netip.AddrFromSlice(a)
	ha, _ := netip.AddrFromSlice(b)
	return netip.PrefixFrom(la, bits+1), netip.PrefixFrom(ha, bits+1)
}

// tidy masks and sorts ps and leaves out prefixes that lie within another one or aren't valid. IPv4 addresses mapped into
// IPv6 become IPv4.
func tidy(ps []netip.Prefix) []netip.Prefix {
	var sorted []netip.Prefix
	for _, p := range ps {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		if p.IsValid() {
			sorted = append(sorted, p.Masked())
		}
	}
	slices.SortFunc(sorted, compare)
	var out []netip.Prefix
	for _, p := range sorted {
		if n := len(out); n == 0 || !out[n-1].Overlaps(p) {
			out = append(out, p)
		}
	}
	return out
}

// join is tidy, and puts neighbours together: the fewest prefixes that hold the same addresses.
func join(ps []netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range tidy(ps) {
		out = append(out, p)
		for n := len(out); n > 1 && siblings(out[n-2], out[n-1]); n = len(out) {
			out = append(out[:n-2], parent(out[n-1]))
		}
	}
	return out
}

// siblings says whether a and b are the two halves of one prefix.
func siblings(a, b netip.Prefix) bool {
	return a.Bits() == b.Bits() && a.Bits() > 0 && parent(a) == parent(b)
}

func parent(p netip.Prefix) netip.Prefix {
	return netip.PrefixFrom(p.Addr(), p.Bits()-1).Masked()
}

// compare sorts IPv4 before IPv6, then by address, the shorter prefix first.
func compare(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// tunnelRoutes says what to install for the networks that are wanted in the tunnel on a host with these connected
// networks: everything as two halves, nothing of exclude, and of a connected network only what was asked for by a prefix
// at least as specific as it, or nothing at all when localLAN is set. The second result is what was given up for that.
//
// A connected network wins over a less specific route by itself. Only the pieces that taking out an exclude left within
// it would win over it, although nobody asked for them: with everything wanted and one printer of the local network
// excluded, the rest of the local network isn't to enter the tunnel.
//
// Of prefer, what is a connected network or a part of one is installed as well where it is within what is wanted: a whole
// network as two halves, which win over it. With localLAN it isn't.
func tunnelRoutes(want, exclude, connected, prefer []netip.Prefix, localLAN bool) (install, lost []netip.Prefix) {
	asked := join(slices.Concat(want, exclude)) // as it was before the excludes were taken out
	for _, p := range subtract(want, exclude) {
		of := p
		for _, a := range asked {
			if a.Overlaps(p) {
				of = a
			}
		}
		loses := func(lan netip.Prefix) bool {
			named := slices.ContainsFunc(prefer, func(n netip.Prefix) bool { return n.Overlaps(p) && n.Bits() >= lan.Bits() && n.Bits() <= p.Bits() })
			return lan.Overlaps(p) && lan.Bits() <= p.Bits() && (localLAN || of.Bits() < lan.Bits() && !named)
		}
		switch {
		case slices.ContainsFunc(connected, loses):
			lost = append(lost, p)
		case p.Bits() == 0:
			low, high := halves(p)
			install = append(install, low, high)
		default:
			install = append(install, p)
		}
	}
	if !localLAN {
		install = append(install, preferred(subtract(want, exclude), exclude, connected, prefer)...)
	}
	return install, join(lost)
}

// preferred are the routes that let networks of prefer win over connected ones.
func preferred(want, exclude, connected, prefer []netip.Prefix) (routes []netip.Prefix) {
	within := func(p netip.Prefix, all []netip.Prefix) bool {
		return slices.ContainsFunc(all, func(a netip.Prefix) bool { return a.Bits() <= p.Bits() && a.Overlaps(p) })
	}
	connected = tidy(connected)
	for _, p := range subtract(prefer, exclude) {
		switch {
		case !within(p, want), !within(p, connected):
		case slices.Contains(connected, p) && p.Bits() < p.Addr().BitLen():
			low, high := halves(p)
			routes = append(routes, low, high)
		case !slices.Contains(want, p):
			routes = append(routes, p)
		}
	}
	return routes
}

// Overlap is a connected network of the host's that the tunnel has addresses of, other than by having everything.
type Overlap struct {
	Local, Tunnel netip.Prefix
	Inside        bool // packets to what is in both go into the tunnel
}

// overlaps lists the connected networks that what is wanted has addresses of; install is what tunnelRoutes made of it.
func overlaps(want, exclude, connected, install []netip.Prefix) (found []Overlap) {
	for _, lan := range tidy(connected) {
		meets := func(p netip.Prefix) bool { return p.Bits() > 0 && p.Overlaps(lan) && !lan.Addr().IsLinkLocalUnicast() }
		both := slices.IndexFunc(want, meets)
		if both < 0 || !slices.ContainsFunc(subtract(want, exclude), meets) {
			continue
		}
		wins := func(p netip.Prefix) bool { return p.Overlaps(lan) && p.Bits() >= lan.Bits() }
		found = append(found, Overlap{Local: lan, Tunnel: want[both].Masked(), Inside: slices.ContainsFunc(install, wins)})
	}
	return found
}
