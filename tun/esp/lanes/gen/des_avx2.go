package main

import (
	"github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"postern/tun/esp/lanes/gen/des"
)

// desSliced writes the decryption of DES with AVX2, bitsliced as in des_pure.go,
// with 256 lanes instead of 64: word j of 64 bits of register i has bit i of
// blocks 4*k+j.
func desSliced(c *build.Context) {
	s := &slicedDES{Context: c, boxes: des.Boxes(true)}
	s.decrypt()
}

// slicedDES has what the parts of the function share.
type slicedDES struct {
	*build.Context
	boxes [8]*des.Circuit

	frame       reg.Register // aligned, see below
	left, right reg.Register // L and R in the frame, which change places
	key         reg.Register // of the round: 48 words, each bit in all of its word
	ones        Mem
	lows        [6]Mem // what transpositions exchange in words of 64 bits
}

// The frame. The words between two halves of a transposition lie where values
// that don't fit the registers are during a round.
const (
	slicedLen   = 32             // octets of a register
	slicedLeft  = 0              // L
	slicedRight = 32 * slicedLen // R
	slicedWords = 64 * slicedLen
	slicedFrame = 128 * slicedLen
)

var ymm = [16]reg.Register{
	reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7,
	reg.Y8, reg.Y9, reg.Y10, reg.Y11, reg.Y12, reg.Y13, reg.Y14, reg.Y15,
}

// decrypt writes the function: the rounds with the keys from keys on, step octets
// apart, between two transpositions.
func (s *slicedDES) decrypt() {
	s.Function("desDecryptx256")
	s.SignatureExpr("func(keys *[48]uint64, step, passes int, chunks *[32]struct{data []byte; chain uint64})")
	s.constants()
	local := s.AllocLocal(slicedFrame + slicedLen)
	s.frame, s.left, s.right, s.key = s.GP64(), s.GP64(), s.GP64(), s.GP64()
	s.LEAQ(local.Offset(slicedLen-1), s.frame)
	s.ANDQ(I8(-slicedLen), s.frame)
	s.LEAQ(s.at(slicedLeft), s.left)
	s.LEAQ(s.at(slicedRight), s.right)
	s.Load(s.Param("keys"), s.key)
	step := s.Load(s.Param("step"), s.GP64())
	passes := s.Load(s.Param("passes"), s.GP64())
	chunks := s.Load(s.Param("chunks"), s.GP64())
	rounds := s.GP64()

	s.fromBlocks(chunks)
	s.Label("pass")
	s.MOVQ(U32(16), rounds)
	s.Label("round")
	for b := range s.boxes {
		s.box(b)
	}
	s.XCHGQ(s.left, s.right)
	s.ADDQ(step, s.key)
	s.DECQ(rounds)
	s.JNZ(LabelRef("round"))
	s.XCHGQ(s.left, s.right) // not after the last round
	s.DECQ(passes)
	s.JNZ(LabelRef("pass"))
	s.toBlocks(chunks)
	s.VZEROUPPER()
	s.RET()
}

// constants writes the read-only data.
func (s *slicedDES) constants() {
	all := func(name string, word uint32) Mem {
		return table(s.Context, name, []uint32{word, word, word, word, word, word, word, word})
	}
	s.ones = all("desOnes", 0xffffffff)
	s.lows = [6]Mem{
		all("desLow1", 0x55555555), all("desLow2", 0x33333333), all("desLow4", 0x0f0f0f0f),
		all("desLow8", 0x00ff00ff), all("desLow16", 0x0000ffff),
		table(s.Context, "desLow32", []uint32{0xffffffff, 0, 0xffffffff, 0, 0xffffffff, 0, 0xffffffff, 0}),
	}
}

func (s *slicedDES) at(offset int) Mem { return Mem{Base: s.frame, Disp: offset} }

