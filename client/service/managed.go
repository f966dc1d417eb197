package service

import (
	"bytes"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"postern/client/localapi"
	"postern/client/profile"
)

// own is the profile of a person's document, bound by what administrators demand: their
// own, which takes over what came with the document; or, where there is a managed profile
// of its name, that one with their changes, which shares nothing with the document.
func (f folder) own(d *localapi.Document) (p *profile.Profile, isManaged bool, err error) {
	managed := profile.Managed(f.path)
	defer func() {
		for _, m := range managed {
			m.Clear()
		}
	}()
	if slices.ContainsFunc(managed, func(m *profile.Profile) bool { return m.Name == d.Name }) {
		p, err = f.changed(d)
		return p, true, err
	}
	if p, err = parseDocument(d); err != nil {
		return nil, false, err
	}
	if err := p.Permitted(managed); err != nil {
		p.Clear()
		return nil, false, err
	}
	return p, false, nil
}

// changed is a managed profile with a person's changes. What they change of locked keys
// stays as the administrator has it.
func (f folder) changed(d *localapi.Document) (*profile.Profile, error) {
	m, err := f.resolve(d.Name)
	if err != nil {
		return nil, err
	}
	defer m.Clear()
	name := d.Name + ".toml"
	p, _, err := m.Change([]byte(d.TOML), filepath.Join(f.path, name))
	if err != nil {
		return nil, err
	}
	theirs, err := brought(d, m)
	if err == nil {
		err = takeSecrets(p, theirs.Secrets)
	}
	if err == nil {
		err = p.TakeFiles(m, octets(theirs.Files))
	}
	if err != nil {
		p.Clear()
		return nil, err
	}
	return p, nil
}

// brought are copies of the secrets and files that came with a document, as far as they
// are the person's to bring to a managed profile.
func brought(d *localapi.Document, m *profile.Profile) (out localapi.Document, err error) {
	out.Secrets, out.Files = map[string]localapi.Octets{}, map[string]localapi.Octets{}
	for _, key := range slices.Sorted(maps.Keys(d.Secrets)) {
		if m.Takes(key) {
			out.Secrets[key] = bytes.Clone(d.Secrets[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(d.Files)) {
		if strings.HasPrefix(key, crlPrefix) {
			return out, &profile.Error{File: d.Name + ".toml", Key: "crl", Problem: "can't be changed in a managed profile"}
		}
		if !m.Policies.Locks(key) {
			out.Files[key] = bytes.Clone(d.Files[key])
		}
	}
	return out, nil
}

func octets(m map[string]localapi.Octets) map[string][]byte {
	out := map[string][]byte{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

// takeOnce puts what is used this once where the profile has it, as far as that isn't
// locked.
func takeOnce(p *profile.Profile, once map[string]localapi.Octets) error {
	for _, key := range slices.Sorted(maps.Keys(once)) {
		if !p.Takes(key) {
			return &profile.Error{File: p.File, Key: key, Problem: "is locked by your administrator"}
		}
	}
	return takeSecrets(p, once)
}

// folder is where the profiles of an order come from.
func (o *order) folder() folder {
	if o.Path == "" {
		return folder{}
	}
	return folder{path: filepath.Dir(o.Path), credentials: o.Credentials}
}
