package otp

import (
	"bytes"
	_ "embed"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
)

// wordsText is the dictionary of RFC 2289, appendix D, which is that of RFC
// 1760 and RFC 1751: 2048 words of one to four letters, the number of a word
// being its place. The first 571 have up to three letters.
//
//go:embed words.txt
var wordsText string

// dictionary is the words by number, and the numbers by word.
var dictionary = sync.OnceValues(func() ([]string, map[string]uint16) {
	words := strings.Fields(wordsText)
	numbers := make(map[string]uint16, len(words))
	for i, w := range words {
		numbers[w] = uint16(i)
	}
	return words, numbers
})

// Six words of 11 bits each are the 64 bits of a key and two of a checksum.
const (
	wordBits  = 11
	wordCount = 6
)

// Words is the key as six words. RFC 2289, section 6.0 and appendix D
func (k Key) Words() []byte {
	words, _ := dictionary()
	n := binary.BigEndian.Uint64(k[:])
	var out []byte
	for i := range wordCount {
		var number uint64
		if shift := 64 - wordBits*(i+1); shift >= 0 {
			number = n >> shift & (1<<wordBits - 1)
		} else {
			number = n<<-shift&(1<<wordBits-1) | checksum(n)
		}
		if i > 0 {
			out = append(out, ' ')
		}
		out = append(out, words[number]...)
	}
	return out
}

// checksum is the sum of the key's 32 pairs of bits, of which the last two bits
// are kept.
func checksum(n uint64) (sum uint64) {
	for ; n != 0; n >>= 2 {
		sum += n & 3
	}
	return sum & 3
}

// errKey says what a response looks like.
var errKey = errors.New("neither six words of the dictionary, nor 16 hexadecimal digits")

// errChecksum means that a word was mistyped.
var errChecksum = errors.New("one of the six words is wrong")

// parseWords reads six words in either case. Of the digits that look like
// letters RFC 2289 has 1, 0 and 5 taken for L, O and S.
func parseWords(text []byte) (Key, error) {
	_, numbers := dictionary()
	words := bytes.Fields(text)
	if len(words) != wordCount {
		return Key{}, errKey
	}
	var n uint64
	var last uint64
	for i, w := range words {
		w = bytes.Map(standard, w)
		number, ok := numbers[string(w)]
		clear(w)
		if !ok {
			return Key{}, errKey
		}
		if last = uint64(number); i < wordCount-1 {
			n = n<<wordBits | last
		}
	}
	n = n<<(wordBits-2) | last>>2
	if last&3 != checksum(n) {
		return Key{}, errChecksum
	}
	var k Key
	binary.BigEndian.PutUint64(k[:], n)
	return k, nil
}

func standard(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z':
		return r - 'a' + 'A'
	case r == '1':
		return 'L'
	case r == '0':
		return 'O'
	case r == '5':
		return 'S'
	}
	return r
}
