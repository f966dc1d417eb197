package pki_test

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/ike/pki"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestParse(t *testing.T) {
	join := func(names ...string) (all []byte) {
		for _, n := range names {
			all = append(all, read(t, n)...)
		}
		return all
	}
	key := read(t, "rsa.key")
	block, _ := pem.Decode(key)
	for _, c := range []struct {
		name       string
		data       []byte
		passphrase string
		certs      int
		key        string // "", "rsa", "ec" or "dss"
	}{
		{"a certificate in PEM", read(t, "rsa.crt"), "", 1, ""},
		{"a certificate in DER", read(t, "rsa.der"), "", 1, ""},
		{"text around PEM", append([]byte("Bag Attributes\n  friendlyName: x\n"), read(t, "rsa.crt")...), "", 1, ""},
		{"two certificates and a key", join("rsa.crt", "dsa-ca.crt", "rsa.key"), "", 2, "rsa"},
		{"PKCS #8", key, "", 0, "rsa"},
		{"PKCS #8 in DER", block.Bytes, "", 0, "rsa"},
		{"a passphrase that isn't needed", key, "open", 0, "rsa"},
		{"PKCS #1", read(t, "rsa-pkcs1.key"), "", 0, "rsa"},
		{"PKCS #1, AES", read(t, "rsa-pkcs1-aes.key"), "open", 0, "rsa"},
		{"PKCS #8, AES-256", read(t, "rsa-aes256.key"), "open", 0, "rsa"},
		{"PKCS #8, AES-256 in DER", read(t, "rsa-aes256.der"), "open", 0, "rsa"},
		{"PKCS #8, 3DES", read(t, "rsa-3des.key"), "open", 0, "rsa"},
		{"an EC key behind its parameters", read(t, "ec.key"), "", 0, "ec"},
		{"DSA in PKCS #8", read(t, "dsa-sha1.key"), "", 0, "dss"},
		{"DSA in openssl's form", read(t, "dsa-own.key"), "", 0, "dss"},
		{"PKCS #12", read(t, "modern.p12"), "open", 2, "rsa"},
		{"PKCS #12 of old", read(t, "legacy.p12"), "open", 1, "rsa"},
		{"PKCS #12 without a passphrase", read(t, "empty.p12"), "", 1, "rsa"},
		{"PKCS #7 in PEM", read(t, "two.p7b"), "", 2, ""},
		{"PKCS #7 in DER", read(t, "two.p7c"), "", 2, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := pki.Parse(c.data, []byte(c.passphrase))
			if err != nil {
				t.Fatal(err)
			}
			if len(b.Certificates) != c.certs {
				t.Errorf("%d certificates, want %d", len(b.Certificates), c.certs)
			}
			if (b.Key != nil) != (c.key == "rsa" || c.key == "ec") || (b.DSS != nil) != (c.key == "dss") {
				t.Errorf("key %T, %d octets of DSS; want %q", b.Key, len(b.DSS), c.key)
			}
			if c.key == "rsa" {
				plain, err := pki.Parse(read(t, "rsa.crt"), nil)
				if err != nil || !pki.SameKey(plain.Certificates[0].PublicKey, b.Key.Public()) {
					t.Error("another key", err)
				}
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	crt := read(t, "rsa.crt")
	for _, c := range []struct {
		name       string
		data       []byte
		passphrase string
		want       error  // nil: any that says text
		text       string //
	}{
		{"no passphrase for PKCS #8", read(t, "rsa-aes256.key"), "", pki.ErrPassphraseNeeded, ""},
		{"no passphrase for PKCS #8 in DER", read(t, "rsa-aes256.der"), "", pki.ErrPassphraseNeeded, ""},
		{"no passphrase for PKCS #1", read(t, "rsa-pkcs1-aes.key"), "", pki.ErrPassphraseNeeded, ""},
		{"no passphrase for PKCS #12", read(t, "modern.p12"), "", pki.ErrPassphraseNeeded, ""},
		{"wrong passphrase for PKCS #8", read(t, "rsa-aes256.key"), "no", pki.ErrPassphrase, ""},
		{"wrong passphrase for PKCS #1", read(t, "rsa-pkcs1-aes.key"), "no", pki.ErrPassphrase, ""},
		{"wrong passphrase for PKCS #12", read(t, "modern.p12"), "no", pki.ErrPassphrase, ""},
		{"wrong passphrase for PKCS #12 of old", read(t, "legacy.p12"), "no", pki.ErrPassphrase, ""},
		{"a passphrase where PKCS #12 has none", read(t, "empty.p12"), "no", pki.ErrPassphrase, ""},
		{"an old encryption", read(t, "rsa-pbe1.key"), "open", nil, "openssl pkcs8"},
		{"two keys", append(read(t, "rsa.key"), read(t, "ec.key")...), "", nil, "second private key"},
		{"nothing", nil, "", nil, "neither PEM"},
		{"text", []byte("hello"), "", nil, "neither PEM"},
		{"PEM of something else", []byte("-----BEGIN FOO-----\nAAAA\n-----END FOO-----\n"), "", nil, "no PEM block"},
		{"PEM cut short", crt[:len(crt)/2], "", nil, "no PEM block"},
		{"a broken certificate", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{0x30, 0}}), "", nil, "can't be read"},
		{"too many certificates", bytes.Repeat(crt, 65), "", nil, "more than 64"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := pki.Parse(c.data, []byte(c.passphrase))
			if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v, want %v %q", err, c.want, c.text)
			}
		})
	}
}

