package ike

import (
	"encoding/binary"
	"fmt"
	"time"

	"postern/ike/isakmp"
)

// ESPProposal is what a child SA may be protected with. KeyBits is for AES
// alone. Truncate96 cuts HMAC-SHA2-256 to 96 bits, as was done before RFC 4868;
// it isn't negotiated, both ends have to be told.
type ESPProposal struct {
	Encryption isakmp.ESPTransform
	KeyBits    int
	Integrity  isakmp.AuthAlgorithm // 0 with AES-GCM
	Truncate96 bool
}

// keyLengths is how many octets of KEYMAT each of the two keys takes, encryption
// first (RFC 2409, section 5.5; RFC 4106, section 8.1: key, then 4 of salt).
func (p ESPProposal) keyLengths() (encryption, integrity int, err error) {
	switch p.Encryption {
	case isakmp.ESPNull:
	case isakmp.ESPDES:
		encryption = 8
	case isakmp.ESP3DES:
		encryption = 24
	case isakmp.ESPAES, isakmp.ESPAESGCM16:
		if p.KeyBits != 128 && p.KeyBits != 192 && p.KeyBits != 256 {
			return 0, 0, fmt.Errorf("AES with a key of %d bits", p.KeyBits)
		}
		encryption = p.KeyBits / 8
	default:
		return 0, 0, fmt.Errorf("ESP transform %v isn't supported", p.Encryption)
	}
	if p.Encryption == isakmp.ESPAESGCM16 {
		if p.Integrity != 0 {
			return 0, 0, fmt.Errorf("AES-GCM with %v", p.Integrity)
		}
		return encryption + 4, 0, nil
	}
	switch p.Integrity {
	case isakmp.AuthHMACMD5:
		integrity = 16
	case isakmp.AuthHMACSHA1:
		integrity = 20
	case isakmp.AuthHMACSHA256:
		integrity = 32
	case isakmp.AuthHMACSHA384:
		integrity = 48
	case isakmp.AuthHMACSHA512:
		integrity = 64
	default:
		return 0, 0, fmt.Errorf("ESP integrity %v isn't supported", p.Integrity)
	}
	return encryption, integrity, nil
}

// normal gives AES without a key length the 128 bits that it means.
func (p ESPProposal) normal() ESPProposal {
	if p.Encryption == isakmp.ESPAES && p.KeyBits == 0 {
		p.KeyBits = 128
	}
	p.Truncate96 = false
	return p
}

func (p ESPProposal) transform(number uint8, c *ChildConfig, mode isakmp.Encapsulation) isakmp.Transform {
	var as []isakmp.Attribute
	if c.Lifetime > 0 {
		as = append(as,
			isakmp.TV(isakmp.ESPAttrLifeType, isakmp.LifeSeconds),
			isakmp.Number(isakmp.ESPAttrLifeDuration, uint32(c.Lifetime/time.Second)))
	}
	as = append(as, lifeKilobytes(c.LifeOctets)...)
	if c.Group != 0 {
		as = append(as, isakmp.TV(isakmp.ESPAttrGroup, uint16(c.Group)))
	}
	as = append(as, isakmp.TV(isakmp.ESPAttrEncapsulation, uint16(mode)))
	if p.KeyBits != 0 {
		as = append(as, isakmp.TV(isakmp.ESPAttrKeyLength, uint16(p.KeyBits)))
	}
	if p.Integrity != 0 {
		as = append(as, isakmp.TV(isakmp.ESPAttrAuth, uint16(p.Integrity)))
	}
	return isakmp.Transform{Number: number, ID: uint8(p.Encryption), Attributes: as}
}

// offerESP is the body of the SA payload that begins a Quick Mode.
func offerESP(c *ChildConfig, spi uint32, mode isakmp.Encapsulation) []byte {
	p := isakmp.Proposal{Number: 1, Protocol: isakmp.ProtoESP, SPI: uint32b(spi)}
	for _, o := range c.Proposals {
		p.Transforms = append(p.Transforms, o.transform(uint8(len(p.Transforms)+1), c, mode))
	}
	sa := isakmp.SA{DOI: isakmp.DOIIPsec, Situation: isakmp.SituationIdentityOnly, Proposals: []isakmp.Proposal{p}}
	return sa.Marshal()
}

// espTransform is a transform read.
type espTransform struct {
	ESPProposal
	group  isakmp.Group
	mode   isakmp.Encapsulation
	life   time.Duration
	kbytes uint64
}

// readESP reads the attributes of an ESP transform, in any order (RFC 2407,
// section 4.5).
func readESP(t isakmp.Transform) (r espTransform, err error) {
	r.Encryption = isakmp.ESPTransform(t.ID)
	seen := make(map[uint16]bool)
	var lifeType uint64
	for _, a := range t.Attributes {
		life := a.Type == isakmp.ESPAttrLifeType || a.Type == isakmp.ESPAttrLifeDuration
		if seen[a.Type] && !life {
			return r, fmt.Errorf("attribute %d stands twice", a.Type)
		}
		seen[a.Type] = true
		v, err := a.Uint()
		if err != nil {
			return r, fmt.Errorf("attribute %d: %w", a.Type, err)
		}
		switch a.Type {
		case isakmp.ESPAttrLifeType:
			lifeType = v
		case isakmp.ESPAttrLifeDuration:
			switch lifeType {
			case isakmp.LifeSeconds:
				r.life = seconds(v)
			case isakmp.LifeKilobytes:
				r.kbytes = kilobytes(v)
			}
		case isakmp.ESPAttrGroup:
			r.group = isakmp.Group(v)
		case isakmp.ESPAttrEncapsulation:
			r.mode = isakmp.Encapsulation(v)
		case isakmp.ESPAttrAuth:
			r.Integrity = isakmp.AuthAlgorithm(v)
		case isakmp.ESPAttrKeyLength:
			if v == 0 {
				return r, fmt.Errorf("key length 0")
			}
			r.KeyBits = int(min(v, 1<<16))
		default:
			return r, fmt.Errorf("attribute %d isn't known", a.Type)
		}
	}
	r.ESPProposal = r.normal()
	return r, nil
}

