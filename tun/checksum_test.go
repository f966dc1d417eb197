package tun

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
)

// slowSum is the sum as RFC 1071 describes it: word by word.
func slowSum(s uint64, b []byte) uint64 {
	for ; len(b) >= 2; b = b[2:] {
		s += uint64(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	return s
}

func TestSum(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 2000)
	for i := range 3000 {
		for j := range b {
			b[j] = byte(r.Uint32()) | -byte(i&1) // every second one is all ones: all carries
		}
		from := r.IntN(100)
		part := b[from : from+r.IntN(len(b)-from)]
		before := uint64(r.Uint32())
		got := sum(before, part)
		if want := slowSum(before, part); fold(got) != fold(want) || got >= 1<<33 {
			t.Fatalf("%d octets: %x, want %x", len(part), got, want)
		}
		room := bytes.Repeat([]byte{0x5a}, len(part)+9)
		copied := sumCopy(room[1:1+len(part)], part)
		if fold(copied) != fold(slowSum(0, part)) || copied >= 1<<33 || !bytes.Equal(room[1:1+len(part)], part) ||
			room[0] != 0x5a || !bytes.Equal(room[1+len(part):], bytes.Repeat([]byte{0x5a}, 8)) {
			t.Fatalf("%d octets copied: %x", len(part), copied)
		}
	}
}

func BenchmarkSum(b *testing.B) {
	for _, size := range []int{40, 1360} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			data := make([]byte, size)
			b.SetBytes(int64(size))
			for b.Loop() {
				sum(0, data)
			}
		})
	}
}
