package concentrator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"postern/client/concentrator/radius"
	"postern/ike"
	"postern/stamp"
	"postern/tun"
)

// Options are how a Gateway stands on its machine.
type Options struct {
	Log *slog.Logger // nil: nothing is logged

	// Listen replaces Config.Address: where ports 500 and 4500 are opened.
	Listen []netip.Addr
	// Port, if valid, is the one UDP port for everything instead, with the non-ESP
	// marker from the first message and all ESP in UDP. Its port may be 0.
	Port netip.AddrPort
	// Carriers, if any, are the sockets instead of all these.
	Carriers []*tun.Carrier
	// RawESP opens IP protocol 50 too, for clients that no NAT stands before. It
	// needs CAP_NET_RAW, and is of no use with Port.
	RawESP bool

	// Device is where inner packets go. The Gateway closes it.
	Device tun.Device
	// Netstack makes a Device with an IP stack of this process behind it, in which
	// a web page (port 80) and an echo service (port 7) stand at Config.Inside.
	Netstack bool
	MTU      int // of inner packets; 0: DefaultMTU

	// Verify judges a password instead of Config.Users; an error lets nobody in.
	Verify func(ctx context.Context, user string, password []byte) error
	KeyLog *ike.KeyLog
	// Impair names the Impairments that are in force, for trying clients.
	Impair []string
}

// DefaultMTU fits every cipher into UDP over a path of 1,500 octets.
const DefaultMTU = 1400

// mainModeKeys is how many keys ike tries on a peer.
const mainModeKeys = 16

// Gateway is a running concentrator.
type Gateway struct {
	cfg     *Config
	log     *slog.Logger
	verify  func(ctx context.Context, user string, password []byte) error // Options.Verify
	radius  *radius.Client                                                // nil without [ RADIUS ]
	securID *radius.Client                                                // nil without SecurID
	keylog  *ike.KeyLog
	addr    netip.AddrPort
	sockets *sockets
	router  *ike.Router
	tunnel  *tun.Tunnel
	net     *tun.Net
	inside  *services // nil without netstack
	nat     ike.NATTraversal
	sendESP func(packets [][]byte, to ike.Path, udp bool) error

	stop    context.CancelFunc // ends Serve
	stopped context.Context
	running context.Context // Serve's
	records context.Context // ends a while after Serve's, for what is to be told then
	served  chan struct{}   // closed when Serve has ended
	serving sync.Once
	clients sync.WaitGroup // goroutines that belong to clients

	failures failures
	hinted   atomic.Int64                  // when the latest hint went out, in Unix nanoseconds
	impaired atomic.Pointer[func() *havoc] // what misbehaves for a client

	mu       sync.Mutex // guards what follows, and the fields of sessions and children
	sessions map[string]*session
	leases   leases
}

// New opens everything a gateway needs. Serve makes it answer.
func New(cfg *Config, o Options) (*Gateway, error) {
	havoc, err := impairing(o.Impair)
	if err != nil {
		return nil, err
	}
	s := newSockets()
	addr, err := open(s, cfg, o)
	if err != nil {
		s.close()
		return nil, err
	}
	dev, stack := o.Device, (*tun.Net)(nil)
	if o.Netstack {
		if dev, stack, err = openNetstack(cfg, o.MTU); err != nil {
			s.close()
			return nil, err
		}
	}
	if dev == nil {
		s.close()
		return nil, errors.New("concentrator: neither a device nor netstack")
	}
	g := newGateway(cfg, o, ike.NewRouter(s.sendIKE), s.sendESP, dev)
	g.addr, g.sockets, g.net = addr, s, stack
	g.impaired.Store(&havoc)
	if len(s.raw) == 0 {
		g.nat = ike.NATForce
	}
	if stack != nil {
		if g.inside, err = g.startServices(stack, cfg.Inside.Addr()); err != nil {
			g.release()
			return nil, err
		}
	}
	return g, nil
}

// newGateway is a gateway but for the sockets.
func newGateway(cfg *Config, o Options, r *ike.Router, sendESP func([][]byte, ike.Path, bool) error, dev tun.Device) *Gateway {
	g := &Gateway{
		cfg: cfg, log: o.Log, verify: o.Verify, keylog: o.KeyLog, router: r, sendESP: sendESP, tunnel: tun.New(dev),
		served: make(chan struct{}), sessions: make(map[string]*session), leases: newLeases(cfg),
	}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	g.radius, g.securID = cfg.radiusClients()
	g.stopped, g.stop = context.WithCancel(context.Background())
	if n := len(cfg.keys(ike.Hello{})); n > mainModeKeys {
		g.log.Warn("more keys than are tried in Main Mode; give some groups a Peer", "keys", n, "tried", mainModeKeys)
	}
	return g
}

