package main

import (
	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// vector writes operations on 32-bit words, one a lane: 8 lanes in a YMM register
// with AVX2, 16 in a ZMM register with AVX-512.
type vector struct {
	*build.Context
	wide bool
}

// suffix ends the names of kernels with that many lanes.
func (v vector) suffix() string {
	if v.wide {
		return "x16"
	}
	return "x8"
}

func (v vector) reg() reg.VecVirtual {
	if v.wide {
		return v.ZMM()
	}
	return v.YMM()
}

// move copies a register, or loads or stores one at any alignment.
func (v vector) move(from, to Op) {
	if v.wide {
		v.VMOVDQU32(from, to)
	} else {
		v.VMOVDQU(from, to)
	}
}

// copy returns a new register with x.
func (v vector) copy(x Op) reg.VecVirtual {
	r := v.reg()
	if v.wide && IsRegister(x) {
		v.VMOVDQA64(x, r)
	} else {
		v.move(x, r)
	}
	return r
}

func (v vector) xor(b, a, to Op) {
	if v.wide {
		v.VPXORD(b, a, to)
	} else {
		v.VPXOR(b, a, to)
	}
}

// rotl returns x rotated to the left by n bits.
func (v vector) rotl(x Op, n int) reg.VecVirtual {
	to := v.reg()
	if v.wide {
		v.VPROLD(U8(n), x, to)
		return to
	}
	low := v.reg()
	v.VPSLLD(U8(n), x, to)
	v.VPSRLD(U8(32-n), x, low)
	v.VPOR(low, to, to)
	return to
}

// rotr returns x rotated to the right by n bits.
func (v vector) rotr(x Op, n int) reg.VecVirtual { return v.rotl(x, 32-n) }

// shiftRight returns x shifted to the right by n bits.
func (v vector) shiftRight(x Op, n int) reg.VecVirtual {
	to := v.reg()
	v.VPSRLD(U8(n), x, to)
	return to
}

// inRegister returns w, loaded if it is in memory.
func (v vector) inRegister(w Op) Op {
	if IsMem(w) {
		return v.copy(w)
	}
	return w
}

// replace makes r word i of w: in the frame if it is there.
func (v vector) replace(w []Op, i int, r reg.VecVirtual) {
	if IsMem(w[i]) {
		v.move(r, w[i])
	} else {
		w[i] = r
	}
}

// addConstant adds a word in memory to each lane of x in place.
func (v vector) addConstant(word Mem, x Op) {
	if v.wide {
		v.VPADDD_BCST(word, x, x)
		return
	}
	k := v.reg()
	v.VPBROADCASTD(word, k)
	v.VPADDD(k, x, x)
}

// ternary returns f(a, b, c) bit by bit; AVX-512 only. The instruction overwrites
// one operand: a is copied for it, so a should be the one that is ready first.
func (v vector) ternary(f func(a, b, c bool) bool, a, b, c Op) reg.VecVirtual {
	var table uint8
	for i := range 8 {
		if f(i&4 != 0, i&2 != 0, i&1 != 0) {
			table |= 1 << i
		}
	}
	to := v.copy(a)
	v.VPTERNLOGD(U8(table), c, b, to)
	return to
}

// parity returns a ^ b ^ c. Of the operands only c may be in memory.
func (v vector) parity(a, b, c Op) reg.VecVirtual {
	if v.wide {
		return v.ternary(func(a, b, c bool) bool { return a != b != c }, a, b, c)
	}
	to := v.reg()
	v.VPXOR(a, b, to)
	v.VPXOR(c, to, to)
	return to
}

// choose returns b where a has ones and c where it has zeros.
func (v vector) choose(a, b, c Op) reg.VecVirtual {
	if v.wide {
		return v.ternary(func(c, b, a bool) bool { return a && b || !a && c }, c, b, a)
	}
	to := v.reg()
	v.VPXOR(b, c, to)
	v.VPAND(a, to, to)
	v.VPXOR(c, to, to)
	return to
}

// majority returns ones where two of three have them.
func (v vector) majority(a, b, c Op) reg.VecVirtual {
	if v.wide {
		return v.ternary(func(c, b, a bool) bool { return a && b || a && c || b && c }, c, b, a)
	}
	to, both := v.reg(), v.reg()
	v.VPXOR(b, c, to)
	v.VPAND(b, c, both)
	v.VPAND(a, to, to)
	v.VPOR(both, to, to)
	return to
}

// raw writes an instruction that avo doesn't know: all operands but the last are
// read, the last is written.
func raw(c *build.Context, opcode string, operands ...Op) {
	last := len(operands) - 1
	c.Instruction(&ir.Instruction{
		Opcode: opcode, Operands: operands, Inputs: operands[:last], Outputs: operands[last:],
	})
}

// loadLow loads 128 bits into the low part of a register and clears the rest.
func loadLow(c *build.Context, opcode string, from Mem, to reg.VecVirtual) {
	c.Instruction(&ir.Instruction{
		Opcode: opcode, Operands: []Op{from, to.AsX()}, Inputs: []Op{from}, Outputs: []Op{to},
	})
}

// table defines a read-only table of 32-bit words.
func table(c *build.Context, name string, values []uint32) Mem {
	m := c.StaticGlobal(name)
	c.DataAttributes(attr.RODATA | attr.NOPTR)
	for _, w := range values {
		c.AppendDatum(U32(w))
	}
	return m
}
