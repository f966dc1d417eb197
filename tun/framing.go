package tun

import "bytes"

// Framing says how a socket's datagrams are told apart.
type Framing uint8

const (
	// ByRemotePort is a client's: what comes from port 500 is plain IKE, or ESP
	// behind the non-IKE marker; all else is framed by RFC 3948.
	ByRemotePort Framing = iota
	// PlainIKE is a gateway's port 500: IKE without marker, or ESP behind the
	// non-IKE marker.
	PlainIKE
	// Encapsulated is a gateway's port 4500, or a port of its own choice: all is
	// framed by RFC 3948.
	Encapsulated
)

// ikePort is where IKE carries no marker (RFC 2408, section 2.5.1).
const ikePort = 500

// marker reports whether IKE from that port carries the non-ESP marker.
func (f Framing) marker(remotePort uint16) bool {
	switch f {
	case PlainIKE:
		return false
	case Encapsulated:
		return true
	default:
		return remotePort != ikePort
	}
}

// kind is what a datagram holds.
type kind uint8

const (
	kindShort     kind = iota // too little to be any of the others
	kindIKE                   // an ISAKMP message, the marker taken off
	kindESP                   // an ESP packet
	kindKeepalive             // nothing
)

// nonESPMarker stands where ESP has its SPI, which is never 0 (RFC 3948, section 2.2).
var nonESPMarker = []byte{0, 0, 0, 0}

// nonIKEMarker stands before ESP on a port where IKE has no marker: where IKE has
// its initiator cookie, which is never 0 (draft-ietf-ipsec-udp-encaps-01, section 2).
var nonIKEMarker = []byte{0, 0, 0, 0, 0, 0, 0, 0}

// keepalive is a datagram of one octet that keeps a NAT's mapping alive. "The
// receiver SHOULD ignore a received NAT-keepalive packet" (RFC 3948, section 2.3).
var keepalive = []byte{0xff}

const espHeaderLen = 8 // SPI, sequence number

// classify tells what a datagram is, and returns what IKE or ESP gets of it.
// Keepalives come to port 500 too: there was traffic on it before the float.
func classify(b []byte, marker bool) (kind, []byte) {
	switch {
	case bytes.Equal(b, keepalive):
		return kindKeepalive, nil
	case len(b) < espHeaderLen:
		return kindShort, nil
	case !marker && bytes.HasPrefix(b, nonIKEMarker):
		if b = b[len(nonIKEMarker):]; len(b) < espHeaderLen || bytes.HasPrefix(b, nonESPMarker) {
			return kindShort, nil
		}
		return kindESP, b
	case !marker:
		return kindIKE, b
	case bytes.HasPrefix(b, nonESPMarker):
		return kindIKE, b[len(nonESPMarker):]
	default:
		return kindESP, b
	}
}
