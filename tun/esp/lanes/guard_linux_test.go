package lanes

import (
	"bytes"
	"crypto"
	"crypto/cipher"
	"crypto/hmac"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"
)

// guarded is memory between two pages that can't be touched.
type guarded []byte

func newGuarded(t *testing.T, size int) guarded {
	t.Helper()
	page := unix.Getpagesize()
	size = (size + page - 1) / page * page
	b, err := unix.Mmap(-1, 0, size+2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(b) })
	for _, edge := range [][]byte{b[:page], b[page+size:]} {
		if err := unix.Mprotect(edge, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	return b[page : page+size]
}

// at returns n octets at the memory's begin, or at its end.
func (g guarded) at(end bool, n int) []byte {
	if end {
		return g[len(g)-n:]
	}
	return g[:n:n]
}

// No kernel reads or writes an octet beyond what it was given, on either side.
func TestGuardPages(t *testing.T) {
	const lanes = 18 // more than fit, and not all of the last ones busy
	var memory [lanes]guarded
	for i := range memory {
		memory[i] = newGuarded(t, 3000)
	}
	forEachTier(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(4, 4))
		for _, end := range []bool{false, true} {
			for _, c := range ciphers {
				key := octets(random, c.key, 0)
				block, _ := c.block(key)
				mode, err := c.create(key)
				if err != nil {
					t.Fatal(err)
				}
				for _, n := range []int{1, 2, 3, 5, 16, lanes} {
					guardCBC(t, random, memory[:n], end, block, mode)
				}
			}
			for _, h := range hashes {
				key := octets(random, 20, 0)
				mac := NewHMAC(h, key)
				for _, n := range []int{1, 4, 8, 16, lanes} {
					guardHMAC(t, random, memory[:n], end, h, key, mac)
				}
			}
		}
	})
}

func guardCBC(t *testing.T, random *rand.Rand, memory []guarded, end bool, block cipher.Block, mode CBC) {
	t.Helper()
	size := block.BlockSize()
	jobs, want := make([]Job, len(memory)), make([][]byte, len(memory))
	for _, longest := range []int{2, 9, 20, 176} {
		for i, m := range memory {
			b := m.at(end, size*(1+random.IntN(longest)))
			fill(random, b)
			jobs[i] = Job{IV: b[:size], Data: b[size:]}
			if !end { // the data is at the edge
				jobs[i] = Job{IV: octets(random, size, 0), Data: b}
			}
			want[i] = bytes.Clone(jobs[i].Data)
		}
		mode.Encrypt(jobs)
		mode.Decrypt(jobs)
		for i, j := range jobs {
			if !bytes.Equal(j.Data, want[i]) {
				t.Fatalf("message %d of %d octets isn't what it was", i, len(j.Data))
			}
		}
	}
}

func guardHMAC(t *testing.T, random *rand.Rand, memory []guarded, end bool, h crypto.Hash, key []byte, mac MAC) {
	t.Helper()
	messages, want := make([]Message, len(memory)), make([][]byte, len(memory))
	for _, longest := range []int{1, 70, 200, 1500} {
		for i, m := range memory {
			const sum = 12
			b := m.at(end, sum+random.IntN(longest))
			fill(random, b)
			messages[i] = Message{Data: b[:len(b)-sum], Sum: b[len(b)-sum:]}
			if len(b)%2 == 0 { // the data is at the edge
				messages[i] = Message{Data: b, Sum: make([]byte, sum)}
			}
			reference := hmac.New(h.New, key)
			reference.Write(messages[i].Data)
			want[i] = reference.Sum(nil)[:sum]
		}
		mac.Sum(messages)
		for i, m := range messages {
			if !bytes.Equal(m.Sum, want[i]) {
				t.Fatalf("%v of %d octets: %x, want %x", h, len(m.Data), m.Sum, want[i])
			}
		}
	}
}
