package esp

import (
	"flag"
	"math"
	"math/rand/v2"
	"testing"
)

var orders = flag.Int("orders", 0, "random orders for the replay window, instead of 10^5 with -short and 10^6 without")

// model is the anti-replay window in its plainest form: it remembers the order
// in which each number of a stretch was last accepted.
type model struct {
	size, newest uint32
	base         uint32 // first number of the stretch
	acceptedIn   []int  // by number less base: an order, or 0
}

func (m *model) fresh(n uint32, order int) bool {
	return n != 0 && (n > m.newest || m.newest-n < m.size && m.acceptedIn[n-m.base] != order)
}

func (m *model) mark(n uint32, order int) {
	m.acceptedIn[n-m.base] = order
	m.newest = max(m.newest, n)
}

// The window agrees with the model in random orders of arrival: steps, jumps by
// less and more than a window, late, repeated and forged packets, at the start,
// in the middle and at the end of the number space.
func TestWindowAgainstModel(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 100_000
	}
	if *orders > 0 {
		n = *orders
	}
	const arrivals = 40
	const seed = 4303
	random := rand.New(rand.NewPCG(seed, 6479))
	for _, bits := range []int{128, 192, 320, 1088, windowBits} {
		// no order of 40 arrivals advances further than the stretch
		stretch := uint32(arrivals * 3 * bits)
		m := model{size: uint32(bits - wordBits), acceptedIn: make([]int, stretch+1)}
		w := newWindow(bits)
		if w.size() != m.size {
			t.Fatalf("ring of %d: window of %d", bits, w.size())
		}
		for order := 1; order <= n/5; order++ {
			m.newest = 0
			w.newest = 0
			clear(w.ring)
			m.base = 0
			switch random.IntN(4) {
			case 0:
				m.base = math.MaxUint32 - stretch
			case 1:
				m.base = random.Uint32N(math.MaxUint32 - stretch)
			}
			next := m.base + random.Uint32N(uint32(bits))
			for range arrivals {
				seq := next
				switch random.IntN(8) {
				case 0: // a jump
					seq += random.Uint32N(uint32(3 * bits))
				case 1, 2: // late, perhaps too late
					seq -= min(seq-m.base, random.Uint32N(uint32(bits+2*wordBits)))
				case 3: // around the window's edge
					seq -= min(seq-m.base, m.size-2+random.Uint32N(4))
				case 4: // a repeat of the newest, or just before
					seq = max(m.newest, m.base+1) - random.Uint32N(2)
				}
				seq = min(seq, m.base+stretch)
				want := m.fresh(seq, order)
				if got := w.fresh(seq); got != want {
					t.Fatalf("seed %d, ring of %d, order %d: fresh(%d) = %v with newest %d",
						seed, bits, order, seq, got, m.newest)
				}
				if want && random.IntN(8) > 0 { // else forged: looked at, but not marked
					w.mark(seq)
					m.mark(seq, order)
					next = max(next, seq)
				}
				if w.newest != m.newest {
					t.Fatalf("seed %d, ring of %d, order %d: newest %d, want %d", seed, bits, order, w.newest, m.newest)
				}
				if next < m.base+stretch {
					next++
				}
			}
		}
	}
}

func TestWindowEdges(t *testing.T) {
	w := newWindow(windowBits)
	size := w.size()
	if size < 1024 {
		t.Fatalf("a window of %d", size)
	}
	steps := []struct {
		name string
		seq  uint32
		want bool
	}{
		{"zero on an empty window", 0, false},
		{"far ahead at once", 1_000_000, true},
		{"the same again", 1_000_000, false},
		{"zero", 0, false},
		{"the oldest that fits", 1_000_000 - size + 1, true},
		{"the oldest again", 1_000_000 - size + 1, false},
		{"one too old", 1_000_000 - size, false},
		{"a whole ring ahead", 1_000_000 + windowBits, true},
		{"a bit of the old round", 1_000_000 + 65, true},
		{"the last number", math.MaxUint32, true},
		{"the last again", math.MaxUint32, false},
		{"just before the last", math.MaxUint32 - 1, true},
		{"the oldest at the end", math.MaxUint32 - size + 1, true},
		{"too old at the end", math.MaxUint32 - size, false},
		{"one", 1, false},
	}
	for _, step := range steps {
		if got := w.fresh(step.seq); got != step.want {
			t.Errorf("%s: fresh(%d) = %v", step.name, step.seq, got)
		}
		if step.want {
			w.mark(step.seq)
		}
	}
}
