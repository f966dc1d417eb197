package isakmp

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// HeaderLen is the length of the ISAKMP header in octets.
const HeaderLen = 28

// Limits of every parser. Chosen here: far above what gateways send, low enough
// that no message can use up memory or time.
const (
	MaxMessage    = 64 << 10 // octets of a message, header included
	MaxPayloads   = 32       // payloads of a message
	MaxTransforms = 64       // transforms of an SA, all proposals together
	MaxAttributes = 1024     // attributes of a payload
	MaxSPIs       = 1024     // SPIs of a delete payload
)

// A Cookie is one side's half of the name of a phase 1 SA.
// RFC 2408, section 2.5.3
type Cookie [8]byte

// String returns the cookie in hexadecimal.
func (c Cookie) String() string { return hex.EncodeToString(c[:]) }

// Header is the fixed start of every message. RFC 2408, section 3.1
//
//	octets 0 to 7    initiator cookie, CKY-I
//	octets 8 to 15   responder cookie, CKY-R; zero in the first message
//	octet  16        type of the first payload
//	octet  17        major version (4 bits), minor version (4 bits)
//	octet  18        exchange type
//	octet  19        flags
//	octets 20 to 23  message ID; zero in phase 1
//	octets 24 to 27  length of the whole message in octets, header included
type Header struct {
	InitiatorCookie, ResponderCookie Cookie
	NextPayload                      PayloadType
	Version                          uint8
	Exchange                         ExchangeType
	Flags                            Flags
	MessageID                        uint32
	Length                           uint32
}

// ParseHeader reads the header at the start of the datagram b. The message is
// b[:h.Length]; a datagram may be longer than the message in it.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderLen {
		return Header{}, fmt.Errorf("header: %d octets, %d needed", len(b), HeaderLen)
	}
	h := Header{
		InitiatorCookie: Cookie(b[0:8]),
		ResponderCookie: Cookie(b[8:16]),
		NextPayload:     PayloadType(b[16]),
		Version:         b[17],
		Exchange:        ExchangeType(b[18]),
		Flags:           Flags(b[19]),
		MessageID:       binary.BigEndian.Uint32(b[20:]),
		Length:          binary.BigEndian.Uint32(b[24:]),
	}
	switch {
	case h.Version>>4 != Version>>4:
		return Header{}, fmt.Errorf("header: version %d.%d", h.Version>>4, h.Version&15)
	case h.Length < HeaderLen:
		return Header{}, fmt.Errorf("header: length %d is below %d", h.Length, HeaderLen)
	case h.Length > MaxMessage:
		return Header{}, fmt.Errorf("header: length %d is above %d", h.Length, MaxMessage)
	case uint64(h.Length) > uint64(len(b)):
		return Header{}, fmt.Errorf("header: length %d in a datagram of %d octets", h.Length, len(b))
	}
	return h, nil
}

// Append appends the 28 octets of the header to b. Length is the caller's to
// set, for only the caller knows what encryption adds.
func (h Header) Append(b []byte) []byte {
	b = append(b, h.InitiatorCookie[:]...)
	b = append(b, h.ResponderCookie[:]...)
	b = append(b, byte(h.NextPayload), h.Version, byte(h.Exchange), byte(h.Flags))
	b = binary.BigEndian.AppendUint32(b, h.MessageID)
	return binary.BigEndian.AppendUint32(b, h.Length)
}
