package esp

const (
	// windowBits is the size of the ring of seen sequence numbers, which makes a
	// window of 4096. RFC 4303, section 3.4.3, asks for one of 32 and prefers 64;
	// receive batches and parallel paths reorder by more.
	windowBits = 4096 + wordBits

	wordBits = 64
)

// window is the anti-replay window: a ring with a bit for each of the latest
// sequence numbers (RFC 6479). Moving forward clears whole words and shifts
// nothing; in exchange the oldest word can't be used in full, and so the window
// is one word smaller than the ring.
//
// A window starts empty: no number was seen, and 0 never is one.
type window struct {
	newest uint32   // highest number marked
	ring   []uint64 // bit n%64 of word n/64%len(ring) is number n
}

// newWindow returns a window over a ring of that many bits, a multiple of 64
// and at least 128.
func newWindow(bits int) window {
	return window{ring: make([]uint64, bits/wordBits)}
}

// size is how many numbers the window spans, the newest included.
func (w *window) size() uint32 { return uint32(len(w.ring)-1) * wordBits }

// word returns the ring's word that holds n's bit, and the bit.
func (w *window) word(n uint32) (word *uint64, bit uint64) {
	return &w.ring[n/wordBits%uint32(len(w.ring))], 1 << (n % wordBits)
}

// fresh reports whether n may be accepted: it isn't 0, not too old, not seen.
func (w *window) fresh(n uint32) bool {
	switch {
	case n == 0:
		// "The first packet sent using a given SA will have a sequence number of
		// 1" (RFC 4303, section 2.2)
		return false
	case n > w.newest:
		return true
	case w.newest-n >= w.size():
		return false
	}
	word, bit := w.word(n)
	return *word&bit == 0
}

// mark records n, which is fresh and whose packet was authentic.
//
// "The receive window is updated only if the integrity verification succeeds."
// (RFC 4303, section 3.4.3)
func (w *window) mark(n uint32) {
	if n > w.newest {
		ahead := min(n/wordBits-w.newest/wordBits, uint32(len(w.ring)))
		for i := range ahead {
			word, _ := w.word((n/wordBits - i) * wordBits)
			*word = 0
		}
		w.newest = n
	}
	word, bit := w.word(n)
	*word |= bit
}
