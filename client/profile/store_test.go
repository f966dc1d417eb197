//go:build unix

package profile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func office(t *testing.T, lines string) *Profile {
	t.Helper()
	p, err := Parse(minimal(lines), "office.toml")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSave(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "config", "profiles")
	p := office(t, "secret = 's'\npassword_file = 'p'")
	p.OTP, p.OTPSecretFile = OTPTime, filepath.Join(folder, "office.otp_secret")
	path, err := Save(p, folder, Saving{Comment: "Imported from old.pcf\nbell\x07 \n\nend"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	want := "# Imported from old.pcf\n# bell\n#\n# end\nname = \"office\"\ngateway = \"192.0.2.1\"\n\npassword_file = \"" + here + "/p\"\notp = \"totp\"\notp_secret_file = \"office.otp_secret\"\n"
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Error(d)
	}
	for file, mode := range map[string]fs.FileMode{path: 0o600, folder: 0o700 | fs.ModeDir} {
		if info, err := os.Stat(file); err != nil || info.Mode() != mode {
			t.Errorf("%s: mode %v, %v", file, info.Mode(), err)
		}
	}
	if _, err := Save(p, folder, Saving{Secrets: true}); !errors.Is(err, ErrExists) {
		t.Errorf("replaces a profile unasked: %v", err)
	}
	if again, _ := os.ReadFile(path); string(again) != want {
		t.Error("the refusal changed the file")
	}
	if _, err := Save(p, folder, Saving{Secrets: true, Replace: true}); err != nil {
		t.Error(err)
	}
	q, err := Load(path)
	if err != nil || string(q.Secret) != "s" {
		t.Errorf("%v, %v", q, err)
	}
	if files, _ := os.ReadDir(folder); len(files) != 1 {
		t.Errorf("%d files are left: %v", len(files), files)
	}
}

// A person who keeps profiles elsewhere has links to them.
func TestSaveFollowsALink(t *testing.T) {
	folder, elsewhere := t.TempDir(), write(t, filepath.Join(t.TempDir(), "real.toml"), "", 0o600)
	link := filepath.Join(folder, "office.toml")
	if err := os.Symlink(elsewhere, link); err != nil {
		t.Fatal(err)
	}
	if _, err := Save(office(t, ""), folder, Saving{}); !errors.Is(err, ErrExists) {
		t.Errorf("a link is replaced: %v", err)
	}
	if _, err := Save(office(t, ""), folder, Saving{Replace: true}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Error("the link is gone")
	}
	if _, err := Load(elsewhere); err != nil {
		t.Error(err)
	}
}

func TestSaveRefuses(t *testing.T) {
	p := office(t, "")
	if _, err := Save(p, "", Saving{}); err == nil {
		t.Error("saves without a folder")
	}
	if _, err := Save(p, write(t, filepath.Join(t.TempDir(), "f"), "", 0o600), Saving{}); err == nil {
		t.Error("saves into a file")
	}
	p.Name = "../office"
	if _, err := Save(p, t.TempDir(), Saving{}); err == nil {
		t.Error("saves under a name that leaves the folder")
	}
}

func TestList(t *testing.T) {
	user, system := filepath.Join(t.TempDir(), "user"), filepath.Join(t.TempDir(), "system")
	write(t, filepath.Join(user, "b.toml"), "gateway = 'b'", 0o644)
	write(t, filepath.Join(user, "a.toml"), "gateway = 'a'\nmoed = 1", 0o644)
	write(t, filepath.Join(user, "open.toml"), "gateway = 'a'\nsecret = 's'", 0o644)
	write(t, filepath.Join(user, "-x.toml"), "", 0o644)
	write(t, filepath.Join(user, ".hidden.toml"), "", 0o644)
	write(t, filepath.Join(user, "office.secret"), "", 0o600)
	write(t, filepath.Join(system, "b.toml"), "gateway = 'c'", 0o644)
	write(t, filepath.Join(system, "c.toml"), "gateway = 'd'", 0o644)
	var got []string
	for _, e := range list(user, system) {
		line := e.Name
		if e.System {
			line += " system"
		}
		if e.Hidden {
			line += " hidden"
		}
		if e.Profile != nil {
			line += " " + e.Profile.Gateway.Host
		}
		if (e.Profile == nil) != (e.Problem != nil) {
			t.Errorf("%s: %v, %v", e.Name, e.Profile, e.Problem)
		}
		got = append(got, line)
	}
	if d := cmp.Diff([]string{"-x", "a", "b b", "open", "b system hidden c", "c system d"}, got); d != "" {
		t.Error(d)
	}
	if got := list("", filepath.Join(user, "nowhere")); got != nil {
		t.Errorf("%v", got)
	}
	if got := list(filepath.Join(user, "b.toml"), ""); len(got) != 1 || got[0].Problem == nil {
		t.Errorf("a folder that is none: %v", got)
	}
}

func TestRemove(t *testing.T) {
	user, system := t.TempDir(), t.TempDir()
	mine := write(t, filepath.Join(user, "a.toml"), "", 0o600)
	write(t, filepath.Join(system, "b.toml"), "", 0o600)
	if path, err := remove("a", user, system); err != nil || path != mine {
		t.Errorf("%s, %v", path, err)
	}
	if _, err := os.Stat(mine); err == nil {
		t.Error("is still there")
	}
	if _, err := remove("a", user, system); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if _, err := remove("a", "", system); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if _, err := remove("b", user, system); err == nil || !strings.Contains(err.Error(), "administrator") {
		t.Error(err)
	}
	if _, err := remove("../a", user, system); err == nil || errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}
