package diagnosis

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"

	"postern/ike"
	"postern/ike/isakmp"
)

// Numbers of IKEv2 for its one question (RFC 7296, sections 3.1 to 3.4 and 3.10.1).
const (
	v2Version    = 0x20
	v2SAInit     = 34
	v2Initiator  = isakmp.Flags(0x08)
	v2Response   = 0x20
	v2SA         = isakmp.PayloadType(33)
	v2KE         = isakmp.PayloadType(34)
	v2Nonce      = isakmp.PayloadType(40)
	v2Notify     = isakmp.PayloadType(41)
	v2InvalidKE  = 17
	v2Cookie     = 16390
	v2KeyLength  = 0x8000 | 14 // attribute in its short form
	v2AESCBC     = 12
	v2TripleDES  = 3
	v2Encryption = 1
	v2PRF        = 2
	v2Integrity  = 3
	v2Group      = 4
)

// What IKEv2 was answered with.
const (
	v2Yes     = "yes"
	v2Refused = "refused"
	v2Other   = "other"
	v2No      = "no"
)

// askIKEv2 sends one IKE_SA_INIT: HDR, SAi1, KEi, Ni (RFC 7296, section 1.2).
func (a *asker) askIKEv2(ctx context.Context, to ike.Path) (string, error) {
	if a.open >= a.halfOpen {
		return "", errEnough
	}
	ke, err := ike.PublicValue(isakmp.GroupMODP2048)
	if err != nil {
		return "", err
	}
	nonce := make([]byte, 32)
	rand.Read(nonce)
	spi := newCookie()
	msg := message(isakmp.Header{InitiatorCookie: spi, Version: v2Version, Exchange: v2SAInit, Flags: v2Initiator}, []isakmp.Payload{
		{Type: v2SA, Body: v2Offer()},
		{Type: v2KE, Body: append([]byte{0, byte(isakmp.GroupMODP2048), 0, 0}, ke...)},
		{Type: v2Nonce, Body: nonce},
	})
	said := v2No
	answered, err := a.try(ctx, msg, to, 2, a.patience(false), func(octets []byte) (err error) {
		said, err = readIKEv2(octets, spi)
		return err
	})
	if answered && said == v2Yes {
		a.open++
	}
	return said, err
}

// v2Offer is the body of an SA payload with one proposal of what most gateways take.
func v2Offer() []byte {
	var transforms []byte
	left := 0
	add := func(kind byte, id uint16, attributes ...byte) {
		t := []byte{3, 0, 0, byte(8 + len(attributes)), kind, 0, byte(id >> 8), byte(id)}
		transforms = append(append(transforms, t...), attributes...)
		left++
	}
	for _, bits := range []uint16{256, 128} {
		add(v2Encryption, v2AESCBC, v2KeyLength>>8, v2KeyLength&0xff, byte(bits>>8), byte(bits&0xff))
	}
	add(v2Encryption, v2TripleDES)
	for _, prf := range []uint16{7, 5, 2} { // HMAC with SHA-512, SHA-256, SHA-1
		add(v2PRF, prf)
	}
	for _, integrity := range []uint16{14, 12, 2} { // likewise
		add(v2Integrity, integrity)
	}
	for _, g := range []isakmp.Group{isakmp.GroupMODP2048, isakmp.GroupECP256, isakmp.GroupMODP4096, isakmp.GroupMODP3072, isakmp.GroupMODP1536, isakmp.GroupMODP1024} {
		add(v2Group, uint16(g))
	}
	transforms[len(transforms)-8] = 0 // the last one
	length := 8 + len(transforms)
	return append([]byte{0, 0, byte(length >> 8), byte(length), 1, 1, 0, byte(left)}, transforms...)
}

// readIKEv2 reads an answer to IKE_SA_INIT, in either version.
func readIKEv2(octets []byte, spi isakmp.Cookie) (string, error) {
	if h, err := isakmp.ParseHeader(octets); err == nil {
		if h.InitiatorCookie != spi {
			return v2No, errors.New("initiator cookie of another exchange")
		}
		return v2Other, nil // INVALID-MAJOR-VERSION, most likely
	}
	if len(octets) < isakmp.HeaderLen || octets[17]>>4 != 2 || octets[18] != v2SAInit || octets[19]&v2Response == 0 {
		return v2No, errors.New("no IKE_SA_INIT response")
	}
	length := binary.BigEndian.Uint32(octets[24:])
	if isakmp.Cookie(octets[:8]) != spi || length < isakmp.HeaderLen || uint64(length) > uint64(len(octets)) {
		return v2No, errors.New("no answer to ours")
	}
	m, err := isakmp.ParseMessage(isakmp.Header{NextPayload: isakmp.PayloadType(octets[16])}, octets[isakmp.HeaderLen:length])
	if err != nil {
		return v2No, err
	}
	if m.Get(v2SA) != nil {
		return v2Yes, nil
	}
	for _, n := range m.All(v2Notify) {
		if len(n) >= 4 {
			if t := binary.BigEndian.Uint16(n[2:]); t == v2InvalidKE || t == v2Cookie {
				return v2Yes, nil
			}
		}
	}
	return v2Refused, nil
}
