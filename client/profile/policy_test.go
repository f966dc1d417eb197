package profile

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// parsed is a profile in a test.
func parsed(t *testing.T, text string) *Profile {
	t.Helper()
	p, err := Parse([]byte(text), "office.toml")
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return p
}

const gatewayLine = "gateway = \"vpn.acme.example\"\n"

func TestPolicyFaults(t *testing.T) {
	for _, c := range []struct{ table, want string }{
		{"", ""},
		{"locked = []", "policy.locked: wants at least one"},
		{"locked = [\"gatway\"]", `policy.locked: unknown key; the nearest known one is "gateway"`},
		{"locked = [\"policy.expires\"]", "policy.locked: unknown key"},
		{"preset = [\"all\"]", `policy.preset: "all" is for locked only`},
		{"locked = [\"dns\"]\npreset = [\"dns\"]", `policy.preset: "dns" is locked, too`},
		{"save_secrets = \"perhaps\"", `policy.save_secrets: wants true, false or "gateway"`},
		{"save_secrets = 1", `policy.save_secrets: wants true, false or "gateway", not a number`},
		{"minimum_strength = \"military\"", "policy.minimum_strength: wants"},
		{"expires = \"tomorrow\"", `policy.expires: wants a day like "2027-06-30"`},
		{"expires = 2027-06-30", "policy.expires: wants text in quotes"},
		{"allowed_gateways = [\"10.0.0.1/8\"]", "policy.allowed_gateways"},
		{"allowed_gateways = [\"*\"]", "policy.allowed_gateways"},
		{"allowed_gateways = [\"other.example\"]", "gateway: your administrator allows no connection to vpn.acme.example, only to other.example, says [policy]"},
		{"minimum_strength = \"strong\"", "ike: sha1 is weaker than your administrator allows"},
	} {
		_, err := Parse([]byte(gatewayLine+"[policy]\n"+c.table), "office.toml")
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.table, err, c.want)
		}
	}
}

func TestPolicyIsMarshalled(t *testing.T) {
	for _, table := range []string{
		"", "locked = [\"gateway\"]", "locked = [\"all\", \"user\"]\npreset = [\"dns\"]", "save_secrets = true", "save_secrets = false",
		"minimum_strength = \"legacy\"", "allowed_gateways = [\"*.acme.example\"]", "expires = \"2027-06-30\"",
	} {
		p := parsed(t, gatewayLine+"[policy]\n"+table)
		if diff := diff(p, parsed(t, string(p.Marshal()))); diff != "" {
			t.Errorf("%q (-before +after):\n%s", table, diff)
		}
	}
	if text := parsed(t, gatewayLine).Marshal(); strings.Contains(string(text), "policy") {
		t.Errorf("%s", text)
	}
}

func TestLocks(t *testing.T) {
	for _, c := range []struct{ table, locked, free string }{
		{"", "gateway dns lifetime.ike certificate policy.locked", "user password password_file otp_secret key_passphrase"},
		{"preset = [\"dns\", \"lifetime\"]", "gateway lifetimes", "dns lifetime.ike lifetime.esp user"},
		{"locked = [\"gateway\", \"lifetime\"]", "gateway lifetime.esp policy.expires", "dns user ike"},
		{"locked = [\"all\", \"user\"]", "user gateway", "password"},
	} {
		p := parsed(t, gatewayLine+"[policy]\n"+c.table).Policy
		for key := range strings.FieldsSeq(c.locked) {
			if !p.Locks(key) {
				t.Errorf("%q: %s is free", c.table, key)
			}
		}
		for key := range strings.FieldsSeq(c.free) {
			if p.Locks(key) {
				t.Errorf("%q: %s is locked", c.table, key)
			}
		}
	}
	if (*Policy)(nil).Locks("gateway") {
		t.Error("no policy locks a key")
	}
}

func TestAllowedGateways(t *testing.T) {
	p := &Policy{AllowedGateways: []string{"vpn.acme.example", "*.acme.example.", "192.0.2.0/24", "2001:db8::7"}}
	for host, want := range map[string]bool{
		"vpn.acme.example": true, "VPN.Acme.Example.": true, "a.b.acme.example": true, "192.0.2.200": true, "2001:db8::7": true,
		"acme.example": false, "evilacme.example": false, "vpn.acme.example.evil.example": false, "192.0.3.1": false, "2001:db8::8": false,
	} {
		if got := p.allows(host); got != want {
			t.Errorf("%s: %v", host, got)
		}
	}
	if !(&Policy{}).allows("anywhere.example") {
		t.Error("without a list nothing is allowed")
	}
}

