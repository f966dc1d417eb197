package ike

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"postern/ike/isakmp"
)

// phase1 is a phase 1 on its way: what Main and Aggressive Mode share. It
// belongs to the goroutine of Dial or Accept, which reads the wire itself until
// there is an SA to do it.
type phase1 struct {
	link      *link
	cfg       *Config
	x         *exchange
	initiator bool
	held      []Datagram // came too early: under keys that don't exist yet

	prelude      *Prelude        // a responder's, if there was one
	preludeInbox chan<- Datagram // an initiator's, while there is one

	saiB, sarB   []byte // bodies of payloads, as they were on the wire
	idiiB, idirB []byte
	sealedID     []byte // the peer's, where the method encrypts it
	niB, nrB     []byte
	dh           dhKey
	schedule     schedule
	chosen       phase1Transform
	life         time.Duration
	features     features
	nat          NAT
	auth         auth
	asked        bool          // the peer wants our certificate
	peerCerts    []isakmp.Cert // that Verify accepted
	refusedCerts []isakmp.Cert // that it refused last
	group        string        // a responder's: whose pre-shared key it was
	peer         isakmp.ID     // authenticated
	contact      bool          // it remembers no other SA with us
}

func newPhase1(w *Wire, to Path, cfg *Config, mode Mode, initiator bool) *phase1 {
	l := newLink(w, to, cfg.log())
	l.alter = cfg.Alter
	p := &phase1{link: l, cfg: cfg, initiator: initiator}
	p.x = &exchange{link: l, stage: mode.String(), inbox: w.inbox, leads: initiator, foreign: p.foreign}
	p.x.typ, p.x.whole = isakmp.ExchangeMain, l.whole
	if mode == Aggressive {
		p.x.typ = isakmp.ExchangeAggressive
	}
	if !initiator {
		p.x.unproven = true
		p.x.complain = p.complain
	}
	return p
}

// complain tells an initiator in clear that its proof wasn't understood, which
// wrong keys look like: a hint that spares it a long wait.
func (p *phase1) complain(why error) {
	if errors.Is(why, ErrCertificate) {
		p.refuse(isakmp.NotifyInvalidCertificate)
	} else if errors.Is(why, ErrAuthentication) {
		p.refuse(isakmp.NotifyAuthenticationFailed)
	} else {
		p.refuse(isakmp.NotifyPayloadMalformed)
	}
}

// foreign takes what comes during phase 1 and isn't of it: a notify in clear is
// a hint, and what is encrypted overtook the last message of phase 1.
func (p *phase1) foreign(d Datagram) error {
	h, err := isakmp.ParseHeader(d.Octets)
	if err != nil || h.InitiatorCookie != p.link.ckyI {
		return errIgnored
	}
	if h.Flags&isakmp.FlagEncryption == 0 {
		if h.Exchange != isakmp.ExchangeInformational {
			return errIgnored
		}
		if p.prelude != nil && p.prelude.heard == sha256.Sum256(d.Octets) {
			p.prelude.Repeat() // the initiator can't have got it
			return errIgnored
		}
		select {
		case p.preludeInbox <- d:
		default:
		}
		return clearNotify(h, d.Octets)
	}
	if h.ResponderCookie != p.link.ckyR || h.MessageID == 0 {
		return errIgnored
	}
	if len(p.held) < 8 {
		p.held = append(p.held, d)
	}
	if p.x.typ == isakmp.ExchangeAggressive && !p.initiator {
		// The initiator went on, so it sent message 3, and we lost it.
		p.x.repeat()
	}
	if h.Exchange == isakmp.ExchangeInformational && p.initiator {
		return errHopeless{p.complaint(h, d.Octets)}
	}
	return errIgnored
}

