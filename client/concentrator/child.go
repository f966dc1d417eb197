package concentrator

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"postern/ike"
	"postern/ike/isakmp"
	"postern/tun"
	"postern/tun/esp"
)

// child is a pair of ESP SAs in use. Gateway.mu guards what may change.
type child struct {
	session       *session
	client        atomic.Pointer[client] // whose SA it is under; for the pumps too
	local, remote ike.Selector
	inbound       uint32
	outbound      uint32
	udp           bool
	suite         esp.Suite
	pair          *tun.Pair
	since         time.Time

	active   bool        // the peer knows that it exists
	replaced bool        // by a newer one
	woken    atomic.Bool // an inbound packet came
	expiry   *time.Timer // nil: it lives as long as its SA
	hard     time.Time   // the end of its life; zero: none
}

// replacedLives is how long a child that has a successor goes on receiving.
// One that the client still sends on lives on.
const (
	replacedLives  = 30 * time.Second
	replacedUnused = 10 * time.Second
)

var anyIPv4, anyIPv6 = netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)

// everything says whether a selector is for all addresses of a family.
func everything(p netip.Prefix) bool { return p == anyIPv4 || p == anyIPv6 }

// refusal is why a client gets no child, and what it is told.
type refusal struct {
	who    netip.AddrPort
	why    error
	notify *ike.NotifyError
}

func (r *refusal) Error() string { return fmt.Sprintf("refused to %v: %v", r.who, r.why) }
func (r *refusal) Unwrap() error { return r.notify }

// quick says what to take from a Quick Mode of the client's.
func (c *client) quick(ctx context.Context, sa *ike.SA, o ike.QuickOffer) (*ike.ChildConfig, error) {
	refuse := func(t isakmp.NotifyType, why error) (*ike.ChildConfig, error) {
		return nil, &refusal{sa.Path().Remote, why, &ike.NotifyError{Type: t}}
	}
	if err := c.mayQuick(ctx, sa, o); err != nil {
		return refuse(isakmp.NotifyAuthenticationFailed, err)
	}
	if err := c.reachable(sa); err != nil {
		return refuse(isakmp.NotifyNoProposalChosen, err)
	}
	local, remote, err := c.selectors(o)
	if err != nil {
		return refuse(isakmp.NotifyInvalidIDInformation, err)
	}
	var made *child
	return &ike.ChildConfig{
		Proposals: c.group.Transform, Group: c.group.PFS, Lifetime: c.group.Lifetime, LifeOctets: c.group.Octets,
		Local: local, Remote: remote, Ride: c.ride(sa),
		Install: func(k *ike.Child) (err error) {
			made, err = c.install(k)
			k.Forget()
			return err
		},
		Settled: func(_ *ike.Child, err error) {
			made.settle(err)
			c.rode(err)
		},
	}, nil
}

// reachable says whether ESP has a way to the client.
func (c *client) reachable(sa *ike.SA) error {
	switch encapsulated := sa.Info().NAT.Encapsulate(); {
	case encapsulated && !sa.Path().Marker && !sa.Info().NAT.NonIKEMarker:
		return errors.New("the client wants ESP in UDP and stays on port 500, which no text of NAT traversal allows")
	case !encapsulated && c.g.nat == ike.NATForce:
		return errors.New("the client knows no NAT traversal, and no socket for IP protocol 50 is open")
	}
	return nil
}

