package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"postern/client/prompt"
	"postern/ike"
	"postern/ike/isakmp"
	"postern/xauth"
)

// Phase 1 is renewed beside the old one: its children carry the traffic all the
// while, and live on under the new one (RFC 2408, section 1.4, has no life of one
// depend on the other). Only when the new one works is the old one deleted.
//
// A gateway that ends phase 1 and keeps the children is left in peace: there is a
// new phase 1 when a child must be renewed or what we send stays unanswered.

const (
	renewFrom, renewTo = 0.65, 0.72       // of the shortest life known
	retryPause         = 10 * time.Second // after a renewal that failed; doubled each time
	retryLimit         = 5 * time.Minute
	oldLives           = 10 * time.Second // how long an old phase 1 is kept for what is on its way
	probeAfter         = 3 * time.Second  // of silence where only the gateway can go on it is asked if it lives
	parallelAfter      = 20 * time.Second // and another phase 1 tried, and so on:
	maxBeside          = 4                // so many. strongSwan forgets a login after 30 s
)

// life is the shortest life time known of a phase 1; 0: none.
func (p *phase1) life() time.Duration {
	life, later := p.sa.Info().Lifetime, time.Duration(p.shorter.Load())
	if life == 0 || later > 0 && later < life {
		return later
	}
	return life
}

// shorten takes a life time that the gateway names after phase 1.
func (s *session) shorten(sa *ike.SA, n isakmp.Notify) {
	life, _ := ike.ResponderLifetime(n)
	if p := s.holder(sa); p != nil && life > 0 {
		p.shorter.Store(int64(life))
		s.signal(s.adopted) // have lead look again
	}
}

// lead sees to it that there is a phase 1 for as long as one is needed.
func (s *session) lead() {
	pause := retryPause
	var next time.Time // of the next try after one that failed
	for p := s.current(); ; {
		var timer <-chan time.Time
		ended := p.sa.Done()
		if p.sa.Err() != nil {
			ended = nil // in peace
		} else if life := p.life(); life > 0 {
			due := p.sa.Info().Since.Add(time.Duration(p.part * float64(life)))
			timer = time.After(time.Until(latest(due, next)))
		}
		suspected := false
		select {
		case <-s.ctx.Done():
			return
		case <-s.adopted:
			if s.current() != p {
				p, pause, next = s.current(), retryPause, time.Time{}
			}
			continue
		case <-ended:
			if err := s.outlived(p.sa.Err()); err != nil {
				s.fail(err)
				return
			}
			continue
		case <-timer:
		case <-s.wanted:
			if time.Until(next) > 0 {
				continue
			}
			suspected = true
		}
		err := s.renew(p, suspected)
		if s.current() != p {
			p, pause, next = s.current(), retryPause, time.Time{}
			continue
		}
		s.log.Warn("phase 1 not renewed yet", "error", err)
		if s.hopeless(p, err) {
			s.fail(err)
			return
		}
		if errors.Is(err, prompt.ErrNotInteractive) {
			// Nobody is there to be asked, and gateways count what fails.
			pause = max(retryLimit, time.Until(p.sa.Info().Since.Add(p.life()))/3)
		}
		next = time.Now().Add(pause + time.Duration(rand.Float64()*0.2*float64(pause)))
		pause = min(2*pause, retryLimit)
	}
}

// outlived says whether the connection goes on without the phase 1 that ended so:
// nil, if it does.
func (s *session) outlived(err error) error {
	if len(s.living()) == 0 || errors.Is(err, ike.ErrDead) {
		return err
	}
	s.log.Info("phase 1 has ended, its children live on", "reason", err)
	return nil
}

// hopeless says whether a renewal that failed ends the connection: the gateway is
// dead, or has neither a phase 1 nor children with us any more.
func (s *session) hopeless(p *phase1, err error) bool {
	if s.ctx.Err() != nil || errors.As(err, &redirected{}) {
		return true
	}
	ended := p.sa.Err()
	return ended != nil && (errors.Is(ended, ike.ErrDead) || len(s.living()) == 0 || !s.heardLately())
}

// heardLately says whether ESP still comes from the gateway, or nothing is sent to
// it that it could answer.
func (s *session) heardLately() bool {
	alive := s.alive()
	return !s.lastSent().After(alive) || time.Since(alive) < unanswered
}

// suspect hears that a gateway may have forgotten a phase 1. Of one that isn't in use,
// or not yet, it says nothing.
func (s *session) suspect(sa *ike.SA) {
	if p := s.current(); p != nil && p.sa == sa {
		s.want()
	}
}

// want asks for another phase 1. Any goroutine may call it.
func (s *session) want() { s.signal(s.wanted) }

func (s *session) signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// renew makes a phase 1 that takes the place of the old one. suspected: the gateway
// may have forgotten the old one and all children.
func (s *session) renew(old *phase1, suspected bool) error {
	began := time.Now()
	s.client.rekeying(true)
	defer s.client.rekeying(false)
	defer s.begin()()
	// A phase 1 that the gateway begins meanwhile makes ours needless.
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	s.tasks.Go(func() {
		select {
		case <-s.adopted:
			s.signal(s.adopted)
			if s.current() != old {
				cancel()
			}
		case <-ctx.Done():
		}
	})
	p, err := s.establish(ctx)
	if err != nil {
		return err
	}
	if s.current() != old {
		p.close()
		return nil
	}
	// A gateway may have dropped the children with a phase 1 that has ended, without a word.
	ended := old.sa.Err() != nil && time.Since(s.alive()) > unanswered
	if ended || suspected && !latest(old.sa.Heard(), s.alive()).After(began) {
		defer s.renewAll()
	}
	return s.take(p)
}

