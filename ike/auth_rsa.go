package ike

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	"errors"
	"fmt"
	"math/big"
)

// rsaScheme is RSA signatures. "RSA signatures MUST be encoded as a private key
// encryption in PKCS #1 format and not as a signature in PKCS #1 format (which
// includes the OID of the hash algorithm)" (RFC 2409, section 5.1): what is signed
// is
//
//	00 01 ff … ff 00 HASH
//
// as long as the modulus.
type rsaScheme struct{}

// The least that a key must have.
const (
	defaultMinBits = 1024
	minRSAExponent = 3
	minPadding     = 8 // octets ff (RFC 8017, section 9.2)
)

func (rsaScheme) hash(negotiated hashFunc) hashFunc { return negotiated }

func (rsaScheme) fits(key crypto.PublicKey) bool {
	_, ok := key.(*rsa.PublicKey)
	return ok
}

// sign asks the key for a signature of HASH as it is, which is what the hash
// number 0 means.
func (rsaScheme) sign(key crypto.Signer, hash []byte) ([]byte, error) {
	return key.Sign(rand.Reader, hash, crypto.Hash(0))
}

// verify builds the only block that may have been signed and compares it with
// the one that was: nothing of what the signature holds is parsed.
func (rsaScheme) verify(key crypto.PublicKey, hash, sig []byte, minBits int) error {
	k, ok := key.(*rsa.PublicKey)
	if !ok {
		return fmt.Errorf("the certificate's key is a %T, not RSA", key)
	}
	if err := checkRSA(k, minBits); err != nil {
		return err
	}
	if len(sig) != k.Size() {
		return fmt.Errorf("%d octets where the key has %d", len(sig), k.Size())
	}
	s := new(big.Int).SetBytes(sig)
	if s.Cmp(k.N) >= 0 {
		return errors.New("not below the modulus")
	}
	want, err := signedBlock(hash, k.Size())
	if err != nil {
		return err
	}
	got := s.Exp(s, big.NewInt(int64(k.E)), k.N).FillBytes(make([]byte, k.Size()))
	if subtle.ConstantTimeCompare(got, want) != 1 {
		return errors.New("isn't one of this exchange with that key")
	}
	return nil
}

// signedBlock is the block of block type 1 around HASH.
func signedBlock(hash []byte, size int) ([]byte, error) {
	padding := size - len(hash) - 3
	if padding < minPadding {
		return nil, fmt.Errorf("a modulus of %d octets has no room for a HASH of %d", size, len(hash))
	}
	b := make([]byte, size)
	b[1] = 1
	for i := range padding {
		b[2+i] = 0xff
	}
	copy(b[3+padding:], hash)
	return b, nil
}

// checkRSA refuses keys with which a signature proves little.
func checkRSA(k *rsa.PublicKey, minBits int) error {
	switch {
	case k.N == nil || k.N.Sign() <= 0 || k.N.Bit(0) == 0:
		return errors.New("the RSA modulus isn't odd")
	case k.N.BitLen() < minBits:
		return fmt.Errorf("the RSA key has %d bits where %d are the least", k.N.BitLen(), minBits)
	case k.E < minRSAExponent || k.E%2 == 0:
		return fmt.Errorf("the RSA exponent is %d", k.E)
	}
	return nil
}