// selectors are what a child is for: the client's address on the far side, on
// ours the group's networks or a part of them.
func (c *client) selectors(o ike.QuickOffer) (local, remote ike.Selector, err error) {
	local, remote = o.Local, o.Remote
	if o.NoIDs {
		// Between the two hosts there is nothing; the address assigned is meant.
		a, err := c.g.lease(c.session)
		if err != nil {
			return local, remote, err
		}
		return ike.Selector{Prefix: anyIPv4}, ike.Selector{Prefix: netip.PrefixFrom(a, a.BitLen())}, nil
	}
	if !remote.Prefix.IsSingleIP() {
		return local, remote, fmt.Errorf("the client asks for traffic of %v, not of one address", remote)
	}
	if err := c.g.claim(c.session, remote.Prefix.Addr()); err != nil {
		return local, remote, err
	}
	if len(c.group.Networks) == 0 || everything(local.Prefix) {
		return local, remote, nil
	}
	var inner []netip.Prefix
	for _, n := range c.group.Networks {
		if n.Overlaps(local.Prefix) {
			inner = append(inner, n)
		}
	}
	switch {
	case len(inner) == 0:
		return local, remote, fmt.Errorf("group %s has no network %v", c.group.Name, local)
	case inner[0].Bits() <= local.Prefix.Bits():
		return local, remote, nil
	case len(inner) > 1:
		return local, remote, fmt.Errorf("%v holds several networks of group %s, and one is all that can be answered", local, c.group.Name)
	}
	local.Prefix = inner[0]
	return local, remote, nil
}

// behind are the selectors of our side: where the client may send to. Everything
// means everything that the group may reach.
func (c *client) behind(local ike.Selector) []tun.Selector {
	if !everything(local.Prefix) || len(c.group.Networks) == 0 {
		return []tun.Selector{tun.Selector(local)}
	}
	var all []tun.Selector
	for _, n := range c.group.Networks {
		if n.Addr().Is4() == local.Prefix.Addr().Is4() {
			all = append(all, tun.Selector{Prefix: n, Protocol: local.Protocol, Port: local.Port})
		}
	}
	return all
}

// install makes a child receive. It takes over the sending from others in settle.
func (c *client) install(k *ike.Child) (*child, error) {
	suite, err := suite(k.Proposal)
	if err != nil {
		return nil, err
	}
	in, err := esp.NewInbound(suite, k.InboundSPI, k.Inbound.Encryption, k.Inbound.Integrity)
	if err != nil {
		return nil, err
	}
	out, err := esp.NewOutbound(suite, k.OutboundSPI, k.Outbound.Encryption, k.Outbound.Integrity)
	if err != nil {
		return nil, err
	}
	ch := &child{
		session: c.session, local: k.Local, remote: k.Remote,
		inbound: k.InboundSPI, outbound: k.OutboundSPI, udp: k.Encapsulated, suite: suite, since: time.Now(),
	}
	ch.client.Store(c)
	ch.pair = &tun.Pair{
		In: in, Out: out, Local: c.behind(k.Local), Remote: []tun.Selector{tun.Selector(k.Remote)},
		Send: ch.send, Seen: ch.seen,
	}
	g := c.g
	g.mu.Lock()
	defer g.mu.Unlock()
	add := g.tunnel.AddInbound
	if !c.session.sends(ch) {
		// The answer to the client's first packet may overtake message 3, and there
		// is no other child for it.
		add = g.tunnel.Add
	}
	if err := add(ch.pair); err != nil {
		return nil, err
	}
	c.session.children[ch.inbound] = ch
	if k.Lifetime > 0 {
		ch.hard = ch.since.Add(k.Lifetime)
		ch.expire(k.Lifetime, "its life time is over")
	}
	return ch, nil
}

// same says whether two children are for the same traffic.
func (ch *child) same(other *child) bool {
	return ch.local == other.local && ch.remote == other.remote
}

// sends says whether a child for the same traffic is in use. g.mu is held.
func (s *session) sends(ch *child) bool {
	for _, other := range s.children {
		if other.active && other.same(ch) {
			return true
		}
	}
	return false
}

// send is for the tunnel's pump.
func (ch *child) send(packets [][]byte) error {
	return ch.session.g.sendESP(packets, ch.client.Load().sa.Path(), ch.udp)
}

// seen is for the carrier's pump: the peer is where its newest packet came from.
func (ch *child) seen(from tun.Path) {
	c := ch.client.Load()
	if ch.udp {
		c.sa.Follow(from.Remote)
	}
	if !ch.woken.Load() {
		// Who sends has our message 2; its message 3 may be lost.
		ch.woken.Store(c.later(func() { ch.settle(nil) }))
	}
}

