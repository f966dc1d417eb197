package des

import "testing"

// The tables and the butterfly together are the boxes with P behind them and E of
// the next round, for any input of the boxes.
func TestRoute(t *testing.T) {
	r := FindRoute()
	t.Logf("%+v", r)
	chance := random(7)
	for range 1000 {
		var f [32]uint8 // what the standard says
		var nodes [8]uint8
		for b := range 8 {
			in := uint8(chance.below(64))
			var octet uint8
			for i, place := range r.Places[b] {
				octet |= in >> (5 - i) & 1 << place
			}
			out := Box(b, in)
			for i := range 4 {
				f[Output(b, i)] = out >> (3 - i) & 1
			}
			nodes[r.Node[b]] = r.Table(b)[octet]
		}
		for s := range 3 {
			for n := range 8 {
				if n>>s&1 == 0 {
					swap := (nodes[n] ^ nodes[n|1<<s]) & r.Mask(s, n)
					nodes[n] ^= swap
					nodes[n|1<<s] ^= swap
				}
			}
		}
		for b := range 8 {
			for i, place := range r.Places[b] {
				if got, want := nodes[r.Group[b]]>>place&1, f[Input(b, i)]; got != want {
					t.Fatalf("input %d of box %d is %d, want %d", i, b, got, want)
				}
			}
		}
	}
}
