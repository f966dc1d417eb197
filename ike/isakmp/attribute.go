package isakmp

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// attributeBasic is the AF bit: set in the short form, Type/Value, clear in
// the long form, Type/Length/Value. RFC 2408, section 3.3
const attributeBasic = 0x8000

// Attribute is a data attribute. RFC 2408, section 3.3
//
//	octets 0 to 1  AF bit (1), type (15 bits)
//	octets 2 to 3  AF = 1: value; AF = 0: length of the value in octets
//	octets 4…      AF = 0: value
type Attribute struct {
	Type  uint16 // below 32768; its meaning depends on the payload
	Basic bool   // the short form; Value has 2 octets then
	Value []byte
}

// TV returns the attribute in its short form.
func TV(t, v uint16) Attribute {
	return Attribute{t, true, binary.BigEndian.AppendUint16(nil, v)}
}

// TLV returns the attribute in its long form. It keeps v.
func TLV(t uint16, v []byte) Attribute {
	return Attribute{t, false, v}
}

// Number returns the attribute in its short form when v fits, else in the long
// form with 4 octets. RFC 2409, appendix A, allows both for life durations.
func Number(t uint16, v uint32) Attribute {
	if v <= 0xffff {
		return TV(t, uint16(v))
	}
	return TLV(t, binary.BigEndian.AppendUint32(nil, v))
}

// Uint returns the value as a number: the short form, or 1 to 8 octets of the
// long one.
func (a Attribute) Uint() (uint64, error) {
	if len(a.Value) < 1 || len(a.Value) > 8 {
		return 0, fmt.Errorf("attribute %d: a number of %d octets", a.Type, len(a.Value))
	}
	var v uint64
	for _, o := range a.Value {
		v = v<<8 | uint64(o)
	}
	return v, nil
}

// ParseAttributes reads a list of attributes that fills b. Zeros behind the
// last attribute are ignored: old gateways pad Mode Config with them.
func ParseAttributes(b []byte) ([]Attribute, error) {
	return parseAttributes(b, 0, MaxAttributes)
}

// parseAttributes is ParseAttributes for b found at an octet of something
// larger, which has room for limit more attributes.
func parseAttributes(b []byte, at, limit int) ([]Attribute, error) {
	n, err := countAttributes(b, at, limit)
	if n == 0 || err != nil {
		return nil, err
	}
	attributes := make([]Attribute, n)
	for i := range attributes {
		attributes[i], b = cutAttribute(b)
	}
	return attributes, nil
}

// countAttributes checks that b is a list of at most limit attributes and
// returns how many.
func countAttributes(b []byte, at, limit int) (int, error) {
	n, end := 0, len(bytes.TrimRight(b, "\x00"))
	for i := 0; i < end; n++ {
		if n == limit {
			return 0, fmt.Errorf("attribute at octet %d: more than %d attributes", at+i, MaxAttributes)
		}
		size := attributeSize(b[i:])
		if size > len(b)-i {
			return 0, fmt.Errorf("attribute at octet %d runs past the end", at+i)
		}
		i += size
	}
	return n, nil
}

// attributeSize returns how many octets the attribute at the start of b needs.
func attributeSize(b []byte) int {
	if len(b) < 4 || b[0]&(attributeBasic>>8) != 0 {
		return 4
	}
	return 4 + int(binary.BigEndian.Uint16(b[2:]))
}

// cutAttribute takes the attribute at the start of b, which is whole.
func cutAttribute(b []byte) (a Attribute, rest []byte) {
	t, size := binary.BigEndian.Uint16(b), attributeSize(b)
	if t&attributeBasic != 0 {
		return Attribute{t &^ attributeBasic, true, b[2:4:4]}, b[4:]
	}
	return Attribute{t, false, b[4:size:size]}, b[size:]
}

// AppendAttributes appends the attributes to b.
func AppendAttributes(b []byte, as []Attribute) []byte {
	for _, a := range as {
		if a.Basic {
			b = binary.BigEndian.AppendUint16(b, a.Type|attributeBasic)
		} else {
			b = binary.BigEndian.AppendUint16(b, a.Type)
			b = binary.BigEndian.AppendUint16(b, uint16(len(a.Value)))
		}
		b = append(b, a.Value...)
	}
	return b
}
