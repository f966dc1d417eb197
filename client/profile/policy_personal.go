package profile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A managed profile is a system profile with the table [policy]. No profile of a person's
// own takes its place: a file of that name in their folder has changes to it, of keys
// that aren't locked.

// Open is Load for a person: a managed profile with their changes, a profile of their own
// as far as administrators permit it. ignored are the keys that they changed and that
// are locked.
func Open(path string) (p *Profile, ignored []string, err error) {
	return open(path, userFolder(), systemFolder())
}

func open(path, user, system string) (p *Profile, ignored []string, err error) {
	if p, err = Load(path); err != nil {
		return nil, nil, err
	}
	if filepath.Dir(p.File) != system {
		managed := Managed(system)
		defer clearAll(managed)
		if err = p.Permitted(managed); err != nil {
			p.Clear()
			return nil, nil, err
		}
		return p, nil, nil
	}
	changes := filepath.Join(user, filepath.Base(path))
	if p.Policy == nil || user == "" {
		return p, nil, nil
	}
	data, private, err := readFile(changes)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil, nil
	}
	defer clear(data)
	if err != nil {
		p.Clear()
		return nil, nil, err
	}
	defer p.Clear()
	return p.change(data, changes, private)
}

// Changes is the path of a person's changes to a managed profile, "" where there are none.
func Changes(name string) string {
	if CheckName(name) != nil || !isManaged(name, systemFolder()) {
		return ""
	}
	return changes(name, userFolder())
}

func changes(name, user string) string {
	path := filepath.Join(user, name+".toml")
	if _, err := os.Stat(path); err != nil || user == "" {
		return ""
	}
	return path
}

// govern sets what administrators demand of p, and checks it.
func (p *Profile) govern() error {
	machine, err := LoadMachine()
	if err != nil {
		return err
	}
	p.Policies = nil
	if machine != nil {
		p.Policies = append(p.Policies, &machine.Policy)
	}
	if p.Policy != nil {
		p.Policies = append(p.Policies, p.Policy)
	}
	return p.Policies.check(p, time.Now())
}

// isManaged says whether there is a managed profile of a name that can be read, expired
// or not.
func isManaged(name, system string) bool {
	p, err := load(filepath.Join(system, name+".toml"))
	if err != nil {
		return false
	}
	defer p.Clear()
	return p.Policy != nil
}

// Managed returns the managed profiles in a folder, expired ones too. The caller clears
// them.
func Managed(folder string) (out []*Profile) {
	files, err := os.ReadDir(folder)
	if err != nil {
		return nil
	}
	for _, f := range files {
		name, ok := strings.CutSuffix(f.Name(), ".toml")
		if !ok || CheckName(name) != nil {
			continue
		}
		switch p, err := load(filepath.Join(folder, f.Name())); {
		case err != nil:
		case p.Policy == nil:
			p.Clear()
		default:
			p.Name = name
			_ = readFiles(p) // to compare them with a person's; without, paths are compared
			out = append(out, p)
		}
	}
	return out
}

// Permit says whether administrators permit a profile of a person's own, nil if they do,
// and sets its Policies. The machine's policy binds every profile: keys that it locks
// keep their defaults. A profile that leads to the gateway of a managed one, or has its
// name, is bound by that one too: its locked keys are as they are there.
func Permit(p *Profile) error {
	managed := Managed(systemFolder())
	defer clearAll(managed)
	return p.Permitted(managed)
}

func clearAll(profiles []*Profile) {
	for _, p := range profiles {
		p.Clear()
	}
}

// Permitted is Permit with the managed profiles.
func (p *Profile) Permitted(managed []*Profile) error {
	if err := p.govern(); err != nil {
		return err
	}
	if key := p.saved(); key != "" {
		return &Error{File: p.File, Key: key, Problem: "isn't kept here: your administrator wants it to be asked for"}
	}
	machine, err := LoadMachine()
	if err != nil {
		return err
	}
	if machine != nil {
		if key := p.differs(Default(), &machine.Policy); key != "" {
			return &Error{File: p.File, Key: key, Problem: "can't be changed: your administrator locked it"}
		}
	}
	return p.obey(managed, time.Now())
}

