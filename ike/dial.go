package ike

import (
	"context"
	"errors"
	"fmt"

	"postern/ike/isakmp"
)

// Dial makes an SA with the gateway at to, whose Local must be set for NAT
// detection. Where the answers stop coming late enough that an early one may
// have been forged, it begins once more with a new cookie. Errors: TimeoutError,
// ErrAuthentication, ErrIdentity.
func Dial(ctx context.Context, r *Router, to Path, cfg Config) (*SA, error) {
	if err := cfg.checkOffer(); err != nil {
		return nil, err
	}
	for again := false; ; again = true {
		sa, err := dialOnce(ctx, r, to, &cfg)
		var late *TimeoutError
		if err == nil || again || ctx.Err() != nil || !errors.As(err, &late) || late.Message < 3 {
			return sa, err
		}
	}
}

// checkOffer refuses to offer what couldn't be kept.
func (c *Config) checkOffer() error {
	if len(c.Proposals) == 0 {
		return errors.New("no phase 1 proposal to offer")
	}
	if n := len(c.Proposals) * len(c.methods()); n > isakmp.MaxTransforms {
		return fmt.Errorf("%d phase 1 proposals, where a peer reads %d", n, isakmp.MaxTransforms)
	}
	for _, m := range c.methods() {
		if err := c.can(m, true); err != nil {
			return err
		}
	}
	if err := c.checkSealed(); err != nil {
		return err
	}
	for _, p := range c.Proposals {
		if err := p.supported(); err != nil {
			return err
		}
		if c.Mode == Aggressive && p.Group != c.Proposals[0].Group {
			return errors.New("aggressive mode can offer one group only")
		}
	}
	return nil
}

// checkSealed refuses offers of Aggressive Mode whose first message couldn't be
// made: the methods of RSA encryption have messages of their own, and the revised
// one encrypts with what is still to be agreed on.
func (c *Config) checkSealed() error {
	first := c.methods()[0]
	for _, m := range c.methods() {
		if c.Mode == Aggressive && family(m) != family(first) && (encrypts(m) || encrypts(first)) {
			return fmt.Errorf("aggressive mode can't offer %v together with %v", m, first)
		}
	}
	for _, p := range c.Proposals {
		o := c.Proposals[0]
		if c.Mode == Aggressive && family(first) == isakmp.AuthRSARevisedEncryption &&
			(p.Cipher != o.Cipher || p.normal().KeyBits != o.normal().KeyBits || p.Hash != o.Hash) {
			return fmt.Errorf("aggressive mode with %v can offer one cipher and hash only", first)
		}
	}
	return nil
}

func dialOnce(ctx context.Context, r *Router, to Path, cfg *Config) (*SA, error) {
	w := r.dial()
	p := newPhase1(w, to, cfg, cfg.Mode, true)
	defer p.forget()
	p.link.ckyI = w.own
	run := p.mainInitiator
	if cfg.Mode == Aggressive {
		run = p.aggressiveInitiator
	}
	k, err := run(ctx)
	if err != nil {
		w.Close()
		return nil, err
	}
	return newSA(p, k), nil
}

// Accept answers the peer whose first message is in w, and makes an SA of it.
func Accept(ctx context.Context, w *Wire, cfg Config) (*SA, error) {
	sa, err := accept(ctx, w, &cfg)
	if err != nil {
		w.Close()
	}
	return sa, err
}

func accept(ctx context.Context, w *Wire, cfg *Config) (*SA, error) {
	if len(cfg.possible(false)) == 0 {
		return nil, cfg.can(cfg.methods()[0], false)
	}
	var d Datagram
	select {
	case d = <-w.inbox:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	h, err := isakmp.ParseHeader(d.Octets)
	if err != nil {
		return nil, err
	}
	mode := Main
	if h.Exchange == isakmp.ExchangeAggressive {
		mode = Aggressive
	}
	if !cfg.allows(mode) {
		return nil, fmt.Errorf("%v isn't allowed here", mode)
	}
	p := newPhase1(w, d.From, cfg, mode, false)
	defer p.forget()
	p.link.ckyI = h.InitiatorCookie
	run := p.mainResponder
	if mode == Aggressive {
		run = p.aggressiveResponder
	}
	k, err := run(ctx, d)
	if err != nil {
		if errors.Is(err, ErrIdentity) {
			p.refuse(isakmp.NotifyAuthenticationFailed)
		}
		return nil, err
	}
	return newSA(p, k), nil
}

func (c *Config) allows(m Mode) bool {
	if len(c.Modes) == 0 {
		return true
	}
	for _, allowed := range c.Modes {
		if m == allowed {
			return true
		}
	}
	return false
}
