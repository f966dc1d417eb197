package ike

import (
	"context"
	"errors"

	"postern/ike/isakmp"
)

// Main Mode (RFC 2409, section 5):
//
//	     Initiator                        Responder
//	    ----------                       -----------
//	     HDR, SA             -->
//	                         <--    HDR, SA
//	     HDR, KE, Ni         -->
//	                         <--    HDR, KE, Nr
//	     HDR*, IDii, HASH_I  -->
//	                         <--    HDR*, IDir, HASH_R
//
// With signatures (section 5.1), [ CERT, ] SIG_I stands for HASH_I and [ CERT, ]
// SIG_R for HASH_R; the middle messages then ask for certificates. With public key
// encryption (sections 5.2 and 5.3) the identities stand in the middle messages.
//
// Vendor IDs ride on the first two messages, NAT-D on the middle two (RFC 3947,
// section 3.2), INITIAL-CONTACT on the fifth, RESPONDER-LIFETIME on the sixth.

func (p *phase1) mainInitiator(ctx context.Context) (*keys, error) {
	// HDR, SA  -->  <--  HDR, SA
	p.saiB = p.offer()
	m, err := p.begin(ctx, p.takeChoice,
		p.announce(isakmp.Payload{Type: isakmp.PayloadSA, Body: p.saiB})...)
	if err != nil {
		return nil, err
	}
	p.link.ckyR = m.ResponderCookie
	p.meet(m)

	// HDR, KE, Ni  -->  <--  HDR, KE, Nr
	if err := p.newKE(p.chosen.Group); err != nil {
		return nil, err
	}
	defer p.dh.clear()
	payloads, err := p.share(append(p.certificateRequests(p.chosen.method), p.natDiscovery()...)...)
	if err != nil {
		return nil, err
	}
	m, err = p.x.roundTrip(ctx, func(m *isakmp.Message) error {
		if err := p.takeKE(m); err != nil {
			return err
		}
		return p.agree()
	}, payloads...)
	if err != nil {
		return nil, err
	}
	p.natDiscovered(m)
	p.learn(m)
	k, err := p.deriveKeys(p.auth)
	if err != nil {
		return nil, err
	}
	p.float()
	p.x.protect(k, k.iv) // every message from here on is HDR*

	// HDR*, IDii, HASH_I  -->  <--  HDR*, IDir, HASH_R
	prove := p.identify(&p.idiiB)
	proof, err := p.auth.prove(p, p.proofI(k))
	if err != nil {
		return nil, err
	}
	prove = append(prove, proof...)
	m, err = p.x.roundTrip(ctx, func(m *isakmp.Message) error {
		return p.checkResponder(m, k)
	}, append(prove, p.initialContact()...)...)
	if err != nil {
		return nil, err
	}
	p.learnProved(m)
	k.lastBlock = p.x.iv
	return k, nil
}

func (p *phase1) mainResponder(ctx context.Context, first Datagram) (*keys, error) {
	// HDR, SA  -->
	offer, err := p.x.take(first, p.choose)
	if err != nil {
		if errors.Is(err, errNoProposal) {
			p.refuse(isakmp.NotifyNoProposalChosen)
		}
		return nil, err
	}
	p.link.ckyR = p.link.wire.own
	if err := p.welcome(ctx, offer); err != nil {
		return nil, err
	}

	// <--  HDR, SA    HDR, KE, Ni  -->
	m, err := p.x.answer(ctx, p.takeKE,
		p.announce(isakmp.Payload{Type: isakmp.PayloadSA, Body: p.sarB})...)
	if err != nil {
		return nil, err
	}

	// <--  HDR, KE, Nr    HDR*, IDii, HASH_I  -->
	if err := p.newKE(p.chosen.Group); err != nil {
		return nil, err
	}
	defer p.dh.clear()
	p.natDiscovered(m)
	p.learn(m)
	if err := p.agree(); err != nil {
		return nil, err
	}
	groups, err := p.tryGroups()
	if err != nil {
		return nil, err
	}
	// The keys are tried on what comes; what we send next is still in clear.
	reply, err := p.share(append(p.certificateRequests(p.chosen.method), p.natDiscovery()...)...)
	if err != nil {
		return nil, err
	}
	if err := p.x.transmit(reply); err != nil {
		return nil, err
	}
	for _, g := range groups {
		p.x.trial = append(p.x.trial, g.keys)
	}
	m, err = p.x.await(ctx, func(m *isakmp.Message) error { return p.checkInitiator(m, groups) }, nil)
	if err != nil {
		return nil, err
	}
	p.learnProved(m)

	// <--  HDR*, IDir, HASH_R
	k := p.x.keys
	for _, g := range groups {
		if g.keys != k {
			g.keys.forget()
		}
	}
	prove := p.identify(&p.idirB)
	proof, err := p.auth.prove(p, p.proofR(k))
	if err != nil {
		return nil, err
	}
	prove = append(prove, proof...)
	err = p.x.finish(append(prove, p.ourLifetime()...)...)
	k.lastBlock = p.x.iv
	return k, err
}

// checkResponder verifies HASH_R or SIG_R of Main Mode message 6.
func (p *phase1) checkResponder(m *isakmp.Message, k *keys) error {
	body, id, err := p.takeID(m)
	if err != nil {
		return err
	}
	p.idirB = body
	if err := p.auth.check(p, m, id, p.proofR(k)); err != nil {
		return err
	}
	return p.vouched(id)
}

// candidate is a group with the keys that its pre-shared key makes, or without
// a group the keys of a method that has no such key.
type candidate struct {
	Group
	auth auth
	keys *keys
}

// tryGroups makes the keys of every group that the peer may belong to: in Main
// Mode only the key tells who it is.
func (p *phase1) tryGroups() ([]candidate, error) {
	if family(p.chosen.method) != isakmp.AuthPSK {
		k, err := p.deriveKeys(p.auth)
		return []candidate{{auth: p.auth, keys: k}}, err
	}
	hello := Hello{Remote: p.link.path.Load().Remote, Method: p.chosen.method}
	groups := p.groupsFor(hello)
	if len(groups) == 0 {
		return nil, errors.New("main mode: no pre-shared key for this peer")
	}
	var cs []candidate
	for _, g := range groups[:min(len(groups), maxGroups)] {
		k, err := p.deriveKeys(preShared(g.Secret))
		if err != nil {
			return nil, err
		}
		cs = append(cs, candidate{g, preShared(g.Secret), k})
	}
	return cs, nil
}

// checkInitiator verifies HASH_I or SIG_I of Main Mode message 5 under the keys that
// decrypted it.
func (p *phase1) checkInitiator(m *isakmp.Message, groups []candidate) error {
	body, id, err := p.takeID(m)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if g.keys != p.x.keys {
			continue
		}
		p.auth, p.idiiB, p.group = g.auth, body, g.Name
		if err := p.auth.check(p, m, id, p.proofI(g.keys)); err != nil {
			return err
		}
		return p.vouched(id)
	}
	return errors.New("no key")
}
