package main

import (
	"math/big"

	"github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// sha256 writes the compression function of SHA-256 (FIPS 180-4, section 6.2.2).
// Two lanes by the instructions for it are faster than 8 with AVX2, and slower
// than 16 with AVX-512.
func sha256(c *build.Context) {
	h := compression{
		name: "sha256", words: 8, table: table(c, "sha256Constants", cubeRoots(64)), swap: byteSwap(c), rounds: sha256Rounds,
	}
	h.write(vector{c, true})
	ni := sha256NI{Context: c, swap: h.swap.(Mem), constants: h.table}
	ni.write()
}

// cubeRoots returns "the first thirty-two bits of the fractional parts of the
// cube roots of the first n prime numbers" (FIPS 180-4, section 4.2.2).
func cubeRoots(n int) []uint32 {
	var roots []uint32
	for p := int64(2); len(roots) < n; p++ {
		if !big.NewInt(p).ProbablyPrime(0) {
			continue
		}
		// the largest r with r^3 <= p * 2^96
		scaled := new(big.Int).Lsh(big.NewInt(p), 96)
		r := new(big.Int)
		for bit := 40; bit >= 0; bit-- {
			r.SetBit(r, bit, 1)
			if new(big.Int).Exp(r, big.NewInt(3), nil).Cmp(scaled) > 0 {
				r.SetBit(r, bit, 0)
			}
		}
		roots = append(roots, uint32(r.Uint64()))
	}
	return roots
}

func sha256Rounds(v vector, state []reg.VecVirtual, w []Op, constants Mem) []reg.VecVirtual {
	a, b, c, d, e, f, g, h := state[0], state[1], state[2], state[3], state[4], state[5], state[6], state[7]
	for i := range 64 {
		if i >= 16 {
			v.sha256Expand(w, i)
		}
		t := v.reg()
		v.VPADDD(w[i%16], h, t)
		v.addConstant(constants.Offset(4*i), t)
		v.VPADDD(v.choose(e, f, g), t, t)
		v.VPADDD(v.parity(v.rotr(e, 6), v.rotr(e, 11), v.rotr(e, 25)), t, t)
		newE := v.reg()
		v.VPADDD(t, d, newE)
		v.VPADDD(v.majority(a, b, c), t, t)
		v.VPADDD(v.parity(v.rotr(a, 2), v.rotr(a, 13), v.rotr(a, 22)), t, t)
		a, b, c, d, e, f, g, h = t, a, b, c, newE, e, f, g
	}
	return []reg.VecVirtual{a, b, c, d, e, f, g, h}
}

// sha256Expand puts word i of the message schedule where word i-16 was.
func (v vector) sha256Expand(w []Op, i int) {
	x, y := v.inRegister(w[(i-2)%16]), v.inRegister(w[(i-15)%16])
	sum := v.parity(v.rotr(x, 17), v.rotr(x, 19), v.shiftRight(x, 10))
	v.VPADDD(w[i%16], sum, sum)
	v.VPADDD(w[(i-7)%16], sum, sum)
	v.VPADDD(v.parity(v.rotr(y, 7), v.rotr(y, 18), v.shiftRight(y, 3)), sum, sum)
	v.replace(w, i%16, sum)
}
