package tun

import (
	"encoding/binary"
	"math/bits"
)

// sum adds b, taken as 16-bit words with a zero octet at an odd end, to a sum
// that isn't folded yet (RFC 1071). Sums are below 2^33 each, so that a few of them
// can be added. Words of 64 bits with their carries make the same sum as those of 16
// (section 2).
func sum(s uint64, b []byte) uint64 {
	var carry uint64
	s, b = sumFast(s, b)
	for ; len(b) >= 64; b = b[64:] {
		w := (*[64]byte)(b)
		s, carry = bits.Add64(s, binary.BigEndian.Uint64(w[0:]), carry)
		s, carry = bits.Add64(s, binary.BigEndian.Uint64(w[8:]), carry)
		s, carry = bits.Add64(s, binary.BigEndian.Uint64(w[16:]), carry)
		s, carry = bits.Add64(s, binary.BigEndian.Uint64(w[24:]), carry)
		s, carry = bits.Add64(s, binary.BigEndian.Uint64(w[32:]), carry)
		s, carry = bits.Add64(s, binary.BigEndian.Uint64(w[40:]), carry)
		s, carry = bits.Add64(s, binary.BigEndian.Uint64(w[48:]), carry)
		s, carry = bits.Add64(s, binary.BigEndian.Uint64(w[56:]), carry)
	}
	for ; len(b) >= 8; b = b[8:] {
		s, carry = bits.Add64(s, binary.BigEndian.Uint64(b), carry)
	}
	var last uint64
	if len(b) >= 4 {
		last, b = uint64(binary.BigEndian.Uint32(b)), b[4:]
	}
	if len(b) >= 2 {
		last, b = last+uint64(binary.BigEndian.Uint16(b)), b[2:]
	}
	if len(b) == 1 {
		last += uint64(b[0]) << 8
	}
	s, carry = bits.Add64(s, last, carry)
	s += carry
	return s>>32 + s&0xffffffff
}

// sumCopy copies b to dst, which is as long, and returns b's sum.
func sumCopy(dst, b []byte) uint64 {
	s, n := sumCopyFast(dst, b)
	copy(dst[n:], b[n:])
	return sum(s, b[n:])
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
