package main

import (
	"slices"

	"github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"postern/tun/esp/lanes/gen/des"
)

// desOctets writes the encryption of DES with AVX2: 32 lanes, an octet of each
// register a lane, by the same route as with AVX-512. VPSHUFB looks up 16 entries
// by the low four bits, and none where bit 7 is set. So a box is four tables: the
// first has the rows from 0 on, and the others are looked up with 16, 32 and 48
// less, which has bit 7 set in the rows before, and have what is to be added.
//
// L and R are in memory, for they would take all registers.
func desOctets(c *build.Context) {
	o := &octetDES{wideDES: wideDES{Context: c, route: des.FindRoute()}}
	o.data()
	o.encrypt()
}

// octetDES has what the parts of the function share.
type octetDES struct {
	wideDES
	lookups     Mem    // of the boxes: four times 16 octets each
	switches    Mem    // the masks of the route
	rows        [4]Mem // 0, 16, 32, 48 in all octets
	nibble      Mem    // 15 in all octets
	pairs       Mem    // two blocks: their octets in pairs, and back
	blocks      Mem
	transposers [3]Mem // what transpose8 exchanges
	tables      int    // how many tables of 16 octets have names
}

// The frame.
const (
	octetLen     = 32
	octetHalves  = 0                         // L and R
	octetNibbles = octetHalves + 16*octetLen // the planes, in halves of octets
	octetIn      = octetNibbles + 16*octetLen
	octetOut     = octetIn + 8*octetLen
	octetChain   = octetOut + 8*octetLen
	octetFrame   = octetChain + 16*octetLen
)

// data writes the read-only data.
func (o *octetDES) data() {
	all := func(name string, word uint64) Mem { return o.words(name, word, word, word, word) }
	o.lookups = o.octetTable("desOctetLookups", 8*64, func(i int) uint8 {
		table, x := o.route.Table(i/64), i%64
		if x < 16 {
			return table[x]
		}
		return table[x] ^ table[x-16]
	})
	var masks []uint64
	for s := range 3 {
		for n := range 8 {
			if n>>s&1 == 0 {
				m := 0x0101010101010101 * uint64(o.route.Mask(s, n))
				masks = append(masks, m, m, m, m)
			}
		}
	}
	o.switches = o.words("desOctetSwitches", masks...)
	for i, name := range []string{"", "desOctet16", "desOctet32", "desOctet48"} {
		if i > 0 {
			o.rows[i] = all(name, 0x1010101010101010*uint64(i))
		}
	}
	o.nibble = all("desOctetNibble", 0x0f0f0f0f0f0f0f0f)
	o.pairs = o.octetTable("desOctetPairs", 32, func(i int) uint8 { return uint8(i%2*8 + i%16/2) })
	o.blocks = o.octetTable("desOctetBlocks", 32, func(i int) uint8 { return uint8(i%8*2 + i%16/8) })
	o.transposers = [3]Mem{
		all("desOctetBits1", 0x00aa00aa00aa00aa), all("desOctetBits2", 0x0000cccc0000cccc), all("desOctetBits4", 0x00000000f0f0f0f0),
	}
}

// encrypt writes CBC encryption of lanes, a message each.
func (o *octetDES) encrypt() {
	o.name = "desEncryptx32"
	o.Function(o.name)
	o.SignatureExpr("func(keys *[52][8]uint32, passes int, lanes *[32]struct{data []byte; chain uint64}, groups, blocks int)")
	local := o.AllocLocal(octetFrame + octetLen)
	o.frame, o.key, o.pass, o.rounds = o.GP64(), o.GP64(), o.GP64(), o.GP64()
	o.LEAQ(local.Offset(octetLen-1), o.frame)
	o.ANDQ(I8(-octetLen), o.frame)
	o.keys = o.Load(o.Param("keys"), o.GP64())
	o.passes = o.Load(o.Param("passes"), o.GP64())
	lanes := o.Load(o.Param("lanes"), o.GP64())
	groups := o.Load(o.Param("groups"), o.GP64())
	end := o.Load(o.Param("blocks"), o.GP64())
	o.SHLQ(U8(3), end)
	position, word, data := o.GP64(), o.GP64(), o.GP64()
	o.XORQ(position, position)
	read := func(lane, buffer Mem) {
		o.MOVQ(lane, data)
		o.MOVQ(Mem{Base: data, Index: position, Scale: 1}, word)
		o.MOVQ(word, buffer.Offset(octetIn))
	}

	o.copyLanes("_chains", lanes, groups, func(lane, buffer Mem) {
		o.MOVQ(lane.Offset(laneIV), word)
		o.MOVQ(word, buffer.Offset(octetIn))
	})
	o.toHalves(false)
	o.storeChain(0, 8)
	o.copyLanes("_first", lanes, groups, read)

	o.Label(o.label("_block"))
	o.toHalves(true)
	// The next blocks are fetched now, so that they are there after the rounds.
	o.ADDQ(U8(8), position)
	o.CMPQ(position, end)
	o.JGE(LabelRef(o.label("_rounds")))
	o.copyLanes("_next", lanes, groups, read)
	o.Label(o.label("_rounds"))
	o.crypt()
	o.storeChain(8, 0)
	o.toBlocks()
	o.copyLanes("_write", lanes, groups, func(lane, buffer Mem) {
		o.MOVQ(lane, data)
		o.MOVQ(buffer.Offset(octetOut), word)
		o.MOVQ(word, Mem{Base: data, Index: position, Scale: 1, Disp: -8})
	})
	o.CMPQ(position, end)
	o.JL(LabelRef(o.label("_block")))
	o.VZEROUPPER()
	o.RET()
}

