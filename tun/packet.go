package tun

import (
	"encoding/binary"
	"net/netip"
)

// Protocol numbers the data plane looks at (IANA, Assigned Internet Protocol Numbers).
const (
	protoHopByHop    = 0
	protoICMP        = 1
	protoTCP         = 6
	protoUDP         = 17
	protoDCCP        = 33
	protoRouting     = 43
	protoFragment    = 44
	protoICMPv6      = 58
	protoDestination = 60
	protoSCTP        = 132
	protoUDPLite     = 136
)

const (
	ipv4HeaderLen = 20 // without options
	ipv6HeaderLen = 40
)

// header is what the data plane reads from an inner packet's headers.
type header struct {
	src, dst         netip.Addr
	protocol         uint8  // the transport's, behind any IPv6 extension headers
	srcPort, dstPort uint16 // 0 where there are none, and in later fragments
	transport        int    // where the transport header begins; 0: not in this packet
	length           int    // of the packet, by its IP header, in octets
	dontFragment     bool   // IPv6, or IPv4 with DF
}

// sameFlow reports whether selectors see no difference.
func (h *header) sameFlow(g *header) bool {
	return h.srcPort == g.srcPort && h.dstPort == g.dstPort && h.protocol == g.protocol && h.src == g.src && h.dst == g.dst
}

// parse reads the headers of an IP packet. Octets behind the packet's own length
// are allowed. false: b is no whole IP packet.
func parse(b []byte) (h header, ok bool) {
	if len(b) == 0 {
		return h, false
	}
	switch b[0] >> 4 {
	case 4:
		ok = h.parseIPv4(b)
	case 6:
		ok = h.parseIPv6(b)
	}
	if ok && h.transport > 0 {
		h.parsePorts(b[:h.length])
	}
	return h, ok
}

// parseIPv4 reads RFC 791's header:
//
//	0: version, header length in words   1: TOS        2: total length (2)
//	4: identification (2)                6: flags, fragment offset (2)
//	8: TTL   9: protocol   10: checksum (2)   12: source (4)   16: destination (4)
func (h *header) parseIPv4(b []byte) bool {
	if len(b) < ipv4HeaderLen {
		return false
	}
	headerLen := int(b[0]&15) * 4
	h.length = int(binary.BigEndian.Uint16(b[2:]))
	if headerLen < ipv4HeaderLen || h.length < headerLen || h.length > len(b) {
		return false
	}
	h.src = netip.AddrFrom4([4]byte(b[12:16]))
	h.dst = netip.AddrFrom4([4]byte(b[16:20]))
	h.protocol = b[9]
	flags := binary.BigEndian.Uint16(b[6:])
	h.dontFragment = flags&0x4000 != 0
	if flags&0x1fff == 0 { // the first fragment, or the only one
		h.transport = headerLen
	}
	return true
}

// parseIPv6 reads RFC 8200's header and extension headers:
//
//	0: version, class, flow label (4)   4: payload length (2)   6: next header
//	7: hop limit   8: source (16)   24: destination (16)
func (h *header) parseIPv6(b []byte) bool {
	if len(b) < ipv6HeaderLen {
		return false
	}
	h.length = ipv6HeaderLen + int(binary.BigEndian.Uint16(b[4:]))
	if h.length > len(b) {
		return false
	}
	h.src = netip.AddrFrom16([16]byte(b[8:24]))
	h.dst = netip.AddrFrom16([16]byte(b[24:40]))
	h.dontFragment = true
	return h.skipExtensions(b[:h.length], b[6])
}

// skipExtensions finds the transport header. Each extension header begins with
// the next one's number and its own length in units of 8 octets, the first 8 not
// counted; a fragment header has 8 (RFC 8200, section 4).
func (h *header) skipExtensions(b []byte, next uint8) bool {
	at, later := ipv6HeaderLen, false
	for {
		switch next {
		case protoHopByHop, protoRouting, protoDestination, protoFragment:
		default:
			h.protocol = next
			if !later {
				h.transport = at
			}
			return true
		}
		if later { // what follows a later fragment's header is data
			h.protocol = next
			return true
		}
		if at+8 > len(b) {
			return false
		}
		size := 8
		if next == protoFragment {
			later = binary.BigEndian.Uint16(b[at+2:])&^7 != 0
		} else {
			size += int(b[at+1]) * 8
		}
		next = b[at]
		at += size
		if at > len(b) {
			return false
		}
	}
}

// parsePorts reads the ports of transports that begin with them.
func (h *header) parsePorts(b []byte) {
	switch h.protocol {
	case protoTCP, protoUDP, protoDCCP, protoSCTP, protoUDPLite:
		if len(b) >= h.transport+4 {
			h.srcPort = binary.BigEndian.Uint16(b[h.transport:])
			h.dstPort = binary.BigEndian.Uint16(b[h.transport+2:])
		}
	}
}
