package diagnosis

import (
	"testing"
	"time"

	"postern/ike"
	"postern/ike/isakmp"
)

// FuzzAnswer: whatever a gateway says, reading it neither fails badly nor takes what
// wasn't offered.
func FuzzAnswer(f *testing.F) {
	q, err := newQuestion(isakmp.ExchangeMain, likely(), withKey, isakmp.ID{})
	if err != nil {
		f.Fatal(err)
	}
	q.cookie = isakmp.Cookie{1, 2, 3, 4, 5, 6, 7, 8}
	choice := []isakmp.Payload{{Type: isakmp.PayloadSA, Body: ike.Offer(likely()[:1], withKey[:1], time.Hour)}, {Type: isakmp.PayloadVendorID, Body: []byte("x")}}
	h := isakmp.Header{InitiatorCookie: q.cookie, ResponderCookie: isakmp.Cookie{1}, Version: isakmp.Version, Exchange: isakmp.ExchangeMain}
	f.Add(message(h, choice))
	f.Add(notifyMessage(q.cookie, isakmp.NotifyNoProposalChosen))
	f.Add(q.octets)
	f.Fuzz(func(t *testing.T, octets []byte) {
		a, err := q.read(octets)
		if (a == nil) == (err == nil) {
			t.Fatalf("%v, %v", a, err)
		}
		if a == nil {
			return
		}
		p := newProber(&asker{limits: politely}, ours, nil)
		p.vendorIDs = a.vendorIDs
		if a.accepts {
			if len(without(likely(), []ike.Proposal{a.choice.Proposal})) != len(likely())-1 {
				t.Fatalf("took %v, which wasn't offered", a.choice)
			}
			p.main.accept(a.choice)
			q.farewell(a)
		}
		p.tell()
	})
}

// FuzzIKEv2Answer: the same for IKE_SA_INIT.
func FuzzIKEv2Answer(f *testing.F) {
	spi := isakmp.Cookie{1, 2, 3, 4, 5, 6, 7, 8}
	h := isakmp.Header{InitiatorCookie: spi, ResponderCookie: isakmp.Cookie{1}, Version: v2Version, Exchange: v2SAInit, Flags: v2Response}
	f.Add(message(h, []isakmp.Payload{{Type: v2SA, Body: v2Offer()}}))
	f.Add(message(h, []isakmp.Payload{{Type: v2Notify, Body: []byte{0, 0, 0, v2InvalidKE}}}))
	f.Add(notifyMessage(spi, isakmp.NotifyInvalidMajorVersion))
	f.Fuzz(func(t *testing.T, octets []byte) {
		said, err := readIKEv2(octets, spi)
		if err != nil && said != v2No || err == nil && said == v2No {
			t.Fatalf("%s, %v", said, err)
		}
	})
}
