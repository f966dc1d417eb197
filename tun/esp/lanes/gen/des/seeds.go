package des

import "fmt"

// seeds have Derive find these circuits. `go run ./des/search` looks for seeds of
// smaller ones.
var (
	// With And, Or, Xor and Not: 443 gates.
	plainSeeds = [8]seed{{185, 61}, {181, 55}, {203, 57}, {3, 46}, {73, 61}, {99, 57}, {29, 57}, {133, 56}}
	// With AndNot too: 415 gates.
	andNotSeeds = [8]seed{{1027, 60}, {1022, 52}, {1001, 59}, {1028, 41}, {1127, 57}, {1130, 54}, {1008, 54}, {1081, 51}}
)

// seed is what Derive is given for a box.
type seed struct {
	seed  uint64
	limit int
}

// Boxes returns the circuits of all boxes, with gates for AndNot or without.
func Boxes(andNot bool) (boxes [8]*Circuit) {
	seeds := plainSeeds
	if andNot {
		seeds = andNotSeeds
	}
	for b, s := range seeds {
		c, ok := Derive(b, s.seed, s.limit, andNot)
		if !ok {
			panic(fmt.Sprintf("des: seed %d gives no circuit for box %d", s.seed, b+1))
		}
		boxes[b] = c
	}
	return boxes
}
