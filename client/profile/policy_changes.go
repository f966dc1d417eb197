package profile

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// Change returns p, which is managed, with a person's changes: a document with keys of a
// profile, called name in errors. Locked keys stay as they are; ignored are those that
// the document sets to something else. p stays as it is, and shares nothing with q.
func (p *Profile) Change(document []byte, name string) (q *Profile, ignored []string, err error) {
	return p.change(document, name, true)
}

func (p *Profile) change(document []byte, name string, private bool) (q *Profile, ignored []string, err error) {
	r, err := decode(document, name)
	if err != nil {
		return nil, nil, err
	}
	defer r.in.clear()
	whole := p.MarshalWithSecrets()
	defer clear(whole)
	values, theirs := map[string]any{}, map[string]any{}
	if err := errors.Join(toml.Unmarshal(whole, &values), toml.Unmarshal(bytes.TrimPrefix(document, []byte("\ufeff")), &theirs)); err != nil {
		return nil, nil, &Error{File: name, Problem: "isn't a TOML document"}
	}
	for _, key := range slices.Sorted(maps.Keys(r.lines)) {
		value, ok := lookUp(theirs, key)
		switch was, _ := lookUp(values, key); {
		case !ok || keys[key] == table || key == "name" || fmt.Sprint(was) == fmt.Sprint(value):
			continue
		case !private && IsSecret(key):
			return nil, nil, &Error{File: name, Line: r.lines[key], Key: key, Problem: openToOthers(name)}
		case p.Fixed(key):
			ignored = append(ignored, key)
			continue
		}
		if err := r.place(values, key, value); err != nil {
			return nil, nil, err
		}
	}
	merged, err := toml.Marshal(values)
	if err != nil {
		return nil, nil, &Error{File: name, Problem: "isn't a TOML document"}
	}
	defer clear(merged)
	q, err = Parse(merged, name)
	if fault, ok := errors.AsType[*Error](err); ok {
		fault.Line = r.lines[fault.Key]
		return nil, nil, fault
	}
	return q, ignored, q.inherit(p, r)
}

// lookUp finds a key, which may stand in a table.
func lookUp(values map[string]any, key string) (any, bool) {
	if head, inner, ok := strings.Cut(key, "."); ok {
		values, _ = values[head].(map[string]any)
		key = inner
	}
	v, ok := values[key]
	return v, ok
}

// Takes says whether a person may bring the user's name or a secret, by its key: it
// isn't locked, or the administrator left it out.
func (p *Profile) Takes(key string) bool {
	if !p.Policies.Locks(key) {
		return true
	}
	switch key {
	case "user":
		return p.User == ""
	case "secret":
		return p.Secret == nil && p.SecretFile == ""
	case "password":
		return p.Password == nil && p.PasswordFile == ""
	case "otp_secret":
		return p.OTPSecret == nil && p.OTPSecretFile == ""
	case "key_passphrase":
		return p.KeyPassphrase == nil && p.KeyPassphraseFile == ""
	case "pap_auth_secret":
		return p.PAPAuthSecret == nil
	}
	return false
}

// Fixed says whether a person's changes of p, which is managed, can't have a key: it is
// locked, may not be kept, or would send a secret of the administrator's to another gateway.
func (p *Profile) Fixed(key string) bool {
	kind := strings.TrimSuffix(key, "_file")
	switch {
	case key == "user", IsSecret(kind):
		return !p.Takes(kind) || !p.MaySave(key)
	case key == "gateway" || key == "backup":
		own := p.SecretFile != "" || p.PasswordFile != "" || p.OTPSecretFile != "" || len(p.Secrets()) > 0
		return own || p.Policies.Locks(key)
	}
	return p.Policies.Locks(key)
}

// pathKeys are the keys that name files.
var pathKeys = []string{"secret_file", "password_file", "otp_secret_file", "key_passphrase_file", "certificate", "key", "ca", "gateway_certificate"}

// place puts a person's value among the profile's. Their paths start at their folder, and
// a secret takes the place of the file with one.
func (r *reader) place(values map[string]any, key string, value any) error {
	if path, isText := value.(string); isText && slices.Contains(pathKeys, key) && path != "" && !InToken(path) {
		whole, err := r.path(path)
		if err != nil {
			return &Error{File: r.name, Line: r.lines[key], Key: key, Problem: err.Error()}
		}
		value = whole
	}
	if key == "crl" {
		return &Error{File: r.name, Line: r.lines[key], Key: key, Problem: "can't be changed in a managed profile"}
	}
	if other, isFile := strings.CutSuffix(key, "_file"); isFile {
		delete(values, other)
	} else {
		delete(values, key+"_file")
	}
	if head, inner, ok := strings.Cut(key, "."); ok {
		in, _ := values[head].(map[string]any)
		if in == nil {
			in = map[string]any{}
			values[head] = in
		}
		values, key = in, inner
	}
	values[key] = value
	return nil
}

