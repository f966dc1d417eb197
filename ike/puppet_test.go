package ike_test

import (
	"slices"
	"testing"

	"postern/ike"
	"postern/ike/iketest"
	"postern/ike/isakmp"
)

// puppet is a gateway in a test's hand: A has made its SA with a true B, whose keys
// the puppet took over. What A sends goes nowhere but to the puppet.
type puppet struct {
	*ike.Voice
	r   *rig
	got chan []byte
}

// puppet connects and takes B's place.
func (r *rig) puppet() (*ike.SA, *puppet) {
	r.t.Helper()
	a, b := r.connect()
	p := &puppet{Voice: ike.VoiceOf(b), r: r, got: make(chan []byte, 1000)}
	r.SetFault(func(d iketest.Datagram) []iketest.Delivery {
		if d.FromA {
			p.got <- d.Octets
		}
		return nil
	})
	b.Abandon()
	return a, p
}

func (p *puppet) say(octets []byte) { p.r.Inject(true, octets) }

// hear is A's next message, opened on the chain of iv, or on a new one if that is nil.
func (p *puppet) hear(iv *[]byte) *isakmp.Message {
	p.r.t.Helper()
	octets := <-p.got
	if *iv == nil {
		*iv = p.Base(header(octets).MessageID)
	}
	m, err := p.Open(octets, iv)
	if err != nil {
		p.r.t.Fatal("puppet: ", err)
	}
	return m
}

// quickMode is a Quick Mode of A's that the puppet answers.
type quickMode struct {
	p      *puppet
	id     uint32
	iv     []byte
	chain  []byte // the IV behind message 1
	ni, nr []byte
	sa     isakmp.Payload // the answer: the first transform of the first proposal
	ids    []isakmp.Payload
}

// hearQuick1 reads message 1.
func (p *puppet) hearQuick1() *quickMode {
	p.r.t.Helper()
	q := &quickMode{p: p, nr: []byte("the puppet's nonce")}
	m := p.hear(&q.iv)
	q.id, q.chain, q.ni = m.MessageID, q.iv, m.Get(isakmp.PayloadNonce)
	sa, err := isakmp.ParseSA(m.Get(isakmp.PayloadSA))
	if err != nil {
		p.r.t.Fatal(err)
	}
	sa.Proposals = sa.Proposals[:1]
	sa.Proposals[0].Transforms = sa.Proposals[0].Transforms[:1]
	sa.Proposals[0].SPI = []byte{0, 0, 0x22, 0x22}
	q.sa = isakmp.Payload{Type: isakmp.PayloadSA, Body: sa.Marshal()}
	for _, body := range m.All(isakmp.PayloadID) {
		q.ids = append(q.ids, isakmp.Payload{Type: isakmp.PayloadID, Body: body})
	}
	return q
}

// answer sends a message 2 with these payloads behind HASH, SA and Nr.
func (q *quickMode) answer(flags isakmp.Flags, rest ...isakmp.Payload) {
	q.iv = q.chain
	payloads := append([]isakmp.Payload{q.sa, {Type: isakmp.PayloadNonce, Body: q.nr}}, rest...)
	q.p.say(q.p.Seal(isakmp.ExchangeQuick, flags, q.id, &q.iv, q.p.Hashed2(q.id, q.ni, payloads...)...))
}

// hear3 passes over repeats of message 1 and checks message 3.
func (q *quickMode) hear3() {
	t := q.p.r.t
	t.Helper()
	for octets := range q.p.got {
		iv := slices.Clone(q.iv)
		m, err := q.p.Open(octets, &iv)
		if err != nil || m.Payloads[0].Type != isakmp.PayloadHash || len(m.Payloads) != 1 {
			continue
		}
		if string(m.Get(isakmp.PayloadHash)) != string(q.p.Hash3(q.id, q.ni, q.nr)) {
			t.Error("HASH(3) doesn't verify")
		}
		q.iv = iv
		return
	}
}

// heard says how much of A's the puppet hasn't read, and forgets it.
func (p *puppet) heard() int {
	n := 0
	for {
		select {
		case <-p.got:
			n++
		default:
			return n
		}
	}
}

func notify(protocol isakmp.ProtocolID, spi []byte, typ isakmp.NotifyType, data []byte) isakmp.Payload {
	n := isakmp.Notify{DOI: isakmp.DOIIPsec, Protocol: protocol, SPI: spi, Type: typ, Data: data}
	return isakmp.Payload{Type: isakmp.PayloadNotify, Body: n.Marshal()}
}

func del(protocol isakmp.ProtocolID, spis ...[]byte) isakmp.Payload {
	d := isakmp.Delete{DOI: isakmp.DOIIPsec, Protocol: protocol, SPIs: spis}
	return isakmp.Payload{Type: isakmp.PayloadDelete, Body: d.Marshal()}
}

func id(prefix ike.Selector) isakmp.Payload {
	return isakmp.Payload{Type: isakmp.PayloadID, Body: isakmp.SubnetID(prefix.Prefix).Marshal()}
}

// bothCookies is the SPI of an ISAKMP SA.
func bothCookies(sa *ike.SA) []byte {
	i := sa.Info()
	return append(append([]byte(nil), i.CookieI[:]...), i.CookieR[:]...)
}

// inPuppetBubble runs f with a puppet as A's peer, in Main Mode.
func inPuppetBubble(t *testing.T, f func(t *testing.T, r *rig, a *ike.SA, p *puppet)) {
	inBubbleOf(t, ike.Main, func(t *testing.T, r *rig) {
		a, p := r.puppet()
		f(t, r, a, p)
	})
}
