package ike

import (
	"context"

	"postern/ike/isakmp"
)

// Ride is what others than this package send along on the last two messages of a
// Quick Mode, as private payloads (types 128 to 255):
//
//	 Initiator                        Responder
//	-----------                      -----------
//	 HDR*, HASH(1), SA, Ni    -->
//	                          <--    HDR*, HASH(2), SA, Nr, private
//	 HDR*, HASH(3), private   -->
//
// HASH(2) covers what rides on message 2. HASH(3) covers nothing but the nonces,
// so that what rides on message 3 must prove itself: see QuickBinding.
type Ride struct {
	// Answer gives a responder's payloads for message 2. An error refuses the child.
	Answer func() ([]isakmp.Payload, error)
	// Confirm takes an initiator's private payloads of message 2, whose HASH(2)
	// verified, and gives those for message 3. It is called before Install; an error
	// ends the exchange.
	Confirm func(b *QuickBinding, found []isakmp.Payload) ([]isakmp.Payload, error)
	// Settle takes a responder's private payloads of message 3, whose HASH(3)
	// verified, before ChildConfig.Settled, which is called with its error. HASH(3)
	// covers none of them, so an error has the peer say it again, unless it is Final;
	// then Settle is called once more.
	Settle func(b *QuickBinding, found []isakmp.Payload) error
}

// Final marks an error of Settle that says something the peer authenticated: it ends
// the exchange at once.
func Final(err error) error { return errFinal{err} }

// QuickBinding is what ties a payload to its Quick Mode.
type QuickBinding struct {
	keys     *keys
	msgID    uint32
	niB, nrB []byte
}

// Prove is prf(SKEYID_a, label | M-ID | Ni_b | Nr_b | covered).
func (b *QuickBinding) Prove(label string, covered []byte) []byte {
	return b.keys.hash.prf(b.keys.skeyidA, []byte(label), uint32b(b.msgID), b.niB, b.nrB, covered)
}

func (q *quick) binding() *QuickBinding {
	return &QuickBinding{keys: q.sa.keys, msgID: q.x.msgID, niB: q.niB, nrB: q.nrB}
}

// answer adds what rides on message 2.
func (q *quick) answer(payloads []isakmp.Payload) ([]isakmp.Payload, error) {
	if q.cfg.Ride == nil || q.cfg.Ride.Answer == nil {
		return payloads, nil
	}
	riding, err := q.cfg.Ride.Answer()
	return append(payloads, riding...), err
}

// confirm gives what rides on message 3.
func (q *quick) confirm(m *isakmp.Message) ([]isakmp.Payload, error) {
	if q.cfg.Ride == nil || q.cfg.Ride.Confirm == nil {
		return nil, nil
	}
	return q.cfg.Ride.Confirm(q.binding(), private(m))
}

// settle takes what rides on message 3.
func (q *quick) settle(m *isakmp.Message) error {
	if q.cfg.Ride == nil || q.cfg.Ride.Settle == nil {
		return nil
	}
	return q.cfg.Ride.Settle(q.binding(), private(m))
}

// decide asks Config.Quick, which may take its time, and tells it meanwhile when
// message 1 comes again.
func (q *quick) decide(ctx context.Context, offer QuickOffer) (*ChildConfig, error) {
	repeated, decided, watched := make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	offer.Repeated = repeated
	go func() {
		defer close(watched)
		for {
			select {
			case <-decided:
				return
			case d := <-q.x.inbox:
				if !q.x.isRepeat(d) {
					continue
				}
				select {
				case repeated <- struct{}{}:
				default:
				}
			}
		}
	}()
	cfg, err := q.sa.cfg.Quick(ctx, q.sa, offer)
	close(decided)
	<-watched
	return cfg, err
}
