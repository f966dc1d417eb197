package tun

import "encoding/binary"

// sum adds b, taken as 16-bit words with a zero octet at an odd end, to a sum
// that isn't folded yet (RFC 1071).
func sum(s uint64, b []byte) uint64 {
	for ; len(b) >= 2; b = b[2:] {
		s += uint64(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	return s
}

// fold makes a one's complement sum of 16 bits.
func fold(s uint64) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// checksum is the Internet checksum of b (RFC 1071).
func checksum(b []byte) uint16 { return ^fold(sum(0, b)) }

// updateChecksum returns checksum after one of its words changed from old to new:
// HC' = ~(~HC + ~m + m') (RFC 1624, section 3).
func updateChecksum(checksum, old, new uint16) uint16 {
	return ^fold(uint64(^checksum) + uint64(^old) + uint64(new))
}
