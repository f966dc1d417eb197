package concentrator

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"postern/client/concentrator/radius"
)

// session is a user's connection: an inner address and the children that lead to
// it, under one phase 1 SA, or two while a client makes a new one before it gives
// up the old. Gateway.mu guards what may change.
type session struct {
	g     *Gateway
	key   string // in Gateway.sessions
	user  string // empty: nobody named one
	group *Group
	since time.Time

	clients  []*client // oldest first; none: the session is over
	address  netip.Addr
	children map[uint32]*child // by inbound SPI
	former   traffic           // of children that are gone
	last     time.Time         // when the last of those was in use
	hadChild bool
	accept   radius.Accept      // what RADIUS said of the user last
	ended    chan radius.Record // nil: the session isn't accounted for
}

// traffic counts inner octets.
type traffic struct{ in, out uint64 }

// Session is a snapshot of a user's connection.
type Session struct {
	User     string // empty where nothing names one
	Group    string
	Peer     netip.AddrPort // outside
	Address  netip.Addr     // inside
	Address6 netip.Addr     // likewise; invalid: none
	Mode     string         // "main mode", "aggressive mode"
	IKE      string         // "aes256-sha256-modp2048"
	ESP      string         // of the newest child: "aes256-sha256"; empty before the first
	UDP      bool           // ESP goes in UDP
	Since    time.Time
	In, Out  uint64 // inner packets' octets, from and to the client
	Children int
}

// join makes the client part of its user's session, or begins one. Where nothing
// names a user, who calls itself the same from the same address is the same; behind
// a NAT there may be several such, told apart by the port.
func (g *Gateway) join(c *client, user string) {
	key := "user " + user
	if info, remote := c.sa.Info(), c.sa.Path().Remote; user == "" {
		key = fmt.Sprintf("%s %v %v", c.group.Name, info.Peer, remote.Addr())
		if info.NAT.Peer {
			key = fmt.Sprintf("%s %v %v", c.group.Name, info.Peer, remote)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.sessions[key]
	if s != nil && s.group != c.group {
		// Its address belongs to the other group.
		for _, old := range s.clients {
			old.end(errReplaced)
		}
		s = nil
	}
	if s == nil {
		now := time.Now()
		s = &session{g: g, key: key, user: user, group: c.group, since: now, last: now, children: make(map[uint32]*child)}
		g.sessions[key] = s
	}
	s.accept = c.accept
	s.clients = append(s.clients, c)
	c.session = s
}

// supersede ends the older connections of the client's session, for its peer has
// forgotten them.
func (g *Gateway) supersede(c *client) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, old := range c.session.clients {
		if old == c {
			return
		}
		old.end(errReplaced)
		for _, ch := range c.session.children {
			if ch.client.Load() == old {
				ch.drop()
			}
		}
	}
}

// leave takes an ended client out of its session. Its children go with it, unless
// the user has another SA: they live on under that (RFC 2408, section 1.4, has no
// life of one depend on the other).
func (g *Gateway) leave(c *client) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := c.session
	if len(s.clients) == 1 {
		s.accounted(c.why)
	}
	s.clients = slices.DeleteFunc(s.clients, func(o *client) bool { return o == c })
	for _, ch := range s.children {
		switch {
		case len(s.clients) == 0, ch.client.Load() == c && ch.replaced:
			ch.drop()
		case ch.client.Load() == c:
			ch.client.Store(s.clients[len(s.clients)-1])
		}
	}
	if len(s.clients) > 0 {
		return
	}
	if s.address.IsValid() {
		g.leases.give(s.address)
	}
	if g.sessions[s.key] == s {
		delete(g.sessions, s.key)
	}
	g.log.Info("session over", "user", s.user, "group", s.group.Name, "address", s.address, "in", s.former.in, "out", s.former.out)
}