// half is where group j of L and R together is: L begins at 0, R at 8.
func (o *octetDES) half(j int) Mem { return o.at(octetHalves + octetLen*j) }

// storeChain keeps L and R, which are at l and r, for the next block.
func (o *octetDES) storeChain(l, r int) {
	for j := range 8 {
		o.VMOVDQA(o.half(l+j), ymm[0])
		o.VMOVDQA(ymm[0], o.at(octetChain+octetLen*j))
		o.VMOVDQA(o.half(r+j), ymm[1])
		o.VMOVDQA(ymm[1], o.at(octetChain+octetLen*(8+j)))
	}
}

// crypt writes all rounds, as wideDES.crypt does.
func (o *octetDES) crypt() {
	o.MOVQ(o.keys, o.key)
	o.MOVQ(o.passes, o.pass)
	o.Label(o.label("_odd"))
	o.sixteen("_oddRounds", 0, 8)
	o.DECQ(o.pass)
	o.JZ(LabelRef(o.label("_done")))
	o.sixteen("_evenRounds", 8, 0)
	o.DECQ(o.pass)
	o.JMP(LabelRef(o.label("_odd")))
	o.Label(o.label("_done"))
	o.remask(0)
}

// sixteen writes the rounds of one pass.
func (o *octetDES) sixteen(label string, l, r int) {
	o.remask(r)
	o.MOVQ(U32(8), o.rounds)
	o.Label(o.label(label))
	o.round(l, r, 0)
	o.round(r, l, keyLen)
	o.ADDQ(U8(2*keyLen), o.key)
	o.DECQ(o.rounds)
	o.JNZ(LabelRef(o.label(label)))
}

// remask writes the change of the key that is added to a half.
func (o *octetDES) remask(half int) {
	for j := range 8 {
		o.VPBROADCASTD(Mem{Base: o.key, Disp: 4 * j}, ymm[j])
		o.VPXOR(o.half(half+j), ymm[j], ymm[j])
		o.VMOVDQA(ymm[j], o.half(half+j))
	}
	o.ADDQ(U8(keyLen), o.key)
}

// round adds the cipher function of r to l, with the key at offset.
func (o *octetDES) round(l, r, offset int) {
	for b, n := range o.route.Node {
		o.lookup(b, o.half(r+b), ymm[n])
	}
	mask := 0
	for s := range 3 {
		for n := range 8 {
			if n>>s&1 == 1 {
				continue
			}
			a, b, t := ymm[n], ymm[n|1<<s], ymm[8+n]
			o.VPXOR(a, b, t)
			o.VPAND(o.switches.Offset(octetLen*mask), t, t)
			o.VPXOR(t, a, a)
			o.VPXOR(t, b, b)
			mask++
		}
	}
	for b, n := range o.route.Group {
		key := ymm[8+b]
		o.VPBROADCASTD(Mem{Base: o.key, Disp: offset + 4*b}, key)
		o.VPXOR(o.half(l+b), key, key)
		o.VPXOR(key, ymm[n], key)
		o.VMOVDQA(key, o.half(l+b))
	}
}

// lookup writes box b of the octets at from.
func (o *octetDES) lookup(b int, from Mem, to reg.Register) {
	x, less, entries := ymm[8+b%2*4], ymm[9+b%2*4], ymm[10+b%2*4]
	o.VMOVDQA(from, x)
	o.VBROADCASTI128(o.lookups.Offset(64*b), to)
	o.VPSHUFB(x, to, to)
	for row := 1; row < 4; row++ {
		o.VPSUBB(o.rows[row], x, less)
		o.VBROADCASTI128(o.lookups.Offset(64*b+16*row), entries)
		o.VPSHUFB(less, entries, entries)
		o.VPXOR(entries, to, to)
	}
}

// transpose8 writes the transposition of 8 octets of 8 bits in each word of x.
func (o *octetDES) transpose8(x, t, u reg.Register) {
	for i, shift := range []uint8{7, 14, 28} {
		o.VPSRLQ(U8(shift), x, t)
		o.VPXOR(x, t, t)
		o.VPAND(o.transposers[i], t, t)
		o.VPSLLQ(U8(shift), t, u)
		o.VPXOR(t, x, x)
		o.VPXOR(u, x, x)
	}
}