// complaint is why the peer refuses our last message, if it says so under the keys
// of the exchange, which it has whenever no pre-shared key is in them. After a wrong
// pre-shared key its keys aren't ours.
func (p *phase1) complaint(h isakmp.Header, octets []byte) error {
	if p.x.keys != nil {
		k := *p.x.keys
		k.lastBlock = p.x.iv
		x := &exchange{link: p.link}
		x.protect(&k, k.phase2IV(h.MessageID))
		m, _, err := x.open(h, octets, nil)
		if err == nil && checkHash(m, func(rest []byte) []byte { return k.hash1(h.MessageID, rest) }) == nil {
			for _, body := range m.All(isakmp.PayloadNotify) {
				if n, err := isakmp.ParseNotify(body); err == nil && notifyError(&n, true) != nil {
					return fmt.Errorf("%w: %w", ErrAuthentication, notifyError(&n, true))
				}
			}
		}
	}
	return fmt.Errorf("%w: the peer complains under other keys than ours", ErrAuthentication)
}

// clearNotify is the error in an Informational exchange that no key protects.
func clearNotify(h isakmp.Header, octets []byte) error {
	m, err := isakmp.ParseMessage(h, octets[isakmp.HeaderLen:h.Length])
	if err != nil {
		return errIgnored
	}
	for _, body := range m.All(isakmp.PayloadNotify) {
		if n, err := isakmp.ParseNotify(body); err == nil {
			if e := notifyError(&n, false); e != nil {
				return e
			}
		}
	}
	return errIgnored
}

// meet takes what rides on the peer's first message.
func (p *phase1) meet(m *isakmp.Message) {
	p.features.noteFirst(m)
	p.learn(m)
}

// learn takes what rides on any message of phase 1: vendor IDs, which some peers
// send late, and requests for our certificate.
func (p *phase1) learn(m *isakmp.Message) {
	p.noteRequests(m)
	for _, vid := range m.All(isakmp.PayloadVendorID) {
		p.features.note(vid)
	}
	if p.features.fragments {
		p.link.fragmentSize = p.cfg.fragmentSize()
	}
}

// learnProved takes what rides on a peer's message that proves who it is.
func (p *phase1) learnProved(m *isakmp.Message) {
	p.learn(m)
	for _, body := range m.All(isakmp.PayloadNotify) {
		n, err := isakmp.ParseNotify(body)
		switch {
		case err != nil:
		case n.Type == isakmp.NotifyInitialContact:
			p.contact = true
		case n.Type == isakmp.NotifyResponderLifetime && n.Protocol == isakmp.ProtoISAKMP:
			life, _ := ResponderLifetime(n)
			p.life = shorter(p.life, life)
		}
	}
}

// announce adds our vendor IDs to a first message.
func (p *phase1) announce(payloads ...isakmp.Payload) []isakmp.Payload {
	var ids [][]byte
	for _, m := range p.cfg.methods() {
		if isXAuth(m) {
			ids = append(ids, vidXAuth)
			break
		}
	}
	ids = append(ids, vidDPD)
	if p.initiator || p.features.unity {
		// A peer that doesn't speak Unity, but knows it, would take our announcement
		// for the use of it, and ask for 0.0.0.0/0 without reading what is assigned.
		ids = append(ids, vidUnity)
	}
	if p.cfg.fragmentSize() > 0 && (p.initiator || p.features.fragments) {
		ids = append(ids, vidFragmentation)
		p.link.assembles = true
	}
	if p.cfg.NATTraversal != NATOff {
		if p.initiator {
			for v := natRFC3947; v > natNone; v-- {
				ids = append(ids, natVersions[v]...)
			}
		} else if p.features.natt != natNone {
			ids = append(ids, natVersions[p.features.natt]...)
		}
	}
	for _, id := range append(ids, p.cfg.VendorIDs...) {
		payloads = append(payloads, isakmp.Payload{Type: isakmp.PayloadVendorID, Body: id})
	}
	return payloads
}

// offer begins: what we'd take, strongest first.
func (p *phase1) offer() []byte {
	return offerPhase1(p.cfg.Proposals, p.cfg.methods(), p.cfg.Lifetime)
}

