package concentrator

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink"
)

// configure gives a device its address and routes, and sets it up.
func configure(name string, inside netip.Prefix, clients []netip.Prefix) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("device %s: %w", name, err)
	}
	if inside.IsValid() {
		if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: ipNet(inside)}); err != nil {
			return fmt.Errorf("device %s: address %v: %w", name, inside, err)
		}
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("device %s: setting up: %w", name, err)
	}
	for _, p := range clients {
		r := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(p), Scope: netlink.SCOPE_LINK}
		// Pools may overlap.
		if err := netlink.RouteAdd(r); err != nil && !errors.Is(err, syscall.EEXIST) {
			return fmt.Errorf("device %s: route to %v: %w", name, p, err)
		}
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
