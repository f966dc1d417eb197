package esp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

// unreleased reports whether a refused packet holds no plaintext: it is as it
// came, or, after AES-GCM, its encrypted part is cleared.
func unreleased(s Suite, before, after []byte) bool {
	if bytes.Equal(before, after) {
		return true
	}
	l := s.layout()
	cleared := bytes.Clone(before)
	clear(cleared[l.body() : len(cleared)-l.icv])
	return s.Encryption == AESGCM16 && bytes.Equal(cleared, after)
}

// Every flipped bit is refused before anything is decrypted, and the window
// stays where it was: the genuine packet is accepted at the end.
func TestFlippedBits(t *testing.T) {
	forEachSuite(t, func(t *testing.T, s Suite) {
		o, in := newPair(t, s)
		genuine := seal(t, o, pattern(60, 0x45), NextIPv4)
		for bit := range len(genuine) * 8 {
			forged := bytes.Clone(genuine)
			forged[bit/8] ^= 0x80 >> (bit % 8)
			want := ErrIntegrity
			switch {
			case bit < 32:
				want = ErrSPI
			case binary.BigEndian.Uint32(forged[4:]) == 0:
				want = ErrReplay
			}
			before := bytes.Clone(forged)
			inner, next, err := in.Open(forged)
			if !errors.Is(err, want) || inner != nil || next != 0 {
				t.Errorf("bit %d of octet %d flipped: %x, %d, %v; want %v", bit%8, bit/8, inner, next, err, want)
			}
			if !unreleased(s, before, forged) {
				t.Errorf("bit %d of octet %d flipped: decrypted all the same", bit%8, bit/8)
			}
		}
		if in.Sequence() != 0 {
			t.Errorf("the window moved to %d", in.Sequence())
		}
		if _, _, err := in.Open(genuine); err != nil {
			t.Errorf("the genuine packet: %v", err)
		}
	})
}

// A packet of any other length is refused before anything is decrypted.
func TestTruncated(t *testing.T) {
	forEachSuite(t, func(t *testing.T, s Suite) {
		o, in := newPair(t, s)
		genuine := seal(t, o, pattern(60, 0x45), NextIPv4)
		refuse := func(what string, packet []byte) {
			before := bytes.Clone(packet)
			_, _, err := in.Open(packet)
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrIntegrity) {
				t.Errorf("%s at %d octets: %v", what, len(packet), err)
			}
			if !unreleased(s, before, packet) {
				t.Errorf("%s at %d octets: decrypted all the same", what, len(packet))
			}
		}
		for n := range genuine {
			// without spare capacity, so that reading past the end panics
			refuse("cut", append(make([]byte, 0, n), genuine[:n]...))
		}
		for n := 1; n <= 2*16; n++ {
			refuse("lengthened", append(bytes.Clone(genuine), make([]byte, n)...))
		}
		if _, _, err := in.Open(nil); !errors.Is(err, ErrMalformed) {
			t.Errorf("nil packet: %v", err)
		}
		if in.Sequence() != 0 {
			t.Errorf("the window moved to %d", in.Sequence())
		}
		if _, _, err := in.Open(genuine); err != nil {
			t.Errorf("the genuine packet: %v", err)
		}
	})
}

// Packets sealed with another key, suite or SPI are refused.
func TestOtherAssociation(t *testing.T) {
	s := Suite{AES, 128, HMACSHA256}
	encryption, integrity := testKeys(s)
	_, in := newPair(t, s)

	o, err := NewOutbound(s, testSPI+1, encryption, integrity)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := in.Open(seal(t, o, nil, NextIPv4)); !errors.Is(err, ErrSPI) {
		t.Errorf("another SPI: %v", err)
	}

	integrity[0] ^= 1
	o, err = NewOutbound(s, testSPI, encryption, integrity)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := in.Open(seal(t, o, nil, NextIPv4)); !errors.Is(err, ErrIntegrity) {
		t.Errorf("another integrity key: %v", err)
	}

	for _, other := range suites {
		e, i := other.KeyLengths()
		o, err := NewOutbound(other, testSPI, pattern(e, 0x11), pattern(i, 0x81))
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = in.Open(seal(t, o, pattern(60, 0x45), NextIPv4))
		if !errors.Is(err, ErrIntegrity) && !errors.Is(err, ErrMalformed) {
			t.Errorf("%v: %v", other, err)
		}
	}
}

func TestReplayedPackets(t *testing.T) {
	forEachSuite(t, func(t *testing.T, s Suite) {
		o, in := newPair(t, s)
		var packets [][]byte
		for n := range 4 {
			packets = append(packets, seal(t, o, pattern(n, 0), NextIPv4))
		}
		steps := []struct {
			packet int
			want   error
			newest uint32
		}{
			{0, nil, 1},
			{0, ErrReplay, 1},
			{3, nil, 4},
			{2, nil, 4},
			{1, nil, 4},
			{0, ErrReplay, 4},
			{1, ErrReplay, 4},
			{2, ErrReplay, 4},
			{3, ErrReplay, 4},
		}
		for i, step := range steps {
			_, _, err := in.Open(bytes.Clone(packets[step.packet]))
			if !errors.Is(err, step.want) || in.Sequence() != step.newest {
				t.Errorf("step %d, packet %d: %v, newest %d; want %v, %d",
					i, step.packet+1, err, in.Sequence(), step.want, step.newest)
			}
		}
	})
}

