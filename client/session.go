package client

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"postern/client/profile"
	"postern/ike"
	"postern/stamp"
	"postern/tun"
	"postern/tun/hostnet"
	"postern/tun/proxy"
	"postern/xauth"
)

// session is one connection, from dial to goodbye. dial fills it in, in the order
// of its fields; what several goroutines share stands behind mu.
type session struct {
	client  *Client
	profile *profile.Profile
	log     *slog.Logger

	gateway  netip.AddrPort
	carrier  *tun.Carrier
	floated  *tun.Carrier // our port 4500, where carrier's is 500
	raw      *tun.RawESP  // nil: ESP goes in UDP only
	router   *ike.Router
	device   tun.Device
	tunnel   *tun.Tunnel
	net      *tun.Net // nil with a device of the system
	trust    *trust   // nil without certificates
	login    *xauth.Client
	vpn5000  *stamp.Client // nil: not spoken
	agreed   bool          // the gateway speaks it too
	policy   *stamp.Policy // nil without
	sa       *ike.SA
	assigned *xauth.Assigned // set once, by assign
	proxies  []*proxy.Server
	host     *hostnet.Applied

	tasks sync.WaitGroup
	ended chan error
	stop  context.CancelFunc // ends what runs beside the SA
	ctx   context.Context

	mu       sync.Mutex
	children []*child
}

// dial makes a connection, one call a phase.
func (c *Client) dial(ctx context.Context) (*session, error) {
	s := &session{client: c, profile: c.profile, log: c.log, ended: make(chan error, 1)}
	s.ctx, s.stop = context.WithCancel(context.Background())
	err := s.dial(ctx)
	if err != nil {
		s.close()
		return nil, err
	}
	c.mu.Lock()
	c.session = s
	c.mu.Unlock()
	c.set(Up, nil)
	s.log.Info("connected", "address", s.assigned.Address.Addr(), "gateway", s.gateway)
	return s, nil
}

func (s *session) dial(ctx context.Context) error {
	s.client.set(Resolving, nil)
	if err := s.resolve(ctx); err != nil {
		return stageError{stageResolve, err}
	}
	if err := s.openSockets(); err != nil {
		return stageError{stageSocket, err}
	}
	if err := s.openSystemDevice(); err != nil {
		return stageError{stageDevice, err}
	}
	s.client.set(Connecting, nil)
	if err := s.phase1(ctx); err != nil {
		return err
	}
	if s.sa.Info().XAuth {
		s.client.set(Authenticating, nil)
		if err := s.authenticate(ctx); err != nil {
			return err
		}
	}
	s.client.set(Configuring, nil)
	setUp := s.setUp
	if s.agreed {
		setUp = s.setUpVPN5000
	}
	if err := setUp(ctx); err != nil {
		return err
	}
	if err := s.openProxies(); err != nil {
		return stageError{stageProxy, err}
	}
	if err := s.applyHost(ctx); err != nil {
		return stageError{stageHost, err}
	}
	s.tasks.Go(s.keepNATOpen)
	return nil
}

// setUp is Mode Config, then Quick Mode.
func (s *session) setUp(ctx context.Context) error {
	if err := s.configure(ctx); err != nil {
		return stageError{stageConfig, err}
	}
	if err := s.openStack(); err != nil {
		return stageError{stageDevice, err}
	}
	if err := s.quick(ctx); err != nil {
		return stageError{stageQuick, err}
	}
	return nil
}

// resolve finds the gateway's address.
func (s *session) resolve(ctx context.Context) error {
	g := s.profile.Gateway
	addr, err := netip.ParseAddr(g.Host)
	if err != nil {
		addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", g.Host)
		if err != nil {
			return err
		}
		addr = addrs[0]
		for _, a := range addrs {
			if a.Unmap().Is4() {
				addr = a
				break
			}
		}
	}
	s.gateway = netip.AddrPortFrom(addr.Unmap(), g.Port)
	s.log.Info("gateway", "name", g.Host, "address", s.gateway)
	s.client.update(func(st *Status) { st.Gateway = &GatewayStatus{Name: g.String(), Address: s.gateway} })
	return nil
}

// alive is when ESP of the gateway's last proved that it lives.
func (s *session) alive() (last time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.children {
		if t := c.pair.LastInbound(); t.After(last) {
			last = t
		}
	}
	return last
}

// serve waits until the connection ends, and says why; nil: ctx ended.
func (s *session) serve(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-s.sa.Done():
		return s.sa.Err()
	case err := <-s.ended:
		return err
	}
}

// fail ends the connection.
func (s *session) fail(err error) {
	select {
	case s.ended <- err:
	default:
	}
}

// close puts everything back, as far as dial had come.
func (s *session) close() {
	s.stop()
	for _, p := range s.proxies {
		p.Close()
	}
	if s.sa != nil {
		s.sayGoodbye()
	}
	if s.login != nil {
		s.login.Close()
	}
	if s.vpn5000 != nil {
		s.vpn5000.Close()
	}
	if s.host != nil {
		if err := s.host.Restore(); err != nil && !errors.Is(err, hostnet.ErrKept) {
			s.log.Error("the host's network couldn't be put back", "error", err)
		} else if err != nil {
			s.log.Warn("put back, but", "error", err)
		}
	}
	if s.tunnel != nil {
		s.tunnel.Close()
	} else if s.device != nil {
		s.device.Close()
	}
	if s.raw != nil {
		s.raw.Close()
	}
	if s.floated != nil {
		s.floated.Close()
	}
	if s.carrier != nil {
		s.carrier.Close()
		s.router.Close()
	}
	s.tasks.Wait()
}

// keepalivePeriod keeps the mapping of a NAT (RFC 3948, section 4).
const keepalivePeriod = 20 * time.Second

// keepNATOpen sends keepalives while nothing else is sent.
func (s *session) keepNATOpen() {
	if !s.sa.Info().NAT.Us {
		return
	}
	period := keepalivePeriod
	if s.policy != nil && s.policy.Keepalive > 0 {
		period = s.policy.Keepalive
	}
	t := time.NewTicker(period)
	defer t.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-t.C:
			if time.Since(s.lastSent()) >= period {
				path := s.sa.Path()
				_ = s.on(path).SendKeepalive(tun.Path(path))
			}
		}
	}
}