// match is the proposal of c that r is, as c has it.
func (r espTransform) match(c *ChildConfig, mode isakmp.Encapsulation) (ESPProposal, bool) {
	if r.mode != mode || r.group != c.Group {
		return ESPProposal{}, false
	}
	for _, p := range c.Proposals {
		if r.ESPProposal == p.normal() {
			return p, true
		}
	}
	return ESPProposal{}, false
}

// chosenESP reads the responder's choice and holds it against the offer.
func chosenESP(body []byte, c *ChildConfig, mode isakmp.Encapsulation) (espTransform, uint32, error) {
	p, t, err := oneTransform(body, isakmp.ProtoESP)
	if err != nil {
		return espTransform{}, 0, err
	}
	spi, err := espSPI(p.SPI)
	if err != nil {
		return espTransform{}, 0, err
	}
	r, err := readESP(t)
	if err != nil {
		return r, 0, fmt.Errorf("SA payload: the peer's choice: %w", err)
	}
	o, ok := r.match(c, mode)
	if !ok {
		return r, 0, fmt.Errorf("SA payload: the peer chose %v in mode %v with group %d, which wasn't offered", r.ESPProposal, r.mode, r.group)
	}
	r.ESPProposal = o
	return r, spi, nil
}

// chooseESP answers an offer with the first transform of the initiator's that c
// takes, as it stood there, and our SPI.
func chooseESP(body []byte, c *ChildConfig, mode isakmp.Encapsulation, ourSPI uint32) (r espTransform, theirSPI uint32, answer []byte, err error) {
	sa, err := isakmp.ParseSA(body)
	if err != nil {
		return r, 0, nil, err
	}
	for i, p := range sa.Proposals {
		if p.Protocol != isakmp.ProtoESP || bundled(sa.Proposals, i) {
			continue
		}
		if theirSPI, err = espSPI(p.SPI); err != nil {
			continue
		}
		for _, t := range p.Transforms {
			r, err := readESP(t)
			if err != nil {
				continue
			}
			o, ok := r.match(c, mode)
			if !ok {
				continue
			}
			r.ESPProposal = o
			p.SPI, p.Transforms = uint32b(ourSPI), []isakmp.Transform{t}
			reply := isakmp.SA{DOI: sa.DOI, Situation: sa.Situation, Proposals: []isakmp.Proposal{p}}
			return r, theirSPI, reply.Marshal(), nil
		}
	}
	return r, 0, nil, errNoProposal
}

// bundled says whether proposal i shares its number with another: they are then
// offered together, ESP with AH or IPCOMP (RFC 2408, section 4.2).
func bundled(ps []isakmp.Proposal, i int) bool {
	for j := range ps {
		if j != i && ps[j].Number == ps[i].Number {
			return true
		}
	}
	return false
}

// espSPI reads an SPI: four octets, and above the reserved ones (RFC 4303,
// section 2.1).
func espSPI(b []byte) (uint32, error) {
	if len(b) != 4 {
		return 0, fmt.Errorf("SA payload: ESP SPI of %d octets", len(b))
	}
	if v := binary.BigEndian.Uint32(b); v > 255 {
		return v, nil
	}
	return 0, fmt.Errorf("SA payload: ESP SPI %x is reserved", b)
}

func (p ESPProposal) String() string {
	names := map[isakmp.ESPTransform]string{
		isakmp.ESPNull: "null", isakmp.ESPDES: "des", isakmp.ESP3DES: "3des",
		isakmp.ESPAES: "aes", isakmp.ESPAESGCM16: "aes",
	}
	s, ok := names[p.Encryption]
	if !ok {
		s = fmt.Sprintf("esp(%d)", p.Encryption)
	}
	if p.KeyBits != 0 {
		s += fmt.Sprint(p.KeyBits)
	}
	if p.Encryption == isakmp.ESPAESGCM16 {
		return s + "gcm16"
	}
	auths := map[isakmp.AuthAlgorithm]string{
		isakmp.AuthHMACMD5: "md5", isakmp.AuthHMACSHA1: "sha1", isakmp.AuthHMACSHA256: "sha256",
		isakmp.AuthHMACSHA384: "sha384", isakmp.AuthHMACSHA512: "sha512",
	}
	if a, ok := auths[p.Integrity]; ok {
		s += "-" + a
	} else {
		s += fmt.Sprintf("-auth(%d)", p.Integrity)
	}
	if p.Truncate96 {
		s += "_96"
	}
	return s
}
