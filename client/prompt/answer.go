package prompt

import (
	"fmt"
	"io"
	"log/slog"
)

// Answers holds what was typed, by the field's name.
type Answers map[string]Answer

// Clear overwrites every answer with zeros and empties the map.
func (a Answers) Clear() {
	for name, v := range a {
		clear(v)
		delete(a, name)
	}
}

// Answer is what was typed in one field, as UTF-8 and without the end of the
// line. However it is printed, logged or marshalled, it shows as "…".
type Answer []byte

const hidden = "…"

// String returns "…".
func (Answer) String() string { return hidden }

// Format prints "…" for every verb, %x and %#v included.
func (Answer) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue returns "…".
func (Answer) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText returns "…". Whoever has to send an answer converts it to []byte.
func (Answer) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalJSON returns "…" as a JSON string.
func (Answer) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }
