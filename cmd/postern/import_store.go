package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"postern/client"
	"postern/client/profile"
	"postern/client/profile/formats"
	"postern/client/secret"
)

// importing stores profiles.
type importing struct {
	*importFlags
	folder  string
	keyring bool
}

// storedProfile is what became of one.
type storedProfile struct {
	name    string
	summary string
	toml    []byte // without secrets
	secrets []storedSecret
	file    string // "" in a dry run
	how     string // "stored", "updated" or "as before"
	err     error
}

// storedSecret is where a secret went, or would.
type storedSecret struct {
	Profile string `json:"profile"`
	Kind    string `json:"kind"`
	Stored  string `json:"stored"` // "keyring", "file" or "profile"
}

// one stores one profile, whose secrets are cleared.
func (i *importing) one(in *formats.Imported) *storedProfile {
	p := in.Profile
	s := &storedProfile{name: p.Name, summary: profileSummary(p)}
	source := "Imported from " + in.Source + " (" + in.Format + ")"
	path := filepath.Join(i.folder, p.Name+".toml")
	before, err := os.ReadFile(path)
	switch {
	case i.folder == "":
		s.err = errors.New("there is no home folder to keep profiles in")
	case err == nil && !i.replace && !bytes.HasPrefix(before, []byte("# "+source+"\n")):
		s.err = &client.Reason{
			Code: "exists", Exit: client.ExitProfile, Message: fmt.Sprintf("There is a profile %q already, and it isn't from this file.", p.Name),
			Try: "Use --replace to replace it, or --name for another name.",
		}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		s.err = err
	}
	if err := permitImport(in); err != nil && s.err == nil {
		s.err = client.Explain(err)
	}
	files := i.placeFiles(p)
	i.placeSecrets(p, s, files)
	s.toml = p.Marshal()
	if s.err != nil || i.dryRun {
		return s
	}
	s.err = i.write(p, s, source, before, files)
	return s
}

// placeFiles gives the contents that came with a profile their places beside it, by path.
func (i *importing) placeFiles(p *profile.Profile) map[string][]byte {
	files := map[string][]byte{}
	place := func(path *string, data []byte) {
		if len(data) == 0 || *path == "" || profile.InToken(*path) {
			return
		}
		*path = filepath.Join(i.folder, p.Name+"."+filepath.Base(*path))
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
func (i *importing) placeSecrets(p *profile.Profile, s *storedProfile, files map[string][]byte) {
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
		case i.keyring && (i.dryRun || s.err != nil):
		case i.keyring:
			if err := secret.Set(p.Name, place.kind, written); err != nil {
				s.err = err
			}
		case place.file != nil:
			where = "file"
			*place.file = filepath.Join(i.folder, p.Name+"."+place.kind)
			files[*place.file] = append(bytes.Clone(written), '\n')
		default:
			where = "profile"
		}
		clear(written)
		if where != "profile" {
			place.secret.Clear()
			*place.secret = nil
		}
		s.secrets = append(s.secrets, storedSecret{p.Name, place.kind, where})
	}
	if len(p.Files.Key) > 0 || len(p.Files.Certificate) > 0 && p.Key == "" {
		s.secrets = append(s.secrets, storedSecret{p.Name, "key", "file"})
	}
}

// write writes the files, and then the profile that names them. What a person changed
// since an earlier import is kept beside it.
func (i *importing) write(p *profile.Profile, s *storedProfile, source string, before []byte, files map[string][]byte) error {
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if err := profile.WriteFile(path, files[path], true); err != nil {
			return err
		}
		clear(files[path])
	}
	path := filepath.Join(i.folder, p.Name+".toml")
	file, err := profile.Save(p, i.folder, profile.Saving{Comment: source, Secrets: true, Replace: before != nil})
	if err != nil {
		return err
	}
	for _, k := range s.secrets {
		if k.Stored == "keyring" { // and no longer where an earlier import put it
			_ = os.Remove(filepath.Join(i.folder, p.Name+"."+k.Kind))
		}
	}
	s.file, s.how = file, "stored"
	if before == nil {
		return nil
	}
	s.how = "updated"
	if after, err := os.ReadFile(path); err == nil && bytes.Equal(after, before) {
		s.how = "as before"
		return nil
	}
	return profile.WriteFile(path+".old", before, true)
}

// profileSummary is a profile in a line.
func profileSummary(p *profile.Profile) string {
	out := p.Gateway.String() + ", " + string(p.Mode) + " mode, " + string(p.Auth)
	if p.Identity != "" && p.IdentityType != profile.TypeDN {
		out += ", as " + strconv.Quote(p.Identity)
	}
	if p.User != "" {
		out += ", user " + strconv.Quote(p.User)
	}
	return strings.TrimSpace(out)
}
