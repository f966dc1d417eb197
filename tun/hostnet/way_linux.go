package hostnet

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// WayTo says how packets to a gateway would leave the host now, if what [Apply] made weren't there: its routes don't
// count, nor do the devices named, so that the answer changes when the default route does. It takes no privilege, and
// belongs to the calling thread's network namespace. The error wraps unix.ENETUNREACH where there is no way.
func WayTo(gateway netip.Addr, except ...string) (Way, error) {
	h, err := open("")
	if err != nil {
		return Way{}, err
	}
	defer h.nl.Close()
	w, err := h.wayTo(gateway.Unmap(), except)
	if err != nil {
		return Way{}, fmt.Errorf("the way to %s: %w", gateway, err)
	}
	return w, nil
}

func (h *host) wayTo(gateway netip.Addr, except []string) (Way, error) {
	if !gateway.IsValid() {
		return Way{}, unix.EINVAL
	}
	links, err := linkList(h.nl)
	if err != nil {
		return Way{}, err
	}
	skip := map[int]bool{}
	for _, l := range links {
		skip[l.Attrs().Index] = slices.Contains(except, l.Attrs().Name)
	}
	step, local, err := h.way(gateway, func(r netlink.Route) bool {
		return skip[r.LinkIndex] || r.Protocol == routeProtocol
	})
	if err != nil {
		return Way{}, err
	}
	link, err := h.nl.LinkByIndex(step.Link)
	if err != nil {
		return Way{}, err
	}
	w := Way{Interface: link.Attrs().Name, Via: step.Via, MTU: link.Attrs().MTU, Local: local}
	if local {
		w.Source = gateway
		return w, nil
	}
	// The kernel chooses the source, and knows what routers said of the path.
	got, err := h.nl.RouteGetWithOptions(gateway.AsSlice(), &netlink.RouteGetOptions{OifIndex: step.Link})
	if err != nil {
		return Way{}, err
	}
	if len(got) > 0 {
		src, _ := netip.AddrFromSlice(got[0].Src)
		w.Source = src.Unmap()
		if mtu := got[0].MTU; mtu > 0 {
			w.MTU = min(w.MTU, mtu)
		}
	}
	return w, nil
}
