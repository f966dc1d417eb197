package ike

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"postern/ike/isakmp"
)

// ecdsaScheme is ECDSA signatures on one curve with one hash, whose HMAC makes
// HASH_I and HASH_R whatever was negotiated (RFC 4754, section 4). A signature is
// r | s, each as long as the order of the curve: 64, 96 or 132 octets (section 7).
// Method 8, which names neither, was withdrawn before anybody spoke it.
type ecdsaScheme struct {
	curve elliptic.Curve
	name  isakmp.Hash
	by    crypto.Hash
}

var ecdsaSchemes = map[isakmp.AuthMethod]ecdsaScheme{
	isakmp.AuthECDSA256: {elliptic.P256(), isakmp.HashSHA256, crypto.SHA256},
	isakmp.AuthECDSA384: {elliptic.P384(), isakmp.HashSHA384, crypto.SHA384},
	isakmp.AuthECDSA521: {elliptic.P521(), isakmp.HashSHA512, crypto.SHA512},
}

func (e ecdsaScheme) hash(hashFunc) hashFunc { return hashFuncs[e.name] }

func (e ecdsaScheme) fits(key crypto.PublicKey) bool {
	k, ok := key.(*ecdsa.PublicKey)
	return ok && k.Curve == e.curve
}

// size is the length of r and of s.
func (e ecdsaScheme) size() int { return octetsOf(e.curve.Params().N) }

func (e ecdsaScheme) sign(key crypto.Signer, hash []byte) ([]byte, error) {
	der, err := key.Sign(rand.Reader, hash, e.by)
	if err != nil {
		return nil, err
	}
	return plainSignature(der, e.size())
}

func (e ecdsaScheme) verify(key crypto.PublicKey, hash, sig []byte, _ int) error {
	if !e.fits(key) {
		return fmt.Errorf("the certificate's key isn't one of %s", e.curve.Params().Name)
	}
	n := e.size()
	if len(sig) != 2*n {
		return fmt.Errorf("%d octets where r and s have %d", len(sig), 2*n)
	}
	der, err := asn1.Marshal(rs{new(big.Int).SetBytes(sig[:n]), new(big.Int).SetBytes(sig[n:])})
	if err != nil {
		return err
	}
	if !ecdsa.VerifyASN1(key.(*ecdsa.PublicKey), hash, der) {
		return errors.New("isn't one of this exchange with that key")
	}
	return nil
}

// rs is a signature as crypto.Signer has it.
type rs struct{ R, S *big.Int }

// plainSignature makes r | s, each padded on the left to n octets, of ASN.1.
func plainSignature(der []byte, n int) ([]byte, error) {
	var sig rs
	if rest, err := asn1.Unmarshal(der, &sig); err != nil || len(rest) > 0 {
		return nil, errors.New("the key's signature isn't r and s in ASN.1")
	}
	if sig.R.Sign() <= 0 || sig.S.Sign() <= 0 || octetsOf(sig.R) > n || octetsOf(sig.S) > n {
		return nil, errors.New("the key's signature doesn't fit the key")
	}
	return append(sig.R.FillBytes(make([]byte, n)), sig.S.FillBytes(make([]byte, n))...), nil
}
