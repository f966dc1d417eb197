package concentrator

import (
	"errors"
	"fmt"
	"net/netip"

	"postern/ike"
	"postern/tun"
)

// sockets are how a gateway reaches its clients, by their local addresses.
type sockets struct {
	udp map[netip.AddrPort]*tun.Carrier
	raw map[netip.Addr]*tun.RawESP
}

// Ports of a gateway.
const (
	ikePort  = 500  // RFC 2408, section 2.5.1
	nattPort = 4500 // RFC 3948, section 2.1
)

func newSockets() *sockets {
	return &sockets{make(map[netip.AddrPort]*tun.Carrier), make(map[netip.Addr]*tun.RawESP)}
}

// listen opens a UDP port.
func (s *sockets) listen(local netip.AddrPort, f tun.Framing) (netip.AddrPort, error) {
	c, err := tun.ListenUDP(local, f)
	if err != nil {
		return local, err
	}
	s.udp[c.LocalAddr()] = c
	return c.LocalAddr(), nil
}

// listenRaw opens IP protocol 50.
func (s *sockets) listenRaw(local netip.Addr) error {
	r, err := tun.ListenRawESP(local)
	if err != nil {
		return err
	}
	s.raw[local] = r
	return nil
}

// serve runs until close; when one socket fails, all are closed.
func (s *sockets) serve(deliver func(msg []byte, from ike.Path), t *tun.Tunnel) error {
	ended := make(chan error)
	for _, c := range s.udp {
		c.Attach(t)
		go func() { ended <- c.Serve(func(msg []byte, from tun.Path) { deliver(msg, ike.Path(from)) }) }()
	}
	for _, r := range s.raw {
		r.Attach(t)
		go func() { ended <- r.Serve() }()
	}
	var errs []error
	for range len(s.udp) + len(s.raw) {
		errs = append(errs, <-ended)
		s.close()
	}
	return errors.Join(errs...)
}

func (s *sockets) close() {
	for _, c := range s.udp {
		_ = c.Close()
	}
	for _, r := range s.raw {
		_ = r.Close()
	}
}

// sendIKE sends a message from the address and port that the peer knows.
func (s *sockets) sendIKE(msg []byte, to ike.Path) error {
	c, err := s.carrier(to.Local)
	if err != nil {
		return err
	}
	return c.SendIKE(msg, tun.Path(to))
}

// sendESP sends ESP packets, in UDP or as protocol 50.
func (s *sockets) sendESP(packets [][]byte, to ike.Path, udp bool) error {
	if udp {
		c, err := s.carrier(to.Local)
		if err != nil {
			return err
		}
		return c.SendESP(packets, tun.Path(to))
	}
	r := s.raw[to.Local.Addr()]
	if r == nil {
		r = s.raw[wildcard(to.Local.Addr())]
	}
	if r == nil {
		return fmt.Errorf("no socket for ESP at %v", to.Local.Addr())
	}
	return r.SendESP(packets, tun.Path(to))
}

// carrier is the socket that has a local address.
func (s *sockets) carrier(local netip.AddrPort) (*tun.Carrier, error) {
	if c := s.udp[local]; c != nil {
		return c, nil
	}
	if c := s.udp[netip.AddrPortFrom(wildcard(local.Addr()), local.Port())]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("no socket at %v", local)
}

// wildcard is all addresses of a's family.
func wildcard(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}
