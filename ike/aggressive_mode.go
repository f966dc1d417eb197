package ike

import (
	"context"
	"errors"
	"fmt"

	"postern/ike/isakmp"
)

// Aggressive Mode (RFC 2409, section 5):
//
//	     Initiator                          Responder
//	    -----------                        -----------
//	     HDR, SA, KE, Ni, IDii  -->
//	                            <--    HDR, SA, KE, Nr, IDir, HASH_R
//	     HDR, HASH_I            -->
//
// With signatures (section 5.1), [ CERT, ] SIG_I stands for HASH_I and [ CERT, ]
// SIG_R for HASH_R; the first two messages then ask for certificates. Public key
// encryption (sections 5.2 and 5.3) hides the identities in them.
//
// Vendor IDs ride on the first two messages, NAT-D on the last two (RFC 3947,
// section 3.2), INITIAL-CONTACT on the last. The RFC's diagram has the last
// message in clear and some peers send it so; ours is encrypted, as most do, and
// either form is taken.

func (p *phase1) aggressiveInitiator(ctx context.Context) (*keys, error) {
	// HDR, SA, KE, Ni, IDii  -->  <--  HDR, SA, KE, Nr, IDir, HASH_R
	p.saiB = p.offer()
	p.chosen = phase1Transform{Proposal: p.cfg.Proposals[0].normal(), method: p.cfg.methods()[0]} // we suppose
	var err error
	if p.auth, err = p.authenticate(p.chosen.method); err != nil {
		return nil, err
	}
	if err := p.newKE(p.chosen.Group); err != nil {
		return nil, err
	}
	defer p.dh.clear()
	payloads, err := p.share(p.certificateRequests(p.cfg.methods()...)...)
	if err != nil {
		return nil, err
	}
	var k *keys
	m, err := p.begin(ctx, func(m *isakmp.Message) (err error) {
		k, err = p.takeAggressive(m)
		return err
	}, p.opening(p.saiB, payloads, nil)...)
	if err != nil {
		return nil, err
	}
	p.meet(m)
	p.natDiscovered(m)
	p.float()
	p.x.protect(k, k.iv)

	// HDR*, HASH_I  -->
	prove, err := p.auth.prove(p, p.proofI(k))
	if err != nil {
		return nil, err
	}
	prove = append(prove, p.natDiscovery()...)
	err = p.x.finish(append(prove, p.initialContact()...)...)
	k.lastBlock = p.x.iv
	return k, err
}

// opening is message 1 or 2: SA, what we share, vendor IDs, and NAT-D. Where the
// method encrypts what stands behind the nonce, the others stand before it.
func (p *phase1) opening(sa []byte, shared, nat []isakmp.Payload) []isakmp.Payload {
	first := isakmp.Payload{Type: isakmp.PayloadSA, Body: sa}
	if _, sealed := p.auth.(sealer); sealed {
		return append(append(p.announce(first), nat...), shared...)
	}
	return append(p.announce(append([]isakmp.Payload{first}, shared...)...), nat...)
}

// takeAggressive reads message 2, in which the responder chooses, agrees and
// proves who it is, and makes the keys.
func (p *phase1) takeAggressive(m *isakmp.Message) (*keys, error) {
	if err := p.takeChoice(m); err != nil {
		return nil, err
	}
	if err := p.takeKE(m); err != nil {
		return nil, err
	}
	body, id, err := p.takeID(m)
	if err != nil {
		return nil, err
	}
	p.link.ckyR, p.idirB = m.ResponderCookie, body
	k, err := p.checkAggressive(m, id)
	if err != nil {
		p.link.ckyR = isakmp.Cookie{} // the next answer may be the true one
		return nil, err
	}
	return k, p.vouched(id)
}

// checkAggressive makes the keys and verifies HASH_R or SIG_R with them.
func (p *phase1) checkAggressive(m *isakmp.Message, id isakmp.ID) (*keys, error) {
	if err := p.agree(); err != nil {
		return nil, err
	}
	k, err := p.deriveKeys(p.auth)
	if err != nil {
		return nil, err
	}
	return k, p.auth.check(p, m, id, p.proofR(k))
}

func (p *phase1) aggressiveResponder(ctx context.Context, first Datagram) (*keys, error) {
	// HDR, SA, KE, Ni, IDii  -->
	m, err := p.x.take(first, p.choose)
	if err != nil {
		if errors.Is(err, errNoProposal) {
			p.refuse(isakmp.NotifyNoProposalChosen)
		}
		return nil, err
	}
	p.link.ckyR = p.link.wire.own
	if err := p.welcome(ctx, m); err != nil {
		return nil, err
	}
	k, id, err := p.recognise(m)
	if err != nil {
		return nil, err
	}

	// <--  HDR, SA, KE, Nr, IDir, HASH_R    HDR*, HASH_I  -->
	payloads, err := p.share()
	if err != nil {
		return nil, err
	}
	proof, err := p.auth.prove(p, p.proofR(k))
	if err != nil {
		return nil, err
	}
	payloads = append(append(payloads, proof...), p.certificateRequests(p.chosen.method)...)
	if err := p.x.transmit(p.opening(p.sarB, payloads, p.natDiscovery())); err != nil {
		return nil, err
	}
	p.x.protect(k, k.iv)
	p.x.clearAllowed = true
	m, err = p.x.await(ctx, func(m *isakmp.Message) error {
		if err := p.auth.check(p, m, id, p.proofI(k)); err != nil {
			return err
		}
		return p.vouched(id)
	}, nil)
	if err != nil {
		return nil, err
	}
	p.x.clearAllowed = false
	p.natDiscovered(m)
	p.learnProved(m)
	k.lastBlock = p.x.iv
	return k, nil
}

// recognise finds the initiator's pre-shared key, if that is the method, by its
// identity, and makes the keys.
func (p *phase1) recognise(m *isakmp.Message) (k *keys, id isakmp.ID, err error) {
	if err := p.takeKE(m); err != nil {
		return nil, id, err
	}
	body, id, err := p.takeID(m)
	if err != nil {
		return nil, id, err
	}
	p.idiiB = body
	if family(p.chosen.method) == isakmp.AuthPSK {
		groups := p.groupsFor(Hello{Remote: p.link.path.Load().Remote, Identity: &id, Method: p.chosen.method})
		if len(groups) == 0 {
			p.refuse(isakmp.NotifyInvalidIDInformation)
			return nil, id, fmt.Errorf("aggressive mode: message 1: no group is called %v", id)
		}
		p.auth, p.group = preShared(groups[0].Secret), groups[0].Name
	}
	if err := p.newKE(p.chosen.Group); err != nil {
		return nil, id, err
	}
	defer p.dh.clear()
	if err := p.agree(); err != nil {
		return nil, id, err
	}
	k, err = p.deriveKeys(p.auth)
	return k, id, err
}