// sign makes an authentic packet with any sequence number and body. The body's
// length must be a multiple of the suite's block.
func sign(o *Outbound, seq uint32, body []byte) []byte {
	packet := binary.BigEndian.AppendUint32(nil, o.spi)
	packet = binary.BigEndian.AppendUint32(packet, seq)
	packet = append(packet, make([]byte, o.layout.iv)...)
	iv := packet[headerLen:]
	o.iv(iv, seq)
	if o.aead != nil {
		return o.aead.Seal(packet, o.gcmNonce(iv), body, packet[:headerLen])
	}
	packet = append(packet, body...)
	if o.cbc != nil {
		o.cbc.SetIV(iv)
		o.cbc.CryptBlocks(packet[o.body():], packet[o.body():])
	}
	return append(packet, o.mac.of(packet)...)
}

func TestSequenceZero(t *testing.T) {
	forEachSuite(t, func(t *testing.T, s Suite) {
		o, in := newPair(t, s)
		body := append(pattern(14, 1), 14, NextIPv4)
		if _, _, err := in.Open(sign(o, 0, body)); !errors.Is(err, ErrReplay) {
			t.Errorf("sequence number 0: %v", err)
		}
		if _, _, err := in.Open(sign(o, 1, body)); err != nil {
			t.Errorf("sequence number 1: %v", err)
		}
	})
}

// An authentic packet whose body is empty or isn't whole blocks is refused.
func TestBrokenBlocks(t *testing.T) {
	forEachSuite(t, func(t *testing.T, s Suite) {
		o, in := newPair(t, s)
		block := o.block
		o.cbc = nil // sign what a block cipher couldn't encrypt
		for n := range 3 * block {
			if n%block == 0 && n > 0 {
				continue
			}
			if _, _, err := in.Open(sign(o, 1, make([]byte, n))); !errors.Is(err, ErrMalformed) {
				t.Errorf("body of %d octets: %v", n, err)
			}
		}
		if in.Sequence() != 0 {
			t.Errorf("the window moved to %d", in.Sequence())
		}
	})
}

func TestTrailer(t *testing.T) {
	dummy := []byte("dummy of 14 oc")
	tests := []struct {
		name  string
		body  []byte // 16 or 256 or 272 octets
		inner []byte
		next  uint8
		err   error
	}{
		{"no padding", append(pattern(14, 0x45), 0, NextIPv4), pattern(14, 0x45), NextIPv4, nil},
		{"padding only", append(pattern(14, 1), 14, NextIPv4), []byte{}, NextIPv4, nil},
		{"more padding than needed", append(pattern(254, 1), 254, NextIPv6), []byte{}, NextIPv6, nil},
		{"the most padding", append(append(pattern(15, 0x60), pattern(255, 1)...), 255, NextIPv6), pattern(15, 0x60), NextIPv6, nil},
		{"padding longer than the body", append(pattern(14, 1), 15, NextIPv4), nil, 0, ErrPadding},
		{"padding far longer than the body", append(pattern(14, 1), 255, NextIPv4), nil, 0, ErrPadding},
		{"padding of zeros", append(make([]byte, 14), 2, NextIPv4), nil, 0, ErrPadding},
		{"first octet of padding wrong", append(append(pattern(10, 0x45), 0, 2, 3, 4), 4, NextIPv4), nil, 0, ErrPadding},
		{"last octet of padding wrong", append(append(pattern(10, 0x45), 1, 2, 3, 5), 4, NextIPv4), nil, 0, ErrPadding},
		{"dummy packet", append(bytes.Clone(dummy), 0, NextNone), dummy, NextNone, nil},
		// an IPv4 packet of 20 octets, 22 octets of traffic flow padding, 4 of padding
		{
			"traffic flow padding", append(append(append(pattern(20, 0x45), make([]byte, 22)...), 1, 2, 3, 4), 4, NextIPv4),
			append(pattern(20, 0x45), make([]byte, 22)...), NextIPv4, nil,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, s := range suites {
				o, in := newPair(t, s)
				packet := sign(o, 1, test.body)
				inner, next, err := in.Open(packet)
				if !errors.Is(err, test.err) || next != test.next || !bytes.Equal(inner, test.inner) {
					t.Errorf("%v: %x, %d, %v; want %x, %d, %v", s, inner, next, err, test.inner, test.next, test.err)
				}
				// authentic is authentic: the number is used up
				if in.Sequence() != 1 {
					t.Errorf("%v: newest sequence number %d", s, in.Sequence())
				}
			}
		})
	}
}