// begin counts a phase 1 that is under way, which children may wait for.
func (s *session) begin() (end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.underway++
	return func() {
		s.mu.Lock()
		s.underway--
		s.mu.Unlock()
	}
}

// establish makes a phase 1 with the user logged in. Where the gateway falls
// silent at a step that only it can repeat, others are begun beside the first
// without asking anybody; whichever comes through first is it.
func (s *session) establish(ctx context.Context) (*phase1, error) {
	again := s.current() != nil
	p, err := s.negotiate(ctx, purpose{again: again, ask: s.client.ask})
	if err != nil || !p.sa.Info().XAuth {
		return p, err
	}
	if !again {
		s.client.progress(Authenticating)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type outcome struct {
		p   *phase1
		err error
	}
	outcomes := make(chan outcome, 1+maxBeside)
	logIn := func(p *phase1) {
		err := s.authenticate(ctx, p)
		if err != nil {
			p.close()
		}
		outcomes <- outcome{p, err}
	}
	go logIn(p)
	running, began := 1, time.Now()
	probed, beside := false, 0
	look := time.NewTicker(time.Second)
	defer look.Stop()
	var first error
	for running > 0 {
		select {
		case o := <-outcomes:
			running--
			if o.err == nil {
				cancel()
				for ; running > 0; running-- {
					if other := <-outcomes; other.err == nil {
						other.p.close()
					}
				}
				return o.p, nil
			}
			if first == nil || o.p == p {
				first = o.err
			}
			if !mayBetter(o.err) && o.p == p {
				cancel()
			}
		case <-look.C:
			silence := p.login.Silence(began)
			if silence > probeAfter && !probed {
				p.sa.Probe() // once: by it the gateway learns of another address or mapping of ours
			}
			probed = probed || silence > probeAfter
			if beside == maxBeside || silence < time.Duration(1+beside)*parallelAfter {
				continue
			}
			beside++
			running++
			s.log.Warn("the gateway is silent, another phase 1 is tried beside this one")
			if user, password := p.login.Answered(); password != nil {
				s.client.remember(user, password) // what was typed serves both
			}
			go func() {
				second, err := s.negotiate(ctx, purpose{again: again, ask: prompt.Nobody})
				if err != nil {
					outcomes <- outcome{nil, err}
					return
				}
				logIn(second)
			}()
		}
	}
	return nil, first
}

// take puts a phase 1 in the place of the present one, whose children it adopts.
func (s *session) take(p *phase1) error {
	s.taking.Lock()
	defer s.taking.Unlock()
	p.used.Store(true)
	old := s.phase1.Swap(p)
	s.show(p)
	s.adopt(p)
	s.signal(s.adopted)
	s.tasks.Go(func() { s.retire(old) })
	s.log.Info("phase 1 renewed")
	if p.agreed {
		return s.setUpVPN5000(s.ctx, p)
	}
	if err := s.configureAgain(p); err != nil {
		return err
	}
	return s.remake()
}

// adopt leads the children's packets along the way of the new phase 1. Those that
// are wrapped otherwise than it wants are made anew.
func (s *session) adopt(p *phase1) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.children {
		if c.Encapsulated == p.sa.Info().NAT.Encapsulate() {
			c.under.Store(p)
		} else {
			c.renewNow()
		}
	}
}

// renewAll has every living child renewed.
func (s *session) renewAll() {
	for _, c := range s.living() {
		c.renewNow()
	}
}

// retire deletes an old phase 1 after a while.
func (s *session) retire(old *phase1) {
	select {
	case <-time.After(oldLives):
	case <-old.sa.Done():
	case <-s.ctx.Done():
	}
	old.close()
}

// configureAgain asks for the configuration again, as some gateways want it; one
// that doesn't answer means that it stays as it was.
func (s *session) configureAgain(p *phase1) error {
	if s.profile.Address.IsValid() {
		return nil
	}
	before := s.assigned.Load()
	a, err := p.login.Pull(s.ctx, p.sa, s.request(before.Address.Addr()))
	if err != nil || !located(a) || a.Address == before.Address && a.Address6 == before.Address6 {
		return nil
	}
	return s.readdress(a)
}

// readdress moves to another inner address: children for it first, then the host.
func (s *session) readdress(a *xauth.Assigned) error {
	if s.client.options.Rootless != nil {
		return errors.New("the gateway assigns another address")
	}
	s.assign(a)
	s.mu.Lock()
	old := append([]*child(nil), s.children...)
	s.flows = nil
	s.mu.Unlock()
	if err := s.quick(s.ctx); err != nil {
		return err
	}
	if err := s.applyHost(s.ctx); err != nil {
		return stageError{stageHost, err}
	}
	for _, c := range old {
		if s.remove(c) {
			_ = s.current().sa.DeleteChild(c.InboundSPI)
		}
	}
	return nil
}

// enlist notes a phase 1, and forgets those that have ended.
func (s *session) enlist(p *phase1) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phases = append(slices.DeleteFunc(s.phases, func(o *phase1) bool { return o.sa.Err() != nil }), p)
}

// holder is the phase 1 of an SA; nil: it isn't known yet.
func (s *session) holder(sa *ike.SA) *phase1 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.phases {
		if p.sa == sa {
			return p
		}
	}
	return nil
}
