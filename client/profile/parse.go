package profile

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// file is a profile as TOML has it. Only keys that stand in the document are
// looked at: absent ones keep the values of Default.
type file struct {
	Name               string           `toml:"name"`
	Gateway            string           `toml:"gateway"`
	Backup             []string         `toml:"backup"`
	Mode               string           `toml:"mode"`
	Identity           string           `toml:"identity"`
	IdentityType       string           `toml:"identity_type"`
	GatewayIdentity    string           `toml:"gateway_identity"`
	Auth               string           `toml:"auth"`
	Secret             secretText       `toml:"secret"`
	SecretEncoding     string           `toml:"secret_encoding"`
	SecretFile         string           `toml:"secret_file"`
	Certificate        string           `toml:"certificate"`
	Key                string           `toml:"key"`
	CA                 string           `toml:"ca"`
	GatewayCertificate string           `toml:"gateway_certificate"`
	GatewayPin         string           `toml:"gateway_pin"`
	KeyPassphrase      secretText       `toml:"key_passphrase"`
	KeyPassphraseFile  string           `toml:"key_passphrase_file"`
	CRL                []string         `toml:"crl"`
	Certificates       fileCertificates `toml:"certificates"`
	XAuth              any              `toml:"xauth"`
	User               string           `toml:"user"`
	Password           secretText       `toml:"password"`
	PasswordFile       string           `toml:"password_file"`
	Domain             string           `toml:"domain"`
	OTP                string           `toml:"otp"`
	OTPSecret          secretText       `toml:"otp_secret"`
	OTPSecretFile      string           `toml:"otp_secret_file"`
	VPN5000            string           `toml:"vpn5000"`
	RADIUS             string           `toml:"radius"`
	PAPAuthSecret      secretText       `toml:"pap_auth_secret"`
	Vendor             string           `toml:"vendor"`
	IKE                []string         `toml:"ike"`
	ESP                []string         `toml:"esp"`
	PFS                string           `toml:"pfs"`
	Selectors          string           `toml:"selectors"`
	NATTraversal       string           `toml:"nat_traversal"`
	SourcePort         int64            `toml:"source_port"`
	Address            string           `toml:"address"`
	Networks           []string         `toml:"networks"`
	Exclude            []string         `toml:"exclude"`
	DefaultRoute       bool             `toml:"default_route"`
	LocalLAN           bool             `toml:"local_lan"`
	DNS                bool             `toml:"dns"`
	DNSServers         []string         `toml:"dns_servers"`
	Search             []string         `toml:"search"`
	MTU                int64            `toml:"mtu"`
	DPD                string           `toml:"dpd"`
	Interface          string           `toml:"interface"`
	Autoconnect        bool             `toml:"autoconnect"`
	KillSwitch         bool             `toml:"kill_switch"`
	BlockIPv6          bool             `toml:"block_ipv6"`
	Lifetime           fileLifetime     `toml:"lifetime"`
	Policy             filePolicy       `toml:"policy"`
}

type fileLifetime struct {
	IKE string `toml:"ike"`
	ESP string `toml:"esp"`
}

type fileCertificates struct {
	AllowSHA1  bool  `toml:"allow_sha1"`
	MinRSABits int64 `toml:"min_rsa_bits"`
}

// secretText takes a TOML string as octets, which can be overwritten.
type secretText []byte

func (s *secretText) UnmarshalText(text []byte) error {
	*s = append((*s)[:0], text...)
	return nil
}

// maxFile bounds a profile's size in octets. Chosen here.
const maxFile = 1 << 20

// Parse reads a profile. name is the file's name: it stands in errors, gives
// the profile its name when it has none of its own, and is where the relative
// paths in it start. The profile holds no part of data. Every error is an *Error.
func Parse(data []byte, name string) (*Profile, error) { return parse(data, name, true) }

// parse reads a profile. private says that nobody but its owner can read the
// file it came from, so that it may hold secrets.
func parse(data []byte, name string, private bool) (*Profile, error) {
	r, err := decode(data, name)
	if err != nil {
		return nil, err
	}
	r.private = private
	defer r.in.clear()
	p := Default()
	r.connection(p)
	r.secrets(p)
	r.algorithms(p)
	r.network(p)
	r.vpn5000(p)
	r.certificates(p)
	r.together(p)
	r.policy(p)
	if r.err != nil {
		p.Clear()
		return nil, r.err
	}
	return p, nil
}

// decode turns a document into a reader over its values.
func decode(data []byte, name string) (*reader, error) {
	if len(data) > maxFile {
		return nil, &Error{File: name, Problem: fmt.Sprintf("a profile has at most %d octets", maxFile)}
	}
	document := bytes.TrimPrefix(data, []byte("\ufeff"))
	var s survey
	if err := s.run(document); err != nil {
		err.File = name
		return nil, err
	}
	r := &reader{name: name, lines: s.lines}
	decoder := toml.NewDecoder(bytes.NewReader(document)).DisallowUnknownFields()
	if err := decoder.Decode(&r.in); err != nil {
		r.in.clear()
		return nil, syntaxError(err, name, document)
	}
	return r, nil
}

