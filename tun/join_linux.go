package tun

import (
	"bytes"
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"
)

// joiner makes superpackets of packets: of TCP segments and UDP datagrams of one flow
// and of equal size, the last of which may be shorter. Cut again they are what they
// were. No packet overtakes another one of its flow.
type joiner struct {
	groups []group
	next   []int // of each packet: the one behind it in its group
	open   []int // the groups that may get longer
	noUDP  bool  // the kernel takes no superpackets of UDP
}

// group is packets to be written as one.
type group struct {
	shape
	first, last int // packets
	packets     int
	octets      int    // of them as one
	sequence    uint32 // TCP: the next one's
	verified    bool   // the first one's checksum
}

const (
	joinFlows   = 8  // at a time; of more of them fewer packets are joined
	joinPackets = 64 // UDP_MAX_SEGMENTS of older kernels, and enough for TCP
)

// shape is what the headers of a packet say about joining it.
type shape struct {
	ipv6, udp bool
	transport int  // where the header of TCP or UDP begins; 0: there is none
	header    int  // octets of IP and transport header; 0: the packet can't be joined
	last      bool // nothing goes behind it
}

// begin forgets everything, and makes room for packets.
func (j *joiner) begin(packets int) {
	j.groups, j.open = j.groups[:0], j.open[:0]
	j.next = slices.Grow(j.next[:0], packets)[:packets]
}

// add puts the i-th packet behind others of its flow, or in a group of its own.
func (j *joiner) add(packets [][]byte, i int) {
	packet := packets[i]
	s := shapeOf(packet)
	if s.udp && j.noUDP {
		s.header = 0
	}
	if s.transport == 0 {
		j.open = j.open[:0] // it may belong to any flow
	}
	for k, at := range j.open {
		g := &j.groups[at]
		if !sameFlow(packets[g.first], packet, &g.shape, &s) {
			continue
		}
		data := len(packet) - s.header
		if s.header == 0 || !g.takes(packets[g.first], packet, &s) {
			j.open = slices.Delete(j.open, k, k+1)
			break
		}
		j.next[g.last], g.last = i, i
		g.packets++
		g.octets += data
		g.sequence += uint32(data)
		if g.last = i; s.last || len(packet) < len(packets[g.first]) || g.packets == joinPackets {
			g.shape.last = s.last
			j.open = slices.Delete(j.open, k, k+1)
		}
		return
	}
	j.begins(packet, i, s)
}

// begins makes a group of the i-th packet.
func (j *joiner) begins(packet []byte, i int, s shape) {
	g := group{shape: s, first: i, last: i, packets: 1, octets: len(packet)}
	if s.header != 0 && !s.udp {
		g.sequence = binary.BigEndian.Uint32(packet[s.transport+tcpSequence:]) + uint32(len(packet)-s.header)
	}
	j.groups = append(j.groups, g)
	if s.header == 0 || s.last {
		return
	}
	if len(j.open) == joinFlows {
		j.open = slices.Delete(j.open, 0, 1)
	}
	j.open = append(j.open, len(j.groups)-1)
}

// takes reports whether a packet of the same flow can follow the group's.
func (g *group) takes(first, packet []byte, s *shape) bool {
	data := len(packet) - s.header
	if s.header != g.header || len(packet) > len(first) || g.octets+data > maxPacket || !g.sameIP(first, packet) {
		return false
	}
	if !s.udp && !g.sameTCP(first[s.transport:s.header], packet[s.transport:s.header]) {
		return false
	}
	if !g.verified && !g.checksumRight(first) {
		return false
	}
	g.verified = true
	return g.checksumRight(packet)
}

// sameIP compares two IP headers but for length and checksum. The identification has to
// count up unless nobody may read it: "originating sources MAY set the IPv4 ID field of
// atomic datagrams to any value" (RFC 6864, section 4.1).
func (g *group) sameIP(first, packet []byte) bool {
	if g.ipv6 {
		return [4]byte(first) == [4]byte(packet) && first[7] == packet[7] // class and flow label, hop limit
	}
	const dontFragment = 0x40
	id := binary.BigEndian.Uint16(packet[4:]) - binary.BigEndian.Uint16(first[4:])
	return first[1] == packet[1] && [4]byte(first[6:]) == [4]byte(packet[6:]) && // TOS; flags, TTL, protocol
		(first[6]&dontFragment != 0 || id == uint16(g.packets))
}

// sameTCP compares two TCP headers, but for the checksum and PSH, and for the sequence
// number, which has to count up.
func (g *group) sameTCP(first, packet []byte) bool {
	return binary.BigEndian.Uint32(packet[tcpSequence:]) == g.sequence &&
		[5]byte(first[8:]) == [5]byte(packet[8:]) && // acknowledgement, data offset
		[2]byte(first[14:]) == [2]byte(packet[14:]) && // window
		bytes.Equal(first[18:], packet[18:]) // urgent pointer, options
}

