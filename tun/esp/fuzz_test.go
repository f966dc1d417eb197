package esp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"postern/tun/esp/lanes"
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

// FuzzOpenBatch opens a batch of authentic and altered packets at once in every
// tier, and one by one: both must say the same. The script has 4 octets a packet:
// which sealed packet it is, what is changed in it (bit 0: an octet, bit 1: the
// length), and where.
func FuzzOpenBatch(f *testing.F) {
	f.Add(uint8(4), uint8(2), []byte("\x00\x00\x00\x00\x01\x01\x00\x05\x01\x00\x00\x00\x02\x02\x00\x20\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, suite, tier uint8, script []byte) {
		s := suites[int(suite)%len(suites)]
		useTier(t, lanes.Tier(tier%3))
		o, in := newPair(t, s)
		_, reference := newPair(t, s)
		packets, _ := batchOf(o, 0, 20, 84, 300, 1400, 15, 16, 17)
		if _, err := o.SealBatch(packets); err != nil {
			t.Fatal(err)
		}
		var batch [][]byte
		for ; len(script) >= 4 && len(batch) < 64; script = script[4:] {
			p := bytes.Clone(packets[int(script[0])%len(packets)])
			at := int(binary.BigEndian.Uint16(script[2:])) % len(p)
			if script[1]&1 != 0 {
				p[at] ^= script[1] | 1
			}
			if script[1]&2 != 0 {
				p = p[:at]
			}
			batch = append(batch, p[:len(p):len(p)])
		}
		compareBatch(t, s, in, reference, batch)
	})
}