// takeChoice reads the responder's choice.
func (p *phase1) takeChoice(m *isakmp.Message) (err error) {
	if m.ResponderCookie == (isakmp.Cookie{}) {
		return errors.New("responder cookie 0")
	}
	if p.sarB = m.Get(isakmp.PayloadSA); p.sarB == nil {
		return errors.New("no SA payload")
	}
	if p.chosen, err = chosenPhase1(p.sarB, p.cfg.Proposals, p.cfg.methods()); err != nil {
		return err
	}
	p.life = shorter(p.cfg.Lifetime, p.chosen.life)
	p.schedule.proposal = p.chosen.Proposal
	if _, ok := p.auth.(sealer); ok {
		return nil // Aggressive Mode has begun with it
	}
	p.auth, err = p.authenticate(p.chosen.method)
	return err
}

// choose answers the initiator's offer.
func (p *phase1) choose(m *isakmp.Message) (err error) {
	if p.saiB = m.Get(isakmp.PayloadSA); p.saiB == nil {
		return errors.New("no SA payload")
	}
	if p.chosen, p.sarB, err = choosePhase1(p.saiB, p.cfg.Proposals, p.cfg.possible(false)); err != nil {
		return err
	}
	p.life = shorter(p.cfg.Lifetime, p.chosen.life)
	p.schedule.proposal = p.chosen.Proposal
	p.meet(m)
	p.auth, err = p.authenticate(p.chosen.method)
	return err
}

// newKE makes our half of the Diffie-Hellman exchange and our nonce.
func (p *phase1) newKE(g isakmp.Group) error {
	group, err := findGroup(g)
	if err != nil {
		return err
	}
	if p.dh, err = group.generate(); err != nil {
		return err
	}
	n := newNonce()
	if p.initiator {
		p.schedule.gxi, p.niB = p.dh.public(), n
	} else {
		p.schedule.gxr, p.nrB = p.dh.public(), n
	}
	return nil
}

// share is what we tell the peer before the proofs, in the method's own form: KE
// and nonce, in Aggressive Mode the identity, and others.
func (p *phase1) share(others ...isakmp.Payload) ([]isakmp.Payload, error) {
	ke, nonce, id := p.schedule.gxr, p.nrB, &p.idirB
	if p.initiator {
		ke, nonce, id = p.schedule.gxi, p.niB, &p.idiiB
	}
	s, sealed := p.auth.(sealer)
	aggressive := p.x.typ == isakmp.ExchangeAggressive
	if sealed || aggressive {
		*id = p.ourID()
	}
	if sealed {
		return s.seal(p, ke, nonce, *id, others)
	}
	payloads := []isakmp.Payload{{Type: isakmp.PayloadKE, Body: ke}, {Type: isakmp.PayloadNonce, Body: nonce}}
	if aggressive {
		payloads = append(payloads, isakmp.Payload{Type: isakmp.PayloadID, Body: *id})
	}
	return append(payloads, others...), nil
}

// identify is our ID payload for the last messages of Main Mode, if the method
// hasn't told the peer before.
func (p *phase1) identify(id *[]byte) []isakmp.Payload {
	if _, sealed := p.auth.(sealer); sealed {
		return nil
	}
	*id = p.ourID()
	return []isakmp.Payload{{Type: isakmp.PayloadID, Body: *id}}
}

// takeKE reads the peer's half and its nonce.
func (p *phase1) takeKE(m *isakmp.Message) error {
	ke, nonce := m.Get(isakmp.PayloadKE), m.Get(isakmp.PayloadNonce)
	if s, sealed := p.auth.(sealer); sealed {
		var err error
		if ke, nonce, p.sealedID, err = s.open(p, m); err != nil {
			return err
		}
	}
	if err := checkNonce(nonce); err != nil {
		return err
	}
	group, err := findGroup(p.chosen.Group)
	if err != nil {
		return err
	}
	if len(ke) != group.size() {
		return fmt.Errorf("KE payload of %d octets where %s has %d", len(ke), groupName(p.chosen.Group), group.size())
	}
	if p.dh != nil && bytes.Equal(ke, p.dh.public()) {
		return errors.New("KE payload: our own has come back")
	}
	if p.initiator {
		p.schedule.gxr, p.nrB = ke, nonce
	} else {
		p.schedule.gxi, p.niB = ke, nonce
	}
	return nil
}

