package hostnet

import (
	"errors"
	"net/netip"
	"time"
)

// GuardConfig says what a kill switch keeps inside the tunnel, and what may leave the host all the same.
type GuardConfig struct {
	// ID tells one tunnel's kill switch from another's, also after a crash: "1000/office". 1 to 100 octets.
	ID string `json:"id"`

	// Interface is the TUN device's name; "" while there is none.
	Interface string `json:"interface,omitempty"`

	// Protect are the networks to which packets leave by Interface or not at all. With 0.0.0.0/0 or ::/0 among them that
	// is everything, IPv6 included, but for loopback, DHCP, neighbour discovery, and networks within the host (those of
	// containers and virtual machines).
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

	// SplitDNS are the domains that no server outside the tunnel is asked about, by plain DNS over UDP or TCP.
	SplitDNS []string `json:"split_dns,omitempty"`
}

// GuardState is a kill switch in force.
type GuardState struct {
	GuardConfig
	Since time.Time
	PID   int  // of the process that answers for it
	Alive bool // that process still runs; else it is what a crash left, and holds until it is released
}

// ErrNoFirewall is wrapped by what [Protect] returns where the kernel can't do it.
var ErrNoFirewall = errors.New("the kernel has no nftables")
