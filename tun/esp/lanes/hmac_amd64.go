package lanes

import (
	"crypto"
	"encoding/binary"
	"math"
	"math/bits"
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
	// after the other, as measured.
	worth int
}

// The states that the hashes begin with: RFC 1321, section 3.3, and FIPS 180-4,
// sections 5.3.1 and 5.3.3. SHA-1's has one word more than MD5's.
var (
	initialSHA1   = []uint32{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}
	initialMD5    = initialSHA1[:4]
	initialSHA256 = []uint32{
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	}
)

// laneHashes are the hashes that have lanes, by tier. SHA-384 and SHA-512 have
// none: their messages are hashed one after the other.
var laneHashes = map[Tier]map[crypto.Hash]*laneHash{
	AVX2: {
		crypto.MD5:    {initialMD5, false, 8, md5x8, 2},
		crypto.SHA1:   {initialSHA1, true, 8, sha1x8, 5},
		crypto.SHA256: {initialSHA256, true, 2, sha256NIx2, 2},
	},
	AVX512: {
		crypto.MD5:    {initialMD5, false, 16, md5x16, 2},
		crypto.SHA1:   {initialSHA1, true, 16, sha1x16, 4},
		crypto.SHA256: {initialSHA256, true, 16, sha256x16, 8},
	},
}

// laneHMAC is HMAC (RFC 2104) in lanes. Messages of one length go through all lanes
// at the same pace. Else a lane takes a message's whole blocks, then its tail, and is
// free for the next message. The outer hashes of as many messages as there are lanes
// are made together.
type laneHMAC struct {
	*laneHash
	inner  [8][16]uint32 // the state after the block of key and ipad, in all lanes
	outer  [8][16]uint32 // that of key and opad
	scalar *scalarHMAC

	tails      [16]hmacEnd // of messages of one length,
	tailLength int         // this one, for which they have their padding

	state [8][16]uint32
	data  [16]*byte
	lane  [16]hmacLane

	waiting    int         // how many messages wait for their outer hash
	sums       [16][]byte  // where it goes
	digests    [16]hmacEnd // the inner hash's value, with padding
	ends       [16]*byte   // each of digests
	outerState [8][16]uint32
}

// hmacLane is how far a lane is with its message.
type hmacLane struct {
	rest    []byte // whole blocks to be hashed: the message's or the tail; none: idle
	message *Message
	inTail  bool
	tail    hmacEnd
}

// hmacEnd is the last block of a hash, or the last two, with padding.
type hmacEnd [2 * hashBlock]byte

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
	m.inner, m.outer = m.keyed(key, 0x36), m.keyed(key, 0x5c)
	m.tailLength = -1
	for i := range m.digests {
		m.pad(&m.digests[i], h.Size(), hashBlock+h.Size())
		m.ends[i] = &m.digests[i][0]
	}
	return m
}

// keyed returns the state after the block of key and pad.
func (m *laneHMAC) keyed(key []byte, pad byte) (state [8][16]uint32) {
	block := m.lane[0].tail[:hashBlock]
	for i := range block {
		block[i] = pad
	}
	for i, k := range key {
		block[i] ^= k
	}
	for i := range m.data {
		m.data[i] = &block[0]
	}
	for w, word := range m.initial {
		for i := range state[w] {
			state[w][i] = word
		}
	}
	m.compress(&state, &m.data, 1)
	clear(block)
	return state
}

// Sum implements MAC.
func (m *laneHMAC) Sum(messages []Message) {
	for len(messages) >= m.worth {
		n := min(len(messages), m.lanes)
		if !sameLength(messages[:n]) {
			break
		}
		m.sumEqual(messages[:n])
		messages = messages[n:]
	}
	if len(messages) > 0 {
		m.sumUnequal(messages)
	}
}

func sameLength(messages []Message) bool {
	for i := range messages {
		if len(messages[i].Data) != len(messages[0].Data) {
			return false
		}
	}
	return true
}

// sumEqual takes a lane for each message, all of one length. Lanes beyond hash the first
// one again.
func (m *laneHMAC) sumEqual(messages []Message) {
	length := len(messages[0].Data)
	whole := length &^ (hashBlock - 1)
	if length != m.tailLength {
		for i := range m.tails {
			m.tails[i] = hmacEnd{}
			m.pad(&m.tails[i], length-whole, hashBlock+length)
		}
		m.tailLength = length
	}
	for i := range messages {
		copy(m.tails[i][:hashBlock], messages[i].Data[whole:])
	}
	m.state = m.inner
	if whole > 0 {
		for i := range m.data {
			m.data[i] = &messages[i%len(messages)].Data[0]
		}
		m.compress(&m.state, &m.data, whole/hashBlock)
	}
	for i := range m.data {
		m.data[i] = &m.tails[i][0]
	}
	m.compress(&m.state, &m.data, padded(length-whole)/hashBlock)
	for i := range messages {
		m.digest(&m.state, i, &m.digests[i])
		m.sums[i] = messages[i].Sum
	}
	m.waiting = len(messages)
	m.finish()
}

