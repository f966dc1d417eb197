package localapi

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Octets are octets that may be secret. In JSON they are base64 (RFC 4648, section 4)
// in a string; printed or logged they show as "…". They can be cleared, unlike a string.
type Octets []byte

const hidden = "…"

// String returns "…".
func (Octets) String() string { return hidden }

// Format prints "…" for every verb.
func (Octets) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue returns "…".
func (Octets) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalJSON returns the octets in base64; none are "".
func (o Octets) MarshalJSON() ([]byte, error) {
	out := make([]byte, 0, base64.StdEncoding.EncodedLen(len(o))+2)
	out = base64.StdEncoding.AppendEncode(append(out, '"'), o)
	return append(out, '"'), nil
}

// UnmarshalJSON takes base64. The error has none of it.
func (o *Octets) UnmarshalJSON(b []byte) error {
	quoted, ok := bytes.CutPrefix(b, []byte(`"`))
	quoted, end := bytes.CutSuffix(quoted, []byte(`"`))
	if !ok || !end {
		return errors.New("octets are a string of base64")
	}
	if bytes.IndexByte(quoted, '\\') >= 0 { // some write a slash with one
		quoted = bytes.ReplaceAll(quoted, []byte(`\/`), []byte("/"))
		defer clear(quoted)
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(quoted)))
	n, err := base64.StdEncoding.Decode(out, quoted)
	if err != nil {
		clear(out)
		return errors.New("octets aren't base64")
	}
	*o = out[:n]
	return nil
}

// Clear overwrites the octets with zeros.
func (o Octets) Clear() { clear(o) }
