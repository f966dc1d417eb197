package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"time"
)

// revoked says whether a revocation list of the issuer's has the certificate on it.
// A list that is out of date still counts, for what was revoked stays so.
func (v *Verifier) revoked(c, issuer *x509.Certificate, lists []*x509.RevocationList) *Error {
	for _, l := range lists {
		if !bytes.Equal(l.RawIssuer, c.RawIssuer) || v.checkList(l, issuer) != nil {
			continue
		}
		for _, e := range l.RevokedCertificateEntries {
			if e.SerialNumber.Cmp(c.SerialNumber) == 0 && e.ReasonCode != removeFromCRL {
				return fault(Revoked, c, "was revoked on %s", day(e.RevocationTime))
			}
		}
	}
	return nil
}

const removeFromCRL = 8 // RFC 5280, section 5.3.1

// Extensions of revocation lists that change what the entries mean (RFC 5280, section 5.2).
var (
	oidDeltaCRL     = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidDistribution = asn1.ObjectIdentifier{2, 5, 29, 28}
)

// checkList says why a list isn't one that the issuer made for its own certificates.
func (v *Verifier) checkList(l *x509.RevocationList, issuer *x509.Certificate) error {
	if issuer.KeyUsage != 0 && issuer.KeyUsage&x509.KeyUsageCRLSign == 0 {
		return fmt.Errorf("%s may not sign revocation lists", Owner(issuer))
	}
	for _, e := range l.Extensions {
		switch {
		case e.Id.Equal(oidDeltaCRL):
			return fmt.Errorf("the revocation list of %s is a delta", Owner(issuer))
		case e.Id.Equal(oidDistribution):
			var point struct {
				Name       asn1.RawValue  `asn1:"optional,tag:0"`
				Users      bool           `asn1:"optional,tag:1"`
				CAs        bool           `asn1:"optional,tag:2"`
				Reasons    asn1.BitString `asn1:"optional,tag:3"`
				Indirect   bool           `asn1:"optional,tag:4"`
				Attributes bool           `asn1:"optional,tag:5"`
			}
			if _, err := asn1.Unmarshal(e.Value, &point); err != nil || point.Indirect || point.Attributes {
				return fmt.Errorf("the revocation list of %s is indirect", Owner(issuer))
			}
		}
	}
	return v.checkSignature(issuer, l.SignatureAlgorithm, l.RawTBSRevocationList, l.Signature)
}

// warnings are what to tell of the person's own lists: which are of no use, and
// which are out of date. authorities are all that are known.
func (v *Verifier) warnings(now time.Time, authorities []*x509.Certificate) (out []string) {
	for _, l := range v.Revocations {
		name, used := printable(l.Issuer.String()), false
		var why error
		for _, a := range authorities {
			if bytes.Equal(a.RawSubject, l.RawIssuer) {
				if why = v.checkList(l, a); why == nil {
					used = true
					break
				}
			}
		}
		switch {
		case !used && why != nil:
			out = append(out, fmt.Sprintf("The revocation list of %s is of no use: %v.", name, why))
		case used && !l.NextUpdate.IsZero() && now.After(l.NextUpdate):
			out = append(out, fmt.Sprintf("The revocation list of %s is out of date since %s: get a new one.", name, day(l.NextUpdate)))
		}
	}
	return out
}
