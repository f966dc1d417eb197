package main

import (
	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"postern/tun/esp/lanes/gen/des"
)

// desWide writes DES with AVX-512, VBMI and GFNI: 64 lanes, an octet of each
// register a lane. L and R are eight registers each, one a box: the six bits that
// E takes to it, at the places of the route. VPERMB looks all 64 entries of a box
// up at once, whatever the bits are, so its time tells nothing.
//
// A half block that is read is kept with the key of that round added. So the
// cipher function is 8 VPERMB, 24 VPTERNLOGD for the butterfly and 8 to add what
// comes out, together with what turns one key into the next.
func desWide(c *build.Context) {
	w := wideDES{Context: c, route: des.FindRoute()}
	w.tables()
	w.encrypt()
	w.decrypt()
}

// wideDES has what the parts of both functions share.
type wideDES struct {
	*build.Context
	route *des.Route

	// read-only data
	boxes, octets, masks, oneHot, oneHotBack, gather, scatter Mem

	frame  reg.Register // what is aligned to cache lines: see below
	keys   reg.Register
	key    reg.Register // the next key
	passes reg.Register
	pass   reg.Register // how many passes are left
	rounds reg.Register
	name   string // of the function, for labels
}

// The frame: the boxes, and places for what is no longer or not yet in registers.
const (
	atBoxes  = 0
	atIn     = atBoxes + 8*64  // 64 blocks before the rounds, lane by lane
	atOut    = atIn + 8*64     // 64 blocks behind them
	atChain  = atOut + 8*64    // L and R of the last block of ciphertext
	frameLen = atChain + 16*64 // octets
)

// The arguments, in octets.
const (
	keyLen   = 8 * 4 // the key of a round: an octet a box, four times
	laneLen  = 32    // a desLane: data, chain
	laneSize = 8     // where the length of data is
	laneIV   = 24    // where the chain is
)

// The registers.
var (
	zmm = [32]reg.Register{
		reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7,
		reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
		reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23,
		reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31,
	}
	wideA     = zmm[0:8]   // L, and R every other round
	wideB     = zmm[8:16]  // R, and L
	wideTemps = zmm[16:24] // what the boxes put out
	wideTemp  = zmm[24]
	wideMasks = zmm[25:32]
)

// Truth tables of VPTERNLOGD c, b, a: bit 4*a+2*b+c is what becomes of a.
const (
	parity3 = 0x96 // a ^ b ^ c
	blend   = 0xd8 // b where c is one, else a
)

// words defines read-only words of 64 bits.
func (w *wideDES) words(name string, values ...uint64) Mem {
	m := w.StaticGlobal(name)
	w.DataAttributes(attr.RODATA | attr.NOPTR)
	for _, v := range values {
		w.AppendDatum(U64(v))
	}
	return m
}

// tables writes the read-only data.
func (w *wideDES) tables() {
	w.boxes = w.octetTable("desWideBoxes", 8*64, func(i int) uint8 { return w.route.Table(i / 64)[i%64] })
	w.octets = w.octetTable("desWideOctets", 64, func(i int) uint8 { return uint8(i%8*8 + i/8) })
	var masks []uint64
	for s := range 3 {
		for n := range 8 {
			if n>>s&1 == 0 {
				masks = append(masks, 0x0101010101010101*uint64(w.route.Mask(s, n)))
			}
		}
	}
	w.masks = w.words("desWideMasks", masks...)
	w.oneHot = w.words("desWideOneHot", 0x8040201008040201)
	w.oneHotBack = w.words("desWideOneHotBack", 0x0102040810204080)
	w.permutations()
}

// octetTable defines n read-only octets.
func (w *wideDES) octetTable(name string, n int, octet func(i int) uint8) Mem {
	var values []uint64
	for i := range n {
		if i%8 == 0 {
			values = append(values, 0)
		}
		values[i/8] |= uint64(octet(i)) << (i % 8 * 8)
	}
	return w.words(name, values...)
}

// A plane is an octet of each lane: plane i of blocks has bit i of their octets,
// the first octet's in bit 7.

// plane returns where bit i of L and R together, from 0, is: IP of FIPS 46-3.
func plane(i int) (plane, bit int) {
	n := des.Initial(i)
	return 7 - n%8, 7 - n/8
}

// A matrix of GFNI makes an octet of an octet, here by moving bits: row 7-i, the
// first row in the low octet, has a one at the bit that bit i comes from.
func matrix(from, to int) uint64 { return 1 << from << (8 * (7 - to)) }

// sources returns the two planes that the bits of group j of half h (0: L, 1: R)
// come from, with the matrices to get them.
func (w *wideDES) sources(h, j int) (planes [2]int, matrices [2]uint64) {
	planes = [2]int{-1, -1}
	for input, place := range w.route.Places[j] {
		p, bit := plane(32*h + des.Input(j, input))
		k := 0
		if planes[0] >= 0 && planes[0] != p {
			k = 1
		}
		planes[k] = p
		matrices[k] |= matrix(bit, int(place))
	}
	return planes, matrices
}

