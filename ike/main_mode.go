package ike

import (
	"context"
	"errors"

	"postern/ike/isakmp"
)

// Main Mode, authenticated with a pre-shared key (RFC 2409, section 5.4):
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
// Vendor IDs ride on the first two messages, NAT-D on the middle two (RFC 3947,
// section 3.2), INITIAL-CONTACT on the fifth, RESPONDER-LIFETIME on the sixth.

func (p *phase1) mainInitiator(ctx context.Context) (*keys, error) {
	// HDR, SA  -->  <--  HDR, SA
	p.saiB = p.offer()
	m, err := p.x.roundTrip(ctx, p.takeChoice,
		p.announce(isakmp.Payload{Type: isakmp.PayloadSA, Body: p.saiB})...)
	if err != nil {
		return nil, err
	}
	p.link.ckyR = m.ResponderCookie
	p.features.noteFirst(m)

	// HDR, KE, Ni  -->  <--  HDR, KE, Nr
	ke, ni, err := p.newKE(p.chosen.Group)
	if err != nil {
		return nil, err
	}
	defer p.dh.clear()
	m, err = p.x.roundTrip(ctx, func(m *isakmp.Message) error {
		if err := p.takeKE(m); err != nil {
			return err
		}
		return p.agree()
	}, append([]isakmp.Payload{ke, ni}, p.natDiscovery()...)...)
	if err != nil {
		return nil, err
	}
	p.natDiscovered(m)
	p.learn(m)
	k, err := p.deriveKeys(p.psk)
	if err != nil {
		return nil, err
	}
	p.float()
	p.x.protect(k, k.iv) // every message from here on is HDR*

	// HDR*, IDii, HASH_I  -->  <--  HDR*, IDir, HASH_R
	p.idiiB = p.ourID()
	prove := []isakmp.Payload{
		{Type: isakmp.PayloadID, Body: p.idiiB},
		p.psk.prove(p.schedule.hashI(k, p.saiB, p.idiiB)),
	}
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
	if _, err := p.x.take(first, p.choose); err != nil {
		if errors.Is(err, errNoProposal) {
			p.refuse(isakmp.NotifyNoProposalChosen)
		}
		return nil, err
	}
	p.link.ckyR = p.link.wire.own

	// <--  HDR, SA    HDR, KE, Ni  -->
	m, err := p.x.answer(ctx, p.takeKE,
		p.announce(isakmp.Payload{Type: isakmp.PayloadSA, Body: p.sarB})...)
	if err != nil {
		return nil, err
	}

	// <--  HDR, KE, Nr    HDR*, IDii, HASH_I  -->
	ke, nr, err := p.newKE(p.chosen.Group)
	if err != nil {
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
	reply := append([]isakmp.Payload{ke, nr}, p.natDiscovery()...)
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
	p.idirB = p.ourID()
	prove := []isakmp.Payload{
		{Type: isakmp.PayloadID, Body: p.idirB},
		p.psk.prove(p.schedule.hashR(k, p.saiB, p.idirB)),
	}
	err = p.x.finish(append(prove, p.ourLifetime()...)...)
	k.lastBlock = p.x.iv
	return k, err
}

// checkResponder verifies HASH_R of Main Mode message 6.
func (p *phase1) checkResponder(m *isakmp.Message, k *keys) error {
	body, id, err := p.takeID(m)
	if err != nil {
		return err
	}
	if err := p.psk.check(m, p.schedule.hashR(k, p.saiB, body)); err != nil {
		return err
	}
	p.idirB = body
	return p.vouched(id)
}

// candidate is a group with the keys that its pre-shared key makes.
type candidate struct {
	Group
	keys *keys
}

// tryGroups makes the keys of every group that the peer may belong to: in Main
// Mode only the key tells who it is.
func (p *phase1) tryGroups() ([]candidate, error) {
	hello := Hello{Remote: p.link.path.Load().Remote, Method: p.chosen.method}
	groups := p.cfg.Groups(hello)
	if len(groups) == 0 {
		return nil, errors.New("main mode: no pre-shared key for this peer")
	}
	var cs []candidate
	for _, g := range groups[:min(len(groups), maxGroups)] {
		k, err := p.deriveKeys(g.Secret)
		if err != nil {
			return nil, err
		}
		cs = append(cs, candidate{g, k})
	}
	return cs, nil
}

// checkInitiator verifies HASH_I of Main Mode message 5 under the keys that
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
		p.psk = g.Secret
		if err := p.psk.check(m, p.schedule.hashI(g.keys, p.saiB, body)); err != nil {
			return err
		}
		p.idiiB, p.group = body, g.Name
		return p.vouched(id)
	}
	return errors.New("no key")
}
