package tun

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// vnetHeader is struct virtio_net_hdr, which stands before each packet of a TUN device
// with IFF_VNET_HDR: what the kernel left to be done, or may leave undone. In the
// host's order (Virtual I/O Device 1.3, section 5.1.6):
//
//	0: flags   1: GSO type   2: header length (2)   4: GSO size (2)
//	6: checksum start (2)   8: checksum offset (2)
//
// A packet with a GSO type is a superpacket: segments of GSO size octets, the last of
// which may be shorter, behind one header.
type vnetHeader struct {
	flags, gso    uint8
	headerLen     uint16 // of IP and transport; the kernel's may be larger
	size          uint16 // of each segment's data
	start, offset uint16 // the checksum covers what is behind start, and lies at start+offset
}

const vnetHeaderLen = 10

func (h *vnetHeader) decode(b []byte) {
	h.flags, h.gso = b[0], b[1]
	h.headerLen = binary.NativeEndian.Uint16(b[2:])
	h.size = binary.NativeEndian.Uint16(b[4:])
	h.start = binary.NativeEndian.Uint16(b[6:])
	h.offset = binary.NativeEndian.Uint16(b[8:])
}

func (h *vnetHeader) encode(b []byte) {
	b[0], b[1] = h.flags, h.gso
	binary.NativeEndian.PutUint16(b[2:], h.headerLen)
	binary.NativeEndian.PutUint16(b[4:], h.size)
	binary.NativeEndian.PutUint16(b[6:], h.start)
	binary.NativeEndian.PutUint16(b[8:], h.offset)
}

// superpacket is a packet with the header that stood before it, on its way to become
// packets. What differs from segment to segment of its headers is 0 in them: lengths and
// checksums; the identification of IPv4; the sequence number and the flags of TCP.
type superpacket struct {
	vnetHeader
	header []byte // of IP and transport
	data   []byte // that hasn't been cut off yet
	ipv6   bool
	cut    int // segments, so far

	id       uint16 // of the first segment,
	sequence uint32 // and so is this
	control  byte   // TCP's flags

	ipSum, sum uint64 // of what the checksums of IPv4 and of the transport cover in each segment
}

// The parts of a TCP and a UDP header.
const (
	tcpSequence = 4
	tcpFlags    = 13
	tcpChecksum = 16
	tcpFIN      = 0x01
	tcpPSH      = 0x08
	tcpCWR      = 0x80

	udpLength   = 4
	udpChecksum = 6
)

// set begins with a packet and its header, which nobody trusts. A packet with no GSO
// type becomes one segment.
func (s *superpacket) set(h vnetHeader, packet []byte) error {
	*s = superpacket{vnetHeader: h}
	if h.gso == unix.VIRTIO_NET_HDR_GSO_NONE {
		return s.setWhole(packet)
	}
	if len(packet) < ipv4HeaderLen || h.size == 0 {
		return errPacket
	}
	transport, protocol := 0, uint64(protoTCP)
	switch packet[0] >> 4 {
	case 4:
		transport = int(packet[0]&15) * 4
	case 6:
		if s.ipv6 = true; len(packet) < ipv6HeaderLen {
			return errPacket
		}
		transport = int(h.start) // there may be extension headers
	}
	if int(h.start) != transport || transport < ipv4HeaderLen || s.ipv6 && transport < ipv6HeaderLen {
		return errPacket
	}
	end := transport
	switch h.gso {
	case unix.VIRTIO_NET_HDR_GSO_TCPV4, unix.VIRTIO_NET_HDR_GSO_TCPV6:
		if h.offset != tcpChecksum || len(packet) < transport+tcpHeaderLen {
			return errPacket
		}
		if end += int(packet[transport+12]>>4) * 4; end < transport+tcpHeaderLen {
			return errPacket
		}
	case unix.VIRTIO_NET_HDR_GSO_UDP_L4:
		protocol = protoUDP
		if end += udpHeaderLen; h.offset != udpChecksum {
			return errPacket
		}
	default:
		return errPacket
	}
	if len(packet) <= end {
		return errPacket
	}
	s.header, s.data = packet[:end], packet[end:]
	s.blank(protocol)
	return nil
}

