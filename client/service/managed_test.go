//go:build unix

package service

import (
	"path/filepath"
	"strings"
	"testing"

	"postern/client/localapi"
	"postern/client/profile"
)

const managedOffice = `
gateway = "vpn.acme.example"
mode = "aggressive"
identity = "staff"
secret_file = "group.secret"
[policy]
preset = ["dns", "gateway", "certificate"]
`

// managedFolder is a folder with managed profiles.
func managedFolder(t *testing.T) folder {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "office.toml"), managedOffice, 0o644)
	write(t, filepath.Join(dir, "group.secret"), groupKey+"\n", 0o600)
	write(t, filepath.Join(dir, "named.toml"), gatewayLine+"user = \"kiosk\"\n[policy]\nlocked = [\"all\", \"user\", \"password\"]\n", 0o644)
	write(t, filepath.Join(dir, "old.toml"), "gateway = \"old.acme.example\"\n[policy]\nexpires = \"2020-01-01\"\n", 0o644)
	return folder{path: dir}
}

func TestManagedDocuments(t *testing.T) {
	f := managedFolder(t)
	octets := func(s string) localapi.Octets { return localapi.Octets(s) }
	for _, c := range []struct {
		name     string
		document localapi.Document
		want     string // what is wrong
		check    func(p *profile.Profile) bool
	}{
		{
			"changes",
			localapi.Document{Name: "office", TOML: "user = \"alice\"\ndns = false\n", Secrets: map[string]localapi.Octets{"password": octets(password)}},
			"",
			func(p *profile.Profile) bool {
				return p.User == "alice" && !p.DNS && string(p.Password) == password && string(p.Secret) == groupKey
			},
		},
		{
			"locked keys stay",
			localapi.Document{Name: "office", TOML: "mode = \"main\"\nidentity = \"root\"\n"},
			"",
			func(p *profile.Profile) bool { return p.Mode == profile.AggressiveMode && p.Identity == "staff" },
		},
		{
			"the secret stays with its gateway",
			localapi.Document{Name: "office", TOML: "gateway = \"evil.example\"\n"},
			"",
			func(p *profile.Profile) bool {
				return p.Gateway.Host == "vpn.acme.example" && string(p.Secret) == groupKey
			},
		},
		{
			"a locked secret stays",
			localapi.Document{Name: "office", Secrets: map[string]localapi.Octets{"secret": octets("mine")}},
			"",
			func(p *profile.Profile) bool { return string(p.Secret) == groupKey },
		},
		{
			"a whole profile of its name",
			localapi.Document{Name: "office", TOML: "gateway = \"evil.example\"\nxauth = false\n"},
			"",
			func(p *profile.Profile) bool {
				return p.Gateway.Host == "vpn.acme.example" && p.XAuth == profile.XAuthRequired
			},
		},
		{"a file on the way", localapi.Document{Name: "office", TOML: "password_file = \"/etc/shadow\"\n"}, "only your own programs may open", nil},
		{"a copy", localapi.Document{Name: "mine", TOML: "gateway = \"vpn.acme.example\"\n"}, `the managed profile "office" locks it`, nil},
		{"an expired one", localapi.Document{Name: "old", TOML: ""}, "ended on 2020-01-01", nil},
		{"a copy of an expired one", localapi.Document{Name: "mine", TOML: "gateway = \"old.acme.example\"\n"}, "ended on 2020-01-01", nil},
		{"somewhere else", localapi.Document{Name: "mine", TOML: "gateway = \"else.example\"\n"}, "", func(p *profile.Profile) bool { return p.Gateway.Host == "else.example" }},
		{
			"a locked user stays",
			localapi.Document{Name: "named", TOML: "user = \"alice\"\n", Secrets: map[string]localapi.Octets{"user": octets("alice")}},
			"",
			func(p *profile.Profile) bool { return p.User == "kiosk" },
		},
	} {
		p, isManaged, err := f.own(&c.document)
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "canary")) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if err == nil && (!c.check(p) || isManaged != (p.Policy != nil)) {
			t.Errorf("%s: %s", c.name, p.Marshal())
		}
	}
}

// What is given for once doesn't get round what is locked.
func TestManagedOnce(t *testing.T) {
	f := managedFolder(t)
	for _, c := range []struct{ profile, key, want string }{
		{"office", "user", ""},
		{"office", "password", ""},
		{"office", "secret", "secret: is locked by your administrator"},
		{"named", "user", "user: is locked by your administrator"},
	} {
		p, err := f.resolve(c.profile)
		check(t, err)
		err = takeOnce(p, map[string]localapi.Octets{c.key: localapi.Octets("once")})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s of %s: %v, want %q", c.key, c.profile, err, c.want)
		}
		p.Clear()
	}
}
