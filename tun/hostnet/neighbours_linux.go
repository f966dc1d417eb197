package hostnet

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// private are the networks whose addresses a local network may use, and no host of the rest of the world has (RFC 1918,
// section 3; RFC 3927; RFC 4193; RFC 4291, section 2.5.6).
var private = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"),
}

// neighbours lists the devices that lead to nothing but this host's own containers and virtual machines, and the
// connected networks with private addresses.
func (h *host) neighbours(tunnel string) (inside []string, lan []netip.Prefix, err error) {
	links, err := linkList(h.nl)
	if err != nil {
		return nil, nil, fmt.Errorf("links: %w", err)
	}
	routes, err := routeList(h.nl, netlink.FAMILY_ALL)
	if err != nil {
		return nil, nil, fmt.Errorf("routes: %w", err)
	}
	uplinks := map[int]bool{} // by which somebody else is the next hop
	index := 0
	for _, r := range routes {
		uplinks[r.LinkIndex] = uplinks[r.LinkIndex] || r.Gw != nil || r.Via != nil
		for _, hop := range r.MultiPath {
			uplinks[hop.LinkIndex] = true
		}
	}
	for _, l := range links {
		if l.Attrs().Name == tunnel {
			index = l.Attrs().Index
		} else if isInside(l, links, uplinks) {
			inside = append(inside, l.Attrs().Name)
		}
	}
	connected, err := h.connected(index)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range connected {
		if slices.ContainsFunc(private, func(o netip.Prefix) bool { return o.Bits() <= p.Bits() && o.Contains(p.Addr()) }) {
			lan = append(lan, p)
		}
	}
	return inside, lan, nil
}

// isInside says whether packets that leave by a link stay in this host: a bridge that has ports of containers (veth) and
// virtual machines (tap) only, and by which nobody is the next hop.
func isInside(l netlink.Link, links []netlink.Link, uplinks map[int]bool) bool {
	if l.Type() != "bridge" || uplinks[l.Attrs().Index] {
		return false
	}
	return !slices.ContainsFunc(links, func(port netlink.Link) bool {
		tap, ok := port.(*netlink.Tuntap)
		ours := port.Type() == "veth" || ok && tap.Mode == unix.IFF_TAP
		return port.Attrs().MasterIndex == l.Attrs().Index && !ours
	})
}
