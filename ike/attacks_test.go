package ike_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"postern/ike"
	"postern/ike/iketest"
	"postern/ike/isakmp"
)

// Somebody between the ends strips the strongest proposals from the offer. The
// responder takes what is left, and the proofs, which cover the offer, don't fit.
func TestStrippedOffer(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		weak := ike.Proposal{Cipher: isakmp.CipherDES, Hash: isakmp.HashMD5, Group: proposal.Group}
		r.a.Proposals, r.b.Proposals = []ike.Proposal{proposal, weak}, []ike.Proposal{proposal, weak}
		strip := func(ps []isakmp.Payload) []isakmp.Payload {
			sa, err := isakmp.ParseSA(ps[0].Body)
			if err != nil {
				t.Fatal(err)
			}
			sa.Proposals[0].Transforms = sa.Proposals[0].Transforms[1:]
			ps[0].Body = sa.Marshal()
			return ps
		}
		r.SetFault(func(d iketest.Datagram) []iketest.Delivery {
			if d.FromA && header(d.Octets).ResponderCookie == (isakmp.Cookie{}) {
				return rewrite(strip)(d)
			}
			return arrive(d)
		})
		r.serve()
		sa, err := r.dial(t.Context())
		if err == nil {
			t.Fatalf("an SA with %v", sa.Info().Proposal)
		}
		if r.a.Mode == ike.Aggressive && !errors.Is(err, ike.ErrAuthentication) {
			t.Error(err)
		}
		r.SetFault(nil)
		if sa, err = r.dial(t.Context()); err != nil || sa.Info().Proposal != proposal {
			t.Error("without anybody between: ", err)
		}
	})
}

// A failed phase 1 is dead: none of its messages, sent again in any order by whoever saw
// them, is answered or makes an SA.
func TestFailedExchangeIsDead(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.a.Secret = []byte("wrong")
		r.serve()
		if _, err := r.dial(t.Context()); err == nil {
			t.Fatal("an SA with a wrong key")
		}
		time.Sleep(5 * ike.Patience)
		if n := r.A.Wires() + r.B.Wires(); n != 0 {
			t.Fatalf("%d wires are left", n)
		}
		seen := r.Sent()
		for _, d := range seen {
			if h := header(d.Octets); h.ResponderCookie != (isakmp.Cookie{}) {
				r.Inject(!d.FromA, bytes.Clone(d.Octets))
			}
		}
		time.Sleep(time.Second)
		if after := r.Sent(); len(after) != len(seen) {
			t.Errorf("%d answers", len(after)-len(seen))
		}
		if n := r.A.Wires() + r.B.Wires(); n != 0 {
			t.Errorf("%d wires", n)
		}
	})
}

// A gateway that doesn't know the key gets one proof an attempt, of which there are two,
// and nowhere but at the address that was dialled.
func TestFewProofs(t *testing.T) {
	inBubbleOf(t, ike.Main, func(t *testing.T, r *rig) {
		r.a.Secret = []byte("another")
		r.serve()
		elsewhere := r.ToB
		elsewhere.Remote = elsewhere.Local
		r.SetFault(func(d iketest.Datagram) []iketest.Delivery {
			if !d.FromA { // it also speaks from elsewhere
				go r.A.Deliver(bytes.Clone(d.Octets), elsewhere)
			}
			return arrive(d)
		})
		if _, err := r.dial(t.Context()); err == nil {
			t.Fatal("an SA with a wrong key")
		}
		proofs := map[string]bool{}
		for _, d := range r.Sent() {
			if h := header(d.Octets); d.FromA && h.Exchange == isakmp.ExchangeMain && h.Flags&isakmp.FlagEncryption != 0 {
				proofs[string(d.Octets)] = true
				if d.From.Local != r.ToB.Remote {
					t.Errorf("a proof went to %v", d.From.Local)
				}
			}
		}
		if len(proofs) == 0 || len(proofs) > 2 {
			t.Errorf("%d proofs", len(proofs))
		}
	})
}

// What is answered to first messages with lengths of any kind is octets of our own:
// each answer is what its payloads, written anew, make, and holds nothing else.
func TestRepliesHoldNothingElse(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		first := firstMessage(t, r)
		r.serve()
		r.SetFault(func(d iketest.Datagram) []iketest.Delivery {
			if !d.FromA {
				accounted(t, d.Octets)
			}
			return arrive(d)
		})
		before := len(r.Sent())
		for at := isakmp.HeaderLen; at+2 <= len(first); at++ {
			for _, length := range []uint16{0, 1, 4, 8, 0x100, 0xffff} {
				octets := bytes.Clone(first)
				binary.BigEndian.PutUint16(octets[at:], length)
				octets[0] ^= byte(at) // other cookies
				octets[1] ^= byte(at >> 8)
				octets[2] ^= byte(length) + 1
				r.Inject(false, octets)
				time.Sleep(20 * time.Millisecond)
			}
			time.Sleep(3 * ike.Patience)
		}
		if answers := len(r.Sent()) - before; answers < 20 {
			t.Errorf("only %d answers", answers)
		}
	})
}

// accounted parses a message in clear and writes it anew.
func accounted(t *testing.T, octets []byte) {
	h := header(octets)
	m, err := isakmp.ParseMessage(h, octets[isakmp.HeaderLen:])
	if err != nil {
		t.Errorf("%x: %v", octets, err)
		return
	}
	anew := append(h.Append(nil), isakmp.AppendPayloads(nil, m.Payloads)...)
	if !bytes.Equal(anew, octets) || int(h.Length) != len(octets) {
		t.Errorf("%v: %x\nwritten anew: %x", m, octets, anew)
	}
	for _, body := range m.All(isakmp.PayloadNotify) {
		if n, err := isakmp.ParseNotify(body); err != nil || len(n.Data) > 0 {
			t.Errorf("a notify with %x: %v", n.Data, err)
		}
	}
}
