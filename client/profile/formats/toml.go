package formats

import (
	"bytes"
	"errors"
	"regexp"
	"slices"

	"postern/client/profile"
)

// Our own profiles. A secret's file that is given too has the key's octets, one line end
// at its end apart.
var ours = importer{
	name:      "toml",
	recognise: func(f *text) bool { return ourGateway.MatchString(f.body) },
	read:      each(readTOML),
}

var ourGateway = regexp.MustCompile(`(?m)^[ \t]*"?gateway"?[ \t]*=[ \t]*["']`)

func readTOML(r *reading, f *text) {
	d := r.draft(f, "")
	p, err := profile.Parse([]byte(f.body), f.name)
	if fault, ok := errors.AsType[*profile.Error](err); ok && fault.Key == "name" {
		// Its file can be called what a profile can't.
		p, err = profile.Parse([]byte(f.body), d.profileName()+".toml")
	}
	if fault, ok := errors.AsType[*profile.Error](err); ok {
		r.warn(f, at{fault.Line, fault.Key}, fault.Problem)
		return
	}
	d.beside(p)
	d.add(p)
}

// beside takes along the files that a profile names and that were given too, and warns
// of the others.
func (d *draft) beside(p *profile.Profile) {
	secret := func(key string, path *string, to *profile.Secret, e profile.Encoding) {
		f := d.beside1(key, *path)
		if f == nil {
			return
		}
		written := bytes.TrimSuffix(bytes.TrimSuffix(f.data, []byte("\n")), []byte("\r"))
		s, err := e.Decode(written)
		if err != nil {
			d.warn(at{key: key}, err.Error()+"; it will be asked for")
		}
		*path, *to = "", s
	}
	secret("secret_file", &p.SecretFile, &p.Secret, p.SecretEncoding)
	secret("password_file", &p.PasswordFile, &p.Password, profile.EncodingText)
	secret("otp_secret_file", &p.OTPSecretFile, &p.OTPSecret, profile.EncodingText)
	secret("key_passphrase_file", &p.KeyPassphraseFile, &p.KeyPassphrase, profile.EncodingText)
	for _, key := range []string{"certificate", "key", "ca", "gateway_certificate"} {
		path := map[string]*string{"certificate": &p.Certificate, "key": &p.Key, "ca": &p.CA, "gateway_certificate": &p.GatewayCertificate}[key]
		if f := d.beside1(key, *path); f != nil {
			*path = fileName(f.name)
			d.files[key] = f.data
		}
	}
	var contents [][]byte
	for i, path := range p.CRL {
		if f := d.beside1("crl", path); f != nil {
			p.CRL[i] = fileName(f.name)
			contents = append(contents, slices.Clone(f.data))
		}
	}
	if len(contents) == len(p.CRL) {
		p.Files.CRL = contents
	}
}

// beside1 is the file that a key names, where it was given too; else it warns.
func (d *draft) beside1(key, path string) *text {
	if path == "" || profile.InToken(path) {
		return nil
	}
	f := d.r.companion(path)
	if f == nil {
		d.warn(at{key: key}, "names the file "+quoted(path)+", which wasn't given: import it together with this one, or put it where the profile says")
	}
	return f
}
