package tun

import (
	"fmt"
	"net"
	"net/netip"
)

const espProtocol = "50" // RFC 4303, section 2

// ListenRawESP opens a socket of IP protocol 50 on a local address, which may be
// 0.0.0.0 or ::. It needs CAP_NET_RAW.
func ListenRawESP(local netip.Addr) (*RawESP, error) {
	family := "ip6:"
	if local.Is4() {
		family = "ip4:"
	}
	conn, err := net.ListenIP(family+espProtocol, &net.IPAddr{IP: local.AsSlice(), Zone: local.Zone()})
	if err != nil {
		return nil, fmt.Errorf("tun: opening ESP on %v: %w", local, cause(err))
	}
	s, err := newRawSocket(conn, local)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("tun: opening ESP on %v: %w", local, err)
	}
	return &RawESP{receiver{socket: s, hint: &s.hint}}, nil
}
