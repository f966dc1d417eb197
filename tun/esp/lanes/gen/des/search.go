package des

import "fmt"

// maxGates bounds a circuit under construction.
const maxGates = 110

// net is a circuit under construction, with the truth table of each gate.
type net struct {
	n     int
	table [maxGates]uint64
	gates [maxGates]Gate
}

// search builds one circuit. Where several ways are equally good, chance decides.
type search struct {
	random random
	andNot bool // there is a gate for AndNot
}

// Derive returns a circuit for box b, from 0, that has at most limit gates, or
// none if chance, which seed fixes, doesn't find one. Where the machine has no
// gate for AndNot, andNot is false.
//
// The outputs are built one after the other, in random order, from the inputs and
// all gates there are already.
func Derive(b int, seed uint64, limit int, andNot bool) (*Circuit, bool) {
	s := search{random: random(seed*1000003 + uint64(b)), andNot: andNot}
	c := net{n: len(columns)}
	copy(c.table[:], columns[:])
	limit += len(columns)
	var order [4]int
	s.random.permute(order[:])
	var circuit Circuit
	for _, i := range order {
		g := s.build(&c, truth(b, i), ^uint64(0), 0, limit)
		if g < 0 {
			return nil, false
		}
		circuit.Outputs[i] = g
	}
	circuit.Gates = c.gates[:c.n]
	return &circuit, c.n <= limit
}

// build adds gates to c until there is one that agrees with the truth table t
// where mask has ones, and returns it; -1 if c would become longer than limit.
// What isn't there with two more gates is put together by a multiplexer: an input
// that isn't in used splits the truth table, and each half is built for itself,
// with half the mask. All inputs are tried.
func (s *search) build(c *net, t, mask uint64, used uint8, limit int) int {
	v := view{s: s, net: c, t: t & mask, mask: mask}
	if g := v.none(); g >= 0 {
		return g
	}
	if c.n+1 > limit {
		return -1
	}
	if g := v.inverted(); g >= 0 {
		return g
	}
	v.index()
	if g := v.one(); g >= 0 {
		return g
	}
	if c.n+2 > limit {
		return -1
	}
	if g := v.two(); g >= 0 {
		return g
	}

	var best net
	result := -1
	var order [6]int
	s.random.permute(order[:])
	for _, input := range order {
		if used>>input&1 == 1 {
			continue
		}
		for _, high := range []bool{false, true} {
			w := *c
			g := s.multiplex(&w, v.t, mask, input, high, used|1<<input, limit)
			if g >= 0 && w.n <= limit {
				best, result, limit = w, g, w.n-1
			}
		}
	}
	if result >= 0 {
		*c = best
	}
	return result
}

// multiplex builds t as f ^ (h & x): f is right where the input x is zero, h
// corrects it where x is one; or, if high, f ^ (h &^ x), the other way round.
func (s *search) multiplex(c *net, t, mask uint64, input int, high bool, used uint8, limit int) int {
	x := c.table[input]
	right, rest := mask&^x, mask&x
	if high {
		right, rest = rest, right
	}
	f := s.build(c, t, right, used, limit-1)
	if f < 0 {
		return -1
	}
	switch wrong := (t ^ c.table[f]) & rest; wrong {
	case 0:
		return f
	case rest:
		g := s.add(c, Xor, f, input)
		if high {
			g = s.add(c, Not, g, g)
		}
		return g
	default:
		h := s.build(c, wrong, rest, used, limit-2)
		if h < 0 {
			return -1
		}
		correct := And
		if high {
			correct = AndNot
		}
		return s.add(c, Xor, f, s.add(c, correct, h, input))
	}
}

// add returns a gate that is o of a and b: one that is there, or a new one.
func (s *search) add(c *net, o Op, a, b int) int {
	if o == AndNot && !s.andNot {
		o, b = And, s.add(c, Not, b, b)
	}
	t := apply(o, c.table[a], c.table[b])
	for i := range c.n {
		if c.table[i] == t {
			return i
		}
	}
	if c.n == maxGates {
		panic(fmt.Sprintf("des: a circuit of more than %d gates", maxGates))
	}
	c.table[c.n], c.gates[c.n] = t, Gate{o, a, b}
	c.n++
	return c.n - 1
}

// random is SplitMix64, written out so that a seed means the same circuit with
// every version of Go.
type random uint64

func (r *random) below(n int) int {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	return int((z >> 33) % uint64(n))
}

// permute fills p with a random permutation.
func (r *random) permute(p []int) {
	for i := range p {
		p[i] = i
	}
	for i := len(p) - 1; i > 0; i-- {
		j := r.below(i + 1)
		p[i], p[j] = p[j], p[i]
	}
}
