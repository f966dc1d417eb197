package isakmp

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// SA is the body of a security association payload: what one side offers, or
// the one proposal the other chose. RFC 2408, section 3.4
//
//	octets 0 to 3  DOI
//	octets 4 to 7  situation
//	octets 8…      proposals
type SA struct {
	DOI, Situation uint32
	Proposals      []Proposal
}

// Proposal is a protocol with transforms to choose one of. Proposals of the
// same number belong together: all of them or none. RFC 2408, section 3.5
//
//	octets 0 to 3  generic header; next is 2, or 0 in the last
//	octet  4       proposal number
//	octet  5       protocol ID
//	octet  6       length of the SPI in octets
//	octet  7       number of transforms
//	octets 8…      SPI, transforms
type Proposal struct {
	Number     uint8
	Protocol   ProtocolID
	SPI        []byte // at most 255 octets
	Transforms []Transform
}

// Transform is a way to protect traffic. RFC 2408, section 3.6
//
//	octets 0 to 3  generic header; next is 3, or 0 in the last
//	octet  4       transform number
//	octet  5       transform ID
//	octets 6 to 7  RESERVED2
//	octets 8…      attributes
type Transform struct {
	Number, ID uint8
	Attributes []Attribute
}

// substructureLen is the fixed part of a proposal and of a transform.
const substructureLen = 8

// ParseSA reads the body of an SA payload.
func ParseSA(body []byte) (SA, error) {
	sa, err := parseSA(body)
	if err != nil {
		return SA{}, fmt.Errorf("SA payload: %w", err)
	}
	return sa, nil
}

func parseSA(body []byte) (sa SA, err error) {
	s := cryptobyte.String(body)
	if !s.ReadUint32(&sa.DOI) || !s.ReadUint32(&sa.Situation) {
		return sa, fmt.Errorf("%d octets, 8 needed", len(body))
	}
	if sa.DOI != DOIIPsec && sa.DOI != DOIISAKMP {
		return sa, fmt.Errorf("DOI %d isn't known", sa.DOI)
	}
	if sa.Situation&(SituationSecrecy|SituationIntegrity) != 0 {
		return sa, fmt.Errorf("situation %#x has labels, which aren't known", sa.Situation)
	}
	r := saReader{transforms: MaxTransforms, attributes: MaxAttributes}
	for more := true; more; {
		var p Proposal
		if p, more, err = r.proposal(&s); err != nil {
			return sa, fmt.Errorf("proposal %d: %w", len(sa.Proposals)+1, err)
		}
		sa.Proposals = append(sa.Proposals, p)
	}
	if !s.Empty() {
		return sa, fmt.Errorf("%d octets behind the last proposal", len(s))
	}
	return sa, nil
}

// saReader counts what an SA may still hold.
type saReader struct{ transforms, attributes int }

// proposal reads the proposal at the start of s; more says that another follows.
func (r *saReader) proposal(s *cryptobyte.String) (p Proposal, more bool, err error) {
	more, b, err := cutSubstructure(s, PayloadProposal)
	if err != nil {
		return p, false, err
	}
	var spiLen, transforms uint8
	b.ReadUint8(&p.Number)
	b.ReadUint8((*uint8)(&p.Protocol))
	b.ReadUint8(&spiLen)
	b.ReadUint8(&transforms)
	if !b.ReadBytes(&p.SPI, int(spiLen)) {
		return p, false, fmt.Errorf("SPI of %d octets, but %d left", spiLen, len(b))
	}
	switch {
	case transforms == 0:
		return p, false, errors.New("no transform")
	case int(transforms) > r.transforms:
		return p, false, fmt.Errorf("more than %d transforms in an SA", MaxTransforms)
	}
	r.transforms -= int(transforms)
	p.Transforms = make([]Transform, transforms)
	for i := range p.Transforms {
		last := i == len(p.Transforms)-1
		if p.Transforms[i], err = r.transform(&b, last); err != nil {
			return p, false, fmt.Errorf("transform %d: %w", i+1, err)
		}
	}
	if !b.Empty() {
		return p, false, fmt.Errorf("%d octets behind the last transform", len(b))
	}
	return p, more, nil
}

// transform reads the transform at the start of s.
func (r *saReader) transform(s *cryptobyte.String, last bool) (t Transform, err error) {
	more, b, err := cutSubstructure(s, PayloadTransform)
	if err != nil {
		return t, err
	}
	if more == last {
		return t, errors.New("next payload doesn't fit the number of transforms")
	}
	b.ReadUint8(&t.Number)
	b.ReadUint8(&t.ID)
	b.Skip(2) // RESERVED2
	t.Attributes, err = parseAttributes(b, substructureLen, r.attributes)
	r.attributes -= len(t.Attributes)
	return t, err
}

// cutSubstructure takes a proposal or transform, whose type is t, from s: what
// follows its generic header, at least 4 octets, and whether another follows.
func cutSubstructure(s *cryptobyte.String, t PayloadType) (more bool, b cryptobyte.String, err error) {
	var next uint8
	var length uint16
	left := len(*s)
	if !s.ReadUint8(&next) || !s.Skip(1) || !s.ReadUint16(&length) {
		return false, nil, fmt.Errorf("%d octets left, %d needed", left, substructureLen)
	}
	if next != uint8(t) && next != uint8(PayloadNone) {
		return false, nil, fmt.Errorf("next payload is %s", PayloadType(next))
	}
	if length < substructureLen {
		return false, nil, fmt.Errorf("length %d is below %d", length, substructureLen)
	}
	if !s.ReadBytes((*[]byte)(&b), int(length)-genericLen) {
		return false, nil, fmt.Errorf("length %d, but %d octets left", length, left)
	}
	return next != uint8(PayloadNone), b, nil
}

// Marshal returns the body of the SA payload.
func (sa SA) Marshal() []byte {
	b := binary.BigEndian.AppendUint32(nil, sa.DOI)
	b = binary.BigEndian.AppendUint32(b, sa.Situation)
	for i, p := range sa.Proposals {
		next := PayloadNone
		if i+1 < len(sa.Proposals) {
			next = PayloadProposal
		}
		body := p.marshal()
		b = appendGeneric(b, next, len(body))
		b = append(b, body...)
	}
	return b
}

// marshal returns the proposal without its generic header.
func (p Proposal) marshal() []byte {
	b := []byte{p.Number, byte(p.Protocol), byte(len(p.SPI)), byte(len(p.Transforms))}
	b = append(b, p.SPI...)
	for i, t := range p.Transforms {
		next := PayloadNone
		if i+1 < len(p.Transforms) {
			next = PayloadTransform
		}
		body := AppendAttributes([]byte{t.Number, t.ID, 0, 0}, t.Attributes)
		b = appendGeneric(b, next, len(body))
		b = append(b, body...)
	}
	return b
}
