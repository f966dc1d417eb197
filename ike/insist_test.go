package ike_test

import (
	"bytes"
	"testing"
	"time"

	"postern/ike/iketest"
	"postern/ike/isakmp"
)

// Who insists has its last message there although the responder is slow to repeat its
// own, and sends it three times at most, alike.
func TestInsist(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.a.Insist = true
		a, _ := r.connect()
		threes, twos := 0, 0
		r.SetFault(func(d iketest.Datagram) []iketest.Delivery {
			h, err := isakmp.ParseHeader(d.Octets)
			if err != nil || h.Exchange != isakmp.ExchangeQuick {
				return arrive(d)
			}
			if !d.FromA {
				if twos++; twos > 1 {
					return nil
				}
				return arrive(d)
			}
			if threes++; threes == 2 { // message 1 is the first
				return nil
			}
			return arrive(d)
		})
		start := time.Now()
		r.quick(a)
		if wait := time.Since(start); wait > time.Second {
			t.Errorf("B's child is settled after %v", wait)
		}
		time.Sleep(time.Minute)
		sent := of(r.Sent(), true, isakmp.ExchangeQuick)[1:]
		if len(sent) < 2 || len(sent) > 3 {
			t.Errorf("message 3 was sent %d times", len(sent))
		}
		for _, d := range sent {
			if !bytes.Equal(d.Octets, sent[0].Octets) {
				t.Error("another message 3")
			}
		}
	})
}

// An answer to a Transaction isn't repeated once the peer goes on.
func TestInsistNoMoreThanNeeded(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.a.Insist, r.a.Transaction = true, echo
		_, b := r.connect()
		for range 3 {
			request(t, b)
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		if n := len(of(r.Sent(), true, isakmp.ExchangeTransaction)); n > 7 {
			t.Errorf("3 answers were sent in %d messages", n)
		}
	})
}
