package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"postern/ike"
)

// Children are renewed make before break: the new one receives before the gateway
// knows of it, sends when the gateway is known to receive, and the old one
// receives until its life is over or the gateway deletes it. Where both ends
// begin at once there are two new ones: each end sends on the newest that it
// knows, both receive on both.
const (
	rekeyPause = 10 * time.Second // before a renewal that failed is tried again
	ready      = 5 * time.Second  // after which a gateway receives on a new child. strongSwan repeats what we didn't answer after 4 s
	stray      = 2 * time.Second  // how long packets of the gateway's may be on their way
	unused     = 10 * time.Second // without a packet an old child isn't used by the gateway any more
	spares     = 2                // renewed children of one flow that are kept all the same
)

// exhaustion is after how many packets a child is renewed: of 2^32 sequence
// numbers none comes twice (RFC 4303, section 2.2).
const exhaustion = 3 << 30

// activateWhenReady sends on a renewed child once the gateway has, or has had the
// time to receive.
func (s *session) activateWhenReady(c *child) {
	t := time.NewTimer(ready)
	defer t.Stop()
	select {
	case <-c.woken:
	case <-t.C:
	case <-c.gone:
		return
	case <-s.ctx.Done():
		return
	}
	if !s.isRenewed(c) { // by one that the gateway made meanwhile
		s.activate(c)
	}
}

// keep renews a child in time, and drops it when its life is over.
func (s *session) keep(c *child) {
	tried := false
	for next := c.rekey; s.waitDue(c, next); next = time.Now().Add(rekeyPause) {
		// Woken late, after a sleep of the machine, one try is worth it all the same.
		if s.isRenewed(c) || tried && s.expired(c) {
			break
		}
		tried = true
		made, err := s.remakeOf(c)
		if err == nil {
			s.log.Info("ESP renewed", "old", spiName(c.InboundSPI), "new", spiName(made.InboundSPI))
			break
		}
		s.log.Warn("ESP not renewed yet", "spi", spiName(c.InboundSPI), "error", err)
		if s.current().sa.Err() != nil {
			s.want()
		}
	}
	if !s.waitOver(c) {
		return
	}
	if s.remove(c) {
		_ = s.current().sa.DeleteChild(c.InboundSPI)
	}
	s.bereaved(errors.New("the last ESP SA expired and the gateway made no new one"))
}

// remakeOf makes another child for the same traffic, until the one that there is has
// carried all that it may.
func (s *session) remakeOf(c *child) (*child, error) {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	s.tasks.Go(func() {
		select {
		case <-c.spent:
			cancel()
		case <-ctx.Done():
		}
	})
	return s.makeChild(ctx, []ike.ESPProposal{c.Proposal}, c.Local, c.Remote)
}

// waitDue waits until it is time to renew a child; false: it needn't be any more.
func (s *session) waitDue(c *child, at time.Time) bool {
	var timer <-chan time.Time
	if !c.rekey.IsZero() {
		t := time.NewTimer(time.Until(at))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-timer:
		return true
	case <-c.due:
		return true
	case <-c.spent:
		return true
	case <-c.gone:
		return false
	case <-s.ctx.Done():
		return false
	}
}

// waitOver waits for the end of a child's life; false: it has ended otherwise.
func (s *session) waitOver(c *child) bool {
	var timer <-chan time.Time
	if !c.expires.IsZero() {
		t := time.NewTimer(time.Until(c.expires))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-timer:
		return true
	case <-c.spent:
		return true
	case <-c.gone:
		return false
	case <-s.ctx.Done():
		return false
	}
}

func (s *session) expired(c *child) bool {
	select {
	case <-c.spent:
		return true
	default:
	}
	return !c.expires.IsZero() && !time.Now().Round(0).Before(c.expires)
}

// renewNow makes keep renew a child at once.
func (c *child) renewNow() {
	select {
	case c.due <- struct{}{}:
	default:
	}
}

