package ike

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"hash"

	"postern/ike/isakmp"
)

// hashFunc is the negotiated hash of a phase 1, and with it the prf: no prf is
// negotiated on its own, so it is the HMAC of the hash (RFC 2409, section 4).
type hashFunc func() hash.Hash

var hashFuncs = map[isakmp.Hash]hashFunc{
	isakmp.HashMD5:    md5.New,
	isakmp.HashSHA1:   sha1.New,
	isakmp.HashSHA256: sha256.New,
	isakmp.HashSHA384: sha512.New384,
	isakmp.HashSHA512: sha512.New,
}

func findHash(h isakmp.Hash) (hashFunc, error) {
	if f, ok := hashFuncs[h]; ok {
		return f, nil
	}
	return nil, fmt.Errorf("hash %v isn't supported", h)
}

// sum is hash(a | b | …).
func (h hashFunc) sum(parts ...[]byte) []byte {
	f := h()
	for _, p := range parts {
		f.Write(p)
	}
	return f.Sum(nil)
}

// prf is prf(key, a | b | …).
func (h hashFunc) prf(key []byte, parts ...[]byte) []byte {
	f := hmac.New(h, key)
	for _, p := range parts {
		f.Write(p)
	}
	return f.Sum(nil)
}

// The hashes that authenticate the exchanges under a phase 1 (RFC 2409, section
// 5.5 and 5.7; draft-dukes-ike-mode-cfg-02, section 3.2 uses HASH(1)'s form).
// rest is every payload behind HASH as sent or received, generic headers
// included, padding excluded.

// hash1 is prf(SKEYID_a, M-ID | rest): Quick Mode message 1, Informational and
// Transaction exchanges.
func (k *keys) hash1(msgID uint32, rest []byte) []byte {
	return k.hash.prf(k.skeyidA, uint32b(msgID), rest)
}

// hash2 is prf(SKEYID_a, M-ID | Ni_b | rest): Quick Mode message 2.
func (k *keys) hash2(msgID uint32, niB, rest []byte) []byte {
	return k.hash.prf(k.skeyidA, uint32b(msgID), niB, rest)
}

// hash3 is prf(SKEYID_a, 0 | M-ID | Ni_b | Nr_b): Quick Mode message 3.
func (k *keys) hash3(msgID uint32, niB, nrB []byte) []byte {
	return k.hash.prf(k.skeyidA, []byte{0}, uint32b(msgID), niB, nrB)
}

func uint32b(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }
