package ike

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"postern/ike/isakmp"
)

// Proposal is what a phase 1 may be protected with. KeyBits is for AES alone.
type Proposal struct {
	Cipher  isakmp.Cipher
	KeyBits int
	Hash    isakmp.Hash
	Group   isakmp.Group
}

// normal gives AES without a key length the 128 bits that it means.
func (p Proposal) normal() Proposal {
	if p.Cipher == isakmp.CipherAES && p.KeyBits == 0 {
		p.KeyBits = 128
	}
	return p
}

// supported says why a proposal can't be used, before it is offered.
func (p Proposal) supported() error {
	if _, _, err := findCipher(p.Cipher, p.KeyBits); err != nil {
		return err
	}
	if _, err := findHash(p.Hash); err != nil {
		return err
	}
	_, err := findGroup(p.Group)
	return err
}

// transform writes the proposal in the order that every peer takes: the cipher
// first and its key length behind it, which some insist on.
func (p Proposal) transform(number uint8, method isakmp.AuthMethod, life time.Duration) isakmp.Transform {
	as := []isakmp.Attribute{isakmp.TV(isakmp.AttrEncryption, uint16(p.Cipher))}
	if p.KeyBits != 0 {
		as = append(as, isakmp.TV(isakmp.AttrKeyLength, uint16(p.KeyBits)))
	}
	as = append(as,
		isakmp.TV(isakmp.AttrHash, uint16(p.Hash)),
		isakmp.TV(isakmp.AttrGroup, uint16(p.Group)),
		isakmp.TV(isakmp.AttrAuthMethod, uint16(method)),
	)
	if life > 0 {
		as = append(as,
			isakmp.TV(isakmp.AttrLifeType, isakmp.LifeSeconds),
			isakmp.Number(isakmp.AttrLifeDuration, uint32(life/time.Second)))
	}
	return isakmp.Transform{Number: number, ID: isakmp.KeyIKE, Attributes: as}
}

// phase1Transform is a transform read.
type phase1Transform struct {
	Proposal
	method isakmp.AuthMethod
	life   time.Duration // 0: none stated
}

// readPhase1 reads the attributes of a phase 1 transform, in any order. An
// attribute that would change what the others mean is an error; life times in
// kilobytes are nothing to a phase 1.
func readPhase1(t isakmp.Transform) (r phase1Transform, err error) {
	if t.ID != isakmp.KeyIKE {
		return r, fmt.Errorf("transform %d isn't KEY_IKE", t.ID)
	}
	seen := make(map[uint16]bool)
	var lifeType uint64
	for _, a := range t.Attributes {
		life := a.Type == isakmp.AttrLifeType || a.Type == isakmp.AttrLifeDuration
		if seen[a.Type] && !life {
			return r, fmt.Errorf("attribute %d stands twice", a.Type)
		}
		seen[a.Type] = true
		v, err := a.Uint()
		if err != nil {
			return r, fmt.Errorf("attribute %d: %w", a.Type, err)
		}
		switch a.Type {
		case isakmp.AttrEncryption:
			r.Cipher = isakmp.Cipher(v)
		case isakmp.AttrKeyLength:
			r.KeyBits = int(min(v, 1<<16))
			if v == 0 {
				return r, errors.New("key length 0")
			}
		case isakmp.AttrHash:
			r.Hash = isakmp.Hash(v)
		case isakmp.AttrGroup:
			r.Group = isakmp.Group(v)
		case isakmp.AttrAuthMethod:
			r.method = isakmp.AuthMethod(v)
		case isakmp.AttrLifeType:
			lifeType = v
		case isakmp.AttrLifeDuration:
			if lifeType == isakmp.LifeSeconds {
				r.life = seconds(v)
			}
		default:
			return r, fmt.Errorf("attribute %d isn't known", a.Type)
		}
	}
	r.Proposal = r.normal()
	return r, nil
}

