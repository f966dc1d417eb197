package stamp

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"postern/ike/isakmp"
)

// Seeds are what this package writes itself.
func seeds() (radiuses, securids, policies, receipts [][]byte) {
	c := &conversation{ckyI: isakmp.Cookie{1}, ckyR: isakmp.Cookie{2}, first: []byte("first")}
	km := macKey(papSecret)
	for _, r := range []*radius{
		{kind: kindRequest, method: PAP, identifier: 1, challenge: make([]byte, 16)},
		{kind: kindRequest, method: Challenge, identifier: 255, challenge: make([]byte, 16), message: "Passcode?"},
		{kind: kindResponse, method: PAP, identifier: 1, user: "alice", password: make([]byte, 32)},
		{kind: kindResponse, method: CHAP, identifier: 1, user: "alice", password: make([]byte, 16)},
		{kind: kindResponse, method: Challenge, identifier: 1, user: "alice"},
		{kind: kindResult, identifier: 1, outcome: outcomeAccepted},
		{kind: kindResult, identifier: 1, outcome: outcomeRejected, message: "No."},
	} {
		radiuses = append(radiuses, r.marshal(c, 7, km), r.marshal(c, 7, nil))
	}
	for _, s := range []*securid{
		{kind: kindRequest, transaction: 5, step: 1, question: Question{Ask: AskPasscode}},
		{kind: kindRequest, transaction: 5, step: 2, question: Question{Ask: AskNewPIN, MinPIN: 4, MaxPIN: 8, Alphanumeric: true, Message: "New PIN"}},
		{kind: kindResponse, transaction: 5, step: 1, user: "alice", answer: Answer{Ask: AskPasscode, Passcode: []byte("123456")}},
		{kind: kindResponse, transaction: 5, step: 2, answer: Answer{Ask: AskNewPIN, NewPIN: []byte("4711")}},
		{kind: kindResponse, transaction: 5, step: 3, answer: Answer{Ask: AskAcceptPIN, Yes: true}},
		{kind: kindResult, transaction: 5, step: 3, outcome: outcomeRejected, message: "No."},
	} {
		securids = append(securids, s.marshal())
	}
	policies = append(policies, fullPolicy().marshal())
	receipts = append(receipts, isakmp.AppendAttributes(appendHeader(kindReceipt), []isakmp.Attribute{
		isakmp.TV(receiptNetworks, 2), isakmp.TLV(receiptDigest, make([]byte, 20)), isakmp.TLV(receiptProof, make([]byte, 20)),
	}))
	return radiuses, securids, policies, receipts
}

func fullPolicy() *Policy {
	return &Policy{
		SaveSecrets: true, IPX: true, ExcludeLAN: true, Address: netip.MustParsePrefix("10.20.0.10/24"),
		Networks:  []netip.Prefix{netip.MustParsePrefix("10.30.0.0/16"), netip.MustParsePrefix("0.0.0.0/0")},
		Keepalive: 20 * time.Second, Inactivity: time.Hour,
		DNS: []netip.Addr{netip.MustParseAddr("10.30.0.53"), netip.MustParseAddr("2001:db8::53")}, WINS: []netip.Addr{netip.MustParseAddr("10.30.0.55")},
		SplitDNS: []string{"example.com", "example.org"}, Domain: "example.com", Backup: []string{"vpn2.example.com", "192.0.2.2"},
		Banner: "Willkommen im Büro", LeastVersion: "5.0", digest: make([]byte, 20),
	}
}

func FuzzRADIUS(f *testing.F) {
	rs, _, _, _ := seeds()
	for _, b := range rs {
		f.Add(b)
	}
	c := &conversation{ckyI: isakmp.Cookie{1}, ckyR: isakmp.Cookie{2}, first: []byte("first")}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRADIUS(b)
		if err != nil {
			return
		}
		if checkText(r.user, maxText) != nil || checkText(r.message, maxText) != nil {
			t.Fatalf("text: %+v", r)
		}
		var km []byte
		if r.mac != nil {
			km = macKey(papSecret)
		}
		again, err := parseRADIUS(r.marshal(c, 7, km))
		if err != nil || again.user != r.user || !bytes.Equal(again.password, r.password) || again.outcome != r.outcome {
			t.Fatalf("%+v, then %+v, %v", r, again, err)
		}
	})
}

func FuzzSecurID(f *testing.F) {
	_, ss, _, _ := seeds()
	for _, b := range ss {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseSecurID(b)
		if err != nil {
			return
		}
		again, err := parseSecurID(s.marshal())
		if err != nil || again.step != s.step || again.answer.Yes != s.answer.Yes && s.kind == kindResponse && answerTo[s.answer.Ask] == securidAnswer {
			t.Fatalf("%+v, then %+v, %v", s, again, err)
		}
	})
}

func FuzzPolicy(f *testing.F) {
	_, _, ps, _ := seeds()
	for _, b := range ps {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parsePolicy(b)
		if err != nil {
			return
		}
		if err := p.check(); err != nil {
			t.Fatal(err)
		}
		again, err := parsePolicy(p.marshal())
		if err != nil || again.Address != p.Address || len(again.Networks) != len(p.Networks) || again.Banner != p.Banner {
			t.Fatalf("%+v, then %+v, %v", p, again, err)
		}
		for _, r := range p.Routes() {
			if r != r.Masked() {
				t.Fatal(r)
			}
		}
	})
}

func FuzzReceipt(f *testing.F) {
	_, _, _, rs := seeds()
	for _, b := range rs {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseReceipt(b, func([]byte) []byte { return make([]byte, 20) })
		if err == nil && (len(r.digest) != digestLen || checkText(r.Version, maxText) != nil) {
			t.Fatalf("%+v", r)
		}
	})
}
