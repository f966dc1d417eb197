package otp

import (
	"crypto/md5"
	"crypto/subtle"
)

// CHAPLength is that of a CHAP-Password, in octets.
const CHAPLength = 1 + md5.Size

// CHAP is the CHAP-Password that answers a challenge:
//
//	octet   0        identifier
//	octets  1 to 16  MD5(identifier | secret | challenge)
//
// RFC 1994, section 4.1; RFC 2865, section 5.3.
func CHAP(identifier byte, secret, challenge []byte) []byte {
	h := md5.New()
	h.Write([]byte{identifier})
	h.Write(secret)
	h.Write(challenge)
	return h.Sum([]byte{identifier})
}

// VerifyCHAP says whether a CHAP-Password answers a challenge.
func VerifyCHAP(password, secret, challenge []byte) bool {
	if len(password) != CHAPLength {
		return false
	}
	return subtle.ConstantTimeCompare(password, CHAP(password[0], secret, challenge)) == 1
}