// inherit takes over what isn't in p's text: what administrators demand, and the contents
// of files that the changes in r don't name.
func (q *Profile) inherit(p *Profile, r *reader) error {
	q.File, q.Name, q.Policies = p.File, p.Name, p.Policies
	if !r.has("certificate") {
		q.Files.Certificate = slices.Clone(p.Files.Certificate)
	}
	if !r.has("key") {
		q.Files.Key = slices.Clone(p.Files.Key)
	}
	if !r.has("ca") {
		q.Files.CA = p.Files.CA
	}
	if !r.has("gateway_certificate") {
		q.Files.GatewayCertificate = p.Files.GatewayCertificate
	}
	q.Files.CRL = p.Files.CRL
	if err := q.Policies.check(q, time.Now()); err != nil {
		q.Clear()
		return err
	}
	return nil
}

// TakeFiles gives p, which is m with a person's changes, the contents of the files that
// the changes name, by key. Files that came from nowhere are an error: they are never
// opened here.
func (p *Profile) TakeFiles(m *Profile, files map[string][]byte) error {
	for _, f := range []struct {
		key, path, was string
		to             *[]byte
	}{
		{"certificate", p.Certificate, m.Certificate, (*[]byte)(&p.Files.Certificate)},
		{"key", p.Key, m.Key, (*[]byte)(&p.Files.Key)},
		{"ca", p.CA, m.CA, &p.Files.CA},
		{"gateway_certificate", p.GatewayCertificate, m.GatewayCertificate, &p.Files.GatewayCertificate},
	} {
		data, came := files[f.key]
		switch {
		case f.path == f.was && !came:
		case InToken(f.path):
			return &Error{Key: f.key, Problem: "is in a token, whose module only your own programs may load; use: postern run"}
		case f.path == "":
			*f.to = nil
		case len(data) == 0:
			return &Error{Key: f.key, Problem: "names a file, which only your own programs may open"}
		default:
			*f.to = data
		}
	}
	for key, path := range map[string][2]string{
		"secret_file": {p.SecretFile, m.SecretFile}, "password_file": {p.PasswordFile, m.PasswordFile},
		"otp_secret_file": {p.OTPSecretFile, m.OTPSecretFile}, "key_passphrase_file": {p.KeyPassphraseFile, m.KeyPassphraseFile},
	} {
		if path[0] != "" && path[0] != path[1] {
			return &Error{Key: key, Problem: "names a file, which only your own programs may open"}
		}
	}
	return nil
}

// ReadChanges takes a person's changes to a managed profile apart, as Parts does with a
// whole profile. The caller clears what is in it.
func ReadChanges(path string) (Parts, error) {
	data, private, err := readFile(path)
	if err != nil {
		return Parts{}, err
	}
	defer clear(data)
	r, err := decode(data, path)
	if err != nil {
		return Parts{}, err
	}
	defer r.in.clear()
	r.private = private
	values := map[string]any{}
	if err := toml.Unmarshal(bytes.TrimPrefix(data, []byte("\ufeff")), &values); err != nil {
		return Parts{}, &Error{File: path, Problem: "isn't a TOML document"}
	}
	parts := Parts{Secrets: map[string][]byte{}, Files: map[string][]byte{}}
	for _, key := range slices.Sorted(maps.Keys(r.lines)) {
		if err := r.bring(&parts, values, key); err != nil {
			return Parts{}, err
		}
	}
	parts.TOML, err = toml.Marshal(values)
	return parts, err
}

// bring moves a secret, or what a file holds, from a person's text to parts.
func (r *reader) bring(parts *Parts, values map[string]any, key string) error {
	written, _ := values[key].(string)
	kind, isFile := strings.CutSuffix(key, "_file")
	fault := func(err error) error {
		if at, ok := errors.AsType[*Error](err); ok {
			return at
		}
		return &Error{File: r.name, Line: r.lines[key], Key: key, Problem: err.Error()}
	}
	path, err := r.path(written)
	if err != nil {
		return fault(err)
	}
	octets := []byte(written)
	switch {
	case IsSecret(key) && !r.private:
		return fault(errors.New(openToOthers(r.name)))
	case IsSecret(key):
	case isFile && IsSecret(kind):
		at, _, err := secretFile(path, key)
		if err != nil {
			return fault(err)
		}
		octets = at.value
	case slices.Contains(pathKeys, key) && written != "" && !InToken(written):
		data, err := namedFile(key, path, key == "key")
		if err != nil {
			return fault(err)
		}
		parts.Files[key], values[key] = data, filepath.Base(path)
		return nil
	default:
		return nil
	}
	delete(values, key)
	encoding := EncodingText
	if kind == "secret" && r.has("secret_encoding") {
		encoding = Encoding(r.in.SecretEncoding)
	}
	secret, err := encoding.Decode(octets)
	if err != nil {
		return fault(err)
	}
	parts.Secrets[kind] = secret
	return nil
}
