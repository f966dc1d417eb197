package ike

import (
	"crypto/cipher"
	"fmt"

	"postern/ike/isakmp"
)

// keys is what a phase 1 leaves behind (RFC 2409, section 5): SKEYID and its
// three derivatives, and the cipher keyed with the last of them. It never
// changes after the phase 1, so everybody under the SA reads it.
type keys struct {
	hash                              hashFunc
	cipher                            cipher.Block
	skeyid, skeyidD, skeyidA, skeyidE []byte
	ka                                []byte // the cipher's key
	iv                                []byte // the first IV of the phase 1
	lastBlock                         []byte // its last cipher block; iv while nothing was encrypted
}

// schedule is what the keys are made from: gxy is g^xy, and the others are
// bodies of payloads as sent and received.
type schedule struct {
	proposal   Proposal
	ckyI, ckyR isakmp.Cookie
	gxi, gxr   []byte
	gxy        []byte
}

// derive computes the keys from SKEYID:
//
//	SKEYID_d = prf(SKEYID, g^xy | CKY-I | CKY-R | 0)
//	SKEYID_a = prf(SKEYID, SKEYID_d | g^xy | CKY-I | CKY-R | 1)
//	SKEYID_e = prf(SKEYID, SKEYID_a | g^xy | CKY-I | CKY-R | 2)
func (s *schedule) derive(skeyid []byte) (*keys, error) {
	h, err := findHash(s.proposal.Hash)
	if err != nil {
		return nil, err
	}
	pc, keyLen, err := findCipher(s.proposal.Cipher, s.proposal.KeyBits)
	if err != nil {
		return nil, err
	}
	k := &keys{hash: h, skeyid: skeyid}
	k.skeyidD = h.prf(skeyid, s.gxy, s.ckyI[:], s.ckyR[:], []byte{0})
	k.skeyidA = h.prf(skeyid, k.skeyidD, s.gxy, s.ckyI[:], s.ckyR[:], []byte{1})
	k.skeyidE = h.prf(skeyid, k.skeyidA, s.gxy, s.ckyI[:], s.ckyR[:], []byte{2})
	k.ka = cipherKey(h, k.skeyidE, keyLen)
	if k.cipher, err = pc.new(k.ka); err != nil {
		return nil, fmt.Errorf("phase 1 cipher: %w", err)
	}
	k.iv = h.sum(s.gxi, s.gxr)[:pc.blockSize]
	k.lastBlock = k.iv
	return k, nil
}

// cipherKey is the first n octets of SKEYID_e, or where that is too short of
//
//	Ka = K1 | K2 | …   K1 = prf(SKEYID_e, 0)   K2 = prf(SKEYID_e, K1)
//
// (RFC 2409, appendix B).
func cipherKey(h hashFunc, skeyidE []byte, n int) []byte {
	if n <= len(skeyidE) {
		return append([]byte(nil), skeyidE[:n]...)
	}
	var ka []byte
	for k := []byte{0}; len(ka) < n; {
		k = h.prf(skeyidE, k)
		ka = append(ka, k...)
	}
	return ka[:n]
}

// hashI is HASH_I = prf(SKEYID, g^xi | g^xr | CKY-I | CKY-R | SAi_b | IDii_b).
func (s *schedule) hashI(k *keys, saiB, idiiB []byte) []byte {
	return k.hash.prf(k.skeyid, s.gxi, s.gxr, s.ckyI[:], s.ckyR[:], saiB, idiiB)
}

// hashR is HASH_R = prf(SKEYID, g^xr | g^xi | CKY-R | CKY-I | SAi_b | IDir_b).
func (s *schedule) hashR(k *keys, saiB, idirB []byte) []byte {
	return k.hash.prf(k.skeyid, s.gxr, s.gxi, s.ckyR[:], s.ckyI[:], saiB, idirB)
}

// keymat is n octets of
//
//	KEYMAT = K1 | K2 | …   K1 = prf(SKEYID_d, [ g(qm)^xy | ] protocol | SPI | Ni_b | Nr_b)
//	                       K2 = prf(SKEYID_d, K1 | [ g(qm)^xy | ] protocol | SPI | Ni_b | Nr_b)
//
// for the SA that spi names, which is the receiver's (RFC 2409, section 5.5).
func (k *keys) keymat(n int, gqmxy []byte, protocol isakmp.ProtocolID, spi uint32, niB, nrB []byte) []byte {
	var out, last []byte
	for len(out) < n {
		last = k.hash.prf(k.skeyidD, last, gqmxy, []byte{byte(protocol)}, uint32b(spi), niB, nrB)
		out = append(out, last...)
	}
	return out[:n]
}

// forget overwrites the keys.
func (k *keys) forget() {
	for _, b := range [][]byte{k.skeyid, k.skeyidD, k.skeyidA, k.skeyidE, k.ka} {
		clear(b)
	}
}