func TestStrength(t *testing.T) {
	for _, c := range []struct {
		lines string
		least Strength // the highest that it reaches
	}{
		{`ike = ["des-md5-modp768"]`, StrengthAny},
		{`esp = ["null-sha256"]`, StrengthAny},
		{`ike = ["3des-sha1-modp2048"]`, StrengthLegacy},
		{`ike = ["aes256-sha256-modp1024"]`, StrengthLegacy},
		{`esp = ["aes256-md5"]`, StrengthLegacy},
		{`pfs = "modp1024"`, StrengthLegacy},
		{``, StrengthStandard},
		{`ike = ["aes256-sha256-modp1536"]`, StrengthStandard},
		{"ike = [\"aes256-sha256-modp2048\"]\nesp = [\"aes256gcm16\"]", StrengthStrong},
		{"mode = \"aggressive\"\nike = [\"aes256-sha256-modp2048\"]\nesp = [\"aes256gcm16\"]", StrengthStandard},
		{"auth = \"hybrid\"\nike = [\"aes256-sha256-modp2048\"]\nesp = [\"aes256gcm16\"]\n[certificates]\nallow_sha1 = true", StrengthLegacy},
		{"auth = \"hybrid\"\nike = [\"aes256-sha256-modp2048\"]\nesp = [\"aes256gcm16\"]\n[certificates]\nmin_rsa_bits = 1024", StrengthLegacy},
	} {
		p := parsed(t, gatewayLine+c.lines)
		for s, level := range levels {
			if fault := p.tooWeak(s); (fault == nil) != (level <= levels[c.least]) {
				t.Errorf("%q and %s: %v", c.lines, s, fault)
			}
		}
	}
}

func TestStrengthen(t *testing.T) {
	p := parsed(t, gatewayLine+`ike = ["aes256-sha256-modp2048", "3des-md5-modp1024"]`+"\n"+`esp = ["3des-md5", "aes128-sha1"]`)
	p.Policies = Policies{{MinimumStrength: StrengthLegacy}, {MinimumStrength: StrengthStandard}}
	if got, want := p.Strengthen(), []string{"3des-md5-modp1024", "3des-md5"}; !slices.Equal(got, want) || len(p.IKE) != 1 || len(p.ESP) != 1 {
		t.Errorf("%v, %v, %v", got, p.IKE, p.ESP)
	}
	p.Policies = Policies{{MinimumStrength: StrengthStrong}}
	if got := p.Strengthen(); got != nil || len(p.ESP) != 1 {
		t.Errorf("%v, %v", got, p.ESP)
	}
}

