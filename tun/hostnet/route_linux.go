package hostnet

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// routeProtocol marks our routes among the host's ("proto 80"), so that what we delete is what we added.
// Chosen here: nobody in iproute2's rt_protos has it.
const routeProtocol = 80

// routeStep adds a route to the main table.
type routeStep struct {
	Dst     netip.Prefix `json:"dst"`
	Link    int          `json:"link,omitempty"` // index of the device it leaves by; 0: none, the destination is unreachable
	Via     netip.Addr   `json:"via,omitzero"`   // next hop
	Gateway bool         `json:"gateway,omitempty"`
}

func (s *routeStep) String() string {
	switch {
	case s.Link == 0:
		return fmt.Sprintf("unreachable route to %s", s.Dst)
	case s.Via.IsValid():
		return fmt.Sprintf("route to %s via %s", s.Dst, s.Via)
	}
	return fmt.Sprintf("route to %s", s.Dst)
}

func (s *routeStep) netlink() *netlink.Route {
	r := &netlink.Route{
		Dst: ipNet(s.Dst), LinkIndex: s.Link, Table: unix.RT_TABLE_MAIN,
		Protocol: routeProtocol, Type: unix.RTN_UNICAST,
	}
	switch {
	case s.Link == 0:
		r.Type = unix.RTN_UNREACHABLE
		if s.Gateway {
			r.Priority = math.MaxInt32 // behind whatever else leads there
		}
	case !s.Via.IsValid():
		if s.Dst.Addr().Is4() {
			r.Scope = netlink.SCOPE_LINK
		}
	case s.Via.Is4() == s.Dst.Addr().Is4():
		r.Gw = s.Via.AsSlice()
	default: // IPv4 by way of an IPv6 router (RFC 5549)
		r.Via = &netlink.Via{AddrFamily: unix.AF_INET6, Addr: s.Via.AsSlice()}
	}
	return r
}

// errOurs: the very route is there, and it is of this package.
var errOurs = errors.New("there already")

// do adds the route. Its error is fs.ErrExist where somebody else has a route with the same destination and metric. The way
// to a gateway replaces one of ours: it has moved, for all our tunnels to it.
func (s *routeStep) do(_ context.Context, h *host) error {
	r := s.netlink()
	add := h.nl.RouteAdd
	err := add(r)
	if errors.Is(err, unix.EEXIST) {
		switch found := h.ours(s.Dst, r.Type); {
		case found == nil:
			return err
		case s.Link == 0, found.Link == s.Link && found.Via == s.Via:
			return errOurs
		case !s.Gateway:
			return err
		}
		add = h.nl.RouteReplace
		err = add(r)
	}
	if s.Via.IsValid() && (errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EINVAL)) {
		// A router outside every connected network, reached because a route calls it "onlink".
		r.Flags = int(netlink.FLAG_ONLINK)
		err = add(r)
	}
	return err
}

// ours is the route of this package to that destination; nil: there is none.
func (h *host) ours(dst netip.Prefix, kind int) *routeStep {
	found, err := h.routes(dst.Addr(), func(r netlink.Route) bool {
		return r.Protocol == routeProtocol && toPrefix(r.Dst) == dst && r.Type == kind
	})
	if err != nil || len(found) == 0 {
		return nil
	}
	return toStep(found[0])
}

// undo deletes the route, unless another tunnel needs it too: two that have one gateway, or both block IPv6.
func (s *routeStep) undo(h *host) error {
	if (s.Gateway || s.Link == 0) && h.needed(s) {
		return nil
	}
	err := h.nl.RouteDel(s.netlink())
	if gone(err) {
		return nil
	}
	return err
}

// needed says whether the records of two tunnels of this namespace or more have this step.
func (h *host) needed(s *routeStep) bool {
	n := 0
	for _, path := range h.records() {
		r, err := load(path)
		if err == nil && r.Namespace == h.namespace && slices.ContainsFunc(r.Steps, func(o step) bool {
			return o.Route != nil && *o.Route == *s
		}) {
			n++
		}
	}
	return n > 1
}

// planRoutes lists the tunnel's routes.
func planRoutes(install []netip.Prefix, link int) (steps []step) {
	for _, p := range install {
		steps = append(steps, step{Route: &routeStep{Dst: p, Link: link}})
	}
	return steps
}

// planBlockIPv6 lists the routes that keep IPv6 from going around a tunnel that takes all of IPv4 and not all of IPv6.
//
// Chosen here: unreachable routes rather than a filter. A program is refused at once, and its resolver puts IPv4 first
// (RFC 6724, section 5, rule 1); connected networks, inner ones and the gateway are more specific; and every kernel can
// do it. What it doesn't stop is a more specific route that somebody else adds, which a kill switch does.
func planBlockIPv6(c Config) []step {
	all4, all6 := everything, netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	asked := join(slices.Concat(c.Routes, c.Exclude))
	if !slices.Contains(asked, all4) || slices.Contains(asked, all6) {
		return nil
	}
	low, high := halves(all6)
	return planRoutes([]netip.Prefix{low, high}, 0)
}

// destinations are those of the route steps.
func destinations(steps []step) (out []netip.Prefix) {
	for _, s := range steps {
		if s.Route != nil && !s.Route.Gateway {
			out = append(out, s.Route.Dst)
		}
	}
	return out
}

