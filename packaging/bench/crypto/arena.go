package main

import (
	"encoding/binary"
	"math/rand/v2"

	"postern/tun/esp"
)

// What is measured: batches of packets whose encrypted part has as many octets as a full packet's of TCP.
const (
	batch     = 44 // packets; what one read of a TUN device gives
	encrypted = 1408
	inner     = encrypted - 2 // trailer, and no padding
	stride    = 1536
)

// A layout is where the parts of a suite's packets lie.
type layout struct{ iv, encrypted, icv int }

func layoutOf(s esp.Suite) layout {
	l := layout{encrypted: encrypted}
	switch s.Encryption {
	case esp.DES, esp.TripleDES, esp.AESGCM16:
		l.iv = 8
	case esp.AES:
		l.iv = 16
	}
	l.icv = s.Overhead(inner) - 8 - l.iv - 2
	return l
}

func (l layout) body() int  { return 8 + l.iv }
func (l layout) total() int { return l.body() + l.encrypted + l.icv }

// An arena holds the packets of a batch, stride octets apart.
type arena struct {
	octets  []byte
	packets [][]byte // slices of octets, as a call wants them
}

func newArena() *arena {
	return &arena{octets: make([]byte, batch*stride), packets: make([][]byte, batch)}
}

// slices makes every packet reach from its start to an end; behind it is room up to the next one.
func (a *arena) slices(end int) [][]byte {
	for i := range a.packets {
		a.packets[i] = a.octets[i*stride : i*stride+end : (i+1)*stride]
	}
	return a.packets
}

// random fills the arena with octets that look like IPv4 packets at an offset in each packet.
func (a *arena) random(seed uint64, offset int) {
	r := rand.New(rand.NewPCG(seed, 1))
	for i := 0; i < len(a.octets); i += 8 {
		binary.LittleEndian.PutUint64(a.octets[i:], r.Uint64())
	}
	for i := range batch {
		a.octets[i*stride+offset] = 0x45
	}
}

func (a *arena) copyFrom(b *arena) { copy(a.octets, b.octets) }