// lifetimeNotice is the RESPONDER-LIFETIME payload that tells an initiator of a
// shorter life than it offered, in time and octets; 0 is none (RFC 2407, section
// 4.6.3.1).
func lifetimeNotice(protocol isakmp.ProtocolID, spi []byte, life time.Duration, octets uint64) isakmp.Payload {
	var as []isakmp.Attribute
	if life > 0 {
		as = append(as,
			isakmp.TV(isakmp.ESPAttrLifeType, isakmp.LifeSeconds),
			isakmp.Number(isakmp.ESPAttrLifeDuration, uint32(life/time.Second)))
	}
	n := isakmp.Notify{
		DOI: isakmp.DOIIPsec, Protocol: protocol, SPI: spi, Type: isakmp.NotifyResponderLifetime,
		Data: isakmp.AppendAttributes(nil, append(as, lifeKilobytes(octets)...)),
	}
	return isakmp.Payload{Type: isakmp.PayloadNotify, Body: n.Marshal()}
}

// lifeKilobytes are the attributes of an ESP SA's life in octets; 0: none.
func lifeKilobytes(octets uint64) []isakmp.Attribute {
	if octets < 1024 {
		return nil
	}
	return []isakmp.Attribute{
		isakmp.TV(isakmp.ESPAttrLifeType, isakmp.LifeKilobytes),
		isakmp.Number(isakmp.ESPAttrLifeDuration, uint32(min(octets/1024, 1<<32-1))),
	}
}

// seconds is a life time, cut to ten years.
func seconds(v uint64) time.Duration {
	return time.Duration(min(v, 10*365*24*3600)) * time.Second
}

// kilobytes is a life time in kilobytes, cut to what is never reached.
func kilobytes(v uint64) uint64 { return min(v, 1<<50) }

// ResponderLifetime reads what a responder says of its life times (RFC 2407,
// section 4.6.3.1). Some send broken ones: what can't be read is 0, for none.
func ResponderLifetime(n isakmp.Notify) (life time.Duration, kbytes uint64) {
	as, err := isakmp.ParseAttributes(n.Data)
	if err != nil {
		return 0, 0
	}
	// The RFC's numbers are those of the IPsec DOI; of phase 1 some send phase 1's.
	typeNumber, durationNumber := uint16(isakmp.ESPAttrLifeType), uint16(isakmp.ESPAttrLifeDuration)
	if n.Protocol == isakmp.ProtoISAKMP && len(as) > 0 && as[0].Type == isakmp.AttrLifeType {
		typeNumber, durationNumber = isakmp.AttrLifeType, isakmp.AttrLifeDuration
	}
	var lifeType uint64
	for _, a := range as {
		v, err := a.Uint()
		switch {
		case err != nil:
		case a.Type == typeNumber:
			lifeType = v
		case a.Type == durationNumber && lifeType == isakmp.LifeSeconds:
			life = seconds(v)
		case a.Type == durationNumber && lifeType == isakmp.LifeKilobytes:
			kbytes = kilobytes(v)
		}
	}
	return life, kbytes
}

