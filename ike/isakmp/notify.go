package isakmp

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// Notify is the body of a notification payload. RFC 2408, section 3.14
//
//	octets 0 to 3  DOI
//	octet  4       protocol ID
//	octet  5       length of the SPI in octets
//	octets 6 to 7  notify message type
//	octets 8…      SPI, notification data
type Notify struct {
	DOI      uint32
	Protocol ProtocolID
	SPI      []byte // at most 255 octets; of a phase 1 SA both cookies, or nothing
	Type     NotifyType
	Data     []byte
}

// ParseNotify reads the body of a notification payload.
func ParseNotify(body []byte) (Notify, error) {
	var n Notify
	var spiLen uint8
	s := cryptobyte.String(body)
	if !s.ReadUint32(&n.DOI) || !s.ReadUint8((*uint8)(&n.Protocol)) || !s.ReadUint8(&spiLen) || !s.ReadUint16((*uint16)(&n.Type)) {
		return Notify{}, fmt.Errorf("notify payload: %d octets, 8 needed", len(body))
	}
	if !s.ReadBytes(&n.SPI, int(spiLen)) {
		return Notify{}, fmt.Errorf("notify payload: SPI of %d octets, but %d left", spiLen, len(s))
	}
	n.Data = s
	return n, nil
}

// Marshal returns the body of the notification payload.
func (n Notify) Marshal() []byte {
	b := binary.BigEndian.AppendUint32(nil, n.DOI)
	b = append(b, byte(n.Protocol), byte(len(n.SPI)))
	b = binary.BigEndian.AppendUint16(b, uint16(n.Type))
	b = append(b, n.SPI...)
	return append(b, n.Data...)
}

// Delete is the body of a delete payload: SAs that its sender has given up.
// RFC 2408, section 3.15
//
//	octets 0 to 3   DOI
//	octet  4        protocol ID
//	octet  5        length of each SPI in octets
//	octets 6 to 7   number of SPIs
//	octets 8…       SPIs
type Delete struct {
	DOI      uint32
	Protocol ProtocolID
	SPIs     [][]byte // all of one length, at most 255 octets; of a phase 1 SA both cookies
}

// ParseDelete reads the body of a delete payload.
func ParseDelete(body []byte) (Delete, error) {
	var d Delete
	var spiLen uint8
	var n uint16
	s := cryptobyte.String(body)
	if !s.ReadUint32(&d.DOI) || !s.ReadUint8((*uint8)(&d.Protocol)) || !s.ReadUint8(&spiLen) || !s.ReadUint16(&n) {
		return Delete{}, fmt.Errorf("delete payload: %d octets, 8 needed", len(body))
	}
	if n > MaxSPIs {
		return Delete{}, fmt.Errorf("delete payload: %d SPIs, more than %d", n, MaxSPIs)
	}
	if int(n)*int(spiLen) != len(s) {
		return Delete{}, fmt.Errorf("delete payload: %d SPIs of %d octets in %d octets", n, spiLen, len(s))
	}
	if n > 0 {
		d.SPIs = make([][]byte, n)
	}
	for i := range d.SPIs {
		s.ReadBytes(&d.SPIs[i], int(spiLen))
	}
	return d, nil
}

// Marshal returns the body of the delete payload.
func (d Delete) Marshal() []byte {
	spiLen := 0
	if len(d.SPIs) > 0 {
		spiLen = len(d.SPIs[0])
	}
	b := binary.BigEndian.AppendUint32(nil, d.DOI)
	b = append(b, byte(d.Protocol), byte(spiLen))
	b = binary.BigEndian.AppendUint16(b, uint16(len(d.SPIs)))
	for _, spi := range d.SPIs {
		b = append(b, spi...)
	}
	return b
}
