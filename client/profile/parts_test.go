package profile

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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

// What is taken apart is what it was, but for its secrets and where its files lay.
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
	want := *p
	want.KeyPassphraseFile, want.KeyPassphrase, want.Password, want.Files = "", nil, nil, Files{}
	want.Certificate, want.Key, want.CA, want.CRL = "me.pem", "me.key", "ca.pem", []string{"one.crl", "one.crl"}
	got, err := Parse(parts.TOML, "office.toml")
	if err != nil {
		t.Fatal(err)
	}
	if d := diff(&want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string][]byte{"password": []byte("a password"), "key_passphrase": []byte("a phrase")}, parts.Secrets); d != "" {
		t.Error(d)
	}
	files := map[string][]byte{"certificate": []byte("cert"), "key": []byte("key"), "ca": []byte("ca"), "crl.0": []byte("1"), "crl.1": []byte("2")}
	if d := cmp.Diff(files, parts.Files); d != "" {
		t.Error(d)
	}
}
