package lanes

import (
	"math/rand/v2"
	"testing"
)

// lengthsOf reads lengths up to most, two octets each, at most 130.
func lengthsOf(script []byte, most int) []int {
	var lengths []int
	for ; len(script) >= 2 && len(lengths) < 130; script = script[2:] {
		lengths = append(lengths, (int(script[0])<<8|int(script[1]))%(most+1))
	}
	return lengths
}

// take returns lengths one by one.
func take(lengths []int) func() int {
	return func() int {
		n := lengths[0]
		lengths = lengths[1:]
		return n
	}
}

// FuzzCBC compares a cipher in a tier with the standard library's on messages of
// the script's lengths.
func FuzzCBC(f *testing.F) {
	f.Add(uint8(2), uint8(2), uint64(1), []byte("\x00\x58\x00\x58\x00\x58\x00\x01\x00\x00\x00\x61"))
	f.Fuzz(func(t *testing.T, which, tier uint8, seed uint64, script []byte) {
		useTier(t, Tier(tier%3))
		c := ciphers[int(which)%len(ciphers)]
		random := rand.New(rand.NewPCG(seed, 0))
		key := octets(random, c.key, 0)
		block, err := c.block(key)
		if err != nil {
			t.Fatal(err)
		}
		lanes, err := c.create(key)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time after what the first left behind
			lengths := lengthsOf(script, 300)
			checkCBC(t, random, block, lanes, len(lengths), take(lengths))
		}
	})
}

// FuzzHMAC compares a MAC in a tier with the standard library's on messages of
// the script's lengths.
func FuzzHMAC(f *testing.F) {
	f.Add(uint8(1), uint8(2), uint64(1), uint8(20), []byte("\x05\x98\x05\x98\x05\x98\x05\x98\x00\x37\x00\x38\x00\x3f\x00\x40\x00\x00"))
	f.Fuzz(func(t *testing.T, which, tier uint8, seed uint64, keyLength uint8, script []byte) {
		useTier(t, Tier(tier%3))
		h := hashes[int(which)%len(hashes)]
		random := rand.New(rand.NewPCG(seed, 1))
		key := octets(random, int(keyLength), 0)
		mac := NewHMAC(h, key)
		for range 2 {
			lengths := lengthsOf(script, 3000)
			checkHMAC(t, random, h, key, mac, len(lengths), take(lengths))
		}
	})
}
