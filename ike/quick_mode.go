package ike

import (
	"context"
	"errors"
	"fmt"
	"time"

	"postern/ike/isakmp"
)

// Quick Mode (RFC 2409, section 5.5):
//
//	     Initiator                        Responder
//	    -----------                      -----------
//	     HDR*, HASH(1), SA, Ni
//	       [, KE ] [, IDci, IDcr ] -->
//	                               <--    HDR*, HASH(2), SA, Nr
//	                                            [, KE ] [, IDci, IDcr ]
//	     HDR*, HASH(3)             -->
//
// KE is there for perfect forward secrecy, the IDs for the selectors.

// quick is a Quick Mode on its way.
type quick struct {
	sa        *SA
	x         *exchange
	cfg       *ChildConfig
	mode      isakmp.Encapsulation
	initiator bool

	ourSPI, theirSPI uint32
	niB, nrB         []byte
	dh               dhKey // nil without PFS
	gqmxy            []byte
	chosen           espTransform
	local, remote    Selector
	commit           bool // the peer set the commit bit
}

// forget overwrites what made the keys.
func (q *quick) forget() {
	if q.dh != nil {
		q.dh.clear()
	}
	clear(q.gqmxy)
}

// Quick makes a child SA. Errors: TimeoutError; NotifyError, where the peer
// refused under the SA's protection.
func (sa *SA) Quick(ctx context.Context, c ChildConfig) (*Child, error) {
	x, err := sa.begin(isakmp.ExchangeQuick)
	if err != nil {
		return nil, err
	}
	defer sa.tasks.Done()
	ctx, cancel := sa.with(ctx)
	defer cancel(nil)
	connected, connect := context.WithCancel(ctx)
	defer connect()
	x.holds = make(holds, 1)
	sa.call(func() {
		sa.asked[x.msgID] = asking{cancel, connect, x.holds}
		if held := time.Until(sa.heldUntil); held > 0 {
			x.holds.set(held)
		}
	})
	q := &quick{sa: sa, x: x, cfg: &c, initiator: true, mode: sa.encapsulation(), local: c.Local, remote: c.Remote}
	defer q.forget()
	child, err := q.initiate(ctx)
	if err == nil && q.commit {
		q.awaitConnected(connected)
	}
	sa.call(func() { delete(sa.asked, x.msgID) })
	if err != nil {
		sa.release(x.msgID)
		return nil, err
	}
	// The responder repeats message 2 until it has message 3.
	sa.tasks.Go(func() {
		_, _ = x.linger(sa.ctx, nil, sa.urge(urgeQuick))
		sa.release(x.msgID)
	})
	return child, nil
}

func (q *quick) initiate(ctx context.Context) (*Child, error) {
	// HDR*, HASH(1), SA, Ni [, KE ] [, IDci, IDcr ]  -->  <--  HDR*, HASH(2), SA, Nr [, KE ] [, IDci, IDcr ]
	q.ourSPI = q.cfg.newSPI()
	q.niB = newNonce()
	rest := []isakmp.Payload{
		{Type: isakmp.PayloadSA, Body: offerESP(q.cfg, q.ourSPI, q.mode)},
		{Type: isakmp.PayloadNonce, Body: q.niB},
	}
	ke, err := q.newKE()
	if err != nil {
		return nil, err
	}
	rest = append(append(rest, ke...), q.ids()...)
	m, err := q.x.roundTrip(ctx, q.takeAnswer, q.sa.hashed1(q.x.msgID, rest)...)
	if err != nil {
		return nil, err
	}
	last, err := q.confirm(m)
	if err != nil {
		return nil, err
	}
	child, err := q.child()
	if err != nil {
		return nil, err
	}
	if err := q.cfg.install(child); err != nil {
		return nil, err
	}

	// HDR*, HASH(3)  -->
	q.x.hash = nil
	hash3 := q.sa.keys.hash3(q.x.msgID, q.niB, q.nrB)
	return child, q.x.finish(append([]isakmp.Payload{{Type: isakmp.PayloadHash, Body: hash3}}, last...)...)
}

