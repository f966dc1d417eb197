package hostnet

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// GuardConfig says what a kill switch keeps inside the tunnel, and what may leave the host all the same.
type GuardConfig struct {
	// ID tells one tunnel's kill switch from another's, also after a crash: "1000/office". 1 to 100 octets.
	ID string `json:"id"`

	// Interface is the TUN device's name; "" while there is none.
	Interface string `json:"interface,omitempty"`

	// Protect are the networks to which packets leave by Interface or not at all. With 0.0.0.0/0 or ::/0 among them (or
	// left of them by Exclude) that is everything, IPv6 included, but for loopback, DHCP, neighbour discovery, and
	// networks within the host (those of containers and virtual machines).
	Protect []netip.Prefix `json:"protect"`

	// Exclude may leave the host outside of the tunnel.
	Exclude []netip.Prefix `json:"exclude,omitempty"`

	// LocalLAN lets packets out to connected networks, as far as their addresses are private or link-local ones, and
	// multicast on the link. (A hostile network may call any address a neighbour's.)
	LocalLAN bool `json:"local_lan,omitempty"`

	// Gateways are all that may be dialled. What may go there is ESP, and UDP to this port, to 500 and to 4500.
	Gateways []netip.AddrPort `json:"gateways"`

	// DNS are the servers that names are asked of. Packets to them are protected unless Exclude has them. With
	// everything protected and DNS not empty no other server is asked outside the tunnel, on no network.
	DNS []netip.Addr `json:"dns,omitempty"`

	// SplitDNS are the domains that no server outside the tunnel is asked about in plain DNS, over UDP or TCP, by names
	// that are up to 127 octets longer.
	SplitDNS []string `json:"split_dns,omitempty"`
}

// GuardState is a kill switch that was put in force and not released.
type GuardState struct {
	GuardConfig
	Since time.Time
	PID   int  // of the process that answers for it
	Alive bool // that process still runs; else it is what a crash left, and holds until it is released
}

// ErrNoFirewall is wrapped by what [Protect] returns where the kernel can't do it.
var ErrNoFirewall = errors.New("the kernel has no nftables")

// check says what is wrong with c, and returns it with clean lists.
func (c GuardConfig) check() (GuardConfig, error) {
	if c.ID == "" || len(c.ID) > 100 {
		return c, fmt.Errorf("an ID of %d octets", len(c.ID))
	}
	if len(c.Interface) > 15 {
		return c, fmt.Errorf("interface %.20q: a name of %d octets", c.Interface, len(c.Interface))
	}
	if len(c.Gateways) > maxNames {
		return c, fmt.Errorf("%d gateways, at most %d", len(c.Gateways), maxNames)
	}
	c.Protect, c.Exclude = tidy(c.Protect), tidy(c.Exclude)
	clean, _ := Config{DNS: c.DNS, SplitDNS: c.SplitDNS}.Clean()
	c.DNS, c.SplitDNS = clean.DNS, clean.SplitDNS
	var gateways []netip.AddrPort
	for _, g := range c.Gateways {
		a := g.Addr().Unmap().WithZone("")
		if !a.IsValid() || a.IsUnspecified() {
			return c, fmt.Errorf("gateway %v: no address of a host", g)
		}
		gateways = append(gateways, netip.AddrPortFrom(a, g.Port()))
	}
	c.Gateways = gateways
	return c, nil
}

// all says whether everything is protected.
func (c *GuardConfig) all() bool {
	return slices.ContainsFunc(join(slices.Concat(c.Protect, c.Exclude)), func(p netip.Prefix) bool { return p.Bits() == 0 })
}
