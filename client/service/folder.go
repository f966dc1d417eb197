package service

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"postern/client"
	"postern/client/localapi"
	"postern/client/profile"
)

// folder holds the system profiles, NAME.toml. Only root may change it and what is in
// it; the rest isn't opened.
type folder struct {
	path string // "": there are none
	// credentials is the folder that the service manager keeps secrets in, "" for none.
	credentials string
}

// list returns the profiles in the order of their names.
func (f folder) list() (out []localapi.ProfileInfo) {
	entries, err := os.ReadDir(f.path)
	if f.path == "" || err != nil {
		return nil
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".toml")
		if !ok || profile.CheckName(name) != nil {
			continue
		}
		info := localapi.ProfileInfo{Name: name}
		p, err := f.read(name)
		if err != nil {
			info.Problem = client.Explain(err).Message
		} else {
			info.Gateway, info.Autoconnect = p.Gateway.String(), p.Autoconnect
			p.Clear()
		}
		out = append(out, info)
	}
	slices.SortFunc(out, func(a, b localapi.ProfileInfo) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// read reads a profile without the secrets that are kept elsewhere. Where there is none
// the error wraps profile.ErrNotFound.
func (f folder) read(name string) (*profile.Profile, error) {
	if f.path == "" || profile.CheckName(name) != nil {
		return nil, fmt.Errorf("%q: %w", name, profile.ErrNotFound)
	}
	path := f.file(name)
	if err := trusted(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%q: %w", name, profile.ErrNotFound)
	} else if err != nil {
		return nil, &profile.Error{File: path, Problem: err.Error()}
	}
	p, err := profile.Load(path)
	if err != nil {
		return nil, err
	}
	p.Name = name // by which it is known here, whatever the file says
	return p, nil
}

func (f folder) file(name string) string { return filepath.Join(f.path, name+".toml") }

// resolve reads a profile with all of its secrets and files.
func (f folder) resolve(name string) (*profile.Profile, error) {
	p, err := f.read(name)
	if err != nil {
		return nil, err
	}
	s := profile.Sources{FD: profile.NoFD, CredentialsDirectory: f.credentials}
	if err := s.Resolve(p); err != nil {
		p.Clear()
		return nil, err
	}
	return p, nil
}
