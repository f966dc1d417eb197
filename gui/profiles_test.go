package gui

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/widget"

	"postern/client/localapi"
	"postern/client/profile"
	"postern/client/profile/formats"
	"postern/client/secret"
)

// set types into a field of the editor.
func (e *editor) set(t *testing.T, key, value string) {
	t.Helper()
	for _, in := range e.inputs {
		if in.key != key {
			continue
		}
		switch o := in.focus.(type) {
		case *textEntry:
			o.SetText(value)
		case *widget.Select:
			o.SetSelected(value)
		case *widget.Check:
			o.SetChecked(value == "true")
		}
		return
	}
	t.Fatalf("no field for %s", key)
}

// A profile of one's own is made, saved, changed and renamed in the editor.
func TestEditor(t *testing.T) {
	folder := home(t)
	s := open(t, false)
	var e *editor
	s.do(func() {
		e = s.ui.newEditor(nil, "", nil)
		if !e.save.Disabled() {
			t.Error("an empty profile can be saved")
		}
		e.set(t, "name", "office")
		e.set(t, "gateway", "vpn.example.com:99999")
		if !e.save.Disabled() || !strings.Contains(e.fault.Text, "gateway") {
			t.Errorf("a wrong gateway is told as %q", e.fault.Text)
		}
		e.set(t, "gateway", "vpn.example.com")
		e.set(t, "mode", "aggressive")
		e.set(t, "identity", "staff")
		e.set(t, "secret", "the group's key")
		e.set(t, "networks", "10.0.0.0/8, 192.168.7.0/24")
		e.set(t, "ike", "3des-sha1-modp1024")
		e.set(t, "local_lan", "true")
		e.set(t, "lifetime.esp", "20m")
		if e.fault.Text != "" || e.save.Disabled() {
			t.Errorf("refused: %q", e.fault.Text)
		}
		if !strings.Contains(e.weak.Text, "3DES") && !strings.Contains(e.weak.Text, "3des") {
			t.Errorf("weak is told as %q", e.weak.Text)
		}
		e.keep()
	})
	p, err := profile.Load(filepath.Join(folder, "office.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Gateway.String() != "vpn.example.com" || p.Mode != "aggressive" || p.Identity != "staff" || len(p.Networks) != 2 || p.Secret != nil || !p.LocalLAN || p.Lifetime.ESP.Minutes() != 20 {
		t.Errorf("saved as %+v", p)
	}
	if kept, err := secret.Get("office", "secret"); err != nil || string(kept) != "the group's key" {
		t.Errorf("the keyring has %q, %v", kept, err)
	}
	s.do(func() {
		e = s.ui.newEditor(s.ui.person.find("office"), "office", nil)
		e.set(t, "name", "bureau")
		e.set(t, "lifetime.esp", "1h")
		e.keep()
		if len(s.ui.entries) != 1 || s.ui.entry().name != "bureau" {
			t.Errorf("%d entries", len(s.ui.entries))
		}
	})
	if _, err := os.Stat(filepath.Join(folder, "office.toml")); err == nil {
		t.Error("the old name's file is still there")
	}
	if kept, err := secret.Get("bureau", "secret"); err != nil || string(kept) != "the group's key" {
		t.Errorf("after the new name the keyring has %q, %v", kept, err)
	}
}

// Every key of a profile has a field, and what every field shows is taken back as it was.
func TestEveryKeyHasAField(t *testing.T) {
	fields := make(map[string]bool)
	for _, page := range profilePages() {
		for _, f := range page.fields {
			if fields[f.key] {
				t.Errorf("%s has two fields", f.key)
			}
			fields[f.key] = true
			if f.help == "" || f.label == "" {
				t.Errorf("%s isn't explained", f.key)
			}
		}
	}
	for _, s := range profile.Default().Settings(true) {
		if !fields[s.Key] {
			t.Errorf("%s has no field", s.Key)
		}
	}
}

func TestEditorKeepsAProfile(t *testing.T) {
	home(t)
	s := open(t, false)
	const text = `name = "far"
gateway = "[2001:db8::1]:4500"
backup = ["b.example"]
mode = "aggressive"
identity = "a \"quoted\" name"
xauth = "optional"
ike = ["3des-md5-modp1024"]
esp = ["aes128-sha1", "3des-sha1"]
exclude = ["10.1.0.0/16"]
default_route = false
dns = false
mtu = 1300
dpd = "off"
[lifetime]
ike = "1h30m"
`
	p, err := profile.Parse([]byte(text), "")
	if err != nil {
		t.Fatal(err)
	}
	s.do(func() {
		e := s.ui.newEditor(p, "far", nil)
		q, err := e.profile()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := string(q.Marshal()), string(p.Marshal()); got != want {
			t.Errorf("became\n%s\nof\n%s", got, want)
		}
	})
}

const pcf = "[main]\r\nDescription=plant\r\nHost=vpn.plant.example\r\nAuthType=1\r\nGroupName=fitters\r\nGroupPwd=a group's key\r\n"

func TestImport(t *testing.T) {
	folder := home(t)
	s := open(t, false)
	file := filepath.Join(t.TempDir(), "plant.pcf")
	if err := os.WriteFile(file, []byte(pcf), 0o600); err != nil {
		t.Fatal(err)
	}
	result, err := formats.Import([]formats.File{{Name: "plant.pcf", Data: []byte(pcf)}})
	if err != nil {
		t.Fatal(err)
	}
	name := result.Profiles[0].Profile.Name
	s.do(func() {
		s.ui.Open(file)
		if s.window.Canvas().Overlays().Top() == nil {
			t.Fatal("no preview")
		}
		chosen := widget.NewCheck("", nil)
		chosen.Checked = true
		s.ui.take(result, []*widget.Check{chosen})
	})
	p, err := profile.Load(filepath.Join(folder, name+".toml"))
	if err != nil || p.Gateway.Host != "vpn.plant.example" || p.Secret != nil {
		t.Errorf("%+v, %v", p, err)
	}
	if kept, err := secret.Get(name, "secret"); err != nil || string(kept) != "a group's key" {
		t.Errorf("the keyring has %q, %v", kept, err)
	}
	s.do(func() {
		if e := s.ui.entry(); e == nil || e.name != name {
			t.Errorf("selected: %+v", e)
		}
	})
	if err := s.ui.person.remove(name); err != nil {
		t.Error(err)
	}
	if _, err := secret.Get(name, "secret"); err == nil {
		t.Error("the removed profile's key is still in the keyring")
	}
}

// A profile of one's own that can't be read is listed with the reason, and is mended as
// a text.
func TestBrokenProfile(t *testing.T) {
	folder := home(t)
	path := filepath.Join(folder, "plant.toml")
	if err := os.WriteFile(path, []byte("gateway = \"192.0.2.1\"\nfoo = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, false)
	s.do(func() {
		f := s.ui.connection.failure
		if !f.box.Visible() || !strings.Contains(f.message.Text, "foo") {
			t.Errorf("told as %q", f.message.Text)
		}
		if s.ui.connection.button.Disabled() == false {
			t.Error("it can be connected")
		}
	})
}

// A profile of one's own travels with its secrets, and connects.
func TestOwnProfileConnects(t *testing.T) {
	folder := home(t)
	s := open(t, true)
	var gateway string
	s.until("profile demo", func() bool {
		for _, p := range s.ui.system {
			if p.Name == "demo" {
				gateway = p.Gateway
			}
		}
		return gateway != ""
	})
	p, err := profile.Parse([]byte("name = \"mine\"\ngateway = \""+gateway+"\"\n"), "")
	if err != nil {
		t.Fatal(err)
	}
	p.Secret = profile.Secret("not the group's key")
	if _, err := profile.Save(p, folder, profile.Saving{Secrets: true}); err != nil {
		t.Fatal(err)
	}
	s.do(s.ui.reload)
	s.choose("mine")
	s.do(s.ui.connection.press)
	s.is(localapi.Failed) // the key is wrong: it came to the gateway
	s.do(func() {
		if r := s.ui.entry().tunnel.Reason; r == nil || r.Code == "" {
			t.Errorf("%+v", r)
		}
		if n := len(s.ui.connection.failure.actions.Objects); n < 2 {
			t.Errorf("%d remedies", n)
		}
	})
}

func TestSearch(t *testing.T) {
	folder := home(t)
	for _, n := range strings.Fields("a b c d e f g h i j kiel") {
		if err := os.WriteFile(filepath.Join(folder, n+".toml"), []byte("gateway = \"vpn.example\"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, false)
	s.do(func() {
		l := s.ui.list
		if !l.search.Visible() || len(l.shown) != 11 {
			t.Fatalf("search %v, %d shown", l.search.Visible(), len(l.shown))
		}
		test.Type(l.search, "kie")
		if len(l.shown) != 1 || l.shown[0].name != "kiel" {
			t.Errorf("%d shown", len(l.shown))
		}
	})
}
