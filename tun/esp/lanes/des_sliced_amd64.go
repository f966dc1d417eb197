package lanes

// slicedDES is DES with AVX2: bitslicedDES, with 256 lanes to decrypt. To encrypt
// there are rarely more than the 64 packets that bitslicedDES has lanes for.
type slicedDES struct {
	bitslicedDES
	chunks [slicedChunks]desLane
	short  [slicedChunks][desChunk * desBlock]byte // in place of chunks of fewer blocks
}

// slicedChunks is how many chunks the kernel takes.
const slicedChunks = 256 / desChunk

func newSlicedDES(rounds []desRound) *slicedDES {
	return &slicedDES{bitslicedDES: *newBitslicedDES(rounds)}
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

// desDecryptx256 decrypts 32 chunks of 8 blocks each with the keys of all rounds:
// the first one and those that follow step octets apart.
//
//go:noescape
func desDecryptx256(keys *[48]uint64, step, passes int, chunks *[slicedChunks]desLane)