// target returns the plane that the middle bits of group j of half h belong to,
// with the matrix that gets them there.
func (w *wideDES) target(h, j int) (to int, m uint64) {
	for input := 1; input <= 4; input++ {
		p, bit := plane(32*h + des.Input(j, input))
		to = p
		m |= matrix(int(w.route.Places[j][input]), bit)
	}
	return to, m
}

// permutations writes the matrices: gather has two a group, scatter one.
func (w *wideDES) permutations() {
	var gather, scatter []uint64
	for h := range 2 {
		for j := range 8 {
			_, m := w.sources(h, j)
			gather = append(gather, m[0], m[1])
			_, back := w.target(h, j)
			scatter = append(scatter, back)
		}
	}
	w.gather = w.words("desWideGather", gather...)
	w.scatter = w.words("desWideScatter", scatter...)
}

// begin writes the head of a function: its frame, and what stays in registers.
func (w *wideDES) begin(name, signature string) {
	w.name = name
	w.Function(name)
	w.SignatureExpr(signature)
	local := w.AllocLocal(frameLen + 64)
	w.frame = w.GP64()
	w.LEAQ(local.Offset(63), w.frame)
	w.ANDQ(I8(-64), w.frame)
	for i := range 8 {
		w.VMOVDQU64(w.boxes.Offset(64*i), wideTemp)
		w.VMOVDQA64(wideTemp, w.at(atBoxes+64*i))
	}
	for i, r := range wideMasks {
		w.VPBROADCASTQ(w.masks.Offset(8*i), r)
	}
	w.keys = w.Load(w.Param("keys"), w.GP64())
	w.passes = w.Load(w.Param("passes"), w.GP64())
	w.key, w.pass, w.rounds = w.GP64(), w.GP64(), w.GP64()
}

// at is a place in the frame.
func (w *wideDES) at(offset int) Mem { return Mem{Base: w.frame, Disp: offset} }

// label makes a name unique among the functions.
func (w *wideDES) label(name string) string { return w.name + name }

// affine writes VGF2P8AFFINEQB, which avo doesn't know: each octet of x times the
// matrix of its word of 64 bits.
func (w *wideDES) affine(matrix, x, to Op) {
	if IsMem(matrix) {
		raw(w.Context, "VGF2P8AFFINEQB.BCST", U8(0), matrix, x, to)
	} else {
		raw(w.Context, "VGF2P8AFFINEQB", U8(0), matrix, x, to)
	}
}

// transpose writes the transposition of 8 registers of 8 words of 64 bits: word i
// of register j and word j of register i. It is its own inverse. The halves in A
// and B are overwritten; the words are in temps before and after.
func (w *wideDES) transpose() {
	x, y, z := wideTemps, wideA, wideB
	for i := 0; i < 8; i += 2 {
		w.VPUNPCKLQDQ(x[i+1], x[i], y[i])
		w.VPUNPCKHQDQ(x[i+1], x[i], y[i+1])
	}
	for odd := range 2 {
		for half := range 2 {
			a, b := y[4*half+odd], y[4*half+2+odd]
			w.VSHUFI64X2(U8(0x88), b, a, z[4*half+odd])
			w.VSHUFI64X2(U8(0xdd), b, a, z[4*half+2+odd])
		}
	}
	// Register 2k+odd is made of the lanes k: those are even or odd there.
	for odd := range 2 {
		for even := range 2 {
			a, b := z[2*even+odd], z[4+2*even+odd]
			w.VSHUFI64X2(U8(0x88), b, a, x[2*even+odd])
			w.VSHUFI64X2(U8(0xdd), b, a, x[4+2*even+odd])
		}
	}
}

// toHalves writes the way from the blocks in temps, eight a register, to L and R
// in A and B; add is added to each, if it is there.
func (w *wideDES) toHalves(add func(h, j int) Op) {
	w.VPBROADCASTQ(w.oneHot, wideTemp)
	for _, r := range wideTemps {
		w.affine(r, wideTemp, r)
	}
	w.VMOVDQU64(w.octets, wideTemp)
	for _, r := range wideTemps {
		w.VPERMB(r, wideTemp, r)
	}
	w.transpose()
	for h, half := range [][]reg.Register{wideA, wideB} {
		for j, r := range half {
			planes, _ := w.sources(h, j)
			at := 16 * (8*h + j)
			w.affine(w.gather.Offset(at), wideTemps[planes[0]], r)
			w.affine(w.gather.Offset(at+8), wideTemps[planes[1]], wideTemp)
			if add == nil {
				w.VPXORD(wideTemp, r, r)
			} else {
				w.VPTERNLOGD(U8(parity3), add(h, j), wideTemp, r)
			}
		}
	}
}

