package stamp

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/ike/isakmp"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVendorID(t *testing.T) {
	id := VendorID()
	if got := hex.EncodeToString(id); len(id) != 16 || !strings.HasSuffix(got, "0100") {
		t.Errorf("vendor ID %s", got)
	}
	newer, older := bytes.Clone(id), bytes.Clone(id)
	newer[15], older[14] = 9, 0
	if !Announced([][]byte{{1}, id}) || !Announced([][]byte{newer}) || Announced([][]byte{older}) || Announced(nil) || Announced([][]byte{id[:15]}) {
		t.Error("Announced")
	}
}

// TestHide compares with RFC 2865, section 7.1, where the user nemo logs in with
// the password "arctangent".
func TestHide(t *testing.T) {
	authenticator := unhex(t, "0f403f9473978057bd83d5cb98f4227a")
	want := unhex(t, "0dbe708d93d413ce3196e43f782a0aee")
	if got := hide([]byte("xyzzy5461"), authenticator, []byte("arctangent")); !bytes.Equal(got, want) {
		t.Errorf("hidden: %x, want %x", got, want)
	}
	for _, n := range []int{0, 1, 15, 16, 17, 64, 128} {
		p := bytes.Repeat([]byte("p"), n)
		h := hide(papSecret, authenticator, p)
		if len(h)%16 != 0 || len(h) == 0 || !bytes.Equal(reveal(papSecret, authenticator, h), p) {
			t.Errorf("a password of %d octets: %x", n, h)
		}
	}
}

// TestCHAPResponse compares with RFC 2865, section 7.2: the user flopsy.
func TestCHAPResponse(t *testing.T) {
	challenge, want := unhex(t, "2aee86f08d0d55969ca5978e0d3367a2"), unhex(t, "e97557c316185895f293ff6344077275")
	if got := CHAPResponse(0x16, []byte("arctangent"), challenge); !bytes.Equal(got, want) {
		t.Errorf("response %x, want %x", got, want)
	}
}

// TestChallengeIsBound: one challenge sent in two connections isn't the same for
// both, whichever part of the connection differs.
func TestChallengeIsBound(t *testing.T) {
	a := conversation{isakmp.Cookie{1}, isakmp.Cookie{2}, []byte("first")}
	challenge := make([]byte, 16)
	seen := map[string]string{}
	for name, c := range map[string]conversation{
		"the same":        a,
		"another CKY-I":   {isakmp.Cookie{9}, a.ckyR, a.first},
		"another CKY-R":   {a.ckyI, isakmp.Cookie{9}, a.first},
		"another message": {a.ckyI, a.ckyR, []byte("second")},
		"cookies swapped": {a.ckyR, a.ckyI, a.first},
	} {
		got := string(c.challengeOf(challenge))
		if other, ok := seen[got]; ok {
			t.Errorf("%s and %s have the same challenge", name, other)
		}
		seen[got] = name
	}
	b := conversation{isakmp.Cookie{9}, a.ckyR, a.first}
	if bytes.Equal(a.authenticator(papSecret, challenge), b.authenticator(papSecret, challenge)) {
		t.Error("two connections hide with the same octets")
	}
}

