package ike

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"sync/atomic"
)

// messageIDs gives the message IDs of an SA: they look random, aren't zero and
// never repeat, for with the same ID the IV would be the same too (RFC 2409,
// appendix B). Chosen here: a counter under a keyed permutation of the 32-bit
// numbers, which needs no memory of those given out. Safe for concurrent use.
type messageIDs struct {
	cipher cipher.Block
	count  atomic.Uint32
}

func newMessageIDs() *messageIDs {
	key := make([]byte, 16)
	rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("ike: " + err.Error()) // 16 octets are a key
	}
	return &messageIDs{cipher: block}
}

func (m *messageIDs) next() uint32 {
	for {
		if id := m.permute(m.count.Add(1)); id != 0 {
			return id
		}
	}
}

// permute is a Feistel network: whatever its round function, every number has
// an image of its own.
func (m *messageIDs) permute(v uint32) uint32 {
	left, right := uint16(v>>16), uint16(v)
	for round := range byte(6) {
		var b [aes.BlockSize]byte
		b[0] = round
		binary.BigEndian.PutUint16(b[1:], right)
		m.cipher.Encrypt(b[:], b[:])
		left, right = right, left^binary.BigEndian.Uint16(b[:])
	}
	return uint32(left)<<16 | uint32(right)
}
