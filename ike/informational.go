package ike

import (
	"context"
	"crypto/subtle"
	"time"

	"postern/ike/isakmp"
)

// Informational exchange (RFC 2409, section 5.7): one message, no answer.
//
//	     Initiator                        Responder
//	    -----------                      -----------
//	     HDR*, HASH(1), N/D      -->

// inform sends one. The owner calls it.
func (sa *SA) inform(payloads ...isakmp.Payload) error {
	_, err := sa.informed(payloads)
	return err
}

// informed is inform that returns what it sent.
func (sa *SA) informed(payloads []isakmp.Payload) (octets []byte, err error) {
	x := &exchange{link: sa.link, typ: isakmp.ExchangeInformational, msgID: sa.msgIDs.next(), stage: "informational", leads: true}
	x.protect2(sa.keys)
	sa.markUsed(x.msgID)
	err = x.finish(sa.hashed1(x.msgID, payloads)...)
	return x.sent, err
}

// tell is inform for others than the owner.
func (sa *SA) tell(p isakmp.Payload) (err error) {
	if !sa.call(func() { err = sa.inform(p) }) {
		return context.Cause(sa.ctx)
	}
	return err
}

// hashed1 puts HASH(1) before the payloads.
func (sa *SA) hashed1(msgID uint32, payloads []isakmp.Payload) []isakmp.Payload {
	hash := sa.keys.hash1(msgID, isakmp.AppendPayloads(nil, payloads))
	return append([]isakmp.Payload{{Type: isakmp.PayloadHash, Body: hash}}, payloads...)
}

func equalHash(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }

// informational acts on a message whose HASH(1) verified. All its payloads are
// read before any takes effect.
func (sa *SA) informational(m *isakmp.Message) {
	gone := false
	sa.takePrivate(m)
	for _, p := range m.Payloads {
		switch p.Type {
		case isakmp.PayloadNotify:
			if n, err := isakmp.ParseNotify(p.Body); err == nil {
				sa.notified(n, m.MessageID)
			}
		case isakmp.PayloadDelete:
			if d, err := isakmp.ParseDelete(p.Body); err == nil {
				gone = sa.deleted(d) || gone
			}
		}
	}
	if gone {
		sa.end(ErrDeleted)
	}
}

// replayed takes a message that came before, under the same message ID. It
// proves nothing, for whoever saw the first can send it: no other path, no sign of
// life. But a probe is answered again, for the answer may have been lost, and so
// may be what answers a private payload.
func (sa *SA) replayed(m *isakmp.Message) {
	sa.takePrivate(m)
	for _, body := range m.All(isakmp.PayloadNotify) {
		if n, err := isakmp.ParseNotify(body); err == nil && n.Type == isakmp.NotifyRUThere {
			sa.answerProbe(n)
		}
	}
}

func (sa *SA) notified(n isakmp.Notify, msgID uint32) {
	switch n.Type {
	case isakmp.NotifyRUThere:
		sa.answerProbe(n)
	case isakmp.NotifyRUThereAck:
		sa.dpd.acknowledged(n)
	case isakmp.NotifyConnected:
		// Its message ID is that of the Quick Mode (RFC 2408, section 3.1).
		if a, ok := sa.asked[msgID]; ok {
			a.connected()
		}
	default:
		sa.link.log.Debug("notify", "type", n.Type)
		sa.refused(n)
		if sa.cfg.Notify != nil {
			sa.cfg.Notify(sa, n)
		}
	}
}

// refused ends the Quick Mode that an error notify must be about: it comes in an
// exchange of its own, and no field names ours, so only a single one is ended.
func (sa *SA) refused(n isakmp.Notify) {
	err := notifyError(&n, true)
	if err == nil || len(sa.asked) != 1 {
		return
	}
	for _, a := range sa.asked {
		a.refuse(err)
	}
}

// deleted reads a Delete, and says whether it is of this SA: its SPI is both
// cookies (RFC 2408, section 3.15).
func (sa *SA) deleted(d isakmp.Delete) bool {
	if d.Protocol != isakmp.ProtoISAKMP {
		if sa.cfg.Deleted != nil {
			sa.cfg.Deleted(sa, d)
		}
		return false
	}
	own := string(sa.info.CookieI[:]) + string(sa.info.CookieR[:])
	for _, spi := range d.SPIs {
		if string(spi) == own {
			return true
		}
	}
	return false
}

// hintInClear takes a notify that no key protects: anybody may have sent it, so
// all it does is make us ask the peer whether it lives.
func (sa *SA) hintInClear(h isakmp.Header, octets []byte) {
	if err := clearNotify(h, octets); err != errIgnored {
		sa.link.log.Debug("unprotected notify", "error", err)
		sa.suspect()
	}
}

// DeleteChild tells the peer that we don't receive on spi any more. One SPI a
// message: some peers read no more.
func (sa *SA) DeleteChild(spi uint32) error {
	d := isakmp.Delete{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoESP, SPIs: [][]byte{uint32b(spi)}}
	return sa.tell(isakmp.Payload{Type: isakmp.PayloadDelete, Body: d.Marshal()})
}

// sayGoodbye deletes the SA itself. The owner calls it.
func (sa *SA) sayGoodbye() error {
	spi := append(append([]byte(nil), sa.info.CookieI[:]...), sa.info.CookieR[:]...)
	d := isakmp.Delete{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, SPIs: [][]byte{spi}}
	return sa.inform(isakmp.Payload{Type: isakmp.PayloadDelete, Body: d.Marshal()})
}

// privateInbox is how many private payloads wait to be read; the peer repeats what
// doesn't fit.
const privateInbox = 16

func (sa *SA) takePrivate(m *isakmp.Message) {
	for _, p := range private(m) {
		select {
		case sa.private <- p:
		default:
		}
	}
}

// Private delivers the payloads of types 128 to 255 in authenticated Informational
// messages. A message that came before may be delivered again: who reads them
// must know repeats.
func (sa *SA) Private() <-chan isakmp.Payload { return sa.private }

// Inform sends payloads in an Informational exchange. again sends the same octets
// once more.
func (sa *SA) Inform(payloads ...isakmp.Payload) (again func(), err error) {
	var octets []byte
	if !sa.call(func() { octets, err = sa.informed(payloads) }) {
		return nil, context.Cause(sa.ctx)
	}
	return func() {
		if sa.ctx.Err() == nil {
			_ = sa.link.send(octets)
		}
	}, err
}

// HoldQuick makes the Quick Modes of ours, those under way and those to come, wait
// for at most limit without repeating message 1: the peer has it and asks a person
// something first. 0 undoes it.
func (sa *SA) HoldQuick(limit time.Duration) {
	sa.call(func() {
		sa.heldUntil = time.Now().Add(limit)
		for _, a := range sa.asked {
			a.holds.set(limit)
		}
	})
}

// SendNotify sends a notify under the SA.
func (sa *SA) SendNotify(n isakmp.Notify) error {
	return sa.tell(isakmp.Payload{Type: isakmp.PayloadNotify, Body: n.Marshal()})
}
