package ike

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/netip"

	"postern/ike/isakmp"
)

// NATTraversal is whether ESP goes in UDP.
type NATTraversal uint8

const (
	NATAuto  NATTraversal = iota // where there is a NAT
	NATForce                     // always: a NAT is made believe
	NATOff                       // never; NAT traversal isn't announced
)

// natVersion is which text of NAT traversal both ends follow; a later one is
// greater.
type natVersion uint8

const (
	natNone natVersion = iota
	natDraft00
	natDraft01
	natDraft02
	natDraft03
	natRFC3947
)

var natVersions = map[natVersion][][]byte{
	natDraft00: {vidNATT00},
	natDraft01: {vidNATT01},
	natDraft02: {vidNATT02n, vidNATT02},
	natDraft03: {vidNATT03},
	natRFC3947: {vidNATT},
}

// payload is the number of the NAT-D payload: 20, and 130 in the drafts.
func (v natVersion) payload() isakmp.PayloadType {
	if v == natRFC3947 {
		return isakmp.PayloadNATD
	}
	return isakmp.PayloadNATDDraft
}

// tunnelMode is the encapsulation mode for ESP in UDP (RFC 3947, section 5.1).
func (v natVersion) tunnelMode() isakmp.Encapsulation {
	if v == natRFC3947 {
		return isakmp.EncapUDPTunnel
	}
	return isakmp.EncapUDPTunnelDraft
}

// floats says whether IKE moves to port 4500 with ESP. The first two drafts
// stay on port 500.
func (v natVersion) floats() bool { return v >= natDraft02 }

// String names the text.
func (v natVersion) String() string {
	switch v {
	case natNone:
		return ""
	case natRFC3947:
		return "RFC 3947"
	}
	return fmt.Sprintf("draft-ietf-ipsec-nat-t-ike-%02d", v-natDraft00)
}

// NAT is what phase 1 found out about the way to the peer.
type NAT struct {
	Supported bool   // both ends know NAT traversal
	Us, Peer  bool   // which end is behind a NAT
	Text      string // the text that both follow: "RFC 3947"

	// NonIKEMarker: ESP in UDP goes between the ports of IKE, which stay what they
	// were, behind eight octets of zero; IKE has no marker
	// (draft-ietf-ipsec-udp-encaps-01, which goes with NAT traversal of drafts 00
	// and 01).
	NonIKEMarker bool

	version natVersion
}

// Encapsulate says whether ESP goes in UDP.
func (n NAT) Encapsulate() bool { return n.Us || n.Peer }

// natHash is HASH(CKY-I | CKY-R | IP | Port) (RFC 3947, section 3.2).
func natHash(h hashFunc, ckyI, ckyR isakmp.Cookie, a netip.AddrPort) []byte {
	return h.sum(ckyI[:], ckyR[:], a.Addr().Unmap().AsSlice(), binary.BigEndian.AppendUint16(nil, a.Port()))
}

// natDiscovery is the NAT-D payloads: first the other end's address and port, as
// we see them, then our own.
func (p *phase1) natDiscovery() []isakmp.Payload {
	v := p.features.natt
	if v == natNone || p.cfg.NATTraversal == NATOff {
		return nil
	}
	path := p.link.path.Load()
	h := hashFuncs[p.chosen.Hash]
	theirs := natHash(h, p.link.ckyI, p.link.ckyR, path.Remote)
	ours := natHash(h, p.link.ckyI, p.link.ckyR, path.Local)
	if p.cfg.NATTraversal == NATForce {
		// Chosen here: a hash that fits no address, so that the peer sees a NAT.
		rand.Read(ours)
	}
	return []isakmp.Payload{{Type: v.payload(), Body: theirs}, {Type: v.payload(), Body: ours}}
}

// natDiscovered compares the peer's NAT-D payloads with what we see. The first
// is of our address; the others are of the peer's, which may have several.
func (p *phase1) natDiscovered(m *isakmp.Message) {
	v := p.features.natt
	if v == natNone || p.cfg.NATTraversal == NATOff {
		return
	}
	hashes := m.All(v.payload())
	if len(hashes) < 2 {
		return
	}
	path := p.link.path.Load()
	h := hashFuncs[p.chosen.Hash]
	p.nat = NAT{Supported: true, Text: v.String(), version: v}
	p.nat.Us = p.cfg.NATTraversal == NATForce ||
		!bytes.Equal(hashes[0], natHash(h, p.link.ckyI, p.link.ckyR, path.Local))
	p.nat.Peer = true
	for _, theirs := range hashes[1:] {
		if bytes.Equal(theirs, natHash(h, p.link.ckyI, p.link.ckyR, path.Remote)) {
			p.nat.Peer = false
		}
	}
	p.nat.NonIKEMarker = p.nat.Encapsulate() && !v.floats() && !path.Marker
}

// float moves to port 4500 and the non-ESP marker where a NAT is in the way
// (RFC 3947, section 4). Not RFC: our own port stays what it was, so that one
// socket serves both; a NAT would change it anyway.
func (p *phase1) float() {
	path := *p.link.path.Load()
	if !p.nat.Encapsulate() || !p.nat.version.floats() || path.Marker {
		return
	}
	path.Remote = netip.AddrPortFrom(path.Remote.Addr(), 4500)
	path.Marker = true
	p.link.path.Store(&path)
}
