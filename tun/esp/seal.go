package esp

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// What an inner packet can be: the Next Header numbers of tunnel mode
// (RFC 4303, section 2.6).
const (
	NextIPv4 = 4
	NextIPv6 = 41
	// NextNone marks a dummy packet, sent to hide that nothing is sent. It has to
	// be dropped without an error.
	NextNone = 59
)

// Outbound seals the packets of one direction of a security association. It is
// used by one goroutine at a time.
type Outbound struct {
	association
	seq uint32 // the latest one used
	iv  newIV
}

// NewOutbound returns the sending direction of a security association. The keys
// must have the suite's lengths; they aren't kept, so the caller may clear
// them. The first packet will have the sequence number 1.
//
// A suite and a pair of keys must never be given to NewOutbound twice: sequence
// numbers and IVs would repeat, and AES-GCM would lose secrecy and integrity.
func NewOutbound(s Suite, spi uint32, encryptionKey, integrityKey []byte) (*Outbound, error) {
	a, err := newAssociation(s, spi, encryptionKey, integrityKey, cipher.NewCBCEncrypter)
	if err != nil {
		return nil, err
	}
	o := &Outbound{association: *a}
	switch s.Encryption {
	case Null:
		o.iv = noIVs
	case AESGCM16:
		o.iv = countedIVs()
	default:
		o.iv = unpredictableIVs()
	}
	return o, nil
}

// Seal appends one whole ESP packet holding inner to dst and returns the
// extended slice. next is NextIPv4, NextIPv6 or NextNone. Inner may lie in
// dst's spare capacity, anywhere: it is moved before anything else is written;
// exactly behind header and IV it needn't be moved. With cap(dst)-len(dst) of
// at least len(inner)+Overhead(len(inner)) nothing is allocated.
//
// After the packet with number 2^32-1 it returns dst and ErrExhausted for ever:
// "the transmitted sequence number must never be allowed to cycle" (RFC 4303,
// section 2.2).
func (o *Outbound) Seal(dst, inner []byte, next uint8) ([]byte, error) {
	if o.seq == math.MaxUint32 {
		return dst, ErrExhausted
	}
	length := o.body() + len(inner) + o.padding(len(inner)) + trailerLen + o.icv
	begin := len(dst)
	dst = slices.Grow(dst, length)[:begin+length]
	packet := dst[begin:]
	signed := packet[:length-o.icv]
	iv, body := signed[headerLen:o.body()], signed[o.body():]

	copy(body, inner)
	o.fill(packet, len(inner), next)
	if o.aead != nil {
		o.aead.Seal(body[:0], o.gcmNonce(iv), body, packet[:headerLen])
		return dst, nil
	}
	if o.cbc != nil {
		o.cbc.SetIV(iv)
		o.cbc.CryptBlocks(body, body)
	}
	o.sign(signed, packet[len(signed):])
	return dst, nil
}

// fill makes a packet that holds its inner one whole, but for encryption and ICV,
// and gives it the next number.
func (o *Outbound) fill(packet []byte, inner int, next uint8) {
	o.seq++
	binary.BigEndian.PutUint32(packet, o.spi)
	binary.BigEndian.PutUint32(packet[4:], o.seq)
	o.iv(packet[headerLen:o.body()], o.seq)
	appendTrailer(packet[:o.body()+inner], o.padding(inner), next)
}

// monotonic is the padding. "The first padding byte appended to the plaintext is
// numbered 1, with subsequent padding bytes making up a monotonically increasing
// sequence" (RFC 4303, section 2.4).
var monotonic = func() (b [255]byte) {
	for i := range b {
		b[i] = byte(i + 1)
	}
	return b
}()

// appendTrailer appends padding, pad length and next header to b.
func appendTrailer(b []byte, pad int, next uint8) []byte {
	return append(append(b, monotonic[:pad]...), byte(pad), next)
}

// Suite returns the suite the association was made with.
func (o *Outbound) Suite() Suite { return o.suite }

// SPI returns the Security Parameters Index the peer chose.
func (o *Outbound) SPI() uint32 { return o.spi }

// Sequence returns the number of the latest packet, 0 before the first.
func (o *Outbound) Sequence() uint32 { return o.seq }

// String names the association without its keys.
func (o *Outbound) String() string { return fmt.Sprintf("outbound %08x %v", o.spi, o.suite) }
