package pki

import (
	"crypto/x509"
	"fmt"
	"time"
)

// Problem is what can be wrong with a certificate. The words are fit for scripts.
type Problem string

const (
	Expired     Problem = "expired"
	NotYetValid Problem = "not_yet_valid"
	WrongName   Problem = "wrong_name"   // it is somebody else's
	WrongUsage  Problem = "wrong_usage"  // it is for something else
	Revoked     Problem = "revoked"      // by a revocation list
	SelfSigned  Problem = "self_signed"  // and not among those that are trusted
	Untrusted   Problem = "untrusted"    // no trusted authority stands above it
	Weak        Problem = "weak"         // its key, or a signature in its chain
	Constrained Problem = "constrained"  // an authority vouches for more than it may
	Changed     Problem = "changed"      // another key or certificate than the known one
	Unknown     Problem = "unknown"      // nothing says whom to trust
	Missing     Problem = "missing"      // there is none
	Malformed   Problem = "malformed"    // it can't be read
	Unsupported Problem = "not_possible" // it demands what isn't known here
)

// Error says what is wrong with whose certificate.
type Error struct {
	Problem     Problem
	Certificate *x509.Certificate // nil where there is none
	Detail      string            // "ended on 3 May 2024"
}

// Error reads "the certificate of CN=gw.example ended on 3 May 2024".
func (e *Error) Error() string {
	if e.Certificate == nil {
		return e.Detail
	}
	return fmt.Sprintf("the certificate of %s %s", Owner(e.Certificate), e.Detail)
}

func fault(p Problem, c *x509.Certificate, format string, args ...any) *Error {
	return &Error{p, c, fmt.Sprintf(format, args...)}
}

// day writes a date for a person.
func day(t time.Time) string { return t.UTC().Format("2 January 2006") }