// toBlocks writes the way back to blocks in temps: L is in B and R in A, as the
// standard has them change places after the last round.
func (w *wideDES) toBlocks() {
	var begun [8]bool
	for h, half := range [][]reg.Register{wideB, wideA} {
		for j, r := range half {
			p, _ := w.target(h, j)
			m := w.scatter.Offset(8 * (8*h + j))
			to := wideTemps[7-p] // GFNI's transposition turns round the order
			if !begun[p] {
				begun[p] = true
				w.affine(m, r, to)
				continue
			}
			w.affine(m, r, wideTemp)
			w.VPXORD(wideTemp, to, to)
		}
	}
	w.transpose()
	w.VMOVDQU64(w.octets, wideTemp)
	for _, r := range wideTemps {
		w.VPERMB(r, wideTemp, r)
	}
	w.VPBROADCASTQ(w.oneHotBack, wideTemp)
	for _, r := range wideTemps {
		w.affine(r, wideTemp, r)
	}
}

// remask writes the change of the key that is added to a half.
func (w *wideDES) remask(half []reg.Register) {
	for j, r := range half {
		w.VPXORD_BCST(Mem{Base: w.key, Disp: 4 * j}, r, r)
	}
	w.ADDQ(U8(keyLen), w.key)
}

// crypt writes all rounds. Two passes of triple DES follow one another without IP
// and its inverse; only the halves change places.
func (w *wideDES) crypt() {
	w.MOVQ(w.keys, w.key)
	w.MOVQ(w.passes, w.pass)
	w.Label(w.label("_odd"))
	w.sixteen("_oddRounds", wideA, wideB)
	w.DECQ(w.pass)
	w.JZ(LabelRef(w.label("_done")))
	w.sixteen("_evenRounds", wideB, wideA)
	w.DECQ(w.pass)
	w.JMP(LabelRef(w.label("_odd")))
	w.Label(w.label("_done"))
	w.remask(wideA)
}

// sixteen writes the rounds of one pass.
func (w *wideDES) sixteen(label string, l, r []reg.Register) {
	w.remask(r)
	w.MOVQ(U32(8), w.rounds)
	w.Label(w.label(label))
	w.round(l, r, 0)
	w.round(r, l, keyLen)
	w.ADDQ(U8(2*keyLen), w.key)
	w.DECQ(w.rounds)
	w.JNZ(LabelRef(w.label(label)))
}

// round adds the cipher function of r to l, with the key at offset.
func (w *wideDES) round(l, r []reg.Register, offset int) {
	var node [8]reg.Register
	for b, n := range w.route.Node {
		node[n] = wideTemps[n]
		w.VPERMB(w.at(atBoxes+64*b), r[b], node[n])
	}
	spare := wideTemp
	mask := 0
	for s := range 3 {
		for n := range 8 {
			if n>>s&1 == 1 {
				continue
			}
			a, b := node[n], node[n|1<<s]
			w.VMOVDQA64(a, spare)
			w.choose(mask, b, a)     // b where the mask has ones, else a
			w.choose(mask, spare, b) // a there, else b
			mask++
		}
	}
	for b, n := range w.route.Group {
		w.VPTERNLOGD_BCST(U8(parity3), Mem{Base: w.key, Disp: offset + 4*b}, node[n], l[b])
	}
}

// choose makes to what from is where a mask has ones.
func (w *wideDES) choose(mask int, from, to reg.Register) {
	if mask < len(wideMasks) {
		w.VPTERNLOGD(U8(blend), wideMasks[mask], from, to)
	} else {
		w.VPTERNLOGD_BCST(U8(blend), w.masks.Offset(8*mask), from, to)
	}
}

// copyLanes writes the copy of 8 octets of each lane in use, to the frame or from
// there: those at position of its data. Lanes come in groups of 8.
func (w *wideDES) copyLanes(label string, lanes, groups reg.Register, each func(lane Mem, buffer Mem)) {
	lane, left, buffer := w.GP64(), w.GP64(), w.GP64()
	w.MOVQ(lanes, lane)
	w.MOVQ(groups, left)
	w.MOVQ(w.frame, buffer)
	w.Label(w.label(label))
	for i := range 8 {
		each(Mem{Base: lane, Disp: laneLen * i}, Mem{Base: buffer, Disp: 8 * i})
	}
	w.ADDQ(U32(8*laneLen), lane)
	w.ADDQ(U8(64), buffer)
	w.DECQ(left)
	w.JNZ(LabelRef(w.label(label)))
}

