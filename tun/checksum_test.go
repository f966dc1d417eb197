package tun

import (
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
