package lanes

import (
	"crypto/cipher"
	"crypto/des"
	"encoding/binary"
	"slices"
)

// NewDES returns DES-CBC under a key of 8 octets; parity bits are ignored.
func NewDES(key []byte) (CBC, error) {
	block, err := des.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return newDESCBC(block, desRounds(key)), nil
}

// NewTripleDES returns 3DES-CBC, keying option 1, under a key of 24 octets;
// parity bits are ignored.
func NewTripleDES(key []byte) (CBC, error) {
	block, err := des.NewTripleDESCipher(key)
	if err != nil {
		return nil, err
	}
	return newDESCBC(block, desRounds(key)), nil
}

const (
	desBlock = 8  // octets
	desWidth = 64 // lanes
	desChunk = 8  // blocks that decryption takes from one place
)

// desLane is work for a kernel of DES.
type desLane struct {
	data  []byte // whole blocks, worked on in place
	chain uint64 // the block of ciphertext before data, little endian
}

// desKernel runs DES or triple DES under one key in lanes.
type desKernel interface {
	// encrypt takes the first blocks of at most desWidth lanes through CBC. It may
	// change what is in lanes[len(lanes):desWidth].
	encrypt(lanes []desLane, blocks int)

	// decrypt takes at most desWidth chunks of 1 to desChunk blocks through CBC, as
	// if each were a message of its own with its chain for an IV.
	decrypt(chunks []desLane)

	// least is how many lanes encrypt has to have to be worth its while.
	least() int
}

// desCBC hands jobs to the lanes of a kernel: to encrypt, a job a lane, since
// each block waits for the one before; to decrypt, blocks of any jobs.
type desCBC struct {
	kernel desKernel
	scalar cbcMode // of crypto/des, to encrypt
	iv     [desBlock]byte
	lanes  [desWidth]desLane
	order  [128]Job
}

func newDESCBC(block cipher.Block, rounds []desRound) *desCBC {
	c := &desCBC{kernel: newDESKernel(rounds)}
	c.scalar = cipher.NewCBCEncrypter(block, c.iv[:]).(cbcMode)
	return c
}

// Encrypt begins with the longest jobs, and gives a lane whose job is done the
// next one.
func (c *desCBC) Encrypt(jobs []Job) {
	for len(jobs) > 0 {
		n := copy(c.order[:], jobs)
		slices.SortFunc(c.order[:n], func(a, b Job) int { return len(b.Data) - len(a.Data) })
		c.encrypt(c.order[:n])
		clear(c.order[:n])
		jobs = jobs[n:]
	}
	clear(c.lanes[:])
}

func (c *desCBC) encrypt(jobs []Job) {
	n := 0 // lanes in use
	for {
		for n < desWidth && len(jobs) > 0 {
			j := jobs[0]
			jobs = jobs[1:]
			if data := wholeBlocks(j.Data); len(data) > 0 {
				c.lanes[n] = desLane{data, binary.LittleEndian.Uint64(j.IV)}
				n++
			}
		}
		if n < c.kernel.least() {
			c.encryptScalar(n)
			return
		}
		length := len(c.lanes[0].data)
		for _, l := range c.lanes[:n] {
			length = min(length, len(l.data))
		}
		c.kernel.encrypt(c.lanes[:n], length/desBlock)
		n = c.advance(n, length)
	}
}

// advance takes n lanes past what is encrypted and drops those that are done. It
// returns how many are left.
func (c *desCBC) advance(n, length int) int {
	left := 0
	for _, l := range c.lanes[:n] {
		if len(l.data) > length {
			chain := binary.LittleEndian.Uint64(l.data[length-desBlock:])
			c.lanes[left] = desLane{l.data[length:], chain}
			left++
		}
	}
	return left
}

// encryptScalar encrypts what is left in n lanes by crypto/des.
func (c *desCBC) encryptScalar(n int) {
	for _, l := range c.lanes[:n] {
		binary.LittleEndian.PutUint64(c.iv[:], l.chain)
		c.scalar.SetIV(c.iv[:])
		c.scalar.CryptBlocks(l.data, l.data)
	}
}

// Decrypt fills the lanes with the blocks of one job after the other.
func (c *desCBC) Decrypt(jobs []Job) {
	n := 0
	for _, j := range jobs {
		data := wholeBlocks(j.Data)
		if len(data) == 0 {
			continue
		}
		chain := binary.LittleEndian.Uint64(j.IV)
		for len(data) > 0 {
			size := min(len(data), desChunk*desBlock)
			c.lanes[n] = desLane{data[:size], chain}
			chain = binary.LittleEndian.Uint64(data[size-desBlock:])
			data = data[size:]
			if n++; n == desWidth {
				c.kernel.decrypt(c.lanes[:])
				n = 0
			}
		}
	}
	if n > 0 {
		c.kernel.decrypt(c.lanes[:n])
	}
	clear(c.lanes[:])
}

// wholeBlocks returns data without a part of a block at its end, which a kernel
// would go beyond.
func wholeBlocks(data []byte) []byte { return data[:len(data)&^(desBlock-1)] }
