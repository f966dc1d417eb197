package tun

import (
	"fmt"
	"net/netip"
)

// Path is where a datagram came from, or where one goes. With IP protocol 50
// there are no ports: both are 0.
type Path struct {
	Local  netip.AddrPort // ours; the address may be invalid when sending: the system chooses
	Remote netip.AddrPort // the peer's
	Marker bool           // IKE carries the non-ESP marker here (RFC 3948, section 2.2)
}

// String is "192.0.2.10:4500 -> 192.0.2.1:4500".
func (p Path) String() string { return fmt.Sprintf("%v -> %v", p.Local, p.Remote) }