// spend has children renewed that have carried too much, or that the machine slept
// over, and drops old ones that nobody uses.
func (s *session) spend() {
	now := time.Now().Round(0)
	var drop []*child
	s.mu.Lock()
	renewed := make(map[flow]int)
	for i := len(s.children) - 1; i >= 0; i-- {
		c := s.children[i]
		s.exhaust(c, now)
		if c.renewed {
			f := c.flow()
			f.group = 0
			renewed[f]++
			if renewed[f] > spares && time.Since(latest(c.since, c.pair.LastInbound())) > unused {
				drop = append(drop, c)
			}
			continue
		}
		n := c.pair.Stats()
		octets, packets := max(n.In.Octets, n.Out.Octets), max(n.In.Packets, n.Out.Packets)
		if c.used > 0 && octets >= c.used || packets >= exhaustion || !c.expires.IsZero() && now.After(c.expires) {
			if time.Since(c.asked) > rekeyPause {
				c.asked = now
				c.renewNow()
			}
		}
	}
	s.mu.Unlock()
	for _, c := range drop {
		if s.remove(c) {
			_ = s.current().sa.DeleteChild(c.InboundSPI)
		}
	}
}

// exhaust ends a child that has carried what both ends allow it, once its renewal has
// had the time to succeed. s.mu is held.
func (s *session) exhaust(c *child, now time.Time) {
	n := c.pair.Stats()
	switch {
	case c.LifeOctets == 0 || max(n.In.Octets, n.Out.Octets) < c.LifeOctets:
	case c.asked.IsZero() && c.renewed:
		c.asked = now
	case !c.asked.IsZero() && now.Sub(c.asked) > rekeyPause:
		c.all.Do(func() { close(c.spent) })
	}
}

func (s *session) isRenewed(c *child) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.renewed
}

// replaceDeleted drops a child that the gateway deleted, and makes another at once
// where that leaves its traffic without one. What the gateway sent before is still
// received.
func (s *session) replaceDeleted(c *child) {
	s.mu.Lock()
	first := !c.renewed
	c.renewed = true
	s.mu.Unlock()
	if first {
		s.log.Info("ESP deleted by the gateway", "spi", spiName(c.InboundSPI))
		if !s.sleep(s.brake(c)) {
			return
		}
		if err := s.remake(); err != nil {
			s.remove(c)
			s.bereaved(fmt.Errorf("the gateway deleted the last ESP SA: %w", err))
			return
		}
	}
	s.succeed(c)
	s.sleep(stray)
	s.remove(c)
}

// brake is how long to wait before another child takes the place of one that the
// gateway deleted: not at all, unless it deletes one after the other.
func (s *session) brake(c *child) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(c.since) > unused {
		s.shortLived = 0
		return 0
	}
	s.shortLived = min(s.shortLived+1, 7)
	return time.Second << (s.shortLived - 1) / 2
}

// succeed stops sending on a child; what is newer does.
func (s *session) succeed(c *child) {
	f := c.flow()
	s.mu.Lock()
	var newest *child
	for _, o := range s.children {
		if !o.renewed && o.flow().same(f) {
			newest = o
		}
	}
	s.mu.Unlock()
	if newest != nil && newest != c {
		s.activate(newest)
	}
	s.inside.tunnel.Retire(c.InboundSPI)
}

// remake makes children for the flows that have none.
func (s *session) remake() error {
	ps, err := espProposals(s.profile)
	if err != nil {
		return err
	}
	s.mu.Lock()
	var lack []flow
	for _, f := range s.flows {
		has := false
		for _, c := range s.children {
			has = has || !c.renewed && c.flow().same(f)
		}
		if !has {
			lack = append(lack, f)
		}
	}
	s.mu.Unlock()
	var failed error
	for _, f := range lack {
		if _, err := s.makeChild(s.ctx, ps, f.local, f.remote); err != nil {
			failed = err
		}
	}
	if len(s.living()) == 0 {
		return failed
	}
	return nil
}

// bereaved ends the connection when no child is left and no phase 1 comes that
// could make another.
func (s *session) bereaved(err error) {
	s.mu.Lock()
	waiting := s.underway > 0
	s.mu.Unlock()
	if len(s.living()) == 0 && !waiting {
		s.fail(err)
	}
}

// sleep waits; false: the session has ended.
func (s *session) sleep(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-s.ctx.Done():
		return false
	}
}