// checksumRight verifies a packet's checksums: nobody does when it is part of a
// superpacket.
func (g *group) checksumRight(packet []byte) bool {
	addresses, protocol := packet[12:ipv4HeaderLen], uint64(protoTCP)
	if g.ipv6 {
		addresses = packet[8:ipv6HeaderLen]
	} else if checksum(packet[:ipv4HeaderLen]) != 0 {
		return false
	}
	if g.udp {
		protocol = protoUDP
	}
	return fold(sum(protocol+uint64(len(packet)-g.transport), addresses)+sum(0, packet[g.transport:])) == 0xffff
}

// shapeOf reads the headers of a packet.
func shapeOf(packet []byte) (s shape) {
	var protocol byte
	switch {
	case len(packet) < ipv4HeaderLen:
		return s
	case packet[0] == 4<<4|ipv4HeaderLen/4: // no options
		const fragment = flagMoreFragments | fragmentOffset
		if binary.BigEndian.Uint16(packet[6:])&fragment != 0 || int(binary.BigEndian.Uint16(packet[2:])) != len(packet) {
			return s
		}
		s.transport, protocol = ipv4HeaderLen, packet[9]
	case packet[0]>>4 == 6 && len(packet) >= ipv6HeaderLen:
		if int(binary.BigEndian.Uint16(packet[4:])) != len(packet)-ipv6HeaderLen {
			return s
		}
		s.transport, protocol, s.ipv6 = ipv6HeaderLen, packet[6], true
	}
	h := packet[s.transport:]
	switch {
	case protocol == protoTCP && len(h) >= tcpHeaderLen:
		end := int(h[12]>>4) * 4
		flags := h[tcpFlags]
		s.last = flags&tcpPSH != 0
		if end >= tcpHeaderLen && end < len(h) && flags&^tcpPSH == tcpACK {
			s.header = s.transport + end
		}
	case protocol == protoUDP && len(h) >= udpHeaderLen:
		s.udp = true
		if len(h) > udpHeaderLen && int(binary.BigEndian.Uint16(h[udpLength:])) == len(h) && [2]byte(h[udpChecksum:]) != [2]byte{} {
			s.header = s.transport + udpHeaderLen
		}
	default:
		s.transport = 0
	}
	return s
}

// sameFlow compares protocol, ports and addresses. Both have them.
func sameFlow(a, b []byte, s, t *shape) bool {
	if s.ipv6 != t.ipv6 || s.udp != t.udp || [4]byte(a[s.transport:]) != [4]byte(b[s.transport:]) {
		return false
	}
	if s.ipv6 {
		return [32]byte(a[8:]) == [32]byte(b[8:])
	}
	return [8]byte(a[12:]) == [8]byte(b[12:])
}

// finish makes a superpacket's header of the first packet's, and returns what is to
// stand before it. The kernel computes what is left of the checksum when it cuts.
func (g *group) finish(first []byte) (h vnetHeader) {
	if g.packets == 1 {
		return h
	}
	h.flags = unix.VIRTIO_NET_HDR_F_NEEDS_CSUM
	h.headerLen, h.start = uint16(g.header), uint16(g.transport)
	h.size = uint16(len(first) - g.header)
	protocol, addresses := uint64(protoTCP), first[12:ipv4HeaderLen]
	if g.ipv6 {
		addresses = first[8:ipv6HeaderLen]
		binary.BigEndian.PutUint16(first[4:], uint16(g.octets-ipv6HeaderLen))
	} else {
		binary.BigEndian.PutUint16(first[2:], uint16(g.octets))
		first[10], first[11] = 0, 0
		binary.BigEndian.PutUint16(first[10:], checksum(first[:ipv4HeaderLen]))
	}
	length := g.octets - g.transport
	transport := first[g.transport:g.header]
	switch {
	case g.udp:
		h.gso, h.offset, protocol = unix.VIRTIO_NET_HDR_GSO_UDP_L4, udpChecksum, protoUDP
		binary.BigEndian.PutUint16(transport[udpLength:], uint16(length))
	case g.ipv6:
		h.gso, h.offset = unix.VIRTIO_NET_HDR_GSO_TCPV6, tcpChecksum
	default:
		h.gso, h.offset = unix.VIRTIO_NET_HDR_GSO_TCPV4, tcpChecksum
	}
	if !g.udp && g.shape.last {
		transport[tcpFlags] |= tcpPSH // the kernel leaves it to the last segment
	}
	binary.BigEndian.PutUint16(transport[h.offset:], fold(sum(protocol+uint64(length), addresses)))
	return h
}
