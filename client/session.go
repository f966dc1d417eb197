package client

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"postern/client/profile"
	"postern/ike"
	"postern/stamp"
	"postern/tun"
	"postern/xauth"
)

// session is one connection, from dial to goodbye. dial fills it in, in the order
// of its fields; what several goroutines share is atomic or stands behind mu.
type session struct {
	client  *Client
	profile *profile.Profile
	log     *slog.Logger

	target   target
	gateway  netip.AddrPort
	patience time.Duration // for the gateway's first answer; 0: the usual
	carrier  *tun.Carrier
	floated  *tun.Carrier // our port 4500, where carrier's is 500
	raw      *tun.RawESP  // nil: ESP goes in UDP only
	router   *ike.Router
	inside   *inside
	phase1   atomic.Pointer[phase1]         // the newest with the user logged in
	policy   atomic.Pointer[stamp.Policy]   // nil without
	assigned atomic.Pointer[xauth.Assigned] // nil until it is known; never changed in place

	tasks sync.WaitGroup
	ended chan error
	abort context.CancelCauseFunc // ends dial
	stop  context.CancelFunc      // ends what runs beside the SAs
	ctx   context.Context

	adopted  chan struct{} // a phase 1 of the gateway's took the place of ours
	wanted   chan struct{} // a phase 1 is needed
	rerouted chan struct{} // the way to the gateway is another
	taking   sync.Mutex    // held while a phase 1 takes another's place

	mu         sync.Mutex
	phases     []*phase1 // that live, and some that have ended
	children   []*child
	flows      []flow
	shortLived int       // children in a row that the gateway deleted soon
	underway   int       // phase 1s that may come to replace the present one
	moved      time.Time // when our address changed last
	unheard    time.Time // since when what we send isn't answered by anything; zero: it is
	doubts     int       // how often that was found out, in a row
}

// dialOne makes a connection to one gateway, one call a phase. others: there are
// more to try.
func (c *Client) dialOne(ctx context.Context, t target, others bool) (*session, error) {
	s := &session{
		client: c, profile: c.profile, log: c.log, target: t, gateway: t.address,
		ended: make(chan error, 1), adopted: make(chan struct{}, 1), wanted: make(chan struct{}, 1), rerouted: make(chan struct{}, 1),
	}
	if others {
		s.patience = noAnswer
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	ctx, s.abort = context.WithCancelCause(ctx)
	defer s.abort(nil)
	err := s.dial(ctx)
	if to := (redirected{}); err != nil && errors.As(context.Cause(ctx), &to) {
		err = to
	}
	if err != nil {
		s.close()
		return nil, err
	}
	c.mu.Lock()
	c.session = s
	c.mu.Unlock()
	c.learn(s.assigned.Load().BackupServers)
	c.set(Up, nil)
	s.log.Info("connected", "address", s.assigned.Load().Address.Addr(), "gateway", s.gateway)
	s.tasks.Go(s.lead)
	s.tasks.Go(s.answerGateway)
	s.tasks.Go(s.watch)
	s.tasks.Go(s.followMTU)
	// Gateways that this one told of must be known before the name servers inside are out of reach.
	s.tasks.Go(func() { _, _ = c.resolved(s.ctx, c.addresses.recall) })
	return s, nil
}

func (s *session) dial(ctx context.Context) error {
	s.log.Info("gateway", "name", s.target.name.Host, "address", s.gateway)
	s.client.update(func(st *Status) { st.Gateway = &GatewayStatus{Name: s.target.name.String(), Address: s.gateway} })
	s.client.mu.Lock()
	s.inside = s.client.inside
	s.client.mu.Unlock()
	if err := s.inside.setGateway(ctx, s.gateway.Addr()); err != nil {
		return stageError{stageSocket, err}
	}
	if err := s.openSockets(); err != nil {
		return stageError{stageSocket, err}
	}
	if err := s.openSystemDevice(); err != nil {
		return stageError{stageDevice, err}
	}
	s.client.progress(Connecting)
	p, err := s.establish(ctx)
	if err != nil {
		return err
	}
	p.used.Store(true)
	s.phase1.Store(p)
	s.show(p)
	s.client.progress(Configuring)
	setUp := s.setUp
	if p.agreed {
		setUp = s.setUpVPN5000
	}
	if err := setUp(ctx, p); err != nil {
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
func (s *session) setUp(ctx context.Context, p *phase1) error {
	if err := s.configure(ctx, p); err != nil {
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

// current is the newest phase 1, which may have ended.
func (s *session) current() *phase1 { return s.phase1.Load() }

// serve waits until the connection ends, and says why; nil: ctx ended.
func (s *session) serve(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.ended:
		return err
	case err := <-s.inside.broken:
		return errors.Join(errBroken, err)
	}
}

// fail ends the connection.
func (s *session) fail(err error) {
	select {
	case s.ended <- err:
	default:
	}
}

// close says goodbye and frees what dial took, as far as it had come. The tunnel's
// end here stays.
func (s *session) close() {
	s.stop()
	s.sayGoodbye()
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
	s.forgetChildren()
}

// sayGoodbye deletes what the gateway has of us.
func (s *session) sayGoodbye() {
	p := s.current()
	if p == nil {
		return
	}
	s.mu.Lock()
	children := append([]*child(nil), s.children...)
	s.mu.Unlock()
	for _, c := range children {
		_ = p.sa.DeleteChild(c.InboundSPI)
	}
	p.close()
}

// keepalivePeriod keeps the mapping of a NAT (RFC 3948, section 4).
const keepalivePeriod = 20 * time.Second

// keepNATOpen sends keepalives while nothing else is sent.
func (s *session) keepNATOpen() {
	period := keepalivePeriod
	if policy := s.policy.Load(); policy != nil && policy.Keepalive > 0 {
		period = policy.Keepalive
	}
	t := time.NewTicker(period)
	defer t.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-t.C:
			if sa := s.current().sa; sa.Info().NAT.Us && time.Since(s.lastSent()) >= period {
				path := sa.Path()
				_ = s.on(path).SendKeepalive(tun.Path(path))
			}
		}
	}
}
