//go:build unix

package profile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"
)

// write writes a file with exactly that mode.
func write(t *testing.T, path, data string, mode fs.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(data), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadPermissions(t *testing.T) {
	const bare = "gateway = \"vpn\"\n"
	tests := []struct {
		name string
		data string
		mode fs.FileMode
		key  string // "" for a profile that is taken
		line int
	}{
		{"no secret, others may read", bare, 0o644, "", 0},
		{"secret, nobody else may read", bare + `secret = "s"`, 0o600, "", 0},
		{"secret, the group may read", bare + `secret = "s"`, 0o640, "secret", 2},
		{"secret, others may read", bare + `secret = "s"`, 0o604, "secret", 2},
		{"secret, the group may write", bare + `secret = "s"`, 0o620, "secret", 2},
		{"password, others may read", bare + `password = "s"`, 0o644, "password", 2},
		{"empty secret, others may read", bare + `secret = ""`, 0o644, "", 0},
		{"secret elsewhere, others may read", bare + `secret_file = "s"`, 0o644, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, filepath.Join(t.TempDir(), "office.toml"), tt.data, tt.mode)
			p, err := Load(path)
			if tt.key == "" {
				if err != nil || p.File != path || p.Name != "office" {
					t.Fatalf("%+v, error %v", p, err)
				}
				return
			}
			want := &Error{path, tt.line, tt.key, "others can read this file and the secret in it; run: chmod 600 " + path}
			got, _ := errors.AsType[*Error](err)
			if d := cmp.Diff(want, got); d != "" || p != nil {
				t.Errorf("profile %v: %s", p, d)
			}
		})
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(filepath.Join(dir, "none.toml")); !errors.Is(err, ErrNotFound) {
		t.Errorf("no file: %v", err)
	}
	if _, err := Load(dir); err == nil || errors.Is(err, ErrNotFound) {
		t.Errorf("a folder: %v", err)
	}
	fifo := filepath.Join(dir, "fifo.toml")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(fifo); err == nil || !strings.Contains(err.Error(), "isn't a regular file") {
		t.Errorf("a fifo: %v", err)
	}
	big := write(t, filepath.Join(dir, "big.toml"), strings.Repeat("#", maxFile+1), 0o600)
	if _, err := Load(big); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("too large: %v", err)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	home, system := filepath.Join(dir, "home"), filepath.Join(dir, "system")
	mine := write(t, filepath.Join(home, ".config/postern/profiles/mine.toml"), "", 0o600)
	xdg := write(t, filepath.Join(dir, "xdg/postern/profiles/mine.toml"), "", 0o600)
	both := write(t, filepath.Join(home, ".config/postern/profiles/both.toml"), "", 0o600)
	write(t, filepath.Join(system, "both.toml"), "", 0o600)
	theirs := write(t, filepath.Join(system, "head office.toml"), "", 0o600)
	tests := []struct {
		name, in, xdg, want string
		notFound            bool
	}{
		{name: "the user's own", in: "mine", want: mine},
		{name: "XDG_CONFIG_HOME", in: "mine", xdg: filepath.Join(dir, "xdg"), want: xdg},
		{name: "relative XDG_CONFIG_HOME", in: "mine", xdg: "xdg", want: mine},
		{name: "the system's", in: "head office", want: theirs},
		{name: "the user's before the system's", in: "both", want: both},
		{name: "a file", in: xdg, want: xdg},
		{name: "none", in: "none", notFound: true},
		{name: "no file", in: "./none", notFound: true},
		{name: "no file by its ending", in: "none.toml", notFound: true},
		{name: "up", in: ".."},
		{name: "hidden", in: ".mine"},
		{name: "empty", in: ""},
		{name: "option", in: "-x"},
		{name: "NUL", in: "a\x00b"},
		{name: "escape", in: "a\x1bb"},
		{name: "not UTF-8", in: "a\xff"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("HOME", home)
			t.Setenv("XDG_CONFIG_HOME", tt.xdg)
			got, err := find(tt.in, system)
			if got != tt.want || errors.Is(err, ErrNotFound) != tt.notFound || (err == nil) != (tt.want != "") {
				t.Errorf("%q, error %v", got, err)
			}
			if _, is := errors.AsType[*Error](err); is != (err != nil && !tt.notFound) {
				t.Errorf("error of type %T", err)
			}
		})
	}
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", "")
	_, err := find("none", system)
	for _, place := range []string{filepath.Join(home, ".config/postern/profiles/none.toml"), filepath.Join(system, "none.toml")} {
		if !strings.Contains(err.Error(), place) {
			t.Errorf("%v doesn't name %s", err, place)
		}
	}
}

