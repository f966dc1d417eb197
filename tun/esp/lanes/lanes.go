// Package lanes holds the ciphers and MACs of ESP for many packets at once: what
// is the same for all of them runs in the lanes of vector registers, a packet a
// lane (or, in the decryption of CBC, a block a lane).
//
//	tier.go      which instructions the machine has
//	aes*.go      AES-CBC                RFC 3602
//	des*.go      DES-CBC and 3DES-CBC   RFC 2405, 2451
//	hmac*.go     HMAC                   RFC 2104
//	pure.go      the standard library's, one message after the other
//	*_amd64.s    the kernels, written by the program in gen
//
// The time that a kernel takes depends on lengths, not on keys or data; crypto/des,
// which encrypts a packet or two, looks up tables. Nothing allocates but the constructors. A value
// is used by one goroutine at a time.
package lanes

import (
	"crypto"
	"crypto/aes"
)

// Job is one message of a CBC mode.
type Job struct {
	IV   []byte // one block; it may lie directly before Data; unchanged
	Data []byte // whole blocks, worked on in place
}

// CBC is a block cipher in CBC mode under one key. Both calls take any number
// of jobs whose lengths may differ. The Data of two jobs must not overlap.
type CBC interface {
	Encrypt(jobs []Job)
	Decrypt(jobs []Job)
}

// Message is what a MAC works on.
type Message struct {
	Data []byte
	Sum  []byte // gets the first len(Sum) octets of the MAC; not within a Data
}

// MAC is a keyed hash under one key. Sum takes any number of messages whose
// lengths may differ.
type MAC interface {
	Sum(messages []Message)
}

// NewAES returns AES-CBC under a key of 16, 24 or 32 octets, which isn't kept.
func NewAES(key []byte) (CBC, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	if c := fastAES(key); c != nil {
		return c, nil
	}
	return newScalarCBC(block), nil
}

// NewHMAC returns HMAC with MD5, SHA1, SHA256, SHA384 or SHA512 under a key of
// any length, which isn't kept. It panics with a hash that isn't linked in.
func NewHMAC(h crypto.Hash, key []byte) MAC {
	if m := fastHMAC(h, key); m != nil {
		return m
	}
	return newScalarHMAC(h, key)
}
