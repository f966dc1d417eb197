package main

import (
	"github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// aes writes AES-CBC (FIPS 197 and RFC 3602). A key schedule has 15 round keys:
// those of the rounds before the last from 0 on, that of the last at 14.
func aes(c *build.Context) {
	aesKeys(c)
	aesEncrypt8(c)
	aesEncrypt16(c)
	aesDecrypt(c)
	aesDecryptWide(c)
}

const (
	blockLen  = 16
	lastKey   = 14
	minRounds = 10 // of AES-128; AES-192 has two more, AES-256 four
)

// aesRounds calls middle for each round between the whitening and the last, as
// many as the register rounds says.
func aesRounds(c *build.Context, rounds reg.Register, name string, middle func(key int)) {
	for key := 1; key < lastKey; key++ {
		if key >= minRounds && (key-minRounds)%2 == 0 {
			c.CMPQ(rounds, U8(key))
			c.JE(LabelRef(name))
		}
		middle(key)
	}
	c.Label(name)
}

// aesKeys writes the steps of the key expansion that need AES's tables.
func aesKeys(c *build.Context) {
	c.Function("aesSubWord")
	c.SignatureExpr("func(word uint32) uint32")
	word := c.Load(c.Param("word"), c.GP32())
	x, zero := c.XMM(), c.XMM()
	c.VMOVD(word, x)
	c.VPBROADCASTD(x, x) // four equal columns, which ShiftRows leaves alone
	c.VPXOR(zero, zero, zero)
	c.VAESENCLAST(zero, x, x)
	c.VMOVD(x, word)
	c.Store(word, c.ReturnIndex(0))
	c.RET()

	c.Function("aesInverseMixColumns")
	c.SignatureExpr("func(key *[16]byte)")
	key := Mem{Base: c.Load(c.Param("key"), c.GP64())}
	c.VAESIMC(key, x)
	c.VMOVDQU(x, key)
	c.RET()
}

// aesEncrypt8 writes the encryption of 8 lanes with AES-NI. The lanes hide one
// another's latency.
func aesEncrypt8(c *build.Context) {
	const lanes = 8
	c.Function("aesEncryptx8")
	c.SignatureExpr("func(keys *[15][16]byte, rounds int, chain *[16][16]byte, data *[16]*byte, blocks int)")
	keys := c.Load(c.Param("keys"), c.GP64())
	rounds := c.Load(c.Param("rounds"), c.GP64())
	chain := c.Load(c.Param("chain"), c.GP64())
	table := c.Load(c.Param("data"), c.GP64())
	end := c.Load(c.Param("blocks"), c.GP64())
	c.SHLQ(U8(4), end)
	offset := c.GP64()
	c.XORQ(offset, offset)

	var x, data [lanes]reg.Register
	for i := range lanes {
		x[i], data[i] = c.XMM(), c.GP64()
		c.VMOVDQU(Mem{Base: chain, Disp: blockLen * i}, x[i])
	}
	key := c.XMM()
	round := func(k int, instruction func(mx, x, x1 Op)) {
		c.VMOVDQU(Mem{Base: keys, Disp: blockLen * k}, key)
		for i := range lanes {
			instruction(key, x[i], x[i])
		}
	}
	c.Label("block")
	c.CMPQ(offset, end)
	c.JGE(LabelRef("done"))
	for i := range lanes {
		c.MOVQ(Mem{Base: table, Disp: 8 * i}, data[i])
		c.VPXOR(Mem{Base: data[i], Index: offset, Scale: 1}, x[i], x[i])
	}
	round(0, c.VPXOR)
	aesRounds(c, rounds, "last", func(k int) { round(k, c.VAESENC) })
	round(lastKey, c.VAESENCLAST)
	for i := range lanes {
		c.MOVQ(Mem{Base: table, Disp: 8 * i}, data[i])
		c.VMOVDQU(x[i], Mem{Base: data[i], Index: offset, Scale: 1})
	}
	c.ADDQ(U8(blockLen), offset)
	c.JMP(LabelRef("block"))
	c.Label("done")
	for i := range lanes {
		c.VMOVDQU(x[i], Mem{Base: chain, Disp: blockLen * i})
	}
	c.VZEROUPPER()
	c.RET()
}

// aesDecrypt writes the decryption of one message with AES-NI: 8 blocks at once,
// then 4, then one by one.
func aesDecrypt(c *build.Context) {
	c.Function("aesDecrypt")
	c.SignatureExpr("func(keys *[15][16]byte, rounds int, iv, data *byte, blocks int)")
	keys := c.Load(c.Param("keys"), c.GP64())
	rounds := c.Load(c.Param("rounds"), c.GP64())
	iv := c.Load(c.Param("iv"), c.GP64())
	data := c.Load(c.Param("data"), c.GP64())
	blocks := c.Load(c.Param("blocks"), c.GP64())
	before := c.XMM() // the encrypted block before the next one
	c.VMOVDQU(Mem{Base: iv}, before)

	key := c.XMM()
	for _, step := range []struct {
		blocks     int
		name, next string
	}{{8, "eight", "four"}, {4, "four", "one"}, {1, "one", "done"}} {
		c.Label(step.name)
		c.CMPQ(blocks, U8(step.blocks))
		c.JLT(LabelRef(step.next))
		x := make([]reg.Register, step.blocks)
		at := func(i int) Mem { return Mem{Base: data, Disp: blockLen * i} }
		for i := range x {
			x[i] = c.XMM()
		}
		round := func(k int, instruction func(mx, x, x1 Op)) {
			c.VMOVDQU(Mem{Base: keys, Disp: blockLen * k}, key)
			for i := range x {
				instruction(key, x[i], x[i])
			}
		}
		c.VMOVDQU(Mem{Base: keys}, key)
		for i := range x {
			c.VPXOR(at(i), key, x[i])
		}
		aesRounds(c, rounds, "last"+step.name, func(k int) { round(k, c.VAESDEC) })
		round(lastKey, c.VAESDECLAST)
		c.VPXOR(before, x[0], x[0])
		for i := range x[1:] {
			c.VPXOR(at(i), x[i+1], x[i+1])
		}
		c.VMOVDQU(at(len(x)-1), before)
		for i := range x {
			c.VMOVDQU(x[i], at(i))
		}
		c.ADDQ(U8(blockLen*step.blocks), data)
		c.SUBQ(U8(step.blocks), blocks)
		c.JMP(LabelRef(step.name))
	}
	c.Label("done")
	c.VZEROUPPER()
	c.RET()
}