// descriptor returns one end of a pipe that delivers data.
func descriptor(t *testing.T, data string) int {
	t.Helper()
	var fds [2]int
	if err := syscall.Pipe(fds[:]); err != nil {
		t.Fatal(err)
	}
	if _, err := syscall.Write(fds[1], []byte(data)); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Close(fds[1]); err != nil {
		t.Fatal(err)
	}
	return fds[0]
}

func TestResolve(t *testing.T) {
	tests := []struct {
		name        string
		lines       string            // of the profile
		files       map[string]string // beside the profile
		credentials map[string]string
		fd          string
		keyring     map[string]string
		secret      string
		password    string
		otp         string
	}{
		{name: "nowhere"},
		{name: "profile", lines: "secret = 's'\npassword = 'p'", secret: "s", password: "p"},
		{name: "files", lines: "secret_file = 'a'\npassword_file = 'sub/b'", files: map[string]string{"a": "s\n", "sub/b": "p"}, secret: "s", password: "p"},
		{name: "one newline only isn't part of it", lines: "secret_file = 'a'", files: map[string]string{"a": "s \n\n"}, secret: "s \n"},
		{name: "CRLF", lines: "secret_file = 'a'", files: map[string]string{"a": "s\r\n"}, secret: "s"},
		{name: "descriptor", fd: "secret=s=1 \npassword= p", secret: "s=1 ", password: " p"},
		{name: "descriptor with CRLF and empty lines", fd: "secret=s\r\n\r\n\npassword=p\r\n", secret: "s", password: "p"},
		{name: "credentials", credentials: map[string]string{"office.secret": "s\n", "office.password": "p\n"}, secret: "s", password: "p"},
		{name: "credentials by the profile's name", lines: "name = 'Head Office'", credentials: map[string]string{"Head Office.secret": "s"}, secret: "s"},
		{name: "credentials of another profile", credentials: map[string]string{"home.secret": "s"}},
		{name: "descriptor before credentials", fd: "secret=s", credentials: map[string]string{"office.secret": "x", "office.password": "p"}, secret: "s", password: "p"},
		{name: "descriptor before profile", lines: "secret = 'x'\npassword = 'p'", fd: "secret=s", secret: "s", password: "p"},
		{name: "credentials before profile", lines: "secret = 'x'", credentials: map[string]string{"office.secret": "s"}, secret: "s"},
		{name: "descriptor before file, which isn't opened", lines: "secret_file = 'absent'", fd: "secret=s", secret: "s"},
		{name: "hexadecimal everywhere", lines: "secret_encoding = 'hex'", fd: "secret=4142", secret: "AB"},
		{name: "hexadecimal, but not the password", lines: "secret_encoding = 'hex'\nsecret_file = 'a'", files: map[string]string{"a": "4142\n"}, fd: "password=4142", secret: "AB", password: "4142"},
		{name: "one-time codes: profile", lines: "otp = 'totp'\notp_secret = 'GEZD'", otp: "GEZD"},
		{name: "one-time codes: file", lines: "otp = 'otp'\notp_secret_file = 'a'", files: map[string]string{"a": "a phrase\n"}, otp: "a phrase"},
		{name: "one-time codes: credentials", lines: "otp = 'skey'", credentials: map[string]string{"office.otp_secret": "a phrase\n"}, otp: "a phrase"},
		{name: "one-time codes: descriptor", lines: "otp = 'totp'\notp_secret = 'x'", fd: "otp_secret=otpauth://totp/a?secret=b", otp: "otpauth://totp/a?secret=b"},
		{name: "one-time codes that nobody makes", fd: "otp_secret=x"},
		{name: "environment isn't a source", lines: "user = 'u'"},
		{name: "keyring", keyring: map[string]string{"secret": "s", "password": "p"}, secret: "s", password: "p"},
		{name: "profile before keyring", lines: "secret = 's'\npassword_file = 'a'", files: map[string]string{"a": "p"}, keyring: map[string]string{"secret": "x", "password": "x"}, secret: "s", password: "p"},
		{name: "descriptor before keyring", fd: "secret=s", keyring: map[string]string{"secret": "x"}, secret: "s"},
		{name: "hexadecimal keyring", lines: "secret_encoding = 'hex'", keyring: map[string]string{"secret": "4142"}, secret: "AB"},
		{name: "one-time codes: keyring", lines: "otp = 'totp'", keyring: map[string]string{"otp_secret": "GEZD"}, otp: "GEZD"},
		{name: "a secret of RADIUS", lines: "vpn5000 = 'auto'\nuser = 'u'\nradius = 'pap'\n", keyring: map[string]string{"pap_auth_secret": "x"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("SECRET", "x")
			t.Setenv("PASSWORD", "x")
			p, s := setUp(t, tt.lines, tt.files, tt.credentials, 0o600)
			if tt.fd != "" {
				s.FD = descriptor(t, tt.fd)
			}
			s.Keyring = func(key string) ([]byte, error) {
				if v, ok := tt.keyring[key]; ok {
					return []byte(v), nil
				}
				return nil, nil
			}
			if err := s.Resolve(p); err != nil {
				t.Fatal(err)
			}
			if want := tt.keyring["pap_auth_secret"]; want != string(p.PAPAuthSecret) {
				t.Errorf("pap_auth_secret %q, want %q", []byte(p.PAPAuthSecret), want)
			}
			if string(p.Secret) != tt.secret || string(p.Password) != tt.password {
				t.Errorf("secret %q, password %q", []byte(p.Secret), []byte(p.Password))
			}
			if string(p.OTPSecret) != tt.otp {
				t.Errorf("secret of one-time codes %q", []byte(p.OTPSecret))
			}
			if (p.Secret == nil) != (tt.secret == "") {
				t.Error("an unknown secret isn't nil")
			}
		})
	}
}