// planGateway lists the routes that keep packets to the gateway out of the tunnel: a host route along the way they take
// now, and one that is left when that way disappears together with its device, which says that there is none. None are
// needed where no packet to the gateway could take a tunnel's route: it is on this host or on a connected network that
// the tunnel doesn't have.
func (h *host) planGateway(gateway netip.Addr, tunnel int, routes []netip.Prefix) ([]step, error) {
	gateway = gateway.Unmap()
	if !gateway.IsValid() || gateway.Zone() != "" {
		return nil, nil
	}
	tunnels := h.tunnelsTo(gateway)
	way, local, err := h.way(gateway, func(r netlink.Route) bool {
		return r.LinkIndex == tunnel || slices.Contains(tunnels, r.LinkIndex)
	})
	if err != nil {
		return nil, fmt.Errorf("the way to the gateway %s: %w", gateway, err)
	}
	covered := slices.ContainsFunc(routes, func(p netip.Prefix) bool { return p.Contains(gateway) })
	if local || !way.Via.IsValid() && !covered {
		return nil, nil
	}
	dst := netip.PrefixFrom(gateway, gateway.BitLen())
	way.Dst, way.Gateway = dst, true
	return []step{{Route: &routeStep{Dst: dst, Gateway: true}}, {Route: way}}, nil
}

// tunnelsTo lists the devices of the tunnels that have this gateway. The way to it isn't through any of them, though it may
// be through one with another gateway.
func (h *host) tunnelsTo(gateway netip.Addr) (links []int) {
	for _, path := range h.records() {
		r, err := load(path)
		if err != nil || r.Namespace != h.namespace {
			continue
		}
		leads := func(s step) bool { return s.Route != nil && s.Route.Gateway && s.Route.Dst.Addr() == gateway }
		for _, s := range r.Steps {
			if s.Link != nil && slices.ContainsFunc(r.Steps, leads) {
				links = append(links, s.Link.Index)
			}
		}
	}
	return links
}

// way finds the device and next hop for packets to a, leaving out the routes that skip names, and what planGateway added.
// Local says that a is on this host.
func (h *host) way(a netip.Addr, skip func(netlink.Route) bool) (way *routeStep, local bool, err error) {
	// Our own host route would answer for itself, so that the main table is read where it can be the answer.
	ours, err := h.routes(a, func(r netlink.Route) bool { return isGatewayRoute(r, a) })
	if err != nil {
		return nil, false, err
	}
	if len(ours) == 0 {
		got, err := h.nl.RouteGet(a.AsSlice())
		if err == nil && len(got) > 0 && !skip(got[0]) {
			return toStep(got[0]), got[0].Type == unix.RTN_LOCAL, nil
		}
	}
	found, err := h.routes(a, func(r netlink.Route) bool {
		return r.Type == unix.RTN_UNICAST && !skip(r) && !isGatewayRoute(r, a) &&
			r.Flags&(unix.RTNH_F_DEAD|unix.RTNH_F_LINKDOWN) == 0
	})
	if err != nil {
		return nil, false, err
	}
	if len(found) == 0 {
		return nil, false, unix.ENETUNREACH
	}
	return toStep(slices.MinFunc(found, func(x, y netlink.Route) int {
		if d := toPrefix(y.Dst).Bits() - toPrefix(x.Dst).Bits(); d != 0 {
			return d
		}
		return x.Priority - y.Priority
	})), false, nil
}

func isGatewayRoute(r netlink.Route, a netip.Addr) bool {
	return r.Protocol == routeProtocol && toPrefix(r.Dst) == netip.PrefixFrom(a, a.BitLen())
}

// routes lists the routes of the main table that contain a and that take accepts.
func (h *host) routes(a netip.Addr, take func(netlink.Route) bool) ([]netlink.Route, error) {
	family := netlink.FAMILY_V4
	if a.Is6() {
		family = netlink.FAMILY_V6
	}
	all, err := routeList(h.nl, family)
	if err != nil {
		return nil, fmt.Errorf("routes: %w", err)
	}
	return slices.DeleteFunc(all, func(r netlink.Route) bool {
		return r.Dst != nil && !toPrefix(r.Dst).Contains(a) || !take(r)
	}), nil
}

// toStep takes over device and next hop, the first one where there are several.
func toStep(r netlink.Route) *routeStep {
	if len(r.MultiPath) > 0 {
		r.LinkIndex, r.Gw, r.Via = r.MultiPath[0].LinkIndex, r.MultiPath[0].Gw, r.MultiPath[0].Via
	}
	s := &routeStep{Link: r.LinkIndex}
	if via, ok := netip.AddrFromSlice(r.Gw); ok {
		s.Via = via.Unmap()
	}
	if v, ok := r.Via.(*netlink.Via); ok {
		s.Via, _ = netip.AddrFromSlice(v.Addr)
	}
	return s
}

// toPrefix turns a destination as netlink has it into a prefix; nil is a default route.
func toPrefix(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	bits, _ := n.Mask.Size()
	a, _ := netip.AddrFromSlice(n.IP)
	if len(n.Mask) == net.IPv4len {
		a = a.Unmap()
	}
	return netip.PrefixFrom(a, bits)
}

// connected lists the networks that the host's own addresses are in, those of the tunnel's device aside.
func (h *host) connected(tunnel int) ([]netip.Prefix, error) {
	all, err := routeList(h.nl, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("routes: %w", err)
	}
	var nets []netip.Prefix
	for _, r := range all {
		if r.Protocol == unix.RTPROT_KERNEL && r.Type == unix.RTN_UNICAST && r.LinkIndex != tunnel && r.Dst != nil && r.Gw == nil {
			nets = append(nets, toPrefix(r.Dst))
		}
	}
	return nets, nil
}
