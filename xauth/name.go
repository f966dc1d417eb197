package xauth

import (
	"fmt"
	"iter"
	"net/netip"
	"strings"
	"unicode/utf8"

	"postern/client/prompt"
)

// Limits on names. RFC 1035, section 2.3.4, where 255 octets are 253 characters
// as names are written.
const (
	maxName  = 253
	maxLabel = 63
)

// domainName returns a name of the DNS in lower case, without the dots or the
// "*." around it. Only letters, digits, "-" and "_" (which service names and
// some Windows domains have) are taken: it may be written to a resolver's file.
func domainName(s string) (string, error) {
	name := strings.TrimPrefix(strings.TrimPrefix(s, "*"), ".")
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if name == "" || len(name) > maxName {
		return "", notAName(s)
	}
	for label := range strings.SplitSeq(name, ".") {
		if !isLabel(label) {
			return "", notAName(s)
		}
	}
	return name, nil
}

func notAName(s string) error {
	return fmt.Errorf("%q isn't a domain name", prompt.Clean(s, 40))
}

// isLabel holds one part of a lower-case name to RFC 1123, section 2.1, with "_".
func isLabel(s string) bool {
	if s == "" || len(s) > maxLabel || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// hostName returns an address or a domain name.
func hostName(s string) (string, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		if !isHost(a) {
			return "", notAHost(a)
		}
		return a.String(), nil
	}
	return domainName(s)
}

// words splits a list as liberally as gateways write them: by commas, blanks,
// semicolons, line ends or zeros.
func words(v []byte) iter.Seq[string] {
	return strings.FieldsFuncSeq(string(v), func(r rune) bool {
		return strings.ContainsRune(",; \t\r\n\x00", r)
	})
}

// isHost says whether a may be the address of a host elsewhere.
func isHost(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast() && a != broadcast
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

func notAHost(a netip.Addr) error { return fmt.Errorf("%v isn't the address of a host", a) }

// head is the beginning of a text, as much as may be n characters, so that a
// text of any length costs little to clean.
func head(v []byte, n int) string {
	if end := n * utf8.UTFMax; len(v) > end {
		for end > 0 && !utf8.RuneStart(v[end]) {
			end--
		}
		v = v[:end]
	}
	if !utf8.Valid(v) {
		v = v[:min(len(v), n)] // an octet is a character
	}
	return string(v)
}