// transposePairs writes the transposition of 8 registers of 8 pairs of octets, in
// each half of them: three times the registers are shuffled like cards.
func (o *octetDES) transposePairs(x, y []reg.Register) []reg.Register {
	for range 3 {
		for i := range 4 {
			o.VPUNPCKLWD(x[i+4], x[i], y[2*i])
			o.VPUNPCKHWD(x[i+4], x[i], y[2*i+1])
		}
		x, y = y, x
	}
	return x
}

// octetPlane is plane, for planes whose bit i is of octet i of the blocks.
func octetPlane(i int) (plane, bit int) {
	n := des.Initial(i)
	return 7 - n%8, n / 8
}

// lookupTable defines 16 octets: where a bit from of the index is one, the octet
// has bit to.
func (o *octetDES) lookupTable(from, to []int) Mem {
	o.tables++
	name := "desOctetMove" + string(rune('A'+o.tables/26)) + string(rune('A'+o.tables%26))
	return o.octetTable(name, 16, func(x int) (out uint8) {
		for i := range from {
			out |= uint8(x>>from[i]&1) << to[i]
		}
		return out
	})
}

// toHalves writes the way from the blocks in the frame to L and R; those of the
// chain are added if chain says so.
func (o *octetDES) toHalves(chain bool) {
	for i := range 8 {
		o.VMOVDQA(o.at(octetIn+octetLen*i), ymm[i])
		o.transpose8(ymm[i], ymm[8], ymm[9])
		o.VPSHUFB(o.pairs, ymm[i], ymm[i])
	}
	for p, r := range o.transposePairs(ymm[:8], ymm[8:]) {
		t := ymm[0]
		o.VPAND(o.nibble, r, t)
		o.VMOVDQA(t, o.at(octetNibbles+octetLen*2*p))
		o.VPSRLW(U8(4), r, t)
		o.VPAND(o.nibble, t, t)
		o.VMOVDQA(t, o.at(octetNibbles+octetLen*(2*p+1)))
	}
	for j := range 16 {
		o.gatherGroup(j, chain)
	}
}

// gatherGroup writes group j of L and R together: its bits are in three nibbles.
func (o *octetDES) gatherGroup(j int, chain bool) {
	from, to := map[int][]int{}, map[int][]int{}
	var nibbles []int
	for input, place := range o.route.Places[j%8] {
		p, bit := octetPlane(j/8*32 + des.Input(j%8, input))
		n := 2*p + bit/4
		if !slices.Contains(nibbles, n) {
			nibbles = append(nibbles, n)
		}
		from[n], to[n] = append(from[n], bit%4), append(to[n], int(place))
	}
	sum := ymm[j%4*4]
	for i, n := range nibbles {
		r := ymm[j%4*4+1]
		if i == 0 {
			r = sum
		}
		o.VBROADCASTI128(o.lookupTable(from[n], to[n]), r)
		o.VPSHUFB(o.at(octetNibbles+octetLen*n), r, r)
		if i > 0 {
			o.VPXOR(r, sum, sum)
		}
	}
	if chain {
		o.VPXOR(o.at(octetChain+octetLen*j), sum, sum)
	}
	o.VMOVDQA(sum, o.half(j))
}

// toBlocks writes the way back: L is at 8 and R at 0, as the standard has them
// change places after the last round.
func (o *octetDES) toBlocks() {
	var begun [8]bool
	add := func(p int, r reg.Register) {
		if begun[p] {
			o.VPXOR(r, ymm[p], ymm[p])
		} else {
			o.VMOVDQA(r, ymm[p])
		}
		begun[p] = true
	}
	for j := range 16 {
		var p int
		var from, to [2][]int // the places below 4, and the others
		for input := 1; input <= 4; input++ {
			var bit int
			p, bit = octetPlane(j/8*32 + des.Input(j%8, input))
			place := int(o.route.Places[j%8][input])
			from[place/4], to[place/4] = append(from[place/4], place%4), append(to[place/4], bit)
		}
		x, r := ymm[8+j%4*2], ymm[9+j%4*2]
		o.VMOVDQA(o.half((j+8)%16), x)
		for i := range 2 {
			if i == 1 {
				o.VPSRLW(U8(4), x, x)
				o.VPAND(o.nibble, x, x)
			}
			if len(from[i]) > 0 {
				o.VBROADCASTI128(o.lookupTable(from[i], to[i]), r)
				o.VPSHUFB(x, r, r)
				add(p, r)
			}
		}
	}
	for i, r := range o.transposePairs(ymm[:8], ymm[8:]) {
		o.VPSHUFB(o.blocks, r, r)
		o.transpose8(r, ymm[0], ymm[1])
		o.VMOVDQA(r, o.at(octetOut+octetLen*i))
	}
}
