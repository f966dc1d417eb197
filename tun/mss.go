package tun

import (
	"encoding/binary"
	"math/bits"
)

const (
	tcpHeaderLen = 20 // without options
	tcpSYN       = 0x02
	tcpRST       = 0x04
	tcpACK       = 0x10

	tcpOptionEnd = 0
	tcpOptionNOP = 1
	tcpOptionMSS = 2
)

// clampMSS lowers the maximum segment size that a TCP SYN announces to what fits
// the MTU: MTU - 40 with IPv4, MTU - 60 with IPv6 (RFC 9293, section 3.7.1). A
// SYN without the option is left alone: the peer then sends 536 octets (1220
// with IPv6) or less. mtu 0: nothing is changed.
//
// Not RFC: a packet's inside is changed on the way. Gateways and hosts that lose
// "fragmentation needed" need it.
func clampMSS(packet []byte, h *header, mtu int) {
	if mtu <= 0 || h.protocol != protoTCP || h.transport == 0 {
		return
	}
	tcp := packet[h.transport:]
	if len(tcp) < tcpHeaderLen || tcp[13]&tcpSYN == 0 {
		return
	}
	at := findMSS(tcp)
	if at == 0 {
		return
	}
	limit := mtu - tcpHeaderLen - ipv4HeaderLen
	if h.dst.Is6() {
		limit = mtu - tcpHeaderLen - ipv6HeaderLen
	}
	old := binary.BigEndian.Uint16(tcp[at:])
	if limit <= 0 || int(old) <= limit {
		return
	}
	binary.BigEndian.PutUint16(tcp[at:], uint16(limit))
	from, to := old, uint16(limit)
	if at%2 != 0 { // the value lies across two words of the checksum
		from, to = bits.ReverseBytes16(from), bits.ReverseBytes16(to)
	}
	binary.BigEndian.PutUint16(tcp[16:], updateChecksum(binary.BigEndian.Uint16(tcp[16:]), from, to))
}

// findMSS returns where the value of the option lies: kind 2, length 4, value of
// 2 octets (RFC 9293, section 3.2). 0: there is none.
func findMSS(tcp []byte) int {
	end := int(tcp[12]>>4) * 4
	if end > len(tcp) {
		return 0
	}
	for at := tcpHeaderLen; at < end; {
		switch tcp[at] {
		case tcpOptionEnd:
			return 0
		case tcpOptionNOP:
			at++
			continue
		}
		if at+2 > end {
			return 0
		}
		size := int(tcp[at+1])
		if size < 2 || at+size > end {
			return 0
		}
		if tcp[at] == tcpOptionMSS && size == 4 {
			return at + 2
		}
		at += size
	}
	return 0
}
