//go:build unix

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/client"
	"postern/client/profile"
)

// rollOut is a folder in which a bundle is made.
type rollOut struct {
	t      *testing.T
	folder string
}

func newRollOut(t *testing.T) *rollOut {
	r := &rollOut{t, t.TempDir()}
	r.write("office.toml", "gateway = \"vpn.acme.example\"\nauth = \"hybrid\"\nca = \"ca.pem\"\n[policy]\n")
	r.write("ca.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	return r
}

func (r *rollOut) at(name string) string { return filepath.Join(r.folder, name) }

func (r *rollOut) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(r.at(name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// run runs postern profile in the folder, and wants an exit code and something said.
func (r *rollOut) run(exit int, says string, args ...string) string {
	r.t.Helper()
	p := postern(r.t, append([]string{"profile"}, args...)...)
	p.Dir = r.folder
	got := p.finish()
	said := p.out.String() + p.err.String()
	if got != exit || !strings.Contains(said, says) {
		r.t.Errorf("postern profile %s: exit code %d, want %d; it said %q, want %q", strings.Join(args, " "), got, exit, said, says)
	}
	return p.out.String()
}

func TestRollOut(t *testing.T) {
	r := newRollOut(t)
	r.run(0, "is the secret key", "keygen", "--no-password", "k.key")
	r.run(client.ExitOther, "Choose another name", "keygen", "--no-password", "k.key")
	if info, err := os.Stat(r.at("k.key")); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	r.run(0, "acme, serial 7, 2 files", "bundle", "--name", "acme", "--serial", "7", "-o", "acme.bundle", "office.toml", "ca.pem")
	r.run(client.ExitProfile, "names the file", "bundle", "--name", "acme", "--serial", "7", "-o", "bad.bundle", "office.toml")
	r.run(client.ExitProfile, "wants --name, --serial", "bundle", "office.toml")
	r.run(client.ExitProfile, "there is no signature beside it", "verify", "acme.bundle", "-k", "k.key.pub")
	r.run(0, "Signed: acme.bundle.minisig", "sign", "acme.bundle", "--key", "k.key")
	r.run(client.ExitProfile, "isn't a public key", "verify", "acme.bundle", "-k", "k.key")
	r.run(client.ExitProfile, "wants --key", "sign", "acme.bundle")
	r.run(client.ExitProfile, "isn't a bundle", "sign", "ca.pem", "--key", "k.key")
	var v verifiedJSON
	if err := json.Unmarshal([]byte(r.run(0, "acme", "verify", "acme.bundle", "-k", "k.key.pub", "--json")), &v); err != nil || v.Serial != 7 || len(v.Profiles) != 1 || v.From != "k.key.pub" {
		t.Errorf("%+v, %v", v, err)
	}
	r.write("acme.bundle", "bundle = \"acme\"\nserial = 8\n[profiles.evil]\ngateway = \"evil.example\"\n")
	r.run(client.ExitProfile, "doesn't fit the bundle", "verify", "acme.bundle", "-k", "k.key.pub")
}

// A key's password comes from a descriptor, never from an argument, and the terminal is
// the only other place.
func TestRollOutPassword(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a GiB of memory, as minisign does")
	}
	r := newRollOut(t)
	r.run(client.ExitInput, "", "keygen", "k.key")
	for _, c := range []struct {
		password, says string
		exit           int
		args           []string
	}{
		{"pass word\n", "is the secret key", 0, []string{"keygen", "k.key", "--password-fd", "0"}},
		{"wrong\n", "password is wrong", client.ExitCredentials, []string{"sign", "a.bundle", "-k", "k.key", "--password-fd", "0"}},
		{"pass word", "Signed", 0, []string{"sign", "a.bundle", "-k", "k.key", "--password-fd", "0"}},
	} {
		r.run(0, "", "bundle", "--name", "a", "--serial", "1", "-o", "a.bundle", "office.toml", "ca.pem")
		p := postern(t, append([]string{"profile"}, c.args...)...)
		p.Dir, p.Stdin, p.limit = r.folder, strings.NewReader(c.password), 10*time.Minute
		if exit := p.finish(); exit != c.exit || !strings.Contains(p.out.String()+p.err.String(), c.says) {
			t.Errorf("%v: exit code %d, %s%s", c.args, exit, p.out.String(), p.err.String())
		}
	}
}

// Without a pinned key nothing is installed. (With one it is tested in package bundle:
// pins are where only root writes.)
func TestInstallWithoutPins(t *testing.T) {
	if _, err := os.Stat(profile.AdminFolder()); err == nil {
		t.Skip(profile.AdminFolder() + " exists here")
	}
	r := newRollOut(t)
	r.run(0, "", "keygen", "--no-password", "k.key")
	r.run(0, "", "bundle", "--name", "acme", "--serial", "7", "-o", "acme.bundle", "office.toml", "ca.pem")
	r.run(0, "", "sign", "acme.bundle", "--key", "k.key")
	to := []string{"--folder", r.at("profiles.d"), "--state-dir", r.at("state")}
	r.run(client.ExitProfile, "none is pinned", append([]string{"install", "acme.bundle"}, to...)...)
	r.run(client.ExitProfile, "none is pinned", append([]string{"refresh", "."}, to...)...)
	r.run(client.ExitOther, "no such file", append([]string{"install", "absent"}, to...)...)
	r.run(client.ExitProfile, "wants a bundle", "install")
	if _, err := os.Stat(r.at("profiles.d")); err == nil {
		t.Error("something was installed")
	}
}
