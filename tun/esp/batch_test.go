package esp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"postern/tun/esp/lanes"
)

// forEachTier runs a subtest in every tier of the lanes; those beyond the CPU are
// skipped.
func forEachTier(t *testing.T, f func(t *testing.T)) {
	for _, tier := range []lanes.Tier{lanes.Pure, lanes.AVX2, lanes.AVX512} {
		t.Run(tier.String(), func(t *testing.T) {
			useTier(t, tier)
			f(t)
		})
	}
}

// useTier has new associations use a tier until the test ends.
func useTier(t testing.TB, tier lanes.Tier) {
	before := lanes.Used()
	if err := lanes.SetTier(tier); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { lanes.SetTier(before) })
}

// batchOf returns buffers for SealBatch with inner packets of those lengths, of
// IPv4 and IPv6 in turn, and the inner packets. Every third has no room for what
// is added.
func batchOf(o *Outbound, lengths ...int) (packets, inner [][]byte) {
	for i, n := range lengths {
		version := byte(0x45)
		if i%2 == 1 {
			version = 0x60
		}
		b := make([]byte, o.Offset()+n)
		if i%3 != 2 {
			b = append(make([]byte, 0, n+o.suite.Overhead(n)), b...)
		}
		copy(b[o.Offset():], pattern(n, version))
		packets = append(packets, b)
		inner = append(inner, bytes.Clone(b[o.Offset():]))
	}
	return packets, inner
}

// sameIVs gives an association IVs that follow from the sequence number.
func sameIVs(o *Outbound) {
	o.iv = func(iv []byte, seq uint32) {
		random := rand.NewPCG(uint64(seq), 0)
		for i := range iv {
			iv[i] = byte(random.Uint64())
		}
	}
}

// batchLengths are the lengths of a batch's inner packets: all equal, mixed with
// small ones, and more packets than go through the lanes at once.
func batchLengths(random *rand.Rand) map[string][]int {
	batches := map[string][]int{"none": nil, "one": {84}, "two": {84, 0}, "three": {1406, 0, 1}, "small": {0, 1, 2, 13, 14, 15, 16}}
	for range 20 {
		batches["equal"] = append(batches["equal"], 1400)
	}
	for range batchLen + 2 {
		batches["mixed"] = append(batches["mixed"], random.IntN(200))
	}
	batches["mixed"][3], batches["mixed"][60] = 9000, 1400
	return batches
}

// SealBatch makes the packets that Seal makes, and OpenBatch opens them.
func TestSealBatch(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 1))
	batches := batchLengths(random)
	forEachTier(t, func(t *testing.T) {
		forEachSuite(t, func(t *testing.T, s Suite) {
			o, in := newPair(t, s)
			reference, _ := newPair(t, s)
			sameIVs(o)
			sameIVs(reference)
			for name, lengths := range batches {
				packets, inner := batchOf(o, lengths...)
				if n, err := o.SealBatch(packets); n != len(packets) || err != nil {
					t.Fatalf("%s: %d, %v", name, n, err)
				}
				for i := range packets {
					want := seal(t, reference, inner[i], nextHeader(inner[i]))
					if !bytes.Equal(packets[i], want) {
						t.Fatalf("%s: packet %d with an inner one of %d octets:\n%x, want\n%x", name, i, len(inner[i]), packets[i], want)
					}
				}
				random.Shuffle(len(packets), func(i, j int) {
					packets[i], packets[j] = packets[j], packets[i]
					inner[i], inner[j] = inner[j], inner[i]
				})
				opened := make([]Opened, len(packets))
				in.OpenBatch(packets, opened)
				for i, o := range opened {
					if o.Err != nil || !bytes.Equal(o.Inner, inner[i]) || o.Next != nextHeader(inner[i]) {
						t.Fatalf("%s: packet %d opened: %x, next %d, %v; want %x", name, i, o.Inner, o.Next, o.Err, inner[i])
					}
				}
			}
		})
	})
}

