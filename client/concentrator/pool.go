package concentrator

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// plus is the IPv4 address n behind a; false: there is none.
func plus(a netip.Addr, n int) (netip.Addr, bool) {
	if !a.Is4() || n < 0 {
		return a, false
	}
	b := a.As4()
	sum := uint64(binary.BigEndian.Uint32(b[:])) + uint64(n)
	if sum > 1<<32-1 {
		return netip.AddrFrom4([4]byte{255, 255, 255, 255}), false
	}
	binary.BigEndian.PutUint32(b[:], uint32(sum))
	return netip.AddrFrom4(b), true
}

// beside is the IPv6 address of the client with an IPv4 address: the group's network,
// and the IPv4 address in the last 32 bits. The zero Addr: the group has none.
func (g *Group) beside(a netip.Addr) netip.Addr {
	if !g.Network6.IsValid() || !a.Is4() {
		return netip.Addr{}
	}
	own, last := g.Network6.Addr().As16(), a.As4()
	copy(own[12:], last[:])
	return netip.AddrFrom16(own)
}

// inPool says whether a is one of the group's addresses.
func (g *Group) inPool(a netip.Addr) bool {
	last, ok := plus(g.StartIPAddress, g.MaxConnections-1)
	return ok && a.Is4() && !a.Less(g.StartIPAddress) && !last.Less(a)
}

// leases are the inner addresses in use. Its owner guards it.
type leases struct {
	used     map[netip.Addr]bool
	reserved map[netip.Addr]bool // users' own, and the gateway's
}

func newLeases(c *Config) leases {
	l := leases{make(map[netip.Addr]bool), make(map[netip.Addr]bool)}
	if c.Inside.IsValid() {
		l.reserved[c.Inside.Addr()] = true
	}
	for _, u := range c.Users {
		if u.Address.IsValid() {
			l.reserved[u.Address] = true
		}
	}
	return l
}

// fromPool takes the group's first free address.
func (l *leases) fromPool(g *Group) (netip.Addr, error) {
	for n := range g.MaxConnections {
		if a, ok := plus(g.StartIPAddress, n); ok && !l.used[a] && !l.reserved[a] {
			l.used[a] = true
			return a, nil
		}
	}
	if g.MaxConnections == 0 {
		return netip.Addr{}, fmt.Errorf("group %s has no pool of addresses", g.Name)
	}
	return netip.Addr{}, fmt.Errorf("all %d addresses of group %s are in use", g.MaxConnections, g.Name)
}

// take takes an address that the client or the configuration names.
func (l *leases) take(a netip.Addr) error {
	if l.used[a] {
		return fmt.Errorf("address %v is in use", a)
	}
	l.used[a] = true
	return nil
}

func (l *leases) give(a netip.Addr) { delete(l.used, a) }
