package main

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/client"
	"postern/ike/pki"
	"postern/ike/pki/pkitest"
)

func TestShow(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, data []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	root := pkitest.Root(t, "root", pkitest.ECDSA(t))
	me := root.Leaf(t, "alice", pkitest.ECDSA(t), func(c *x509.Certificate) {
		c.EmailAddresses, c.NotAfter = []string{"alice@example"}, time.Now().Add(12*24*time.Hour+time.Hour)
	})
	file("me.pem", pkitest.PEM(me, root))
	file("me.key", me.KeyPEM(t))
	file("root.pem", pkitest.PEM(root))
	path := file("office.toml", []byte(`gateway = "vpn.example"
auth = "ecdsa"
certificate = "me.pem"
key = "me.key"
key_passphrase = "hunter2"
password = "hunter2"
ca = "root.pem"
`))
	var b bytes.Buffer
	if err := showProfile(&b, path, showFlags{}); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{
		`gateway = "vpn.example"`, `auth = "ecdsa"`, `password = "…"`, `key_passphrase = "…"`,
		"your certificate\n  subject      CN=alice,O=Test\n  issuer       CN=root,O=Test\n  names        alice@example, CN=alice,O=Test\n",
		fmt.Sprintf("to %s\n", me.NotAfter.UTC().Format(time.DateOnly)),
		"fingerprint  " + pki.Fingerprint(me.Certificate).String() + "\n",
		"trusted authority\n  subject      CN=root,O=Test\n",
		"note: Your certificate (CN=alice,O=Test) ends in 12 days",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "hunter2") || strings.Contains(text, "mtu") {
		t.Errorf("shows too much:\n%s", text)
	}

	b.Reset()
	if err := showProfile(&b, path, showFlags{all: true, globals: globals{json: true}}); err != nil {
		t.Fatal(err)
	}
	var v shownProfile
	if err := json.Unmarshal(b.Bytes(), &v); err != nil {
		t.Fatal(err)
	}
	if v.Schema != 1 || v.Settings["mtu"] != "0" || v.Settings["password"] != `"…"` || len(v.Certificates) != 3 || v.Certificates[0].Use != "yours" || len(v.Warnings) != 1 {
		t.Errorf("%+v", v)
	}
	if strings.Contains(b.String(), "hunter2") {
		t.Error("shows a secret")
	}

	file("me.pem", []byte("nonsense"))
	var r *client.Reason
	if err := showProfile(&b, path, showFlags{}); !errors.As(err, &r) || r.Exit != client.ExitProfile || !strings.Contains(r.Message, "me.pem: certificate:") {
		t.Errorf("%v", err)
	}
	if err := showProfile(&b, filepath.Join(dir, "none.toml"), showFlags{}); !errors.As(err, &r) || r.Exit != client.ExitNoProfile {
		t.Errorf("%v", err)
	}
}