// open opens the sockets and returns the address of the first.
func open(s *sockets, cfg *Config, o Options) (first netip.AddrPort, err error) {
	for _, c := range o.Carriers {
		s.udp[c.LocalAddr()] = c
	}
	if len(o.Carriers) > 0 {
		return o.Carriers[0].LocalAddr(), nil
	}
	if o.Port.IsValid() {
		return s.listen(o.Port, tun.Encapsulated)
	}
	addresses := o.Listen
	if len(addresses) == 0 {
		addresses = cfg.Address
	}
	if len(addresses) == 0 {
		addresses = []netip.Addr{netip.IPv4Unspecified()}
	}
	for _, a := range addresses {
		if _, err := s.listen(netip.AddrPortFrom(a, ikePort), tun.PlainIKE); err != nil {
			return first, err
		}
		if _, err := s.listen(netip.AddrPortFrom(a, nattPort), tun.Encapsulated); err != nil {
			return first, err
		}
		if o.RawESP {
			if err := s.listenRaw(a); err != nil {
				return first, err
			}
		}
	}
	return netip.AddrPortFrom(addresses[0], ikePort), nil
}

// Serve answers clients until ctx ends or Close, says goodbye to each and
// returns nil; or the error that made it impossible. It may be called once.
func (g *Gateway) Serve(ctx context.Context) error {
	err := errors.New("concentrator: Serve was called twice, or after Close")
	g.serving.Do(func() {
		defer close(g.served)
		err = g.serve(ctx)
	})
	return err
}

func (g *Gateway) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(g.stopped, func() { cancel(nil) })()
	records, forget := context.WithCancel(context.WithoutCancel(ctx))
	defer forget()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(recordsLinger, forget) })()
	g.records = records
	g.mu.Lock()
	g.running = ctx
	g.mu.Unlock()
	g.router.OnStray(g.strayMessage)
	g.tunnel.OnStray(g.strayESP)

	var pumps sync.WaitGroup
	pumps.Go(func() {
		if err := g.tunnel.Serve(); err != nil {
			cancel(fmt.Errorf("the device failed: %w", err))
		}
	})
	if g.sockets != nil {
		pumps.Go(func() {
			if err := g.sockets.serve(g.router.Deliver, g.tunnel); err != nil {
				cancel(fmt.Errorf("a socket failed: %w", err))
			}
		})
	}
	for {
		w, err := g.router.Next(ctx)
		if err != nil {
			break
		}
		g.clients.Go(func() { g.client(ctx, w) })
	}
	g.clients.Wait()
	g.release()
	pumps.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return nil
}

// release closes what New opened.
func (g *Gateway) release() {
	g.router.Close()
	if g.inside != nil {
		g.inside.close()
	}
	if g.sockets != nil {
		g.sockets.close()
	}
	_ = g.tunnel.Close()
}

// Close ends Serve and waits for it.
func (g *Gateway) Close() {
	g.stop()
	g.serving.Do(func() {
		g.release()
		close(g.served)
	})
	<-g.served
}

// Addr is where clients are answered: Options.Port, or the first address with
// port 500.
func (g *Gateway) Addr() netip.AddrPort { return g.addr }

// Net is the IP stack behind the gateway; nil without Options.Netstack.
func (g *Gateway) Net() *tun.Net { return g.net }

// phase1 is how a client is met.
func (g *Gateway) phase1(c *client) ike.Config {
	cfg := ike.Config{
		Modes: g.cfg.Modes, Methods: g.cfg.numbers(),
		Proposals: g.cfg.Protection, Lifetime: g.cfg.Lifetime, Identity: g.cfg.Identity,
		Credentials: g.cfg.Credentials, AlwaysSendCertificate: true, // vpnc never asks
		Authorities: g.cfg.authorityNames(), Verify: g.cfg.judge,
		Groups: g.cfg.keys, NATTraversal: g.nat, DPD: g.cfg.DPD,
		VendorIDs: [][]byte{stamp.VendorID()}, Prelude: c.prelude, PeerIdentity: c.identified,
		Alive: c.alive, Transaction: c.transaction, Quick: c.quick, Notify: c.notified, Deleted: c.deleted,
		Log: g.log, KeyLog: g.keylog,
	}
	c.impair(&cfg)
	return cfg
}
