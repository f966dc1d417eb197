package profile

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNotFound says that there is no such profile. Errors of Find and Load wrap it.
var ErrNotFound = errors.New("no such profile")

// Error is a fault in a profile, or in a file that a profile names. It never
// contains a secret.
type Error struct {
	File    string // as it was named
	Line    int    // from 1; 0 where no line is at fault, as with a missing key
	Key     string // for example "lifetime.esp"; "" where no key is at fault
	Problem string // what is wrong and what is wanted
}

// Error reads "office.toml:7: mode: wants "main" or "aggressive", not "fast"".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	if e.Key != "" {
		b.WriteString(e.Key + ": ")
	}
	b.WriteString(e.Problem)
	return b.String()
}
