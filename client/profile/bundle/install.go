package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"postern/client/profile"
)

// Installer installs bundles. One process at a time does so.
type Installer struct {
	Keys   []Key
	Folder string // of system profiles
	State  string // the file that remembers what was installed
	DryRun bool   // check all and change nothing
}

// Report is what became of a bundle.
type Report struct {
	Bundle                  string
	Serial                  int64
	Key                     string
	Added, Changed, Removed []string // files in the folder; none of them: it was installed already
}

// Install installs a bundle that a pinned key vouches for: its profiles and files take
// the place of those of an earlier serial. Nothing is changed unless all of it is sound.
// Errors wrap ErrNotVouched or are an *OlderError, among others.
func (i *Installer) Install(data, signature []byte) (*Report, error) {
	key, err := Verify(data, signature, i.Keys)
	if err != nil {
		return nil, err
	}
	b, err := Parse(data)
	if err != nil {
		return nil, err
	}
	defer b.Clear()
	unlock, err := lock(i.State + ".lock")
	if err != nil {
		return nil, err
	}
	defer unlock()
	known, err := readState(i.State)
	if err != nil {
		return nil, err
	}
	digest := digestOf(data)
	if err := known.accept(b, digest, key, i.Keys); err != nil {
		return nil, err
	}
	texts := b.texts()
	defer func() {
		for _, t := range texts {
			clear(t.data)
		}
	}()
	report := &Report{Bundle: b.Name, Serial: b.Serial, Key: key.String()}
	was := known[b.Name]
	if err := i.compare(report, texts, known, b.Name); err != nil || i.DryRun {
		return report, err
	}
	// First it is remembered what may be there, then it is put there, then what is there.
	now := installed{Serial: b.Serial, SHA256: digest, Key: key.String(), Files: namesOf(texts)}
	both := now
	both.Files = slices.Compact(slices.Sorted(slices.Values(slices.Concat(now.Files, was.Files))))
	known[b.Name] = both
	if err := known.write(i.State); err != nil {
		return nil, err
	}
	if err := i.write(report, texts); err != nil {
		return nil, err
	}
	known[b.Name] = now
	return report, known.write(i.State)
}

// placed is a file as it is to be in the folder of profiles.
type placed struct {
	name string
	data []byte
	mode fs.FileMode
}

// texts are the files of a bundle. What holds a secret is for root alone; all else can
// be read by the people whose profiles these are.
func (b *Bundle) texts() (out []placed) {
	for _, name := range slices.Sorted(maps.Keys(b.Files)) {
		mode := fs.FileMode(0o644)
		if b.private(name) {
			mode = 0o600
		}
		out = append(out, placed{name, bytes.Clone(b.Files[name]), mode})
	}
	for _, p := range b.Profiles {
		text := fmt.Appendf(nil, "# From the bundle %s, serial %d, which replaces what is changed here.\n", b.Name, b.Serial)
		mode := fs.FileMode(0o644)
		if len(p.Secrets()) > 0 {
			mode = 0o600
		}
		out = append(out, placed{p.Name + ".toml", append(text, p.MarshalWithSecrets()...), mode})
	}
	return out
}

// private says whether a file of a bundle is a secret or a key.
func (b *Bundle) private(name string) bool {
	for _, p := range b.Profiles {
		secrets := []string{p.SecretFile, p.PasswordFile, p.OTPSecretFile, p.KeyPassphraseFile, p.Key}
		if p.Auth.WantsKey() && p.Key == "" {
			secrets = append(secrets, p.Certificate)
		}
		if slices.Contains(secrets, name) {
			return true
		}
	}
	return bytes.Contains(b.Files[name], []byte("PRIVATE KEY-----"))
}

func namesOf(texts []placed) (out []string) {
	for _, t := range texts {
		out = append(out, t.name)
	}
	slices.Sort(out)
	return out
}

// compare fills the report. A file that is there and that no bundle of this name put
// there isn't replaced: it is the administrator's own, or another bundle's.
func (i *Installer) compare(r *Report, texts []placed, known state, name string) error {
	for _, t := range texts {
		for other, of := range known {
			if other != name && slices.Contains(of.Files, t.name) {
				return fmt.Errorf("%s is the bundle %q's already", t.name, other)
			}
		}
		path := filepath.Join(i.Folder, t.name)
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			r.Added = append(r.Added, t.name)
			continue
		}
		if err != nil {
			return err
		}
		if !slices.Contains(known[name].Files, t.name) {
			return fmt.Errorf("%s is there already, and isn't the bundle's; move it away", path)
		}
		is, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(is, t.data) || !sameMode(info, t.mode) {
			r.Changed = append(r.Changed, t.name)
		}
		clear(is)
	}
	for _, old := range known[name].Files {
		if !slices.Contains(namesOf(texts), old) && filepath.Base(old) == old {
			r.Removed = append(r.Removed, old)
		}
	}
	return nil
}

// write puts files in their places: those that profiles name before the profiles. Those
// of an earlier serial that are no longer wanted go last.
func (i *Installer) write(r *Report, texts []placed) error {
	if err := os.MkdirAll(i.Folder, 0o755); err != nil {
		return err
	}
	for _, t := range texts {
		if !slices.Contains(r.Added, t.name) && !slices.Contains(r.Changed, t.name) {
			continue
		}
		path := filepath.Join(i.Folder, t.name)
		if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
			if err := os.Remove(path); err != nil { // a link would lead elsewhere
				return err
			}
		}
		if err := profile.WriteFile(path, t.data, true); err != nil {
			return err
		}
		if err := os.Chmod(path, t.mode); err != nil {
			return err
		}
	}
	for _, name := range r.Removed {
		if err := os.Remove(filepath.Join(i.Folder, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Find returns the bundles at a path: the file itself, or all in a folder that end with
// Suffix, in the order of their names.
func Find(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), Suffix) && !strings.HasPrefix(e.Name(), ".") && !e.IsDir() {
			out = append(out, filepath.Join(path, e.Name()))
		}
	}
	return out, nil
}

// Read reads a bundle and its signature.
func Read(path string) (data, signature []byte, err error) {
	if data, err = readBounded(path, MaxSize); err != nil {
		return nil, nil, err
	}
	signature, err = readBounded(path+SignatureSuffix, 4096)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%w: there is no signature beside it, %s", ErrNotVouched, filepath.Base(path)+SignatureSuffix)
	}
	return data, signature, err
}

func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s isn't a file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s has more than %d octets", path, most)
	}
	return data, err
}