// lease is the session's inner address: the user's own, or one of the pool.
func (g *Gateway) lease(s *session) (netip.Addr, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.address.IsValid() {
		return s.address, nil
	}
	var err error
	a := g.static(s)
	if a.IsValid() {
		err = g.leases.take(a)
	} else {
		a, err = g.leases.fromPool(s.group)
	}
	if err != nil {
		g.log.Warn("no inner address", "user", s.user, "group", s.group.Name, "error", err)
		return netip.Addr{}, fmt.Errorf("no inner address: %w", err)
	}
	s.address = a
	return a, nil
}

// static is the user's own address, if there is one: of RADIUS, or of the list.
func (g *Gateway) static(s *session) netip.Addr {
	if s.accept.Address.IsValid() {
		return s.accept.Address
	}
	if u := g.cfg.Users[s.user]; u != nil {
		return u.Address
	}
	return netip.Addr{}
}

// claim is lease for a client that was told no address and uses one of its own
// choice: its user's, or any free one of the pool.
func (g *Gateway) claim(s *session, a netip.Addr) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if a.Is6() {
		if own := s.group.beside(s.address); own != a {
			return fmt.Errorf("%v isn't the client's inner address of IPv6", a)
		}
		return nil
	}
	if s.address.IsValid() {
		if s.address != a {
			return fmt.Errorf("%v isn't the client's inner address, which is %v", a, s.address)
		}
		return nil
	}
	static := g.static(s)
	switch {
	case static.IsValid() && static != a:
		return fmt.Errorf("%v isn't the user's inner address", a)
	case !static.IsValid() && (!s.group.inPool(a) || g.leases.reserved[a]):
		return fmt.Errorf("%v is no address of group %s", a, s.group.Name)
	}
	if err := g.leases.take(a); err != nil {
		return err
	}
	s.address = a
	return nil
}

// farewell tells the peer of each child that goes with the client.
func (g *Gateway) farewell(c *client) {
	var spis []uint32
	g.mu.Lock()
	if len(c.session.clients) == 1 {
		spis = slices.Collect(maps.Keys(c.session.children))
	}
	g.mu.Unlock()
	for _, spi := range spis {
		_ = c.sa.DeleteChild(spi)
	}
}

// settled says whether there ever was a child.
func (s *session) settled() bool {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	return s.hadChild
}

// lastInbound is when the client's traffic last came.
func (s *session) lastInbound() (last time.Time) {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	for _, ch := range s.children {
		if t := ch.pair.LastInbound(); t.After(last) {
			last = t
		}
	}
	return last
}

// idle is how long there was no traffic.
func (s *session) idle() time.Duration {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	last := s.last
	for _, ch := range s.children {
		for _, t := range []time.Time{ch.since, ch.pair.LastInbound(), ch.pair.LastOutbound()} {
			if t.After(last) {
				last = t
			}
		}
	}
	return time.Since(last)
}

// Sessions tells who is connected, oldest first.
func (g *Gateway) Sessions() []Session {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []Session
	for _, s := range g.sessions {
		all = append(all, s.snapshot())
	}
	slices.SortFunc(all, func(a, b Session) int {
		if d := a.Since.Compare(b.Since); d != 0 {
			return d
		}
		return strings.Compare(a.User, b.User)
	})
	return all
}

// snapshot is called with g.mu held.
func (s *session) snapshot() Session {
	v := Session{
		User: s.user, Group: s.group.Name, Address: s.address, Address6: s.group.beside(s.address), Since: s.since,
		In: s.former.in, Out: s.former.out, Children: len(s.children),
	}
	if n := len(s.clients); n > 0 {
		sa := s.clients[n-1].sa
		info := sa.Info()
		v.Peer, v.Mode, v.IKE, v.UDP = sa.Path().Remote, info.Mode.String(), info.Proposal.String(), info.NAT.Encapsulate()
	}
	var newest *child
	for ch := range maps.Values(s.children) {
		t := ch.traffic()
		v.In, v.Out = v.In+t.in, v.Out+t.out
		if newest == nil || ch.since.After(newest.since) {
			newest = ch
		}
	}
	if newest != nil {
		v.ESP = newest.suite.String()
	}
	return v
}
