package profile

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// Methods of phase 1 beside AuthPSK. None of them falls back to a pre-shared key.
const (
	AuthRSA           Auth = "rsa"            // both ends sign (RFC 2409, section 5.1)
	AuthDSS           Auth = "dss"            //
	AuthECDSA         Auth = "ecdsa"          // RFC 4754
	AuthHybrid        Auth = "hybrid"         // the gateway signs, XAuth says who the user is
	AuthRSAEncryption Auth = "rsa-encryption" // RFC 2409, section 5.2
	AuthRSARevised    Auth = "rsa-revised"    // RFC 2409, section 5.3
)

// Encrypts says whether the gateway's public key is needed beforehand.
func (a Auth) Encrypts() bool { return a == AuthRSAEncryption || a == AuthRSARevised }

// WantsKey says whether we need a private key.
func (a Auth) WantsKey() bool { return a != AuthPSK && a != AuthHybrid }

// Certificates (the table [certificates]) is what a person allows for gateways of
// another age.
type Certificates struct {
	AllowSHA1  bool // (allow_sha1) signatures with SHA-1 count; default: they don't
	MinRSABits int  // (min_rsa_bits) of any key, 1024 to 16384; default 2048
}

const defaultRSABits = 2048

// Files are the contents of the files that a profile names, read by Sources.Resolve.
// nil is a file that isn't named.
type Files struct {
	Certificate, Key       Secret // either may have the private key in it
	CA, GatewayCertificate []byte
	CRL                    [][]byte
}

// tokenScheme begins the URI of an object in a token (RFC 7512).
const tokenScheme = "pkcs11:"

// InToken says whether a certificate or key isn't a file but an object in a token.
func InToken(s string) bool { return strings.HasPrefix(s, tokenScheme) }

// certificates reads who we are and whom we trust by certificates.
func (r *reader) certificates(p *Profile) {
	in := &r.in
	object := func(s string) (string, error) {
		if InToken(s) {
			return plain(s)
		}
		return r.path(s)
	}
	set(r, "certificate", in.Certificate, &p.Certificate, optional(object))
	set(r, "key", in.Key, &p.Key, optional(object))
	if !r.private && len(in.KeyPassphrase) > 0 {
		r.fail("key_passphrase", openToOthers(r.name))
	}
	set(r, "key_passphrase", in.KeyPassphrase, &p.KeyPassphrase, func(s secretText) (Secret, error) {
		if len(s) == 0 {
			return nil, nil // not set
		}
		return EncodingText.Decode(s)
	})
	set(r, "key_passphrase_file", in.KeyPassphraseFile, &p.KeyPassphraseFile, optional(r.path))
	if p.KeyPassphrase != nil && p.KeyPassphraseFile != "" {
		r.fail("key_passphrase_file", "stands beside key_passphrase; one of them has to go")
	}
	set(r, "ca", in.CA, &p.CA, optional(r.path))
	set(r, "crl", in.CRL, &p.CRL, each(r.path))
	set(r, "gateway_certificate", in.GatewayCertificate, &p.GatewayCertificate, optional(r.path))
	set(r, "gateway_pin", in.GatewayPin, &p.GatewayPin, plain)
	set(r, "certificates.allow_sha1", in.Certificates.AllowSHA1, &p.Certificates.AllowSHA1, same)
	set(r, "certificates.min_rsa_bits", in.Certificates.MinRSABits, &p.Certificates.MinRSABits, parseRSABits)
	r.method(p)
}

func parseRSABits(n int64) (int, error) {
	if n < 1024 || n > 16384 {
		return 0, fmt.Errorf("wants 1024 to 16384 bits, not %d", n)
	}
	return int(n), nil
}

