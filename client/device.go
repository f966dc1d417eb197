package client

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"postern/tun"
	"postern/tun/hostnet"
	"postern/tun/proxy"
)

// outerMTU is what the way to the gateway is taken to carry, in octets.
const outerMTU = 1500

// openSystemDevice opens a TUN device of the system, before anybody is asked for
// a password: that it isn't allowed should be said first.
func (s *session) openSystemDevice() (err error) {
	if s.client.options.Rootless != nil {
		return nil
	}
	mtu, err := s.innerMTU()
	if err != nil {
		return err
	}
	if s.device, err = tun.OpenTUN(s.profile.Interface, mtu); err != nil {
		return fmt.Errorf("opening a TUN device: %w", err)
	}
	s.attach(mtu)
	return nil
}

// openStack opens an IP stack of our own in place of a device, now that the
// address is known.
func (s *session) openStack() error {
	if s.client.options.Rootless == nil {
		return nil
	}
	mtu, err := s.innerMTU()
	if err != nil {
		return err
	}
	s.device, s.net, err = tun.OpenNetstack([]netip.Addr{s.assigned.Address.Addr()}, s.nameServers(), mtu)
	if err != nil {
		return err
	}
	s.attach(mtu)
	return nil
}

// attach starts the tunnel between the device and the sockets.
func (s *session) attach(mtu int) {
	s.tunnel = tun.New(s.device)
	s.tunnel.SetMTU(mtu)
	s.carrier.Attach(s.tunnel)
	if s.floated != nil {
		s.floated.Attach(s.tunnel)
	}
	if s.raw != nil {
		s.raw.Attach(s.tunnel)
	}
	s.tasks.Go(func() {
		if err := s.tunnel.Serve(); err != nil {
			s.fail(fmt.Errorf("the tunnel's device: %w", err))
		}
	})
}

// innerMTU is the profile's, or what every suite offered leaves of an outer packet.
func (s *session) innerMTU() (int, error) {
	if s.profile.MTU != 0 {
		return s.profile.MTU, nil
	}
	ps, err := espProposals(s.profile)
	return smallestInner(ps, outerMTU, s.gateway.Addr().Is6()), err
}

// openProxies lets programs into a tunnel without a device.
func (s *session) openProxies() error {
	r := s.client.options.Rootless
	if r == nil {
		return nil
	}
	c := proxy.Config{Dial: s.net.DialContext, Resolve: s.net.LookupHost}
	if r.Proxy != "" {
		p, err := proxy.Listen(r.Proxy, c)
		if err != nil {
			return err
		}
		s.serveProxy(p)
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
		s.serveProxy(p)
	}
	return nil
}

func (s *session) serveProxy(p *proxy.Server) {
	s.proxies = append(s.proxies, p)
	s.tasks.Go(func() { _ = p.Serve() })
}

// applyHost shows the tunnel to the rest of the host, and to the status.
func (s *session) applyHost(ctx context.Context) error {
	p, a := s.profile, s.assigned
	routes, rule := hostnet.Plan(a.Networks, p.Networks, union(a.Exclude, p.Exclude), p.DefaultRoute)
	routes = s.carried(routes)
	t := &TunnelStatus{
		Since: time.Now(), Address: a.Address.Addr(), Encapsulation: "esp", Networks: routes, Rule: rule,
		Exclude: union(a.Exclude, p.Exclude), Banner: a.Banner,
	}
	t.MTU, _ = s.innerMTU()
	if s.sa.Info().NAT.Encapsulate() {
		t.Encapsulation = "udp"
	}
	t.DNS = s.nameServers()
	t.Domains = union(a.SplitDNS, s.search())
	if s.client.options.Rootless != nil {
		for i, p := range s.proxies {
			if i == 0 && s.client.options.Rootless.Proxy != "" {
				t.Proxy = p.Addr().String()
			} else {
				t.Forwards = append(t.Forwards, p.Addr().String())
			}
		}
		s.client.update(func(st *Status) { st.Tunnel = t })
		return nil
	}
	name, err := s.device.Name()
	if err != nil {
		return err
	}
	c := hostnet.Config{
		Interface: name, Addresses: []netip.Prefix{a.Address}, MTU: t.MTU, Routes: routes,
		Exclude: t.Exclude, LocalLAN: p.LocalLAN || s.policy != nil && s.policy.ExcludeLAN, DNS: t.DNS, Search: s.search(), SplitDNS: a.SplitDNS,
	}
	if !s.gateway.Addr().IsLoopback() {
		c.Gateway = s.gateway.Addr()
	}
	if s.host, err = hostnet.Apply(ctx, c, s.client.options.StateDir); err != nil {
		return err
	}
	for _, w := range s.host.Warnings() {
		s.client.warn(w)
	}
	t.Interface, t.Resolver, t.Networks = name, s.host.Resolver(), s.host.Routes()
	s.client.update(func(st *Status) { st.Tunnel = t })
	return nil
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
		return s.assigned.DNS
	}
	return nil
}

// search are the domains that short names are completed with.
func (s *session) search() []string {
	out := append([]string(nil), s.profile.Search...)
	if s.profile.DNS && s.assigned.Domain != "" {
		out = union(out, []string{s.assigned.Domain})
	}
	return out
}
