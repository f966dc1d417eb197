package ike

import (
	"crypto/rand"
	"encoding/binary"

	"postern/ike/isakmp"
)

// newCookie is random, for a cookie need only be hard to guess for who doesn't
// see the exchange (RFC 2408, section 2.5.3). Its first four octets are never
// zero: that is the non-ESP marker.
func newCookie() isakmp.Cookie {
	for {
		var c isakmp.Cookie
		rand.Read(c[:])
		if binary.BigEndian.Uint32(c[:]) != 0 {
			return c
		}
	}
}

// nonceLen is within the 8 to 256 octets of RFC 2409, section 5.
const nonceLen = 32

func newNonce() []byte {
	n := make([]byte, nonceLen)
	rand.Read(n)
	return n
}

// random32 is a random number that isn't zero.
func random32() uint32 {
	for {
		var b [4]byte
		rand.Read(b[:])
		if v := binary.BigEndian.Uint32(b[:]); v != 0 {
			return v
		}
	}
}
