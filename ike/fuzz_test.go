package ike

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"postern/ike/isakmp"
)

// fuzzLog has every message formatted, for the log must not fail either.
var fuzzLog = slog.New(slog.NewTextHandler(discard{}, &slog.HandlerOptions{Level: slog.LevelDebug}))

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

var fuzzProposal = Proposal{isakmp.CipherAES, 128, isakmp.HashSHA1, isakmp.GroupCurve25519}

func fuzzConfig() *Config {
	return &Config{
		Proposals: []Proposal{fuzzProposal}, Secret: []byte("secret"), Log: fuzzLog,
		Groups: func(Hello) []Group { return []Group{{"one", []byte("wrong")}, {"two", []byte("secret")}} },
		Transaction: func(_ context.Context, _ *SA, c isakmp.Configuration) *isakmp.Configuration {
			return &c
		},
		Quick: func(_ context.Context, _ *SA, o QuickOffer) (*ChildConfig, error) {
			return &ChildConfig{Proposals: fuzzESP, Local: o.Local, Remote: o.Remote}, nil
		},
	}
}

var fuzzESP = []ESPProposal{{Encryption: isakmp.ESPAES, KeyBits: 128, Integrity: isakmp.AuthHMACSHA1}, {Encryption: isakmp.ESPNull, Integrity: isakmp.AuthHMACMD5}}

// The steps of phase 1 that FuzzPhase1Message stands before.
const (
	mainMessage1 = iota
	mainMessage2
	mainMessage3
	mainMessage4
	mainMessage5
	mainMessage6
	aggressiveMessage1
	aggressiveMessage2
	aggressiveMessage3
	phase1Steps
)

// step is a phase 1 before a message: how it is read, and the keys that encrypt it, if any.
type step struct {
	p      *phase1
	accept acceptFunc
	keys   *keys
}

// at builds a phase 1 that waits for the message.
func at(t testing.TB, which int) step {
	mode, initiator := Main, which%2 == 1
	if which >= aggressiveMessage1 {
		mode = Aggressive
	}
	w := &Wire{router: NewRouter(func([]byte, Path) error { return nil }), own: isakmp.Cookie{2}}
	p := newPhase1(w, testPath, fuzzConfig(), mode, initiator)
	p.link.ckyI = isakmp.Cookie{1}
	p.saiB = offerPhase1(p.cfg.Proposals, psk, time.Hour)
	p.chosen = phase1Transform{Proposal: fuzzProposal, method: isakmp.AuthPSK}
	p.schedule.proposal = fuzzProposal
	p.features.natt = natRFC3947
	p.auth = preShared("secret")
	p.idiiB, p.idirB = []byte{11, 0, 0, 0, 'i'}, []byte{11, 0, 0, 0, 'r'}
	s := step{p: p}
	if which != mainMessage1 && which != aggressiveMessage1 {
		if err := p.newKE(fuzzProposal.Group); err != nil {
			t.Fatal(err)
		}
	}
	switch which {
	case mainMessage1, aggressiveMessage1:
		s.accept = p.choose
		return s
	case mainMessage2:
		s.accept = p.takeChoice
		return s
	case aggressiveMessage2:
		s.accept = func(m *isakmp.Message) error { _, err := p.takeAggressive(m); return err }
		return s
	}
	p.link.ckyR = isakmp.Cookie{2}
	if which == mainMessage3 {
		s.accept = p.takeKE
		return s
	}
	if which == mainMessage4 {
		s.accept = func(m *isakmp.Message) error {
			if err := p.takeKE(m); err != nil {
				return err
			}
			return p.agree()
		}
		return s
	}
	return p.authenticated(t, which, s)
}

