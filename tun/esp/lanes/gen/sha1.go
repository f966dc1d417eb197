package main

import (
	"github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// sha1 writes the compression function of SHA-1 (FIPS 180-4, section 6.1.2). The
// instructions for it would be slower than lanes, even with AVX2.
func sha1(c *build.Context) {
	constants := []uint32{0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6}
	h := compression{
		name: "sha1", words: 5, table: table(c, "sha1Constants", constants), swap: byteSwap(c), rounds: sha1Rounds,
	}
	h.write(vector{c, false})
	h.write(vector{c, true})
}

func sha1Rounds(v vector, state []reg.VecVirtual, w []Op, constants Mem) []reg.VecVirtual {
	a, b, c, d, e := state[0], state[1], state[2], state[3], state[4]
	for i := range 80 {
		if i >= 16 {
			v.sha1Expand(w, i)
		}
		var f reg.VecVirtual
		switch i / 20 {
		case 0:
			f = v.choose(b, c, d)
		case 2:
			f = v.majority(b, c, d)
		default:
			f = v.parity(d, c, b)
		}
		t := v.reg()
		v.VPADDD(w[i%16], e, t)
		v.addConstant(constants.Offset(4*(i/20)), t)
		v.VPADDD(f, t, t)
		v.VPADDD(v.rotl(a, 5), t, t)
		a, b, c, d, e = t, a, v.rotl(b, 30), c, d
	}
	return []reg.VecVirtual{a, b, c, d, e}
}

// sha1Expand puts word i of the message schedule where word i-16 was.
func (v vector) sha1Expand(w []Op, i int) {
	x := v.parity(w[i%16], v.inRegister(w[(i-3)%16]), w[(i-8)%16])
	v.xor(w[(i-14)%16], x, x)
	v.replace(w, i%16, v.rotl(x, 1))
}
