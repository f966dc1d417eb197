package lanes

import (
	"crypto/aes"
	"encoding/binary"
	"math/bits"
)

// aesSchedule is a key schedule for the kernels: the round keys of all rounds but
// the last from 0 on, that of the last at 14.
type aesSchedule [15][aes.BlockSize]byte

// expandAES returns the schedules for encryption and for decryption (FIPS 197,
// sections 5.2 and 5.3.5, the equivalent inverse cipher) and the number of
// rounds.
func expandAES(key []byte) (encrypt, decrypt aesSchedule, rounds int) {
	n := len(key) / 4
	rounds = n + 6
	var words [60]uint32 // little endian, as the words lie in memory
	for i := range n {
		words[i] = binary.LittleEndian.Uint32(key[4*i:])
	}
	constant := uint32(1)
	for i := n; i < 4*(rounds+1); i++ {
		w := words[i-1]
		switch {
		case i%n == 0:
			w = aesSubWord(bits.RotateLeft32(w, -8)) ^ constant
			constant = constant<<1 ^ constant>>7*0x11b
		case n > 6 && i%n == 4:
			w = aesSubWord(w)
		}
		words[i] = words[i-n] ^ w
	}
	place := func(s *aesSchedule, round, from int) *[aes.BlockSize]byte {
		if round == rounds {
			round = len(s) - 1
		}
		for i, w := range words[4*from : 4*from+4] {
			binary.LittleEndian.PutUint32(s[round][4*i:], w)
		}
		return &s[round]
	}
	for r := range rounds + 1 {
		place(&encrypt, r, r)
		k := place(&decrypt, r, rounds-r)
		if r != 0 && r != rounds {
			aesInverseMixColumns(k)
		}
	}
	clear(words[:])
	return encrypt, decrypt, rounds
}

// aesCBC is AES-CBC by the kernels.
type aesCBC struct {
	encrypt, decrypt aesSchedule
	rounds           int

	lanes         int
	encryptKernel func(keys *[15][16]byte, rounds int, chain *[16][16]byte, data *[16]*byte, blocks int)
	decryptKernel func(keys *[15][16]byte, rounds int, iv, data *byte, blocks int)

	// of the call of Encrypt that is under way
	rest  [16][]byte // what is to be encrypted in a lane
	data  [16]*byte  // where it begins
	chain [16][aes.BlockSize]byte
	spare [idleBlocks * aes.BlockSize]byte // what idle lanes write to
}

// idleBlocks is how many blocks a kernel encrypts at once when lanes are idle.
const idleBlocks = 96

// fastAES returns AES-CBC in the lanes of the tier, or nil when it has none.
func fastAES(key []byte) CBC {
	c := &aesCBC{}
	switch tier {
	case AVX2:
		c.lanes, c.encryptKernel, c.decryptKernel = 8, aesEncryptx8, aesDecrypt
	case AVX512:
		c.lanes, c.encryptKernel, c.decryptKernel = 16, aesEncryptx16, aesDecryptWide
	default:
		return nil
	}
	c.encrypt, c.decrypt, c.rounds = expandAES(key)
	return c
}

// Encrypt has the blocks of a message follow one another in a lane; a lane that
// is through takes the next message.
func (c *aesCBC) Encrypt(jobs []Job) {
	for {
		blocks := len(c.spare) / aes.BlockSize
		busy := 0
		for i := range c.lanes {
			for len(c.rest[i]) == 0 && len(jobs) > 0 {
				c.rest[i] = jobs[0].Data
				copy(c.chain[i][:], jobs[0].IV)
				jobs = jobs[1:]
			}
			if len(c.rest[i]) == 0 {
				c.data[i] = &c.spare[0]
				continue
			}
			busy++
			c.data[i] = &c.rest[i][0]
		}
		if busy == 0 {
			return
		}
		if busy == c.lanes {
			blocks = len(c.rest[0]) / aes.BlockSize
		}
		for i := range c.lanes {
			if n := len(c.rest[i]) / aes.BlockSize; n > 0 {
				blocks = min(blocks, n)
			}
		}
		c.encryptKernel((*[15][16]byte)(&c.encrypt), c.rounds, &c.chain, &c.data, blocks)
		for i := range c.lanes {
			if len(c.rest[i]) > 0 {
				c.rest[i] = c.rest[i][blocks*aes.BlockSize:]
			}
		}
	}
}

// Decrypt takes one message after the other: its blocks don't wait for each
// other.
func (c *aesCBC) Decrypt(jobs []Job) {
	for i := range jobs {
		if j := &jobs[i]; len(j.Data) > 0 {
			c.decryptKernel((*[15][16]byte)(&c.decrypt), c.rounds, &j.IV[0], &j.Data[0], len(j.Data)/aes.BlockSize)
		}
	}
}
