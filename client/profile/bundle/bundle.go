// Package bundle is how an organisation rolls profiles out: a bundle of profiles and the
// files that they name, signed with minisign, which is installed for all people of a
// machine when a key vouches for it that the machine's administrator pinned.
//
// Files: bundle.go what a bundle is; sign.go keys and signatures; state.go what was
// installed before; install.go installs. Not RFC: the signature's format is minisign's
// (https://jedisct1.github.io/minisign/).
//
// A bundle is a TOML document:
//
//	bundle = "acme"   # its name; a later bundle of that name replaces it
//	serial = 7        # that one has a higher serial
//
//	[profiles.office] # each profile, with a profile's own keys
//	gateway = "vpn.acme.example"
//	ca = "acme-ca.pem"
//	[profiles.office.policy]
//	expires = "2027-06-30"
//
//	[files]           # what the profiles name
//	"acme-ca.pem" = """-----BEGIN CERTIFICATE-----…"""
//
// Beside a bundle NAME lies its signature, NAME.minisig.
package bundle

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"

	"postern/client/profile"
)

// Suffixes of the files.
const (
	Suffix          = ".bundle"
	SignatureSuffix = ".minisig"
)

// MaxSize bounds a bundle in octets, maxFiles what is in it. Chosen here.
const (
	MaxSize  = 4 << 20
	maxFiles = 1000
)

// Bundle is what is in one. Its profiles are complete and checked.
type Bundle struct {
	Name     string
	Serial   int64
	Profiles []*profile.Profile // in the order of their names
	Files    map[string][]byte  // by name, without folders
}

// document is a bundle as TOML has it. What isn't text stands in base64, behind "base64:".
type document struct {
	Bundle   string                    `toml:"bundle"`
	Serial   int64                     `toml:"serial"`
	Profiles map[string]map[string]any `toml:"profiles"`
	Files    map[string]string         `toml:"files"`
}

const base64Prefix = "base64:"

var (
	goodName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	goodFile = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._ @+-]{0,99}$`)
)

// Clear overwrites the secrets in b.
func (b *Bundle) Clear() {
	for _, p := range b.Profiles {
		p.Clear()
	}
	for _, f := range b.Files {
		clear(f)
	}
}

// Parse reads a bundle. Who vouches for it is for Verify to say, before.
func Parse(data []byte) (*Bundle, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("a bundle has at most %d octets", MaxSize)
	}
	var d document
	if err := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode(&d); err != nil {
		return nil, errors.New("this isn't a bundle of profiles: it wants bundle, serial, [profiles.NAME] and [files], in TOML")
	}
	switch {
	case !goodName.MatchString(d.Bundle):
		return nil, errors.New(`bundle wants a name of small letters, digits and "._-"`)
	case d.Serial < 1:
		return nil, errors.New("serial wants a whole number from 1")
	case len(d.Profiles) == 0:
		return nil, errors.New("there is no profile in the bundle")
	case len(d.Profiles)+len(d.Files) > maxFiles:
		return nil, fmt.Errorf("a bundle has at most %d profiles and files", maxFiles)
	}
	b := &Bundle{Name: d.Bundle, Serial: d.Serial, Files: map[string][]byte{}}
	for _, name := range slices.Sorted(maps.Keys(d.Files)) {
		if err := b.addFile(name, d.Files[name]); err != nil {
			b.Clear()
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Profiles)) {
		if err := b.addProfile(name, d.Profiles[name]); err != nil {
			b.Clear()
			return nil, fmt.Errorf("profile %q: %w", name, err)
		}
	}
	return b, nil
}

func (b *Bundle) addFile(name, text string) error {
	if !goodFile.MatchString(name) || strings.HasSuffix(strings.ToLower(name), ".toml") {
		return fmt.Errorf("%q can't be the name of a file beside a profile", name)
	}
	for other := range b.Files {
		if strings.EqualFold(other, name) {
			return fmt.Errorf("the files %q and %q have the same name on some systems", other, name)
		}
	}
	b.Files[name] = []byte(text)
	if encoded, ok := strings.CutPrefix(text, base64Prefix); ok {
		octets, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(encoded), ""))
		if err != nil {
			return fmt.Errorf("the file %q isn't the base64 that it promises", name)
		}
		b.Files[name] = octets
	}
	return nil
}

func (b *Bundle) addProfile(name string, keys map[string]any) error {
	if err := profile.CheckName(name); err != nil {
		return err
	}
	text, err := toml.Marshal(keys)
	if err != nil {
		return errors.New("has a value that can't be written down")
	}
	defer clear(text)
	p, err := profile.Parse(text, name+".toml")
	if fault, ok := errors.AsType[*profile.Error](err); ok {
		return &profile.Error{Key: fault.Key, Problem: fault.Problem} // the line isn't the bundle's
	}
	if p.Name != name {
		return fmt.Errorf("calls itself %q", p.Name)
	}
	for _, other := range b.Profiles {
		if strings.EqualFold(other.Name, name) {
			return fmt.Errorf("has the name of %q on some systems", other.Name)
		}
	}
	b.Profiles = append(b.Profiles, p)
	for _, path := range p.NamedPaths() {
		if _, ok := b.Files[path]; !ok && !filepath.IsAbs(path) {
			return fmt.Errorf("names the file %q, which isn't in the bundle", path)
		}
	}
	return nil
}

// File is a file to make a bundle of: a profile, NAME.toml, or what profiles name.
type File struct {
	Name string // without folders
	Data []byte
}

// New makes a bundle, whose profiles and files are checked.
func New(name string, serial int64, files []File) ([]byte, error) {
	d := document{Bundle: name, Serial: serial, Profiles: map[string]map[string]any{}, Files: map[string]string{}}
	for _, f := range files {
		profileName, isProfile := strings.CutSuffix(f.Name, ".toml")
		switch {
		case isProfile && d.Profiles[profileName] != nil, d.Files[f.Name] != "":
			return nil, fmt.Errorf("there are two files called %q", f.Name)
		case isProfile:
			p, err := profile.Parse(f.Data, f.Name) // for its errors, which have lines
			if err != nil {
				return nil, err
			}
			p.Clear()
			keys := map[string]any{}
			if err := toml.Unmarshal(bytes.TrimPrefix(f.Data, []byte("\ufeff")), &keys); err != nil {
				return nil, fmt.Errorf("%s isn't TOML", f.Name)
			}
			d.Profiles[profileName] = keys
		case utf8.Valid(f.Data) && !bytes.ContainsRune(f.Data, 0) && !bytes.HasPrefix(f.Data, []byte(base64Prefix)):
			d.Files[f.Name] = string(f.Data)
		default:
			d.Files[f.Name] = base64Prefix + base64.StdEncoding.EncodeToString(f.Data)
		}
	}
	data, err := toml.Marshal(d)
	if err != nil {
		return nil, errors.New("a profile has a value that can't be written down")
	}
	b, err := Parse(data)
	if err != nil {
		return nil, err
	}
	b.Clear()
	return data, nil
}
