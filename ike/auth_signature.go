package ike

import (
	"crypto"
	"errors"
	"fmt"

	"postern/ike/isakmp"
)

// signature authenticates both ends with digital signatures (RFC 2409, section
// 5.1): instead of HASH_I and HASH_R go SIG_I and SIG_R over them, and before
// them the certificates.
type signature struct {
	scheme   signatureScheme
	schedule *schedule // of the phase 1
}

// signatureScheme is a signature algorithm.
type signatureScheme interface {
	// hash is whose HMAC makes the HASH that is signed.
	hash(negotiated hashFunc) hashFunc
	// fits says whether a key is one of the algorithm.
	fits(crypto.PublicKey) bool
	sign(key crypto.Signer, hash []byte) ([]byte, error)
	// verify returns nil if sig is key's signature of hash. minBits is the shortest
	// modulus that counts.
	verify(key crypto.PublicKey, hash, sig []byte, minBits int) error
}

// schemeOf is the algorithm that a method signs with, nil if it doesn't sign.
func schemeOf(m isakmp.AuthMethod) signatureScheme {
	switch family(m) {
	case isakmp.AuthRSA, isakmp.AuthHybridInitRSA, isakmp.AuthHybridRespRSA:
		return rsaScheme{}
	case isakmp.AuthDSS, isakmp.AuthHybridInitDSS, isakmp.AuthHybridRespDSS:
		return dssScheme{}
	}
	if e, ok := ecdsaSchemes[m]; ok {
		return e
	}
	return nil
}

// skeyid is SKEYID = prf(Ni_b | Nr_b, g^xy).
func (a signature) skeyid(h hashFunc, niB, nrB []byte) []byte {
	return h.prf(append(append([]byte(nil), niB...), nrB...), a.schedule.gxy)
}

// prove is [ CERT, ] SIG.
func (a signature) prove(p *phase1, ours proof) ([]isakmp.Payload, error) {
	c := p.cfg.credential(a.scheme)
	if c == nil {
		return nil, fmt.Errorf("%s: %v: no key of ours is for it", p.x.stage, p.chosen.method)
	}
	sig, err := a.scheme.sign(c.Key, ours(a.scheme.hash(hashFuncs[p.chosen.Hash])))
	if err != nil {
		return nil, fmt.Errorf("%s: signing: %w", p.x.stage, err)
	}
	return append(p.certificates(c), isakmp.Payload{Type: isakmp.PayloadSig, Body: sig}), nil
}

// check verifies the peer's certificates and with the key in them its SIG.
func (a signature) check(p *phase1, m *isakmp.Message, id isakmp.ID, theirs proof) error {
	sig := m.Get(isakmp.PayloadSig)
	if sig == nil {
		return errors.New("no SIG payload")
	}
	key, err := p.verifyPeer(m, id)
	if err != nil {
		return err
	}
	hash := theirs(a.scheme.hash(hashFuncs[p.chosen.Hash]))
	if err := a.scheme.verify(key, hash, sig, p.cfg.minKeyBits()); err != nil {
		return errHopeless{fmt.Errorf("%w: %w: %w", ErrAuthentication, ErrSignature, err)}
	}
	return nil
}