func TestRADIUSBody(t *testing.T) {
	c := &conversation{isakmp.Cookie{1}, isakmp.Cookie{2}, []byte("first")}
	r := &radius{kind: kindResponse, method: PAP, identifier: 7, user: "alice", password: bytes.Repeat([]byte{0xaa}, 16)}
	b := r.marshal(c, 9, macKey(papSecret))
	want := unhex(t, `01 02 0000  8001 0001  8002 0007  0004 0005 616c696365  0005 0010 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa  0008 0014`)
	if !bytes.HasPrefix(b, want) || len(b) != len(want)+20 {
		t.Errorf("body %x, want %x and a MAC", b, want)
	}
	got, err := parseRADIUS(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.verify(c, 9, macKey(papSecret)); err != nil {
		t.Error(err)
	}
	for name, verify := range map[string]func() error{
		"message ID": func() error { return got.verify(c, 8, macKey(papSecret)) },
		"CKY-I": func() error {
			return got.verify(&conversation{isakmp.Cookie{3}, c.ckyR, c.first}, 9, macKey(papSecret))
		},
		"CKY-R": func() error {
			return got.verify(&conversation{c.ckyI, isakmp.Cookie{3}, c.first}, 9, macKey(papSecret))
		},
		"key":    func() error { return got.verify(c, 9, macKey([]byte("other"))) },
		"no MAC": func() error { return (&radius{}).verify(c, 9, macKey(papSecret)) },
	} {
		if verify() == nil {
			t.Errorf("verifies with another %s", name)
		}
	}
	for i := range b {
		changed := bytes.Clone(b)
		changed[i] ^= 1
		if m, err := parseRADIUS(changed); err == nil && m.verify(c, 9, macKey(papSecret)) == nil {
			t.Errorf("verifies with octet %d changed", i)
		}
	}
}

func body(kind uint8, as ...isakmp.Attribute) []byte {
	return isakmp.AppendAttributes(appendHeader(kind), as)
}

// TestRefusedBodies: what isn't as it must be is refused with one sentence.
func TestRefusedBodies(t *testing.T) {
	ch := isakmp.TLV(radiusChallenge, make([]byte, 16))
	method, id, mac := isakmp.TV(radiusMethod, 1), isakmp.TV(radiusIdentifier, 1), isakmp.TLV(radiusMAC, make([]byte, 20))
	user := isakmp.TLV(radiusUser, []byte("alice"))
	tests := []struct {
		name, want string
		body       []byte
	}{
		{"nothing", "a body of 0 octets", nil},
		{"version", "version 2", []byte{2, 1, 0, 0}},
		{"kind", "kind 4", body(4, id)},
		{"no method", "attribute 1 is missing", body(kindRequest, id, ch, mac)},
		{"no challenge", "attribute 3 is missing", body(kindRequest, method, id, mac)},
		{"short challenge", "attribute 3: 15 octets", body(kindRequest, method, id, isakmp.TLV(radiusChallenge, make([]byte, 15)), mac)},
		{"number in the long form", "a number in the long form", body(kindRequest, isakmp.TLV(radiusMethod, []byte{0, 1}), id, ch, mac)},
		{"text in the short form", "octets in the short form", body(kindResponse, method, id, isakmp.TV(radiusUser, 0x6161), mac)},
		{"unknown method", "4 isn't from 1 to 3", body(kindRequest, isakmp.TV(radiusMethod, 4), id, ch, mac)},
		{"identifier", "256 isn't from 0 to 255", body(kindRequest, method, isakmp.TV(radiusIdentifier, 256), ch, mac)},
		{"twice", "attribute 1 stands twice", body(kindRequest, method, method, id, ch, mac)},
		{"behind the MAC", "something stands behind the MAC", body(kindRequest, method, id, mac, ch)},
		{"zeros behind the MAC", "something stands behind the MAC", append(body(kindRequest, method, id, ch, mac), 0, 0, 0, 0)},
		{"short MAC", "attribute 8: 19 octets", body(kindRequest, method, id, ch, isakmp.TLV(radiusMAC, make([]byte, 19)))},
		{"control characters", "text with control characters", body(kindRequest, method, id, ch, isakmp.TLV(radiusMessage, []byte("a\x1bb")), mac)},
		{"not UTF-8", "text that isn't UTF-8", body(kindRequest, method, id, ch, isakmp.TLV(radiusMessage, []byte{0xff}), mac)},
		{"text too long", "attribute 6: 256 octets", body(kindRequest, method, id, ch, isakmp.TLV(radiusMessage, bytes.Repeat([]byte("a"), 256)), mac)},
		{"no password", "no password", body(kindResponse, method, id, user, mac)},
		{"password not in blocks", "a hidden password of 15 octets", body(kindResponse, method, id, user, isakmp.TLV(radiusPassword, make([]byte, 15)), mac)},
		{"long CHAP response", "a CHAP response of 32 octets", body(kindResponse, isakmp.TV(radiusMethod, 2), id, user, isakmp.TLV(radiusPassword, make([]byte, 32)), mac)},
		{"password too long", "attribute 5: 144 octets", body(kindResponse, method, id, user, isakmp.TLV(radiusPassword, make([]byte, 144)), mac)},
		{"no user", "no user name", body(kindResponse, method, id, isakmp.TLV(radiusUser, nil), isakmp.TLV(radiusPassword, make([]byte, 16)), mac)},
		{"runs past the end", "runs past the end", append(body(kindRequest), 0, 3, 0, 99, 1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseRADIUS(tt.body)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
	// What isn't known is skipped, and reserved octets are ignored.
	ok := body(kindRequest, method, isakmp.TLV(99, []byte("later")), id, ch, mac)
	ok[2], ok[3] = 0xff, 0xff
	if _, err := parseRADIUS(ok); err != nil {
		t.Error(err)
	}
}

func TestPolicyRoundTrip(t *testing.T) {
	p := fullPolicy()
	got, err := parsePolicy(p.marshal())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(p, got, cmp.AllowUnexported(Policy{}), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
		t.Error(d)
	}
	if r := (&Policy{Address: netip.MustParsePrefix("10.20.0.10/24")}).Routes(); len(r) != 1 || r[0] != netip.MustParsePrefix("10.20.0.0/24") {
		t.Errorf("without a list: %v", r)
	}
}

func TestRefusedPolicies(t *testing.T) {
	save, at, digest := isakmp.TV(policySaveSecrets, 0), isakmp.TLV(policyAddress, []byte{10, 0, 0, 1}), isakmp.TLV(policyDigest, make([]byte, 20))
	tests := []struct {
		name, want string
		as         []isakmp.Attribute
	}{
		{"no address", "attribute 4 is missing", []isakmp.Attribute{save, digest}},
		{"no digest", "attribute 16 is missing", []isakmp.Attribute{save, at}},
		{"mask with holes", "the mask has holes", []isakmp.Attribute{save, at, digest, isakmp.TLV(policyMask, []byte{255, 0, 255, 0})}},
		{"mask of everything", "0.0.0.0", []isakmp.Attribute{save, at, digest, isakmp.TLV(policyMask, make([]byte, 4))}},
		{"loopback", "no address of a host", []isakmp.Attribute{save, digest, isakmp.TLV(policyAddress, []byte{127, 0, 0, 1})}},
		{"IPv6 address", "isn't IPv4", []isakmp.Attribute{save, digest, isakmp.TLV(policyAddress, append([]byte{0x20, 1}, make([]byte, 14)...))}},
		{"address of 5 octets", "no address of a host", []isakmp.Attribute{save, digest, isakmp.TLV(policyAddress, make([]byte, 5))}},
		{"multicast network", "no network of hosts", []isakmp.Attribute{save, at, digest, isakmp.TLV(policyNetwork, []byte{224, 0, 0, 0, 255, 0, 0, 0})}},
		{"a resolver's line", "no domain name", []isakmp.Attribute{save, at, digest, isakmp.TLV(policySplitDNS, []byte("a; nameserver 1.2.3.4"))}},
		{"flag of 2", "2 isn't from 0 to 1", []isakmp.Attribute{isakmp.TV(policySaveSecrets, 2), at, digest}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := parsePolicy(body(kindPolicy, tt.as...)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
	many := []isakmp.Attribute{save, at, digest}
	for range maxNetworks + 1 {
		many = append(many, isakmp.TLV(policyNetwork, []byte{10, 0, 0, 0, 255, 0, 0, 0}))
	}
	if _, err := parsePolicy(body(kindPolicy, many...)); err == nil || !strings.Contains(err.Error(), "more than 512") {
		t.Error(err)
	}
}

func TestReceiptProof(t *testing.T) {
	prove := func(covered []byte) []byte { return hmacSHA1([]byte("SKEYID_a"), covered) }
	covered := body(kindReceipt, isakmp.TV(receiptNetworks, 2), isakmp.TLV(receiptDigest, make([]byte, 20)))
	whole := func(proof []byte) []byte {
		return isakmp.AppendAttributes(bytes.Clone(covered), []isakmp.Attribute{isakmp.TLV(receiptProof, proof)})
	}
	if r, err := parseReceipt(whole(prove(covered)), prove); err != nil || r.Networks != 2 {
		t.Error(r, err)
	}
	good := whole(prove(covered))
	for i := range good {
		changed := bytes.Clone(good)
		changed[i] ^= 1
		if _, err := parseReceipt(changed, prove); err == nil {
			t.Errorf("taken with octet %d changed", i)
		}
	}
	for name, b := range map[string][]byte{
		"none":        covered,
		"another":     whole(make([]byte, 20)),
		"not at last": append(whole(prove(covered)), 0x80, 99, 0, 0),
		"nothing":     nil,
	} {
		if _, err := parseReceipt(b, prove); err == nil {
			t.Errorf("proof %s: taken", name)
		}
	}
}

func TestRefusedSecurID(t *testing.T) {
	tr, st := isakmp.TV(securidTransaction, 1), isakmp.TV(securidStep, 1)
	tests := []struct {
		name, want string
		body       []byte
	}{
		{"no step", "attribute 2 is missing", body(kindRequest, tr, isakmp.TV(securidAsk, 1))},
		{"step 0", "0 isn't from 1", body(kindRequest, tr, isakmp.TV(securidStep, 0), isakmp.TV(securidAsk, 1))},
		{"unknown question", "6 isn't from 1 to 5", body(kindRequest, tr, st, isakmp.TV(securidAsk, 6))},
		{"no passcode", "attribute 6 is missing", body(kindResponse, tr, st, isakmp.TV(securidAsk, 1))},
		{"no answer", "attribute 8 is missing", body(kindResponse, tr, st, isakmp.TV(securidAsk, 4))},
		{"passcode too long", "attribute 6: 65 octets", body(kindResponse, tr, st, isakmp.TV(securidAsk, 1), isakmp.TLV(securidPasscode, make([]byte, 65)))},
		{"no outcome", "attribute 9 is missing", body(kindResult, tr, st)},
		{"kind", "kind 9", body(9, tr, st)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := parseSecurID(tt.body); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}
