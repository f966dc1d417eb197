package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"postern/tun"
	"postern/tun/hostnet"
	"postern/tun/proxy"
)

// inside is the tunnel's end on this machine: the device, the pumps behind it, and
// what the host's network knows of it. It outlives sessions, so that programs keep
// interface, address and routes while a connection is made anew. One session has
// it at a time.
type inside struct {
	device tun.Device
	tunnel *tun.Tunnel
	broken chan error // the device failed

	hosting sync.Mutex // guards what follows, up to path
	mtu     int
	host    HostNetwork // nil without
	applied hostnet.Config

	path atomic.Pointer[tun.PathMTU] // of the session that has it

	proxies []*proxy.Server
	tasks   sync.WaitGroup

	mu  sync.Mutex
	net *tun.Net // nil with a device of the system
	own []netip.Addr
}

// newInside starts the pumps between a device and whatever carrier is attached.
func newInside(d tun.Device, mtu int) *inside {
	in := &inside{broken: make(chan error, 1)}
	in.attach(d, mtu)
	return in
}

func (in *inside) attach(d tun.Device, mtu int) {
	in.device, in.tunnel, in.mtu = d, tun.New(d), mtu
	in.tunnel.SetMTU(mtu)
	in.tunnel.OnBlackHole(func() {
		if path := in.path.Load(); path != nil {
			path.BlackHole()
		}
	})
	tunnel := in.tunnel
	in.tasks.Go(func() {
		if err := tunnel.Serve(); err != nil {
			select {
			case in.broken <- fmt.Errorf("the tunnel's device: %w", err):
			default:
			}
		}
	})
}

// openSystemDevice opens a TUN device of the system, before anybody is asked for
// a password: that it isn't allowed should be said first.
func (s *session) openSystemDevice() error {
	if s.client.options.Rootless != nil || s.inside != nil {
		return nil
	}
	mtu, err := s.innerMTU(s.linkMTU())
	if err != nil {
		return err
	}
	d, err := s.client.system.OpenTUN(s.profile.Interface, mtu)
	if err != nil {
		return fmt.Errorf("opening a TUN device: %w", err)
	}
	s.use(newInside(d, mtu))
	return nil
}

// openStack opens an IP stack of our own in place of a device, now that the
// address is known. One with the same address is kept.
func (s *session) openStack() error {
	if s.client.options.Rootless == nil {
		return nil
	}
	var own []netip.Addr
	for _, a := range inner(s.assigned.Load()) {
		own = append(own, a.Addr())
	}
	dns := s.nameServers()
	if s.inside != nil && slices.Equal(s.inside.own, append(own, dns...)) {
		return nil
	}
	mtu, err := s.innerMTU(s.linkMTU())
	if err != nil {
		return err
	}
	d, stack, err := tun.OpenNetstack(own, dns, mtu)
	if err != nil {
		return err
	}
	in := s.inside
	if in == nil {
		in = newInside(d, mtu)
	} else {
		in.tunnel.Close()
		in.attach(d, mtu)
	}
	in.mu.Lock()
	in.net, in.own = stack, append(own, dns...)
	in.mu.Unlock()
	s.use(in)
	return nil
}

// use leads the sockets' ESP to the tunnel.
func (s *session) use(in *inside) {
	s.inside = in
	s.client.keep(in)
	s.carrier.Attach(in.tunnel)
	if s.floated != nil {
		s.floated.Attach(in.tunnel)
	}
	if s.raw != nil {
		s.raw.Attach(in.tunnel)
	}
}

// keep remembers the inside for the sessions to come.
func (c *Client) keep(in *inside) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inside = in
}

// closeInside puts the host's network back and closes the device.
func (c *Client) closeInside() {
	c.mu.Lock()
	in := c.inside
	c.inside = nil
	c.mu.Unlock()
	if in == nil {
		return
	}
	for _, p := range in.proxies {
		p.Close()
	}
	if in.host != nil {
		if err := in.host.Restore(); err != nil && !errors.Is(err, hostnet.ErrKept) {
			c.log.Error("the host's network couldn't be put back", "error", err)
		} else if err != nil {
			c.log.Warn("put back, but", "error", err)
		}
	}
	in.tunnel.Close()
	in.tasks.Wait()
}

