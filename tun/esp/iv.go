package esp

import (
	cryptorand "crypto/rand"
	"encoding/binary"
	"math/rand/v2"
)

// newIV writes the initialization vector of the packet with that sequence
// number into iv.
type newIV func(iv []byte, seq uint32)

// unpredictableIVs returns the IVs of a CBC mode. "The IV MUST be chosen at
// random, and MUST be unpredictable" (RFC 3602, section 3). They come from a
// ChaCha8 stream of their own, seeded once from the system, for asking the
// system costs as much as encrypting a small packet. ChaCha8 of math/rand/v2 is
// a cryptographic generator that also forgets its past keys.
func unpredictableIVs() newIV {
	var seed [32]byte
	cryptorand.Read(seed[:])
	stream := rand.NewChaCha8(seed)
	clear(seed[:])
	return func(iv []byte, _ uint32) {
		for ; len(iv) >= 8; iv = iv[8:] { // a block of the cipher is one or two of these
			binary.LittleEndian.PutUint64(iv, stream.Uint64())
		}
	}
}

// countedIVs returns the IVs of AES-GCM, which must never repeat under a key but
// may be known beforehand: the sequence number (RFC 4106, section 3.1).
func countedIVs() newIV {
	return func(iv []byte, seq uint32) { binary.BigEndian.PutUint64(iv, uint64(seq)) }
}

// noIVs is for NULL encryption, which has none (RFC 2410, section 2.3).
func noIVs([]byte, uint32) {}