func TestNextHeader(t *testing.T) {
	for _, test := range []struct {
		inner []byte
		want  uint8
	}{{nil, NextNone}, {[]byte{0x45}, NextIPv4}, {[]byte{0x6f}, NextIPv6}, {[]byte{0xff}, NextIPv4}} {
		if got := nextHeader(test.inner); got != test.want {
			t.Errorf("%x: %d, want %d", test.inner, got, test.want)
		}
	}
}

func TestSealBatchExhausted(t *testing.T) {
	for _, left := range []int{0, 1, 2, 3, batchLen, batchLen + 1} {
		o, _ := newPair(t, Suite{AES, 128, HMACSHA1})
		o.seq = math.MaxUint32 - uint32(left)
		packets, inner := batchOf(o, make([]int, batchLen+3)...)
		if n, err := o.SealBatch(packets); n != left || !errors.Is(err, ErrExhausted) {
			t.Errorf("%d numbers left: %d sealed, %v", left, n, err)
		}
		for i, p := range packets {
			if sealed := len(p) > o.Offset()+len(inner[i]); sealed != (i < left) {
				t.Errorf("%d numbers left: packet %d sealed: %v", left, i, sealed)
			}
		}
		if n, err := o.SealBatch(packets); n != 0 || !errors.Is(err, ErrExhausted) {
			t.Errorf("%d sealed when no number was left, %v", n, err)
		}
	}
}

// hostile turns sealed packets into a batch that has about everything wrong.
func hostile(random *rand.Rand, s Suite, packets [][]byte) [][]byte {
	l := s.layout()
	var batch [][]byte
	for i, p := range packets {
		p = bytes.Clone(p)
		switch other := packets[random.IntN(len(packets))]; random.IntN(12) {
		case 0: // a bit flipped anywhere
			bit := random.IntN(len(p) * 8)
			p[bit/8] ^= 1 << (bit % 8)
		case 1: // the body of another packet
			copy(p[l.body():len(p)-l.icv], other[l.body():])
		case 2: // a block of another packet
			copy(p[len(p)-l.icv-l.block:len(p)-l.icv], other[len(other)-l.icv-l.block:])
		case 3: // its ICV
			copy(p[len(p)-l.icv:], other[len(other)-l.icv:])
		case 4: // its IV, or the SPI when there is none
			copy(p[headerLen:l.body()], other[headerLen:])
			p[0] ^= byte(1 - min(1, l.iv))
		case 5: // its number
			copy(p[4:8], other[4:])
		case 6: // cut short
			p = p[:random.IntN(len(p))]
		case 7: // twice, a forged one first
			forged := bytes.Clone(p)
			forged[len(p)-1] ^= 1
			batch = append(batch, forged, bytes.Clone(p))
		case 8: // an earlier one again
			batch = append(batch, bytes.Clone(packets[random.IntN(i+1)]))
		case 9: // number zero
			binary.BigEndian.PutUint32(p[4:], 0)
		}
		batch = append(batch, p[:len(p):len(p)])
	}
	return batch
}

// OpenBatch says of every packet what Open says of one after the other, and
// leaves the refused ones as they came.
func TestOpenBatchHostile(t *testing.T) {
	forEachTier(t, func(t *testing.T) {
		forEachSuite(t, func(t *testing.T, s Suite) {
			random := rand.New(rand.NewPCG(uint64(s.Encryption), uint64(s.Integrity)))
			o, in := newPair(t, s)
			_, reference := newPair(t, s)
			for round := range 4 {
				o.seq += uint32(random.IntN(3000)) // some of the window's end
				lengths := make([]int, 100)
				for i := range lengths {
					lengths[i] = random.IntN(100)
				}
				packets, _ := batchOf(o, lengths...)
				if _, err := o.SealBatch(packets); err != nil {
					t.Fatal(err)
				}
				compareBatch(t, s, in, reference, hostile(random, s, packets))
				if t.Failed() {
					t.Fatalf("round %d", round)
				}
			}
		})
	})
}

