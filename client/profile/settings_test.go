package profile

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSettings(t *testing.T) {
	p, err := Parse([]byte("name = \"x y\"\ngateway = \"vpn:4500\"\nsecret = 'hunter2'\nxauth = 'optional'\nnetworks = ['10.0.0.0/8']\nesp = ['3des-md5']\nmtu = 1400\ndpd = 'off'\n[lifetime]\nike = '90s'"), "x.toml")
	if err != nil {
		t.Fatal(err)
	}
	want := []Setting{
		{"name", `"x y"`},
		{"gateway", `"vpn:4500"`},
		{"secret", `"…"`},
		{"xauth", `"optional"`},
		{"esp", `["3des-md5"]`},
		{"networks", `["10.0.0.0/8"]`},
		{"mtu", "1400"},
		{"dpd", `"off"`},
		{"lifetime.ike", `"90s"`},
	}
	if d := cmp.Diff(want, p.Settings(false)); d != "" {
		t.Error(d)
	}
}

// Every key is shown, no secret is, and what is shown is a profile again.
func TestSettingsOfEverything(t *testing.T) {
	data, err := os.ReadFile("testdata/everything.toml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Parse(data, "everything.toml")
	if err != nil {
		t.Fatal(err)
	}
	all := p.Settings(true)
	for key, kind := range keys {
		if kind != table && !slices.ContainsFunc(all, func(s Setting) bool { return s.Key == key }) {
			t.Errorf("%s isn't shown", key)
		}
	}
	var b strings.Builder
	for _, s := range all {
		b.WriteString(s.Key + " = " + s.Value + "\n")
	}
	for _, secret := range []string{"hunter2", "736563726574", "pass phrase"} {
		if strings.Contains(b.String(), secret) {
			t.Errorf("%q is shown", secret)
		}
	}
	text := strings.Replace(b.String(), `secret_encoding = "hex"`, "", 1)
	again, err := Parse([]byte(text), "again.toml")
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	p.Secret, p.SecretEncoding, p.Password, p.OTPSecret = Secret("…"), EncodingText, Secret("…"), Secret("…")
	if d := diff(p, again); d != "" {
		t.Error(d)
	}
}