// authenticated goes on to the keys.
func (p *phase1) authenticated(t testing.TB, which int, s step) step {
	peer, err := dhGroups[fuzzProposal.Group].generate()
	if err != nil {
		t.Fatal(err)
	}
	if p.initiator {
		p.schedule.gxr, p.nrB = peer.public(), []byte("the peer's nonce")
	} else {
		p.schedule.gxi, p.niB = peer.public(), []byte("the peer's nonce")
	}
	if err := p.agree(); err != nil {
		t.Fatal(err)
	}
	if s.keys, err = p.deriveKeys(p.auth); err != nil {
		t.Fatal(err)
	}
	p.x.protect(s.keys, s.keys.iv)
	switch k := s.keys; which {
	case mainMessage5:
		groups, err := p.tryGroups()
		if err != nil {
			t.Fatal(err)
		}
		p.x.trial = []*keys{groups[0].keys, groups[1].keys}
		s.accept = func(m *isakmp.Message) error { return p.checkInitiator(m, groups) }
	case mainMessage6:
		s.accept = func(m *isakmp.Message) error { return p.checkResponder(m, k) }
	case aggressiveMessage3:
		p.x.clearAllowed = true
		s.accept = func(m *isakmp.Message) error { return p.auth.check(p, m, isakmp.ID{}, p.proofI(k)) }
	}
	return s
}

// fuzzMessage is a datagram with the header that the step wants, but for flags, and
// a body of the fuzzer's, encrypted where it should be.
func (s step) fuzzMessage(first, flags byte, body []byte) []byte {
	h := isakmp.Header{
		InitiatorCookie: s.p.link.ckyI, ResponderCookie: s.p.link.ckyR, NextPayload: isakmp.PayloadType(first),
		Version: isakmp.Version, Exchange: s.p.x.typ, Flags: isakmp.Flags(flags),
	}
	if s.p.initiator && s.p.link.ckyR == (isakmp.Cookie{}) {
		h.ResponderCookie = isakmp.Cookie{2}
	}
	if s.keys != nil && h.Flags&isakmp.FlagEncryption != 0 && len(body) > 0 {
		body, _ = s.keys.encrypt(s.keys.iv, body)
	}
	h.Length = uint32(isakmp.HeaderLen + len(body))
	return append(h.Append(nil), body...)
}

// FuzzPhase1Message stands before each message of phase 1 in turn and has it from
// the fuzzer: in clear, or encrypted under the true keys. What is refused changes
// nothing that counts, and what is taken is what was offered.
func FuzzPhase1Message(f *testing.F) {
	for _, s := range []string{"main-aes256", "aggr-3des"} {
		for i, m := range readLab(f, s).Messages[:6] {
			body := []byte(m.Isakmp[isakmp.HeaderLen:])
			if m.Plaintext != nil {
				body = m.Plaintext
			}
			which := byte(i)
			if s == "aggr-3des" {
				which = byte(min(aggressiveMessage1+i, aggressiveMessage3))
			}
			f.Add(which, m.Isakmp[16], m.Isakmp[19], body)
		}
	}
	for which := range byte(phase1Steps) {
		f.Add(which, byte(isakmp.PayloadSA), byte(0), goodPhase1(f))
	}
	f.Fuzz(func(t *testing.T, which, first, flags byte, body []byte) {
		if len(body) > isakmp.MaxMessage-isakmp.HeaderLen-16 {
			return
		}
		s := at(t, int(which)%phase1Steps)
		iv := bytes.Clone(s.p.x.iv)
		m, err := s.p.x.take(Datagram{s.fuzzMessage(first, flags, body), testPath}, s.accept)
		if err != nil {
			if s.keys != nil && len(s.p.x.trial) == 0 && !bytes.Equal(iv, s.p.x.iv) {
				t.Errorf("refused (%v), but the IV moved", err)
			}
			if len(err.Error()) > 2000 {
				t.Errorf("an error of %d octets", len(err.Error()))
			}
			return
		}
		if s.p.chosen.Proposal != fuzzProposal || s.p.chosen.method != isakmp.AuthPSK {
			t.Errorf("%v is taken: %+v", m, s.p.chosen)
		}
		s.p.natDiscovered(m)
		s.p.learnProved(m)
	})
}

