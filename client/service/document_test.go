package service

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/client/localapi"
	"postern/client/profile"
)

const gatewayLine = "gateway = \"192.0.2.1\"\n"

func TestParseDocument(t *testing.T) {
	d := localapi.Document{
		Name: "head office", TOML: "# mine\n" + gatewayLine + "name = \"another\"\nuser = \"alice\"\n[lifetime]\nesp = \"30m\"\n",
		Secrets: map[string]localapi.Octets{"secret": {0, 1, 2}, "password": localapi.Octets(password), "otp_secret": nil},
	}
	p, err := parseDocument(&d)
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "head office" || p.User != "alice" || string(p.Secret) != "\x00\x01\x02" || string(p.Password) != password || p.OTPSecret != nil {
		t.Errorf("%+v", p)
	}
	p.Clear()
	if strings.Contains(string(d.Secrets["password"]), "canary") {
		t.Error("the octets aren't the request's")
	}
}

// TestDocumentWithFiles: what a profile's files hold comes with it, named or not.
func TestDocumentWithFiles(t *testing.T) {
	files := func() map[string]localapi.Octets {
		return map[string]localapi.Octets{
			"certificate": localapi.Octets("C"), "key": localapi.Octets("K"), "ca": localapi.Octets("A"), "crl.0": localapi.Octets("R0"), "crl.1": localapi.Octets("R1"),
		}
	}
	want := profile.Files{Certificate: profile.Secret("C"), Key: profile.Secret("K"), CA: []byte("A"), CRL: [][]byte{[]byte("R0"), []byte("R1")}}
	for name, toml := range map[string]string{
		"named":   gatewayLine + "auth = \"rsa\"\ncertificate = \"me.pem\"\nkey = \"me.key\"\nca = \"ca.pem\"\ncrl = [\"a.crl\", \"b.crl\"]\n",
		"unnamed": gatewayLine + "auth = \"rsa\"\n",
	} {
		p, err := parseDocument(&localapi.Document{Name: "x", TOML: toml, Files: files()})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		equal := cmp.Comparer(func(a, b profile.Secret) bool { return string(a) == string(b) })
		if d := cmp.Diff(want, p.Files, equal); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestBadDocuments(t *testing.T) {
	tests := []struct {
		name string
		d    localapi.Document
		key  string
		line int
		want string
	}{
		{"no name", localapi.Document{TOML: gatewayLine}, "name", 0, "1 to 64"},
		{"a path for a name", localapi.Document{Name: "../x", TOML: gatewayLine}, "name", 0, "letters"},
		{"a fault", localapi.Document{Name: "x", TOML: gatewayLine + "mtu = 1\n"}, "mtu", 2, "576"},
		{
			"a fault behind files",
			localapi.Document{Name: "x", TOML: gatewayLine + "auth = \"rsa\"\nmtu = 1\n", Files: map[string]localapi.Octets{"certificate": {1}, "ca": {1}}},
			"mtu", 3, "576",
		},
		{"not TOML", localapi.Document{Name: "x", TOML: "gateway", Files: map[string]localapi.Octets{"ca": {1}}}, "gateway", 1, "TOML"},
		{"a secret in the text", localapi.Document{Name: "x", TOML: gatewayLine + "password = \"" + password + "\"\n"}, "", 0, "beside it"},
		{"a file with the key", localapi.Document{Name: "x", TOML: gatewayLine + "secret_file = \"/etc/shadow\"\n"}, "secret_file", 0, "only your own programs"},
		{"a file with the password", localapi.Document{Name: "x", TOML: gatewayLine + "password_file = \"/etc/shadow\"\n"}, "password_file", 0, "only your own programs"},
		{"a file with codes", localapi.Document{Name: "x", TOML: gatewayLine + "otp = \"totp\"\notp_secret_file = \"/etc/shadow\"\n"}, "otp_secret_file", 0, "only your own programs"},
		{
			"a file with the passphrase",
			localapi.Document{Name: "x", TOML: gatewayLine + "auth = \"rsa\"\ncertificate = \"x\"\nkey_passphrase_file = \"/etc/shadow\"\n", Files: map[string]localapi.Octets{"certificate": {1}}},
			"key_passphrase_file", 0, "only your own programs",
		},
		{"a certificate's path", localapi.Document{Name: "x", TOML: gatewayLine + "auth = \"rsa\"\ncertificate = \"/etc/shadow\"\n"}, "certificate", 0, "only your own programs"},
		{
			"one list too few",
			localapi.Document{Name: "x", TOML: gatewayLine + "auth = \"rsa\"\ncertificate = \"x\"\ncrl = [\"a\", \"/etc/shadow\"]\n", Files: map[string]localapi.Octets{"certificate": {1}, "crl.0": {1}}},
			"crl", 0, "only your own programs",
		},
		{
			"a module to load",
			localapi.Document{Name: "x", TOML: gatewayLine + "auth = \"rsa\"\nkey = \"pkcs11:object=me?module-path=/home/mallory/evil.so\"\n"},
			"key", 0, "token",
		},
		{"an unknown secret", localapi.Document{Name: "x", TOML: gatewayLine, Secrets: map[string]localapi.Octets{"pin": {1}}}, "", 0, `"pin"`},
		{"a long secret", localapi.Document{Name: "x", TOML: gatewayLine, Secrets: map[string]localapi.Octets{"secret": make(localapi.Octets, 5000)}}, "secret", 0, "longer"},
		{"no PAP secret", localapi.Document{Name: "x", TOML: gatewayLine + "vpn5000 = \"required\"\nradius = \"pap\"\nuser = \"a\"\n"}, "radius", 0, "pap_auth_secret"},
		{"a user of two lines", localapi.Document{Name: "x", TOML: gatewayLine, Secrets: map[string]localapi.Octets{"user": localapi.Octets("a\nb")}}, "user", 0, "control character"},
	}
	for _, tt := range tests {
		_, err := parseDocument(&tt.d)
		if err == nil {
			t.Errorf("%s: no error", tt.name)
			continue
		}
		bad := profileError(t, err)
		if bad.Key != tt.key || bad.Line != tt.line || !strings.Contains(bad.Problem, tt.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v (key %q, line %d)", tt.name, err, bad.Key, bad.Line)
		}
	}
}

// TestSecretsOfOnce: they take the place of what is stored, and the user's name with
// them.
func TestSecretsOfOnce(t *testing.T) {
	o := order{Document: &localapi.Document{Name: "x", TOML: gatewayLine + "user = \"alice\"\nvpn5000 = \"required\"\nradius = \"chap\"\n"}}
	p, err := o.profile(map[string]localapi.Octets{
		documentSecret + "password": localapi.Octets("old"), onceSecret + "password": localapi.Octets("new"), onceSecret + "user": localapi.Octets("bob"), onceSecret + "otp_secret": {},
	})
	if err != nil {
		t.Fatal(err)
	}
	if string(p.Password) != "new" || p.User != "bob" || p.Identity != "bob" {
		t.Errorf("%q %q %q", []byte(p.Password), p.User, p.Identity)
	}
	if _, err := o.profile(map[string]localapi.Octets{onceSecret + "nonsense": {1}}); err == nil {
		t.Error("no error")
	}
}
