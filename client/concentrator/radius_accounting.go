package concentrator

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"postern/client/concentrator/radius"
	"postern/ike"
)

// Chosen here.
const (
	leastInterim  = time.Minute      // "the value … MUST NOT be smaller than 60" (RFC 2869, section 5.16)
	recordTries   = 30 * time.Second // how long a server is told the same record
	recordsLinger = 3 * time.Second  // how long when the gateway stops
)

// account tells RADIUS about a session from its first child on. g.mu is held.
func (g *Gateway) account(s *session) {
	if g.radius == nil || !g.cfg.RADIUS.Accounting {
		return
	}
	ended := make(chan radius.Record, 1)
	s.ended = ended
	every := g.cfg.RADIUS.Interim
	if every == 0 && s.accept.Interim > 0 {
		every = max(s.accept.Interim, leastInterim)
	}
	id, start := rand.Text(), s.record(radius.Start)
	g.clients.Go(func() { g.accountant(s, ended, id, start, every) })
}

// accountant tells of the start, of the state now and then, and of the end.
func (g *Gateway) accountant(s *session, ended <-chan radius.Record, id string, start radius.Record, every time.Duration) {
	send := func(r radius.Record) {
		r.ID = id
		g.send(r)
	}
	send(start)
	var interim <-chan time.Time
	if every > 0 {
		t := time.NewTicker(every)
		defer t.Stop()
		interim = t.C
	}
	for {
		select {
		case last := <-ended:
			send(last)
			return
		case <-interim:
			g.mu.Lock()
			now := s.record(radius.Interim)
			g.mu.Unlock()
			send(now)
		}
	}
}

// send tells one record. A gateway that stops doesn't wait long for a silent server.
func (g *Gateway) send(r radius.Record) {
	ctx, cancel := context.WithTimeout(g.records, recordTries)
	defer cancel()
	if err := g.radius.Account(ctx, r); err != nil {
		g.log.Warn("accounting record lost", "status", r.Kind, "user", r.User, "error", err)
	}
}

// record is what accounting says now. g.mu is held.
func (s *session) record(kind radius.Kind) radius.Record {
	now := s.snapshot()
	return radius.Record{
		Kind: kind, User: s.user, Peer: now.Peer.Addr(), Address: s.address, Class: s.accept.Class,
		Local:    s.group.authentication(s.g.cfg) == AuthLocal,
		Duration: time.Since(s.since), In: now.In, Out: now.Out,
	}
}

// accounted ends the session's accounting. g.mu is held, and the last client still
// part of the session.
func (s *session) accounted(why error) {
	if s.ended == nil {
		return
	}
	last := s.record(radius.Stop)
	last.Cause = cause(why)
	s.ended <- last
	s.ended = nil
}

// cause is why a session ended. RFC 2866, section 5.10
func cause(why error) radius.Cause {
	switch {
	case errors.Is(why, errIdle):
		return radius.IdleTimeout
	case errors.Is(why, errLimit):
		return radius.SessionTimeout
	case errors.Is(why, ike.ErrDeleted):
		return radius.UserRequest
	case errors.Is(why, ike.ErrDead):
		return radius.LostCarrier
	}
	return radius.NASRequest
}
