package client

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"postern/client/profile"
	"postern/ike/pki"
)

// NamedCertificate is a certificate that a profile names.
type NamedCertificate struct {
	Use string `json:"use"` // "yours", "above yours", "gateway", "authority"
	CertificateStatus
	KeyFingerprint string   `json:"key_fingerprint"` // of the public key, which gateway_pin takes too
	Names          []string `json:"names,omitempty"`
}

// Certificates are those in the files of a profile, which Sources.Resolve has read.
// warnings are sentences about them. Nobody is asked for a passphrase, and no token
// is opened. Errors are *profile.Error.
func Certificates(p *profile.Profile) (all []NamedCertificate, warnings []string, err error) {
	if profile.InToken(p.Certificate) || p.Certificate == "" && profile.InToken(p.Key) {
		warnings = append(warnings, "Your certificate is in a token, which isn't opened for this.")
	}
	for _, f := range []struct {
		key, path, use, whose string
		data                  []byte
	}{
		{"certificate", p.Certificate, "yours", "Your", p.Files.Certificate},
		{"gateway_certificate", p.GatewayCertificate, "gateway", "The gateway's", p.Files.GatewayCertificate},
		{"ca", p.CA, "authority", "An authority's", p.Files.CA},
	} {
		if f.path == "" || profile.InToken(f.path) {
			continue
		}
		b, err := pki.Parse(f.data, p.KeyPassphrase)
		if errors.Is(err, pki.ErrPassphraseNeeded) {
			warnings = append(warnings, fmt.Sprintf("What is in %s can't be shown without its passphrase.", f.path))
			continue
		}
		if err != nil {
			return nil, nil, &profile.Error{File: f.path, Key: f.key, Problem: err.Error()}
		}
		certs := b.Certificates
		if f.use == "yours" {
			// Whose the key is stands first, wherever it stands in the file.
			slices.SortStableFunc(certs, func(a, b *x509.Certificate) int { return rank(a) - rank(b) })
		}
		for i, c := range certs {
			n := describe(c)
			n.Use = f.use
			if f.use == "yours" && i > 0 {
				n.Use = "above yours"
			}
			all = append(all, n)
			if w := pki.Expiring(f.whose, c); w != "" {
				warnings = append(warnings, w)
			}
		}
	}
	return all, warnings, nil
}

func rank(c *x509.Certificate) int {
	if c.IsCA {
		return 1
	}
	return 0
}

func describe(c *x509.Certificate) NamedCertificate {
	return NamedCertificate{
		CertificateStatus: certificateStatus(c), KeyFingerprint: pki.KeyFingerprint(c).String(), Names: pki.Names(c),
	}
}

func certificateStatus(c *x509.Certificate) CertificateStatus {
	return CertificateStatus{
		Subject: pki.Subject(c), Issuer: pki.Issuer(c), NotBefore: c.NotBefore, NotAfter: c.NotAfter, Fingerprint: pki.Fingerprint(c).String(),
	}
}