// settle makes a child the one that sends, or forgets it when its Quick Mode
// failed. What it succeeds goes on receiving for a while.
func (ch *child) settle(err error) {
	s, g := ch.session, ch.session.g
	g.mu.Lock()
	defer g.mu.Unlock()
	if ch.active || s.children[ch.inbound] != ch {
		return
	}
	if err != nil {
		if !ch.woken.Load() {
			ch.drop()
		}
		return
	}
	if !s.hadChild {
		g.account(s)
		mine := ch.client.Load()
		mine.havoc.begin(mine, ch)
	}
	ch.active, s.hadChild = true, true
	g.tunnel.Activate(ch.inbound)
	g.log.Info("child", "user", s.user, "group", s.group.Name, "local", ch.local, "remote", ch.remote, "suite", ch.suite, "udp", ch.udp)
	mine := ch.client.Load()
	for _, old := range s.children {
		// Those for other traffic live on under the newer SA.
		if old != ch && old.active && !old.replaced && old.same(ch) {
			old.replaced = true
			old.expire(replacedLives, "it was replaced")
		}
	}
	for _, c := range s.clients {
		if c == mine {
			break
		}
		c.retire(mine)
	}
}

// retire ends a client whose user has a child under a newer SA: at once if the
// newer one comes from elsewhere, else when nothing is on its way any more.
func (c *client) retire(newer *client) {
	if c.sa.Path().Remote.Addr() != newer.sa.Path().Remote.Addr() {
		c.end(errReplaced)
		return
	}
	time.AfterFunc(replacedLives, func() { c.end(errReplaced) })
}

// expire sets when the child ends. g.mu is held.
func (ch *child) expire(after time.Duration, why string) {
	if ch.expiry != nil {
		ch.expiry.Stop()
	}
	ch.expiry = time.AfterFunc(after, func() { ch.end(why) })
}

// end tells the peer that the child is gone, and drops it. The peer may have put
// it under its newest SA, as strongSwan does, and not look for it elsewhere.
func (ch *child) end(why string) {
	s, g := ch.session, ch.session.g
	g.mu.Lock()
	found := s.children[ch.inbound] == ch && len(s.clients) > 0
	if found && ch.replaced && time.Since(ch.pair.LastInbound()) < replacedUnused && (ch.hard.IsZero() || time.Now().Before(ch.hard)) {
		// Where both ends renewed at once, the client may send on the one that isn't our newest.
		ch.expire(replacedUnused, why)
		g.mu.Unlock()
		return
	}
	var newest *client
	if found {
		newest = s.clients[len(s.clients)-1]
		ch.drop()
	}
	g.mu.Unlock()
	if found {
		g.log.Info("child over", "user", s.user, "reason", why)
		_ = newest.sa.DeleteChild(ch.inbound)
	}
}

// drop forgets the child. g.mu is held.
func (ch *child) drop() {
	s := ch.session
	delete(s.children, ch.inbound)
	if ch.expiry != nil {
		ch.expiry.Stop()
	}
	s.g.tunnel.Remove(ch.inbound)
	t := ch.traffic()
	s.former.in, s.former.out = s.former.in+t.in, s.former.out+t.out
	s.last = time.Now()
}

// traffic is how much the child has carried.
func (ch *child) traffic() traffic {
	t := ch.pair.Stats()
	return traffic{t.In.Octets, t.Out.Octets}
}

// removeSPIs drops children that the peer deleted: it names its own inbound SPIs,
// and some name both.
func (s *session) removeSPIs(spis []uint32) {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	for _, ch := range s.children {
		if slices.Contains(spis, ch.outbound) || slices.Contains(spis, ch.inbound) {
			ch.drop()
		}
	}
}

// spisOf are the ESP SPIs of a Delete.
func spisOf(d isakmp.Delete) []uint32 {
	var spis []uint32
	for _, b := range d.SPIs {
		if len(b) == 4 {
			spis = append(spis, binary.BigEndian.Uint32(b))
		}
	}
	return spis
}
