package client

import (
	"context"
	"net/netip"

	"postern/tun"
)

const (
	// outerMTU is what a way to the gateway is taken to carry that nothing is known of,
	// and at most where routers stand on it, in octets.
	outerMTU = 1500
	leastMTU = 576 // of the tunnel's device
)

// linkMTU is how large an outer packet the way to the gateway begins with, in octets.
func (s *session) linkMTU() int {
	way, err := s.client.system.Way(s.gateway.Addr())
	switch {
	case err != nil || way.MTU <= 0:
		return outerMTU
	case way.Via.IsValid():
		return min(way.MTU, outerMTU)
	}
	return way.MTU
}

// innerMTU is what every suite offered leaves of an outer packet, or the profile's
// where that is less.
func (s *session) innerMTU(outer int) (int, error) {
	ps, err := espProposals(s.profile)
	if err != nil {
		return 0, err
	}
	inner := max(smallestInner(ps, outer, s.gateway.Addr().Is6()), leastMTU)
	if s.profile.MTU != 0 {
		inner = min(inner, s.profile.MTU)
	}
	return inner, nil
}

// followMTU has the tunnel know what the way to the gateway carries, as routers and
// large packets that vanish tell.
func (s *session) followMTU() {
	path := tun.NewPathMTU(s.linkMTU(), s.gateway.Addr().Is6())
	defer path.Close()
	s.inside.path.Store(path)
	defer s.inside.path.CompareAndSwap(path, nil)
	reported := func(remote netip.Addr, mtu int) {
		if remote == s.gateway.Addr() {
			path.Reported(mtu)
		}
	}
	for _, c := range []*tun.Carrier{s.carrier, s.floated} {
		if c != nil {
			c.OnPathMTU(reported)
		}
	}
	if s.raw != nil {
		s.raw.OnPathMTU(reported)
	}
	s.setMTU(path.MTU())
	stop := s.startSearch(path)
	defer func() { stop() }()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.rerouted:
			path.Reset(s.linkMTU(), s.gateway.Addr().Is6())
			stop() // what is found about the old way says nothing of this one
			stop = s.startSearch(path)
		case outer, ok := <-path.Changed():
			if !ok {
				return
			}
			s.setMTU(outer)
		}
	}
}

// startSearch searches beside, until stopped.
func (s *session) startSearch(path *tun.PathMTU) (stop func()) {
	ctx, stop := context.WithCancel(s.ctx)
	s.tasks.Go(func() { s.searchMTU(ctx, path) })
	return stop
}

// searchMTU asks a name server inside whether packets of the present size pass: most
// answer pings. So a router that drops what is large without a word is found before
// somebody waits for a page that doesn't come.
func (s *session) searchMTU(ctx context.Context, path *tun.PathMTU) {
	for _, server := range s.nameServers() {
		for _, own := range inner(s.assigned.Load()) {
			if own.Addr().Is4() != server.Is4() {
				continue
			}
			path.Search(ctx, func(ctx context.Context, outer int) bool {
				size, err := s.innerMTU(outer)
				return err == nil && s.inside.tunnel.Echo(ctx, own.Addr(), server, size)
			})
			return
		}
	}
}

func (s *session) setMTU(outer int) {
	if outer <= 0 {
		return
	}
	in := s.inside
	inner, err := s.innerMTU(outer)
	if err != nil || inner == in.innerMTU() {
		return
	}
	s.log.Info("MTU", "outside", outer, "inside", inner)
	if err := in.setMTU(inner); err != nil {
		s.log.Warn("MTU of the device", "error", err)
	}
	s.client.update(func(st *Status) {
		if st.Tunnel != nil {
			t := *st.Tunnel
			t.MTU = inner
			st.Tunnel = &t
		}
	})
}
