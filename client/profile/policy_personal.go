package profile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
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
		case p.fixed(key, theirs):
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
	switch key {
	case "user":
		return p.User == "" || !p.Policies.Locks(key)
	case "secret":
		return p.Secret == nil && p.SecretFile == "" || !p.Policies.Locks(key)
	case "pap_auth_secret":
		return p.PAPAuthSecret == nil || !p.Policies.Locks(key)
	case "password", "otp_secret", "key_passphrase":
		return p.Secrets()[key] == nil && !p.Policies.Locks(key+"_file") || !p.Policies.Locks(key)
	}
	return true
}

// fixed says whether a person's document can't change a key: it is locked, or would send
// the administrator's secret to a gateway of theirs.
func (p *Profile) fixed(key string, theirs map[string]any) bool {
	if !p.Takes(strings.TrimSuffix(key, "_file")) || !IsSecret(strings.TrimSuffix(key, "_file")) && p.Policies.Locks(key) || !p.MaySave(key) {
		return true
	}
	leads := key == "gateway" || key == "backup"
	_, brings := theirs["secret"]
	_, names := theirs["secret_file"]
	return leads && (p.Secret != nil || p.SecretFile != "" || p.PAPAuthSecret != nil) && !brings && !names
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

// NamedPaths are the paths of all files that p names.
func (p *Profile) NamedPaths() []string {
	all := append([]string{p.SecretFile, p.PasswordFile, p.OTPSecretFile, p.KeyPassphraseFile, p.Certificate, p.Key, p.CA, p.GatewayCertificate}, p.CRL...)
	return slices.DeleteFunc(all, func(path string) bool { return path == "" || InToken(path) })
}
