package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"postern/client/profile"
)

const (
	office = "# the office\ngateway = \"vpn.acme.example\"\nauth = \"hybrid\"\nca = \"acme-ca.pem\"\n[policy]\nexpires = \"2099-12-31\"\n"
	group  = "gateway = \"vpn.acme.example\"\nmode = \"aggressive\"\nidentity = \"guests\"\nsecret = \"canary-group-key\"\n"
	ca     = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
)

// made makes a bundle.
func made(t testing.TB, serial int64, files ...File) []byte {
	t.Helper()
	data, err := New("acme", serial, files)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func ours() []File {
	return []File{{"office.toml", []byte(office)}, {"guests.toml", []byte(group)}, {"acme-ca.pem", []byte(ca)}}
}

// keys makes a pair of keys without a password.
func keys(t testing.TB) (pinned Key, secret []byte) {
	t.Helper()
	public, secret, err := GenerateKey("")
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParseKey(public, "acme.pub")
	if err != nil {
		t.Fatal(err)
	}
	return k, secret
}

func signed(t testing.TB, data, secret []byte) []byte {
	t.Helper()
	s, err := Sign(data, secret, "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBundle(t *testing.T) {
	binary := []byte{0x30, 0x82, 0, 1, 0xff}
	files := append(ours(), File{"key.p12", binary}, File{"odd.txt", []byte("base64: no")})
	b, err := Parse(made(t, 7, files...))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Clear()
	if b.Name != "acme" || b.Serial != 7 || len(b.Profiles) != 2 || b.Profiles[1].Name != "office" || b.Profiles[1].Policy == nil {
		t.Errorf("%+v", b)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name, ".toml") && !bytes.Equal(b.Files[f.Name], f.Data) {
			t.Errorf("%s: %q", f.Name, b.Files[f.Name])
		}
	}
	if again := made(t, 7, files...); !bytes.Equal(again, made(t, 7, files...)) {
		t.Error("it isn't the same twice")
	}
}

func TestBadBundles(t *testing.T) {
	const good = "bundle = \"acme\"\nserial = 1\n[profiles.office]\ngateway = \"vpn.acme.example\"\n"
	for text, want := range map[string]string{
		good:                 "",
		"":                   "bundle wants a name",
		"what is this":       "this isn't a bundle",
		good + "[further]\n": "this isn't a bundle",
		strings.Replace(good, "acme", "../acme", 1):                                         "bundle wants a name",
		strings.Replace(good, "= 1", "= 0", 1):                                              "serial wants",
		strings.Replace(good, "= 1", "= -5", 1):                                             "serial wants",
		"bundle = \"acme\"\nserial = 1\n":                                                   "there is no profile",
		strings.Replace(good, ".office", ".\"../office\"", 1):                               "profile \"../office\": wants letters",
		strings.Replace(good, "vpn.acme.example", "not a host", 1):                          "profile \"office\": gateway: ",
		good + "name = \"other\"\n":                                                         "calls itself",
		good + "nonsense = 1\n":                                                             "nonsense: unknown key",
		good + "auth = \"hybrid\"\nca = \"absent.pem\"\n":                                   "names the file \"absent.pem\"",
		good + "auth = \"hybrid\"\nca = \"../ca.pem\"\n[files]\n\"ca.pem\" = \"\"\n":        "names the file \"../ca.pem\"",
		good + "[files]\n\"../../etc/passwd\" = \"root::0:0\"\n":                            "can't be the name of a file",
		good + "[files]\n\"evil.toml\" = \"gateway = 'evil'\"\n":                            "can't be the name of a file",
		good + "[files]\n\".hidden\" = \"\"\n":                                              "can't be the name of a file",
		good + "[files]\n\"a.pem\" = \"\"\n\"A.pem\" = \"\"\n":                              "same name on some systems",
		good + "[profiles.Office]\ngateway = \"b.example\"\n":                               "on some systems",
		good + "[files]\n\"a.p12\" = \"base64:***\"\n":                                      "isn't the base64",
		good + "secret = \"canary\"\nsecret_encoding = \"hex\"\n":                           "secret: isn't an even number",
		"bundle = \"acme\"\nserial = 1\n[profiles.office]\n" + strings.Repeat("x", MaxSize): "at most",
	} {
		b, err := Parse([]byte(text))
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary")) {
			t.Errorf("%.200q: %v, want %q", text, err, want)
		}
		if (b == nil) == (err == nil) {
			t.Errorf("%.200q: %v beside %v", text, b, err)
		}
	}
	for want, files := range map[string][]File{
		`there are two files`:     {{"a.toml", []byte(group)}, {"a.toml", []byte(group)}},
		`a.toml:1: gatway:`:       {{"a.toml", []byte("gatway = 1")}},
		`names the file "ca.pem"`: {{"a.toml", []byte("gateway = \"x.example\"\nauth = \"hybrid\"\nca = \"ca.pem\"")}},
	} {
		if _, err := New("acme", 1, files); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestVerify(t *testing.T) {
	mine, secret := keys(t)
	other, otherSecret := keys(t)
	data := made(t, 1, ours()...)
	signature := signed(t, data, secret)
	if k, err := Verify(data, signature, []Key{other, mine}); err != nil || k.String() != mine.String() {
		t.Errorf("%v, %v", k, err)
	}
	changed := bytes.Replace(data, []byte("acme.example"), []byte("evil.example"), 1)
	comment := bytes.Replace(signature, []byte("serial 1"), []byte("serial 9"), 1)
	for name, c := range map[string]struct {
		data, signature []byte
		keys            []Key
		want            string
	}{
		"changed":            {changed, signature, []Key{mine}, "doesn't fit the bundle"},
		"the comment":        {data, comment, []Key{mine}, "doesn't fit the bundle"},
		"another key":        {data, signature, []Key{other}, "it is signed with the key " + mine.String()},
		"another's":          {data, signed(t, data, otherSecret), []Key{mine}, "it is signed with the key " + other.String()},
		"no key":             {data, signature, nil, "none is pinned"},
		"no signature":       {data, nil, []Key{mine}, "isn't one of minisign's"},
		"half a signature":   {data, signature[:len(signature)/2], []Key{mine}, "isn't one of minisign's"},
		"another's document": {made(t, 2, ours()...), signature, []Key{mine}, "doesn't fit the bundle"},
	} {
		if _, err := Verify(c.data, c.signature, c.keys); !errors.Is(err, ErrNotVouched) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := Sign([]byte("nonsense"), secret, ""); err == nil {
		t.Error("nonsense was signed")
	}
	if _, err := Sign(data, []byte("nonsense"), ""); err == nil || strings.Contains(err.Error(), "nonsense") {
		t.Error(err)
	}
}

// A key with a password, which takes a GiB and a second.
func TestEncryptedKey(t *testing.T) {
	if testing.Short() || raced {
		t.Skip("takes a GiB of memory, as minisign does, and minutes under the race detector")
	}
	public, secret, err := GenerateKey("pass word")
	if err != nil {
		t.Fatal(err)
	}
	data := made(t, 1, ours()...)
	if _, err := Sign(data, secret, "wrong"); !Encrypted(secret) || err == nil {
		t.Error(err)
	}
	signature, err := Sign(data, secret, "pass word")
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParseKey(public, "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(data, signature, []Key{k}); err != nil {
		t.Error(err)
	}
}

// minisign itself takes our keys and signatures, and we take its.
func TestMinisign(t *testing.T) {
	program, err := exec.LookPath("minisign")
	if err != nil {
		t.Skip("there is no minisign here")
	}
	folder := t.TempDir()
	at := func(name string) string { return filepath.Join(folder, name) }
	public, secret, err := GenerateKey("")
	if err != nil {
		t.Fatal(err)
	}
	data := made(t, 1, ours()...)
	for name, content := range map[string][]byte{"k.pub": public, "k.key": secret, "a.bundle": data, "a.bundle.minisig": signed(t, data, secret)} {
		if err := os.WriteFile(at(name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command(program, "-V", "-p", at("k.pub"), "-m", at("a.bundle")).CombinedOutput(); err != nil || !bytes.Contains(out, []byte("bundle acme, serial 1")) {
		t.Errorf("%v: %s", err, out)
	}
	cmd := exec.Command(program, "-S", "-s", at("k.key"), "-m", at("a.bundle"), "-x", at("b.minisig"))
	cmd.Stdin = strings.NewReader("\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	theirs, err := os.ReadFile(at("b.minisig"))
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParseKey(public, "k.pub")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(data, theirs, []Key{k}); err != nil {
		t.Error(err)
	}
}

// machine is a machine's folders.
type machine struct {
	*Installer
	t      *testing.T
	secret []byte
}

func newMachine(t *testing.T) *machine {
	k, secret := keys(t)
	folder := t.TempDir()
	return &machine{&Installer{Keys: []Key{k}, Folder: filepath.Join(folder, "profiles.d"), State: filepath.Join(folder, "state", "bundles.toml")}, t, secret}
}

// install installs a bundle, and describes what that did.
func (m *machine) install(serial int64, files ...File) string {
	m.t.Helper()
	data := made(m.t, serial, files...)
	r, err := m.Install(data, signed(m.t, data, m.secret))
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("added %v changed %v removed %v", r.Added, r.Changed, r.Removed)
}

func (m *machine) read(name string) string {
	data, _ := os.ReadFile(filepath.Join(m.Folder, name))
	return string(data)
}

func TestInstall(t *testing.T) {
	m := newMachine(t)
	expect := func(got, want string) {
		t.Helper()
		if !strings.Contains(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
	m.DryRun = true
	expect(m.install(3, ours()...), "added [acme-ca.pem guests.toml office.toml]")
	if m.read("office.toml") != "" {
		t.Error("a dry run wrote")
	}
	m.DryRun = false
	expect(m.install(3, ours()...), "added [acme-ca.pem guests.toml office.toml]")
	for name, mode := range map[string]os.FileMode{"office.toml": 0o644, "acme-ca.pem": 0o644, "guests.toml": 0o600} {
		if info, err := os.Stat(filepath.Join(m.Folder, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if p, err := profile.Load(filepath.Join(m.Folder, "office.toml")); err != nil || p.CA != filepath.Join(m.Folder, "acme-ca.pem") {
		t.Errorf("%v", err)
	}
	expect(m.install(3, ours()...), "added [] changed [] removed []")

	// What was changed or lost on the machine comes back.
	if err := errors.Join(os.Remove(filepath.Join(m.Folder, "office.toml")), os.WriteFile(filepath.Join(m.Folder, "acme-ca.pem"), []byte("evil"), 0o644)); err != nil {
		t.Fatal(err)
	}
	expect(m.install(3, ours()...), "added [office.toml] changed [acme-ca.pem] removed []")

	// No way back, and no two bundles of one serial.
	expect(m.install(2, ours()...), `"acme" of serial 2 is older than what is installed, serial 3`)
	expect(m.install(3, ours()[1:2]...), `another bundle "acme" of serial 3 is installed`)

	// A later one takes the place.
	changed := ours()
	changed[0].Data = []byte(strings.Replace(office, "hybrid", "rsa", 1) + "")
	changed[0].Data = []byte(strings.Replace(office, "2099-12-31", "2098-12-31", 1))
	expect(m.install(4, changed[0], changed[2], File{"new.toml", []byte("gateway = \"new.example\"")}), "added [new.toml] changed [office.toml] removed [guests.toml]")
	if m.read("guests.toml") != "" || !strings.Contains(m.read("office.toml"), "2098-12-31") || !strings.HasPrefix(m.read("office.toml"), "# From the bundle acme, serial 4") {
		t.Errorf("%s", m.read("office.toml"))
	}

	// What isn't the bundle's stays.
	if err := os.WriteFile(filepath.Join(m.Folder, "guests.toml"), []byte("gateway = \"admin.example\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	expect(m.install(5, ours()...), "guests.toml is there already, and isn't the bundle's")
	if !strings.Contains(m.read("office.toml"), "serial 4") {
		t.Error("half of it was installed")
	}

	// A key that isn't pinned, and one that is another publisher's.
	second, secret := keys(t)
	m.secret = secret
	expect(m.install(6, ours()[0], ours()[2]), "no key that this machine's administrator pinned vouches")
	m.Keys = append(m.Keys, second)
	expect(m.install(6, ours()[0], ours()[2]), "which is still pinned: two publishers want one name")
	m.Keys = m.Keys[1:]
	expect(m.install(4, ours()[0], ours()[2]), "another bundle \"acme\" of serial 4")
	expect(m.install(6, ours()[0], ours()[2]), "changed [office.toml] removed [new.toml]")
}

// A link in the folder isn't written through.
func TestInstallOverLink(t *testing.T) {
	m := newMachine(t)
	m.install(1, ours()...)
	outside := filepath.Join(t.TempDir(), "outside")
	path := filepath.Join(m.Folder, "office.toml")
	if err := errors.Join(os.WriteFile(outside, []byte("theirs"), 0o600), os.Remove(path), os.Symlink(outside, path)); err != nil {
		t.Fatal(err)
	}
	m.install(2, ours()...)
	if data, _ := os.ReadFile(outside); string(data) != "theirs" {
		t.Errorf("%q", data)
	}
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		t.Errorf("%v, %v", info, err)
	}
}

// What was installed halfway is completed, by the same bundle or a later one.
func TestInstallAfterCrash(t *testing.T) {
	for _, serial := range []int64{2, 3} {
		m := newMachine(t)
		m.install(1, ours()...)
		m.install(2, ours()[0], ours()[2], File{"new.toml", []byte("gateway = \"new.example\"")})
		// As if it had crashed before it wrote the first file: the state has all names.
		if err := errors.Join(os.Remove(filepath.Join(m.Folder, "new.toml")), os.WriteFile(filepath.Join(m.Folder, "office.toml"), []byte("half"), 0o644)); err != nil {
			t.Fatal(err)
		}
		if got := m.install(serial, ours()[0], ours()[2], File{"new.toml", []byte("gateway = \"new.example\"")}); !strings.Contains(got, "added [new.toml] changed [office.toml]") {
			t.Error(got)
		}
	}
}

func TestDamagedState(t *testing.T) {
	m := newMachine(t)
	m.install(1, ours()...)
	if err := os.WriteFile(m.State, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := m.install(2, ours()...); !strings.Contains(got, "is damaged") {
		t.Error(got)
	}
}

func TestTwoBundles(t *testing.T) {
	m := newMachine(t)
	m.install(1, ours()...)
	data, err := New("other", 1, ours())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Install(data, signed(t, data, m.secret)); err == nil || !strings.Contains(err.Error(), `is the bundle "acme"'s already`) {
		t.Error(err)
	}
}

func TestPinned(t *testing.T) {
	k, _ := keys(t)
	text, _ := k.MarshalText()
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name string, data []byte, mode os.FileMode) {
		t.Helper()
		if err := errors.Join(os.WriteFile(filepath.Join(folder, name), data, mode), os.Chmod(filepath.Join(folder, name), mode)); err != nil {
			t.Fatal(err)
		}
	}
	write("acme.pub", text, 0o644)
	write("bare.pub", []byte(k.PublicKey.String()+"\n"), 0o644)
	write("README", []byte("nothing"), 0o644)
	got, err := keysIn(folder)
	if err != nil || len(got) != 2 || !got[0].Equal(k.PublicKey) || got[0].From != filepath.Join(folder, "acme.pub") {
		t.Errorf("%v, %v", got, err)
	}
	write("evil.pub", text, 0o666)
	if _, err := keysIn(folder); err == nil || !strings.Contains(err.Error(), "others can write to") {
		t.Error(err)
	}
	write("evil.pub", []byte("no key"), 0o644)
	if _, err := keysIn(folder); err == nil || !strings.Contains(err.Error(), "isn't a public key") {
		t.Error(err)
	}
	if got, err := keysIn(filepath.Join(folder, "absent")); got != nil || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}

func TestFind(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"b.bundle", "a.bundle", "a.bundle.minisig", ".c.bundle", "other"} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Find(folder)
	if want := []string{filepath.Join(folder, "a.bundle"), filepath.Join(folder, "b.bundle")}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := Find(filepath.Join(folder, "other")); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
	if _, _, err := Read(filepath.Join(folder, "b.bundle")); !errors.Is(err, ErrNotVouched) {
		t.Error(err)
	}
}

func FuzzBundle(f *testing.F) {
	f.Add(made(f, 1, ours()...))
	f.Add(made(f, 7, append(ours(), File{"a.p12", []byte{0xff, 0}})...))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := Parse(data)
		if err != nil {
			return
		}
		for name := range b.Files {
			if filepath.Base(name) != name || strings.HasPrefix(name, ".") {
				t.Errorf("the file %q", name)
			}
		}
		for _, f := range b.texts() {
			if filepath.Base(f.name) != f.name || strings.HasPrefix(f.name, ".") {
				t.Errorf("the file %q", f.name)
			}
			if strings.HasSuffix(f.name, ".toml") {
				if _, err := profile.Parse(f.data, f.name); err != nil {
					t.Errorf("%v in %s", err, f.data)
				}
			}
		}
	})
}

func FuzzVerify(f *testing.F) {
	k, secret := keys(f)
	data := made(f, 1, ours()...)
	f.Add(data, signed(f, data, secret))
	f.Fuzz(func(t *testing.T, d, signature []byte) {
		if _, err := Verify(d, signature, []Key{k}); err == nil && !bytes.Equal(d, data) {
			t.Errorf("%q is vouched for by %q", d, signature)
		}
	})
}
