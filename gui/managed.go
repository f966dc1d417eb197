package gui

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"fyne.io/fyne/v2/lang"

	"postern/client/profile"
	"postern/client/secret"
)

// A managed profile is an administrator's. What a person changes of it, as far as it
// isn't locked, is in a file of theirs: docs/managed.md.

// managed returns an administrator's profile as they wrote it; nil: it isn't managed, or
// not for this person to read. The caller clears it.
func (p *person) managed(name string) *profile.Profile {
	if profile.CheckName(name) != nil {
		return nil
	}
	m, err := profile.Load(filepath.Join(profile.SystemFolder(), name+".toml"))
	if err != nil {
		return nil
	}
	if m.Policy == nil {
		m.Clear()
		return nil
	}
	m.Name = name
	return m
}

// changed returns a managed profile with what the person changed of it.
func (p *person) changed(m *profile.Profile) (*profile.Profile, error) {
	q, _, err := profile.Open(filepath.Join(profile.SystemFolder(), m.Name+".toml"))
	if err != nil {
		return nil, err
	}
	q.Name = m.Name
	return q, nil
}

// lockedBy says who keeps a person from changing a key of a profile; "": nobody does.
// managed: it is an administrator's, else the person's own, of which the locked keys
// have to be what the administrators' are.
func lockedBy(p *profile.Profile, managed bool, key string) string {
	if managed && key == "name" {
		return lang.L("Your administrator named it, in {{.File}}.", map[string]any{"File": p.File})
	}
	free := key == "name" || profile.IsSecret(key) || strings.HasSuffix(key, "_file") || key == "secret_encoding"
	for _, policy := range p.Policies {
		switch {
		case !policy.Locks(key), managed && key != "crl" && !p.Fixed(key), !managed && free:
		case managed && policy == p.Policy:
			return lang.L("Locked by your administrator, in {{.File}}.", map[string]any{"File": p.File})
		default:
			return lang.L("Locked by your administrator, by this machine's policy.")
		}
	}
	switch {
	case managed && profile.IsSecret(strings.TrimSuffix(key, "_file")) && p.Fixed(key):
		return lang.L("Your administrator wants it to be asked for, and not kept.")
	case managed && (key == "crl" || p.Fixed(key)):
		return lang.L("Fixed, for your administrator's secrets belong to it.")
	}
	return ""
}

// changesText is the file with a person's changes of m: what is typed and differs from
// what the administrator wrote.
func (e *editor) changesText() []byte {
	theirs := make(map[string]string)
	for _, s := range e.managed.Settings(true) {
		theirs[s.Key] = s.Value
	}
	return e.text(func(in *input) bool {
		return in.locked == "" && in.kind != asSecret && in.get() != in.shown(theirs[in.key])
	})
}

// keepChanges saves a person's changes of a managed profile. Passwords go to the
// keyring, where there is one; other secrets, and what was in the file before, stay
// in the file, which only the person can read.
//
// typed is cleared.
func (p *person) keepChanges(m *profile.Profile, text []byte, typed map[string][]byte) error {
	defer func() {
		for _, s := range typed {
			clear(s)
		}
	}()
	name, path := m.Name, filepath.Join(profile.UserFolder(), m.Name+".toml")
	parts, err := profile.ReadChanges(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		parts = profile.Parts{} // it can't be read: a better one takes its place
	}
	secrets := parts.Secrets
	if secrets == nil {
		secrets = make(map[string][]byte)
	}
	defer func() {
		for _, s := range secrets {
			clear(s)
		}
	}()
	q, _, err := m.Change(text, path)
	if err != nil {
		return err
	}
	defer q.Clear()
	for key, s := range typed {
		if (key == "password" || key == "otp_secret") && secret.Available() == nil {
			if err := secret.Set(name, key, s); err != nil {
				return err
			}
			delete(secrets, key)
			continue
		}
		secrets[key] = s
		if key == "secret" { // typed as it is written
			if secrets[key], err = q.SecretEncoding.Decode(s); err != nil {
				return &profile.Error{Key: key, Problem: err.Error()}
			}
		}
	}
	var b bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(secrets)) {
		b.WriteString(key + " = " + quote(encoded(key, secrets[key], q.SecretEncoding)) + "\n")
	}
	b.Write(text) // its tables come last
	defer clear(b.Bytes())
	return profile.WriteFile(path, b.Bytes(), true)
}

// encoded is a secret as a profile with this encoding has it.
func encoded(key string, s []byte, e profile.Encoding) string {
	switch {
	case key == "secret" && e == profile.EncodingHex:
		return hex.EncodeToString(s)
	case key == "secret" && e == profile.EncodingBase64:
		return base64.StdEncoding.EncodeToString(s)
	}
	return string(s)
}