// shorter is the shorter of two life times of which 0 means none.
func shorter[T time.Duration | uint64](a, b T) T {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// offerPhase1 is the SA payload's body that offers every proposal with every
// method, strongest (first) first.
func offerPhase1(proposals []Proposal, methods []isakmp.AuthMethod, life time.Duration) []byte {
	p := isakmp.Proposal{Number: 1, Protocol: isakmp.ProtoISAKMP}
	for _, m := range methods {
		for _, o := range proposals {
			p.Transforms = append(p.Transforms, o.transform(uint8(len(p.Transforms)+1), m, life))
		}
	}
	sa := isakmp.SA{DOI: isakmp.DOIIPsec, Situation: isakmp.SituationIdentityOnly, Proposals: []isakmp.Proposal{p}}
	return sa.Marshal()
}

// oneTransform is the only transform of an SA payload that answers an offer:
// "The responder MUST return a single proposal" with a single transform (RFC
// 2408, section 4.2; RFC 2409, section 5).
func oneTransform(body []byte, protocol isakmp.ProtocolID) (isakmp.Proposal, isakmp.Transform, error) {
	sa, err := isakmp.ParseSA(body)
	if err != nil {
		return isakmp.Proposal{}, isakmp.Transform{}, err
	}
	if len(sa.Proposals) != 1 || len(sa.Proposals[0].Transforms) != 1 {
		return isakmp.Proposal{}, isakmp.Transform{}, errors.New("SA payload: the answer chooses more or less than one transform")
	}
	p := sa.Proposals[0]
	if sa.DOI != isakmp.DOIIPsec || p.Protocol != protocol {
		return p, isakmp.Transform{}, fmt.Errorf("SA payload: the answer is for DOI %d, protocol %v", sa.DOI, p.Protocol)
	}
	return p, p.Transforms[0], nil
}

// chosenPhase1 reads the responder's choice and holds it against what was
// offered, attribute by attribute, life times excepted.
func chosenPhase1(body []byte, proposals []Proposal, methods []isakmp.AuthMethod) (phase1Transform, error) {
	_, t, err := oneTransform(body, isakmp.ProtoISAKMP)
	if err != nil {
		return phase1Transform{}, err
	}
	r, err := readPhase1(t)
	if err != nil {
		return r, fmt.Errorf("SA payload: the peer's choice: %w", err)
	}
	if !accepts(r, proposals, methods) {
		return r, fmt.Errorf("SA payload: the peer chose %v with %v, which wasn't offered", r.Proposal, r.method)
	}
	return r, nil
}

func accepts(r phase1Transform, proposals []Proposal, methods []isakmp.AuthMethod) bool {
	for _, m := range methods {
		for _, p := range proposals {
			if r.Proposal == p.normal() && r.method == m {
				return true
			}
		}
	}
	return false
}

// choosePhase1 answers an offer: the first transform of the initiator's that we
// take, as it stood there. Life times never refuse an offer.
func choosePhase1(saiB []byte, proposals []Proposal, methods []isakmp.AuthMethod) (phase1Transform, []byte, error) {
	sa, err := isakmp.ParseSA(saiB)
	if err != nil {
		return phase1Transform{}, nil, err
	}
	for _, p := range sa.Proposals {
		if p.Protocol != isakmp.ProtoISAKMP {
			continue
		}
		for _, t := range p.Transforms {
			r, err := readPhase1(t)
			if err != nil || !accepts(r, proposals, methods) {
				continue
			}
			p.Transforms = []isakmp.Transform{t}
			answer := isakmp.SA{DOI: sa.DOI, Situation: sa.Situation, Proposals: []isakmp.Proposal{p}}
			return r, answer.Marshal(), nil
		}
	}
	return phase1Transform{}, nil, errNoProposal
}

var errNoProposal = errors.New("no proposal of the peer's is acceptable")

func (p Proposal) String() string {
	var b bytes.Buffer
	switch p.Cipher {
	case isakmp.CipherDES:
		b.WriteString("des")
	case isakmp.Cipher3DES:
		b.WriteString("3des")
	case isakmp.CipherAES:
		fmt.Fprintf(&b, "aes%d", p.normal().KeyBits)
	default:
		fmt.Fprintf(&b, "cipher(%d)", p.Cipher)
	}
	hashes := map[isakmp.Hash]string{
		isakmp.HashMD5: "md5", isakmp.HashSHA1: "sha1", isakmp.HashSHA256: "sha256",
		isakmp.HashSHA384: "sha384", isakmp.HashSHA512: "sha512",
	}
	if s, ok := hashes[p.Hash]; ok {
		b.WriteString("-" + s)
	} else {
		fmt.Fprintf(&b, "-hash(%d)", p.Hash)
	}
	return b.String() + "-" + groupName(p.Group)
}

// groupName is a group in the spelling of profiles.
func groupName(g isakmp.Group) string {
	switch d := dhGroups[g].(type) {
	case *modp:
		return fmt.Sprintf("modp%d", d.bits)
	case ecp:
		if g == isakmp.GroupCurve25519 {
			return "curve25519"
		}
		return fmt.Sprintf("ecp%d", map[int]int{64: 256, 96: 384, 132: 521}[d.octets])
	}
	return fmt.Sprintf("group%d", g)
}
