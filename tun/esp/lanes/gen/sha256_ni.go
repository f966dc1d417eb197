package main

import (
	"github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// sha256NI is SHA-256 with the instructions for it, which work on one message: two
// of them hide one another's latency.
type sha256NI struct {
	*build.Context
	swap, constants Mem

	state [2][2]reg.VecVirtual // of each message: words f e b a, and h g d c
	w     [2][4]Op             // four words of the message schedule each
}

// The words of the state in each of its registers, the lowest first.
var sha256NIWords = [2][4]int{{5, 4, 1, 0}, {7, 6, 3, 2}}

// write writes a kernel as compression.write does, for two lanes.
func (k *sha256NI) write() {
	k.Function("sha256NIx2")
	k.SignatureExpr("func(state *[8][16]uint32, data *[16]*byte, blocks int)")
	base := k.Load(k.Param("state"), k.GP64())
	table := k.Load(k.Param("data"), k.GP64())
	blocks := k.Load(k.Param("blocks"), k.GP64())
	word := func(lane, w int) Mem { return Mem{Base: base, Disp: rowLen*w + 4*lane} }
	var data [2]reg.Register
	var before [2][2]Mem
	for lane := range data {
		data[lane] = k.GP64()
		k.MOVQ(Mem{Base: table, Disp: 8 * lane}, data[lane])
		for half, words := range sha256NIWords {
			r := k.XMM()
			k.VPXOR(r, r, r)
			for at, w := range words {
				k.VPINSRD(U8(at), word(lane, w), r, r)
			}
			k.state[lane][half], before[lane][half] = r, k.AllocLocal(16)
		}
	}
	k.Label("block")
	k.TESTQ(blocks, blocks)
	k.JZ(LabelRef("done"))
	for lane, x := range k.state {
		k.VMOVDQU(x[0], before[lane][0])
		k.VMOVDQU(x[1], before[lane][1])
	}
	for four := range 16 {
		for lane := range data {
			k.rounds(lane, four, data[lane])
		}
	}
	for lane, x := range k.state {
		k.VPADDD(before[lane][0], x[0], x[0])
		k.VPADDD(before[lane][1], x[1], x[1])
		k.ADDQ(U8(64), data[lane])
	}
	k.DECQ(blocks)
	k.JMP(LabelRef("block"))

	k.Label("done")
	for lane, x := range k.state {
		for half, words := range sha256NIWords {
			for at, w := range words {
				k.VPEXTRD(U8(at), x[half], word(lane, w))
			}
		}
	}
	k.VZEROUPPER()
	k.RET()
}

// rounds takes a lane through four rounds, the message schedule included.
func (k *sha256NI) rounds(lane, four int, data reg.Register) {
	w := &k.w[lane]
	next, last := &w[four%4], w[(four+3)%4]
	if four < 4 {
		r := k.XMM()
		k.VMOVDQU(Mem{Base: data, Disp: 16 * four}, r)
		k.VPSHUFB(k.swap, r, r)
		*next = r
	} else {
		k.SHA256MSG1(w[(four+1)%4], *next)
		middle := k.XMM()
		k.VPALIGNR(U8(4), w[(four+2)%4], last, middle)
		k.VPADDD(middle, *next, *next)
		k.SHA256MSG2(last, *next)
	}
	abef, cdgh := k.state[lane][0], k.state[lane][1]
	k.VPADDD(k.constants.Offset(16*four), *next, reg.X0) // the instruction reads X0
	k.SHA256RNDS2(reg.X0, abef, cdgh)
	k.VPSHUFD(U8(0x0e), reg.X0, reg.X0)
	k.SHA256RNDS2(reg.X0, cdgh, abef)
}
