package pki

import (
	"bytes"
	"crypto/x509"
	"errors"
	"slices"
	"time"
)

// Bounds of the search. Chosen here.
const (
	maxDepth      = 8   // certificates in a chain
	maxSignatures = 100 // verified for one peer
)

// search looks for a way from a peer's certificate up to a trusted one. It holds to
// what crypto/x509 does: validity, basic constraints, path length, key usage and
// name constraints of every authority, no critical extension that isn't known.
type search struct {
	v       *Verifier
	now     time.Time
	between []*x509.Certificate // not trusted by themselves
	budget  int                 // signatures that may still be verified
	best    *Error              // the refusal that tells most
	depth   int                 // of it
}

// find returns the chain from c to a trusted authority, both included.
func (s *search) find(c *x509.Certificate) ([]*x509.Certificate, *Error) {
	chain := s.climb([]*x509.Certificate{c})
	if chain != nil {
		return chain, nil
	}
	return nil, s.best
}

// climb goes on from the last certificate of a way; nil: it leads nowhere.
func (s *search) climb(way []*x509.Certificate) []*x509.Certificate {
	last := way[len(way)-1]
	if slices.ContainsFunc(s.v.Authorities, last.Equal) {
		return way
	}
	if len(way) >= maxDepth {
		s.note(len(way), fault(Untrusted, last, "stands in a chain of more than %d", maxDepth))
		return nil
	}
	known := false
	for i, a := range slices.Concat(s.v.Authorities, s.between) {
		if !bytes.Equal(a.RawSubject, last.RawIssuer) || slices.ContainsFunc(way, a.Equal) {
			continue
		}
		known = true
		if err := s.step(way, a, i < len(s.v.Authorities)); err != nil {
			s.note(len(way), err)
			continue
		}
		if chain := s.climb(append(slices.Clone(way), a)); chain != nil {
			return chain
		}
	}
	switch {
	case known:
	case selfIssued(last):
		s.note(len(way), fault(SelfSigned, last, "is signed by itself, and isn't among those that are trusted"))
	default:
		s.note(len(way), fault(Untrusted, last, "is signed by %s, who isn't among those that are trusted", Issuer(last)))
	}
	return nil
}

// step says why a isn't the authority over the last certificate of the way.
func (s *search) step(way []*x509.Certificate, a *x509.Certificate, trusted bool) *Error {
	last := way[len(way)-1]
	if err := s.checkAuthority(way, a, trusted); err != nil {
		return err
	}
	if s.budget--; s.budget < 0 {
		return fault(Untrusted, way[0], "comes with more certificates than can be looked through")
	}
	err := s.v.checkSignature(a, last.SignatureAlgorithm, last.RawTBSCertificate, last.Signature)
	switch {
	case errors.Is(err, errWeak):
		return fault(Weak, last, "%v", err)
	case err != nil:
		return fault(Untrusted, last, "isn't signed by %s, as it says", Owner(a))
	}
	return checkConstraints(append(slices.Clone(way), a))
}

// checkAuthority says why a can't certify what stands on the way.
func (s *search) checkAuthority(way []*x509.Certificate, a *x509.Certificate, trusted bool) *Error {
	// A certificate of version 1 says nothing of its use; only a person can trust it.
	authority := a.BasicConstraintsValid && a.IsCA || trusted && a.Version < 3 && !a.BasicConstraintsValid
	switch {
	case !authority:
		return fault(WrongUsage, a, "isn't an authority's, but stands above another (basic constraints)")
	case a.KeyUsage != 0 && a.KeyUsage&x509.KeyUsageCertSign == 0:
		return fault(WrongUsage, a, "isn't for signing certificates (key usage)")
	case a.BasicConstraintsValid && a.MaxPathLen >= 0 && len(way)-1 > a.MaxPathLen:
		return fault(Constrained, a, "allows %d authorities below itself, and there are %d (path length)", a.MaxPathLen, len(way)-1)
	}
	return s.v.check(a, s.now)
}

// note keeps the refusal that tells most: the farthest up.
func (s *search) note(depth int, err *Error) {
	if s.best == nil || depth > s.depth {
		s.best, s.depth = err, depth
	}
}
