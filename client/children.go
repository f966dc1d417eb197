package client

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
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
	under   atomic.Pointer[phase1] // whose way its packets go
	pair    *tun.Pair
	since   time.Time
	rekey   time.Time // zero: never by us
	expires time.Time // zero: never
	used    uint64    // rekeyed after so many octets in a direction; 0: never for that

	woken chan struct{} // holds a value once the gateway has sent on it
	due   chan struct{} // holds a value when it must be renewed at once
	gone  chan struct{} // closed when it is removed
	once  sync.Once
	spent chan struct{} // closed when it has carried all that it may
	all   sync.Once

	// Guarded by session.mu.
	active  bool      // sends, unless a newer one does
	renewed bool      // a newer one carries its traffic, or will
	asked   time.Time // when renewNow was called last
}

// flow is traffic that the connection is for: it has a child, or gets one.
type flow struct {
	local, remote ike.Selector
	group         isakmp.Group // of its last child's perfect forward secrecy
}

func (c *child) flow() flow { return flow{c.Local, c.Remote, c.Group} }

func (f flow) same(o flow) bool { return f.local == o.local && f.remote == o.remote }

// quick makes the children that the connection needs: one for everything, or one
// for each network in turn.
func (s *session) quick(ctx context.Context) error {
	ps, err := espProposals(s.profile)
	if err != nil {
		return err
	}
	var failed error
	for _, remote := range s.selectors() {
		local, ok := innerFor(s.assigned.Load(), remote)
		if !ok {
			s.client.warn(fmt.Sprintf("%v isn't carried: the gateway assigned no address of its kind.", remote))
			continue
		}
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
	a := s.assigned.Load()
	var everything []netip.Prefix
	for _, own := range inner(a) {
		if own.Addr().Is6() {
			everything = append(everything, netip.PrefixFrom(netip.IPv6Unspecified(), 0))
		} else {
			everything = append(everything, netip.PrefixFrom(netip.IPv4Unspecified(), 0))
		}
	}
	each := s.profile.Selectors == profile.SelectorsEach || s.profile.Selectors == profile.Auto && !s.current().sa.Info().Unity
	networks := union(a.Networks, s.profile.Networks)
	if !each || len(networks) == 0 {
		return everything
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

// makeChild runs a Quick Mode of ours under the newest phase 1.
func (s *session) makeChild(ctx context.Context, ps []ike.ESPProposal, local, remote ike.Selector) (*child, error) {
	p := s.current()
	var made *child
	cfg := ike.ChildConfig{
		Proposals: ps, Lifetime: s.profile.Lifetime.ESP, Local: local, Remote: remote,
		Install: func(c *ike.Child) (err error) {
			made, err = s.install(p, c, c.Remote)
			return err
		},
	}
	asked := 0
	if a := s.assigned.Load(); a != nil {
		asked = int(a.PFS)
	}
	cfg.Group = pfsGroup(s.profile, asked, p.sa.Info().Proposal.Group)
	if p.agreed {
		s.byPolicy(p, &cfg)
	}
	_, err := p.sa.Quick(ctx, cfg)
	if err != nil {
		if made != nil {
			s.remove(made)
		}
		return nil, err
	}
	s.settle(made)
	// Not RFC: strongSwan receives on the child only once it has our last message, so
	// that the older one sends until the newer is heard of.
	if s.sends(made.flow()) {
		s.tasks.Go(func() { s.activateWhenReady(made) })
	} else {
		s.activate(made)
	}
	return made, nil
}

// install makes a child receive.
func (s *session) install(p *phase1, c *ike.Child, remote ike.Selector) (*child, error) {
	su := suite(c.Proposal)
	in, err := esp.NewInbound(su, c.InboundSPI, c.Inbound.Encryption, c.Inbound.Integrity)
	if err != nil {
		return nil, err
	}
	out, err := esp.NewOutbound(su, c.OutboundSPI, c.Outbound.Encryption, c.Outbound.Integrity)
	if err != nil {
		return nil, err
	}
	// Without its monotonic clock, which stands still while some systems sleep.
	now := time.Now().Round(0)
	made := &child{Child: c, since: now, woken: make(chan struct{}, 1), due: make(chan struct{}, 1), gone: make(chan struct{}), spent: make(chan struct{})}
	made.under.Store(p)
	made.pair = &tun.Pair{
		In: in, Out: out, Local: []tun.Selector{tun.Selector(c.Local)}, Remote: s.behind(remote),
	}
	made.pair.Send, made.pair.Seen = s.ways(made)
	// Jitter, so that both ends seldom begin at once.
	part := 0.80 + 0.10*rand.Float64()
	if c.Lifetime > 0 {
		made.expires = now.Add(c.Lifetime)
		made.rekey = now.Add(time.Duration(part * float64(c.Lifetime)))
	}
	made.used = uint64(part * float64(c.LifeOctets))
	s.client.options.KeyLog.child(c, p.sa.Path())
	c.Forget()
	if err := s.inside.tunnel.AddInbound(made.pair); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.children = append(s.children, made)
	s.mu.Unlock()
	return made, nil
}

// ways are how a child's packets are sent, and what its pump tells.
func (s *session) ways(c *child) (send func([][]byte) error, seen func(tun.Path)) {
	heard := func() {
		select {
		case c.woken <- struct{}{}:
		default:
		}
	}
	if !c.Encapsulated {
		return func(packets [][]byte) error {
			return s.raw.SendESP(packets, tun.Path(c.under.Load().sa.Path()))
		}, func(tun.Path) { heard() }
	}
	return func(packets [][]byte) error {
			path := c.under.Load().sa.Path()
			return s.on(path).SendESP(packets, tun.Path(path))
		}, func(from tun.Path) {
			c.under.Load().sa.Follow(from.Remote)
			heard()
		}
}

// settle makes a child its flow's newest: those before it aren't renewed any more.
// It is kept from now on.
func (s *session) settle(c *child) {
	f := c.flow()
	s.mu.Lock()
	known := false
	for i := range s.flows {
		if s.flows[i].same(f) {
			s.flows[i], known = f, true
		}
	}
	if !known {
		s.flows = append(s.flows, f)
	}
	for _, old := range s.children {
		if old.flow().same(f) {
			old.renewed = old != c // c may have been taken for an old one while it was made
		}
	}
	s.mu.Unlock()
	s.log.Info("ESP", "suite", c.Proposal, "local", c.Local, "remote", c.Remote, "spi", spiName(c.InboundSPI), "udp", c.Encapsulated)
	s.client.update(func(*Status) {})
	s.tasks.Go(func() { s.keep(c) })
}

// activate sends on a child from now on.
func (s *session) activate(c *child) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.active {
		c.active = s.inside.tunnel.Activate(c.InboundSPI)
	}
}

// sends says whether a child of the flow is in use.
func (s *session) sends(f flow) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.children {
		if c.active && c.flow().same(f) {
			return true
		}
	}
	return false
}

// remove takes a child out of the tunnel, once whatever replaces it sends; false:
// it was gone already.
func (s *session) remove(c *child) bool {
	s.mu.Lock()
	var next *child
	found := false
	for i, o := range s.children {
		if o == c {
			s.children = append(s.children[:i:i], s.children[i+1:]...)
			found = true
			break
		}
	}
	for _, o := range s.children {
		if !o.active && !o.renewed && o.flow().same(c.flow()) {
			next = o
		}
	}
	s.mu.Unlock()
	if next != nil && c.renewed {
		s.activate(next)
	}
	c.once.Do(func() { close(c.gone) })
	return found && s.inside.tunnel.Remove(c.InboundSPI)
}

// forgetChildren takes all out of the tunnel.
func (s *session) forgetChildren() {
	s.mu.Lock()
	children := append([]*child(nil), s.children...)
	s.mu.Unlock()
	for _, c := range children {
		s.remove(c)
	}
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

// childDeleted hears that the gateway doesn't receive on some SPIs any more. By
// mistake some gateways name ours.
func (s *session) childDeleted(_ *ike.SA, d isakmp.Delete) {
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

// lastSent is when ESP was last sent.
func (s *session) lastSent() (last time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.children {
		last = latest(last, c.pair.LastOutbound())
	}
	return last
}

// alive is when ESP of the gateway's last proved that it lives.
func (s *session) alive() (last time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.children {
		last = latest(last, c.pair.LastInbound())
	}
	return last
}

func latest(ts ...time.Time) (last time.Time) {
	for _, t := range ts {
		if t.After(last) {
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
	total := s.inside.tunnel.Stats()
	st.Traffic = &TrafficStatus{In: trafficCount(total.In), Out: trafficCount(total.Out)}
}

func spiName(spi uint32) string { return fmt.Sprintf("%08x", spi) }
