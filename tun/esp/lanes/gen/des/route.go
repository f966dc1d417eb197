package des

import "math/bits"

// Route is how the bits that eight boxes put out get to the eight groups of six
// bits that the boxes of the next round take in: P and E together. A box and a
// group are a vector with an octet a lane, and bit c of a group comes from bit c
// of some box: no bit ever changes its place within an octet. So a box is one
// table of octets with six bits each, and the way from boxes to groups is a
// butterfly: eight vectors, three stages, and in stage s the vectors n and
// n^(1<<s) exchange the bits of a mask.
//
// That there are places for the bits such that no two of them meet in one bit of
// one vector isn't given, but there are: E and P send the bits of a box to six
// different boxes.
type Route struct {
	Node   [8]int      // the vector that box b puts its bits in, before stage 0
	Group  [8]int      // the vector that has the input of box b, after stage 2
	Places [8][6]uint8 // the bit of the octet where input i of box b is
}

// wire is a bit on its way: an output of a box that is an input of another.
type wire struct{ box, output, to, input int }

// wires returns all 48.
func wires() (all []wire) {
	for to := range 8 {
		for input := range 6 {
			from := permutation[Input(to, input)] - 1
			all = append(all, wire{from / 4, from % 4, to, input})
		}
	}
	return all
}

// node is the vector that w is in before stage s, or after stage 2 if s is 3.
func (r *Route) node(w wire, s int) int {
	last := 1<<s - 1 // the bits of the number that are those of the group already
	return r.Group[w.to]&last | r.Node[w.box]&^last
}

// FindRoute returns a route, the same one always.
func FindRoute() *Route {
	chance := random(1)
	for {
		r := new(Route)
		chance.permute(r.Node[:])
		chance.permute(r.Group[:])
		if c := newColouring(r); c != nil && c.colour(len(c.wires)) {
			for i, w := range c.wires {
				r.Places[w.to][w.input] = uint8(bits.TrailingZeros8(c.free[i]))
			}
			return r
		}
	}
}

// colouring gives each wire one of six places; those that meet in a vector get
// different ones.
type colouring struct {
	wires []wire
	meets [48]uint64 // the wires that meet this one
	free  [48]uint8  // the places that are left to this one
	done  uint64     // the wires that have a place
	steps int        // until it is given up
}

// newColouring returns nothing if more than six wires meet somewhere.
func newColouring(r *Route) *colouring {
	c := &colouring{wires: wires(), steps: 20000}
	for s := range 4 {
		var in [8]uint64
		for i, w := range c.wires {
			in[r.node(w, s)] |= 1 << i
		}
		for _, set := range in {
			if bits.OnesCount64(set) > 6 {
				return nil
			}
			for i := range c.wires {
				if set>>i&1 == 1 {
					c.meets[i] |= set &^ (1 << i)
				}
			}
		}
	}
	for i := range c.free {
		c.free[i] = 1<<6 - 1
	}
	return c
}

// colour gives places to the wires that are left, those with the least choice
// first. It reports whether that was possible.
func (c *colouring) colour(left int) bool {
	if left == 0 {
		return true
	}
	if c.steps--; c.steps < 0 {
		return false
	}
	next, choice := 0, 7
	for i := range c.wires {
		if n := bits.OnesCount8(c.free[i]); c.done>>i&1 == 0 && n < choice {
			next, choice = i, n
		}
	}
	before := c.free
	c.done |= 1 << next
	for place := uint8(1); place < 1<<6; place <<= 1 {
		if before[next]&place == 0 {
			continue
		}
		c.free[next] = place
		for i := range c.wires {
			if c.meets[next]&^c.done>>i&1 == 1 {
				c.free[i] &^= place
			}
		}
		if c.colour(left - 1) {
			return true
		}
		c.free = before
	}
	c.done &^= 1 << next
	return false
}

// Table returns box b as a table: of an octet with its input in their places, the
// octet with its outputs in those of the groups they go to.
func (r *Route) Table(b int) (table [64]uint8) {
	for x := range table {
		var in uint8
		for i, place := range r.Places[b] {
			in |= uint8(x>>place&1) << (5 - i)
		}
		out := Box(b, in)
		for _, w := range wires() {
			if w.box == b {
				table[x] |= out >> (3 - w.output) & 1 << r.Places[w.to][w.input]
			}
		}
	}
	return table
}

// Mask returns which bits the vectors n and n^(1<<s) exchange in stage s. n has
// bit s zero.
func (r *Route) Mask(s, n int) (mask uint8) {
	for _, w := range wires() {
		from, to := r.node(w, s), r.node(w, s+1)
		if from&^(1<<s) == n && from != to {
			mask |= 1 << r.Places[w.to][w.input]
		}
	}
	return mask
}
