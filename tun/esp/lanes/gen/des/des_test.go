package des

import "testing"

// Each circuit puts out what the table of its box says, for all inputs.
func TestCircuits(t *testing.T) {
	for _, andNot := range []bool{false, true} {
		total := 0
		for b, c := range Boxes(andNot) {
			total += len(c.Gates) - 6
			for in := range uint8(64) {
				var inputs [6]uint64
				for i := range inputs {
					inputs[i] = uint64(in >> (5 - i) & 1)
				}
				values := c.Eval(inputs)
				var got uint8
				for _, g := range c.Outputs {
					got = got<<1 | uint8(values[g]&1)
				}
				if want := Box(b, in); got != want {
					t.Fatalf("box %d of %06b: %04b, want %04b (andNot %t)", b+1, in, got, want, andNot)
				}
			}
			for i, g := range c.Gates {
				if g.Op == AndNot && !andNot {
					t.Errorf("box %d: gate %d is &^", b+1, i)
				}
			}
		}
		t.Logf("andNot %t: %d gates", andNot, total)
	}
}
