package diagnosis

import (
	"context"
	"errors"
	"slices"

	"postern/client/localapi"
	"postern/ike"
	"postern/ike/isakmp"
)

// meet finds out which port answers, with the likeliest proposals.
func (p *prober) meet(ctx context.Context) error {
	for i, path := range p.paths {
		sends := 3
		if i > 0 {
			sends = 2
		}
		p.silences = 0
		before := p.to
		p.to = path
		a, err := p.ask(ctx, &p.main, likely(), withKey, sends)
		port := localapi.ProbePort{Port: path.Remote.Port(), Answer: "silent"}
		switch {
		case errors.Is(err, errClosed):
			port.Answer = "closed"
		case err != nil:
			return err
		case a != nil:
			port.Answer = "answers"
		}
		p.report.Ports = append(p.report.Ports, port)
		if i > 0 && (a == nil || p.report.Ports[0].Answer == "answers") {
			p.to = before
		}
	}
	p.silences = 0
	return nil
}

// askVersion2 asks in the words of IKEv2.
func (p *prober) askVersion2(ctx context.Context) (err error) {
	p.report.IKEv2, err = p.askIKEv2(ctx, p.to)
	p.alive = p.alive || p.report.IKEv2 != v2No && err == nil
	if errors.Is(err, errClosed) {
		p.report.IKEv2 = v2No
		return nil
	}
	return err
}

// find looks for the first proposal that is accepted in Main Mode, if the likeliest
// weren't.
func (p *prober) find(ctx context.Context) error {
	if len(p.main.accepted) > 0 {
		return nil
	}
	if a, err := p.ask(ctx, &p.main, likely()[:8], withCert, 2); err != nil || a != nil && a.accepts || !p.alive {
		return ignoreClosed(err)
	}
	for _, family := range families() {
		for some := range slices.Chunk(without(family, likely()), maxTransforms/len(withKey)) {
			if a, err := p.ask(ctx, &p.main, some, withKey, 2); err != nil || a != nil && a.accepts {
				return err
			}
		}
	}
	p.main.complete = true
	return nil
}

// askMethods asks for the authentication methods beside the first, all with the
// first proposal. Many gateways judge a method only later: they'd accept each.
func (p *prober) askMethods(ctx context.Context) error {
	const further = 3
	for range further {
		var others []isakmp.AuthMethod
		for _, m := range methods {
			if !slices.Contains(p.main.methods, m.number) {
				others = append(others, m.number)
			}
		}
		if len(p.main.accepted) == 0 || len(others) == 0 {
			return nil
		}
		a, err := p.ask(ctx, &p.main, []ike.Proposal{p.main.accepted[0].Proposal}, others, 2)
		if err != nil || a == nil || !a.accepts {
			return err
		}
	}
	return nil
}

// askProposals asks for each family of proposals, and again for what was left of
// it, until it is refused.
func (p *prober) askProposals(ctx context.Context) error {
	if len(p.main.accepted) == 0 {
		return nil
	}
	first := []isakmp.AuthMethod{p.main.methods[0]}
	for queue := families(); len(queue) > 0; {
		var again [][]ike.Proposal
		for _, family := range queue {
			if rest := without(family, p.main.proposals()); len(rest) > 0 {
				if p.open >= p.halfOpen-reserved {
					p.more = true
					return nil
				}
				a, err := p.ask(ctx, &p.main, rest, first, 2)
				if err != nil {
					return err
				}
				if a != nil && a.accepts {
					again = append(again, family)
				}
			}
		}
		queue = again
	}
	p.main.complete = true
	return nil
}

// askAggressive asks in Aggressive Mode, where all proposals must be of one group:
// first of those that Main Mode accepts.
func (p *prober) askAggressive(ctx context.Context) error {
	m := &p.aggressive
	known := p.main.proposals()
	strongestFirst(known)
	groups := groupsOf(known)
	for _, g := range []isakmp.Group{isakmp.GroupMODP2048, isakmp.GroupMODP1024, isakmp.GroupMODP1536} {
		if !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	all := slices.Concat(families()...)
	sends := 2
	for _, m.id = range p.identities {
		for _, g := range groups[:min(len(groups), 4)] {
			for range reserved {
				offered := without(inGroup(all, g), m.proposals())
				if len(offered) == 0 {
					break
				}
				a, err := p.ask(ctx, m, offered[:min(len(offered), maxTransforms/2)], withKey, sends)
				if err != nil {
					return ignoreClosed(err)
				}
				if a == nil {
					sends = 1 // silence is likely to go on
				}
				if a == nil || !a.accepts {
					break
				}
			}
			if len(m.accepted) > 0 {
				return nil
			}
		}
	}
	return nil
}

// verify asks once more what was answered before where the last questions weren't.
func (p *prober) verify(ctx context.Context) error {
	p.sure = false
	return p.doubt(ctx)
}

// doubt makes sure, after some silence, that the gateway still answers us.
func (p *prober) doubt(ctx context.Context) error {
	const enough = 2
	if p.silences < enough || p.sure || !p.alive {
		return nil
	}
	var a *answer
	var err error
	switch {
	case p.refused != nil:
		a, err = p.refused(ctx)
	case len(p.main.accepted) > 0:
		known := p.main.accepted[0]
		a, err = p.once(ctx, &p.main, []ike.Proposal{known.Proposal}, []isakmp.AuthMethod{known.Method}, 2)
	default:
		return nil
	}
	if err == nil && a == nil {
		return errGone
	}
	p.sure, p.silences = true, 0
	return err
}
