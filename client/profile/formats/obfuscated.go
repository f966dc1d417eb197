package formats

import (
	"bytes"
	"crypto/cipher"
	"crypto/des"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// Cisco's client writes secrets in hexadecimal digits of
//
//	H1 (20 octets)  SHA-1 of what follows (20 octets)  3DES-EDE-CBC ciphertext
//
// where the key is SHA-1(H1 + 1) and the first 4 octets of SHA-1(H1 + 3), the sums in
// the last octet alone, and the initial vector the first 8 octets of H1. Anybody can
// read it: it keeps a secret from eyes, not from programs.
//
// Source: cisco-decrypt.c, published in 2005.
const (
	blobHead  = 2 * sha1.Size
	blobLeast = blobHead + des.BlockSize
)

// reveal reads what obscure writes. Errors contain nothing of it.
func reveal(blob string) ([]byte, error) {
	b, err := hex.DecodeString(blob)
	switch {
	case err != nil:
		return nil, errors.New("isn't an even number of hexadecimal digits")
	case len(b) < blobLeast || (len(b)-blobHead)%des.BlockSize != 0:
		return nil, fmt.Errorf("has %d octets, which is no possible length (is it cut off?)", len(b))
	}
	h1, sum, text := b[:sha1.Size], b[sha1.Size:blobHead], b[blobHead:]
	if got := sha1.Sum(text); subtle.ConstantTimeCompare(got[:], sum) == 0 {
		return nil, errors.New("failed its SHA-1 check (typed or wrapped wrongly?)")
	}
	block, iv := blobCipher(h1)
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(text, text)
	n := int(text[len(text)-1])
	if n < 1 || n > des.BlockSize || !bytes.Equal(text[len(text)-n:], bytes.Repeat([]byte{byte(n)}, n)) {
		return nil, errors.New("isn't padded as Cisco's client does it")
	}
	// "C tools" put the NUL that ends a string into it.
	return []byte(fromBytes(bytes.TrimRight(text[:len(text)-n], "\x00"))), nil
}

// obscure writes a secret so that Cisco's client and others can read it.
func obscure(secret []byte) string {
	b := make([]byte, blobHead, blobHead+len(secret)+des.BlockSize)
	rand.Read(b[:sha1.Size])
	n := des.BlockSize - len(secret)%des.BlockSize
	b = append(b, secret...)
	b = append(b, bytes.Repeat([]byte{byte(n)}, n)...)
	block, iv := blobCipher(b[:sha1.Size])
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(b[blobHead:], b[blobHead:])
	sum := sha1.Sum(b[blobHead:])
	copy(b[sha1.Size:], sum[:])
	return fmt.Sprintf("%X", b)
}

func blobCipher(h1 []byte) (cipher.Block, []byte) {
	a := slices.Clone(h1)
	a[sha1.Size-1]++
	first := sha1.Sum(a)
	a[sha1.Size-1] += 2
	second := sha1.Sum(a)
	block, err := des.NewTripleDESCipher(slices.Concat(first[:], second[:4]))
	if err != nil {
		panic(err) // 24 octets are always a key
	}
	return block, h1[:des.BlockSize]
}

// fromBytes is text that a program of another age left: UTF-8, else Windows-1252.
func fromBytes(b []byte) string {
	s, _ := toUTF8(b)
	return s
}
