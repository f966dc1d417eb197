package gui

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"

	"postern/client/localapi"
	"postern/client/profile"
	"postern/client/secret"
)

// person is what is the person's own, and no business of the daemon's: profiles in their
// folder and secrets in their keyring. What they hold travels for one connection.
type person struct {
	id       string // the user's number, as in a Tunnel's ID
	profiles []profile.Entry
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
	p.profiles = profile.List()
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

// document reads a profile with its secrets and files for a connection. It may take a
// while, and doesn't belong to Fyne's goroutine.
func (p *person) document(name string) (*localapi.Document, error) {
	path, err := profile.Find(name)
	if err != nil {
		return nil, err
	}
	loaded, err := profile.Load(path)
	if err != nil {
		return nil, err
	}
	defer loaded.Clear()
	sources := profile.Sources{FD: profile.NoFD, Keyring: func(key string) ([]byte, error) { return inKeyring(name, key) }}
	if err := sources.Resolve(loaded); err != nil {
		return nil, err
	}
	parts := loaded.Parts()
	d := &localapi.Document{Name: name, TOML: string(parts.TOML), Secrets: map[string]localapi.Octets{}, Files: map[string]localapi.Octets{}}
	for key, s := range parts.Secrets {
		d.Secrets[key] = append(localapi.Octets(nil), s...)
	}
	for key, b := range parts.Files {
		d.Files[key] = append(localapi.Octets(nil), b...)
	}
	return d, nil
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

// ofTunnel is the name of the person's profile that a connection uses.
func (p *person) ofTunnel(id string) (name string, ok bool) { return strings.CutPrefix(id, p.id+":") }

// mayKeep says whether what is typed for a connection may be kept in the keyring.
func (p *person) mayKeep(id string) bool {
	_, own := p.ofTunnel(id)
	return own
}

// keep puts into the keyring what was typed for a connection.
func (p *person) keep(id string, answers map[string]localapi.Octets) error {
	name, own := p.ofTunnel(id)
	if !own {
		return nil
	}
	for _, key := range []string{"secret", "password", "key_passphrase"} {
		if s := answers[key]; s != nil {
			if err := secret.Set(name, key, s); err != nil {
				return err
			}
		}
	}
	return nil
}