// method checks what the method of phase 1 needs, and has no use for.
func (r *reader) method(p *Profile) {
	if p.Auth == AuthPSK {
		for _, k := range []string{"certificate", "key", "key_passphrase", "key_passphrase_file", "ca", "crl", "gateway_certificate", "gateway_pin", "certificates.allow_sha1", "certificates.min_rsa_bits"} {
			if r.has(k) && !r.empty(k) {
				r.fail(k, `is of no use without auth = "rsa", "hybrid" or another method with certificates`)
			}
		}
		return
	}
	switch {
	case p.Auth == AuthHybrid && p.XAuth == XAuthOff:
		r.fail("xauth", "can't be false with hybrid, where nothing else says who the user is")
	case p.Auth == AuthHybrid && p.Certificate != "":
		r.fail("certificate", "is of no use with hybrid, where only the gateway has one")
	case p.Auth == AuthHybrid && p.Key != "":
		r.fail("key", "is of no use with hybrid, where only the gateway has one")
	case p.Auth.WantsKey() && p.Certificate == "" && !InToken(p.Key):
		r.fail("auth", fmt.Sprintf("%q wants certificate beside it", p.Auth))
	case p.Auth.WantsKey() && (p.Secret != nil || p.SecretFile != ""):
		r.fail(r.first("secret", "secret_file"), fmt.Sprintf("is of no use with auth = %q: a pre-shared key never takes a certificate's place", p.Auth))
	case p.Auth.Encrypts() && p.GatewayCertificate == "":
		r.fail("auth", fmt.Sprintf("%q wants gateway_certificate beside it, and encrypts with the key in it", p.Auth))
	case p.Auth == AuthECDSA && r.has("xauth") && p.XAuth == XAuthRequired:
		r.fail("xauth", "has no number beside ECDSA's: a gateway can't be asked for both")
	case p.Auth == AuthECDSA && !r.has("xauth"):
		p.XAuth = XAuthOff
	}
}

// empty says whether a key stands there without a value.
func (r *reader) empty(key string) bool {
	switch in := &r.in; key {
	case "certificate":
		return in.Certificate == ""
	case "key":
		return in.Key == ""
	case "key_passphrase":
		return len(in.KeyPassphrase) == 0
	case "key_passphrase_file":
		return in.KeyPassphraseFile == ""
	case "ca":
		return in.CA == ""
	case "crl":
		return len(in.CRL) == 0
	case "gateway_certificate":
		return in.GatewayCertificate == ""
	case "gateway_pin":
		return in.GatewayPin == ""
	case "certificates.allow_sha1":
		return !in.Certificates.AllowSHA1
	case "certificates.min_rsa_bits":
		return in.Certificates.MinRSABits >= defaultRSABits
	}
	return false
}

// first is the first of some keys that stands in the document.
func (r *reader) first(keys ...string) string {
	for _, k := range keys {
		if r.has(k) {
			return k
		}
	}
	return keys[0]
}

// readFiles reads the files that p names. The one with the private key must be its
// owner's alone.
func readFiles(p *Profile) error {
	if p.Auth == AuthPSK {
		return nil
	}
	keyed := p.Auth.WantsKey() && p.Key == ""
	for _, f := range []struct {
		key, path string
		private   bool
		to        *[]byte
	}{
		{"certificate", p.Certificate, keyed, (*[]byte)(&p.Files.Certificate)},
		{"key", p.Key, true, (*[]byte)(&p.Files.Key)},
		{"ca", p.CA, false, &p.Files.CA},
		{"gateway_certificate", p.GatewayCertificate, false, &p.Files.GatewayCertificate},
	} {
		if f.path == "" || InToken(f.path) {
			continue
		}
		data, err := namedFile(f.key, f.path, f.private)
		if err != nil {
			return err
		}
		*f.to = data
	}
	p.Files.CRL = nil
	for _, path := range p.CRL {
		data, err := namedFile("crl", path, false)
		if err != nil {
			return err
		}
		p.Files.CRL = append(p.Files.CRL, data)
	}
	return nil
}

// namedFile reads a file that the profile names.
func namedFile(key, path string, private bool) ([]byte, error) {
	data, isPrivate, err := readFile(path)
	switch {
	case err != nil:
		err = errors.New(reason(err))
	case len(data) == 0:
		err = errors.New("is empty")
	case !isPrivate && (private || bytes.Contains(data, []byte("PRIVATE KEY-----"))):
		clear(data)
		err = errors.New(openToOthers(path))
	default:
		return data, nil
	}
	return nil, &Error{File: path, Key: key, Problem: err.Error()}
}

// weakCertificates says what is weak about how certificates are judged.
func (p *Profile) weakCertificates() (out []string) {
	if p.Certificates.AllowSHA1 {
		out = append(out, "Certificates signed with SHA-1 count here: a rich attacker can forge one.")
	}
	if p.Certificates.MinRSABits < defaultRSABits {
		out = append(out, fmt.Sprintf("RSA keys of %d bits count here: a rich attacker can break one.", p.Certificates.MinRSABits))
	}
	if p.Auth.Encrypts() {
		out = append(out, "Gateways that authenticate with RSA encryption have given away their keys when they weren't careful.")
	}
	return out
}
