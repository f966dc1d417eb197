package esp

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const testSPI = 0x5ee70001

// testKeys returns keys for a suite; the parts of a 3DES key differ.
func testKeys(s Suite) (encryption, integrity []byte) {
	e, i := s.KeyLengths()
	return pattern(e, 0x10), pattern(i, 0x80)
}

// pattern returns n octets counting up from first.
func pattern(n int, first byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

// newPair returns both ends of a direction.
func newPair(t testing.TB, s Suite) (*Outbound, *Inbound) {
	t.Helper()
	encryption, integrity := testKeys(s)
	o, err := NewOutbound(s, testSPI, encryption, integrity)
	if err != nil {
		t.Fatal(err)
	}
	in, err := NewInbound(s, testSPI, encryption, integrity)
	if err != nil {
		t.Fatal(err)
	}
	return o, in
}

// seal returns a new packet.
func seal(t testing.TB, o *Outbound, inner []byte, next uint8) []byte {
	t.Helper()
	packet, err := o.Seal(nil, inner, next)
	if err != nil {
		t.Fatal(err)
	}
	return packet
}

// forEachSuite runs a subtest for every suite.
func forEachSuite(t *testing.T, f func(t *testing.T, s Suite)) {
	for _, s := range suites {
		t.Run(s.String(), func(t *testing.T) { f(t, s) })
	}
}

// reference opens a packet step by step with fresh objects of the standard
// library, and returns the decrypted body with its trailer.
func reference(t *testing.T, s Suite, packet []byte) []byte {
	t.Helper()
	encryption, integrity := testKeys(s)
	if s.Encryption == AESGCM16 {
		block, _ := aes.NewCipher(encryption[:s.KeyBits/8])
		gcm, _ := cipher.NewGCM(block)
		nonce := append(bytes.Clone(encryption[s.KeyBits/8:]), packet[8:16]...)
		body, err := gcm.Open(nil, nonce, packet[16:], packet[:8])
		if err != nil {
			t.Fatal(err)
		}
		return body
	}

	hashes := map[Integrity]struct {
		hash func() hash.Hash
		icv  int
	}{
		HMACMD5: {md5.New, 12}, HMACSHA1: {sha1.New, 12},
		HMACSHA256: {sha256.New, 16}, HMACSHA256Trunc96: {sha256.New, 12},
		HMACSHA384: {sha512.New384, 24}, HMACSHA512: {sha512.New, 32},
	}
	h := hashes[s.Integrity]
	signed, icv := packet[:len(packet)-h.icv], packet[len(packet)-h.icv:]
	m := hmac.New(h.hash, integrity)
	m.Write(signed)
	if diff := cmp.Diff(m.Sum(nil)[:h.icv], icv); diff != "" {
		t.Fatalf("ICV (-want +got):\n%s", diff)
	}

	var block cipher.Block
	switch s.Encryption {
	case Null:
		return bytes.Clone(signed[8:])
	case DES:
		block, _ = des.NewCipher(encryption)
	case TripleDES:
		block, _ = des.NewTripleDESCipher(encryption)
	case AES:
		block, _ = aes.NewCipher(encryption)
	}
	iv, ciphertext := signed[8:8+block.BlockSize()], signed[8+block.BlockSize():]
	body := make([]byte, len(ciphertext))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(body, ciphertext)
	return body
}

// Seal agrees with a plain computation, octet by octet, for every suite and
// length, and Open returns what was sealed.
func TestSealOpen(t *testing.T) {
	forEachSuite(t, func(t *testing.T, s Suite) {
		o, in := newPair(t, s)
		for n := range 100 {
			inner := pattern(n, 0x45)
			packet := seal(t, o, inner, NextIPv4)
			if want := n + s.Overhead(n); len(packet) != want {
				t.Fatalf("%d octets sealed make %d, Overhead says %d", n, len(packet), want)
			}
			header := binary.BigEndian.AppendUint32(nil, testSPI)
			header = binary.BigEndian.AppendUint32(header, uint32(n+1))
			if !bytes.Equal(packet[:8], header) {
				t.Fatalf("header %x, want %x", packet[:8], header)
			}

			body := reference(t, s, packet)
			pad := len(body) - n - 2
			want := append(pattern(n, 0x45), pattern(pad, 1)...)
			want = append(want, byte(pad), NextIPv4)
			if diff := cmp.Diff(want, body); diff != "" {
				t.Fatalf("%d octets: decrypted body (-want +got):\n%s", n, diff)
			}

			got, next, err := in.Open(packet)
			if err != nil {
				t.Fatalf("%d octets: %v", n, err)
			}
			if next != NextIPv4 || !bytes.Equal(got, inner) {
				t.Fatalf("%d octets: opened as %x, next %d", n, got, next)
			}
		}
		if o.Sequence() != 100 || in.Sequence() != 100 {
			t.Errorf("sequence numbers %d and %d after 100 packets", o.Sequence(), in.Sequence())
		}
	})
}

// Seal appends behind what dst holds, and the inner packet may lie anywhere in
// the room behind it.
func TestSealInPlace(t *testing.T) {
	prefix := []byte("prefix")
	inner := pattern(60, 0x45)
	forEachSuite(t, func(t *testing.T, s Suite) {
		o, in := newPair(t, s)
		for at := range 60 {
			buffer := append(make([]byte, 0, 300), prefix...)
			place := buffer[len(prefix)+at : len(prefix)+at+len(inner)]
			copy(place, inner)
			sealed, err := o.Seal(buffer, place, NextIPv6)
			if err != nil {
				t.Fatal(err)
			}
			if &sealed[0] != &buffer[0] {
				t.Fatal("moved to a new buffer though there was room")
			}
			if !bytes.HasPrefix(sealed, prefix) {
				t.Fatalf("the octets before the packet became %x", sealed[:len(prefix)])
			}
			got, next, err := in.Open(sealed[len(prefix):])
			if err != nil || next != NextIPv6 || !bytes.Equal(got, inner) {
				t.Fatalf("inner packet %d octets behind dst: opened as %x, next %d, error %v", at, got, next, err)
			}
		}
	})
}

func TestSequenceExhausted(t *testing.T) {
	forEachSuite(t, func(t *testing.T, s Suite) {
		o, in := newPair(t, s)
		o.seq = math.MaxUint32 - 2
		for _, want := range []uint32{math.MaxUint32 - 1, math.MaxUint32} {
			packet := seal(t, o, []byte("inner"), NextIPv4)
			if got := binary.BigEndian.Uint32(packet[4:]); got != want {
				t.Errorf("sequence number %d, want %d", got, want)
			}
			if _, _, err := in.Open(packet); err != nil {
				t.Errorf("sequence number %d: %v", want, err)
			}
		}
		for range 3 {
			dst, err := o.Seal([]byte("before"), []byte("inner"), NextIPv4)
			if !errors.Is(err, ErrExhausted) || string(dst) != "before" {
				t.Errorf("after the last number: %q, %v", dst, err)
			}
		}
	})
}

// IVs of CBC modes never repeat, not even between two associations with the same
// keys; those of AES-GCM count.
func TestIVs(t *testing.T) {
	forEachSuite(t, func(t *testing.T, s Suite) {
		seen := make(map[string]bool)
		for range 2 {
			o, _ := newPair(t, s)
			for n := range 500 {
				packet := seal(t, o, nil, NextNone)
				iv := packet[headerLen:o.body()]
				switch s.Encryption {
				case Null:
				case AESGCM16:
					if got := binary.BigEndian.Uint64(iv); got != uint64(n+1) {
						t.Fatalf("IV %d of packet %d", got, n+1)
					}
				default:
					if seen[string(iv)] {
						t.Fatalf("IV %x twice", iv)
					}
					seen[string(iv)] = true
				}
			}
		}
	})
}

// What a log prints of an association holds no key.
func TestStringHidesKeys(t *testing.T) {
	o, in := newPair(t, Suite{AESGCM16, 128, NoIntegrity})
	for _, format := range []string{"%v", "%+v", "%s"} {
		if got := fmt.Sprintf(format, o); got != "outbound 5ee70001 aes128gcm16" {
			t.Errorf("%s prints %q", format, got)
		}
		if got := fmt.Sprintf(format, in); got != "inbound 5ee70001 aes128gcm16" {
			t.Errorf("%s prints %q", format, got)
		}
	}
	if o.Suite() != in.Suite() || o.SPI() != in.SPI() || !strings.HasPrefix(o.Suite().String(), "aes128") {
		t.Errorf("suite and SPI: %v %08x, %v %08x", o.Suite(), o.SPI(), in.Suite(), in.SPI())
	}
}

// The keys given belong to the caller, who may clear them.
func TestKeysAreCopied(t *testing.T) {
	forEachSuite(t, func(t *testing.T, s Suite) {
		encryption, integrity := testKeys(s)
		o, err := NewOutbound(s, testSPI, encryption, integrity)
		if err != nil {
			t.Fatal(err)
		}
		clear(encryption)
		clear(integrity)
		_, in := newPair(t, s)
		if _, _, err := in.Open(seal(t, o, []byte("inner"), NextIPv4)); err != nil {
			t.Error(err)
		}
	})
}
