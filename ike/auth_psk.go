package ike

import (
	"crypto/subtle"
	"errors"
	"fmt"

	"postern/ike/isakmp"
)

// preShared authenticates with a key that both ends know (RFC 2409, section 5.4).
type preShared []byte

// skeyid is SKEYID = prf(pre-shared-key, Ni_b | Nr_b).
func (psk preShared) skeyid(h hashFunc, niB, nrB []byte) []byte {
	return h.prf(psk, niB, nrB)
}

// prove is HASH_I or HASH_R itself.
func (preShared) prove(p *phase1, ours proof) ([]isakmp.Payload, error) {
	return proveHash(p, ours), nil
}

// check compares the peer's HASH_R or HASH_I with what it must be.
func (preShared) check(p *phase1, m *isakmp.Message, _ isakmp.ID, theirs proof) error {
	return checkHashProof(p, m, theirs, "the peer's HASH isn't made with our pre-shared key")
}

func proveHash(p *phase1, ours proof) []isakmp.Payload {
	return []isakmp.Payload{{Type: isakmp.PayloadHash, Body: ours(hashFuncs[p.chosen.Hash])}}
}

func checkHashProof(p *phase1, m *isakmp.Message, theirs proof, wrong string) error {
	got := m.Get(isakmp.PayloadHash)
	if got == nil {
		return errors.New("no HASH payload")
	}
	if subtle.ConstantTimeCompare(got, theirs(hashFuncs[p.chosen.Hash])) != 1 {
		return errHopeless{fmt.Errorf("%w: %s", ErrAuthentication, wrong)}
	}
	return nil
}
