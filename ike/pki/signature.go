package pki

import (
	"crypto"
	//lint:ignore SA1019 antique gateways have such keys
	"crypto/dsa"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
)

// errWeak marks a signature whose algorithm isn't allowed.
var errWeak = errors.New("is signed with an algorithm that isn't safe any more")

// checkSignature verifies what key signed. crypto/x509 does it but for SHA-1 and DSA,
// which have to be allowed.
func (v *Verifier) checkSignature(by *x509.Certificate, a x509.SignatureAlgorithm, signed, sig []byte) error {
	switch a {
	case x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1:
		if !v.AllowSHA1 {
			return fmt.Errorf("%w (%v)", errWeak, a)
		}
	case x509.DSAWithSHA256:
		if !v.AllowDSA {
			return fmt.Errorf("%w (%v)", errWeak, a)
		}
	case x509.MD2WithRSA, x509.MD5WithRSA:
		return fmt.Errorf("%w (%v)", errWeak, a)
	default:
		return by.CheckSignature(a, signed, sig)
	}
	return verifyAntique(by.PublicKey, a, signed, sig)
}

// signedBy says whether the key of by made the signature on c, with any algorithm
// but MD2 and MD5. It is for putting certificates in order, not for trusting them.
func signedBy(c, by *x509.Certificate) bool {
	any := Verifier{AllowSHA1: true, AllowDSA: true}
	return any.checkSignature(by, c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

var errSignature = errors.New("isn't signed by that key")

// verifyAntique verifies signatures with SHA-1, and with DSA.
func verifyAntique(key crypto.PublicKey, a x509.SignatureAlgorithm, signed, sig []byte) error {
	sum := sha1.Sum(signed)
	digest := sum[:]
	if a == x509.DSAWithSHA256 {
		long := sha256.Sum256(signed)
		digest = long[:]
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		if a == x509.SHA1WithRSA {
			return rsa.VerifyPKCS1v15(k, crypto.SHA1, digest, sig)
		}
	case *ecdsa.PublicKey:
		if a == x509.ECDSAWithSHA1 && ecdsa.VerifyASN1(k, digest, sig) {
			return nil
		}
	case *dsa.PublicKey:
		if a != x509.DSAWithSHA1 && a != x509.DSAWithSHA256 || checkDSA(k) != nil {
			break
		}
		var rs struct{ R, S *big.Int }
		if rest, err := asn1.Unmarshal(sig, &rs); err != nil || len(rest) > 0 {
			break
		}
		if n := (k.Q.BitLen() + 7) / 8; len(digest) > n {
			digest = digest[:n]
		}
		if dsa.Verify(k, digest, rs.R, rs.S) {
			return nil
		}
	}
	return errSignature
}

// Sizes of keys, in bits.
const (
	DefaultRSABits = 2048 // the least
	LowestRSABits  = 1024 // with which a signature proves anything
	maxRSABits     = 16384
	minDSABits     = 1024
	maxDSABits     = 3072 // FIPS 186-4, section 4.2
	minDSAQBits    = 160
	maxDSAQBits    = 256
)

// checkKey says what is weak about a public key.
func (v *Verifier) checkKey(key crypto.PublicKey) error {
	switch k := key.(type) {
	case *rsa.PublicKey:
		least := v.MinRSABits
		if least == 0 {
			least = DefaultRSABits
		}
		switch bits := k.N.BitLen(); {
		case bits < max(least, LowestRSABits):
			return fmt.Errorf("has an RSA key of %d bits, where %d are the least", bits, max(least, LowestRSABits))
		case bits > maxRSABits:
			return fmt.Errorf("has an RSA key of %d bits, where %d are the most", bits, maxRSABits)
		case k.E < 3 || k.E%2 == 0:
			return fmt.Errorf("has an RSA key with the exponent %d", k.E)
		}
		return nil
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
			return nil
		}
		return fmt.Errorf("has a key on the curve %s", k.Curve.Params().Name)
	case *dsa.PublicKey:
		return checkDSA(k)
	}
	return nil // of an authority, as Ed25519 is; nobody signs phase 1 with it
}

// checkDSA refuses keys with which a signature proves little, or costs much.
func checkDSA(k *dsa.PublicKey) error {
	one := big.NewInt(1)
	for _, n := range []*big.Int{k.P, k.Q, k.G, k.Y} {
		if n == nil || n.Cmp(one) <= 0 || n.BitLen() > maxDSABits {
			return errors.New("has a DSA key whose numbers are impossible")
		}
	}
	p, q := k.P.BitLen(), k.Q.BitLen()
	switch {
	case p < minDSABits, q < minDSAQBits, q > maxDSAQBits:
		return fmt.Errorf("has a DSA key of %d bits (q: %d)", p, q)
	case k.P.Bit(0) == 0, k.Q.Bit(0) == 0, k.G.Cmp(k.P) >= 0, k.Y.Cmp(k.P) >= 0,
		new(big.Int).Exp(k.G, k.Q, k.P).Cmp(one) != 0, new(big.Int).Exp(k.Y, k.Q, k.P).Cmp(one) != 0:
		return errors.New("has a DSA key whose numbers don't fit each other")
	}
	return nil
}
