package profile

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
)

// Secret is a pre-shared key or a password: the octets themselves, decoded.
// nil is "not known". However it is printed, logged or marshalled (fmt, slog,
// JSON, TOML), it shows as "…".
type Secret []byte

const hidden = "…"

// SecretKeys are the keys whose values are secret.
var SecretKeys = []string{"secret", "password", "otp_secret", "key_passphrase", "pap_auth_secret"}

// IsSecret says whether a key is one of SecretKeys.
func IsSecret(key string) bool { return slices.Contains(SecretKeys, key) }

// String returns "…".
func (Secret) String() string { return hidden }

// Format prints "…" for every verb, %x and %#v included.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue returns "…".
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText returns "…"; it is what TOML encoders call.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalJSON returns "…" as a JSON string.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// MarshalTOML returns "…" as a TOML string.
func (Secret) MarshalTOML() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// Clear overwrites the secret with zeros.
func (s Secret) Clear() { clear(s) }

// Encoding says how a pre-shared key is written down.
type Encoding string

const (
	EncodingText   Encoding = "text"   // the octets as typed (UTF-8)
	EncodingHex    Encoding = "hex"    // hexadecimal digits, "0x" before them allowed
	EncodingBase64 Encoding = "base64" // RFC 4648, section 4; "0s" before it allowed
)

// maxSecret bounds a secret's length in octets. Chosen here.
const maxSecret = 4096

// Decode returns the secret that written stands for, in memory of its own. The
// errors don't contain any of it.
func (e Encoding) Decode(written []byte) (Secret, error) {
	var s Secret
	switch e {
	case EncodingHex:
		s = make(Secret, hex.DecodedLen(len(written)))
		n, err := hex.Decode(s, bytes.TrimPrefix(written, []byte("0x")))
		if err != nil {
			return nil, errors.New("isn't an even number of hexadecimal digits")
		}
		s = s[:n]
	case EncodingBase64:
		s = make(Secret, base64.StdEncoding.DecodedLen(len(written)))
		n, err := base64.StdEncoding.Decode(s, bytes.TrimPrefix(written, []byte("0s")))
		if err != nil {
			return nil, errors.New("isn't base64")
		}
		s = s[:n]
	default:
		if bytes.IndexByte(written, 0) >= 0 {
			return nil, errors.New("has a NUL character in it")
		}
		s = append(Secret{}, written...)
	}
	if len(s) == 0 {
		return nil, errors.New("is empty")
	}
	if len(s) > maxSecret {
		return nil, fmt.Errorf("is longer than %d octets", maxSecret)
	}
	return s, nil
}
