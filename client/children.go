package client

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"postern/client/profile"
	"postern/ike"
	"postern/ike/isakmp"
	"postern/tun"
	"postern/tun/esp"
)

// child is one pair of ESP SAs in use. Its keys are the data plane's.
type child struct {
	*ike.Child
	pair    *tun.Pair
	since   time.Time
	rekey   time.Time // zero: never by us
	expires time.Time // zero: never
	renewed bool      // a newer one carries its traffic
}

const (
	overlap    = 30 * time.Second // how long an old child goes on receiving beside the new one
	rekeyPause = 10 * time.Second // before a renewal that failed is tried again
)

// quick makes the children that the connection needs: one for everything, or one
// for each network in turn.
func (s *session) quick(ctx context.Context) error {
	ps, err := espProposals(s.profile)
	if err != nil {
		return err
	}
	local := host(s.assigned.Address.Addr())
	var failed error
	for _, remote := range s.selectors() {
		_, err := s.makeChild(ctx, ps, ike.Selector{Prefix: local}, ike.Selector{Prefix: remote})
		if err != nil {
			failed = fmt.Errorf("%v: %w", remote, err)
			s.client.warn(fmt.Sprintf("The gateway refuses to carry %v: %v.", remote, err))
		}
	}
	if len(s.living()) == 0 {
		return failed
	}
	return nil
}

// selectors is what Quick Mode asks for, one child each.
func (s *session) selectors() []netip.Prefix {
	everything := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if s.assigned.Address.Addr().Is6() {
		everything = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	each := s.profile.Selectors == profile.SelectorsEach || s.profile.Selectors == profile.Auto && !s.sa.Info().Unity
	networks := union(s.assigned.Networks, s.profile.Networks)
	if !each || len(networks) == 0 {
		return []netip.Prefix{everything}
	}
	return networks
}

// union is what is in a or b, each thing once.
func union[T comparable](a, b []T) (out []T) {
	seen := make(map[T]bool)
	for _, v := range append(append([]T(nil), a...), b...) {
		if !seen[v] {
			seen[v] = true
			out = append(out, v)
		}
	}
	return out
}

func host(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// makeChild runs a Quick Mode of ours.
func (s *session) makeChild(ctx context.Context, ps []ike.ESPProposal, local, remote ike.Selector) (*child, error) {
	var made *child
	cfg := ike.ChildConfig{
		Proposals: ps, Lifetime: s.profile.Lifetime.ESP, Local: local, Remote: remote,
		Install: func(c *ike.Child) (err error) {
			made, err = s.install(c, c.Remote)
			return err
		},
	}
	asked := 0
	if s.assigned != nil {
		asked = int(s.assigned.PFS)
	}
	cfg.Group = pfsGroup(s.profile, asked, s.sa.Info().Proposal.Group)
	if s.agreed {
		s.byPolicy(&cfg)
	}
	_, err := s.sa.Quick(ctx, cfg)
	if err != nil {
		if made != nil {
			s.remove(made)
		}
		return nil, err
	}
	s.activate(made)
	return made, nil
}

// install makes a child receive.
func (s *session) install(c *ike.Child, remote ike.Selector) (*child, error) {
	su := suite(c.Proposal)
	in, err := esp.NewInbound(su, c.InboundSPI, c.Inbound.Encryption, c.Inbound.Integrity)
	if err != nil {
		return nil, err
	}
	out, err := esp.NewOutbound(su, c.OutboundSPI, c.Outbound.Encryption, c.Outbound.Integrity)
	if err != nil {
		return nil, err
	}
	made := &child{Child: c, since: time.Now()}
	made.pair = &tun.Pair{
		In: in, Out: out, Local: []tun.Selector{tun.Selector(c.Local)}, Remote: s.behind(remote),
	}
	if c.Encapsulated {
		made.pair.Send = func(packets [][]byte) error {
			path := s.sa.Path()
			return s.on(path).SendESP(packets, tun.Path(path))
		}
		made.pair.Seen = func(from tun.Path) { s.sa.Follow(from.Remote) }
	} else {
		made.pair.Send = func(packets [][]byte) error { return s.raw.SendESP(packets, tun.Path(s.sa.Path())) }
	}
	if c.Lifetime > 0 {
		made.expires = made.since.Add(c.Lifetime)
		// Jitter, so that both ends seldom begin at once.
		made.rekey = made.since.Add(time.Duration((0.80 + 0.10*rand.Float64()) * float64(c.Lifetime)))
	}
	s.client.options.KeyLog.child(c, s.sa.Path())
	c.Forget()
	if err := s.tunnel.AddInbound(made.pair); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.children = append(s.children, made)
	s.mu.Unlock()
	return made, nil
}

// activate sends on a child from now on, and sees to it that it is renewed.
func (s *session) activate(c *child) {
	s.tunnel.Activate(c.InboundSPI)
	s.mu.Lock()
	for _, old := range s.children {
		if old != c && old.Local == c.Local && old.Remote == c.Remote {
			old.renewed = true
		}
	}
	s.mu.Unlock()
	s.log.Info("ESP", "suite", c.Proposal, "local", c.Local, "remote", c.Remote, "spi", spiName(c.InboundSPI), "udp", c.Encapsulated)
	s.client.update(func(*Status) {})
	if !c.expires.IsZero() {
		s.tasks.Go(func() { s.keep(c) })
	}
}

// keep renews a child in time, and drops it when its life is over.
func (s *session) keep(c *child) {
	tried := false
	for next := c.rekey; s.sleepUntil(next); next = time.Now().Add(rekeyPause) {
		// Woken late, after a sleep of the machine, one try is worth it all the same.
		if s.isRenewed(c) || tried && !time.Now().Before(c.expires) {
			break
		}
		tried = true
		made, err := s.makeChild(s.ctx, []ike.ESPProposal{c.Proposal}, c.Local, c.Remote)
		if err != nil {
			s.log.Warn("ESP not renewed yet", "spi", spiName(c.InboundSPI), "error", err)
			continue
		}
		s.log.Info("ESP renewed", "old", spiName(c.InboundSPI), "new", spiName(made.InboundSPI))
		break
	}
	end := c.expires
	if s.isRenewed(c) {
		end = earlier(end, time.Now().Add(overlap))
	}
	if !s.sleepUntil(end) {
		return
	}
	if s.remove(c) {
		_ = s.sa.DeleteChild(c.InboundSPI)
	}
	if len(s.living()) == 0 {
		s.fail(errors.New("the last ESP SA expired and the gateway made no new one"))
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// sleepUntil is false if the session ended first.
func (s *session) sleepUntil(t time.Time) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.sa.Done():
	case <-s.ctx.Done():
	}
	return false
}

func (s *session) isRenewed(c *child) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.renewed
}

// remove takes a child out of the tunnel; false: it was gone already.
func (s *session) remove(c *child) bool {
	s.mu.Lock()
	found := false
	for i, o := range s.children {
		if o == c {
			s.children = append(s.children[:i:i], s.children[i+1:]...)
			found = true
			break
		}
	}
	s.mu.Unlock()
	return found && s.tunnel.Remove(c.InboundSPI)
}

// living are the children that aren't replaced by newer ones.
func (s *session) living() (out []*child) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.children {
		if !c.renewed {
			out = append(out, c)
		}
	}
	return out
}

