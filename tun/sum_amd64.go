package tun

import (
	"math/bits"

	"golang.org/x/sys/cpu"
)

// fastSum is the least number of octets that vectors are worth their start for.
const fastSum = 128

// sumAVX2 is the sum of the first n octets at b, taken as little-endian words of 32
// bits. n is a multiple of 64, and not 0.
//
//go:noescape
func sumAVX2(b *byte, n int) uint64

// sumFast adds the most of b that vectors can, and returns the rest: of words in the
// other octet order comes a sum in the other octet order (RFC 1071, section 2).
func sumFast(s uint64, b []byte) (uint64, []byte) {
	if len(b) < fastSum || !cpu.X86.HasAVX2 {
		return s, b
	}
	n := len(b) &^ 63
	return s + uint64(bits.ReverseBytes16(fold(sumAVX2(&b[0], n)))), b[n:]
}

// sumCopyAVX2 is sumAVX2 that copies the octets as well.
//
//go:noescape
func sumCopyAVX2(dst, b *byte, n int) uint64

// sumCopyFast copies the most of b that vectors can, and returns its sum and length.
func sumCopyFast(dst, b []byte) (s uint64, n int) {
	if len(b) < fastSum || len(dst) < len(b) || !cpu.X86.HasAVX2 {
		return 0, 0
	}
	n = len(b) &^ 63
	return uint64(bits.ReverseBytes16(fold(sumCopyAVX2(&dst[0], &b[0], n)))), n
}