// setUp loads a profile and writes the files and credentials beside it.
func setUp(t *testing.T, lines string, files, credentials map[string]string, mode fs.FileMode) (*Profile, Sources) {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		write(t, filepath.Join(dir, name), data, mode)
	}
	s := Sources{FD: NoFD}
	for name, data := range credentials {
		s.CredentialsDirectory = filepath.Join(dir, "credentials")
		write(t, filepath.Join(s.CredentialsDirectory, name), data, 0o440)
	}
	p, err := Load(write(t, filepath.Join(dir, "office.toml"), "gateway = 'vpn'\n"+lines, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return p, s
}

func TestResolveErrors(t *testing.T) {
	file := map[string]string{"a": "hunter2"}
	tests := []struct {
		name        string
		lines       string
		files       map[string]string
		credentials map[string]string
		mode        fs.FileMode
		fd          string
		want        string // DIR stands for the profile's folder, FD for the descriptor's name
	}{
		{name: "absent", lines: "secret_file = 'a'", want: "DIR/a: secret_file: can't be read: no such file or directory"},
		{name: "the group may read", lines: "secret_file = 'a'", files: file, mode: 0o640, want: "DIR/a: secret_file: others can read this file and the secret in it; run: chmod 600 DIR/a"},
		{name: "others may read", lines: "password_file = 'a'", files: file, mode: 0o604, want: "DIR/a: password_file: others can read this file and the secret in it; run: chmod 600 DIR/a"},
		{name: "folder", lines: "secret_file = '.'", want: "DIR: secret_file: isn't a regular file"},
		{name: "empty file", lines: "secret_file = 'a'", files: map[string]string{"a": "\n"}, want: "DIR/a: secret: is empty"},
		{name: "NUL", lines: "secret_file = 'a'", files: map[string]string{"a": "hunter2\x00"}, want: "DIR/a: secret: has a NUL character in it"},
		{name: "not hexadecimal", lines: "secret_file = 'a'\nsecret_encoding = 'hex'", files: file, want: "DIR/a: secret: isn't an even number of hexadecimal digits"},
		{name: "empty credential", credentials: map[string]string{"office.password": ""}, want: "DIR/credentials/office.password: password: is empty"},
		{name: "a password in clear", lines: "vpn5000 = 'auto'\nuser = 'alice'\nradius = 'pap'", want: "DIR/office.toml: radius: \"pap\" wants pap_auth_secret beside it, for a password never travels in clear"},
		{name: "descriptor: unknown word", fd: "secret=s\npasswort=hunter2\n", want: "FD:2: wants secret=…, password=…, otp_secret=…, key_passphrase=… or pap_auth_secret=…"},
		{name: "descriptor: no word", fd: "hunter2\n", want: "FD:1: wants secret=…, password=…, otp_secret=…, key_passphrase=… or pap_auth_secret=…"},
		{name: "descriptor: twice", fd: "secret=s\nsecret=hunter2", want: "FD:2: secret: was given before"},
		{name: "descriptor: empty", fd: "password=\n", want: "FD:1: password: is empty"},
		{name: "descriptor: too much", fd: "secret=" + strings.Repeat("x", maxLines), want: "FD: delivers 16384 octets or more"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.mode == 0 {
				tt.mode = 0o600
			}
			p, s := setUp(t, tt.lines, tt.files, tt.credentials, tt.mode)
			if tt.fd != "" {
				s.FD = descriptor(t, tt.fd)
			}
			want := strings.ReplaceAll(tt.want, "DIR", filepath.Dir(p.File))
			want = strings.ReplaceAll(want, "FD", fmt.Sprintf("file descriptor %d", s.FD))
			err := s.Resolve(p)
			if _, ok := errors.AsType[*Error](err); !ok || err.Error() != want {
				t.Errorf("error %v, want %s", err, want)
			}
		})
	}
	p, _ := setUp(t, "", nil, nil, 0o600)
	if err := (Sources{FD: 9999}).Resolve(p); err == nil || !strings.HasPrefix(err.Error(), "file descriptor 9999: ") {
		t.Errorf("a closed descriptor: %v", err)
	}
}

