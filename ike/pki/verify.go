package pki

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// Verifier says whom to trust. It isn't changed while it is in use, and may be used
// concurrently.
type Verifier struct {
	Role Role // of the peers
	// Authorities are trusted; one of them has to stand above a peer's certificate,
	// or be it. Others may help to find the way.
	Authorities, Others []*x509.Certificate
	// Known are certificates of the peer itself: if there are any, it has to show one
	// of them, and needs no authority.
	Known []*x509.Certificate
	// Pin, if not nil, is what the peer's certificate or its key has to be. Without
	// Authorities it is all that the trust rests on.
	Pin *Pin
	// Revocations are lists of the authorities'.
	Revocations []*x509.RevocationList
	// Encrypts: the peer's key encrypts in phase 1, in the place of signing.
	Encrypts bool

	// AllowSHA1 takes signatures with SHA-1, AllowDSA those with DSA, on certificates
	// and revocation lists: crypto/x509 refuses both.
	AllowSHA1, AllowDSA bool
	MinRSABits          int // 0: DefaultRSABits; never below LowestRSABits
}

// Verified is a peer's certificate that was accepted.
type Verified struct {
	Certificate *x509.Certificate
	Chain       []*x509.Certificate // up to a trusted one, both included
	Warnings    []string            // sentences for a person
}

// Verify judges what a peer shows, nothing of which need be in order. It doesn't
// ask for names: that is for Name.In. Every error is an *Error.
func (v *Verifier) Verify(shown *Bundle) (*Verified, error) {
	now := time.Now()
	c := peer(shown.Certificates)
	if c == nil {
		c = peer(v.Known)
	}
	if c == nil {
		return nil, &Error{Missing, nil, "it sends no certificate, and none of its is known"}
	}
	if err := v.check(c, now); err != nil {
		return nil, err
	}
	if err := checkUsage(c, v.Role, v.Encrypts); err != nil {
		return nil, err
	}
	if err := v.checkKnown(c); err != nil {
		return nil, err
	}
	out := &Verified{Certificate: c, Chain: []*x509.Certificate{c}}
	if len(v.Authorities) == 0 {
		return out, nil
	}
	between := slices.Concat(v.Others, v.Known, shown.Certificates)
	chain, err := v.chain(c, between, now)
	if err != nil {
		return nil, err
	}
	lists := slices.Concat(v.Revocations, shown.Revocations)
	for i := range len(chain) - 1 {
		if err := v.revoked(chain[i], chain[i+1], lists); err != nil {
			return nil, err
		}
	}
	out.Chain, out.Warnings = chain, v.warnings(now, slices.Concat(v.Authorities, chain))
	return out, nil
}

// peer is the certificate of the peer itself among those that it shows: the first
// that isn't an authority's.
func peer(cs []*x509.Certificate) *x509.Certificate {
	if i := slices.IndexFunc(cs, func(c *x509.Certificate) bool { return !c.IsCA }); i >= 0 {
		return cs[i]
	}
	if len(cs) > 0 {
		return cs[0]
	}
	return nil
}

// check is what every certificate of a chain is held to, trusted or not.
func (v *Verifier) check(c *x509.Certificate, now time.Time) *Error {
	switch {
	case now.After(c.NotAfter):
		return fault(Expired, c, "ended on %s", day(c.NotAfter))
	case now.Before(c.NotBefore):
		return fault(NotYetValid, c, "begins on %s only; is this machine's clock right?", day(c.NotBefore))
	case len(c.UnhandledCriticalExtensions) > 0:
		return fault(Unsupported, c, "has a critical extension that isn't known here (%v)", c.UnhandledCriticalExtensions[0])
	}
	if err := v.checkKey(c.PublicKey); err != nil {
		return fault(Weak, c, "%v", err)
	}
	return nil
}

// checkKnown holds the peer's certificate against those that it must be.
func (v *Verifier) checkKnown(c *x509.Certificate) *Error {
	switch {
	case len(v.Known) > 0 && !slices.ContainsFunc(v.Known, c.Equal):
		return fault(Changed, c, "isn't the gateway's that is known (it is %v)", Fingerprint(c))
	case v.Pin != nil && !v.Pin.Of(c):
		return fault(Changed, c, "isn't the pinned one: its key is %v, not %v", KeyFingerprint(c), v.Pin)
	case len(v.Known) == 0 && v.Pin == nil && len(v.Authorities) == 0:
		return fault(Unknown, c, "can't be judged: neither an authority nor a fingerprint is known")
	}
	return nil
}

// chain finds the way to a trusted authority: crypto/x509's if it finds one, or the
// small verifier's, which may be allowed more and otherwise knows a better reason.
func (v *Verifier) chain(c *x509.Certificate, between []*x509.Certificate, now time.Time) ([]*x509.Certificate, error) {
	roots, others := x509.NewCertPool(), x509.NewCertPool()
	for _, a := range v.Authorities {
		roots.AddCert(a)
	}
	for _, o := range between {
		others.AddCert(o)
	}
	chains, why := c.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: others, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	var refused *Error
	for _, chain := range chains {
		if refused = v.checkChain(chain, now); refused == nil {
			return chain, nil
		}
	}
	if refused != nil {
		return nil, refused
	}
	s := search{v: v, now: now, between: between, budget: maxSignatures}
	chain, err := s.find(c)
	switch {
	case err != nil:
		return nil, err
	case !v.AllowSHA1 && !v.AllowDSA:
		return nil, fault(Untrusted, c, "isn't accepted: %v", why)
	}
	if err := v.checkChain(chain, now); err != nil {
		return nil, err
	}
	return chain, nil
}

// checkChain is what crypto/x509 doesn't look at, or not as we do.
func (v *Verifier) checkChain(chain []*x509.Certificate, now time.Time) *Error {
	for i, c := range chain {
		if err := v.check(c, now); err != nil {
			return err
		}
		if i > 0 && i < len(chain)-1 && !extendedFits(c, v.Role) {
			return fault(WrongUsage, c, "may not certify any peer %s (extended key usage)", v.Role)
		}
	}
	return checkConstraints(chain)
}

// ExpirySoon is how long before its end a certificate is worth a warning.
const ExpirySoon = 30 * 24 * time.Hour

// Expiring is a sentence about a certificate of whose that ends soon; "": it doesn't.
func Expiring(whose string, c *x509.Certificate) string {
	left := time.Until(c.NotAfter)
	days := int(left / (24 * time.Hour))
	switch {
	case left >= ExpirySoon:
		return ""
	case left < 0:
		return fmt.Sprintf("%s certificate (%s) ended on %s.", whose, Owner(c), day(c.NotAfter))
	case days == 0:
		return fmt.Sprintf("%s certificate (%s) ends within a day.", whose, Owner(c))
	case days == 1:
		return fmt.Sprintf("%s certificate (%s) ends in 1 day, on %s.", whose, Owner(c), day(c.NotAfter))
	}
	return fmt.Sprintf("%s certificate (%s) ends in %d days, on %s.", whose, Owner(c), days, day(c.NotAfter))
}
