package ike

import (
	"crypto"
	//lint:ignore SA1019 crypto/x509 knows DSA keys by this package's type
	"crypto/dsa"
	"crypto/rand"
	"crypto/sha1"
	"errors"
	"fmt"
	"math/big"
)

// dssScheme is DSS signatures. "DSS is only defined with SHA's 160 bit output", so
// HASH_I and HASH_R are made with HMAC-SHA1 for it whatever hash was negotiated,
// and "DSS signatures MUST be encoded as r followed by s" (RFC 2409, section 5.1),
// each as long as q: 20 octets.
type dssScheme struct{}

func (dssScheme) hash(hashFunc) hashFunc { return sha1.New }

func (dssScheme) fits(key crypto.PublicKey) bool {
	_, ok := key.(*dsa.PublicKey)
	return ok
}

func (dssScheme) sign(key crypto.Signer, hash []byte) ([]byte, error) {
	k, ok := key.Public().(*dsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("our key is a %T, not DSS", key.Public())
	}
	der, err := key.Sign(rand.Reader, hash, crypto.SHA1)
	if err != nil {
		return nil, err
	}
	return plainSignature(der, octetsOf(k.Q))
}

func (dssScheme) verify(key crypto.PublicKey, hash, sig []byte, minBits int) error {
	k, ok := key.(*dsa.PublicKey)
	if !ok {
		return fmt.Errorf("the certificate's key is a %T, not DSS", key)
	}
	if err := checkDSS(k, minBits); err != nil {
		return err
	}
	n := octetsOf(k.Q)
	if len(sig) != 2*n {
		return fmt.Errorf("%d octets where r and s have %d", len(sig), 2*n)
	}
	r, s := new(big.Int).SetBytes(sig[:n]), new(big.Int).SetBytes(sig[n:])
	if r.Sign() == 0 || s.Sign() == 0 || r.Cmp(k.Q) >= 0 || s.Cmp(k.Q) >= 0 {
		return errors.New("r or s isn't between 0 and q")
	}
	// v = (g^(H/s) y^(r/s) mod p) mod q (FIPS 186-4, section 4.7)
	w := new(big.Int).ModInverse(s, k.Q)
	if w == nil {
		return errors.New("q isn't prime")
	}
	u1 := new(big.Int).SetBytes(hash)
	u1.Mod(u1.Mul(u1, w), k.Q)
	u2 := r.Mul(r, w)
	u2.Mod(u2, k.Q)
	v := new(big.Int).Exp(k.G, u1, k.P)
	v.Mul(v, new(big.Int).Exp(k.Y, u2, k.P))
	v.Mod(v.Mod(v, k.P), k.Q)
	if v.Cmp(new(big.Int).SetBytes(sig[:n])) != 0 {
		return errors.New("isn't one of this exchange with that key")
	}
	return nil
}

// The longest modulus that is computed with, and the sizes of q (FIPS 186-4,
// section 4.2).
const (
	maxDSSBits  = 3072
	minDSSQBits = 160
	maxDSSQBits = 256
)

// checkDSS refuses keys with which a signature proves little, or costs much. Whether
// the parameters are prime is for the authority to know that certified them.
func checkDSS(k *dsa.PublicKey, minBits int) error {
	one := big.NewInt(1)
	for _, v := range []*big.Int{k.P, k.Q, k.G, k.Y} {
		if v == nil || v.Cmp(one) <= 0 {
			return errors.New("the DSS key is incomplete")
		}
	}
	switch p, q := k.P.BitLen(), k.Q.BitLen(); {
	case p < minBits || p > maxDSSBits:
		return fmt.Errorf("the DSS key has %d bits where %d to %d are possible", p, minBits, maxDSSBits)
	case q < minDSSQBits || q > maxDSSQBits:
		return fmt.Errorf("the DSS key's q has %d bits", q)
	case k.P.Bit(0) == 0 || k.Q.Bit(0) == 0 || k.G.Cmp(k.P) >= 0 || k.Y.Cmp(k.P) >= 0:
		return errors.New("the DSS key's numbers don't fit each other")
	case new(big.Int).Exp(k.G, k.Q, k.P).Cmp(one) != 0 || new(big.Int).Exp(k.Y, k.Q, k.P).Cmp(one) != 0:
		return errors.New("the DSS key isn't in the subgroup of order q")
	}
	return nil
}

func octetsOf(n *big.Int) int { return (n.BitLen() + 7) / 8 }
