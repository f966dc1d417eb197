package main

import (
	"github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// compression is a hash function of Merkle and Damgård over 32-bit words and
// blocks of 64 octets.
type compression struct {
	name  string
	words int // of the state
	table Mem // the constants of the rounds
	swap  Op  // mask of VPSHUFB that turns words into big endian; nil: little endian

	// rounds returns the state after the rounds, without the addition of the one
	// before. It leaves the registers of state as they are; those of w are its own.
	rounds func(v vector, state []reg.VecVirtual, w []Op, table Mem) []reg.VecVirtual
}

// rowLen is how many octets a word of the state takes: one each of 16 lanes.
const rowLen = 64

// byteSwap is the mask of VPSHUFB for big endian words, for up to 16 lanes.
func byteSwap(c *build.Context) Mem {
	var mask []uint32
	for range 4 {
		mask = append(mask, 0x00010203, 0x04050607, 0x08090a0b, 0x0c0d0e0f)
	}
	return table(c, "byteSwap", mask)
}

// write writes the kernel
//
//	func NAMExN(state *[8][16]uint32, data *[16]*byte, blocks int)
//
// It takes lane i of the state through that many blocks from data[i] on. Row by
// row the state has a word of all lanes. Lanes and rows that aren't used stay as
// they are; all lanes of the kernel are read.
func (h compression) write(v vector) {
	v.Function(h.name + v.suffix())
	v.SignatureExpr("func(state *[8][16]uint32, data *[16]*byte, blocks int)")
	base := v.Load(v.Param("state"), v.GP64())
	data := v.Load(v.Param("data"), v.GP64())
	end := v.Load(v.Param("blocks"), v.GP64())
	v.SHLQ(U8(6), end)
	offset := v.GP64()
	v.XORQ(offset, offset)

	state := make([]reg.VecVirtual, h.words)
	for i := range state {
		state[i] = v.copy(Mem{Base: base, Disp: rowLen * i})
	}
	v.Label("block")
	v.CMPQ(offset, end)
	v.JGE(LabelRef("done"))
	w := v.loadBlocks(data, offset, h.swap)
	for i, r := range h.rounds(v, state, w, h.table) {
		row := Mem{Base: base, Disp: rowLen * i}
		v.VPADDD(row, r, state[i])
		v.move(state[i], row)
	}
	v.ADDQ(U8(64), offset)
	v.JMP(LabelRef("block"))
	v.Label("done")
	v.VZEROUPPER()
	v.RET()
}

// loadBlocks loads a block of each lane and returns its 16 words, each with those
// of all lanes: in registers with AVX-512, in the frame with AVX2.
func (v vector) loadBlocks(data, offset reg.Register, swap Op) []Op {
	w := make([]Op, 16)
	if v.wide {
		for i, r := range v.loadWide(data, offset) {
			if swap != nil {
				v.VPSHUFB(swap, r, r)
			}
			w[i] = r
		}
		return w
	}
	frame := v.AllocLocal(16 * 32)
	for quarter := range 4 {
		for i, r := range v.loadQuarter(data, offset, quarter) {
			if swap != nil {
				v.VPSHUFB(swap, r, r)
			}
			w[4*quarter+i] = frame.Offset(32 * (4*quarter + i))
			v.move(r, w[4*quarter+i])
		}
	}
	return w
}

// lane returns where lane i's data is at an offset.
func (v vector) lane(data, offset reg.Register, i int) Mem {
	p := v.GP64()
	v.MOVQ(Mem{Base: data, Disp: 8 * i}, p)
	return Mem{Base: p, Index: offset, Scale: 1}
}

// loadWide transposes 16 rows of 16 words.
func (v vector) loadWide(data, offset reg.Register) []reg.VecVirtual {
	var quads [4][]reg.VecVirtual // [g][j]: words j, j+4, j+8, j+12 of the lanes 4g to 4g+3
	for g := range quads {
		var rows [4]reg.VecVirtual
		for i := range rows {
			rows[i] = v.copy(v.lane(data, offset, 4*g+i))
		}
		quads[g] = v.transposeQuads(rows)
	}
	w := make([]reg.VecVirtual, 16)
	shuffle := func(order uint8, a, b Op) reg.VecVirtual {
		to := v.ZMM()
		v.VSHUFI32X4(U8(order), b, a, to)
		return to
	}
	for j := range 4 {
		low01 := shuffle(0x44, quads[0][j], quads[1][j])
		low23 := shuffle(0x44, quads[2][j], quads[3][j])
		high01 := shuffle(0xee, quads[0][j], quads[1][j])
		high23 := shuffle(0xee, quads[2][j], quads[3][j])
		w[j] = shuffle(0x88, low01, low23)
		w[4+j] = shuffle(0xdd, low01, low23)
		w[8+j] = shuffle(0x88, high01, high23)
		w[12+j] = shuffle(0xdd, high01, high23)
	}
	return w
}

// loadQuarter transposes four words of 8 lanes.
func (v vector) loadQuarter(data, offset reg.Register, quarter int) []reg.VecVirtual {
	var rows [4]reg.VecVirtual
	for i := range rows {
		rows[i] = v.YMM()
		loadLow(v.Context, "VMOVDQU", v.lane(data, offset, i).Offset(16*quarter), rows[i])
		v.VINSERTI128(U8(1), v.lane(data, offset, 4+i).Offset(16*quarter), rows[i], rows[i])
	}
	return v.transposeQuads(rows)
}

// transposeQuads transposes squares of 4 by 4 words, one in each 128 bits.
func (v vector) transposeQuads(rows [4]reg.VecVirtual) []reg.VecVirtual {
	low01, low23, high01, high23 := v.reg(), v.reg(), v.reg(), v.reg()
	v.VPUNPCKLDQ(rows[1], rows[0], low01)
	v.VPUNPCKHDQ(rows[1], rows[0], high01)
	v.VPUNPCKLDQ(rows[3], rows[2], low23)
	v.VPUNPCKHDQ(rows[3], rows[2], high23)
	w := []reg.VecVirtual{v.reg(), v.reg(), v.reg(), v.reg()}
	v.VPUNPCKLQDQ(low23, low01, w[0])
	v.VPUNPCKHQDQ(low23, low01, w[1])
	v.VPUNPCKLQDQ(high23, high01, w[2])
	v.VPUNPCKHQDQ(high23, high01, w[3])
	return w
}
