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
func (psk preShared) skeyid(h hashFunc, niB, nrB []byte) []byte { return h.prf(psk, niB, nrB) }

// prove is the payload that carries HASH_I or HASH_R.
func (preShared) prove(hash []byte) isakmp.Payload {
	return isakmp.Payload{Type: isakmp.PayloadHash, Body: hash}
}

// check compares the peer's HASH_R or HASH_I with what it must be.
func (preShared) check(m *isakmp.Message, want []byte) error {
	got := m.Get(isakmp.PayloadHash)
	if got == nil {
		return errors.New("no HASH payload")
	}
	if subtle.ConstantTimeCompare(got, want) != 1 {
		return errHopeless{fmt.Errorf("%w: the peer's HASH isn't made with our pre-shared key", ErrAuthentication)}
	}
	return nil
}
