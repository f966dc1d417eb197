package stamp

import (
	"bytes"
	"crypto/md5"

	"postern/ike/isakmp"
)

// VendorID is how either end announces that it speaks this (RFC 2408, section
// 3.16).
func VendorID() []byte {
	sum := md5.Sum([]byte(vendorText))
	return append(sum[:14:14], vendorMajor, vendorMinor)
}

// Announced says whether a peer's vendor IDs hold ours, of the same major version.
func Announced(ids [][]byte) bool {
	ours := VendorID()
	for _, id := range ids {
		if len(id) == len(ours) && bytes.Equal(id[:15], ours[:15]) {
			return true
		}
	}
	return false
}

// announcement is the payload.
func announcement() isakmp.Payload {
	return isakmp.Payload{Type: isakmp.PayloadVendorID, Body: VendorID()}
}
