package esp

import (
	"bytes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
)

// Inbound opens the packets of one direction of a security association. It is
// used by one goroutine at a time.
type Inbound struct {
	association
	window window
}

// NewInbound returns the receiving direction of a security association. The
// keys must have the suite's lengths; they aren't kept, so the caller may clear
// them.
func NewInbound(s Suite, spi uint32, encryptionKey, integrityKey []byte) (*Inbound, error) {
	a, err := newAssociation(s, spi, encryptionKey, integrityKey, cipher.NewCBCDecrypter)
	if err != nil {
		return nil, err
	}
	return &Inbound{association: *a, window: newWindow(windowBits)}, nil
}

// Open verifies and decrypts one whole ESP packet in place. inner is a part of
// packet and belongs to the caller like it; next tells what it is: NextIPv4,
// NextIPv6, or NextNone for a dummy packet, which the caller drops without
// counting an error. Traffic flow padding behind the inner packet is left on:
// the inner IP header says where the packet ends (RFC 4303, section 2.7).
//
// A packet refused before its ICV was verified leaves the window as it was.
// Such a packet is untouched, but for AES-GCM's, whose octets may be cleared.
func (in *Inbound) Open(packet []byte) (inner []byte, next uint8, err error) {
	if err := in.acceptable(packet); err != nil {
		return nil, 0, err
	}
	iv := packet[headerLen:in.body()]
	signed, icv := packet[:len(packet)-in.icv], packet[len(packet)-in.icv:]
	body := signed[in.body():]
	if in.aead != nil {
		sealed := packet[in.body():]
		if _, err := in.aead.Open(sealed[:0], in.gcmNonce(iv), sealed, packet[:headerLen]); err != nil {
			return nil, 0, ErrIntegrity
		}
	} else if !in.verify(signed, icv) {
		return nil, 0, ErrIntegrity
	}
	in.window.mark(binary.BigEndian.Uint32(packet[4:]))

	if in.cbc != nil {
		in.cbc.SetIV(iv)
		in.cbc.CryptBlocks(body, body)
	}
	return stripTrailer(body)
}

// acceptable tells why a packet isn't worth verifying: its length, its SPI or its
// sequence number.
func (in *Inbound) acceptable(packet []byte) error {
	encrypted := len(packet) - in.body() - in.icv
	if encrypted < trailerLen || encrypted%in.block != 0 {
		return ErrMalformed
	}
	if binary.BigEndian.Uint32(packet) != in.spi {
		return ErrSPI
	}
	if !in.window.fresh(binary.BigEndian.Uint32(packet[4:])) {
		return ErrReplay
	}
	return nil
}

// stripTrailer takes padding, pad length and next header off a decrypted body.
// "the receiver SHOULD inspect the Padding field" (RFC 4303, section 2.4).
func stripTrailer(body []byte) (inner []byte, next uint8, err error) {
	end := len(body) - trailerLen
	pad, next := int(body[end]), body[end+1]
	if pad > end {
		return nil, 0, ErrPadding
	}
	if !bytes.Equal(body[end-pad:end], monotonic[:pad]) {
		return nil, 0, ErrPadding
	}
	return body[:end-pad], next, nil
}

// Suite returns the suite the association was made with.
func (in *Inbound) Suite() Suite { return in.suite }

// SPI returns the Security Parameters Index that the peer puts in its packets.
func (in *Inbound) SPI() uint32 { return in.spi }

// Sequence returns the highest sequence number of an authentic packet, 0 before
// the first. When Open raised it, the packet was the newest one.
func (in *Inbound) Sequence() uint32 { return in.window.newest }

// String names the association without its keys.
func (in *Inbound) String() string { return fmt.Sprintf("inbound %08x %v", in.spi, in.suite) }
