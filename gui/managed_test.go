package gui

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fyne.io/fyne/v2"

	"postern/client/localapi"
	"postern/client/profile"
	"postern/client/secret"
)

// managedProfile is an administrator's, as Load would have it.
func managedProfile(t *testing.T) *profile.Profile {
	t.Helper()
	m, err := profile.Parse([]byte(`name = "plant"
gateway = "vpn.plant.example"
mode = "aggressive"
identity = "fitters"
local_lan = false
mtu = 1300
[policy]
preset = ["local_lan", "networks"]
save_secrets = false
`), "/etc/postern/profiles.d/plant.toml")
	if err != nil {
		t.Fatal(err)
	}
	m.File = "/etc/postern/profiles.d/plant.toml"
	m.Policies = profile.Policies{m.Policy}
	return m
}

// TestLocks: of a managed profile the editor says what is locked, and by whom.
func TestLocks(t *testing.T) {
	home(t)
	s := open(t, false)
	s.do(func() {
		e := s.ui.newEditor(managedProfile(t), "plant", managedProfile(t))
		locked := make(map[string]string)
		for _, in := range e.inputs {
			o, ok := in.focus.(fyne.Disableable)
			if !ok || o.Disabled() != (in.locked != "") {
				t.Errorf("%s: locked %q, disabled %v", in.key, in.locked, ok && o.Disabled())
			}
			if in.locked != "" && !strings.Contains(in.hint.Text, in.locked) {
				t.Errorf("%s doesn't say that it is locked: %q", in.key, in.hint.Text)
			}
			locked[in.key] = in.locked
		}
		for key, by := range map[string]string{
			"name": "/etc/postern/profiles.d/plant.toml", "gateway": "Locked by your administrator, in /etc/postern/profiles.d/plant.toml.", "mtu": "Locked", "ike": "Locked",
			"password": "not kept", "user": "", "local_lan": "", "networks": "",
		} {
			if got := locked[key]; !strings.Contains(got, by) || (by == "") != (got == "") {
				t.Errorf("%s is locked by %q, want %q", key, got, by)
			}
		}
	})
}

// TestManagedChanges: what is changed of a managed profile is kept in the person's
// folder, and nothing else.
func TestManagedChanges(t *testing.T) {
	folder := home(t)
	s := open(t, false)
	file := filepath.Join(folder, "plant.toml")
	s.do(func() {
		m := managedProfile(t)
		e := s.ui.newEditor(managedProfile(t), "plant", m)
		e.set(t, "user", "alice")
		e.set(t, "local_lan", "true")
		e.set(t, "networks", "10.7.0.0/16")
		e.keep()
	})
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(text), "user = \"alice\"\nnetworks = [\"10.7.0.0/16\"]\nlocal_lan = true\n"; got != want {
		t.Errorf("the changes are\n%swant\n%s", got, want)
	}
	m := managedProfile(t)
	q, ignored, err := m.Change(text, file)
	if err != nil || len(ignored) > 0 || q.User != "alice" || !q.LocalLAN {
		t.Errorf("%v, ignored %v: %+v", err, ignored, q)
	}
	// One that is taken back, and one that a choice elsewhere in the window makes.
	q.LocalLAN, q.User = false, "bob"
	if err := s.ui.person.keepChanges(m, differences(q, m), map[string][]byte{"otp_secret": []byte("JBSWY3DPEHPK3PXP")}); err == nil {
		_ = secret.Delete("plant", "otp_secret")
	}
	if text, _ = os.ReadFile(file); strings.Contains(string(text), "local_lan") || !strings.Contains(string(text), `user = "bob"`) {
		t.Errorf("the changes are\n%s", text)
	}
}

// TestManagedEntry: a person's connection by a managed profile is that line's.
func TestManagedEntry(t *testing.T) {
	all := entries(nil, []localapi.ProfileInfo{{Name: "plant"}, {Name: "office"}}, map[string]bool{"plant": true},
		localapi.Snapshot{Tunnels: []localapi.Tunnel{{ID: "1000:plant", Owner: "alice", Status: localapi.Status{Profile: "plant", State: localapi.Up}}}}, "1000")
	if len(all) != 2 || all[1].key != "plant" || all[1].id() != "1000:plant" || all[1].owner != "" || !all[1].managed || all[0].managed {
		t.Errorf("%+v, %+v", all[0], all[1])
	}
	if all[1].below() != "Managed · Connected" {
		t.Errorf("it says %q", all[1].below())
	}
}