// A file can't make us count for hours.
func TestParseRefusesManyIterations(t *testing.T) {
	b, _ := pem.Decode(read(t, "rsa-aes256.key"))
	count, err := asn1.Marshal(2048)
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(b.Bytes, count)
	if i < 0 {
		t.Fatal("the file has another count")
	}
	b.Bytes[i+2], b.Bytes[i+3] = 0x7f, 0xff // 32767 is fine
	if _, err := pki.Parse(b.Bytes, []byte("open")); !errors.Is(err, pki.ErrPassphrase) {
		t.Error(err)
	}
	b.Bytes[i+2] = 0x80 // negative
	if _, err := pki.Parse(b.Bytes, []byte("open")); err == nil || errors.Is(err, pki.ErrPassphrase) {
		t.Error(err)
	}
}

func TestAddPayload(t *testing.T) {
	cert, two := read(t, "rsa.der"), read(t, "two.p7c")
	var b pki.Bundle
	for _, p := range []struct {
		encoding uint8
		data     []byte
		certs    int // by then
		ok       bool
	}{
		{4, cert, 1, true},
		{5, cert, 2, true},
		{1, two, 4, true},
		{2, []byte("PGP"), 4, true},
		{10, nil, 4, true},
		{4, nil, 4, false},
		{4, cert[:20], 4, false},
		{1, nil, 4, false},
		{1, cert, 4, false},
		{7, cert, 4, false},
		{4, make([]byte, 1<<17), 4, false},
	} {
		if err := b.AddPayload(p.encoding, p.data); (err == nil) != p.ok || len(b.Certificates) != p.certs {
			t.Errorf("encoding %d, %d octets: %v, %d certificates", p.encoding, len(p.data), err, len(b.Certificates))
		}
	}
	for range 100 {
		if err := b.AddPayload(4, cert); err != nil {
			return
		}
	}
	t.Error("any number of certificates is taken")
}

// What is nested for mischief takes no time.
func TestAddPayloadIsBounded(t *testing.T) {
	var nested []byte
	for len(nested) < 60000 {
		n := len(nested)
		nested = append([]byte{0x30, 0x82, byte(n >> 8), byte(n)}, nested...)
		if n > 16000 && n < 16100 || n > 59990 {
			began := time.Now()
			var b pki.Bundle
			if err := b.AddPayload(1, nested); err == nil {
				t.Error("taken")
			}
			if d := time.Since(began); d > 20*time.Second {
				t.Errorf("%d octets took %v", n, d)
			}
		}
	}
}

func TestChainInOrder(t *testing.T) {
	root, above, below, leaf := line(t)
	all := []*x509.Certificate{root.Certificate, below.Certificate, leaf.Certificate, above.Certificate}
	chain, err := pki.Chain(all, leaf.Key.Public())
	if err != nil || len(chain) != 3 || chain[0] != all[2] || chain[1] != all[1] || chain[2] != all[3] {
		t.Error(chain, err)
	}
	if _, err := pki.Chain(all[:2], leaf.Key.Public()); err == nil {
		t.Error("a chain without the key's certificate")
	}
	alone, err := pki.Chain(all[:1], root.Key.Public())
	if err != nil || len(alone) != 1 {
		t.Error(alone, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"rsa.crt", "rsa.key", "rsa-pkcs1.key", "rsa-pkcs1-aes.key", "rsa-aes256.key", "rsa-3des.key", "dsa-own.key", "dsa-sha1.key", "ec.key", "two.p7b"} {
		f.Add(read(f, name))
		if b, _ := pem.Decode(read(f, name)); b != nil {
			f.Add(b.Bytes)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if pki.IsPKCS12(data) {
			t.Skip("a person's own file may take its time")
		}
		if b, err := pki.Parse(data, nil); err == nil && len(b.Certificates) == 0 && len(b.Revocations) == 0 && b.Key == nil && b.DSS == nil {
			t.Error("nothing was read without an error")
		}
	})
}

func FuzzPayload(f *testing.F) {
	f.Add(uint8(4), read(f, "rsa.der"))
	f.Add(uint8(4), must(pem.Decode(read(f, "dsa-sha1.crt"))))
	f.Add(uint8(1), read(f, "two.p7c"))
	f.Add(uint8(1), []byte{0x30, 0x80, 0x06, 0x01, 0x2a, 0xa0, 0x80, 0x30, 0x80, 0, 0, 0, 0, 0, 0})
	f.Add(uint8(7), []byte{0x30, 0x03, 0x30, 0x01, 0x30})
	f.Fuzz(func(t *testing.T, encoding uint8, data []byte) {
		var b pki.Bundle
		if b.AddPayload(encoding, data) != nil {
			return
		}
		_, _ = (&pki.Verifier{}).Verify(&b)
		for _, c := range b.Certificates {
			_ = pki.Names(c)
			_ = pki.ParseName("CN=x").In(c)
			_ = pki.DN(c.RawIssuer).In(c)
		}
	})
}

func must(b *pem.Block, _ []byte) []byte { return b.Bytes }
