package otp

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// TOTP makes codes from a seed and the time (RFC 6238). It has no default: see
// ParseTOTP. However it is printed or logged, the seed shows as "…".
type TOTP struct {
	Seed   []byte
	Digits int           // 6 to 8
	Period time.Duration // whole seconds
	Hash   func() hash.Hash
}

// Format prints "…" for every verb.
func (TOTP) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "…") }

// LogValue returns "…".
func (TOTP) LogValue() slog.Value { return slog.StringValue("…") }

// totpHashes are the algorithms that otpauth URIs name.
var totpHashes = map[string]func() hash.Hash{"SHA1": sha1.New, "SHA256": sha256.New, "SHA512": sha512.New}

// ParseTOTP reads a seed as it is given to people: in base32 (RFC 4648, section
// 6), blanks, dashes and case not counting, for six digits, 30 seconds and
// SHA-1; or as the URI behind a QR code,
//
//	otpauth://totp/LABEL?secret=BASE32&digits=6&period=30&algorithm=SHA1
//
// (no RFC: Google's "Key URI Format"). The errors contain none of it.
func ParseTOTP(text []byte) (TOTP, error) {
	t := TOTP{Digits: 6, Period: 30 * time.Second, Hash: sha1.New}
	seed := text
	if bytes.HasPrefix(text, []byte("otpauth:")) {
		u, err := url.Parse(strings.TrimSpace(string(text)))
		if err != nil || u.Host != "totp" {
			return TOTP{}, errors.New("isn't an otpauth://totp/ URI")
		}
		q := u.Query()
		if err := t.options(q); err != nil {
			return TOTP{}, err
		}
		seed = []byte(q.Get("secret"))
	}
	var err error
	t.Seed, err = parseBase32(seed)
	return t, err
}

// options reads what a URI says beside the seed.
func (t *TOTP) options(q url.Values) error {
	if s := q.Get("digits"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 6 || n > 8 {
			return errors.New("digits: wants 6, 7 or 8")
		}
		t.Digits = n
	}
	if s := q.Get("period"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 3600 {
			return errors.New("period: wants 1 to 3600 seconds")
		}
		t.Period = time.Duration(n) * time.Second
	}
	if s := q.Get("algorithm"); s != "" {
		if t.Hash = totpHashes[strings.ToUpper(s)]; t.Hash == nil {
			return errors.New("algorithm: wants SHA1, SHA256 or SHA512")
		}
	}
	return nil
}

func parseBase32(text []byte) ([]byte, error) {
	text = bytes.Map(func(r rune) rune {
		if strings.ContainsRune(" -=\t\r\n", r) {
			return -1
		}
		return r
	}, bytes.ToUpper(text))
	defer clear(text)
	encoding := base32.StdEncoding.WithPadding(base32.NoPadding)
	seed := make([]byte, encoding.DecodedLen(len(text)))
	n, err := encoding.Decode(seed, text)
	if err != nil || n == 0 {
		return nil, errors.New("isn't a seed in base32 or an otpauth URI")
	}
	return seed[:n], nil
}

// Step is the number of the time step that at lies in: T of RFC 6238, section
// 4.2.
func (t TOTP) Step(at time.Time) uint64 {
	return uint64(at.Unix()) / uint64(t.Period/time.Second)
}

// Begins is when a step does.
func (t TOTP) Begins(step uint64) time.Time {
	return time.Unix(int64(step*uint64(t.Period/time.Second)), 0)
}

// Code is the code of a time step: HOTP(K, T).
func (t TOTP) Code(step uint64) []byte {
	mac := hmac.New(t.Hash, t.Seed)
	_ = binary.Write(mac, binary.BigEndian, step)
	h := mac.Sum(nil)
	// "Let OffsetBits be the low-order 4 bits of String[19]" (RFC 4226, section 5.3)
	offset := h[len(h)-1] & 0xf
	n := binary.BigEndian.Uint32(h[offset:]) & 0x7fffffff
	modulus := uint32(1)
	for range t.Digits {
		modulus *= 10
	}
	return fmt.Appendf(nil, "%0*d", t.Digits, n%modulus)
}

// Verify looks for the step that code is of, up to window steps beside the one
// that at lies in. Whoever verifies keeps the step, for no code of it nor of an
// earlier one may be taken again (RFC 6238, section 5.2).
func (t TOTP) Verify(code []byte, at time.Time, window uint64) (step uint64, ok bool) {
	now := t.Step(at)
	for s := now - min(window, now); s <= now+window; s++ {
		if subtle.ConstantTimeCompare(code, t.Code(s)) == 1 {
			step, ok = s, true
		}
	}
	return step, ok
}
