package gui

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strings"

	"postern/client/localapi"
	keeping "postern/client/person"
	"postern/client/profile"
	"postern/client/secret"
)

// person is what is the person's own, and no business of the daemon's: profiles in their
// folder and secrets in their keyring. What they hold travels for one connection.
type person struct {
	id       string // the user's number, as in a Tunnel's ID
	profiles []profile.Entry
	policies map[string]bool // the managed profiles, by name: whether passwords may be kept
}

func newPerson() *person {
	if u, err := user.Current(); err == nil {
		return &person{id: u.Uid}
	}
	return &person{id: fmt.Sprint(os.Getuid())}
}

// load reads the folder again.
func (p *person) load() {
	for _, e := range p.profiles {
		if e.Profile != nil {
			e.Profile.Clear()
		}
	}
	p.profiles, p.policies = profile.List(), make(map[string]bool)
	for _, e := range p.profiles {
		if e.System && e.Profile != nil && e.Profile.Policy != nil {
			p.policies[e.Name] = e.Profile.MaySave("password")
		}
	}
}

// own are the profiles in the person's folder.
func (p *person) own() (all []ownProfile) {
	for _, e := range p.profiles {
		if e.System {
			continue
		}
		o := ownProfile{name: e.Name}
		if e.Profile != nil {
			o.gateway = e.Profile.Gateway.String()
		}
		if e.Problem != nil {
			o.problem = e.Problem.Error()
		}
		all = append(all, o)
	}
	return all
}

// request asks for a connection. It may take a while, and doesn't belong to Fyne's
// goroutine. The caller clears it.
func (p *person) request(name string, own, demo bool) (*localapi.ConnectRequest, error) {
	if demo {
		return &localapi.ConnectRequest{Profile: name}, nil
	}
	if own {
		d, err := document(name)
		return &localapi.ConnectRequest{Document: d}, err
	}
	r := &localapi.ConnectRequest{Profile: name, Secrets: map[string]localapi.Octets{}}
	m := p.managed(name)
	if m != nil {
		defer m.Clear()
		d, err := changesOf(name)
		if err != nil {
			return nil, err
		}
		if d != nil {
			r.Profile, r.Document = "", d
		}
	}
	for _, key := range []string{"password", "otp_secret"} {
		if m != nil && (!m.Takes(key) || !m.MaySave(key)) {
			continue
		}
		if s, err := inKeyring(name, key); err == nil && s != nil {
			r.Secrets[key] = s
		}
	}
	return r, nil
}

// changesOf are a person's changes of a managed profile; nil: there are none.
func changesOf(name string) (*localapi.Document, error) {
	path := profile.Changes(name)
	if path == "" {
		return nil, nil
	}
	parts, err := profile.ReadChanges(path)
	if err != nil {
		return nil, err
	}
	octets := func(m map[string][]byte) map[string]localapi.Octets {
		out := make(map[string]localapi.Octets, len(m))
		for k, v := range m {
			out[k] = v
		}
		return out
	}
	return &localapi.Document{Name: name, TOML: string(parts.TOML), Secrets: octets(parts.Secrets), Files: octets(parts.Files)}, nil
}

// document reads a profile of the person's own with its secrets and files.
func document(name string) (*localapi.Document, error) {
	path, err := profile.Find(name)
	if err != nil {
		return nil, err
	}
	loaded, _, err := profile.Open(path)
	if err != nil {
		return nil, err
	}
	defer loaded.Clear()
	sources := profile.Sources{FD: profile.NoFD, Keyring: func(key string) ([]byte, error) { return inKeyring(name, key) }}
	if err := sources.Resolve(loaded); err != nil {
		return nil, err
	}
	shared, err := keeping.Document(loaded)
	if err != nil {
		return nil, err
	}
	d := &localapi.Document{Name: shared.Name, TOML: shared.TOML, Secrets: copies(shared.Secrets), Files: copies(shared.Files)}
	return d, nil
}