// awaitConnected waits until the peer has its SAs, as it asked for by the commit
// bit: "the Initiator MUST wait" for CONNECTED (RFC 2408, section 3.1). Not RFC:
// not for long, for some never send it; and any further message of the exchange
// will do, for Windows sends it so.
func (q *quick) awaitConnected(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, commitWait)
	defer cancel()
	_, _ = q.x.linger(ctx, func(*isakmp.Message) error { return nil }, nil)
}

const commitWait = 5 * time.Second

// takeAnswer reads message 2.
func (q *quick) takeAnswer(m *isakmp.Message) (err error) {
	err = checkHash(m, func(rest []byte) []byte { return q.sa.keys.hash2(q.x.msgID, q.niB, rest) })
	if err != nil {
		return err
	}
	sa := m.Get(isakmp.PayloadSA)
	if sa == nil {
		return errors.New("no SA payload")
	}
	if q.chosen, q.theirSPI, err = chosenESP(sa, q.cfg, q.mode); err != nil {
		return err
	}
	if q.nrB = m.Get(isakmp.PayloadNonce); checkNonce(q.nrB) != nil {
		return checkNonce(q.nrB)
	}
	if err := q.agree(m.Get(isakmp.PayloadKE)); err != nil {
		return err
	}
	if err := q.narrow(m); err != nil {
		return err
	}
	q.takeLifetime(m)
	q.commit = m.Flags&isakmp.FlagCommit != 0
	return nil
}

// takeLifetime reads RESPONDER-LIFETIME, by which a peer whose life times are
// shorter says so.
func (q *quick) takeLifetime(m *isakmp.Message) {
	for _, body := range m.All(isakmp.PayloadNotify) {
		if n, err := isakmp.ParseNotify(body); err == nil && n.Type == isakmp.NotifyResponderLifetime {
			life, kbytes := ResponderLifetime(n)
			q.chosen.life = shorter(q.chosen.life, life)
			q.chosen.kbytes = shorter(q.chosen.kbytes, kbytes)
		}
	}
}

// serveQuick answers a Quick Mode that the peer began; its HASH(1) has verified.
func (sa *SA) serveQuick(x *exchange, m *isakmp.Message) {
	if sa.cfg.Quick == nil {
		return
	}
	q := &quick{sa: sa, x: x, mode: sa.encapsulation()}
	defer q.forget()
	if err := q.respond(sa.ctx, m); err != nil {
		sa.link.log.Info("quick mode of the peer's failed", "error", err)
		return
	}
	_, _ = x.linger(sa.ctx, nil, nil)
}

func (q *quick) respond(ctx context.Context, m *isakmp.Message) error {
	// HDR*, HASH(1), SA, Ni [, KE ] [, IDci, IDcr ]  -->
	answer, err := q.takeOffer(ctx, m)
	if err != nil {
		q.refuse(err)
		return err
	}
	child, err := q.child()
	if err != nil {
		return err
	}
	if err := q.cfg.install(child); err != nil {
		q.refuse(err)
		return err
	}

	// <--  HDR*, HASH(2), SA, Nr [, KE ] [, IDci, IDcr ]    HDR*, HASH(3)  -->
	q.x.hash = func(rest []byte) []byte { return q.sa.keys.hash2(q.x.msgID, q.niB, rest) }
	hash2 := q.x.hash(isakmp.AppendPayloads(nil, answer))
	hash3 := q.sa.keys.hash3(q.x.msgID, q.niB, q.nrB)
	_, err = q.x.roundTrip(ctx, func(m *isakmp.Message) error {
		if !equalHash(m.Get(isakmp.PayloadHash), hash3) {
			return errors.New("HASH(3) doesn't verify")
		}
		return q.settle(m)
	}, append([]isakmp.Payload{{Type: isakmp.PayloadHash, Body: hash2}}, answer...)...)
	if q.cfg.Settled != nil {
		q.cfg.Settled(child, err)
	}
	return err
}

