package client

import (
	"context"
	"net/netip"
	"time"

	"postern/ike"
	"postern/ike/isakmp"
	"postern/tun/hostnet"
)

const (
	unanswered = 5 * time.Second // of what we send: the gateway is asked whether it lives
	nudgePause = 3 * time.Second // between changes of the network that cut a pause short
	settled    = 3 * time.Second // after a change of address, ESP should come again
)

// follow hears of the machine's network and sleep for as long as ctx lives.
func (c *Client) follow(ctx context.Context) {
	changes, err := c.system.Changes(ctx)
	if err != nil {
		c.log.Debug("changes of the network aren't heard", "error", err)
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case ch, ok := <-changes:
			if !ok {
				return
			}
			switch ch.Kind {
			case hostnet.Sleep:
				ch.Done()
			case hostnet.Deaf:
				c.log.Warn("some changes of the network aren't heard any more", "error", ch.Err)
			default:
				c.networkChanged(ctx, ch)
			}
		}
	}
}

// networkChanged has the session follow a change. Without one, now may be better than
// after the pause between two attempts.
func (c *Client) networkChanged(ctx context.Context, ch hostnet.Change) {
	c.regard(ctx)
	c.mu.Lock()
	s := c.session
	c.mu.Unlock()
	if s != nil {
		s.signal(s.rerouted)
		s.changed(ctx, ch.Kind == hostnet.Resume)
		return
	}
	if time.Since(c.nudged) < nudgePause {
		return
	}
	c.nudged = time.Now()
	select {
	case c.nudge <- struct{}{}:
	default:
	}
}

// changed goes on from another address where the network has changed, and asks the
// gateway whether it agrees. Without UDP around it ESP is bound to the addresses
// of phase 1, which is then made anew.
func (s *session) changed(ctx context.Context, resumed bool) {
	// The route to the gateway first: the system would go on along the old way.
	if err := s.inside.refit(ctx); err != nil {
		s.log.Warn("the host's network", "error", err)
	}
	source := s.carrier.SourceFor(s.gateway.Addr())
	if !source.IsValid() {
		return // no network; another change will tell of the next one
	}
	p := s.current()
	path := p.sa.Path()
	if path.Local.Addr() == source {
		if resumed {
			s.doubt()
		}
		return
	}
	s.log.Info("another address of ours", "from", path.Local.Addr(), "to", source)
	p.sa.Move(netip.AddrPortFrom(source, path.Local.Port()))
	s.mu.Lock()
	s.moved = time.Now()
	s.mu.Unlock()
	if p.sa.Info().NAT.Encapsulate() {
		s.doubt()
	} else {
		s.want()
	}
}

// doubt asks the gateway whether it lives. One that can't be asked gets a new
// phase 1.
func (s *session) doubt() {
	if sa := s.current().sa; sa.Err() == nil && sa.Probes() {
		sa.Probe()
	} else {
		s.want()
	}
}

// strayed hears of messages that belong to no SA. A notify in clear from the
// gateway that an SPI or a cookie is unknown to it hints at one that was started
// again; anybody may have sent it, so that the gateway is asked.
func (s *session) strayed(d ike.Datagram) {
	p := s.current()
	if p == nil || d.From.Remote.Addr() != p.sa.Path().Remote.Addr() {
		return
	}
	h, err := isakmp.ParseHeader(d.Octets)
	if err != nil || h.Exchange != isakmp.ExchangeInformational || h.Flags&isakmp.FlagEncryption != 0 {
		return
	}
	m, err := isakmp.ParseMessage(h, d.Octets[isakmp.HeaderLen:h.Length])
	if err != nil {
		return
	}
	for _, body := range m.All(isakmp.PayloadNotify) {
		n, err := isakmp.ParseNotify(body)
		if err == nil && (n.Type == isakmp.NotifyInvalidSPI || n.Type == isakmp.NotifyInvalidCookie) {
			p.sa.Suspect()
			return
		}
	}
}

// watch looks once a second at what the pumps count.
func (s *session) watch() {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	began, last := time.Now(), time.Now().Round(0)
	var heard time.Time
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-t.C:
		}
		// The wall clock went on while the machine slept, the ticker's didn't.
		if now := time.Now().Round(0); now.Sub(last) > 2*unanswered {
			s.doubt()
		}
		last = time.Now().Round(0)
		if at := s.current().sa.Heard(); at.After(heard) {
			heard = at
			s.inside.tunnel.Heard()
		}
		s.spend()
		s.overhear()
		s.watchIdle(began)
	}
}

// overhear has the gateway asked when nothing answers what we send; where it lives,
// and only ESP stays out after a change of ours, children are made anew. What is
// sent one way for good is doubted more and more seldom.
func (s *session) overhear() {
	sent, heard := s.lastSent(), s.alive()
	now := time.Now()
	s.mu.Lock()
	if !sent.After(heard) {
		s.unheard, s.doubts = time.Time{}, 0
		s.mu.Unlock()
		return
	}
	if s.unheard.IsZero() {
		s.unheard = now
	}
	moved := !s.moved.IsZero() && now.Sub(s.moved) > settled && sent.After(s.moved)
	if moved {
		s.moved = time.Time{}
	}
	doubt := now.Sub(s.unheard) >= unanswered<<s.doubts
	if doubt {
		s.unheard, s.doubts = now, min(s.doubts+1, 7)
	}
	s.mu.Unlock()
	if moved && s.current().sa.Heard().After(heard) {
		s.renewAll()
	}
	if doubt {
		s.doubt()
	}
}
