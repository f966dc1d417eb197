package concentrator

import (
	"fmt"
	"net/netip"

	"postern/tun"
)

// OpenTUN makes a TUN device of the system for a gateway: with its inside address,
// and routes to the clients' addresses. With an empty name it gets one that is
// free. It needs CAP_NET_ADMIN. The system forwards nothing between it and other
// interfaces unless it is told to elsewhere.
func OpenTUN(name string, cfg *Config, mtu int) (tun.Device, error) {
	if mtu == 0 {
		mtu = DefaultMTU
	}
	dev, err := tun.OpenTUN(name, mtu)
	if err != nil {
		return nil, err
	}
	if name, err = dev.Name(); err == nil {
		err = configure(name, cfg.Inside, cfg.clientNetworks())
	}
	if err != nil {
		_ = dev.Close()
		return nil, fmt.Errorf("concentrator: %w", err)
	}
	return dev, nil
}

// clientNetworks are the networks that hold exactly the inner addresses of clients,
// but for those that the inside address's network holds.
func (c *Config) clientNetworks() []netip.Prefix {
	var all []netip.Prefix
	add := func(first, last netip.Addr) {
		for _, p := range span(first, last) {
			if !c.Inside.IsValid() || !covers(c.Inside, p) {
				all = append(all, p)
			}
		}
	}
	for _, g := range sorted(c.Groups) {
		if last, ok := plus(g.StartIPAddress, g.MaxConnections-1); ok {
			add(g.StartIPAddress, last)
		}
		if g.Network6.IsValid() {
			all = append(all, g.Network6)
		}
	}
	for _, u := range sorted(c.Users) {
		if u.Address.IsValid() {
			add(u.Address, u.Address)
		}
	}
	return all
}

func covers(p, part netip.Prefix) bool { return p.Bits() <= part.Bits() && p.Contains(part.Addr()) }

// span is the shortest list of networks from one IPv4 address to another.
func span(first, last netip.Addr) []netip.Prefix {
	var all []netip.Prefix
	for a := first; a.IsValid() && !last.Less(a); {
		bits := 32
		end := a
		for bits > 0 {
			wider := netip.PrefixFrom(a, bits-1)
			e, ok := plus(a, 1<<(33-bits)-1)
			if wider.Masked().Addr() != a || !ok || last.Less(e) {
				break
			}
			bits, end = bits-1, e
		}
		all = append(all, netip.PrefixFrom(a, bits))
		a = end.Next()
	}
	return all
}