// goodPhase1 has all the payloads that any message of phase 1 has, in clear.
func goodPhase1(t testing.TB) []byte {
	ke, err := dhGroups[fuzzProposal.Group].generate()
	if err != nil {
		t.Fatal(err)
	}
	return isakmp.AppendPayloads(nil, []isakmp.Payload{
		{Type: isakmp.PayloadSA, Body: offerPhase1([]Proposal{fuzzProposal}, psk, time.Hour)},
		{Type: isakmp.PayloadKE, Body: ke.public()},
		{Type: isakmp.PayloadNonce, Body: []byte("a nonce of some octets")},
		{Type: isakmp.PayloadID, Body: isakmp.AddressID(testPath.Remote.Addr()).Marshal()},
		{Type: isakmp.PayloadHash, Body: make([]byte, 20)},
		{Type: isakmp.PayloadVendorID, Body: vidUnity},
		{Type: isakmp.PayloadNATD, Body: make([]byte, 20)},
		{Type: isakmp.PayloadNATD, Body: make([]byte, 20)},
		{Type: isakmp.PayloadNotify, Body: isakmp.Notify{Type: isakmp.NotifyInitialContact}.Marshal()},
	})
}

// fuzzSA is an established SA that is the responder of its phase 1, with what it
// sends counted.
func fuzzSA(t testing.TB, sent *int) *SA {
	s := at(t, aggressiveMessage3)
	w := s.p.link.wire
	w.router = NewRouter(func([]byte, Path) error { *sent++; return nil })
	w.inbox = make(chan Datagram)
	s.p.peer, s.p.nat = isakmp.ID{}, NAT{}
	return newSA(s.p, s.keys)
}

// How FuzzSADatagram makes a datagram of the fuzzer's octets.
const (
	asItIs        = iota // body as it is, in clear or taken for encrypted
	encrypted            // encrypted, no HASH
	hashed1              // encrypted behind HASH(1)
	hashed2              // as message 2 of a Quick Mode of ours
	asTransaction        // as the answer to a request of ours
	fuzzWays
)

// FuzzSADatagram gives an SA datagrams of the fuzzer's making: strange ones, and
// such as only the peer can make. Without a HASH that verifies nothing happens.
func FuzzSADatagram(f *testing.F) {
	for _, name := range []string{"main-aes256", "aggr-3des"} {
		for _, m := range readLab(f, name).Messages {
			h, err := isakmp.ParseHeader(m.Isakmp)
			if err != nil || m.Plaintext == nil || h.MessageID == 0 {
				continue
			}
			// Without the HASH, which the way adds.
			msg, err := isakmp.ParseMessage(h, m.Plaintext)
			if err != nil || len(msg.Payloads) < 2 {
				continue
			}
			for way := range byte(fuzzWays) {
				f.Add(way, byte(h.Exchange), byte(h.Flags), h.MessageID, byte(msg.Payloads[1].Type), msg.After(0))
			}
		}
	}
	f.Fuzz(func(t *testing.T, way, exchange, flags byte, msgID uint32, first byte, body []byte) {
		if len(body) > isakmp.MaxMessage-isakmp.HeaderLen-64 {
			return
		}
		sent := 0
		sa := fuzzSA(t, &sent)
		defer sa.Abandon()
		switch way %= fuzzWays; way {
		case hashed2, asTransaction:
			fuzzAnswer(t, sa, way, first, body)
			return
		}
		octets := fuzzDatagram(sa, way, exchange, flags, msgID, first, body)
		moved := testPath
		moved.Remote = netip.MustParseAddrPort("203.0.113.66:4500")
		sa.call(func() { sa.route(Datagram{octets, moved}) })
		if way != hashed1 && (sent != 0 || sa.Err() != nil || sa.Path() != testPath) {
			t.Errorf("%d datagrams sent, %v, the path is %v", sent, sa.Err(), sa.Path())
		}
	})
}

// fuzzDatagram is a datagram that begins an exchange.
func fuzzDatagram(sa *SA, way, exchange, flags byte, msgID uint32, first byte, body []byte) []byte {
	h := isakmp.Header{
		InitiatorCookie: sa.info.CookieI, ResponderCookie: sa.info.CookieR, NextPayload: isakmp.PayloadType(first),
		Version: isakmp.Version, Exchange: isakmp.ExchangeType(exchange), Flags: isakmp.Flags(flags), MessageID: msgID,
	}
	if way == hashed1 {
		hash := isakmp.Payload{Type: isakmp.PayloadHash, Body: sa.keys.hash1(msgID, covered(first, body))}
		plain := isakmp.AppendPayloads(nil, []isakmp.Payload{hash})
		plain[0] = first
		h.NextPayload, body = isakmp.PayloadHash, append(plain, body...)
	}
	if way == encrypted || way == hashed1 {
		h.Flags |= isakmp.FlagEncryption
		body, _ = sa.keys.encrypt(sa.keys.phase2IV(msgID), append(body, make([]byte, 1)...))
	}
	h.Length = uint32(isakmp.HeaderLen + len(body))
	return append(h.Append(nil), body...)
}