// syntaxError turns an error of the TOML decoder into one of ours. What the
// decoder says is left out where it may quote a secret.
func syntaxError(err error, name string, document []byte) *Error {
	fault := &Error{File: name, Problem: "isn't a TOML document"}
	if strict, ok := errors.AsType[*toml.StrictMissingError](err); ok && len(strict.Errors) > 0 {
		fault.Line, _ = strict.Errors[0].Position()
		key := strings.Join(strict.Errors[0].Key(), ".")
		fault.Key, fault.Problem = cutKey(key), unknown(key)
		return fault
	}
	d, ok := errors.AsType[*toml.DecodeError](err)
	if !ok {
		return fault
	}
	fault.Line, _ = d.Position()
	fault.Problem = "isn't TOML (text stands in quotes; true, false and numbers don't)"
	lines := bytes.Split(document, []byte("\n"))
	if fault.Line >= 1 && fault.Line <= len(lines) {
		before, _, _ := strings.Cut(string(lines[fault.Line-1]), "=")
		if key := strings.TrimSpace(before); keys[key] != "" {
			fault.Key = key
		}
	}
	if fault.Key != "" && !IsSecret(fault.Key) {
		if message := strings.TrimPrefix(d.Error(), "toml: "); !strings.Contains(message, "U+") {
			fault.Problem += ": " + message
		}
	}
	return fault
}

func (f *file) clear() {
	clear(f.Secret)
	clear(f.Password)
	clear(f.OTPSecret)
	clear(f.KeyPassphrase)
	clear(f.PAPAuthSecret)
}

// reader takes the values of a document one after the other and remembers the
// first fault.
type reader struct {
	in      file
	name    string
	private bool
	lines   map[string]int // of the keys that stand in the document, from 1
	err     error
}

func (r *reader) has(key string) bool { return r.lines[key] > 0 }

func (r *reader) fail(key, problem string) {
	if r.err == nil {
		r.err = &Error{File: r.name, Line: r.lines[key], Key: key, Problem: problem}
	}
}

// set stores a key's value when the key stands in the document.
func set[V, T any](r *reader, key string, value V, to *T, parse func(V) (T, error)) {
	if !r.has(key) || r.err != nil {
		return
	}
	v, err := parse(value)
	if err != nil {
		r.fail(key, err.Error())
		return
	}
	*to = v
}

// optional makes a parser take "" for a value that isn't set.
func optional[T any](parse func(string) (T, error)) func(string) (T, error) {
	return func(s string) (v T, err error) {
		if s == "" {
			return v, nil
		}
		return parse(s)
	}
}

// each makes a list's parser of an element's.
func each[T any](parse func(string) (T, error)) func([]string) ([]T, error) {
	return func(list []string) ([]T, error) {
		var out []T
		for _, s := range list {
			v, err := parse(s)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	}
}

// some refuses an empty list.
func some[T any](parse func([]string) ([]T, error)) func([]string) ([]T, error) {
	return func(list []string) ([]T, error) {
		if len(list) == 0 {
			return nil, errors.New("wants at least one; leave the key out for the default")
		}
		return parse(list)
	}
}

// oneOf takes one of the words in now. Those in later are known, and refused.
func oneOf[T ~string](now, later string) func(string) (T, error) {
	return func(s string) (T, error) {
		if slices.Contains(strings.Fields(now), s) {
			return T(s), nil
		}
		if slices.Contains(strings.Fields(later), s) {
			return "", fmt.Errorf("%q is not yet possible", s)
		}
		return "", fmt.Errorf("wants %s, not %q", alternatives(now+" "+later), s)
	}
}

// alternatives writes words as "a", "b" or "c".
func alternatives(list string) string {
	words := strings.Fields(list)
	for i, w := range words {
		words[i] = fmt.Sprintf("%q", w)
	}
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// plain takes text of one line.
func plain(s string) (string, error) {
	if len(s) > 255 {
		return "", errors.New("has more than 255 octets")
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", errors.New("has a control character in it")
	}
	return s, nil
}

// span takes a duration from least to most. zero says whether 0 and "off" are
// possible too.
func span(least, most time.Duration, zero bool) func(string) (time.Duration, error) {
	return func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		if zero && (s == Off || err == nil && d == 0) {
			return 0, nil
		}
		if err != nil || d < least || d > most || d%time.Second != 0 {
			return 0, fmt.Errorf("%q: wants whole seconds from %q to %q, like \"90s\", \"30m\", \"8h\"", s, short(least), short(most))
		}
		return d, nil
	}
}

// short writes a duration without the zeros of time.Duration.String.
func short(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

// path takes a file's path; a relative one starts at the profile's folder.
func (r *reader) path(s string) (string, error) {
	if _, err := plain(s); err != nil || filepath.IsAbs(s) {
		return s, err
	}
	return filepath.Join(filepath.Dir(r.name), s), nil
}
