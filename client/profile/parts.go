package profile

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
)

// Parts are a profile taken apart for another process, which opens none of a person's
// files: its text, and what its secrets and files hold.
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
		if *f.path != "" && f.data != nil {
			*f.path, parts.Files[key] = filepath.Base(*f.path), f.data
		}
	}
	parts.TOML = q.Marshal()
	return parts
}

// fileOf is a file that a profile names: where its path stands, and what it holds.
type fileOf struct {
	path *string
	data []byte
}

// named are the files that p's certificates need, by key. What is in a token isn't one.
func (p *Profile) named() map[string]fileOf {
	out := map[string]fileOf{
		"certificate":         {&p.Certificate, p.Files.Certificate},
		"key":                 {&p.Key, p.Files.Key},
		"ca":                  {&p.CA, p.Files.CA},
		"gateway_certificate": {&p.GatewayCertificate, p.Files.GatewayCertificate},
	}
	for i := range min(len(p.CRL), len(p.Files.CRL)) {
		out["crl."+strconv.Itoa(i)] = fileOf{&p.CRL[i], p.Files.CRL[i]}
	}
	return out
}

// complete checks what needs secrets to be checked.
func (p *Profile) complete() error {
	if p.RADIUS != "" && p.RADIUS != RADIUSCHAP && p.PAPAuthSecret == nil {
		return &Error{File: p.File, Key: "radius", Problem: fmt.Sprintf("%q wants pap_auth_secret beside it, for a password never travels in clear", p.RADIUS)}
	}
	return nil
}
