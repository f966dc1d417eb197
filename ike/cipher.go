package ike

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"fmt"

	"postern/ike/isakmp"
)

// phase1Cipher is a block cipher in CBC mode, as every cipher of RFC 2409,
// appendix A, and RFC 3602 is used in ISAKMP.
type phase1Cipher struct {
	blockSize int
	new       func(key []byte) (cipher.Block, error)
}

// findCipher says how to use a cipher and how many octets of key it takes.
// bits is the value of the Key Length attribute, 0 where there is none: AES
// then means 128.
func findCipher(c isakmp.Cipher, bits int) (pc phase1Cipher, keyLen int, err error) {
	switch {
	case c == isakmp.CipherDES && bits == 0:
		return phase1Cipher{des.BlockSize, des.NewCipher}, 8, nil
	case c == isakmp.Cipher3DES && bits == 0:
		return phase1Cipher{des.BlockSize, des.NewTripleDESCipher}, 24, nil
	case c == isakmp.CipherAES && bits == 0:
		return phase1Cipher{aes.BlockSize, aes.NewCipher}, 16, nil
	case c == isakmp.CipherAES && (bits == 128 || bits == 192 || bits == 256):
		return phase1Cipher{aes.BlockSize, aes.NewCipher}, bits / 8, nil
	}
	return phase1Cipher{}, 0, fmt.Errorf("cipher %v with a key of %d bits isn't supported", c, bits)
}

// encrypt returns plain, filled with zeros to whole blocks, one at least, encrypted,
// and its last block: the IV of the next message (RFC 2409, appendix B).
func (k *keys) encrypt(iv, plain []byte) (sealed, nextIV []byte) {
	n := k.cipher.BlockSize()
	sealed = make([]byte, max((len(plain)+n-1)/n, 1)*n)
	copy(sealed, plain)
	cipher.NewCBCEncrypter(k.cipher, iv).CryptBlocks(sealed, sealed)
	return sealed, sealed[len(sealed)-n:]
}

// decrypt is the inverse; the padding stays, for only the lengths of the
// payloads tell where it begins. The result is in room if that has enough of it.
func (k *keys) decrypt(iv, sealed, room []byte) (plain, nextIV []byte, err error) {
	n := k.cipher.BlockSize()
	if len(sealed) == 0 || len(sealed)%n != 0 {
		return nil, nil, fmt.Errorf("%d encrypted octets aren't whole blocks of %d", len(sealed), n)
	}
	if cap(room) < len(sealed) {
		room = make([]byte, len(sealed))
	}
	plain = room[:len(sealed)]
	cipher.NewCBCDecrypter(k.cipher, iv).CryptBlocks(plain, sealed)
	return plain, sealed[len(sealed)-n:], nil
}

// phase2IV is the IV that an exchange under this phase 1 begins with: hash(last
// phase 1 cipher block | M-ID), cut to a block (RFC 2409, appendix B).
func (k *keys) phase2IV(msgID uint32) []byte {
	return k.hash.sum(k.lastBlock, uint32b(msgID))[:k.cipher.BlockSize()]
}
