package main

import (
	"math"

	"github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// md5 writes the compression function of MD5 (RFC 1321, section 3.4).
func md5(c *build.Context) {
	sines := make([]uint32, 64)
	for i := range sines {
		sines[i] = uint32(math.Floor(math.Abs(math.Sin(float64(i+1))) * (1 << 32)))
	}
	h := compression{name: "md5", words: 4, table: table(c, "md5Sines", sines), rounds: md5Rounds}
	h.write(vector{c, false})
	h.write(vector{c, true})
}

// md5Rotations are those of a round's four kinds of steps.
var md5Rotations = [4][4]int{{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}}

func md5Rounds(v vector, state []reg.VecVirtual, w []Op, sines Mem) []reg.VecVirtual {
	a, b, c, d := state[0], state[1], state[2], state[3]
	for i := range 64 {
		var f reg.VecVirtual
		var word int
		switch i / 16 {
		case 0:
			f, word = v.choose(b, c, d), i
		case 1:
			f, word = v.choose(d, b, c), 5*i+1
		case 2:
			f, word = v.parity(d, c, b), 3*i+5
		case 3:
			f, word = v.md5I(b, c, d), 7*i
		}
		t := v.reg()
		v.VPADDD(w[word%16], a, t)
		v.addConstant(sines.Offset(4*i), t)
		v.VPADDD(f, t, t)
		r := v.rotl(t, md5Rotations[i/16][i%4])
		v.VPADDD(b, r, r)
		a, b, c, d = d, r, b, c
	}
	return []reg.VecVirtual{a, b, c, d}
}

// md5I returns c ^ (b | ^d).
func (v vector) md5I(b, c, d reg.VecVirtual) reg.VecVirtual {
	if v.wide {
		return v.ternary(func(d, c, b bool) bool { return c != (b || !d) }, d, c, b)
	}
	to := v.reg()
	v.VPCMPEQD(to, to, to)
	v.VPXOR(d, to, to)
	v.VPOR(b, to, to)
	v.VPXOR(c, to, to)
	return to
}
