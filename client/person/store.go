// Package person is what only a person's own programs do, the command line and the
// window: their profiles, with the files and secrets that belong to them, taken in from
// elsewhere, and made ready for the daemon, which opens nothing of theirs.
package person

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"postern/client/localapi"
	"postern/client/profile"
	"postern/client/profile/formats"
	"postern/client/secret"
)

// Store says where imported profiles go, and how.
type Store struct {
	Folder  string // profile.UserFolder()
	Keyring bool   // there is one for secrets; else they go into files beside the profile
	DryRun  bool   // store nothing, and tell what would come of it
	Replace bool   // profiles of the same name that came from elsewhere
}

// Stored is what became of one.
type Stored struct {
	Name    string
	TOML    []byte // without secrets
	Secrets []StoredSecret
	File    string // "" in a dry run
	How     string // "stored", "updated" or "as before"
	Err     error
}

// StoredSecret is where a secret went, or would.
type StoredSecret struct {
	Profile string `json:"profile"`
	Kind    string `json:"kind"`
	Stored  string `json:"stored"` // "keyring", "file" or "profile"
}

// Import stores one profile, whose secrets leave it for where they belong. The files that
// came with it go beside it. What a person changed since an earlier import is kept in
// NAME.toml.old.
func (st Store) Import(in *formats.Imported) *Stored {
	p := in.Profile
	s := &Stored{Name: p.Name}
	source := "Imported from " + in.Source + " (" + in.Format + ")"
	path := filepath.Join(st.Folder, p.Name+".toml")
	before, err := os.ReadFile(path)
	switch {
	case st.Folder == "":
		s.Err = errors.New("there is no home folder to keep profiles in")
	case err == nil && !st.Replace && !bytes.HasPrefix(before, []byte("# "+source+"\n")):
		s.Err = &localapi.Reason{
			Code: "exists", Exit: localapi.ExitProfile, Message: fmt.Sprintf("There is a profile %q already, and it isn't from this file.", p.Name),
			Try: "Use --replace to replace it, or --name for another name.",
		}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		s.Err = err
	}
	if err := permit(in); err != nil && s.Err == nil {
		s.Err = err
	}
	files := st.placeFiles(p)
	st.placeSecrets(p, s, files)
	s.TOML = p.Marshal()
	if s.Err != nil || st.DryRun {
		return s
	}
	s.Err = st.write(p, s, source, before, files)
	return s
}

// placeFiles gives the contents that came with a profile their places beside it, by path.
func (st Store) placeFiles(p *profile.Profile) map[string][]byte {
	files := map[string][]byte{}
	place := func(path *string, data []byte) {
		if len(data) == 0 || *path == "" || profile.InToken(*path) {
			return
		}
		*path = filepath.Join(st.Folder, p.Name+"."+filepath.Base(*path))
		files[*path] = data
	}
	place(&p.Certificate, p.Files.Certificate)
	place(&p.Key, p.Files.Key)
	place(&p.CA, p.Files.CA)
	place(&p.GatewayCertificate, p.Files.GatewayCertificate)
	for n := range min(len(p.CRL), len(p.Files.CRL)) {
		place(&p.CRL[n], p.Files.CRL[n])
	}
	return files
}

// placeSecrets decides where the secrets of p go: those for a file are added to files,
// and all but what stays in the profile leave p.
func (st Store) placeSecrets(p *profile.Profile, s *Stored, files map[string][]byte) {
	for _, place := range []struct {
		kind   string
		secret *profile.Secret
		file   *string // nil: there is no such key
	}{
		{"secret", &p.Secret, &p.SecretFile},
		{"password", &p.Password, &p.PasswordFile},
		{"otp_secret", &p.OTPSecret, &p.OTPSecretFile},
		{"key_passphrase", &p.KeyPassphrase, &p.KeyPassphraseFile},
		{"pap_auth_secret", &p.PAPAuthSecret, nil},
	} {
		if len(*place.secret) == 0 {
			continue
		}
		where := "keyring"
		encoding := profile.EncodingText
		if place.kind == "secret" {
			encoding = p.SecretEncoding
		}
		written, chosen := place.secret.Write(encoding)
		if place.kind == "secret" {
			p.SecretEncoding = chosen
		}
		switch {
		case st.Keyring && (st.DryRun || s.Err != nil):
		case st.Keyring:
			if err := secret.Set(p.Name, place.kind, written); err != nil {
				s.Err = err
			}
		case place.file != nil:
			where = "file"
			*place.file = filepath.Join(st.Folder, p.Name+"."+place.kind)
			files[*place.file] = append(bytes.Clone(written), '\n')
		default:
			where = "profile"
		}
		clear(written)
		if where != "profile" {
			place.secret.Clear()
			*place.secret = nil
		}
		s.Secrets = append(s.Secrets, StoredSecret{p.Name, place.kind, where})
	}
	if len(p.Files.Key) > 0 || len(p.Files.Certificate) > 0 && p.Key == "" {
		s.Secrets = append(s.Secrets, StoredSecret{p.Name, "key", "file"})
	}
}

// write writes the files, and then the profile that names them.
func (st Store) write(p *profile.Profile, s *Stored, source string, before []byte, files map[string][]byte) error {
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if err := profile.WriteFile(path, files[path], true); err != nil {
			return err
		}
		clear(files[path])
	}
	path := filepath.Join(st.Folder, p.Name+".toml")
	file, err := profile.Save(p, st.Folder, profile.Saving{Comment: source, Secrets: true, Replace: before != nil})
	if err != nil {
		return err
	}
	for _, k := range s.Secrets {
		if k.Stored == "keyring" { // and no longer where an earlier import put it
			_ = os.Remove(filepath.Join(st.Folder, p.Name+"."+k.Kind))
		}
	}
	s.File, s.How = file, "stored"
	if before == nil {
		return nil
	}
	s.How = "updated"
	if after, err := os.ReadFile(path); err == nil && bytes.Equal(after, before) {
		s.How = "as before"
		return nil
	}
	return profile.WriteFile(path+".old", before, true)
}
