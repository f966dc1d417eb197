package lanes

// slicedDES is DES with AVX2: to decrypt bitslicedDES with 256 lanes, and to
// encrypt, for there are rarely more than 64 packets, 32 lanes of octets like those
// of wideDES. Both are constant in time.
type slicedDES struct {
	bitslicedDES
	encrypter desWideKeys
	chunks    [slicedChunks]desLane
	short     [slicedChunks][desChunk * desBlock]byte // in place of chunks of fewer blocks
}

const (
	slicedLanes  = 32             // messages that the kernel encrypts
	slicedChunks = 256 / desChunk // chunks that the kernel decrypts
)

func newSlicedDES(rounds []desRound) *slicedDES {
	d := &slicedDES{bitslicedDES: *newBitslicedDES(rounds)}
	d.encrypter.prepare(rounds)
	return d
}

// least: a step with 32 lanes takes as long as about four blocks of crypto/des.
//
// Chosen here: from 3 lanes on the steps are taken, as they are constant in time.
// One or two are left to crypto/des, which isn't: see bitslicedDES.least.
func (d *slicedDES) least() int { return 3 }

// encrypt has idle lanes in the last group of eight repeat the first one: they
// read and write the same.
func (d *slicedDES) encrypt(lanes []desLane, blocks int) {
	for len(lanes) > 0 {
		n := min(len(lanes), slicedLanes)
		copy(d.chunks[:], lanes[:n])
		groups := (n + 7) / 8
		for i := n; i < 8*groups; i++ {
			d.chunks[i] = lanes[0]
		}
		desEncryptx32(&d.encrypter, len(d.keys)/16, &d.chunks, groups, blocks)
		lanes = lanes[n:]
	}
	clear(d.chunks[:])
}

func (d *slicedDES) decrypt(chunks []desLane) {
	for len(chunks) > 0 {
		n := min(len(chunks), slicedChunks)
		d.decryptLanes(chunks[:n])
		chunks = chunks[n:]
	}
	clear(d.chunks[:])
}

// decryptLanes is decrypt for the chunks of one pass. The kernel takes whole ones.
func (d *slicedDES) decryptLanes(chunks []desLane) {
	for i := range d.chunks {
		short := d.short[i][:]
		switch {
		case i >= len(chunks):
			d.chunks[i].data = short
		case len(chunks[i].data) < len(short):
			copy(short, chunks[i].data)
			d.chunks[i] = desLane{short, chunks[i].chain}
		default:
			d.chunks[i] = chunks[i]
		}
	}
	const step = 48 * 8
	desDecryptx256(&d.keys[len(d.keys)-1], -step, len(d.keys)/16, &d.chunks)
	for i, c := range chunks {
		if len(c.data) < desChunk*desBlock {
			copy(c.data, d.short[i][:])
		}
	}
}

// desEncryptx32 encrypts that many blocks of 8*groups lanes, 1 to 4 groups. The
// lengths aren't looked at.
//
//go:noescape
func desEncryptx32(keys *desWideKeys, passes int, lanes *[slicedLanes]desLane, groups, blocks int)

// desDecryptx256 decrypts 32 chunks of 8 blocks each with the keys of all rounds:
// the first one and those that follow step octets apart.
//
//go:noescape
func desDecryptx256(keys *[48]uint64, step, passes int, chunks *[slicedChunks]desLane)