// What the gateway pushes wins over the person and loses to the policy.
func TestPushed(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		name   string
		policy Policies
		pushed *bool
		want   bool
	}{
		{"nobody says anything", nil, nil, true},
		{"the gateway says no", nil, &no, false},
		{"the gateway says yes", nil, &yes, true},
		{"the policy leaves it to the gateway", Policies{{SaveSecrets: SaveAsGatewaySays}}, &no, false},
		{"the policy says yes", Policies{{SaveSecrets: SaveAllowed}}, &no, true},
		{"the policy says no", Policies{{SaveSecrets: SaveForbidden}}, &yes, false},
		{"one policy says yes, one no", Policies{{SaveSecrets: SaveForbidden}, {SaveSecrets: SaveAllowed}}, &yes, false},
	} {
		if got := c.policy.MaySave(c.pushed); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	push := []Gateway{{"b.acme.example", 500}, {"evil.example", 500}}
	for _, c := range []struct {
		name   string
		policy Policies
		want   []Gateway
	}{
		{"no policy", nil, push},
		{"gateways are allowed", Policies{{AllowedGateways: []string{"*.acme.example"}}}, push[:1]},
		{"backup is locked", Policies{{Locked: []string{"backup"}}}, nil},
		{"all is locked", Policies{{Locked: []string{AllKeys}}}, nil},
		{"backup is preset", Policies{{Locked: []string{AllKeys}, Preset: []string{"backup"}}}, push},
	} {
		if diff := cmp.Diff(c.want, c.policy.Pushed(push)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestExpires(t *testing.T) {
	p := parsed(t, gatewayLine+"[policy]\nexpires = \"2027-06-30\"")
	if err := p.Policies.check(p, time.Date(2027, 6, 30, 23, 59, 0, 0, time.UTC)); err != nil {
		t.Error(err)
	}
	err := p.Policies.check(p, time.Date(2027, 7, 1, 0, 0, 0, 0, time.UTC))
	if err == nil || !strings.Contains(err.Error(), "ended on 2027-06-30; ask your administrator") {
		t.Error(err)
	}
}

func TestMachine(t *testing.T) {
	m, err := parseMachine([]byte("locked = [\"kill_switch\"]\nsave_secrets = false\ntrusted_keys = [\"RWQ\"]\nallowed_gateways = [\"*.acme.example\"]\n"), "policy.toml")
	if err != nil {
		t.Fatal(err)
	}
	want := &Machine{
		Policy: Policy{
			Locked: []string{"kill_switch"}, SaveSecrets: SaveForbidden, MinimumStrength: StrengthAny, AllowedGateways: []string{"*.acme.example"},
		},
		TrustedKeys: []string{"RWQ"},
	}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for text, wrong := range map[string]string{
		"lockd = []":                    `policy.toml: lockd: unknown key; there are locked, preset`,
		"locked = \"all\"":              "policy.toml: has a value of the wrong kind",
		"locked = [\"nothing\"]":        "policy.toml: locked: unknown key",
		"save_secrets = \"never\"":      "policy.toml: save_secrets: wants true, false",
		"this isn't TOML":               "policy.toml:1: isn't TOML",
		"expires = \"30.6.2027\"":       "policy.toml: expires: wants a day",
		"minimum_strength = \"utmost\"": "policy.toml: minimum_strength: wants",
	} {
		if _, err := parseMachine([]byte(text), "policy.toml"); err == nil || !strings.Contains(err.Error(), wrong) {
			t.Errorf("%q: %v, want %q", text, err, wrong)
		}
	}
	// As a registry has it.
	m, err = machineOf(map[string]any{"save_secrets": "false", "locked": []string{"all"}, "minimum_strength": "standard"}, "HKLM")
	if err != nil || m.SaveSecrets != SaveForbidden || m.MinimumStrength != StrengthStandard || !m.Locks("gateway") {
		t.Errorf("%+v, %v", m, err)
	}
	if m, err := loadMachine(filepath.Join(t.TempDir(), "policy.toml")); m != nil || err != nil {
		t.Errorf("%v, %v", m, err)
	}
}

const managedText = gatewayLine + `
mode = "aggressive"
identity = "staff"
secret = "a group's key of some length"
networks = ["10.0.0.0/8"]
[lifetime]
ike = "4h"
[policy]
preset = ["networks", "lifetime", "dns", "gateway"]
`

func TestChange(t *testing.T) {
	m := parsed(t, managedText)
	for _, c := range []struct {
		name, changes string
		ignored       []string
		want          string // a line of what comes out, or the error behind "!"
	}{
		{"the person's own", `user = "jdoe"`, nil, `user = "jdoe"`},
		{"preset", `networks = ["10.1.0.0/16"]`, nil, `networks = ["10.1.0.0/16"]`},
		{"in a table", "[lifetime]\nesp = \"30m\"", nil, `esp = "30m"`},
		{"the rest of the table", "[lifetime]\nesp = \"30m\"", nil, `ike = "4h"`},
		{"locked", `mode = "main"`, []string{"mode"}, `mode = "aggressive"`},
		{"locked, and the same", `mode = "aggressive"`, nil, `mode = "aggressive"`},
		{"the policy", "[policy]\npreset = [\"mode\"]", []string{"policy.preset"}, `"networks"`},
		{"locked secret", `secret = "mine"`, []string{"secret"}, `mode = "aggressive"`},
		{"the administrator's secret stays with their gateway", `gateway = "evil.example"`, []string{"gateway"}, `gateway = "vpn.acme.example"`},
		{"unknown", `nonsense = 1`, nil, "!changes.toml:1: nonsense: unknown key"},
		{"wrong", "\nnetworks = [\"10.0.0.1/8\"]", nil, "!changes.toml:2: networks: "},
		{"no TOML", "what?", nil, "!changes.toml:1: "},
		{"nothing", "", nil, `identity = "staff"`},
		{"a file", `password_file = "pw"`, nil, `password_file = "/home/jdoe/pw"`},
	} {
		name := "changes.toml"
		if c.name == "a file" {
			name = "/home/jdoe/changes.toml"
		}
		q, ignored, err := m.Change([]byte(c.changes), name)
		if wrong, failing := strings.CutPrefix(c.want, "!"); failing {
			if err == nil || !strings.Contains(err.Error(), wrong) {
				t.Errorf("%s: %v, want %q", c.name, err, wrong)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !slices.Equal(ignored, c.ignored) || !strings.Contains(string(q.Marshal()), c.want) || string(q.Secret) != string(m.Secret) || q.Name != m.Name {
			t.Errorf("%s: ignored %v in\n%s", c.name, ignored, q.Marshal())
		}
		if len(q.Policies) != 1 || q.Policy == nil {
			t.Errorf("%s: it isn't managed any more", c.name)
		}
	}
}

// What may not be kept isn't taken from the keyring, nor from a person's file.
func TestForbiddenSecrets(t *testing.T) {
	m := parsed(t, gatewayLine+"[policy]\nsave_secrets = false\n")
	asked := map[string]bool{}
	s := Sources{FD: NoFD, Keyring: func(key string) ([]byte, error) { asked[key] = true; return []byte("kept"), nil }}
	if err := s.Resolve(m); err != nil || m.Password != nil || string(m.Secret) != "kept" || asked["password"] {
		t.Errorf("%v, asked for %v", err, asked)
	}
	if q, ignored, err := m.Change([]byte("user = \"jdoe\"\npassword = \"x\""), "c.toml"); err != nil || !slices.Equal(ignored, []string{"password"}) || q.Password != nil || q.User != "jdoe" {
		t.Errorf("%v, %v", ignored, err)
	}
	user := t.TempDir()
	writeAll(t, user, map[string]string{"own.toml": gatewayLine + "password = \"x\"\n[policy]\nsave_secrets = false\n"})
	if _, _, err := open(user+"/own.toml", user, t.TempDir()); err == nil || !strings.Contains(err.Error(), "password: isn't kept here") {
		t.Error(err)
	}
}

// writeAll writes files below a folder, which only their owner can read.
func writeAll(t *testing.T, folder string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := WriteFile(filepath.Join(folder, name), []byte(text), true); err != nil {
			t.Fatal(err)
		}
	}
}

func TestManagedProfiles(t *testing.T) {
	user, system := t.TempDir(), t.TempDir()
	writeAll(t, system, map[string]string{
		"office.toml": managedText,
		"gone.toml":   "gateway = \"gone.acme.example\"\n[policy]\nexpires = \"2020-01-01\"\n",
		"plain.toml":  "gateway = \"plain.acme.example\"\n",
		"hybrid.toml": "gateway = \"hybrid.acme.example\"\nauth = \"hybrid\"\nca = \"ca.pem\"\n[policy]\nlocked = [\"ca\", \"auth\"]\n",
		"ca.pem":      "the authority",
	})
	writeAll(t, user, map[string]string{
		"office.toml": "user = \"jdoe\"\nmode = \"main\"\n",
		"gone.toml":   "user = \"jdoe\"\n",
		"plain.toml":  "gateway = \"mine.example\"\n",
		"copy.toml":   strings.Replace(managedText[:strings.Index(managedText, "[policy]")], `"aggressive"`, `"main"`, 1),
		"same.toml":   managedText[:strings.Index(managedText, "[policy]")] + "",
		"back.toml":   "gateway = \"new.example\"\nbackup = [\"VPN.acme.example.\"]\n",
		"late.toml":   "gateway = \"gone.acme.example\"\n",
		"ours.toml":   "gateway = \"hybrid.acme.example\"\nauth = \"hybrid\"\nca = \"ca.pem\"\n",
		"ca.pem":      "the authority",
		"evil.toml":   "gateway = \"hybrid.acme.example\"\nauth = \"hybrid\"\nca = \"evil.pem\"\n",
		"evil.pem":    "somebody else",
	})
	for name, want := range map[string]string{"office": system, "plain": user, "gone": system, "copy": user} {
		if got, err := find(name, system); err == nil && filepath.Dir(got) == user || want == system && (err != nil || filepath.Dir(got) != system) {
			t.Errorf("%s: %s, %v", name, got, err) // find knows the user's folder of the environment only
		}
	}
	for _, c := range []struct{ file, ignored, want string }{
		{system + "/office.toml", "mode", ""},
		{system + "/gone.toml", "", "the profile ended on 2020-01-01"},
		{system + "/plain.toml", "", ""},
		{user + "/plain.toml", "", ""},
		{user + "/same.toml", "", ""},
		{user + "/copy.toml", "", `mode: can't be changed: the managed profile "office" locks it`},
		{user + "/back.toml", "", `can't be changed: the managed profile "office" locks it`},
		{user + "/late.toml", "", "the profile ended on 2020-01-01"},
		{user + "/ours.toml", "", ""},
		{user + "/evil.toml", "", `ca: can't be changed: the managed profile "hybrid" locks it`},
	} {
		p, ignored, err := open(c.file, user, system)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) || strings.Join(ignored, " ") != c.ignored {
			t.Errorf("%s: ignored %v, %v, want %q", c.file, ignored, err, c.want)
		}
		if err == nil && filepath.Base(c.file) == "office.toml" && (p.User != "jdoe" || p.Mode != AggressiveMode) {
			t.Errorf("%s", p.Marshal())
		}
	}
	var got []string
	for _, e := range list(user, system) {
		got = append(got, strings.TrimSpace(strings.Join([]string{e.Name, map[bool]string{true: "system"}[e.System], filepath.Base(e.Changes), map[bool]string{true: "wrong"}[e.Problem != nil]}, " ")))
	}
	want := []string{
		"back  . wrong", "copy  . wrong", "evil  . wrong", "late  . wrong", "ours  .", "plain  .", "same  .",
		"gone system gone.toml wrong", "hybrid system .", "office system office.toml", "plain system .",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := os.Chmod(filepath.Join(user, "office.toml"), 0o644); err != nil {
		t.Fatal(err)
	}
	writeAll(t, user, map[string]string{"office.toml": "password = \"mine\"\n"})
	if err := os.Chmod(filepath.Join(user, "office.toml"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := open(system+"/office.toml", user, system); err == nil || !strings.Contains(err.Error(), "others can read") {
		t.Error(err)
	}
}

// Whatever a person writes, locked keys and the administrator's secret stay.
func FuzzChange(f *testing.F) {
	for _, s := range []string{
		"user = \"jdoe\"", "mode = \"main\"\n[lifetime]\nesp = \"30m\"", "gateway = \"evil.example\"\nsecret = \"x\"", "policy.locked = [\"user\"]",
		"lifetime = {ike = \"1h\"}", "secret_encoding = \"hex\"", "secret_file = \"/etc/shadow\"", "networks = [\"::/0\"]\ndns = false",
	} {
		f.Add([]byte(s))
	}
	m, err := Parse([]byte(managedText), "office.toml")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, changes []byte) {
		q, _, err := m.Change(changes, "/home/jdoe/office.toml")
		if err != nil {
			if strings.Contains(err.Error(), "a group's key") {
				t.Error(err)
			}
			return
		}
		now, before := q.Settings(true), m.Settings(true)
		for i, s := range before {
			if m.Policies.Locks(s.Key) && now[i] != s {
				t.Errorf("%v became %v", s, now[i])
			}
		}
		if string(q.Secret) != string(m.Secret) || q.Gateway != m.Gateway || q.SecretFile != "" {
			t.Errorf("%s", q.Marshal())
		}
	})
}

func FuzzMachine(f *testing.F) {
	f.Add([]byte("locked = [\"all\"]\npreset = [\"dns\"]\nsave_secrets = false\nexpires = \"2027-06-30\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if m, err := parseMachine(data, "policy.toml"); (m == nil) == (err == nil) {
			t.Errorf("%v beside %v", m, err)
		}
	})
}