// covered is what a HASH covers of a body: its payloads without what pads them.
func covered(first byte, body []byte) []byte {
	m, err := isakmp.ParseMessage(isakmp.Header{NextPayload: isakmp.PayloadType(first)}, body)
	if err != nil {
		return body
	}
	return m.After(-1)
}

// fuzzAnswer lets an exchange of ours read an answer that verifies.
func fuzzAnswer(t *testing.T, sa *SA, way, first byte, body []byte) {
	x, err := sa.begin(isakmp.ExchangeQuick)
	if err != nil {
		t.Fatal(err)
	}
	defer sa.tasks.Done()
	c := &ChildConfig{
		Proposals: fuzzESP, Lifetime: time.Hour,
		Local: Selector{Prefix: netip.MustParsePrefix("10.0.0.1/32")}, Remote: Selector{Prefix: netip.MustParsePrefix("0.0.0.0/0")},
	}
	q := &quick{sa: sa, x: x, cfg: c, initiator: true, mode: sa.encapsulation(), local: c.Local, remote: c.Remote, niB: newNonce()}
	accept, hash := q.takeAnswer, sa.keys.hash2(x.msgID, q.niB, covered(first, body))
	if way == asTransaction {
		x.typ = isakmp.ExchangeTransaction
		hash = sa.keys.hash1(x.msgID, covered(first, body))
		accept = func(m *isakmp.Message) error {
			if err := sa.checkHash1(m, x.msgID); err != nil {
				return err
			}
			_, err := readConfiguration(m)
			return err
		}
	}
	plain := isakmp.AppendPayloads(nil, []isakmp.Payload{{Type: isakmp.PayloadHash, Body: hash}})
	plain[0] = first
	iv := bytes.Clone(x.iv)
	sealed, _ := sa.keys.encrypt(iv, append(plain, body...))
	h := isakmp.Header{
		InitiatorCookie: sa.info.CookieI, ResponderCookie: sa.info.CookieR, NextPayload: isakmp.PayloadHash, Version: isakmp.Version,
		Exchange: x.typ, Flags: isakmp.FlagEncryption, MessageID: x.msgID, Length: uint32(isakmp.HeaderLen + len(sealed)),
	}
	if _, err := x.take(Datagram{append(h.Append(nil), sealed...), testPath}, accept); err != nil {
		if !bytes.Equal(iv, x.iv) {
			t.Errorf("refused (%v), but the IV moved", err)
		}
		return
	}
	if way == hashed2 {
		if !q.local.within(c.Local) || !q.remote.within(c.Remote) || q.theirSPI < 256 {
			t.Errorf("%v and %v with SPI %x are taken", q.local, q.remote, q.theirSPI)
		}
		if child, err := q.child(); err != nil || len(child.Outbound.Integrity) == 0 {
			t.Errorf("%+v, %v", child, err)
		}
	}
}

// The messages of the fuzz targets' seeds, and the longest ones, stay below what an
// end may allocate.
func TestAllocationsOfPhase1Messages(t *testing.T) {
	long := append(goodPhase1(t), make([]byte, 60<<10)...)
	for which := range phase1Steps {
		for _, flags := range []byte{0, 1} {
			s := at(t, which)
			octets := s.fuzzMessage(byte(isakmp.PayloadSA), flags, long)
			var before, after runtime.MemStats
			least := ^uint64(0)
			for range 20 {
				runtime.ReadMemStats(&before)
				_, _ = s.p.x.take(Datagram{octets, testPath}, s.accept)
				runtime.ReadMemStats(&after)
				least = min(least, after.TotalAlloc-before.TotalAlloc)
			}
			if least > 64<<10+16<<10 {
				t.Errorf("step %d, flags %d: %d octets allocated", which, flags, least)
			}
		}
	}
}