// saved is a key with a secret of the person's that p keeps and mustn't, or "".
func (p *Profile) saved() string {
	for key, kept := range map[string]bool{
		"password": p.Password != nil && p.File != "", "password_file": p.PasswordFile != "", "otp_secret_file": p.OTPSecretFile != "",
		"otp_secret": p.OTPSecret != nil && p.File != "", "key_passphrase_file": p.KeyPassphraseFile != "",
		"key_passphrase": p.KeyPassphrase != nil && p.File != "",
	} {
		if kept && !p.MaySave(key) {
			return key
		}
	}
	return ""
}

// MaySave says whether administrators let a person keep a secret, by its key.
func (p *Profile) MaySave(key string) bool {
	return key == "user" || !slices.Contains(personal, key) || p.Policies.MaySave(nil)
}

// obey checks p against the managed profiles that lead where it does. Of several, one
// that it is like is enough.
func (p *Profile) obey(managed []*Profile, now time.Time) error {
	var first error
	for _, m := range managed {
		if m.Name != p.Name && !p.meets(m) {
			continue
		}
		if p.File != "" && p.Files.CA == nil { // else its files came with it
			_ = readFiles(p)
		}
		fault := m.Policy.check(p, now)
		if key := p.differs(m, m.Policy); fault == nil && key != "" {
			fault = &Error{Key: key, Problem: fmt.Sprintf("can't be changed: the managed profile %q locks it for this gateway", m.Name)}
		}
		if fault == nil {
			p.Policies = append(p.Policies, m.Policy)
			return nil
		}
		if fault.File = p.File; first == nil {
			first = fault
		}
	}
	return first
}

// meets says whether two profiles can lead to the same gateway.
func (p *Profile) meets(m *Profile) bool {
	theirs := append([]Gateway{m.Gateway}, m.Backup...)
	return slices.ContainsFunc(append([]Gateway{p.Gateway}, p.Backup...), func(g Gateway) bool {
		return slices.ContainsFunc(theirs, func(t Gateway) bool {
			return strings.EqualFold(strings.TrimSuffix(t.Host, "."), strings.TrimSuffix(g.Host, "."))
		})
	})
}

// differs is a locked key whose value isn't the one that m has, or "". Secrets aren't
// compared, a person may have been told them; of files the contents are, where both are
// known.
func (p *Profile) differs(m *Profile, locks *Policy) string {
	theirs := map[string]string{}
	for _, s := range m.settings() {
		theirs[s.Key] = s.Value
	}
	files := map[string][2][]byte{
		"certificate": {p.Files.Certificate, m.Files.Certificate}, "key": {p.Files.Key, m.Files.Key},
		"ca": {p.Files.CA, m.Files.CA}, "gateway_certificate": {p.Files.GatewayCertificate, m.Files.GatewayCertificate},
	}
	for _, s := range p.settings() {
		if !locks.Locks(s.Key) || s.Value == theirs[s.Key] || s.Key == "name" || strings.HasPrefix(s.Key, "policy.") ||
			IsSecret(s.Key) || strings.HasSuffix(s.Key, "_file") || s.Key == "secret_encoding" {
			continue
		}
		if f := files[s.Key]; f[0] != nil && bytes.Equal(f[0], f[1]) {
			continue
		}
		return s.Key
	}
	return ""
}

// NamedPaths are the paths of all files that p names.
func (p *Profile) NamedPaths() []string {
	all := append([]string{p.SecretFile, p.PasswordFile, p.OTPSecretFile, p.KeyPassphraseFile, p.Certificate, p.Key, p.CA, p.GatewayCertificate}, p.CRL...)
	return slices.DeleteFunc(all, func(path string) bool { return path == "" || InToken(path) })
}
