package ike

import (
	"crypto"
	//lint:ignore SA1019 crypto/x509 knows DSA keys by this package's type
	"crypto/dsa"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"

	"filippo.io/bigmod"
)

// DSSKey is a private key for DSS signatures, which crypto/x509 doesn't read and
// no package of the standard library signs with in constant time. It may be used
// concurrently.
type DSSKey struct {
	public dsa.PublicKey
	p, q   *bigmod.Modulus
	x      []byte // as long as q
}

// ParseDSSKey reads a private key that openssl wrote: PKCS #8, or its own SEQUENCE
// of 0, p, q, g, y and x. The key's numbers must fit each other.
func ParseDSSKey(der []byte) (*DSSKey, error) {
	var own struct {
		Version       int
		P, Q, G, Y, X *big.Int
	}
	if rest, err := asn1.Unmarshal(der, &own); err == nil && len(rest) == 0 {
		return newDSSKey(own.P, own.Q, own.G, own.X)
	}
	var pkcs8 struct {
		Version    int
		Algorithm  pkix.AlgorithmIdentifier
		PrivateKey []byte
	}
	if _, err := asn1.Unmarshal(der, &pkcs8); err != nil || !pkcs8.Algorithm.Algorithm.Equal(oidDSA) {
		return nil, errors.New("not a DSS private key")
	}
	var params struct{ P, Q, G *big.Int }
	if _, err := asn1.Unmarshal(pkcs8.Algorithm.Parameters.FullBytes, &params); err != nil {
		return nil, errors.New("DSS private key: its parameters can't be read")
	}
	var x *big.Int
	if _, err := asn1.Unmarshal(pkcs8.PrivateKey, &x); err != nil {
		return nil, errors.New("DSS private key: its number can't be read")
	}
	return newDSSKey(params.P, params.Q, params.G, x)
}

var oidDSA = asn1.ObjectIdentifier{1, 2, 840, 10040, 4, 1}

func newDSSKey(p, q, g, x *big.Int) (*DSSKey, error) {
	k := &DSSKey{public: dsa.PublicKey{Parameters: dsa.Parameters{P: p, Q: q, G: g}}}
	fit := g.Sign() > 0 && g.Cmp(p) < 0 && x.Sign() > 0 && x.Cmp(q) < 0 && q.Cmp(p) < 0
	if !fit || p.Bit(0) == 0 || q.Bit(0) == 0 || p.BitLen() > maxDSSBits {
		return nil, errors.New("DSS private key: its numbers don't fit each other")
	}
	var err error
	if k.p, err = bigmod.NewModulus(p.Bytes()); err != nil {
		return nil, err
	}
	if k.q, err = bigmod.NewModulus(q.Bytes()); err != nil {
		return nil, err
	}
	k.x = x.FillBytes(make([]byte, octetsOf(q)))
	y, err := k.power(k.x)
	if err != nil {
		return nil, err
	}
	k.public.Y = new(big.Int).SetBytes(y.Bytes(k.p))
	return k, checkDSS(&k.public, 1)
}

// power is g^e mod p.
func (k *DSSKey) power(e []byte) (*bigmod.Nat, error) {
	g, err := bigmod.NewNat().SetBytes(k.public.G.FillBytes(make([]byte, octetsOf(k.public.P))), k.p)
	if err != nil {
		return nil, err
	}
	return bigmod.NewNat().Exp(g, e, k.p), nil
}

// Public is a *dsa.PublicKey.
func (k *DSSKey) Public() crypto.PublicKey { return &k.public }

// Sign signs a digest, which must not be longer than q, and returns the ASN.1
// SEQUENCE of r and s (FIPS 186-4, section 4.6). Its randomness is crypto/rand's.
func (k *DSSKey) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	if len(digest) > len(k.x) {
		return nil, errors.New("DSS: the digest is longer than the key takes")
	}
	h := make([]byte, len(k.x))
	copy(h[len(h)-len(digest):], digest)
	for {
		secret, err := k.nonce()
		if err != nil {
			return nil, err
		}
		sig, ok, err := k.signWith(secret, h)
		if err != nil {
			return nil, err
		}
		if ok {
			return asn1.Marshal(sig)
		}
	}
}

// nonce is a number between 0 and q that nobody can guess anything of: others are
// thrown away, none is reduced (FIPS 186-4, section B.2.2).
func (k *DSSKey) nonce() ([]byte, error) {
	b := make([]byte, len(k.x))
	for {
		rand.Read(b) // never fails
		b[0] &= 0xff >> (8*len(b) - k.q.BitLen())
		if n, err := bigmod.NewNat().SetBytes(b, k.q); err == nil && n.IsZero() == 0 {
			return b, nil
		}
	}
}

// signWith is r = (g^k mod p) mod q and s = (H + x r) / k mod q, neither of which
// may be 0.
func (k *DSSKey) signWith(secret, h []byte) (sig rs, ok bool, err error) {
	gk, err := k.power(secret)
	if err != nil {
		return sig, false, err
	}
	r := bigmod.NewNat().Mod(gk, k.q)
	x, err := bigmod.NewNat().SetBytes(k.x, k.q)
	if err != nil {
		return sig, false, err
	}
	sum, err := bigmod.NewNat().SetOverflowingBytes(h, k.q)
	if err != nil {
		return sig, false, err
	}
	n, err := bigmod.NewNat().SetBytes(secret, k.q)
	if err != nil {
		return sig, false, err
	}
	// q is prime: 1/k = k^(q-2).
	exponent := new(big.Int).Sub(k.public.Q, big.NewInt(2)).Bytes()
	s := bigmod.NewNat().Exp(n, exponent, k.q)
	s.Mul(sum.Add(x.Mul(r, k.q), k.q), k.q)
	if r.IsZero()|s.IsZero() != 0 {
		return sig, false, nil
	}
	return rs{new(big.Int).SetBytes(r.Bytes(k.q)), new(big.Int).SetBytes(s.Bytes(k.q))}, true, nil
}