func TestSecretIsHidden(t *testing.T) {
	type holder struct {
		Secret Secret
		Nested []Secret
	}
	s := Secret("hunter2")
	h := holder{s, []Secret{s}}
	shown := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
		shown[verb] = fmt.Sprintf(verb+" "+verb+" "+verb, s, h, &h)
	}
	shown["String"] = s.String()
	j, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	shown["JSON"] = string(j)
	tml, err := toml.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	shown["TOML"] = string(tml)
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(handler).Info("x", "secret", s, "holder", h)
	}
	shown["log"] = log.String()
	for how, what := range shown {
		for _, form := range []string{"hunter2", "68756e74", "68756E74", "aHVudGVy", "104", "117"} {
			if strings.Contains(what, form) {
				t.Errorf("%s shows %q", how, what)
			}
		}
		if !strings.Contains(what, "…") {
			t.Errorf("%s shows %q", how, what)
		}
	}
	p := &Profile{Secret: s, Password: Secret("p"), OTPSecret: Secret("p")}
	p.Clear()
	if p.Secret != nil || p.Password != nil || p.OTPSecret != nil || string(s) != strings.Repeat("\x00", 7) {
		t.Errorf("after Clear: %q", []byte(s))
	}
}

func TestExamples(t *testing.T) {
	for _, name := range []string{"office", "everything"} {
		data, err := os.ReadFile("testdata/" + name + ".toml")
		if err != nil {
			t.Fatal(err)
		}
		path := write(t, filepath.Join(t.TempDir(), name+".toml"), string(data), 0o600)
		if _, err := Load(path); err != nil {
			t.Error(err)
		}
	}
}
