// Package des derives what the kernels of DES are made of from the tables of FIPS
// 46-3, and from nothing else: circuits for the boxes, and the Go code with them.
//
//	tables.go    the boxes, E and P
//	circuit.go   gates and their truth tables
//	search.go    from a box to a circuit, by a seed
//	seeds.go     the best seeds so far; ./search looks for better ones
//	source.go    circuits as Go code
package des

// Op is what a gate does with its inputs A and B.
type Op uint8

// The gates. AndNot is A &^ B, Not is ^A.
const (
	Input6 Op = iota // one of the six inputs of a box
	And
	Or
	Xor
	AndNot
	Not
)

// Gate is a gate; A and B are the numbers of gates before it.
type Gate struct {
	Op   Op
	A, B int
}

// Circuit is the circuit of a box. The first six gates are its inputs, bit 1 of
// the standard first.
type Circuit struct {
	Gates   []Gate
	Outputs [4]int // the gates that are the box's output, bit 1 first
}

// Eval returns what each gate of c makes of the inputs, bit by bit.
func (c *Circuit) Eval(inputs [6]uint64) []uint64 {
	values := append(make([]uint64, 0, len(c.Gates)), inputs[:]...)
	for _, g := range c.Gates[len(inputs):] {
		values = append(values, apply(g.Op, values[g.A], values[g.B]))
	}
	return values
}

func apply(o Op, a, b uint64) uint64 {
	switch o {
	case And:
		return a & b
	case Or:
		return a | b
	case Xor:
		return a ^ b
	case AndNot:
		return a &^ b
	default:
		return ^a
	}
}

// A truth table is a word: bit i is the value for the input i, whose bit 0 is the
// standard's bit 1.

// columns are the truth tables of the inputs.
var columns = [6]uint64{
	0xaaaaaaaaaaaaaaaa, 0xcccccccccccccccc, 0xf0f0f0f0f0f0f0f0,
	0xff00ff00ff00ff00, 0xffff0000ffff0000, 0xffffffff00000000,
}

// truth returns the truth table of bit i of box b, both from 0.
func truth(b, i int) (table uint64) {
	for x := range 64 {
		var in uint8
		for bit := range 6 {
			in |= uint8(x>>bit&1) << (5 - bit)
		}
		table |= uint64(Box(b, in)>>(3-i)&1) << x
	}
	return table
}