// takeOffer reads message 1 and returns the payloads of message 2 behind HASH.
func (q *quick) takeOffer(ctx context.Context, m *isakmp.Message) ([]isakmp.Payload, error) {
	offer := QuickOffer{NoIDs: m.Get(isakmp.PayloadID) == nil}
	var err error
	if offer.Remote, offer.Local, err = q.readIDs(m); err != nil {
		return nil, err
	}
	if q.cfg, err = q.decide(ctx, offer); err != nil {
		return nil, err
	}
	q.local, q.remote = q.cfg.Local, q.cfg.Remote
	q.ourSPI = q.cfg.newSPI()
	body := m.Get(isakmp.PayloadSA)
	if body == nil {
		return nil, errors.New("no SA payload")
	}
	// A responder that doesn't insist takes the group that it is offered.
	cfg := *q.cfg
	if m.Get(isakmp.PayloadKE) != nil && cfg.Group == 0 {
		cfg.Group = offeredGroup(body)
	}
	q.cfg = &cfg
	var sa []byte
	if q.chosen, q.theirSPI, sa, err = chooseESP(body, q.cfg, q.mode, q.ourSPI); err != nil {
		return nil, err
	}
	if q.niB = m.Get(isakmp.PayloadNonce); checkNonce(q.niB) != nil {
		return nil, checkNonce(q.niB)
	}
	ke, err := q.newKE()
	if err != nil {
		return nil, err
	}
	if err := q.agree(m.Get(isakmp.PayloadKE)); err != nil {
		return nil, err
	}
	q.nrB = newNonce()
	answer := []isakmp.Payload{{Type: isakmp.PayloadSA, Body: sa}, {Type: isakmp.PayloadNonce, Body: q.nrB}}
	answer = append(answer, ke...)
	if !offer.NoIDs {
		answer = append(answer, q.ids()...)
	}
	life, octets := shorter(q.cfg.Lifetime, q.chosen.life), shorter(q.cfg.LifeOctets, q.chosen.kbytes*1024)
	if life != q.chosen.life || octets != q.chosen.kbytes*1024 {
		answer = append(answer, lifetimeNotice(isakmp.ProtoESP, uint32b(q.ourSPI), life, octets))
	}
	return q.answer(answer)
}

// refuse tells the peer under the SA's protection why it gets no child.
func (q *quick) refuse(why error) {
	t := isakmp.NotifyNoProposalChosen
	var n *NotifyError
	if errors.As(why, &n) {
		t = n.Type
	}
	_ = q.sa.SendNotify(isakmp.Notify{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoESP, SPI: uint32b(q.theirSPI), Type: t})
}

// newKE makes our half of the Diffie-Hellman exchange, with PFS.
func (q *quick) newKE() ([]isakmp.Payload, error) {
	if q.cfg.Group == 0 {
		return nil, nil
	}
	g, err := findGroup(q.cfg.Group)
	if err != nil {
		return nil, err
	}
	if q.dh, err = g.generate(); err != nil {
		return nil, err
	}
	return []isakmp.Payload{{Type: isakmp.PayloadKE, Body: q.dh.public()}}, nil
}

// agree computes g(qm)^xy, with PFS.
func (q *quick) agree(peer []byte) (err error) {
	switch {
	case q.dh == nil && peer == nil:
		return nil
	case q.dh == nil:
		return errors.New("a KE payload where no group was agreed on")
	case peer == nil:
		return errors.New("no KE payload, but perfect forward secrecy was agreed on")
	}
	if q.gqmxy, err = q.dh.shared(peer); err != nil {
		return fmt.Errorf("KE payload: %w", err)
	}
	return nil
}
