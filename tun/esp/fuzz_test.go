package esp

import (
	"bytes"
	"errors"
	"testing"
)

// FuzzOpen opens arbitrary packets, and authentic packets with an arbitrary
// header and body. Open must not panic, must refuse what nobody signed, and must
// return a part of the packet it got.
func FuzzOpen(f *testing.F) {
	for i, s := range suites {
		o, _ := newPair(f, s)
		o.iv = countedIVs()
		if o.layout.iv == 0 {
			o.iv = noIVs
		}
		packet := seal(f, o, pattern(20, 0x45), NextIPv4)
		f.Add(uint8(i), false, uint32(0), packet)
		f.Add(uint8(i), false, uint32(0), packet[:len(packet)-1])
		f.Add(uint8(i), true, uint32(1), append(pattern(14, 1), 14, NextIPv4))
	}
	f.Fuzz(func(t *testing.T, suite uint8, signed bool, seq uint32, data []byte) {
		s := suites[int(suite)%len(suites)]
		o, in := newPair(t, s)
		packet := bytes.Clone(data)
		if signed {
			packet = sign(o, seq, data[:len(data)-len(data)%o.block])
		}
		received := bytes.Clone(packet)
		inner, next, err := in.Open(packet)

		switch {
		case err != nil && (inner != nil || next != 0):
			t.Fatalf("%x and next %d with the error %v", inner, next, err)
		case errors.Is(err, ErrSPI), errors.Is(err, ErrIntegrity):
			if signed {
				t.Fatalf("an authentic packet refused: %v", err)
			}
			fallthrough
		case errors.Is(err, ErrMalformed), errors.Is(err, ErrReplay):
			if in.Sequence() != 0 {
				t.Fatalf("the window moved to %d: %v", in.Sequence(), err)
			}
			if !unreleased(s, received, packet) {
				t.Fatalf("decrypted all the same: %v", err)
			}
			return
		case err != nil && !errors.Is(err, ErrPadding):
			t.Fatal(err)
		}

		// authentic: by our signature, or a seed as it was sealed
		if len(inner)+trailerLen+o.body()+o.icv > len(packet) {
			t.Fatalf("inner packet of %d octets from %d", len(inner), len(packet))
		}
		if len(inner) > 0 && &inner[0] != &packet[o.body()] {
			t.Fatal("the inner packet isn't a part of the packet")
		}
		if _, _, err := in.Open(received); !errors.Is(err, ErrReplay) {
			t.Fatalf("the second time: %v", err)
		}
		body := reference(t, s, received)
		if err == nil && (!bytes.HasPrefix(body, inner) || body[len(body)-1] != next) {
			t.Fatalf("opened as %x, next %d; body %x", inner, next, body)
		}
	})
}
