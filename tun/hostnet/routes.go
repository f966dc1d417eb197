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
// one sentence for the status that says which of these applied.
//
// The routes are sorted, masked, and don't overlap. They are empty when nothing is to enter the tunnel.
func Plan(pushed, configured, exclude []netip.Prefix, defaultRoute bool) (routes []netip.Prefix, rule string) {
	pushed, configured, exclude = aggregate(pushed), aggregate(configured), aggregate(exclude)
	want := aggregate(slices.Concat(pushed, configured))
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
		return nil, "nothing: neither the gateway nor the profile lists networks, and default_route is off"
	}
	routes = subtract(want, exclude)
	if !slices.Equal(routes, want) {
		rule += ", without " + count(exclude) + " of the profile's excludes"
	}
	if len(routes) == 0 {
		rule += ", which leaves nothing"
	}
	return routes, rule
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

// subtract takes every address of minus out of the prefixes from, and returns the fewest prefixes that hold the rest.
func subtract(from, minus []netip.Prefix) []netip.Prefix {
	var rest []netip.Prefix
	for _, p := range from {
		rest = append(rest, without(p.Masked(), minus)...)
	}
	return aggregate(rest)
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

// aggregate returns the fewest prefixes that hold the same addresses as ps: masked, sorted, without overlaps, neighbours
// joined. Prefixes that aren't valid are left out; IPv4 addresses mapped into IPv6 become IPv4.
func aggregate(ps []netip.Prefix) []netip.Prefix {
	var sorted []netip.Prefix
	for _, p := range ps {
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		if p.IsValid() {
			sorted = append(sorted, p.Masked())
		}
	}
	slices.SortFunc(sorted, compare)
	var out []netip.Prefix
	for _, p := range sorted {
		if n := len(out); n > 0 && out[n-1].Overlaps(p) {
			continue // inside the one before, which is shorter
		}
		out = append(out, p)
		for n := len(out); n > 1 && siblings(out[n-2], out[n-1]); n = len(out) {
			out[n-2] = parent(out[n-2])
			out = out[:n-1]
		}
	}
	return out
}

// siblings says whether a and b are the two halves of one prefix.
func siblings(a, b netip.Prefix) bool {
	return a.Bits() == b.Bits() && a.Bits() > 0 && a.Addr().BitLen() == b.Addr().BitLen() && parent(a) == parent(b)
}

func parent(p netip.Prefix) netip.Prefix {
	return netip.PrefixFrom(p.Addr(), p.Bits()-1).Masked()
}

// compare sorts IPv4 before IPv6, then by address, the shorter prefix first.
func compare(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}