// compareBatch opens a batch at once, and by another association one by one.
func compareBatch(t *testing.T, s Suite, in, reference *Inbound, batch [][]byte) {
	t.Helper()
	received := make([][]byte, len(batch))
	for i, p := range batch {
		received[i] = bytes.Clone(p)
	}
	opened := make([]Opened, len(batch))
	in.OpenBatch(batch, opened)
	for i, o := range opened {
		before := bytes.Clone(received[i])
		inner, next, err := reference.Open(received[i])
		if o.Err != err || o.Next != next || !bytes.Equal(o.Inner, inner) {
			t.Errorf("packet %d: %x, %d, %v; one by one %x, %d, %v", i, o.Inner, o.Next, o.Err, inner, next, err)
		}
		if err != nil && err != ErrPadding && !unreleased(s, before, batch[i]) {
			t.Errorf("packet %d, refused: changed", i)
		}
	}
	if in.Sequence() != reference.Sequence() {
		t.Errorf("newest number %d; one by one %d", in.Sequence(), reference.Sequence())
	}
}

// Every bit of a packet in the middle of a batch matters; the others are opened
// all the same.
func TestFlippedBitInBatch(t *testing.T) {
	forEachTier(t, func(t *testing.T) {
		for _, s := range []Suite{{AES, 128, HMACSHA1}, {TripleDES, 0, HMACMD5}, {AES, 256, HMACSHA256}, {Null, 0, HMACSHA1}} {
			o, _ := newPair(t, s)
			packets, inner := batchOf(o, 60, 60, 60, 60, 60)
			if _, err := o.SealBatch(packets); err != nil {
				t.Fatal(err)
			}
			_, in := newPair(t, s)
			for bit := range len(packets[2]) * 8 {
				in.window = newWindow(windowBits)
				batch := make([][]byte, len(packets))
				for i, p := range packets {
					batch[i] = bytes.Clone(p)
				}
				batch[2][bit/8] ^= 1 << (bit % 8)
				forged := bytes.Clone(batch[2])
				opened := make([]Opened, len(batch))
				in.OpenBatch(batch, opened)
				for i, o := range opened {
					if i == 2 && (o.Err == nil || o.Inner != nil || !bytes.Equal(batch[i], forged)) {
						t.Errorf("%v: bit %d: %v, %x", s, bit, o.Err, batch[i])
					}
					if i != 2 && (o.Err != nil || !bytes.Equal(o.Inner, inner[i])) {
						t.Errorf("%v: bit %d: packet %d: %v", s, bit, i, o.Err)
					}
				}
			}
		}
	})
}

// Of two packets with one number the first authentic one wins.
func TestDuplicatesInBatch(t *testing.T) {
	forEachSuite(t, func(t *testing.T, s Suite) {
		o, in := newPair(t, s)
		packet := seal(t, o, pattern(60, 0x45), NextIPv4)
		forged := bytes.Clone(packet)
		forged[len(forged)-1] ^= 1
		opened := make([]Opened, 4)
		in.OpenBatch([][]byte{forged, bytes.Clone(packet), bytes.Clone(packet), bytes.Clone(forged)}, opened)
		for i, want := range []error{ErrIntegrity, nil, ErrReplay, ErrReplay} {
			if opened[i].Err != want {
				t.Errorf("packet %d: %v, want %v", i, opened[i].Err, want)
			}
		}
		in.OpenBatch([][]byte{packet}, opened)
		if opened[0].Err != ErrReplay {
			t.Errorf("in the next batch: %v", opened[0].Err)
		}
	})
}

// Neither call allocates once the first has made room.
func TestBatchAllocations(t *testing.T) {
	forEachTier(t, func(t *testing.T) {
		forEachSuite(t, func(t *testing.T, s Suite) {
			o, in := newPair(t, s)
			lengths := make([]int, 20)
			for i := range lengths {
				lengths[i] = 1400 - i%3*16
			}
			packets, _ := batchOf(o, lengths...)
			opened := make([]Opened, len(packets))
			round := func() {
				for i := range packets {
					packets[i] = packets[i][:o.Offset()+lengths[i]]
					packets[i][o.Offset()] = 0x45
				}
				if _, err := o.SealBatch(packets); err != nil {
					t.Fatal(err)
				}
				in.OpenBatch(packets, opened)
				for _, p := range opened {
					if p.Err != nil {
						t.Fatal(p.Err)
					}
				}
			}
			round()
			if n := testing.AllocsPerRun(2, round); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	})
}
