package profile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrExists says that there is a profile of that name already.
var ErrExists = errors.New("there is a profile of that name already")

// Entry is one file in a folder of profiles.
type Entry struct {
	Name    string   // the file's name without ".toml", which Find takes
	File    string   // its path
	System  bool     // an administrator put it there
	Hidden  bool     // a system profile behind a person's own of the same name
	Changes string   // the person's file with changes to it, where it is managed and they have one
	Profile *Profile // without the secrets of other files; nil: Problem says why
	Problem error
}

// UserFolder is where a person's own profiles are, or "" for one without a home.
func UserFolder() string { return userFolder() }

// SystemFolder is where an administrator's profiles are.
func SystemFolder() string { return systemFolder() }

// List returns the profiles of the user's folder, then those of the system's, by name.
// A file that can't be used is listed with its problem; so is a folder that can't be
// read. The caller clears the profiles.
func List() []Entry { return list(userFolder(), systemFolder()) }

func list(user, system string) []Entry {
	var out []Entry
	own := map[string]bool{}
	managed := Managed(system)
	defer clearAll(managed)
	for _, folder := range []string{user, system} {
		for _, e := range listFolder(folder) {
			e.System = folder == system
			isManaged := slices.ContainsFunc(managed, func(m *Profile) bool { return m.Name == e.Name })
			switch {
			case isManaged && e.System:
				e.Changes = changes(e.Name, user)
			case isManaged:
				if e.Profile != nil {
					e.Profile.Clear()
				}
				continue // it is listed with what it changes
			case !e.System && e.Problem == nil:
				if e.Problem = e.Profile.Permitted(managed); e.Problem != nil {
					e.Profile.Clear()
					e.Profile = nil
				}
			}
			e.Hidden = e.System && own[e.Name]
			own[e.Name] = own[e.Name] || !e.System
			out = append(out, e)
		}
	}
	return out
}

func listFolder(folder string) []Entry {
	if folder == "" {
		return nil
	}
	files, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return []Entry{{Name: filepath.Base(folder), File: folder, Problem: err}}
	}
	var out []Entry
	for _, f := range files {
		name, ok := strings.CutSuffix(f.Name(), ".toml")
		if !ok || strings.HasPrefix(name, ".") {
			continue
		}
		e := Entry{Name: name, File: filepath.Join(folder, f.Name())}
		if e.Problem = CheckName(name); e.Problem == nil {
			e.Profile, e.Problem = Load(e.File)
		}
		out = append(out, e)
	}
	return out
}

// Saving says how Save writes.
type Saving struct {
	Comment string // lines at the top of the file, without "#"
	Secrets bool   // with the secrets that the profile has
	Replace bool   // a profile of the same name
}

// Save writes p as NAME.toml into a folder, which it makes if need be, for its owner's
// eyes alone. Relative paths in p are taken from the working folder; a file beside the
// profile is named without its folder. It returns the profile's path, and an error that wraps ErrExists rather than replace a file unasked.
// At every moment there is the whole file, old or new.
func Save(p *Profile, folder string, s Saving) (string, error) {
	if err := CheckName(p.Name); err != nil {
		return "", &Error{Key: "name", Problem: err.Error()}
	}
	if folder == "" {
		return "", errors.New("there is no home folder to keep profiles in")
	}
	whole, err := p.placed(folder)
	if err != nil {
		return "", err
	}
	text := whole.Marshal()
	if s.Secrets {
		text = whole.MarshalWithSecrets()
	}
	defer clear(text)
	text = append(comment(s.Comment), text...)
	path := filepath.Join(folder, p.Name+".toml")
	return path, WriteFile(path, text, s.Replace)
}

// comment writes lines as comments.
func comment(text string) []byte {
	var out []byte
	for line := range strings.Lines(text) {
		line = strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return -1
			}
			return r
		}, strings.ToValidUTF8(line, "?"))
		out = append(out, strings.TrimRight("# "+line, " ")+"\n"...)
	}
	return out
}

// placed returns p with the paths that it has when its file is in a folder: names alone
// for what lies beside it, and else absolute.
func (p *Profile) placed(folder string) (*Profile, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	q := *p
	q.CRL = append([]string(nil), p.CRL...)
	paths := []*string{&q.SecretFile, &q.PasswordFile, &q.OTPSecretFile, &q.KeyPassphraseFile, &q.Certificate, &q.Key, &q.CA, &q.GatewayCertificate}
	for i := range q.CRL {
		paths = append(paths, &q.CRL[i])
	}
	for _, path := range paths {
		if *path == "" || InToken(*path) {
			continue
		}
		whole, err := filepath.Abs(*path)
		if err != nil {
			return nil, err
		}
		if filepath.Dir(whole) == folder {
			whole = filepath.Base(whole)
		}
		*path = whole
	}
	return &q, nil
}

// Remove removes a person's own profile. Where there is none, the error wraps
// ErrNotFound. It returns the file's path.
func Remove(name string) (string, error) { return remove(name, userFolder(), systemFolder()) }

func remove(name, user, system string) (string, error) {
	if err := CheckName(name); err != nil {
		return "", &Error{Problem: fmt.Sprintf("%q isn't a profile's name: %v", cutKey(name), err)}
	}
	path := filepath.Join(user, name+".toml")
	err := errors.ErrUnsupported
	if user != "" {
		err = os.Remove(path)
	}
	if err == nil {
		syncFolder(user)
		return path, nil
	}
	if user != "" && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	theirs := filepath.Join(system, name+".toml")
	if _, err := os.Stat(theirs); err == nil {
		return "", &Error{File: theirs, Problem: "is a system profile, which only an administrator removes"}
	}
	return "", fmt.Errorf("%q: %w", name, ErrNotFound)
}

// WriteFile writes a file that only its owner can read, and makes its folder. Rather
// than replace a file unasked it returns an error that wraps ErrExists. A link is
// followed. At every moment there is the whole file, old or new.
func WriteFile(path string, data []byte, replace bool) error {
	if target, err := filepath.EvalSymlinks(path); err == nil && replace {
		path = target
	}
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(folder, ".postern-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // no longer there when all went well
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := moveTo(path, f.Name(), replace); err != nil {
		return err
	}
	syncFolder(folder)
	return nil
}

// moveTo gives a finished file its name. A new link fails where there is one, in one
// step; where the file system knows no links, the file is looked for first.
func moveTo(path, temporary string, replace bool) error {
	if !replace {
		err := os.Link(temporary, path)
		if err == nil {
			return nil
		}
		if _, there := os.Lstat(path); there == nil {
			return fmt.Errorf("%s: %w", path, ErrExists)
		}
	}
	return os.Rename(temporary, path)
}

// syncFolder makes a folder's entries last, where the system and the file system can.
func syncFolder(folder string) {
	if f, err := os.Open(folder); err == nil {
		_ = f.Sync()
		_ = f.Close()
	}
}