// blank takes what differs by segment out of the headers, and sums up what doesn't.
func (s *superpacket) blank(protocol uint64) {
	ip, transport := s.header[:s.start], s.header[s.start:]
	if s.ipv6 {
		clear(ip[4:6])
		s.sum = sum(protocol, ip[8:ipv6HeaderLen])
	} else {
		s.id = binary.BigEndian.Uint16(ip[4:])
		clear(ip[2:6])
		clear(ip[10:12])
		s.ipSum = sum(0, ip)
		s.sum = sum(protocol, ip[12:ipv4HeaderLen])
	}
	if protocol == protoUDP {
		clear(transport[udpLength:udpHeaderLen])
	} else {
		s.sequence = binary.BigEndian.Uint32(transport[tcpSequence:])
		s.control = transport[tcpFlags]
		clear(transport[tcpSequence:][:4])
		transport[tcpFlags] = 0
		clear(transport[tcpChecksum:][:2])
	}
	s.sum = sum(s.sum, transport)
}

// setWhole takes a packet that isn't cut, and finishes its checksum.
func (s *superpacket) setWhole(packet []byte) error {
	s.data, s.size = packet, 0
	if s.flags&unix.VIRTIO_NET_HDR_F_NEEDS_CSUM == 0 {
		return nil
	}
	at := int(s.start) + int(s.offset)
	if int(s.start) > len(packet) || at+2 > len(packet) {
		return errPacket
	}
	// The kernel has put the sum of the pseudo header where the checksum goes.
	c := checksum(packet[s.start:])
	if c == 0 {
		c = 0xffff // 0 would be none at all to UDP, and is the same to TCP
	}
	binary.BigEndian.PutUint16(packet[at:], c)
	return nil
}

// next writes the next segment to b, and returns its length; 0: there is none. It
// fails when b has no room for it.
func (s *superpacket) next(b []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, nil
	}
	size := len(s.data)
	if s.size != 0 {
		size = min(size, int(s.size))
	}
	data, n := s.data[:size], len(s.header)+size
	if s.data = s.data[size:]; n > len(b) {
		s.data = nil
		return 0, errPacket
	}
	if s.size == 0 {
		return copy(b, data), nil
	}
	b = b[:n]
	s.finish(b, sumCopy(b[copy(b, s.header):], data))
	s.cut++
	return n, nil
}

// finish fills in what differs by segment. dataSum is the sum of what follows the headers.
func (s *superpacket) finish(segment []byte, dataSum uint64) {
	ip, transport := segment[:s.start], segment[s.start:len(s.header)]
	if s.ipv6 {
		binary.BigEndian.PutUint16(ip[4:], uint16(len(segment)-ipv6HeaderLen))
	} else {
		length, id := uint16(len(segment)), s.id+uint16(s.cut)
		binary.BigEndian.PutUint16(ip[2:], length)
		binary.BigEndian.PutUint16(ip[4:], id)
		binary.BigEndian.PutUint16(ip[10:], ^fold(s.ipSum+uint64(length)+uint64(id)))
	}
	length := uint64(len(segment) - int(s.start))
	total := s.sum + length + dataSum // the length in the pseudo header
	if s.gso == unix.VIRTIO_NET_HDR_GSO_UDP_L4 {
		binary.BigEndian.PutUint16(transport[udpLength:], uint16(length))
		total += length
	} else {
		sequence, control := s.sequence+uint32(s.cut)*uint32(s.size), s.control
		if len(s.data) > 0 { // not the last one
			control &^= tcpFIN | tcpPSH
		}
		if s.cut > 0 {
			control &^= tcpCWR // RFC 3168, section 6.1.2: once
		}
		binary.BigEndian.PutUint32(transport[tcpSequence:], sequence)
		transport[tcpFlags] = control
		total += uint64(sequence) + uint64(control)
	}
	c := ^fold(total)
	if c == 0 {
		c = 0xffff
	}
	binary.BigEndian.PutUint16(transport[s.offset:], c)
}
