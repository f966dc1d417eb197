//lint:file-ignore SA1019 the padding of RFC 2409, undone by another's hand

package ike

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"math/big"
	"strings"
	"testing"
)

// encryptedBlock is any block under a public key.
func encryptedBlock(k *rsa.PublicKey, b []byte) []byte {
	c := new(big.Int).SetBytes(b)
	return c.Exp(c, big.NewInt(int64(k.E)), k.N).FillBytes(make([]byte, k.Size()))
}

// padded is 00 02, n octets that aren't 0, 00, the message.
func padded(n int, message []byte) []byte {
	return append(append(append([]byte{0, 2}, bytes.Repeat([]byte{7}, n)...), 0), message...)
}

// token is a key of which only its methods are known.
type token struct{ k *rsa.PrivateKey }

func (t token) Public() crypto.PublicKey { return t.k.Public() }
func (t token) Sign(r io.Reader, d []byte, o crypto.SignerOpts) ([]byte, error) {
	return t.k.Sign(r, d, o)
}

func (t token) Decrypt(r io.Reader, c []byte, o crypto.DecrypterOpts) ([]byte, error) {
	return t.k.Decrypt(r, c, o)
}

func TestDecryptPKCS1(t *testing.T) {
	key := rsaKey(t, "rsa-initiator.key")
	for _, k := range []crypto.Signer{key, token{key}} {
		for _, n := range []int{8, 9, 32, 100, 117} {
			message := make([]byte, n) // with leading zeros, and all of them
			for i := range 3 {
				c, err := rsa.EncryptPKCS1v15(rand.Reader, &key.PublicKey, message)
				if err != nil {
					t.Fatal(err)
				}
				got, err := decryptPKCS1(k, c, 8, 256)
				if err != nil || !bytes.Equal(got, message) {
					t.Errorf("%T: %x, %v, want %x", k, got, err, message)
				}
				message[n-1-i] = 1
			}
		}
	}
	// A ciphertext that begins with zero.
	for {
		c, err := rsa.EncryptPKCS1v15(rand.Reader, &key.PublicKey, []byte("a nonce!"))
		if err != nil {
			t.Fatal(err)
		}
		if c[0] == 0 {
			if got, err := decryptPKCS1(key, c, 8, 256); err != nil || string(got) != "a nonce!" {
				t.Errorf("%q, %v", got, err)
			}
			break
		}
	}
	for _, c := range [][]byte{nil, make([]byte, 127), make([]byte, 129), key.N.Bytes(), bytes.Repeat([]byte{0xff}, 128)} {
		if _, err := decryptPKCS1(key, c, 8, 256); err == nil {
			t.Errorf("%d octets: no error", len(c))
		}
	}
}

// The standard library reads what we encrypt, up to the longest message that fits.
func TestEncryptPKCS1(t *testing.T) {
	key := rsaKey(t, "rsa-initiator.key")
	for n := range 118 {
		message := bytes.Repeat([]byte{byte(n)}, n)
		c, err := encryptPKCS1(&key.PublicKey, message)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := rsa.DecryptPKCS1v15(nil, key, c); err != nil || len(c) != 128 || !bytes.Equal(got, message) {
			t.Errorf("%d octets: %x, %v", n, got, err)
		}
	}
	if _, err := encryptPKCS1(&key.PublicKey, make([]byte, 118)); err == nil {
		t.Error("118 octets fit")
	}
}

// What has no padding gets a message all the same: always the same one, of a
// length that could be, and another than each other ciphertext's.
func TestImplicitRejection(t *testing.T) {
	key := rsaKey(t, "rsa-initiator.key")
	message := bytes.Repeat([]byte{5}, 20)
	good := padded(105, message)
	with := func(i int, v byte) []byte {
		b := bytes.Clone(good)
		b[i] = v
		return b
	}
	seen := map[string]string{}
	for name, b := range map[string][]byte{
		"first octet 1":       with(0, 1),
		"block type 1":        with(1, 1),
		"block type 0":        with(1, 0),
		"a zero at once":      with(2, 0),
		"seven of padding":    with(9, 0),
		"no zero":             bytes.ReplaceAll(good, []byte{0, 5}, []byte{5, 5}),
		"nothing behind":      padded(125, nil),
		"7 octets":            padded(118, message[:7]),
		"a nonce too long":    padded(24, make([]byte, 101)),
		"zeros":               make([]byte, 128),
		"the number 1":        big.NewInt(1).FillBytes(make([]byte, 128)),
		"type 2 in the wrong": append([]byte{2}, good[:127]...),
	} {
		b[0] &= 0x3f // below the modulus
		for _, k := range []crypto.Signer{key, token{key}} {
			c := encryptedBlock(&key.PublicKey, b)
			got, err := decryptPKCS1(k, c, 8, 100)
			again, _ := decryptPKCS1(k, c, 8, 100)
			switch {
			case err != nil:
				t.Errorf("%s: %v", name, err)
			case len(got) < 8 || len(got) > 100:
				t.Errorf("%s: %d octets", name, len(got))
			case !bytes.Equal(got, again):
				t.Errorf("%s: another message the second time", name)
			case bytes.Contains(b, got):
				t.Errorf("%s: of the block", name)
			case seen[string(got)] != "" && seen[string(got)] != name:
				t.Errorf("%s: as %s", name, seen[string(got)])
			}
			seen[string(got)] = name
		}
	}
	if got, err := decryptPKCS1(key, encryptedBlock(&key.PublicKey, good), 8, 100); err != nil || !bytes.Equal(got, message) {
		t.Error("the good one: ", got, err)
	}
}

// unpad agrees with a parser that takes its time, for separators anywhere.
func TestUnpad(t *testing.T) {
	instead := []byte("instead of it")
	for at := 2; at < 64; at++ {
		for _, head := range [][]byte{{0, 2}, {0, 1}, {1, 2}} {
			b := append(bytes.Clone(head), bytes.Repeat([]byte{9}, 62)...)
			b[at] = 0
			want := instead
			if n := 63 - at; head[0] == 0 && head[1] == 2 && at >= 10 && n >= 8 && n <= 40 {
				want = b[at+1:]
			}
			if got := unpad(b, 8, 40, instead); !bytes.Equal(got, want) {
				t.Errorf("%x, zero at %d: %x, want %x", head, at, got, want)
			}
		}
	}
}

// Keys that can't decrypt are errors, never panics.
func TestDecryptWithWhatCannot(t *testing.T) {
	dss := dssKey(t, "dss-initiator.key")
	if _, err := decryptPKCS1(dss, make([]byte, 128), 8, 256); err == nil || !strings.Contains(err.Error(), "RSA") {
		t.Error(err)
	}
	if _, err := decryptPKCS1(signerOnly{rsaKey(t, "rsa-initiator.key")}, make([]byte, 128), 8, 256); err == nil {
		t.Error("decrypted")
	}
}

type signerOnly struct{ k *rsa.PrivateKey }

func (s signerOnly) Public() crypto.PublicKey { return s.k.Public() }
func (signerOnly) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("no")
}
