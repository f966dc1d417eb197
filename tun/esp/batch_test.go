package esp

import (
	"bytes"
	"errors"
	"math"
	"testing"
)

// batchOf returns buffers for SealBatch with inner packets of those lengths, of
// IPv4 and IPv6 in turn, and room for what is added.
func batchOf(o *Outbound, lengths ...int) (packets, inner [][]byte) {
	for i, n := range lengths {
		version := byte(0x45)
		if i%2 == 1 {
			version = 0x60
		}
		b := make([]byte, o.Offset()+n, n+o.suite.Overhead(n))
		copy(b[o.Offset():], pattern(n, version))
		packets = append(packets, b)
		inner = append(inner, bytes.Clone(b[o.Offset():]))
	}
	return packets, inner
}

func TestSealBatch(t *testing.T) {
	forEachSuite(t, func(t *testing.T, s Suite) {
		o, in := newPair(t, s)
		packets, inner := batchOf(o, 84, 0, 1400, 20, 1)
		if n, err := o.SealBatch(packets); n != len(packets) || err != nil {
			t.Fatal(n, err)
		}
		opened := make([]Opened, len(packets))
		in.OpenBatch(packets, opened)
		for i, o := range opened {
			want := uint8(NextIPv4)
			switch {
			case len(inner[i]) == 0:
				want = NextNone
			case i%2 == 1:
				want = NextIPv6
			}
			if o.Err != nil || !bytes.Equal(o.Inner, inner[i]) || o.Next != want {
				t.Errorf("packet %d: %x, %d, %v", i, o.Inner, o.Next, o.Err)
			}
		}
	})
}

func TestSealBatchExhausted(t *testing.T) {
	o, _ := newPair(t, Suite{AES, 128, HMACSHA1})
	o.seq = math.MaxUint32 - 2
	packets, _ := batchOf(o, 84, 84, 84, 84)
	if n, err := o.SealBatch(packets); n != 2 || !errors.Is(err, ErrExhausted) {
		t.Errorf("%d sealed, %v", n, err)
	}
	if n, err := o.SealBatch(packets); n != 0 || !errors.Is(err, ErrExhausted) {
		t.Errorf("%d sealed, %v", n, err)
	}
}
