package ike

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	"filippo.io/bigmod"
)

// encryptPKCS1 encrypts a message for who has the private key, with PKCS #1
// version 1.5 padding (RFC 8017, section 7.2.1).
func encryptPKCS1(k *rsa.PublicKey, message []byte) ([]byte, error) {
	padding := k.Size() - len(message) - 3
	if padding < minPadding {
		return nil, fmt.Errorf("%d octets, where a key of %d has no room for more than %d", len(message), k.Size(), k.Size()-3-minPadding)
	}
	block := make([]byte, k.Size())
	block[1] = 2
	for i := range padding {
		for block[2+i] == 0 {
			rand.Read(block[2+i : 3+i]) // never fails
		}
	}
	copy(block[3+padding:], message)
	n, err := bigmod.NewModulus(k.N.Bytes())
	if err != nil {
		return nil, err
	}
	m, err := bigmod.NewNat().SetBytes(block, n)
	if err != nil {
		return nil, err
	}
	return bigmod.NewNat().Exp(m, big.NewInt(int64(k.E)).Bytes(), n).Bytes(n), nil
}

// decryptPKCS1 undoes RSA encryption with PKCS #1 version 1.5 padding
//
//	00 02 (eight or more octets that aren't 0) 00 message
//
// of a message of atLeast to atMost octets. To whoever can tell good padding from
// bad a decrypter is an oracle that undoes any encryption (Bleichenbacher 1998;
// Felsch et al., USENIX Security 2018, for IKE). So bad padding, and a message of
// another length, are no error: they give a message too, which depends on nothing
// but the ciphertext and a secret of this process, so that a repeat gives it again.
// The exchange then fails as it does for a sender who doesn't know what it sent.
//
// An error says that the ciphertext can't be one of the key's, which anybody can see.
func decryptPKCS1(key crypto.Signer, ciphertext []byte, atLeast, atMost int) ([]byte, error) {
	public, ok := key.Public().(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("our key is a %T, not RSA", key.Public())
	}
	if len(ciphertext) != public.Size() {
		return nil, fmt.Errorf("%d encrypted octets where our key has %d", len(ciphertext), public.Size())
	}
	instead := insteadOf(public, ciphertext, atLeast, min(atMost, public.Size()-11))
	switch k := key.(type) {
	case *rsa.PrivateKey:
		block, err := power(k, ciphertext)
		if err != nil {
			return nil, err
		}
		return unpad(block, atLeast, atMost, instead), nil
	case crypto.Decrypter:
		// A key in a token: what it does with the padding is its own business.
		//lint:ignore SA1019 RFC 2409 has no other padding
		message, err := k.Decrypt(rand.Reader, ciphertext, &rsa.PKCS1v15DecryptOptions{})
		if err != nil || len(message) < atLeast || len(message) > atMost {
			return instead, nil
		}
		return message, nil
	}
	return nil, fmt.Errorf("our key is a %T, which doesn't decrypt", key)
}

// power is c^d mod n, in constant time.
func power(k *rsa.PrivateKey, ciphertext []byte) ([]byte, error) {
	n, err := bigmod.NewModulus(k.N.Bytes())
	if err != nil {
		return nil, err
	}
	c, err := bigmod.NewNat().SetBytes(ciphertext, n)
	if err != nil {
		return nil, errors.New("the encrypted octets aren't below our modulus")
	}
	return bigmod.NewNat().Exp(c, k.D.FillBytes(make([]byte, k.Size())), n).Bytes(n), nil
}

// unpad returns the message in a block, or instead, in a time that doesn't tell
// which.
func unpad(block []byte, atLeast, atMost int, instead []byte) []byte {
	good := subtle.ConstantTimeByteEq(block[0], 0) & subtle.ConstantTimeByteEq(block[1], 2)
	searching, separator := 1, 0
	for i := 2; i < len(block); i++ {
		zero := subtle.ConstantTimeByteEq(block[i], 0)
		separator = subtle.ConstantTimeSelect(searching&zero, i, separator)
		searching &= 1 - zero
	}
	length := len(block) - 1 - separator
	good &= 1 - searching
	good &= subtle.ConstantTimeLessOrEq(2+minPadding, separator)
	good &= subtle.ConstantTimeLessOrEq(atLeast, length) & subtle.ConstantTimeLessOrEq(length, atMost)

	// The message moves to the front, by each power of two of the way or not.
	message := append([]byte(nil), block...)
	for step := 1; step < len(block); step <<= 1 {
		move := subtle.ConstantTimeEq(int32((separator+1)&step), int32(step))
		for i := range message {
			var from byte
			if i+step < len(message) {
				from = message[i+step]
			}
			message[i] = byte(subtle.ConstantTimeSelect(move, int(from), int(message[i])))
		}
	}
	for i := range message {
		var other byte
		if i < len(instead) {
			other = instead[i]
		}
		message[i] = byte(subtle.ConstantTimeSelect(good, int(message[i]), int(other)))
	}
	return message[:subtle.ConstantTimeSelect(good, length, len(instead))]
}

// insteadOf is the message that a ciphertext without one gets.
func insteadOf(public *rsa.PublicKey, ciphertext []byte, atLeast, atMost int) []byte {
	prf := func(key []byte, parts ...[]byte) []byte {
		m := hmac.New(sha256.New, key)
		for _, p := range parts {
			m.Write(p)
		}
		return m.Sum(nil)
	}
	key := prf(rejectionKey, public.N.Bytes(), ciphertext)
	length := atLeast + int(binary.BigEndian.Uint32(prf(key, []byte("length")))%uint32(max(1, atMost-atLeast+1)))
	var out []byte
	for i := uint32(0); len(out) < length; i++ {
		out = append(out, prf(key, []byte("message"), uint32b(i))...)
	}
	return out[:length]
}

// rejectionKey is the secret that such messages are made from, as long as the
// process lives.
var rejectionKey = func() []byte {
	k := make([]byte, 32)
	rand.Read(k) // never fails
	return k
}()
