package tun

import (
	"encoding/binary"
	"net/netip"
)

const (
	icmpUnreachable         = 3 // RFC 792
	icmpFragmentationNeeded = 4
	icmpv6PacketTooBig      = 2 // RFC 4443, section 3.2
	icmpHeaderLen           = 8

	icmpv4Quote  = 548  // octets of the refused packet: the whole message has at most 576 (RFC 1812, section 4.3.2.3)
	icmpv6Length = 1280 // "as much of invoking packet as possible without … exceeding the minimum IPv6 MTU"
)

// refuseTooBig tells the sender of a packet that is larger than the MTU, in the
// name of its destination, how large one may be. The system's path MTU discovery
// does the rest. An ICMP error is never answered with another.
func (t *Tunnel) refuseTooBig(packet []byte, h *header, mtu int) {
	if isICMPError(packet, h) {
		return
	}
	out := &t.outbound
	out.notice = append(out.notice[:0], make([]byte, deviceOffset)...)
	if h.dst.Is6() {
		out.notice = appendTooBigIPv6(out.notice, packet, h, mtu)
	} else {
		out.notice = appendTooBigIPv4(out.notice, packet, h, mtu)
	}
	if _, err := t.dev.Write([][]byte{out.notice}, deviceOffset); err != nil {
		t.inbound.traffic.drop(deviceRefused, 1)
	}
}

// appendTooBigIPv4 appends Destination Unreachable, code 4 (RFC 1191, section 4):
//
//	0: type 3   1: code 4   2: checksum (2)   4: unused (2)   6: next-hop MTU (2)
//	8: the beginning of the refused packet
func appendTooBigIPv4(b, packet []byte, h *header, mtu int) []byte {
	quote := packet[:min(len(packet), icmpv4Quote)]
	begin := len(b)
	b = append(b, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(ipv4HeaderLen+icmpHeaderLen+len(quote)))
	b = append(b, 0, 0, 0, 0, 64, protoICMP, 0, 0)
	b = append(b, h.dst.AsSlice()...)
	b = append(b, h.src.AsSlice()...)
	ip := b[begin:]
	binary.BigEndian.PutUint16(ip[10:], checksum(ip))

	b = append(b, icmpUnreachable, icmpFragmentationNeeded, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(mtu))
	b = append(b, quote...)
	icmp := b[begin+ipv4HeaderLen:]
	binary.BigEndian.PutUint16(icmp[2:], checksum(icmp))
	return b
}

// appendTooBigIPv6 appends Packet Too Big (RFC 4443, section 3.2):
//
//	0: type 2   1: code 0   2: checksum (2)   4: MTU (4)
//	8: the beginning of the refused packet
func appendTooBigIPv6(b, packet []byte, h *header, mtu int) []byte {
	quote := packet[:min(len(packet), icmpv6Length-ipv6HeaderLen-icmpHeaderLen)]
	size := icmpHeaderLen + len(quote)
	begin := len(b)
	b = append(b, 0x60, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(size))
	b = append(b, protoICMPv6, 64)
	b = append(b, h.dst.AsSlice()...)
	b = append(b, h.src.AsSlice()...)

	b = append(b, icmpv6PacketTooBig, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(mtu))
	b = append(b, quote...)
	icmp := b[begin+ipv6HeaderLen:]
	binary.BigEndian.PutUint16(icmp[2:], ^fold(pseudoHeader(h.dst, h.src, protoICMPv6, size)+sum(0, icmp)))
	return b
}

// pseudoHeader is the sum of what a transport checksum covers of the IP header
// (RFC 8200, section 8.1).
func pseudoHeader(src, dst netip.Addr, protocol uint8, size int) uint64 {
	return sum(sum(uint64(protocol)+uint64(size), src.AsSlice()), dst.AsSlice())
}

// isICMPError reports whether a packet is an ICMP message about another packet.
func isICMPError(packet []byte, h *header) bool {
	if h.transport == 0 || h.transport >= len(packet) {
		return h.protocol == protoICMP || h.protocol == protoICMPv6
	}
	kind := packet[h.transport]
	switch h.protocol {
	case protoICMP: // RFC 1122, section 3.2.2
		return kind == 3 || kind == 4 || kind == 5 || kind == 11 || kind == 12
	case protoICMPv6:
		return kind < 128
	}
	return false
}