// encrypt writes CBC encryption of lanes, a message each.
func (w *wideDES) encrypt() {
	w.begin("desEncryptx64", "func(keys *[52][8]uint32, passes int, lanes *[64]struct{data []byte; chain uint64}, groups, blocks int)")
	lanes := w.Load(w.Param("lanes"), w.GP64())
	groups := w.Load(w.Param("groups"), w.GP64())
	end := w.Load(w.Param("blocks"), w.GP64())
	w.SHLQ(U8(3), end)
	position, word, data := w.GP64(), w.GP64(), w.GP64()
	w.XORQ(position, position)
	read := func(lane, buffer Mem) {
		w.MOVQ(lane, data)
		w.MOVQ(Mem{Base: data, Index: position, Scale: 1}, word)
		w.MOVQ(word, buffer.Offset(atIn))
	}

	w.copyLanes("_chains", lanes, groups, func(lane, buffer Mem) {
		w.MOVQ(lane.Offset(laneIV), word)
		w.MOVQ(word, buffer.Offset(atIn))
	})
	w.loadBlocks()
	w.toHalves(nil)
	w.storeChain(wideA, wideB)
	w.copyLanes("_first", lanes, groups, read)

	w.Label(w.label("_block"))
	w.loadBlocks()
	w.toHalves(func(h, j int) Op { return w.at(atChain + 64*(8*h+j)) })
	// The next blocks are fetched now, so that they are there after the rounds.
	w.ADDQ(U8(8), position)
	w.CMPQ(position, end)
	w.JGE(LabelRef(w.label("_rounds")))
	w.copyLanes("_next", lanes, groups, read)
	w.Label(w.label("_rounds"))
	w.crypt()
	w.storeChain(wideB, wideA)
	w.toBlocks()
	for i, r := range wideTemps {
		w.VMOVDQA64(r, w.at(atOut+64*i))
	}
	w.copyLanes("_write", lanes, groups, func(lane, buffer Mem) {
		w.MOVQ(lane, data)
		w.MOVQ(buffer.Offset(atOut), word)
		w.MOVQ(word, Mem{Base: data, Index: position, Scale: 1, Disp: -8})
	})
	w.CMPQ(position, end)
	w.JL(LabelRef(w.label("_block")))
	w.VZEROUPPER()
	w.RET()
}

// loadBlocks loads the temps with the blocks of all lanes.
func (w *wideDES) loadBlocks() {
	for i, r := range wideTemps {
		w.VMOVDQA64(w.at(atIn+64*i), r)
	}
}

// storeChain keeps L and R for the next block.
func (w *wideDES) storeChain(l, r []reg.Register) {
	for j := range 8 {
		w.VMOVDQA64(l[j], w.at(atChain+64*j))
		w.VMOVDQA64(r[j], w.at(atChain+64*(8+j)))
	}
}

// decrypt writes CBC decryption of chunks of up to 8 blocks.
func (w *wideDES) decrypt() {
	w.begin("desDecryptx64", "func(keys *[52][8]uint32, passes int, chunks *[64]struct{data []byte; chain uint64}, groups int)")
	chunks := w.Load(w.Param("chunks"), w.GP64())
	groups := w.Load(w.Param("groups"), w.GP64())

	w.Label(w.label("_group"))
	w.eachChunk(chunks, func(i int, data Mem, _ Mem) {
		w.VMOVDQU64_Z(data, reg.K1, wideTemps[i])
		w.VMOVDQA64(wideTemps[i], w.at(atIn+64*i))
	})
	w.toHalves(nil)
	w.crypt()
	w.toBlocks()
	w.eachChunk(chunks, func(i int, data, chain Mem) {
		before := wideA[i]
		w.VPBROADCASTQ(chain, before)
		w.VMOVDQA64(w.at(atIn+64*i), wideB[i])
		w.VALIGNQ(U8(7), before, wideB[i], before) // the chain, then the first seven blocks
		w.VPXORQ(before, wideTemps[i], wideTemps[i])
		w.VMOVDQU64(wideTemps[i], reg.K1, data)
	})
	w.ADDQ(U32(8*laneLen), chunks)
	w.DECQ(groups)
	w.JNZ(LabelRef(w.label("_group")))
	w.VZEROUPPER()
	w.RET()
}

// eachChunk writes something for each of 8 chunks, with a bit a block in K1.
func (w *wideDES) eachChunk(chunks reg.Register, each func(i int, data, chain Mem)) {
	data, count, ones := w.GP64(), w.GP64(), w.GP64()
	for i := range 8 {
		chunk := Mem{Base: chunks, Disp: laneLen * i}
		w.MOVQ(chunk, data)
		w.MOVQ(chunk.Offset(laneSize), count)
		w.SHRQ(U8(3), count)
		w.MOVQ(I32(-1), ones)
		w.BZHIQ(count, ones, ones)
		w.KMOVB(ones.(reg.GP).As32(), reg.K1)
		each(i, Mem{Base: data}, chunk.Offset(laneIV))
	}
}
