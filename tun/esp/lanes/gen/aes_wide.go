package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// groups is how many registers of four blocks are worked on at once: they hide
// one another's latency.
const groups = 4

// wideKeys loads a key schedule, each round key four times side by side.
func wideKeys(c *build.Context) [lastKey + 1]Op {
	base := c.Load(c.Param("keys"), c.GP64())
	var keys [lastKey + 1]Op
	for i := range keys {
		k := c.ZMM()
		c.VBROADCASTI32X4(Mem{Base: base, Disp: blockLen * i}, k)
		keys[i] = k
	}
	return keys
}

// wideRounds takes the registers x through all rounds but the whitening.
func wideRounds(c *build.Context, name, instruction string, rounds reg.Register, keys [lastKey + 1]Op, x []reg.Register) {
	round := func(instruction string, k int) {
		for i := range x {
			raw(c, instruction, keys[k], x[i], x[i])
		}
	}
	aesRounds(c, rounds, name, func(k int) { round(instruction, k) })
	round(instruction+"LAST", lastKey)
}

// aesEncrypt16 writes the encryption of 16 lanes with VAES.
func aesEncrypt16(c *build.Context) {
	c.Function("aesEncryptx16")
	c.SignatureExpr("func(keys *[15][16]byte, rounds int, chain *[16][16]byte, data *[16]*byte, blocks int)")
	keys := wideKeys(c)
	rounds := c.Load(c.Param("rounds"), c.GP64())
	chain := c.Load(c.Param("chain"), c.GP64())
	table := c.Load(c.Param("data"), c.GP64())
	end := c.Load(c.Param("blocks"), c.GP64())
	c.SHLQ(U8(4), end)
	offset := c.GP64()
	c.XORQ(offset, offset)
	lane := func(i int) Mem {
		p := c.GP64()
		c.MOVQ(Mem{Base: table, Disp: 8 * i}, p)
		return Mem{Base: p, Index: offset, Scale: 1}
	}

	x := make([]reg.Register, groups)
	for i := range x {
		x[i] = c.ZMM()
		c.VMOVDQU32(Mem{Base: chain, Disp: 4 * blockLen * i}, x[i])
	}
	c.Label("block")
	c.CMPQ(offset, end)
	c.JGE(LabelRef("done"))
	for i := range x {
		plain := c.ZMM()
		loadLow(c, "VMOVDQU32", lane(4*i), plain)
		for j := 1; j < 4; j++ {
			c.VINSERTI32X4(U8(j), lane(4*i+j), plain, plain)
		}
		c.VPTERNLOGD(U8(0x96), keys[0], plain, x[i]) // the exclusive or of all three
	}
	wideRounds(c, "last", "VAESENC", rounds, keys, x)
	for i := range x {
		c.VMOVDQU32(x[i].(reg.VecVirtual).AsX(), lane(4*i))
		for j := 1; j < 4; j++ {
			c.VEXTRACTI32X4(U8(j), x[i], lane(4*i+j))
		}
	}
	c.ADDQ(U8(blockLen), offset)
	c.JMP(LabelRef("block"))
	c.Label("done")
	for i := range x {
		c.VMOVDQU32(x[i], Mem{Base: chain, Disp: 4 * blockLen * i})
	}
	c.VZEROUPPER()
	c.RET()
}

// aesDecryptWide writes the decryption of one message with VAES: 16 blocks at
// once, and what is left under masks.
func aesDecryptWide(c *build.Context) {
	c.Function("aesDecryptWide")
	c.SignatureExpr("func(keys *[15][16]byte, rounds int, iv, data *byte, blocks int)")
	keys := wideKeys(c)
	rounds := c.Load(c.Param("rounds"), c.GP64())
	iv := c.Load(c.Param("iv"), c.GP64())
	data := c.Load(c.Param("data"), c.GP64())
	blocks := c.Load(c.Param("blocks"), c.GP64())
	before := c.ZMM() // its last block is the encrypted one before the next
	c.VBROADCASTI32X4(Mem{Base: iv}, before)

	at := func(i int) Mem { return Mem{Base: data, Disp: 4 * blockLen * i} }
	pass := func(name string, load func(i int, to Op), store func(i int, from Op)) {
		x, chain := make([]reg.Register, groups), make([]reg.Register, groups)
		for i := range x {
			x[i], chain[i] = c.ZMM(), c.ZMM()
			load(i, x[i])
			c.VALIGNQ(U8(6), before, x[i], chain[i]) // before's last block, x's first three
			c.VMOVDQU32(x[i], before)
			c.VPXORD(keys[0], x[i], x[i])
		}
		wideRounds(c, name, "VAESDEC", rounds, keys, x)
		for i := range x {
			c.VPXORD(chain[i], x[i], x[i])
			store(i, x[i])
		}
	}

	c.Label("sixteen")
	c.CMPQ(blocks, U8(4*groups))
	c.JLT(LabelRef("rest"))
	pass("lastsixteen",
		func(i int, to Op) { c.VMOVDQU32(at(i), to) },
		func(i int, from Op) { c.VMOVDQU32(from, at(i)) })
	c.ADDQ(U32(4*blockLen*groups), data)
	c.SUBQ(U8(4*groups), blocks)
	c.JMP(LabelRef("sixteen"))

	c.Label("rest")
	c.TESTQ(blocks, blocks)
	c.JZ(LabelRef("done"))
	masks := restMasks(c, blocks)
	pass("lastrest",
		func(i int, to Op) { c.VMOVDQU64_Z(at(i), masks[i], to) },
		func(i int, from Op) { c.VMOVDQU64(from, masks[i], at(i)) })
	c.Label("done")
	c.VZEROUPPER()
	c.RET()
}

// restMasks returns masks with two bits, one a half, for each of the blocks, of
// which there are fewer than 16.
func restMasks(c *build.Context, blocks reg.Register) [groups]Op {
	bits, count := c.GP64(), c.GP64()
	c.Comment(fmt.Sprintf("1<<(2*blocks) - 1, in parts of %d bits", 8))
	c.MOVQ(blocks, count)
	c.ADDQ(count, count)
	c.MOVQ(I32(-1), bits)
	c.BZHIQ(count, bits, bits)
	var masks [groups]Op
	for i := range masks {
		k := c.K()
		c.KMOVB(bits.As32(), k)
		c.SHRQ(U8(8), bits)
		masks[i] = k
	}
	return masks
}
