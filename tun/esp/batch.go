package esp

import (
	"crypto/subtle"
	"encoding/binary"
	"math"
	"slices"

	"postern/tun/esp/lanes"
)

// fewest is how many packets are encrypted in lanes: fewer leave most of the
// lanes idle.
const fewest = 3

// batchLen is how many packets the lanes get at once: what fits into the largest
// train of datagrams, and as many as DES has lanes.
const batchLen = 64

// batch is what an association needs to work on many packets at once. Its values
// are those of the call under way.
type batch struct {
	cbc lanes.CBC // nil with Null and AESGCM16
	mac lanes.MAC // nil with NoIntegrity

	jobs     []lanes.Job
	messages []lanes.Message
	sums     []byte // of the packets received, icv octets each
	opened   []int  // which packets they are
}

// newBatch returns the lanes of a suite's keys.
func newBatch(s Suite, encryptionKey, integrityKey []byte) (b batch, err error) {
	switch s.Encryption {
	case DES:
		b.cbc, err = lanes.NewDES(encryptionKey)
	case TripleDES:
		b.cbc, err = lanes.NewTripleDES(encryptionKey)
	case AES:
		b.cbc, err = lanes.NewAES(encryptionKey)
	}
	if h, ok := hashes[s.Integrity]; ok {
		b.mac = lanes.NewHMAC(h, integrityKey)
	}
	return b, err
}

// reset empties the batch. The first call makes room.
func (b *batch) reset(icv int) {
	if b.jobs == nil {
		b.jobs = make([]lanes.Job, 0, batchLen)
		b.messages = make([]lanes.Message, 0, batchLen)
		b.sums = make([]byte, batchLen*icv)
		b.opened = make([]int, 0, batchLen)
	}
	b.jobs, b.messages, b.opened = b.jobs[:0], b.messages[:0], b.opened[:0]
}

// Offset is where an inner packet lies in the buffers of SealBatch: behind
// header and IV.
func (o *Outbound) Offset() int { return o.body() }

// SealBatch seals inner packets in place, in order. packets[i] holds one from
// Offset() on, and has capacity for its Overhead, or it is moved to an array of
// its own; it becomes the whole ESP packet. What is before the inner packet is
// overwritten. The next header follows from the inner packet's version; an
// empty one becomes a dummy packet. The packets must not overlap.
//
// It returns how many were sealed: fewer than all only with ErrExhausted.
func (o *Outbound) SealBatch(packets [][]byte) (int, error) {
	sealed := 0
	for part := range slices.Chunk(packets, batchLen) {
		if left := math.MaxUint32 - o.seq; uint32(len(part)) > left {
			part = part[:left]
		}
		if len(part) < fewest || o.aead != nil {
			for i, p := range part {
				part[i], _ = o.Seal(p[:0], p[o.body():], nextHeader(p[o.body():])) // numbers are left
			}
		} else {
			o.sealLanes(part)
		}
		sealed += len(part)
	}
	if sealed < len(packets) {
		return sealed, ErrExhausted
	}
	return sealed, nil
}

// sealLanes seals at most batchLen packets for which there are numbers.
func (o *Outbound) sealLanes(packets [][]byte) {
	b := &o.batch
	b.reset(o.icv)
	for i, p := range packets {
		inner := p[o.body():]
		length := len(p) + o.padding(len(inner)) + trailerLen + o.icv
		p = slices.Grow(p, length-len(p))[:length]
		o.fill(p, len(inner), nextHeader(inner))
		packets[i] = p

		signed := p[:length-o.icv]
		b.jobs = append(b.jobs, lanes.Job{IV: p[headerLen:o.body()], Data: signed[o.body():]})
		b.messages = append(b.messages, lanes.Message{Data: signed, Sum: p[len(signed):]})
	}
	if b.cbc != nil {
		b.cbc.Encrypt(b.jobs)
	}
	if b.mac != nil {
		b.mac.Sum(b.messages)
	}
}

// nextHeader tells what an inner packet is.
func nextHeader(inner []byte) uint8 {
	switch {
	case len(inner) == 0:
		return NextNone
	case inner[0]>>4 == 6:
		return NextIPv6
	default:
		return NextIPv4
	}
}

// Opened is what became of one packet of OpenBatch: what Open returns.
type Opened struct {
	Inner []byte
	Next  uint8
	Err   error
}

// Offset is where Open and OpenBatch leave an inner packet: behind header and IV.
func (in *Inbound) Offset() int { return in.body() }

// OpenBatch verifies and decrypts packets in place, with the same results as Open
// for one after the other; opened[i] says what became of packets[i], and is as
// long as packets at least. Of two with one sequence number the first that is
// authentic wins, the other is refused with ErrReplay. All ICVs are verified
// before anything is decrypted, but for AES-GCM's. The packets must not overlap.
func (in *Inbound) OpenBatch(packets [][]byte, opened []Opened) {
	for len(packets) > 0 {
		n := min(len(packets), batchLen)
		if in.aead != nil {
			for i, p := range packets[:n] {
				opened[i].Inner, opened[i].Next, opened[i].Err = in.Open(p)
			}
		} else {
			in.openLanes(packets[:n], opened)
		}
		packets, opened = packets[n:], opened[n:]
	}
}

// openLanes opens at most batchLen packets.
func (in *Inbound) openLanes(packets [][]byte, opened []Opened) {
	b := &in.batch
	b.reset(in.icv)
	for i, p := range packets {
		opened[i] = Opened{Err: in.acceptable(p)}
		if opened[i].Err == nil {
			k := len(b.opened)
			b.opened = append(b.opened, i)
			b.messages = append(b.messages, lanes.Message{Data: p[:len(p)-in.icv], Sum: b.sums[k*in.icv : (k+1)*in.icv]})
		}
	}
	if b.mac != nil {
		b.mac.Sum(b.messages)
	}
	for k, i := range b.opened {
		if opened[i].Err = in.authentic(packets[i], b.messages[k].Sum); opened[i].Err == nil {
			signed := b.messages[k].Data
			b.jobs = append(b.jobs, lanes.Job{IV: signed[headerLen:in.body()], Data: signed[in.body():]})
		}
	}
	if b.cbc != nil {
		b.cbc.Decrypt(b.jobs)
	}
	jobs := b.jobs
	for _, i := range b.opened {
		if o := &opened[i]; o.Err == nil {
			o.Inner, o.Next, o.Err = stripTrailer(jobs[0].Data)
			jobs = jobs[1:]
		}
	}
}

// authentic compares the packet's ICV with the right one and marks its number,
// which another packet of the batch may have had meanwhile.
func (in *Inbound) authentic(packet, sum []byte) error {
	seq := binary.BigEndian.Uint32(packet[4:])
	if !in.window.fresh(seq) {
		return ErrReplay
	}
	if in.mac == nil && !unprotected || subtle.ConstantTimeCompare(sum, packet[len(packet)-in.icv:]) != 1 {
		return ErrIntegrity
	}
	in.window.mark(seq)
	return nil
}
