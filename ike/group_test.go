package ike

import (
	"bytes"
	"crypto/ecdh"
	"encoding/hex"
	"fmt"
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/ike/isakmp"
)

// The primes as RFC 2409, sections 6.1 and 6.2, and RFC 3526 print them: all
// begin and end with 64 ones, have the digits of pi behind the first, and differ
// in the words before the last.
func TestPrimesAsPrinted(t *testing.T) {
	tests := []struct {
		group isakmp.Group
		last  string // the last four words before the ones
	}{
		{isakmp.GroupMODP768, "C245E485 B576625E 7EC6F44C 42E9A63A 3620FFFF FFFFFFFF FFFF"},
		{isakmp.GroupMODP1024, "AE9F2411 7C4B1FE6 49286651 ECE65381 FFFFFFFF FFFFFFFF"},
		{isakmp.GroupMODP1536, "670C354E 4ABC9804 F1746C08 CA237327 FFFFFFFF FFFFFFFF"},
		{isakmp.GroupMODP2048, "DE2BCBF6 95581718 3995497C EA956AE5 15D22618 98FA0510 15728E5A 8AACAA68 FFFFFFFF FFFFFFFF"},
		{isakmp.GroupMODP3072, "43DB5BFC E0FD108E 4B82D120 A93AD2CA FFFFFFFF FFFFFFFF"},
		{isakmp.GroupMODP4096, "4DF435C9 34063199 FFFFFFFF FFFFFFFF"},
		{isakmp.GroupMODP6144, "12BF2D5B 0B7474D6 E694F91E 6DCC4024 FFFFFFFF FFFFFFFF"},
		{isakmp.GroupMODP8192, "98EDD3DF FFFFFFFF FFFFFFFF"},
	}
	first := fromPrint("FFFFFFFF FFFFFFFF C90FDAA2 2168C234 C4C6628B 80DC1CD1 29024E08 8A67CC74 020BBEA6 3B139B22")
	for _, test := range tests {
		t.Run(groupName(test.group), func(t *testing.T) {
			g := dhGroups[test.group].(*modp)
			p := modpPrime(g.bits, g.c)
			b := p.Bytes()
			if len(b) != g.size() {
				t.Errorf("%d octets, want %d", len(b), g.size())
			}
			if !bytes.HasPrefix(b, first) {
				t.Errorf("begins %x", b[:len(first)])
			}
			if last := fromPrint(test.last); !bytes.HasSuffix(b, last) {
				t.Errorf("ends %x, want %x", b[len(b)-len(last):], last)
			}
			if g.bits <= 2048 || !testing.Short() {
				half := new(big.Int).Rsh(p, 1)
				if !p.ProbablyPrime(0) || !half.ProbablyPrime(0) {
					t.Error("no safe prime")
				}
			}
		})
	}
}

func fromPrint(s string) []byte {
	return fromHex(string(bytes.ReplaceAll(bytes.ToLower([]byte(s)), []byte(" "), nil)))
}

// A g^xy that begins with a zero octet keeps it: all that is hashed has the
// length of the group. Private keys are tried until there is one.
func TestLeadingZeroOfSharedSecret(t *testing.T) {
	t.Run("modp768", func(t *testing.T) {
		g := dhGroups[isakmp.GroupMODP768].(*modp)
		peer, err := g.key([]byte("a fixed private key"))
		if err != nil {
			t.Fatal(err)
		}
		for x := 1; ; x++ {
			k, err := g.key(fmt.Appendf(nil, "fixed private key %d", x))
			if err != nil {
				t.Fatal(err)
			}
			if checkLeadingZero(t, k, peer, g.size()) {
				return
			}
		}
	})
	for _, id := range []isakmp.Group{isakmp.GroupECP256, isakmp.GroupCurve25519} {
		t.Run(groupName(id), func(t *testing.T) {
			g := dhGroups[id].(ecp)
			private := func(x int) dhKey {
				k, err := g.curve.NewPrivateKey(new(big.Int).Add(big.NewInt(1<<40), big.NewInt(int64(x))).FillBytes(make([]byte, 32)))
				if err != nil {
					t.Fatal(err)
				}
				return &ecpKey{g, k}
			}
			peer := private(0)
			for x := 1; ; x++ {
				if checkLeadingZero(t, private(x), peer, 32) {
					return
				}
			}
		})
	}
}

// checkLeadingZero says whether g^xy begins with a zero, and checks it.
func checkLeadingZero(t *testing.T, k, peer dhKey, size int) bool {
	t.Helper()
	a, err := k.shared(peer.public())
	if err != nil {
		t.Fatal(err)
	}
	b, err := peer.shared(k.public())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) || len(a) != size {
		t.Fatalf("%d and %d octets, want %d alike", len(a), len(b), size)
	}
	return a[0] == 0
}

// A public value that makes the secret known to all is refused.
func TestTrivialPublicValues(t *testing.T) {
	g := dhGroups[isakmp.GroupMODP1024].(*modp)
	p := modpPrime(g.bits, g.c)
	minusOne := new(big.Int).Sub(p, big.NewInt(1))
	k, err := g.generate()
	if err != nil {
		t.Fatal(err)
	}
	for name, y := range map[string]*big.Int{"0": big.NewInt(0), "1": big.NewInt(1), "p-1": minusOne, "p": p} {
		if _, err := k.shared(y.FillBytes(make([]byte, g.size()))); err == nil {
			t.Error(name, "is taken")
		}
	}
	if _, err := k.shared(big.NewInt(2).FillBytes(make([]byte, g.size()))); err != nil {
		t.Error("2:", err)
	}
	if _, err := k.shared(make([]byte, g.size()-1)); err == nil {
		t.Error("a short value is taken")
	}
	x := dhGroups[isakmp.GroupCurve25519]
	if k, err = x.generate(); err != nil {
		t.Fatal(err)
	}
	if _, err := k.shared(make([]byte, 32)); err == nil {
		t.Error("curve25519: the point of low order is taken")
	}
	e := dhGroups[isakmp.GroupECP256]
	if k, err = e.generate(); err != nil {
		t.Fatal(err)
	}
	if _, err := k.shared(bytes.Repeat([]byte{1}, 64)); err == nil {
		t.Error("ecp256: a point off the curve is taken")
	}
}

// The KE payload of a NIST curve is x | y, and g^xy is x alone: RFC 5903,
// section 8.1, prints a whole exchange.
func TestECP256AsPrinted(t *testing.T) {
	key := func(s string) *ecpKey {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		k, err := ecdh.P256().NewPrivateKey(b)
		if err != nil {
			t.Fatal(err)
		}
		return &ecpKey{dhGroups[isakmp.GroupECP256].(ecp), k}
	}
	i := key("c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433")
	r := key("c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53")
	gix := fromHex("dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180")
	giy := fromHex("5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3")
	if diff := cmp.Diff(append(gix, giy...), i.public()); diff != "" {
		t.Errorf("KE payload (-want +got):\n%s", diff)
	}
	got, err := i.shared(r.public())
	if err != nil {
		t.Fatal(err)
	}
	if want := fromHex("d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de"); !bytes.Equal(got, want) {
		t.Errorf("g^ir = %x, want %x", got, want)
	}
}
