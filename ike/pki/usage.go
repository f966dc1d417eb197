package pki

import (
	"crypto/x509"
	"encoding/asn1"
	"slices"
)

// Role is what a peer is.
type Role uint8

const (
	Gateway Role = iota
	Person       // somebody who connects to a gateway
)

func (r Role) String() string {
	if r == Person {
		return "of a VPN user"
	}
	return "of a VPN gateway"
}

// Extended key usages of IKE that crypto/x509 has no name for.
var (
	oidIKEIntermediate = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 8, 2, 2}  // an expired draft's, in wide use
	oidIPsecIKE        = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 17} // RFC 4945, section 5.1.3.12
)

// usages are the extended key usages that fit a role. Not RFC: RFC 4945 wants
// id-kp-ipsecIKE or none; authorities mark gateways as TLS servers and people as TLS
// clients instead, and that difference keeps a person from playing the gateway.
var usages = map[Role][]x509.ExtKeyUsage{
	Gateway: {x509.ExtKeyUsageAny, x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageIPSECEndSystem, x509.ExtKeyUsageIPSECTunnel},
	Person:  {x509.ExtKeyUsageAny, x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageIPSECEndSystem, x509.ExtKeyUsageIPSECUser},
}

// checkUsage holds a peer's certificate to the role: its key must be one to sign
// with, or to encrypt with.
func checkUsage(c *x509.Certificate, r Role, encrypts bool) *Error {
	// RFC 4945, section 5.1.3.2: digitalSignature or nonRepudiation
	want := x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	if encrypts {
		want = x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment
	}
	if c.KeyUsage != 0 && c.KeyUsage&want == 0 {
		return fault(WrongUsage, c, "isn't for what phase 1 does with its key (key usage)")
	}
	if !extendedFits(c, r) {
		return fault(WrongUsage, c, "isn't one %s (extended key usage)", r)
	}
	return nil
}

// extendedFits says whether the extended key usages are none, or have one of the role's
// among them. In an authority's certificate they bound what it may certify.
func extendedFits(c *x509.Certificate, r Role) bool {
	if len(c.ExtKeyUsage) == 0 && len(c.UnknownExtKeyUsage) == 0 {
		return true
	}
	return slices.ContainsFunc(c.ExtKeyUsage, func(u x509.ExtKeyUsage) bool { return slices.Contains(usages[r], u) }) ||
		slices.ContainsFunc(c.UnknownExtKeyUsage, func(o asn1.ObjectIdentifier) bool {
			return o.Equal(oidIKEIntermediate) || o.Equal(oidIPsecIKE)
		})
}
