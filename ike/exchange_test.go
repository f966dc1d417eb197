package ike

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/ike/isakmp"
)

// testKeys are keys as a phase 1 with the proposal leaves them.
func testKeys(t testing.TB, p Proposal) *keys {
	t.Helper()
	s := &schedule{proposal: p, ckyI: isakmp.Cookie{1}, ckyR: isakmp.Cookie{2}, gxi: []byte("g^xi"), gxr: []byte("g^xr"), gxy: []byte("g^xy")}
	k, err := s.derive(preShared("secret").skeyid(hashFuncs[p.Hash], []byte("Ni"), []byte("Nr")))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var testPath = Path{
	Local:  netip.MustParseAddrPort("192.0.2.10:500"),
	Remote: netip.MustParseAddrPort("192.0.2.1:500"),
}

// testExchange is an exchange under k whose messages go to sent.
func testExchange(k *keys, msgID uint32, sent *[][]byte) *exchange {
	r := NewRouter(func(msg []byte, _ Path) error {
		*sent = append(*sent, bytes.Clone(msg))
		return nil
	})
	l := newLink(&Wire{router: r}, testPath, slog.New(slog.DiscardHandler))
	l.ckyI, l.ckyR = isakmp.Cookie{1}, isakmp.Cookie{2}
	x := &exchange{link: l, stage: "test", typ: isakmp.ExchangeTransaction, msgID: msgID, leads: true}
	x.protect(k, k.phase2IV(msgID))
	return x
}

// Whatever pads a message, however much of it, is no part of it: HASH doesn't
// cover it, and the last cipher block that the next IV is made of is the last of the padding.
func TestPaddingOfAnyKind(t *testing.T) {
	random := make([]byte, 64)
	rand.Read(random)
	for _, p := range []Proposal{strong, weak} {
		k := testKeys(t, p)
		block := k.cipher.BlockSize()
		payloads := func(data string) []isakmp.Payload {
			rest := []isakmp.Payload{{Type: isakmp.PayloadVendorID, Body: []byte(data)}}
			hash := k.hash1(7, isakmp.AppendPayloads(nil, rest))
			return append([]isakmp.Payload{{Type: isakmp.PayloadHash, Body: hash}}, rest...)
		}
		fill := func(n int) int { return (block - n%block) % block }
		tests := []struct {
			name string
			pad  func(n int) []byte // to a message of n octets
		}{
			{"zeros", func(n int) []byte { return make([]byte, fill(n)) }},
			{"a whole block of zeros more", func(n int) []byte { return make([]byte, fill(n)+block) }},
			{"three blocks more", func(n int) []byte { return make([]byte, fill(n)+3*block) }},
			{"random octets", func(n int) []byte { return random[:fill(n)] }},
			{"random octets and the count", func(n int) []byte {
				b := bytes.Clone(random[:fill(n)+block])
				b[len(b)-1] = byte(len(b) - 1)
				return b
			}},
			{"what looks like a payload", func(n int) []byte {
				return append(isakmp.AppendPayloads(nil, []isakmp.Payload{{Type: isakmp.PayloadNotify, Body: make([]byte, 12)}}), make([]byte, fill(n+16))...)
			}},
		}
		for _, test := range tests {
			t.Run(fmt.Sprintf("%v/%s", p, test.name), func(t *testing.T) {
				x := testExchange(k, 7, new([][]byte))
				iv := k.phase2IV(7)
				for round := range 3 {
					ps := payloads("message " + fmt.Sprint(round))
					plain := isakmp.AppendPayloads(nil, ps)
					plain = append(plain, test.pad(len(plain))...)
					d := sealed(k, &iv, isakmp.ExchangeTransaction, 7, ps[0].Type, plain)
					m, err := x.take(d, func(m *isakmp.Message) error {
						return checkHash(m, func(rest []byte) []byte { return k.hash1(7, rest) })
					})
					if err != nil {
						t.Fatalf("round %d: %v", round, err)
					}
					if diff := cmp.Diff(ps, m.Payloads); diff != "" {
						t.Errorf("round %d (-want +got):\n%s", round, diff)
					}
				}
			})
		}
	}
}

// sealed encrypts plain, which is whole blocks, under the IV of a chain and moves that on.
func sealed(k *keys, iv *[]byte, typ isakmp.ExchangeType, msgID uint32, first isakmp.PayloadType, plain []byte) Datagram {
	body := bytes.Clone(plain)
	cipher.NewCBCEncrypter(k.cipher, *iv).CryptBlocks(body, body)
	*iv = body[len(body)-k.cipher.BlockSize():]
	h := isakmp.Header{
		InitiatorCookie: isakmp.Cookie{1}, ResponderCookie: isakmp.Cookie{2}, NextPayload: first, Version: isakmp.Version,
		Exchange: typ, Flags: isakmp.FlagEncryption, MessageID: msgID, Length: uint32(isakmp.HeaderLen + len(body)),
	}
	return Datagram{append(h.Append(nil), body...), testPath}
}

// What is refused changes nothing: the same message is taken afterwards.
func TestRefusedMessageLeavesChain(t *testing.T) {
	k := testKeys(t, strong)
	x := testExchange(k, 7, new([][]byte))
	iv := k.phase2IV(7)
	good := sealed(k, &iv, isakmp.ExchangeTransaction, 7, isakmp.PayloadVendorID, []byte{0, 0, 0, 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
	accept := func(m *isakmp.Message) error {
		if m.Get(isakmp.PayloadVendorID) == nil {
			return errors.New("no VID")
		}
		return nil
	}
	change := func(at int, b byte) []byte {
		o := bytes.Clone(good.Octets)
		o[at] ^= b
		return o
	}
	bad := map[string][]byte{
		"version":          change(17, 0x20),
		"initiator cookie": change(0, 1),
		"responder cookie": change(8, 1),
		"exchange":         change(18, 1),
		"message ID":       change(23, 1),
		"in clear":         change(19, 1),
		"first block":      change(28, 0xff),
		"length":           change(27, 3),
		"short":            good.Octets[:40],
		"next payload":     change(16, 1),
		"nothing":          {},
	}
	moved := testPath
	moved.Remote = netip.MustParseAddrPort("198.51.100.1:500")
	for name, octets := range bad {
		if m, err := x.take(Datagram{octets, moved}, accept); err == nil {
			t.Errorf("%s: %v is taken", name, m)
		}
		if got := *x.link.path.Load(); got != testPath {
			t.Fatalf("%s: the path moved to %v", name, got)
		}
	}
	if _, err := x.take(good, accept); err != nil {
		t.Error(err)
	}
}

// A message that is repeated is the same octets, and the chain moves once.
func TestRepeatIsTheSameOctets(t *testing.T) {
	k := testKeys(t, strong)
	var sent [][]byte
	x := testExchange(k, 7, &sent)
	if err := x.finish(isakmp.Payload{Type: isakmp.PayloadVendorID, Body: []byte("one")}); err != nil {
		t.Fatal(err)
	}
	iv := x.iv
	x.repeat()
	x.repeat()
	if len(sent) != 3 || !bytes.Equal(sent[0], sent[1]) || !bytes.Equal(sent[0], sent[2]) {
		t.Errorf("sent % x", sent)
	}
	if !bytes.Equal(iv, x.iv) || !bytes.Equal(iv, sent[0][len(sent[0])-16:]) {
		t.Error("the IV moved")
	}
}

// A message in clear to a phase 1 initiator counts only from the gateway's address.
func TestClearMessageFromElsewhere(t *testing.T) {
	x := testExchange(testKeys(t, strong), 0, new([][]byte))
	x.keys, x.typ = nil, isakmp.ExchangeMain
	h := isakmp.Header{InitiatorCookie: isakmp.Cookie{1}, ResponderCookie: isakmp.Cookie{2}, Version: isakmp.Version, Exchange: isakmp.ExchangeMain, Length: 28}
	d := Datagram{h.Append(nil), testPath}
	d.From.Remote = netip.MustParseAddrPort("198.51.100.1:500")
	accept := func(*isakmp.Message) error { return nil }
	if _, err := x.take(d, accept); err == nil {
		t.Error("taken from another address")
	}
	d.From.Remote = netip.AddrPortFrom(testPath.Remote.Addr(), 1500)
	if _, err := x.take(d, accept); err != nil {
		t.Error("from another port:", err)
	}
}

// A pre-shared key longer than a block of the hash is hashed first, and keys
// are octets: nothing is trimmed.
func TestLongPresharedKey(t *testing.T) {
	for _, h := range []isakmp.Hash{isakmp.HashMD5, isakmp.HashSHA1, isakmp.HashSHA256, isakmp.HashSHA384, isakmp.HashSHA512} {
		f := hashFuncs[h]
		block := f().BlockSize()
		long := bytes.Repeat([]byte{0xaa}, block+1)
		if !bytes.Equal(preShared(long).skeyid(f, []byte("Ni"), []byte("Nr")), preShared(f.sum(long)).skeyid(f, []byte("Ni"), []byte("Nr"))) {
			t.Errorf("hash %d: %d octets aren't hashed first", h, len(long))
		}
		whole := long[:block]
		if bytes.Equal(preShared(whole).skeyid(f, []byte("Ni"), []byte("Nr")), preShared(f.sum(whole)).skeyid(f, []byte("Ni"), []byte("Nr"))) {
			t.Errorf("hash %d: %d octets are hashed first", h, block)
		}
	}
	f := hashFuncs[isakmp.HashSHA1]
	for _, other := range []string{"secret\n", "secret ", " secret"} {
		if bytes.Equal(preShared("secret").skeyid(f, nil, nil), preShared(other).skeyid(f, nil, nil)) {
			t.Errorf("%q is trimmed", other)
		}
	}
	// RFC 2202, section 2, case 6: a key of 80 octets.
	got := hashFuncs[isakmp.HashMD5].prf(bytes.Repeat([]byte{0xaa}, 80), []byte("Test Using Larger Than Block-Size Key - Hash Key First"))
	if want := fromHex("6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"); !bytes.Equal(got, want) {
		t.Errorf("HMAC-MD5 = %x, want %x", got, want)
	}
}

// Message IDs don't repeat within an SA and aren't zero.
func TestMessageIDsNeverRepeat(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 100_000
	}
	ids := newMessageIDs()
	seen := make(map[uint32]bool, n)
	high := 0
	for range n {
		id := ids.next()
		if id == 0 || seen[id] {
			t.Fatalf("%08x after %d", id, len(seen))
		}
		seen[id] = true
		if id>>31 == 1 {
			high++
		}
	}
	if high < n*49/100 || high > n*51/100 {
		t.Errorf("%d of %d have the first bit set", high, n)
	}
	if a, b := newMessageIDs().next(), newMessageIDs().next(); a == b {
		t.Error("two SAs begin alike")
	}
}