// copies outlive the profile.
func copies(m map[string]localapi.Octets) map[string]localapi.Octets {
	out := make(map[string]localapi.Octets, len(m))
	for k, v := range m {
		out[k] = slices.Clone(v)
	}
	return out
}

// inKeyring is what the keyring has; nil: nothing, or there is no keyring.
func inKeyring(name, key string) ([]byte, error) {
	s, err := secret.Get(name, key)
	if errors.Is(err, secret.ErrNotFound) || errors.Is(err, secret.ErrNone) {
		return nil, nil
	}
	return s, err
}

// find is the person's profile of that name.
func (p *person) find(name string) *profile.Profile {
	for _, e := range p.profiles {
		if e.Name == name && !e.System {
			return e.Profile
		}
	}
	return nil
}

// save writes a profile and keeps its secrets: those typed now, and those that the
// profile's file had before, where it had some. before is the name that it had.
func (p *person) save(q, base *profile.Profile, before string, typed map[string][]byte) error {
	defer func() {
		for _, s := range typed {
			clear(s)
		}
	}()
	ring := secret.Available() == nil
	for key, s := range typed {
		encoding := profile.EncodingText
		if key == "secret" {
			encoding = q.SecretEncoding
		}
		decoded, err := encoding.Decode(s)
		if err != nil {
			return &profile.Error{Key: key, Problem: err.Error()}
		}
		if !ring {
			*secretOf(q, key) = decoded
			continue
		}
		decoded.Clear()
		if err := secret.Set(q.Name, key, s); err != nil {
			return err
		}
	}
	for key, s := range base.Secrets() {
		if typed[key] == nil {
			*secretOf(q, key) = append(profile.Secret(nil), s...)
		}
	}
	if _, err := profile.Save(q, profile.UserFolder(), profile.Saving{Secrets: true, Replace: q.Name == before}); err != nil {
		return err
	}
	if before == "" || before == q.Name {
		return nil
	}
	for _, key := range secret.Kinds {
		if s, err := inKeyring(before, key); err == nil && s != nil && typed[key] == nil {
			err = secret.Set(q.Name, key, s)
			clear(s)
			if err != nil {
				return err
			}
		}
	}
	return p.remove(before)
}

// secretOf is where a profile has a secret.
func secretOf(p *profile.Profile, key string) *profile.Secret {
	switch key {
	case "secret":
		return &p.Secret
	case "password":
		return &p.Password
	case "otp_secret":
		return &p.OTPSecret
	case "key_passphrase":
		return &p.KeyPassphrase
	}
	return &p.PAPAuthSecret
}

// remove removes a profile and its secrets.
func (p *person) remove(name string) error {
	if _, err := profile.Remove(name); err != nil {
		return err
	}
	_, err := secret.Forget(name)
	if errors.Is(err, secret.ErrNone) {
		return nil
	}
	return err
}

// mayKeep says whether administrators let a person keep a profile's password.
func (p *person) mayKeep(name string) bool {
	if may, isManaged := p.policies[name]; isManaged {
		return may
	}
	q := p.find(name)
	return q == nil || q.MaySave("password")
}

// nameOf is the profile that a connection of the person's uses, or one of the system's;
// "" for another person's.
func (p *person) nameOf(id string) string {
	uid, name, own := strings.Cut(id, ":")
	switch {
	case !own:
		return id
	case uid == p.id:
		return name
	}
	return ""
}

// kept are the fields of prompts whose answers are secrets of a profile, with their keys.
var kept = map[string]string{"password": "password", "secret": "secret", "key_passphrase": "key_passphrase", "pass-phrase": "otp_secret"}

// keep puts into the keyring what was typed for a connection.
func (p *person) keep(id string, answers map[string]localapi.Octets) error {
	name := p.nameOf(id)
	for field, answer := range answers {
		if key := kept[field]; key != "" && name != "" {
			if err := secret.Set(name, key, answer); err != nil {
				return err
			}
		}
	}
	return nil
}
