package service

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"postern/client/localapi"
	"postern/client/profile"
)

// namedFiles are the keys of a profile that name files, as they stand in a Document:
// what they say is shown, and never opened.
type namedFiles struct {
	Certificate        string   `toml:"certificate"`
	Key                string   `toml:"key"`
	CA                 string   `toml:"ca"`
	GatewayCertificate string   `toml:"gateway_certificate"`
	CRL                []string `toml:"crl"`
}

// parseDocument makes a profile of a person's own: validated like any other, with the
// secrets and the contents of files that came with it, which the profile takes over.
// Errors are *profile.Error.
func parseDocument(d *localapi.Document) (*profile.Profile, error) {
	name := d.Name + ".toml"
	fault := func(key, problem string) error { return &profile.Error{File: name, Key: key, Problem: problem} }
	if err := profile.CheckName(d.Name); err != nil {
		return nil, &profile.Error{Key: "name", Problem: err.Error()}
	}
	// A method with certificates is refused without the keys of its files, which the
	// document doesn't have to name. They stand in lines before its own.
	added := unnamed(d)
	p, err := profile.Parse([]byte(strings.Join(added, "")+d.TOML), name)
	var bad *profile.Error
	if errors.As(err, &bad) && bad.Line > 0 {
		bad.Line = max(bad.Line-len(added), 1)
	}
	if err != nil {
		return nil, err
	}
	p.Name = d.Name
	if p.Secret != nil || p.Password != nil || p.OTPSecret != nil || p.KeyPassphrase != nil || p.PAPAuthSecret != nil {
		p.Clear()
		return nil, fault("", "has a secret in its text; secrets travel beside it")
	}
	for key, value := range map[string]string{
		"secret_file": p.SecretFile, "password_file": p.PasswordFile, "otp_secret_file": p.OTPSecretFile, "key_passphrase_file": p.KeyPassphraseFile,
	} {
		if value != "" {
			return nil, fault(key, "names a file, which only your own programs may open")
		}
	}
	if err := takeSecrets(p, d.Secrets); err != nil {
		return nil, err
	}
	if p.RADIUS != "" && p.RADIUS != profile.RADIUSCHAP && p.PAPAuthSecret == nil {
		return nil, fault("radius", fmt.Sprintf("%q wants pap_auth_secret beside it, for a password never travels in clear", p.RADIUS))
	}
	return p, takeFiles(p, d.Files)
}

// unnamed are lines for the files that came without being named.
func unnamed(d *localapi.Document) (lines []string) {
	var named namedFiles
	if toml.Unmarshal([]byte(d.TOML), &named) != nil {
		return nil // which profile.Parse explains
	}
	for key, value := range map[string]string{
		"certificate": named.Certificate, "key": named.Key, "ca": named.CA, "gateway_certificate": named.GatewayCertificate,
	} {
		if _, there := d.Files[key]; there && value == "" {
			lines = append(lines, fmt.Sprintf("%s = %q\n", key, "the "+strings.ReplaceAll(key, "_", " ")))
		}
	}
	if named.CRL != nil {
		return lines
	}
	var lists []string
	for i := range d.Files {
		if strings.HasPrefix(i, crlPrefix) {
			lists = append(lists, fmt.Sprintf("%q", "revocation list"))
		}
	}
	if lists != nil {
		lines = append(lines, "crl = ["+strings.Join(lists, ", ")+"]\n")
	}
	return lines
}

const crlPrefix = "crl."

// takeSecrets puts secrets where the profile has them.
func takeSecrets(p *profile.Profile, secrets map[string]localapi.Octets) error {
	places := map[string]*profile.Secret{
		"secret": &p.Secret, "password": &p.Password, "otp_secret": &p.OTPSecret,
		"key_passphrase": &p.KeyPassphrase, "pap_auth_secret": &p.PAPAuthSecret,
	}
	for key, s := range secrets {
		to := places[key]
		switch {
		case key == "user":
			if err := takeUser(p, string(s)); err != nil {
				return err
			}
		case to == nil:
			return &profile.Error{Problem: fmt.Sprintf("%q is no secret of a profile's", key)}
		case len(s) > maxSecret:
			return &profile.Error{Key: key, Problem: fmt.Sprintf("is longer than %d octets", maxSecret)}
		case len(s) > 0:
			to.Clear()
			*to = profile.Secret(s)
		}
	}
	return nil
}

// takeUser replaces the user's name, which is the identity of phase 1 too where radius
// says who the user is.
func takeUser(p *profile.Profile, name string) error {
	control := func(r rune) bool { return r < ' ' || r == 0x7f }
	switch {
	case len(name) > maxUser:
		return &profile.Error{Key: "user", Problem: fmt.Sprintf("is longer than %d octets", maxUser)}
	case strings.ContainsFunc(name, control):
		return &profile.Error{Key: "user", Problem: "has a control character in it"}
	case p.RADIUS != "":
		p.Identity = name
	}
	p.User = name
	return nil
}

// Bounds as in package profile, in octets.
const (
	maxSecret = 4096
	maxUser   = 255
)

// takeFiles gives the profile the contents of its files, all of which have to be there.
func takeFiles(p *profile.Profile, files map[string]localapi.Octets) error {
	p.Files = profile.Files{
		Certificate: profile.Secret(files["certificate"]), Key: profile.Secret(files["key"]),
		CA: files["ca"], GatewayCertificate: files["gateway_certificate"],
	}
	for _, f := range []struct {
		key, path string
		data      []byte
	}{
		{"certificate", p.Certificate, p.Files.Certificate},
		{"key", p.Key, p.Files.Key},
		{"ca", p.CA, p.Files.CA},
		{"gateway_certificate", p.GatewayCertificate, p.Files.GatewayCertificate},
	} {
		if profile.InToken(f.path) {
			return &profile.Error{Key: f.key, Problem: "is in a token, whose module only your own programs may load; use: postern run"}
		}
		if f.path != "" && len(f.data) == 0 {
			return &profile.Error{Key: f.key, Problem: "names a file, which only your own programs may open"}
		}
	}
	for i := range p.CRL {
		data := files[fmt.Sprint(crlPrefix, i)]
		if len(data) == 0 {
			return &profile.Error{Key: "crl", Problem: "names a file, which only your own programs may open"}
		}
		p.Files.CRL = append(p.Files.CRL, data)
	}
	return nil
}