// quickOffered answers a Quick Mode that the gateway begins: it renews a child
// that we have. What it proposes for may be wider than that child, and is
// confirmed so, but no more than the child's traffic is let in.
func (s *session) quickOffered(_ context.Context, _ *ike.SA, o ike.QuickOffer) (*ike.ChildConfig, error) {
	old := s.renews(o)
	if old == nil {
		return nil, &ike.NotifyError{Type: isakmp.NotifyInvalidIDInformation}
	}
	ps, err := espProposals(s.profile)
	if err != nil {
		return nil, err
	}
	var made *child
	return &ike.ChildConfig{
		Proposals: ps, Group: old.Group, Lifetime: s.profile.Lifetime.ESP, Local: o.Local, Remote: o.Remote,
		Install: func(c *ike.Child) (err error) {
			if s.agreed {
				c.Local = old.Local
			}
			made, err = s.install(c, old.Remote)
			return err
		},
		Settled: func(c *ike.Child, err error) {
			if err != nil {
				s.remove(made)
				return
			}
			c.Local, c.Remote = old.Local, old.Remote
			s.activate(made)
		},
	}, nil
}

// renews finds the child that a gateway's offer is about.
func (s *session) renews(o ike.QuickOffer) *child {
	s.mu.Lock()
	a := s.assigned
	s.mu.Unlock()
	if a == nil || o.NoIDs != s.agreed || !s.agreed && !o.Local.Prefix.Contains(a.Address.Addr()) {
		return nil
	}
	for _, c := range s.living() {
		if s.agreed || o.Remote.Prefix.Overlaps(c.Remote.Prefix) {
			return c
		}
	}
	return nil
}

// childDeleted hears that the gateway doesn't receive on some SPIs any more. By
// mistake some gateways name ours. Where that leaves traffic without a child,
// a new one is made at once.
func (s *session) childDeleted(sa *ike.SA, d isakmp.Delete) {
	if d.Protocol != isakmp.ProtoESP {
		return
	}
	for _, b := range d.SPIs {
		if len(b) != 4 {
			continue
		}
		if c := s.bySPI(binary.BigEndian.Uint32(b)); c != nil {
			s.tasks.Go(func() { s.replaceDeleted(c) })
		}
	}
}

func (s *session) bySPI(spi uint32) *child {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.children {
		if c.OutboundSPI == spi || c.InboundSPI == spi {
			return c
		}
	}
	return nil
}

func (s *session) replaceDeleted(c *child) {
	renewed := s.isRenewed(c)
	if !s.remove(c) {
		return
	}
	s.log.Info("ESP deleted by the gateway", "spi", spiName(c.InboundSPI))
	s.client.update(func(*Status) {})
	// The gateway may be about to end everything: its Delete of phase 1 follows.
	if renewed || !s.sleepUntil(time.Now().Add(time.Second)) {
		return
	}
	if _, err := s.makeChild(s.ctx, []ike.ESPProposal{c.Proposal}, c.Local, c.Remote); err != nil && len(s.living()) == 0 {
		s.fail(fmt.Errorf("the gateway deleted the last ESP SA: %w", err))
	}
}

// sayGoodbye deletes what the gateway has of us.
func (s *session) sayGoodbye() {
	s.mu.Lock()
	children := append([]*child(nil), s.children...)
	s.mu.Unlock()
	for _, c := range children {
		_ = s.sa.DeleteChild(c.InboundSPI)
	}
	_ = s.sa.Close()
}

// lastSent is when ESP was last sent.
func (s *session) lastSent() (last time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.children {
		if t := c.pair.LastOutbound(); t.After(last) {
			last = t
		}
	}
	return last
}

// count adds the counters of the moment to a snapshot.
func (s *session) count(st *Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.SAs = nil
	for _, c := range s.children {
		counters := c.pair.Stats()
		st.SAs = append(st.SAs, SAStatus{
			Inbound: spiName(c.InboundSPI), Outbound: spiName(c.OutboundSPI), Suite: c.Proposal.String(),
			Local: c.Local.String(), Remote: c.Remote.String(), Since: c.since, Rekey: c.rekey, Expires: c.expires,
			In: trafficCount(counters.In), Out: trafficCount(counters.Out),
		})
	}
	total := s.tunnel.Stats()
	st.Traffic = &TrafficStatus{In: trafficCount(total.In), Out: trafficCount(total.Out)}
}

func spiName(spi uint32) string { return fmt.Sprintf("%08x", spi) }