// stack is what programs reach the tunnel through now.
func (in *inside) stack() *tun.Net {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.net
}

func (in *inside) dial(ctx context.Context, network, address string) (net.Conn, error) {
	return in.stack().DialContext(ctx, network, address)
}

func (in *inside) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	return in.stack().LookupHost(ctx, host)
}

// openProxies lets programs into a tunnel without a device.
func (s *session) openProxies() error {
	r := s.client.options.Rootless
	if r == nil || len(s.inside.proxies) > 0 {
		return nil
	}
	c := proxy.Config{Dial: s.inside.dial, Resolve: s.inside.lookup}
	if r.Proxy != "" {
		p, err := proxy.Listen(r.Proxy, c)
		if err != nil && r.AnyPort {
			p, err = proxy.Listen("127.0.0.1:0", c)
		}
		if err != nil {
			return err
		}
		s.inside.serveProxy(p)
	}
	for _, f := range r.Forwards {
		forward, err := proxy.ParseForward(f)
		if err != nil {
			return err
		}
		p, err := proxy.ListenForward(forward, c)
		if err != nil {
			return err
		}
		s.inside.serveProxy(p)
	}
	return nil
}

func (in *inside) serveProxy(p *proxy.Server) {
	in.proxies = append(in.proxies, p)
	in.tasks.Go(func() { _ = p.Serve() })
}

// applyHost shows the tunnel to the rest of the host, and to the status.
func (s *session) applyHost(ctx context.Context) error {
	p, a, in, policy := s.profile, s.assigned.Load(), s.inside, s.policy.Load()
	routes, rule := hostnet.Plan(a.Networks, p.Networks, union(a.Exclude, p.Exclude), p.DefaultRoute)
	if len(p.DNSServers) == 0 { // else they may be outside on purpose
		routes = hostnet.WithServers(routes, s.nameServers())
	}
	routes = s.carried(routes)
	// Cisco's gateways say that it may; others know no such word.
	save := a.SavePassword || policy == nil && !s.current().sa.Info().Unity
	t := &TunnelStatus{
		Since: time.Now(), Address: a.Address.Addr(), Encapsulation: "esp", Networks: routes, Rule: rule,
		Exclude: union(a.Exclude, p.Exclude), Banner: a.Banner, MTU: in.innerMTU(),
		DNS: s.nameServers(), Domains: union(a.SplitDNS, s.search()), Search: s.search(), SplitDNS: a.SplitDNS, NBNS: a.NBNS,
		SavePassword: p.Policies.MaySave(&save),
	}
	if s.current().sa.Info().NAT.Encapsulate() {
		t.Encapsulation = "udp"
	}
	if s.client.options.Rootless != nil {
		for i, p := range in.proxies {
			if i == 0 && s.client.options.Rootless.Proxy != "" {
				t.Proxy = p.Addr().String()
			} else {
				t.Forwards = append(t.Forwards, p.Addr().String())
			}
		}
		s.client.update(func(st *Status) { st.Tunnel = t })
		return nil
	}
	name, err := in.device.Name()
	if err != nil {
		return err
	}
	c := hostnet.Config{
		Interface: name, Addresses: inner(a), MTU: t.MTU, Routes: routes,
		Exclude: t.Exclude, LocalLAN: p.LocalLAN || policy != nil && policy.ExcludeLAN, DNS: t.DNS, Search: s.search(), SplitDNS: a.SplitDNS,
		Prefer: p.Networks, BlockIPv6: p.BlockIPv6,
	}
	if !s.gateway.Addr().IsLoopback() {
		c.Gateway = s.gateway.Addr()
	}
	if err := in.apply(ctx, s.client.system, c); err != nil {
		return err
	}
	if err := s.guardTunnel(ctx, c); err != nil {
		return err
	}
	for _, w := range in.host.Warnings() {
		s.client.warn(w)
	}
	t.Interface, t.Resolver, t.Networks = name, in.host.Resolver(), in.host.Routes()
	t.Overlaps = s.overlaps(in.host.Overlaps())
	s.client.update(func(st *Status) { st.Tunnel = t })
	return nil
}

