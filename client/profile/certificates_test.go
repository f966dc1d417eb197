//go:build unix

package profile

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Relative paths start at the profile's folder; what a method leaves open follows from it.
func TestCertificates(t *testing.T) {
	const trust = "\nca = 'ca.pem'\ncrl = ['a.crl', '/b.crl']\ngateway_pin = 'sha256:00'\ncertificates = { allow_sha1 = true, min_rsa_bits = 1024 }"
	for _, tt := range []struct {
		name, lines string
		change      func(*Profile)
	}{
		{"rsa", "auth = 'rsa'\ncertificate = 'me.pem'\nkey = 'me.key'" + trust, func(p *Profile) {
			p.Auth, p.IdentityType, p.Certificate, p.Key = AuthRSA, TypeDN, "DIR/me.pem", "DIR/me.key"
		}},
		{"rsa, our address", "auth = 'rsa'\ncertificate = 'me.p12'\nidentity_type = 'address'" + trust, func(p *Profile) {
			p.Auth, p.Certificate = AuthRSA, "DIR/me.p12"
		}},
		{"rsa, a name", "auth = 'rsa'\ncertificate = 'me.p12'\nidentity = 'me@example'" + trust, func(p *Profile) {
			p.Auth, p.Certificate, p.Identity, p.IdentityType = AuthRSA, "DIR/me.p12", "me@example", TypeUserFQDN
		}},
		{"ecdsa goes without XAuth", "auth = 'ecdsa'\ncertificate = 'me.pem'" + trust, func(p *Profile) {
			p.Auth, p.IdentityType, p.Certificate, p.XAuth = AuthECDSA, TypeDN, "DIR/me.pem", XAuthOff
		}},
		{"hybrid", "auth = 'hybrid'\nidentity = 'staff'\nsecret = 'for the gateway, which may want it'" + trust, func(p *Profile) {
			p.Auth, p.Identity, p.IdentityType, p.Secret = AuthHybrid, "staff", TypeKeyID, Secret("for the gateway, which may want it")
		}},
		{"a token", "auth = 'dss'\nkey = 'pkcs11:token=a;object=b?module-path=/x.so'" + trust, func(p *Profile) {
			p.Auth, p.IdentityType, p.Key = AuthDSS, TypeDN, "pkcs11:token=a;object=b?module-path=/x.so"
		}},
		{"rsa-encryption", "auth = 'rsa-encryption'\ncertificate = 'me.pem'\ngateway_certificate = '../gw.pem'" + trust, func(p *Profile) {
			p.Auth, p.IdentityType, p.Certificate, p.GatewayCertificate = AuthRSAEncryption, TypeDN, "DIR/me.pem", "UP/gw.pem"
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			p, err := Parse([]byte("gateway = 'vpn'\n"+tt.lines), filepath.Join(dir, "office.toml"))
			if err != nil {
				t.Fatal(err)
			}
			want := Default()
			want.Name, want.Gateway = "office", Gateway{"vpn", 500}
			want.CA, want.CRL, want.GatewayPin = "DIR/ca.pem", []string{"DIR/a.crl", "/b.crl"}, "sha256:00"
			want.Certificates = Certificates{AllowSHA1: true, MinRSABits: 1024}
			tt.change(want)
			for _, s := range []*string{&want.Certificate, &want.Key, &want.CA, &want.CRL[0], &want.GatewayCertificate} {
				*s = strings.Replace(strings.Replace(*s, "DIR", dir, 1), "UP", filepath.Dir(dir), 1)
			}
			if d := diff(want, p); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestResolveFiles(t *testing.T) {
	const pem = "-----BEGIN PRIVATE KEY-----\n"
	files := map[string]string{"me": "c", "key": "k", "ca": "a", "gw": "g", "r1": "1", "r2": "2", "both": pem, "empty": ""}
	for _, tt := range []struct {
		name, lines string
		mode        fs.FileMode
		open        string // this file is others' to read too
		want        Files
		err         string
	}{
		{
			name:  "all",
			lines: "auth = 'rsa'\ncertificate = 'me'\nkey = 'key'\nca = 'ca'\ngateway_certificate = 'gw'\ncrl = ['r1', 'r2']",
			want:  Files{Secret("c"), Secret("k"), []byte("a"), []byte("g"), [][]byte{[]byte("1"), []byte("2")}},
		},
		{name: "a token", lines: "auth = 'rsa'\nkey = 'pkcs11:object=a'\nca = 'ca'", want: Files{CA: []byte("a")}},
		{name: "psk", lines: ""},
		{name: "the certificate is everybody's", lines: "auth = 'rsa'\ncertificate = 'me'\nkey = 'key'", open: "me", want: Files{Certificate: Secret("c"), Key: Secret("k")}},
		{name: "the key isn't", lines: "auth = 'rsa'\ncertificate = 'me'\nkey = 'key'", open: "key", err: "DIR/key: key: others can read this file and the secret in it; run: chmod 600 DIR/key"},
		{name: "a certificate with the key isn't", lines: "auth = 'rsa'\ncertificate = 'me'", open: "me", err: "DIR/me: certificate: others can read this file and the secret in it; run: chmod 600 DIR/me"},
		{name: "a certificate with a key that isn't used isn't either", lines: "auth = 'rsa'\ncertificate = 'both'\nkey = 'key'", open: "both", err: "DIR/both: certificate: others can read this file and the secret in it; run: chmod 600 DIR/both"},
		{name: "absent", lines: "auth = 'hybrid'\nca = 'none'", err: "DIR/none: ca: can't be read: no such file or directory"},
		{name: "empty", lines: "auth = 'hybrid'\ncrl = ['empty']", err: "DIR/empty: crl: is empty"},
		{name: "a folder", lines: "auth = 'hybrid'\ngateway_certificate = '.'", err: "DIR: gateway_certificate: isn't a regular file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, s := setUp(t, tt.lines, files, nil, 0o600)
			dir := filepath.Dir(p.File)
			if tt.open != "" {
				write(t, filepath.Join(dir, tt.open), files[tt.open], 0o644)
			}
			err := s.Resolve(p)
			if want := strings.ReplaceAll(tt.err, "DIR", dir); err != nil && err.Error() != want || (err == nil) != (want == "") {
				t.Fatalf("error %v, want %q", err, want)
			}
			if d := cmp.Diff(tt.want, p.Files, cmp.Transformer("octets", func(s Secret) []byte { return s })); err == nil && d != "" {
				t.Error(d)
			}
			key := p.Files.Key
			p.Clear()
			if p.Files.Key != nil || slices.ContainsFunc(key, func(b byte) bool { return b != 0 }) {
				t.Error("a key is left")
			}
		})
	}
}

func TestResolveKeyPassphrase(t *testing.T) {
	const rsa = "auth = 'rsa'\ncertificate = 'me'\n"
	for _, tt := range []struct{ name, lines, fd, want string }{
		{"nowhere", rsa, "", ""},
		{"profile", rsa + "key_passphrase = 'p'", "", "p"},
		{"file", rsa + "key_passphrase_file = 'pass'", "", "from a file"},
		{"descriptor", rsa + "key_passphrase = 'x'", "key_passphrase=p", "p"},
		{"a method without a key", "auth = 'hybrid'", "key_passphrase=p", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, s := setUp(t, tt.lines, map[string]string{"me": "c", "pass": "from a file\n"}, nil, 0o600)
			if tt.fd != "" {
				s.FD = descriptor(t, tt.fd)
			}
			if err := s.Resolve(p); err != nil || string(p.KeyPassphrase) != tt.want {
				t.Errorf("%q, %v", []byte(p.KeyPassphrase), err)
			}
		})
	}
	path := write(t, filepath.Join(t.TempDir(), "office.toml"), "gateway = 'vpn'\n"+rsa+"key_passphrase = 'p'", 0o644)
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), ":4: key_passphrase: others can read") {
		t.Error(err)
	}
}

func TestWeakCertificates(t *testing.T) {
	p, err := Parse([]byte("gateway = 'vpn'\nauth = 'rsa-revised'\ncertificate = 'c'\ngateway_certificate = 'g'\ncertificates = { allow_sha1 = true, min_rsa_bits = 1024 }"), "x.toml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(p.Weak(), " ")
	for _, want := range []string{"SHA-1", "1024 bits", "RSA encryption"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q lacks %q", text, want)
		}
	}
}
