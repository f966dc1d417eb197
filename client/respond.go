package client

import (
	"context"
	"errors"
	"fmt"

	"postern/client/profile"
	"postern/ike"
	"postern/ike/isakmp"
)

// What the gateway begins: phase 1s and Quick Modes.

// answerGateway answers phase 1s that the gateway begins, one at a time.
func (s *session) answerGateway() {
	for {
		w, err := s.router.Next(s.ctx)
		if err != nil {
			return
		}
		if w.Remote().Addr() != s.current().sa.Path().Remote.Addr() {
			w.Close()
			continue
		}
		if err := s.answer(w); err != nil {
			s.log.Info("the gateway's phase 1 failed", "error", err)
		}
	}
}

// answer makes a phase 1 that the gateway begins, by the same method and with the
// same identities as ours. In Aggressive Mode, who plays the gateway learns what a
// guess at the key can be tested with, as it does of any responder; it is allowed
// where the profile's mode is that.
func (s *session) answer(w *ike.Wire) error {
	defer s.begin()()
	now := s.current().sa.Info()
	p := newPhase1()
	cfg, err := s.ikeConfig(s.ctx, p, purpose{again: true, ask: s.client.ask})
	if err != nil {
		w.Close()
		return err
	}
	cfg.Prelude = nil // which is the initiator's
	cfg.Modes, cfg.Methods = []ike.Mode{cfg.Mode}, []isakmp.AuthMethod{mirrored(now.Method, now.Initiator)}
	cfg.Groups = func(ike.Hello) []ike.Group { return []ike.Group{{Secret: s.profile.Secret}} }
	cfg.PeerIdentity = func(id isakmp.ID) error {
		if id.Type != now.Peer.Type || string(id.Data) != string(now.Peer.Data) {
			return fmt.Errorf("%v where it was %v", id, now.Peer)
		}
		return nil
	}
	if p.sa, err = ike.Accept(s.ctx, w, cfg); err != nil {
		p.close()
		return err
	}
	s.client.rekeying(true)
	defer s.client.rekeying(false)
	err = s.met(p)
	if err == nil && p.sa.Info().XAuth && s.profile.XAuth != profile.XAuthOff {
		err = s.authenticate(s.ctx, p)
	}
	if err != nil {
		p.close()
		return err
	}
	return s.take(p)
}

// mirrored is the method of ours for a phase 1 that the other end begins: those of
// XAuth say which end is asked for a user.
func mirrored(m isakmp.AuthMethod, initiator bool) isakmp.AuthMethod {
	switch {
	case !initiator:
		return m
	case m >= isakmp.AuthXAuthInitPSK && m <= isakmp.AuthXAuthRespRSARevisedEncryption,
		m >= isakmp.AuthHybridInitRSA && m <= isakmp.AuthHybridRespDSS:
		return m + 1
	}
	return m
}

// quickOffered answers a Quick Mode that the gateway begins: it renews a child of
// a flow that we have. What it proposes for may be wider than that, and is
// confirmed so, but no more than the flow's traffic is let in.
func (s *session) quickOffered(_ context.Context, sa *ike.SA, o ike.QuickOffer) (*ike.ChildConfig, error) {
	p := s.holder(sa)
	if p == nil {
		return nil, errors.New("a Quick Mode before phase 1 is over here")
	}
	f, ok := s.renews(p, o)
	if !ok {
		return nil, &ike.NotifyError{Type: isakmp.NotifyInvalidIDInformation}
	}
	ps, err := espProposals(s.profile)
	if err != nil {
		return nil, err
	}
	var made *child
	return &ike.ChildConfig{
		Proposals: ps, Group: f.group, Lifetime: s.profile.Lifetime.ESP, Local: o.Local, Remote: o.Remote,
		Install: func(c *ike.Child) (err error) {
			if p.agreed {
				c.Local = f.local
			}
			made, err = s.install(p, c, f.remote)
			if err == nil {
				s.mu.Lock()
				c.Local, c.Remote = f.local, f.remote
				s.mu.Unlock()
			}
			return err
		},
		Settled: func(_ *ike.Child, err error) {
			if err != nil {
				s.remove(made)
				return
			}
			s.settle(made)
			s.activate(made)
		},
	}, nil
}

// renews finds the flow that a gateway's offer is about.
func (s *session) renews(p *phase1, o ike.QuickOffer) (flow, bool) {
	a := s.assigned.Load()
	if a == nil || o.NoIDs != p.agreed {
		return flow{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.flows {
		if p.agreed || o.Remote.Prefix.Overlaps(f.remote.Prefix) && o.Local.Prefix.Contains(f.local.Prefix.Addr()) {
			return f, true
		}
	}
	return flow{}, false
}
