package profile

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
)

// Parts are a profile taken apart for another process, which opens none of the
// person's files: its text, and what its secrets and files hold.
type Parts struct {
	TOML    []byte            // without secrets; of files the base names
	Secrets map[string][]byte // by SecretKeys; the pre-shared key decoded
	Files   map[string][]byte // "certificate", "key", "ca", "gateway_certificate", "crl.0", "crl.1" …
}

// Parts takes a profile apart whose secrets are resolved. The octets are p's own.
func (p *Profile) Parts() Parts {
	parts := Parts{Secrets: map[string][]byte{}, Files: map[string][]byte{}}
	for key, s := range p.Secrets() {
		parts.Secrets[key] = s
	}
	q := *p
	q.SecretFile, q.PasswordFile, q.OTPSecretFile, q.KeyPassphraseFile = "", "", "", ""
	q.CRL = slices.Clone(p.CRL)
	for key, f := range q.named() {
		if f.data != nil {
			*f.path, parts.Files[key] = filepath.Base(*f.path), f.data
		}
	}
	parts.TOML = q.Marshal()
	return parts
}

// Join puts a profile together again and checks it as Parse does. It copies what it
// keeps. Objects in a token are refused unless tokens is true: their URI may name the
// module to load, so that whoever has more rights than the person must not follow it.
// Errors are *Error.
func (parts Parts) Join(tokens bool) (*Profile, error) {
	p, err := Parse(parts.TOML, "profile.toml")
	if err != nil {
		return nil, err
	}
	if err := parts.fill(p, tokens); err != nil {
		p.Clear()
		return nil, err
	}
	return p, nil
}

func (parts Parts) fill(p *Profile, tokens bool) error {
	for key, path := range map[string]string{
		"secret_file": p.SecretFile, "password_file": p.PasswordFile, "otp_secret_file": p.OTPSecretFile, "key_passphrase_file": p.KeyPassphraseFile,
	} {
		if path != "" {
			return &Error{Key: key, Problem: "names a file, which can't be opened from here"}
		}
	}
	for key, octets := range parts.Secrets {
		to := p.secret(key)
		if to == nil || len(octets) == 0 || len(octets) > maxSecret {
			return &Error{Key: cutKey(key), Problem: fmt.Sprintf("isn't a secret of 1 to %d octets", maxSecret)}
		}
		to.Clear()
		*to = bytes.Clone(octets)
	}
	named := p.named()
	for key, f := range named {
		data, found := parts.Files[key]
		switch {
		case InToken(*f.path) && !tokens:
			return &Error{Key: key, Problem: "is in a token, which can't be opened from here"}
		case InToken(*f.path):
		case !found:
			return &Error{Key: key, Problem: "names a file that didn't come with the profile"}
		default:
			f.set(bytes.Clone(data))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(parts.Files)) {
		if _, ok := named[key]; !ok {
			return &Error{Key: cutKey(key), Problem: "came with a file that the profile doesn't name"}
		}
	}
	return p.complete()
}

// secret is where p keeps the secret of a key, nil for another key.
func (p *Profile) secret(key string) *Secret {
	return map[string]*Secret{
		"secret": &p.Secret, "password": &p.Password, "otp_secret": &p.OTPSecret, "key_passphrase": &p.KeyPassphrase, "pap_auth_secret": &p.PAPAuthSecret,
	}[key]
}

// namedFileOf is a file that a profile names: its path in the profile, what it holds,
// and how to set that.
type namedFileOf struct {
	path *string
	data []byte
	set  func([]byte)
}

// named are the files that p's certificates need, by key.
func (p *Profile) named() map[string]namedFileOf {
	files := &p.Files
	out := map[string]namedFileOf{
		"certificate":         {&p.Certificate, files.Certificate, func(b []byte) { files.Certificate = b }},
		"key":                 {&p.Key, files.Key, func(b []byte) { files.Key = b }},
		"ca":                  {&p.CA, files.CA, func(b []byte) { files.CA = b }},
		"gateway_certificate": {&p.GatewayCertificate, files.GatewayCertificate, func(b []byte) { files.GatewayCertificate = b }},
	}
	for i := range p.CRL {
		if len(files.CRL) <= i {
			files.CRL = append(slices.Clip(files.CRL), nil)
		}
		out["crl."+strconv.Itoa(i)] = namedFileOf{&p.CRL[i], files.CRL[i], func(b []byte) { files.CRL[i] = b }}
	}
	maps.DeleteFunc(out, func(_ string, f namedFileOf) bool { return *f.path == "" })
	return out
}

// complete checks what needs secrets to be checked.
func (p *Profile) complete() error {
	if p.RADIUS != "" && p.RADIUS != RADIUSCHAP && p.PAPAuthSecret == nil {
		return &Error{File: p.File, Key: "radius", Problem: fmt.Sprintf("%q wants pap_auth_secret beside it, for a password never travels in clear", p.RADIUS)}
	}
	return nil
}