// sumUnequal gives each message to the next lane that is free.
func (m *laneHMAC) sumUnequal(messages []Message) {
	if n := len(messages) % m.lanes; n < m.worth {
		m.scalar.Sum(messages[len(messages)-n:])
		messages = messages[:len(messages)-n]
	}
	for {
		for i := range m.lanes {
			if len(m.lane[i].rest) == 0 && len(messages) > 0 {
				m.begin(i, &messages[0])
				messages = messages[1:]
			}
		}
		if !m.run() {
			break
		}
	}
	m.finish()
}

// begin gives lane i a message.
func (m *laneHMAC) begin(i int, message *Message) {
	for w := range m.initial {
		m.state[w&7][i&15] = m.inner[w&7][i&15]
	}
	l := &m.lane[i]
	l.message, l.inTail = message, false
	l.rest = message.Data[:len(message.Data)&^(hashBlock-1)]
	if len(l.rest) == 0 {
		m.advance(i)
	}
}

// run hashes as many blocks as every busy lane has. It returns false when none
// is busy.
func (m *laneHMAC) run() bool {
	least, some, busy := math.MaxInt, 0, 0
	for i := range m.lanes {
		if rest := m.lane[i].rest; len(rest) > 0 {
			m.data[i] = &rest[0]
			least, some = min(least, len(rest)), i
			busy++
		}
	}
	if busy == 0 {
		return false
	}
	for i := range m.lanes {
		if busy < m.lanes && len(m.lane[i].rest) == 0 {
			m.data[i] = m.data[some] // hashed for nothing
		}
	}
	m.compress(&m.state, &m.data, least/hashBlock)
	for i := range m.lanes {
		l := &m.lane[i]
		if len(l.rest) == 0 {
			continue
		}
		if l.rest = l.rest[least:]; len(l.rest) == 0 {
			m.advance(i)
		}
	}
	return true
}

// advance takes lane i from its message to the tail, and from there to the outer
// hash.
func (m *laneHMAC) advance(i int) {
	l := &m.lane[i]
	if !l.inTail {
		data := l.message.Data
		l.tail = hmacEnd{}
		n := copy(l.tail[:], data[len(data)&^(hashBlock-1):])
		l.rest, l.inTail = m.pad(&l.tail, n, hashBlock+len(data)), true
		return
	}
	m.digest(&m.state, i, &m.digests[m.waiting])
	m.sums[m.waiting] = l.message.Sum
	l.message, l.rest = nil, nil
	if m.waiting++; m.waiting == m.lanes {
		m.finish()
	}
}

// finish makes the outer hashes of the messages that wait for them.
func (m *laneHMAC) finish() {
	if m.waiting == 0 {
		return
	}
	m.outerState = m.outer
	m.compress(&m.outerState, &m.ends, 1)
	var sum hmacEnd
	for i, to := range m.sums[:m.waiting] {
		m.digest(&m.outerState, i, &sum)
		copy(to, sum[:4*len(m.initial)])
	}
	clear(m.sums[:m.waiting])
	m.waiting = 0
}

// pad appends the padding to the first n octets of e, the others being zero, for
// a hash over length octets, and returns one or two blocks (RFC 1321, sections
// 3.1 and 3.2; FIPS 180-4, section 5.1.1).
func (m *laneHMAC) pad(e *hmacEnd, n, length int) []byte {
	e[n] = 0x80
	b := e[:padded(n)]
	if m.bigEndian {
		binary.BigEndian.PutUint64(b[len(b)-8:], uint64(length)*8)
	} else {
		binary.LittleEndian.PutUint64(b[len(b)-8:], uint64(length)*8)
	}
	return b
}

// padded is how many octets n of them are with padding, n being less than a block.
func padded(n int) int {
	if n+1+8 > hashBlock {
		return 2 * hashBlock
	}
	return hashBlock
}

// digest writes the hash's value in lane i to e.
func (m *laneHMAC) digest(state *[8][16]uint32, i int, e *hmacEnd) {
	for w := range len(m.initial) {
		word := state[w&7][i&15]
		if m.bigEndian {
			word = bits.ReverseBytes32(word)
		}
		binary.LittleEndian.PutUint32(e[4*(w&7):], word)
	}
}