// apply makes the host's network fit c. What fits already isn't touched.
func (in *inside) apply(ctx context.Context, system System, c hostnet.Config) (err error) {
	in.hosting.Lock()
	defer in.hosting.Unlock()
	if in.host != nil {
		same := in.applied
		same.Gateway = c.Gateway
		if reflect.DeepEqual(same, c) {
			if c.Gateway.IsValid() {
				err = in.host.SetGateway(ctx, c.Gateway)
			}
			in.applied = c
			return err
		}
		if err = in.host.Update(ctx, c); err == nil {
			in.applied = c
		}
		return err
	}
	if in.host, err = system.Apply(ctx, c); err != nil {
		in.host = nil
		return err
	}
	in.applied = c
	return nil
}

// freeResolver gives names back to the host's own name servers, while those inside
// can't be asked where the gateway is now; the next connection takes them again.
// Chosen here: not under a kill switch, for which no name leaves.
func (c *Client) freeResolver(ctx context.Context) {
	c.mu.Lock()
	in, g := c.inside, c.guard
	c.mu.Unlock()
	if in == nil || g != nil {
		return
	}
	in.hosting.Lock()
	applied, there := in.applied, in.host != nil
	in.hosting.Unlock()
	if !there || len(applied.DNS) == 0 {
		return
	}
	applied.DNS, applied.Search, applied.SplitDNS = nil, nil, nil
	if err := in.apply(ctx, c.system, applied); err != nil {
		c.log.Warn("the name servers outside", "error", err)
		return
	}
	c.log.Info("names are asked of the name servers outside, for the gateway's may have moved")
}

// innerMTU is the device's now.
func (in *inside) innerMTU() int {
	in.hosting.Lock()
	defer in.hosting.Unlock()
	return in.mtu
}

// setMTU sets the device's.
func (in *inside) setMTU(mtu int) error {
	in.hosting.Lock()
	defer in.hosting.Unlock()
	in.mtu = mtu
	in.tunnel.SetMTU(mtu)
	if in.host == nil {
		return nil
	}
	in.applied.MTU = mtu
	return in.host.SetMTU(mtu)
}

// setGateway leads the way to a gateway around the tunnel, before it is dialled or
// when the host's network has changed.
func (in *inside) setGateway(ctx context.Context, gateway netip.Addr) error {
	if in == nil || gateway.IsLoopback() {
		return nil
	}
	in.hosting.Lock()
	defer in.hosting.Unlock()
	if in.host == nil {
		return nil
	}
	err := in.host.SetGateway(ctx, gateway)
	if err == nil {
		in.applied.Gateway = gateway
	}
	return err
}

// refit makes the host's network fit once more after it has changed: the way to the
// gateway, a resolver's file that somebody wrote, networks that it is connected to.
func (in *inside) refit(ctx context.Context) error {
	if in == nil {
		return nil
	}
	in.hosting.Lock()
	defer in.hosting.Unlock()
	if in.host == nil {
		return nil
	}
	return in.host.Update(ctx, in.applied)
}

// carried are the routes as far as the gateway agreed to carry them.
func (s *session) carried(routes []netip.Prefix) (out []netip.Prefix) {
	for _, r := range routes {
		for _, c := range s.living() {
			switch sel := c.Remote.Prefix; {
			case sel.Bits() <= r.Bits() && sel.Contains(r.Addr()):
				out = append(out, r)
			case r.Bits() < sel.Bits() && r.Contains(sel.Addr()):
				out = append(out, sel)
			}
		}
	}
	return union(out, nil)
}

// nameServers are those that the tunnel's names are asked of.
func (s *session) nameServers() []netip.Addr {
	switch {
	case len(s.profile.DNSServers) > 0:
		return s.profile.DNSServers
	case s.profile.DNS:
		return s.assigned.Load().DNS
	}
	return nil
}

// search are the domains that short names are completed with.
func (s *session) search() []string {
	out := append([]string(nil), s.profile.Search...)
	if s.profile.DNS && s.assigned.Load().Domain != "" {
		out = union(out, []string{s.assigned.Load().Domain})
	}
	return out
}
