package pki

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

// Pin is the SHA-256 of a certificate, or of the public key in it (its
// SubjectPublicKeyInfo), which a renewed certificate may still have.
type Pin [sha256.Size]byte

// ParsePin reads 64 hexadecimal digits, with or without colons, or base64; before
// them may stand "sha256:" or "sha256//".
func ParsePin(s string) (p Pin, err error) {
	rest := strings.TrimSpace(s)
	for _, prefix := range []string{"sha256:", "SHA256:", "sha256//"} {
		if cut, ok := strings.CutPrefix(rest, prefix); ok {
			rest = cut
			break
		}
	}
	b, err := hex.DecodeString(strings.ReplaceAll(rest, ":", ""))
	if err != nil || len(b) != len(p) {
		b, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(rest, "="))
	}
	if err != nil || len(b) != len(p) {
		return p, errors.New(`wants a SHA-256 fingerprint: "sha256:" and 64 hexadecimal digits`)
	}
	return Pin(b), nil
}

// String is "sha256:" and hexadecimal digits.
func (p Pin) String() string { return "sha256:" + hex.EncodeToString(p[:]) }

// Of says whether p is the certificate's or its key's.
func (p Pin) Of(c *x509.Certificate) bool {
	cert, key := Fingerprint(c), KeyFingerprint(c)
	return subtle.ConstantTimeCompare(p[:], cert[:])|subtle.ConstantTimeCompare(p[:], key[:]) == 1
}

// Fingerprint is the SHA-256 of a certificate.
func Fingerprint(c *x509.Certificate) Pin { return sha256.Sum256(c.Raw) }

// KeyFingerprint is the SHA-256 of a certificate's public key.
func KeyFingerprint(c *x509.Certificate) Pin { return sha256.Sum256(c.RawSubjectPublicKeyInfo) }