// checkNonce holds a nonce to "between 8 and 256 bytes" (RFC 2409, section 5).
func checkNonce(n []byte) error {
	if len(n) < 8 || len(n) > 256 {
		return fmt.Errorf("nonce of %d octets", len(n))
	}
	return nil
}

// agree computes g^xy.
func (p *phase1) agree() (err error) {
	peer := p.schedule.gxr
	if !p.initiator {
		peer = p.schedule.gxi
	}
	if p.schedule.gxy, err = p.dh.shared(peer); err != nil {
		return fmt.Errorf("KE payload: %w", err)
	}
	p.schedule.ckyI, p.schedule.ckyR = p.link.ckyI, p.link.ckyR
	return nil
}

// deriveKeys computes the key schedule.
func (p *phase1) deriveKeys(a auth) (*keys, error) {
	h, err := findHash(p.chosen.Hash)
	if err != nil {
		return nil, err
	}
	return p.schedule.derive(a.skeyid(h, p.niB, p.nrB))
}

// forget overwrites what nobody needs once the keys are made.
func (p *phase1) forget() { clear(p.schedule.gxy) }

// ourID is the body of our ID payload.
func (p *phase1) ourID() []byte {
	id := p.cfg.Identity
	if id.Type == 0 {
		id = isakmp.AddressID(p.link.path.Load().Local.Addr().Unmap())
	}
	return id.Marshal()
}

// takeID reads the peer's identity.
func (p *phase1) takeID(m *isakmp.Message) (body []byte, id isakmp.ID, err error) {
	body = m.Get(isakmp.PayloadID)
	if _, sealed := p.auth.(sealer); sealed {
		body = p.sealedID
	}
	if body == nil {
		return nil, id, errors.New("no ID payload")
	}
	id, err = isakmp.ParseID(body)
	return body, id, err
}

// vouched judges the identity that the peer has just proved.
func (p *phase1) vouched(id isakmp.ID) error {
	if p.cfg.PeerIdentity != nil {
		if err := p.cfg.PeerIdentity(id); err != nil {
			return errFinal{fmt.Errorf("%s: %w: %w", p.x.stage, ErrIdentity, err)}
		}
	}
	p.peer = id
	return nil
}

// initialContact is the notify that says we remember no other SA with the peer;
// its SPI is both cookies (RFC 2407, section 4.6.3.3).
func (p *phase1) initialContact() []isakmp.Payload {
	if !p.cfg.InitialContact {
		return nil
	}
	n := isakmp.Notify{
		DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, Type: isakmp.NotifyInitialContact,
		SPI: append(append([]byte(nil), p.link.ckyI[:]...), p.link.ckyR[:]...),
	}
	return []isakmp.Payload{{Type: isakmp.PayloadNotify, Body: n.Marshal()}}
}

// ourLifetime is RESPONDER-LIFETIME where ours is shorter than what was offered.
func (p *phase1) ourLifetime() []isakmp.Payload {
	if p.life == p.chosen.life {
		return nil
	}
	spi := append(append([]byte(nil), p.link.ckyI[:]...), p.link.ckyR[:]...)
	return []isakmp.Payload{lifetimeNotice(isakmp.ProtoISAKMP, spi, p.life, 0)}
}

// refuse tells a peer in clear why its first message isn't answered.
func (p *phase1) refuse(t isakmp.NotifyType) {
	n := isakmp.Notify{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, Type: t}
	_ = p.link.send(inClear(p.link.ckyI, p.link.wire.own, n))
}
