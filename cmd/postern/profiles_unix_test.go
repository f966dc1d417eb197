//go:build unix

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/client/person"
)

// vpnc is a file of another client's, with secrets.
const vpncFile = "IPSec gateway 127.0.0.1\nIPSec ID staff\nIPSec secret gr0up's key\nXauth username alice\nXauth password hunter2\n"

func (h *human) file(name, text string) string {
	h.t.Helper()
	path := filepath.Join(h.home, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return path
}

func (h *human) content(name string) string {
	h.t.Helper()
	data, err := os.ReadFile(filepath.Join(h.profiles(), name))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(data)
}

func TestImport(t *testing.T) {
	t.Parallel()
	h := newPerson(t)
	path := h.file("office.conf", vpncFile)
	var dry importedJSON
	h.reads(&dry, "import", "--dry-run", "--json", path)
	if len(dry.Profiles) != 1 || dry.Profiles[0]["gateway"] != "127.0.0.1" || dry.Profiles[0]["user"] != "alice" || dry.Profiles[0]["mode"] != "aggressive" || len(dry.Weak) == 0 {
		t.Errorf("%+v", dry)
	}
	if d := cmp.Diff([]person.StoredSecret{{Profile: "office", Kind: "secret", Stored: "file"}, {Profile: "office", Kind: "password", Stored: "file"}}, dry.Secrets); d != "" {
		t.Error(d)
	}
	if _, err := os.Stat(h.profiles()); err == nil {
		t.Error("a dry run makes a folder")
	}

	p := h.does(0, "import", path)
	p.says("office: 127.0.0.1", "stored", "the password and the pre-shared key: in a file of yours", "guessed", "weak", "To connect: postern up office")
	if said := p.out.String() + p.err.String(); strings.Contains(said, "hunter2") || strings.Contains(said, "gr0up") {
		t.Errorf("says a secret: %s", said)
	}
	text := h.content("office.toml")
	for _, want := range []string{"# Imported from office.conf (vpnc)\n", "secret_file = \"office.secret\"", "password_file = \"office.password\"", "# 3DES is outdated"} {
		if !strings.Contains(text, want) {
			t.Errorf("the profile lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "hunter2") || h.content("office.password") != "hunter2\n" || h.content("office.secret") != "gr0up's key\n" {
		t.Error("secrets aren't where they belong")
	}
	files, err := os.ReadDir(h.profiles())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v", f.Name(), info.Mode())
		}
	}
	h.does(0, "show", "office").says("gateway = \"127.0.0.1\"")

	h.does(0, "import", path).says("as before")
	h.file("office.conf", vpncFile+"Domain EXAMPLE\n")
	h.does(0, "import", path).says("updated")
	if h.content("office.toml.old") != text || !strings.Contains(h.content("office.toml"), "EXAMPLE") {
		t.Error("what was there before isn't kept")
	}
	h.does(0, "list").says("office")
	var l struct{ Profiles []listed }
	h.reads(&l, "list", "--json")
	if len(l.Profiles) != 1 {
		t.Errorf("importing twice: %+v", l)
	}
}

func TestImportRefuses(t *testing.T) {
	t.Parallel()
	h := newPerson(t)
	path := h.file("office.conf", vpncFile)
	mine := h.has("office", "gateway = \"192.0.2.1\"\n")
	h.does(0, "import", path, "--dry-run").says("already", "Nothing was stored")
	h.does(7, "import", path).says("already", "--replace")
	if text := h.content("office.toml"); text != "gateway = \"192.0.2.1\"\n" {
		t.Errorf("%s now says %s", mine, text)
	}
	if files, _ := os.ReadDir(h.profiles()); len(files) != 1 {
		t.Errorf("a refused import leaves %v", files)
	}
	h.does(0, "import", path, "--name", "head office").says("head office")
	h.does(0, "import", path, "--replace").says("updated")
	h.does(7, "import", h.file("a.conf", "[Interface]\nPrivateKey = x\n[Peer]\nPublicKey = y\n")).says("WireGuard")
	h.does(7, "import", h.file("b.txt", "hello")).says("b.txt")
	h.does(7, "import", filepath.Join(h.home, "absent")).says("absent")
	h.does(7, "import", h.home).says("isn't a file")
	h.does(7, "import").says("one file or several")
	h.does(7, "import", path, "--name", "../x").says("--name")
}

func TestExport(t *testing.T) {
	t.Parallel()
	h := newPerson(t)
	h.has("office", "gateway = \"192.0.2.1\"\nidentity = \"staff\"\nmode = \"aggressive\"\nuser = \"alice\"\nsecret = \"gr0up's key\"\npassword_file = \"absent\"\nike = [\"aes256-sha1-modp1024\"]\n")
	p := h.does(0, "export", "office")
	if text := p.out.String(); !strings.Contains(text, "gateway = \"192.0.2.1\"") || strings.Contains(text, "gr0up") {
		t.Errorf("%s", text)
	}
	h.does(7, "export", "office", "--with-secrets").says("absent")
	h.does(7, "export", "office", "--format", "pfc").says("did you mean pcf?")
	h.does(10, "export", "nowhere")
	h.has("office", strings.Replace(h.content("office.toml"), "password_file = \"absent\"\n", "", 1))
	path := filepath.Join(h.home, "office.pcf")
	h.does(0, "export", "office", "-o", path, "--with-secrets").says("Wrote")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	var again importedJSON
	h.reads(&again, "import", "--dry-run", "--json", path)
	if len(again.Profiles) != 1 || again.Profiles[0]["identity"] != "staff" || len(again.Secrets) != 1 {
		t.Errorf("%+v", again)
	}
	p = h.does(0, "export", "office", "--format", "vpnc", "--quiet")
	if text := p.out.String(); !strings.Contains(text, "IPSec gateway 192.0.2.1") || strings.Contains(text, "gr0up") {
		t.Errorf("%s", text)
	}
}

func TestEdit(t *testing.T) {
	t.Parallel()
	h := newPerson(t)
	path := h.has("office", "gateway = \"192.0.2.1\"\n# mine\n")
	edit := func(exit int, editor, name string) *program {
		t.Helper()
		p := h.postern("edit", "--", name)
		p.Env = append(p.Env, "EDITOR="+editor)
		if got := p.finish(); got != exit {
			t.Errorf("%s: exit code %d, want %d", editor, got, exit)
		}
		return p
	}
	edit(0, "true", "office").says("Nothing was changed")
	edit(1, "false", "office").says("The editor false failed")
	edit(1, "no-such-editor", "office").says("no-such-editor")
	edit(0, "sed -i s/192.0.2.1/192.0.2.2/", "office").says("Saved")
	edit(7, "sed -i s/gateway/gatewya/", "office").says("office.toml:1: gatewya: unknown key", "\"gateway\"", "Nothing was saved")
	if text := h.content("office.toml"); text != "gateway = \"192.0.2.2\"\n# mine\n" {
		t.Errorf("%s", text)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	edit(0, "sed -i s/mine/ours/", "office")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	edit(0, "sed -i $asecret=\"hunter2\"", "office")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("with a secret: %v, %v", info.Mode(), err)
	}
	edit(0, "true", "new").says("Nothing was changed")
	edit(0, "sed -i s/^gateway.*/gateway=\"192.0.2.3\"/", "new").says("Saved")
	h.does(0, "show", "new").says("192.0.2.3")
	edit(7, "true", "-x y").says("isn't a profile's name")
	edit(10, "true", "../x").says("no such profile")
	// What somebody else wrote meanwhile isn't lost.
	meanwhile := h.file("meanwhile", "#!/bin/sh\necho '# theirs' >>'"+filepath.Join(h.profiles(), "new.toml")+"'\necho '# mine' >>\"$1\"\n")
	if err := os.Chmod(meanwhile, 0o700); err != nil {
		t.Fatal(err)
	}
	edit(1, meanwhile, "new").says("was changed by somebody else")
	if text := h.content("new.toml"); !strings.Contains(text, "theirs") || strings.Contains(text, "# mine") {
		t.Errorf("%s", text)
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	h := newPerson(t)
	h.does(0, "import", h.file("office.conf", vpncFile))
	h.has("office 2", "gateway = \"192.0.2.1\"\n")
	h.does(6, "remove", "office").says("--yes")
	var r removed
	h.reads(&r, "remove", "office", "--yes", "--json")
	if len(r.Removed) != 3 {
		t.Errorf("%+v", r)
	}
	files, err := os.ReadDir(h.profiles())
	if err != nil || len(files) != 1 || files[0].Name() != "office 2.toml" {
		t.Errorf("%v, %v", files, err)
	}
	h.does(10, "remove", "office", "-y").says("no profile \"office\" of your own")
	h.does(7, "remove", "../x", "-y")
}

func TestList(t *testing.T) {
	t.Parallel()
	h := newPerson(t)
	h.does(0, "list").says("There is no profile", "postern import")
	h.has("good", "gateway = \"192.0.2.1:4500\"\n")
	h.has("bad", "gateway = \"\"\n")
	h.does(0, "list").says("good", "192.0.2.1:4500", "bad.toml:1: gateway")
	h.runsService("--demo")
	p := h.does(0, "list", "--json")
	var l struct {
		Schema   int
		Profiles []listed
	}
	if err := json.Unmarshal(p.out.Bytes(), &l); err != nil || l.Schema != 1 {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, p := range l.Profiles {
		got[p.Name] = p.From + " " + string(p.State)
		if (p.Name == "bad") != (p.Problem != "") {
			t.Errorf("%+v", p)
		}
	}
	if got["good"] != "you down" || got["demo"] != "service down" || len(got) < 6 {
		t.Errorf("%v", got)
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	h := newPerson(t)
	h.has("good", "gateway = \"192.0.2.1\"\n")
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		h.does(0, "completion", shell).says("__complete")
	}
	h.does(7, "completion", "tcsh").says("bash, zsh")
	h.does(0, "__complete", "up", "").says("good\t192.0.2.1")
	h.does(0, "__complete", "secret", "set", "good", "").says("key_passphrase")
	h.does(0, "__complete", "remove", "").says("good")
	h.does(0, "__complete", "stat").says("status")
	h.does(0, "__complete", "export", "good", "--format", "").says("networkmanager")
}

func TestWithoutAKeyring(t *testing.T) {
	t.Parallel()
	h := newPerson(t)
	h.has("good", "gateway = \"192.0.2.1\"\n")
	for _, args := range [][]string{{"secret", "set", "good"}, {"secret", "forget", "good"}, {"secret", "list", "good"}} {
		h.does(1, args...).says("no session bus", "--secrets-fd")
	}
	h.does(7, "secret", "set", "good", "pasword").says("did you mean password?")
	h.does(7, "secret", "set").says("a profile's name")
	h.does(7, "secret", "sett").says("did you mean set?")
}
