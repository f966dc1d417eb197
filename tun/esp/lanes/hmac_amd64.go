package lanes

import (
	"crypto"
	"encoding/binary"
)

// hashBlock is the block of MD5, SHA-1 and SHA-256 in octets.
const hashBlock = 64

// laneHash is a hash function by a kernel.
type laneHash struct {
	initial   []uint32
	bigEndian bool
	lanes     int
	compress  func(state *[8][16]uint32, data *[16]*byte, blocks int)
	// worth is the least number of messages that are faster in lanes than one
	// after the other.
	worth int
}

// initialWords are the first state: RFC 1321, section 3.3, which the other two
// begin with, and FIPS 180-4, sections 5.3.1 and 5.3.3.
var (
	initialSHA1   = []uint32{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}
	initialMD5    = initialSHA1[:4]
	initialSHA256 = []uint32{
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	}
)

// laneHashes are the hashes that have lanes, by tier.
var laneHashes = map[Tier]map[crypto.Hash]*laneHash{
	AVX2: {
		crypto.MD5:    {initialMD5, false, 8, md5x8, 3},
		crypto.SHA1:   {initialSHA1, true, 8, sha1x8, 4},
		crypto.SHA256: {initialSHA256, true, 8, sha256x8, 4},
	},
	AVX512: {
		crypto.MD5:    {initialMD5, false, 16, md5x16, 3},
		crypto.SHA1:   {initialSHA1, true, 16, sha1x16, 4},
		crypto.SHA256: {initialSHA256, true, 16, sha256x16, 4},
	},
}

// laneHMAC is HMAC (RFC 2104) in lanes: a message a lane.
type laneHMAC struct {
	*laneHash
	inner, outer [8]uint32 // the states after the first block: key and pad
	scalar       *scalarHMAC

	// of the call of Sum that is under way
	state [8][16]uint32
	data  [16]*byte
	lane  [16]hmacLane
}

// hmacLane is how far a lane is with its message.
type hmacLane struct {
	message Message
	stage   stage
	rest    []byte // whole blocks to be hashed in this stage
	buffer  [2 * hashBlock]byte
}

// stage is a part of HMAC.
type stage uint8

const (
	idle  stage = iota // no message
	body               // the message's whole blocks
	tail               // what is left of it, and the padding: one or two blocks
	outer              // the inner hash's value, and the padding: one block
)

// fastHMAC returns HMAC in the lanes of the tier, or nil when it has none.
func fastHMAC(h crypto.Hash, key []byte) MAC {
	hash := laneHashes[tier][h]
	if hash == nil {
		return nil
	}
	m := &laneHMAC{laneHash: hash, scalar: newScalarHMAC(h, key)}
	if len(key) > hashBlock {
		long := h.New()
		long.Write(key)
		key = long.Sum(nil)
	}
	m.inner = m.keyed(key, 0x36)
	m.outer = m.keyed(key, 0x5c)
	return m
}

// keyed returns the state after the block of key and pad.
func (m *laneHMAC) keyed(key []byte, pad byte) (state [8]uint32) {
	block := m.lane[0].buffer[:hashBlock]
	for i := range block {
		block[i] = pad
	}
	for i, k := range key {
		block[i] ^= k
	}
	for i := range m.lanes {
		m.data[i] = &block[0]
	}
	var initial [8]uint32
	copy(initial[:], m.initial)
	m.set(0, &initial)
	m.compress(&m.state, &m.data, 1)
	for w := range m.initial {
		state[w] = m.state[w][0]
	}
	clear(block)
	return state
}

// Sum has the blocks of a message follow one another in a lane; a lane that is
// through takes the next message.
func (m *laneHMAC) Sum(messages []Message) {
	if n := len(messages) % m.lanes; n < m.worth {
		m.scalar.Sum(messages[len(messages)-n:])
		messages = messages[:len(messages)-n]
	}
	for {
		for i := range m.lanes {
			if m.lane[i].stage == idle && len(messages) > 0 {
				m.begin(i, messages[0])
				messages = messages[1:]
			}
		}
		if !m.run() {
			return
		}
	}
}

// begin gives lane i a message.
func (m *laneHMAC) begin(i int, message Message) {
	l := &m.lane[i]
	l.message, l.stage = message, body
	l.rest = message.Data[:len(message.Data)/hashBlock*hashBlock]
	m.set(i, &m.inner)
	if len(l.rest) == 0 {
		m.advance(i)
	}
}

// run hashes as many blocks as every busy lane has. It returns false when none
// is busy.
func (m *laneHMAC) run() bool {
	blocks := 0
	var some *byte
	for i := range m.lanes {
		if l := &m.lane[i]; l.stage != idle {
			m.data[i] = &l.rest[0]
			if n := len(l.rest) / hashBlock; some == nil || n < blocks {
				blocks, some = n, m.data[i]
			}
		}
	}
	if some == nil {
		return false
	}
	for i := range m.lanes {
		if m.lane[i].stage == idle {
			m.data[i] = some // hashed for nothing
		}
	}
	m.compress(&m.state, &m.data, blocks)
	for i := range m.lanes {
		if l := &m.lane[i]; l.stage != idle {
			if l.rest = l.rest[blocks*hashBlock:]; len(l.rest) == 0 {
				m.advance(i)
			}
		}
	}
	return true
}

// advance takes a lane whose stage is over to the next one.
func (m *laneHMAC) advance(i int) {
	l := &m.lane[i]
	switch l.stage {
	case body:
		data := l.message.Data
		n := copy(l.buffer[:], data[len(data)/hashBlock*hashBlock:])
		l.rest = m.pad(l.buffer[:], n, hashBlock+len(data))
		l.stage = tail
	case tail:
		m.digest(i, l.buffer[:])
		l.rest = m.pad(l.buffer[:], 4*len(m.initial), hashBlock+4*len(m.initial))
		m.set(i, &m.outer)
		l.stage = outer
	case outer:
		m.digest(i, l.buffer[:])
		copy(l.message.Sum, l.buffer[:4*len(m.initial)])
		l.message, l.rest, l.stage = Message{}, nil, idle
	}
}

// pad appends the padding to the first n octets of b for a hash over length
// octets, and returns one or two blocks (RFC 1321, sections 3.1 and 3.2; FIPS
// 180-4, section 5.1.1).
func (m *laneHMAC) pad(b []byte, n, length int) []byte {
	b[n] = 0x80
	end := hashBlock
	if n+1+8 > hashBlock {
		end = 2 * hashBlock
	}
	clear(b[n+1 : end])
	if m.bigEndian {
		binary.BigEndian.PutUint64(b[end-8:], uint64(length)*8)
	} else {
		binary.LittleEndian.PutUint64(b[end-8:], uint64(length)*8)
	}
	return b[:end]
}

// set puts a state into lane i.
func (m *laneHMAC) set(i int, state *[8]uint32) {
	for w := range m.initial {
		m.state[w][i] = state[w]
	}
}

// digest writes the hash's value in lane i to b.
func (m *laneHMAC) digest(i int, b []byte) {
	for w := range m.initial {
		if m.bigEndian {
			binary.BigEndian.PutUint32(b[4*w:], m.state[w][i])
		} else {
			binary.LittleEndian.PutUint32(b[4*w:], m.state[w][i])
		}
	}
}