// half returns where bit i of L and R together is.
func (s *slicedDES) half(i int) Mem {
	if i < 32 {
		return Mem{Base: s.left, Disp: slicedLen * i}
	}
	return Mem{Base: s.right, Disp: slicedLen * (i - 32)}
}

// word returns where a word between the halves of a transposition is.
func (s *slicedDES) word(i int) Mem { return s.at(slicedWords + slicedLen*i) }

// place returns which bit of a block loaded as a little endian word is bit i of L
// and R.
func place(i int) int {
	n := des.Initial(i)
	return n/8*8 + 7 - n%8
}

// exchange writes the exchange of the bits of y at low with those of x that are
// 1<<n places above.
func (s *slicedDES) exchange(x, y reg.Register, n int) {
	t := ymm[15]
	s.VPSRLQ(U8(1<<n), x, t)
	s.VPXOR(y, t, t)
	s.VPAND(s.lows[n], t, t)
	s.VPXOR(t, y, y)
	s.VPSLLQ(U8(1<<n), t, t)
	s.VPXOR(t, x, x)
}

// three writes three stages of a transposition: those of octets, or those of bits
// within octets, on Y0 to Y7.
func (s *slicedDES) three(octets bool) {
	for stage := 2; stage >= 0; stage-- {
		n := stage
		if octets {
			n += 3
		}
		for i := range 8 {
			if i>>stage&1 == 0 {
				s.exchange(ymm[i], ymm[i|1<<stage], n)
			}
		}
	}
}

// fromBlocks writes the way from the blocks of 32 chunks to L and R. Register i
// has blocks 4*i to 4*i+3.
func (s *slicedDES) fromBlocks(chunks reg.Register) {
	data := s.GP64()
	for i := range 8 {
		for k := range 8 {
			chunk := (i + 8*k) / 2
			s.MOVQ(Mem{Base: chunks, Disp: laneLen * chunk}, data)
			s.VMOVDQU(Mem{Base: data, Disp: slicedLen * (i % 2)}, ymm[k])
		}
		s.three(true)
		for k := range 8 {
			s.VMOVDQA(ymm[k], s.word(i+8*k))
		}
	}
	var to [64]int
	for i := range to {
		to[place(i)] = i
	}
	for i := 0; i < 64; i += 8 {
		for k := range 8 {
			s.VMOVDQA(s.word(i+k), ymm[k])
		}
		s.three(false)
		for k := range 8 {
			s.VMOVDQA(ymm[k], s.half(to[i+k]))
		}
	}
}

// toBlocks writes the way back, with the addition of CBC.
func (s *slicedDES) toBlocks(chunks reg.Register) {
	var from [64]int
	for i := range from {
		from[place(i)] = i
	}
	for i := range 8 {
		for k := range 8 {
			s.VMOVDQA(s.half(from[i+8*k]), ymm[k])
		}
		s.three(true)
		for k := range 8 {
			s.VMOVDQA(ymm[k], s.word(i+8*k))
		}
	}
	data := s.GP64()
	for i := 0; i < 64; i += 8 {
		for k := range 8 {
			s.VMOVDQA(s.word(i+k), ymm[k])
		}
		s.three(false)
		for k := 0; k < 8; k += 2 {
			chunk := Mem{Base: chunks, Disp: laneLen * ((i + k) / 2)}
			s.MOVQ(chunk, data)
			before, chain := ymm[8], ymm[9]
			s.VPERMQ(U8(0b10_01_00_00), Mem{Base: data}, before)
			s.VPBROADCASTQ(chunk.Offset(laneIV), chain)
			s.VPBLENDD(U8(0b11), chain, before, before) // the chain, then the first three blocks
			s.VPXOR(before, ymm[k], ymm[k])
			s.VPXOR(Mem{Base: data, Disp: 24}, ymm[k+1], ymm[k+1])
			s.VMOVDQU(ymm[k], Mem{Base: data})
			s.VMOVDQU(ymm[k+1], Mem{Base: data, Disp: slicedLen})
		}
	}
}
