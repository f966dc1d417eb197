package profile

import (
	"strings"
	"testing"
)

const withFiles = `
name = "office"
gateway = "vpn"
auth = "rsa"
certificate = "/home/alice/me.pem"
key = "/home/alice/private/me.key"
key_passphrase_file = "/home/alice/phrase"
ca = "/home/alice/ca.pem"
crl = ["/a/one.crl", "/b/one.crl"]
`

// What is taken apart and joined is what it was, but for where its files lay.
func TestParts(t *testing.T) {
	p, err := Parse([]byte(withFiles), "office.toml")
	if err != nil {
		t.Fatal(err)
	}
	p.KeyPassphrase, p.Password = Secret("a phrase"), Secret("a password")
	p.Files = Files{Certificate: Secret("cert"), Key: Secret("key"), CA: []byte("ca"), CRL: [][]byte{[]byte("1"), []byte("2")}}
	parts := p.Parts()
	if text := string(parts.TOML); strings.Contains(text, "home") || strings.Contains(text, "phrase") || p.Key != "/home/alice/private/me.key" || p.CRL[0] != "/a/one.crl" {
		t.Errorf("%s\n%+v", text, p)
	}
	got, err := parts.Join(false)
	if err != nil {
		t.Fatal(err)
	}
	want := *p
	want.KeyPassphraseFile, want.Certificate, want.Key, want.CA, want.CRL = "", "me.pem", "me.key", "ca.pem", []string{"one.crl", "one.crl"}
	if d := diff(&want, got); d != "" {
		t.Error(d)
	}
	p.Clear()
	if string(got.Password) != "a password" || string(got.Files.Key) != "key" {
		t.Error("shares memory with what was taken apart")
	}
}

func TestJoinRefuses(t *testing.T) {
	psk := "name = 'a'\ngateway = 'vpn'\n"
	rsa := "name = 'a'\ngateway = 'vpn'\nauth = 'rsa'\n"
	for _, tt := range []struct {
		name, toml     string
		secrets, files map[string][]byte
		want           string
	}{
		{"a secret's file", psk + "secret_file = '/etc/shadow'", nil, nil, "secret_file: names a file"},
		{"a password's file", psk + "password_file = '/etc/shadow'", nil, nil, "password_file: names a file"},
		{"a file without contents", rsa + "certificate = '/etc/shadow'", nil, nil, "certificate: names a file that didn't come"},
		{"a list without contents", rsa + "certificate = 'c'\ncrl = ['d']", nil, map[string][]byte{"certificate": {1}}, "crl.0: names a file that didn't come"},
		{"contents without a file", psk, nil, map[string][]byte{"ca": {1}}, "ca: came with a file"},
		{"a list too long", rsa + "certificate = 'c'", nil, map[string][]byte{"certificate": {1}, "crl.0": {1}}, "crl.0: came with a file"},
		{"a token", rsa + "key = 'pkcs11:object=a?module-path=/tmp/x.so'", nil, nil, "key: is in a token"},
		{"an unknown secret", psk, map[string][]byte{"pin": {1}}, nil, "pin: isn't a secret"},
		{"an empty secret", psk, map[string][]byte{"secret": {}}, nil, "secret: isn't a secret"},
		{"a long secret", psk, map[string][]byte{"secret": make([]byte, maxSecret+1)}, nil, "secret: isn't a secret"},
		{"a password in clear", psk + "user = 'a'\nvpn5000 = 'auto'\nradius = 'pap'", nil, nil, "wants pap_auth_secret"},
		{"no profile", "gateway", nil, nil, "isn't TOML"},
	} {
		p, err := Parts{[]byte(tt.toml), tt.secrets, tt.files}.Join(false)
		if err == nil || p != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	if _, err := (Parts{TOML: []byte(rsa + "key = 'pkcs11:object=a'")}).Join(true); err != nil {
		t.Error(err)
	}
}
