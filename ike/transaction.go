package ike

import (
	"context"
	"errors"
	"fmt"

	"postern/ike/isakmp"
)

// Transaction exchange (draft-dukes-ike-mode-cfg-02, section 3): one of
//
//	     Initiator                        Responder
//	    -----------                      -----------
//	     HDR*, HASH, ATTR(REQUEST)  -->
//	                                <--   HDR*, HASH, ATTR(REPLY)
//
//	     HDR*, HASH, ATTR(SET)      -->
//	                                <--   HDR*, HASH, ATTR(ACK)
//
// where HASH = prf(SKEYID_a, M-ID | ATTR), which is HASH(1)'s form.

// Transact sends a REQUEST or SET and returns the REPLY or ACK. Its Identifier
// is filled in where it is 0.
func (sa *SA) Transact(ctx context.Context, c isakmp.Configuration) (isakmp.Configuration, error) {
	var answer isakmp.Configuration
	x, err := sa.begin(isakmp.ExchangeTransaction)
	if err != nil {
		return answer, err
	}
	defer sa.tasks.Done()
	ctx, cancel := sa.with(ctx)
	defer cancel(nil)
	defer sa.release(x.msgID)
	if c.Identifier == 0 {
		c.Identifier = uint16(random32()) | 1
	}
	want := isakmp.CfgReply
	if c.Type == isakmp.CfgSet {
		want = isakmp.CfgAck
	}
	_, err = x.roundTrip(ctx, func(m *isakmp.Message) (err error) {
		if err := sa.checkHash1(m, x.msgID); err != nil {
			return err
		}
		if answer, err = readConfiguration(m); err != nil {
			return err
		}
		// Not RFC: strongSwan's clients answer with identifier 0. The message ID and
		// HASH tell well enough what is answered.
		if answer.Type != want || answer.Identifier != c.Identifier && answer.Identifier != 0 {
			return fmt.Errorf("ATTR payload: %v with identifier %d answers nothing that was asked", answer.Type, answer.Identifier)
		}
		return nil
	}, sa.configuration(x.msgID, c)...)
	return answer, err
}

func (sa *SA) configuration(msgID uint32, c isakmp.Configuration) []isakmp.Payload {
	return sa.hashed1(msgID, []isakmp.Payload{{Type: isakmp.PayloadConfiguration, Body: c.Marshal()}})
}

// readConfiguration reads the ATTR payload of a message; a notify in its place
// is the peer's refusal.
func readConfiguration(m *isakmp.Message) (isakmp.Configuration, error) {
	body := m.Get(isakmp.PayloadConfiguration)
	if body == nil {
		if n := m.Get(isakmp.PayloadNotify); n != nil {
			if n, err := isakmp.ParseNotify(n); err == nil {
				if err := notifyError(&n, true); err != nil {
					return isakmp.Configuration{}, errFinal{err}
				}
			}
		}
		return isakmp.Configuration{}, errors.New("no ATTR payload")
	}
	return isakmp.ParseConfiguration(body)
}

// serveTransaction answers the peer's REQUESTs and SETs under one message ID: a
// further one may follow the answer to the last, on the same IV chain.
func (sa *SA) serveTransaction(x *exchange, m *isakmp.Message) {
	for {
		c, err := readConfiguration(m)
		if err != nil || c.Type != isakmp.CfgRequest && c.Type != isakmp.CfgSet || sa.cfg.Transaction == nil {
			return
		}
		answer := sa.cfg.Transaction(sa.ctx, sa, c)
		if answer == nil || sa.ctx.Err() != nil {
			return
		}
		x.drain()
		if err := x.finish(sa.configuration(x.msgID, *answer)...); err != nil {
			sa.link.log.Debug("not sent", "exchange", x.stage, "error", err)
		}
		if m, err = x.linger(sa.ctx, func(m *isakmp.Message) error { return sa.checkHash1(m, x.msgID) }, sa.urge(urgeTransaction)); err != nil {
			return
		}
	}
}
