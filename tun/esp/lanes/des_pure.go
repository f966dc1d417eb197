package lanes

import "encoding/binary"

// bitslicedDES is DES on words of 64 lanes: word i of a half block has bit i of
// 64 blocks. Nothing it does depends on keys or data but the values in registers,
// while crypto/des looks its tables up at secret places.
type bitslicedDES struct {
	keys [][48]uint64 // of all rounds: each bit is in all lanes
}

// half is L or R of 64 blocks: half[0] is bit 1 of the standard.
type half [32]uint64

func newBitslicedDES(rounds []desRound) *bitslicedDES {
	d := &bitslicedDES{keys: make([][48]uint64, len(rounds))}
	for n, r := range rounds {
		for i, bit := range r {
			d.keys[n][i] = -uint64(bit)
		}
	}
	return d
}

// least: a pass through the lanes takes as long as 12 blocks of crypto/des, so
// for one packet of 1408 octets, whose 176 blocks are a pass each, it would take
// 12 times as long.
//
// Chosen here: from 8 lanes on the passes are taken, for they are constant in
// time. Fewer are left to crypto/des, whose time tells something of the key to
// who shares the core and its caches with this program. To decrypt, all lanes
// have work even with one packet, and the passes are always taken.
func (d *bitslicedDES) least() int { return 8 }

func (d *bitslicedDES) encrypt(lanes []desLane, blocks int) {
	var b [desWidth]uint64
	for i := range lanes {
		b[i] = lanes[i].chain
	}
	for at := 0; at < blocks*desBlock; at += desBlock {
		for i := range lanes {
			b[i&63] ^= binary.LittleEndian.Uint64(lanes[i].data[at:])
		}
		d.crypt(&b, 0, 1)
		for i := range lanes {
			binary.LittleEndian.PutUint64(lanes[i].data[at:], b[i&63])
		}
	}
}

func (d *bitslicedDES) decrypt(chunks []desLane) {
	for len(chunks) > 0 {
		n := min(len(chunks), desWidth/desChunk)
		d.decryptLanes(chunks[:n])
		chunks = chunks[n:]
	}
}

// decryptLanes is decrypt for the chunks of one pass.
func (d *bitslicedDES) decryptLanes(chunks []desLane) {
	var b, before [desWidth]uint64 // before: what CBC adds to block i
	n := 0
	for _, c := range chunks {
		before[n&63] = c.chain
		for data := c.data; len(data) >= desBlock; data = data[desBlock:] {
			b[n&63] = binary.LittleEndian.Uint64(data)
			if n++; len(data) > desBlock {
				before[n&63] = b[(n-1)&63]
			}
		}
	}
	d.crypt(&b, len(d.keys)-1, -1)
	n = 0
	for _, c := range chunks {
		for data := c.data; len(data) >= desBlock; data = data[desBlock:] {
			binary.LittleEndian.PutUint64(data, b[n&63]^before[n&63])
			n++
		}
	}
}

// crypt takes 64 blocks through all rounds, with their keys from first on, step
// by step. Between two passes of triple DES the final permutation and the next
// initial one cancel each other: only the halves change places.
func (d *bitslicedDES) crypt(b *[desWidth]uint64, first, step int) {
	transpose64(b)
	var left, right half
	for i := range left {
		left[i] = b[initial[i]&63]
		right[i] = b[initial[32+i]&63]
	}
	l, r := &left, &right
	for range len(d.keys) / 16 {
		for range 8 {
			f(l, r, &d.keys[first])
			f(r, l, &d.keys[first+step])
			first += 2 * step
		}
		l, r = r, l
	}
	for i := range left {
		b[initial[i]&63] = l[i]
		b[initial[32+i]&63] = r[i]
	}
	transpose64(b)
}

// f adds the cipher function f(R, K) to l (FIPS 46-3, "the cipher function f").
// Box i has its part of E before it and its part of P behind it.
func f(l, r *half, k *[48]uint64) {
	box1(l, r, k)
	box2(l, r, k)
	box3(l, r, k)
	box4(l, r, k)
	box5(l, r, k)
	box6(l, r, k)
	box7(l, r, k)
	box8(l, r, k)
}

// initial is the initial permutation IP: bit i of L and R together is at that
// place of a block loaded as a little endian word. FIPS 46-3 numbers the bits of
// a block from 1, the high bit of the first octet.
var initial = func() (places [64]uint8) {
	ip := [64]uint8{
		58, 50, 42, 34, 26, 18, 10, 2, 60, 52, 44, 36, 28, 20, 12, 4,
		62, 54, 46, 38, 30, 22, 14, 6, 64, 56, 48, 40, 32, 24, 16, 8,
		57, 49, 41, 33, 25, 17, 9, 1, 59, 51, 43, 35, 27, 19, 11, 3,
		61, 53, 45, 37, 29, 21, 13, 5, 63, 55, 47, 39, 31, 23, 15, 7,
	}
	for i, n := range ip {
		places[i] = (n-1)/8*8 + 7 - (n-1)%8
	}
	return places
}()
