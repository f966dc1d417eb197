package client

import (
	"net/netip"

	"postern/client/profile"
	"postern/ike"
	"postern/tun"
)

// floatPort is where IKE and ESP go behind a NAT (RFC 3947, section 4).
const floatPort = 4500

// openSockets opens the one UDP socket for IKE and ESP, and where we may and
// need it one for ESP without UDP. Only from port 500 a second one is needed: what
// has that port at either end is taken for IKE without a marker, so after the
// float it must be 4500 at ours too.
func (s *session) openSockets() (err error) {
	any := netip.IPv4Unspecified()
	if s.gateway.Addr().Is6() {
		any = netip.IPv6Unspecified()
	}
	s.router = ike.NewRouter(func(msg []byte, to ike.Path) error { return s.on(to).SendIKE(msg, tun.Path(to)) })
	s.router.OnStray(s.strayed)
	if s.carrier, err = s.listen(netip.AddrPortFrom(any, s.profile.SourcePort)); err != nil {
		return err
	}
	if s.profile.SourcePort == profile.DefaultPort {
		if s.floated, err = s.listen(netip.AddrPortFrom(any, floatPort)); err != nil {
			return err
		}
	}
	if s.client.options.Rootless == nil && s.profile.NATTraversal != profile.NATTraversalForced {
		if s.raw, err = s.client.system.ListenRawESP(any); err == nil {
			s.tasks.Go(func() { _ = s.raw.Serve() })
		} else {
			s.log.Debug("no socket for ESP without UDP", "error", err)
			s.raw = nil
		}
	}
	if s.inside != nil {
		s.use(s.inside)
	}
	return nil
}

// listen opens a UDP socket and leads its IKE to the router.
func (s *session) listen(local netip.AddrPort) (*tun.Carrier, error) {
	c, err := s.client.system.ListenUDP(local)
	if err != nil {
		return nil, err
	}
	s.tasks.Go(func() {
		if err := c.Serve(func(msg []byte, from tun.Path) { s.router.Deliver(msg, ike.Path(from)) }); err != nil {
			s.fail(err)
		}
	})
	return c, nil
}

// on is the socket that a path is served by.
func (s *session) on(p ike.Path) *tun.Carrier {
	if p.Marker && s.floated != nil {
		return s.floated
	}
	return s.carrier
}
