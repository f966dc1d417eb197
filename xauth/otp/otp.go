package otp

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"golang.org/x/crypto/md4" //lint:ignore SA1019 S/KEY has no other
)

// Algorithm is the hash of a one-time password.
type Algorithm uint8

const (
	MD4  Algorithm = iota + 1 // S/KEY's (RFC 1760)
	MD5                       // which every RFC 2289 generator has
	SHA1                      // RFC 2289, section 5.0
)

// names are the identifiers of challenges. RFC 2289, section 6.0; those of MD4
// beside its own are S/KEY's.
var names = map[string]Algorithm{
	"otp-md4": MD4, "otp-md5": MD5, "otp-sha1": SHA1,
	"s/key": MD4, "skey": MD4,
}

func (a Algorithm) String() string {
	switch a {
	case MD4:
		return "otp-md4"
	case MD5:
		return "otp-md5"
	case SHA1:
		return "otp-sha1"
	}
	return fmt.Sprintf("algorithm %d", uint8(a))
}

// Key is a one-time password, 64 bits.
type Key [8]byte

// function is the algorithm's, folded to 64 bits. RFC 2289, appendix A
type function struct {
	hash.Hash
	fold func(k *Key, h []byte)
	sum  [sha1.Size]byte
	key  Key
}

func (a Algorithm) function() *function {
	switch a {
	case MD4:
		return &function{Hash: md4.New(), fold: fold16}
	case SHA1:
		return &function{Hash: sha1.New(), fold: fold20}
	}
	return &function{Hash: md5.New(), fold: fold16}
}

// of leaves the function of b in f.key.
func (f *function) of(b []byte) {
	f.Reset()
	f.Write(b)
	f.fold(&f.key, f.Sum(f.sum[:0]))
}

func fold16(k *Key, h []byte) {
	for i := range k {
		k[i] = h[i] ^ h[i+8]
	}
}

// fold20 folds the five words of SHA-1 into two, and stores those with their
// least significant octet first.
func fold20(k *Key, h []byte) {
	word := func(i int) uint32 { return binary.BigEndian.Uint32(h[4*i:]) }
	binary.LittleEndian.PutUint32(k[:4], word(0)^word(2)^word(4))
	binary.LittleEndian.PutUint32(k[4:], word(1)^word(3))
}

// Next is the function applied once more: a server that keeps the last password
// that it took takes k next if k.Next is that one.
func (k Key) Next(a Algorithm) Key {
	f := a.function()
	f.of(k[:])
	return f.key
}

// Challenge is what a server sends. RFC 2289, section 6.0
type Challenge struct {
	Algorithm Algorithm
	Sequence  int    // how often the function is applied after the first time
	Seed      string // lower case
}

// String is the challenge as it is sent.
func (c Challenge) String() string { return fmt.Sprintf("%v %d %s", c.Algorithm, c.Sequence, c.Seed) }

// Limits of a challenge. RFC 2289, sections 6.0 and 8.0, has seeds of 16
// characters at most; the sequence is bounded because each number is a hash to
// compute. Chosen here.
const (
	maxSeed     = 16
	maxSequence = 9999
)

// errChallenge says what a challenge looks like.
var errChallenge = errors.New(`not a challenge like "otp-md5 487 dog2" or "s/key 97 ke1234"`)

// FindChallenge finds the first challenge in a text, such as
// "otp-md5 487 dog2 ext" or "[s/key 97 ke1234]", in words of its own.
func FindChallenge(text string) (Challenge, error) {
	words := strings.Fields(text)
	for i := range words {
		if a, ok := names[strings.ToLower(trim(words[i]))]; ok && i+2 < len(words) {
			if c, err := challenge(a, words[i+1], words[i+2]); err == nil {
				return c, nil
			}
		}
	}
	return Challenge{}, errChallenge
}

// ParseSKey reads a challenge of which S/KEY's name may be absent: "97 ke1234".
func ParseSKey(text string) (Challenge, error) {
	if words := strings.Fields(text); len(words) == 2 {
		return challenge(MD4, words[0], words[1])
	}
	return FindChallenge(text)
}

func challenge(a Algorithm, sequence, seed string) (Challenge, error) {
	n, err := strconv.ParseUint(trim(sequence), 10, 16)
	// "The seed MUST be … converted to lower case before it is processed."
	seed = strings.ToLower(trim(seed))
	if err != nil || n > maxSequence || seed == "" || len(seed) > maxSeed ||
		strings.Trim(seed, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return Challenge{}, errChallenge
	}
	return Challenge{Algorithm: a, Sequence: int(n), Seed: seed}, nil
}

// trim takes off what people put around a challenge.
func trim(s string) string { return strings.Trim(s, "[]():,;") }

// Key is the one-time password that answers c. RFC 2289, section 6.0
func (c Challenge) Key(passPhrase []byte) Key {
	b := append([]byte(c.Seed), passPhrase...)
	defer clear(b)
	f := c.Algorithm.function()
	f.of(b)
	for range c.Sequence {
		f.of(f.key[:])
	}
	return f.key
}

// Response is the one-time password that answers c, as six words.
func (c Challenge) Response(passPhrase []byte) []byte {
	k := c.Key(passPhrase)
	defer clear(k[:])
	return k.Words()
}

// Verify says whether a response answers c, where last is the password that was
// taken for the number behind c.Sequence. The key that it returns is to be kept
// in last's place.
func (c Challenge) Verify(response []byte, last Key) (Key, bool) {
	k, err := ParseKey(response)
	if err != nil || k.Next(c.Algorithm) != last {
		return last, false
	}
	return k, true
}

// ParseKey reads a response: six words, or 16 hexadecimal digits with blanks
// anywhere, "hex:" or "word:" before them (RFC 2243, section 3). The errors contain
// none of it.
func ParseKey(response []byte) (Key, error) {
	text := bytes.TrimSpace(response)
	if kind, rest, ok := bytes.Cut(text, []byte(":")); ok && (string(kind) == "hex" || string(kind) == "word") {
		text = rest
	}
	if k, ok := parseHex(text); ok {
		return k, nil
	}
	return parseWords(text)
}

func parseHex(text []byte) (k Key, ok bool) {
	digits := bytes.Join(bytes.Fields(text), nil)
	defer clear(digits)
	n, err := strconv.ParseUint(string(digits), 16, 64)
	binary.BigEndian.PutUint64(k[:], n)
	return k, err == nil && len(digits) == 16
}
