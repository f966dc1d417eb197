package ike

import (
	"bytes"
	"crypto"
	//lint:ignore SA1019 an independent opinion on signatures
	"crypto/dsa"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"strings"
	"testing"

	"postern/ike/isakmp"
)

func derOf(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/auth/" + file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	return block.Bytes
}

func rsaKey(t *testing.T, name string) *rsa.PrivateKey {
	t.Helper()
	k, err := x509.ParsePKCS1PrivateKey(derOf(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func dssKey(t *testing.T, name string) *DSSKey {
	t.Helper()
	k, err := ParseDSSKey(derOf(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// raise is m^d mod n: what the holder of the private key can make of any block.
func raise(k *rsa.PrivateKey, block []byte) []byte {
	m := new(big.Int).SetBytes(block)
	return m.Exp(m, k.D, k.N).FillBytes(make([]byte, k.Size()))
}

// block is 00 01 ff… 00 and the given octets behind, as long as the modulus.
func block(size int, behind ...byte) []byte {
	b := append([]byte{0, 1}, bytes.Repeat([]byte{0xff}, size-3-len(behind))...)
	return append(append(b, 0), behind...)
}

// Signatures that are none: each is what the key's holder, or somebody who knows
// weaknesses of verifiers, may make.
func TestMangledRSASignatures(t *testing.T) {
	key, other := rsaKey(t, "rsa-initiator.key"), rsaKey(t, "rsa-responder.key")
	n := key.Size()
	hash := bytes.Repeat([]byte{0x5a}, 20)
	sum := sha1.Sum([]byte("x"))
	good := raise(key, block(n, hash...))
	changed := func(b []byte, i int, v byte) []byte {
		b = bytes.Clone(b)
		b[i] = v
		return b
	}
	withOID, err := key.Sign(rand.Reader, sum[:], crypto.SHA1)
	if err != nil {
		t.Fatal(err)
	}
	plus := func(sig []byte, x *big.Int) []byte {
		return new(big.Int).Add(new(big.Int).SetBytes(sig), x).Bytes()
	}
	// A cube root whose cube begins 00 01 ff 00 HASH, the rest being garbage.
	cube := &rsa.PublicKey{N: key.N, E: 3}
	start := append(append([]byte{0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0}, hash...), bytes.Repeat([]byte{0xff}, n-31)...)
	root := cubeRoot(new(big.Int).SetBytes(start))
	forged := new(big.Int).Exp(root, big.NewInt(3), nil).FillBytes(make([]byte, n))
	if !bytes.HasPrefix(forged, start[:31]) {
		t.Fatal("the forgery doesn't hold what it must")
	}
	tests := []struct {
		name string
		key  crypto.PublicKey
		hash []byte
		sig  []byte
	}{
		{"HASH of 16 octets", &key.PublicKey, hash, raise(key, block(n, hash[:16]...))},
		{"HASH of 40 octets", &key.PublicKey, hash, raise(key, block(n, append(hash, hash...)...))},
		{"HASH one octet too short", &key.PublicKey, hash, raise(key, block(n, hash[:19]...))},
		{"octets behind HASH", &key.PublicKey, hash, raise(key, append(block(n-4, hash...), 1, 2, 3, 4))},
		{"zeros behind HASH", &key.PublicKey, hash, raise(key, append(block(n-4, hash...), 0, 0, 0, 0))},
		{"garbage behind HASH, short padding", &key.PublicKey, hash, raise(key, start)},
		{"a DigestInfo around it", &key.PublicKey, sum[:], withOID},
		{"block type 2", &key.PublicKey, hash, raise(key, changed(block(n, hash...), 1, 2))},
		{"block type 0", &key.PublicKey, hash, raise(key, changed(block(n, hash...), 1, 0))},
		{"an octet of the padding", &key.PublicKey, hash, raise(key, changed(block(n, hash...), 50, 0xfe))},
		{"a second separator", &key.PublicKey, hash, raise(key, changed(block(n, hash...), n-22, 0))},
		{"no separator", &key.PublicKey, hash, raise(key, changed(block(n, hash...), n-21, 0xff))},
		{"HASH with a bit turned", &key.PublicKey, hash, raise(key, changed(block(n, hash...), n-1, 0x5b))},
		{"a signature with a bit turned", &key.PublicKey, hash, changed(good, 7, good[7]^1)},
		{"empty", &key.PublicKey, hash, nil},
		{"0", &key.PublicKey, hash, make([]byte, n)},
		{"1", &key.PublicKey, hash, big.NewInt(1).FillBytes(make([]byte, n))},
		{"one octet short", &key.PublicKey, hash, good[1:]},
		{"an octet before", &key.PublicKey, hash, append([]byte{0}, good...)},
		{"an octet behind", &key.PublicKey, hash, append(bytes.Clone(good), 0)},
		{"sig = n", &key.PublicKey, hash, key.N.Bytes()},
		{"sig + n", &key.PublicKey, hash, plus(good, key.N)},
		{"n - sig", &key.PublicKey, hash, new(big.Int).Sub(key.N, new(big.Int).SetBytes(good)).FillBytes(make([]byte, n))},
		{"another modulus", &other.PublicKey, hash, good},
		{"made with another key", &key.PublicKey, hash, raise(other, block(n, hash...))},
		{"e = 3, a cube root", cube, hash, root.FillBytes(make([]byte, n))},
		{"e = 1", &rsa.PublicKey{N: key.N, E: 1}, hash, block(n, hash...)},
		{"e = 2", &rsa.PublicKey{N: key.N, E: 2}, hash, good},
		{"an even modulus", &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1024), E: 3}, hash, good},
		{"modulus 0", &rsa.PublicKey{N: new(big.Int), E: 3}, hash, nil},
		{"a modulus too short", &rsa.PublicKey{N: new(big.Int).Rsh(key.N, 8), E: key.E}, hash, good},
		{"no key", nil, hash, good},
		{"a key of DSS", dssKey(t, "dss-initiator.key").Public(), hash, good},
	}
	if len(tests) < 12 {
		t.Fatal("not enough")
	}
	if err := (rsaScheme{}).verify(&key.PublicKey, hash, good, 1024); err != nil {
		t.Fatal("a good one: ", err)
	}
	for _, test := range tests {
		if err := (rsaScheme{}).verify(test.key, test.hash, test.sig, 1024); err == nil {
			t.Errorf("%s is accepted", test.name)
		}
	}
}

func cubeRoot(n *big.Int) *big.Int {
	low, high := new(big.Int), new(big.Int).Lsh(big.NewInt(1), uint(n.BitLen()/3+2))
	for one := big.NewInt(1); new(big.Int).Sub(high, low).Cmp(one) > 0; {
		mid := new(big.Int).Rsh(new(big.Int).Add(low, high), 1)
		if new(big.Int).Exp(mid, big.NewInt(3), nil).Cmp(n) > 0 {
			high = mid
		} else {
			low = mid
		}
	}
	return low
}

// What our key signs is the block that RFC 2409, section 5.1, asks for, whatever
// the length of HASH; a HASH without room is an error.
func TestRSASign(t *testing.T) {
	key := rsaKey(t, "rsa-initiator.key")
	for _, size := range []int{16, 20, 32, 48, 64} {
		hash := bytes.Repeat([]byte{1}, size)
		sig, err := (rsaScheme{}).sign(key, hash)
		if err != nil {
			t.Fatal(err)
		}
		if want := raise(key, block(key.Size(), hash...)); !bytes.Equal(sig, want) {
			t.Errorf("%d octets: %x, want %x", size, sig, want)
		}
	}
	if _, err := signedBlock(make([]byte, 64), 74); err == nil {
		t.Error("64 octets fit in 74")
	}
}

// A signature that begins with zero keeps its length.
func TestLeadingZeroInSignatures(t *testing.T) {
	rsaPrivate, dss := rsaKey(t, "rsa-initiator.key"), dssKey(t, "dss-initiator.key")
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		scheme signatureScheme
		key    crypto.Signer
		size   int
	}{
		{"RSA", rsaScheme{}, rsaPrivate, 128},
		{"DSS", dssScheme{}, dss, 40},
		{"ECDSA", ecdsaSchemes[isakmp.AuthECDSA521], p521, 132},
	} {
		found := false
		for i := 0; i < 1<<13 && !found; i++ {
			hash := big.NewInt(int64(i)).FillBytes(make([]byte, 20))
			sig, err := test.scheme.sign(test.key, hash)
			if err != nil {
				t.Fatal(err)
			}
			if sig[0] != 0 {
				continue
			}
			found = true
			if len(sig) != test.size {
				t.Errorf("%s: %d octets", test.name, len(sig))
			}
			if err := test.scheme.verify(test.key.Public(), hash, sig, 1024); err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
		}
		if !found {
			t.Errorf("%s: no signature begins with zero", test.name)
		}
	}
}

// The DSA of crypto/dsa verifies what we sign, and we verify what it signs.
func TestDSSAgainstTheStandardLibrary(t *testing.T) {
	key := dssKey(t, "dss-initiator.key")
	public := key.Public().(*dsa.PublicKey)
	private := &dsa.PrivateKey{PublicKey: *public, X: new(big.Int).SetBytes(key.x)}
	for i := range 20 {
		hash := sha1.Sum([]byte{byte(i)})
		sig, err := (dssScheme{}).sign(key, hash[:])
		if err != nil {
			t.Fatal(err)
		}
		if !dsa.Verify(public, hash[:], new(big.Int).SetBytes(sig[:20]), new(big.Int).SetBytes(sig[20:])) {
			t.Error("crypto/dsa doesn't verify our signature")
		}
		r, s, err := dsa.Sign(rand.Reader, private, hash[:])
		if err != nil {
			t.Fatal(err)
		}
		theirs := append(r.FillBytes(make([]byte, 20)), s.FillBytes(make([]byte, 20))...)
		if err := (dssScheme{}).verify(public, hash[:], theirs, 1024); err != nil {
			t.Error("crypto/dsa's signature: ", err)
		}
	}
}

// Both of openssl's forms of a key are one key.
func TestParseDSSKey(t *testing.T) {
	der := derOf(t, "dss-initiator.key")
	key := dssKey(t, "dss-initiator.key")
	own, err := asn1.Marshal(struct {
		Version       int
		P, Q, G, Y, X *big.Int
	}{0, key.public.P, key.public.Q, key.public.G, key.public.Y, new(big.Int).SetBytes(key.x)})
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseDSSKey(own)
	if err != nil || again.public.Y.Cmp(key.public.Y) != 0 {
		t.Error(err)
	}
	c, err := x509.ParseCertificate(derOf(t, "dss-initiator.crt"))
	if err != nil || c.PublicKey.(*dsa.PublicKey).Y.Cmp(key.public.Y) != 0 {
		t.Error("not the certificate's key", err)
	}
	for i := range der {
		broken := bytes.Clone(der)
		broken[i] ^= 0x80
		_, _ = ParseDSSKey(broken)
		_, _ = ParseDSSKey(der[:i])
	}
	bad := []*big.Int{new(big.Int), big.NewInt(-5), key.public.Q}
	for _, x := range bad {
		if _, err := newDSSKey(key.public.P, key.public.Q, key.public.G, x); err == nil {
			t.Errorf("x = %v is taken", x)
		}
	}
}

func TestMangledDSSSignatures(t *testing.T) {
	key := dssKey(t, "dss-initiator.key")
	public := key.Public().(*dsa.PublicKey)
	hash := sha1.Sum([]byte("hash"))
	good, err := (dssScheme{}).sign(key, hash[:])
	if err != nil {
		t.Fatal(err)
	}
	if err := (dssScheme{}).verify(public, hash[:], good, 1024); err != nil {
		t.Fatal(err)
	}
	r, s := good[:20], good[20:]
	join := func(r, s []byte) []byte { return append(append([]byte(nil), r...), s...) }
	zero, q := make([]byte, 20), public.Q.Bytes()
	with := func(f func(*dsa.PublicKey)) *dsa.PublicKey {
		k := *public
		f(&k)
		return &k
	}
	der, err := key.Sign(nil, hash[:], crypto.SHA1)
	if err != nil {
		t.Fatal(err)
	}
	other := sha1.Sum([]byte("another"))
	for _, test := range []struct {
		name string
		key  crypto.PublicKey
		hash []byte
		sig  []byte
	}{
		{"r = 0", public, hash[:], join(zero, s)},
		{"s = 0", public, hash[:], join(r, zero)},
		{"r = q", public, hash[:], join(q, s)},
		{"s = q", public, hash[:], join(r, q)},
		{"swapped", public, hash[:], join(s, r)},
		{"short", public, hash[:], good[:39]},
		{"long", public, hash[:], append(bytes.Clone(good), 0)},
		{"ASN.1", public, hash[:], der},
		{"another HASH", public, other[:], good},
		{"another key", dssKey(t, "dss-responder.key").Public(), hash[:], good},
		{"y = 1", with(func(k *dsa.PublicKey) { k.Y = big.NewInt(1) }), hash[:], good},
		{"g = 1", with(func(k *dsa.PublicKey) { k.G = big.NewInt(1) }), hash[:], good},
		{"g = p - 1", with(func(k *dsa.PublicKey) { k.G = new(big.Int).Sub(k.P, big.NewInt(1)) }), hash[:], good},
		{"no q", with(func(k *dsa.PublicKey) { k.Q = nil }), hash[:], good},
		{"an even p", with(func(k *dsa.PublicKey) { k.P = new(big.Int).Lsh(k.P, 1) }), hash[:], good},
		{"a long p", with(func(k *dsa.PublicKey) { k.P = new(big.Int).Lsh(k.P, 8000) }), hash[:], good},
		{"an RSA key", &rsaKey(t, "rsa-initiator.key").PublicKey, hash[:], good},
	} {
		if err := (dssScheme{}).verify(test.key, test.hash, test.sig, 1024); err == nil {
			t.Errorf("%s is accepted", test.name)
		}
	}
	if err := (dssScheme{}).verify(public, hash[:], good, 2048); err == nil {
		t.Error("1024 bits pass for 2048")
	}
}

// A DSS signature is over HASH made with HMAC-SHA1 although SHA2-256 was
// negotiated; SKEYID is made with what was negotiated. Worked through without this
// package (RFC 2409, section 5 and 5.1).
func TestDSSFormulas(t *testing.T) {
	key := dssKey(t, "dss-initiator.key")
	mac := func(h crypto.Hash, key []byte, parts ...string) []byte {
		m := hmac.New(h.New, key)
		m.Write([]byte(strings.Join(parts, "")))
		return m.Sum(nil)
	}
	skeyid := mac(crypto.SHA256, []byte("nonce of Inonce of R"), "\x00g^xy")
	hashI := mac(crypto.SHA1, skeyid, "g^xi", "g^xr", "cookie I", "cookie R", "SAi_b", "IDii_b")
	hashR := mac(crypto.SHA1, skeyid, "g^xr", "g^xi", "cookie R", "cookie I", "SAi_b", "IDir_b")

	cfg := &Config{Credentials: []Credential{{Key: key}}}
	p := newPhase1(&Wire{router: NewRouter(nil)}, Path{}, cfg, Main, true)
	p.chosen = phase1Transform{Proposal: Proposal{Cipher: isakmp.CipherAES, Hash: isakmp.HashSHA256}, method: isakmp.AuthDSS}
	p.schedule = schedule{
		proposal: p.chosen.Proposal, gxi: []byte("g^xi"), gxr: []byte("g^xr"), gxy: []byte("\x00g^xy"),
		ckyI: isakmp.Cookie([]byte("cookie I")), ckyR: isakmp.Cookie([]byte("cookie R")),
	}
	p.niB, p.nrB, p.saiB, p.idiiB, p.idirB = []byte("nonce of I"), []byte("nonce of R"), []byte("SAi_b"), []byte("IDii_b"), []byte("IDir_b")
	a, err := p.authenticate(isakmp.AuthDSS)
	if err != nil {
		t.Fatal(err)
	}
	k, err := p.deriveKeys(a)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(k.skeyid, skeyid) {
		t.Errorf("SKEYID %x, want %x", k.skeyid, skeyid)
	}
	for _, test := range []struct {
		proof proof
		want  []byte
	}{{p.proofI(k), hashI}, {p.proofR(k), hashR}} {
		payloads, err := a.prove(p, test.proof)
		if err != nil || len(payloads) != 1 || payloads[0].Type != isakmp.PayloadSig {
			t.Fatal(payloads, err)
		}
		sig := payloads[0].Body
		r, s := new(big.Int).SetBytes(sig[:20]), new(big.Int).SetBytes(sig[20:])
		if len(sig) != 40 || !dsa.Verify(key.Public().(*dsa.PublicKey), test.want, r, s) {
			t.Error("the signature isn't over HASH with HMAC-SHA1")
		}
	}
}

// RFC 4754, section 8: the keys and signatures of its examples.
func TestECDSAExamples(t *testing.T) {
	for _, test := range []struct {
		method    isakmp.AuthMethod
		gwx, gwy  string
		signature string
	}{
		{
			isakmp.AuthECDSA256,
			"2442A5CC0ECD015FA3CA31DC8E2BBC70BF42D60CBCA20085E0822CB04235E970",
			"6FC98BD7E50211A4A27102FA3549DF79EBCB4BF246B80945CDDFE7D509BBFD7D",
			"CB28E0999B9C7715FD0A80D8E47A77079716CBBF917DD72E97566EA1C066957C" +
				"86FA3BB4E26CAD5BF90B7F81899256CE7594BB1EA0C89212748BFF3B3D5B0315",
		},
	} {
		e := ecdsaSchemes[test.method]
		key, err := ecdsa.ParseUncompressedPublicKey(e.curve, fromHex(strings.ToLower("04"+test.gwx+test.gwy)))
		if err != nil {
			t.Fatal(err)
		}
		h := e.by.New()
		h.Write([]byte("abc"))
		sig := fromHex(strings.ToLower(test.signature))
		if err := e.verify(key, h.Sum(nil), sig, 0); err != nil {
			t.Error(err)
		}
		for i := range sig {
			sig[i] ^= 1
			if e.verify(key, h.Sum(nil), sig, 0) == nil {
				t.Errorf("octet %d changed: accepted", i)
			}
			sig[i] ^= 1
		}
		for _, bad := range [][]byte{nil, sig[1:], append([]byte{0}, sig...), make([]byte, 64), append(e.curve.Params().N.Bytes(), sig[32:]...)} {
			if e.verify(key, h.Sum(nil), bad, 0) == nil {
				t.Errorf("%x accepted", bad)
			}
		}
	}
}

// What a token's key returns is not trusted to fit.
func TestPlainSignature(t *testing.T) {
	marshal := func(r, s int64) []byte {
		der, err := asn1.Marshal(rs{big.NewInt(r), big.NewInt(s)})
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	if got, err := plainSignature(marshal(1, 2), 2); err != nil || !bytes.Equal(got, []byte{0, 1, 0, 2}) {
		t.Error(got, err)
	}
	for _, bad := range [][]byte{nil, {1, 2, 3}, marshal(0, 1), marshal(1, -1), marshal(70000, 1), append(marshal(1, 1), 0)} {
		if _, err := plainSignature(bad, 2); err == nil {
			t.Errorf("%x is taken", bad)
		}
	}
}
