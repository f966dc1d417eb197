package profile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// NoFD is the value of Sources.FD when there is no descriptor to read.
const NoFD = -1

// Sources are the places beside the profile that secrets come from, named on
// this invocation. A secret never comes from an argument or from a variable of
// the environment: others can see those.
type Sources struct {
	// FD is a file descriptor to read to its end and close, NoFD for none; 0
	// is the standard input. Lines: "secret=…", "password=…", "otp_secret=…",
	// "key_passphrase=…" and "pap_auth_secret=…", each at most once, everything behind
	// the "=" belonging to the value.
	FD int

	// CredentialsDirectory is a folder that may hold the files NAME.secret,
	// NAME.password and so on ($CREDENTIALS_DIRECTORY under systemd, which keeps
	// others out of it); "" for none. NAME is the profile's file name without
	// ".toml", or else its name.
	CredentialsDirectory string

	// Keyring returns what a person's keyring has under one of SecretKeys, nil if it
	// has nothing; nil for no keyring. The slice is Resolve's from then on. The
	// pre-shared key in it is written as the profile's encoding says.
	Keyring func(key string) ([]byte, error)
}

// found is a secret as it was written, and where.
type found struct {
	value []byte
	file  string
	line  int
}

// Resolve sets p.Secret, p.Password, p.OTPSecret, p.KeyPassphrase and p.PAPAuthSecret
// from the first place that has them, and reads p.Files:
//
//  1. the descriptor,
//  2. the folder of credentials,
//  3. the profile's secret, password and so on,
//  4. the files that its secret_file, password_file, otp_secret_file and
//     key_passphrase_file name,
//  5. the keyring.
//
// What this invocation names wins over what the profile says. A value that is
// nowhere stays nil, for the caller to ask for. The pre-shared key is decoded
// as p.SecretEncoding says wherever it comes from. Resolve reads the descriptor
// and can therefore be called once. Errors are *Error or the system's.
func (s Sources) Resolve(p *Profile) error {
	given, err := readFD(s.FD)
	if err != nil {
		return err
	}
	defer given.clear()
	for _, r := range []struct {
		key    string
		used   bool
		file   string
		secret *Secret
	}{
		{"secret", !p.Auth.WantsKey(), p.SecretFile, &p.Secret},
		{"password", true, p.PasswordFile, &p.Password},
		{"key_passphrase", p.Auth.WantsKey(), p.KeyPassphraseFile, &p.KeyPassphrase},
		{"otp_secret", p.OTP != "", p.OTPSecretFile, &p.OTPSecret},
		{"pap_auth_secret", p.RADIUS != "", "", &p.PAPAuthSecret},
	} {
		encoding := EncodingText
		if r.key == "secret" {
			encoding = p.SecretEncoding
		}
		if !r.used {
			continue
		}
		if err := s.resolve(p, r.key, encoding, given, r.file, r.secret); err != nil {
			return err
		}
	}
	if err := p.complete(); err != nil {
		return err
	}
	return readFiles(p)
}

// Given returns what the descriptor delivers, by key, as it is written there. Like
// Resolve it can be called once. The caller clears the values.
func (s Sources) Given() (map[string][]byte, error) {
	given, err := readFD(s.FD)
	out := make(map[string][]byte, len(given))
	for key, f := range given {
		out[key] = f.value
	}
	return out, err
}

// resolve sets one secret.
func (s Sources) resolve(p *Profile, key string, e Encoding, given lines, file string, to *Secret) error {
	at, ok := given[key]
	var err error
	if !ok {
		at, ok, err = s.credential(p, key)
	}
	if !ok && err == nil && *to == nil && file != "" {
		at, ok, err = secretFile(file, key+"_file")
	}
	if !ok && err == nil && *to == nil && s.Keyring != nil && p.MaySave(key) {
		at.file = "keyring"
		at.value, err = s.Keyring(key)
		ok = at.value != nil
	}
	if !ok || err != nil {
		return err
	}
	defer clear(at.value)
	secret, err := e.Decode(at.value)
	if err != nil {
		return &Error{File: at.file, Line: at.line, Key: key, Problem: err.Error()}
	}
	to.Clear()
	*to = secret
	return nil
}

// credential looks for NAME.key in the folder of credentials.
func (s Sources) credential(p *Profile, key string) (found, bool, error) {
	if s.CredentialsDirectory == "" {
		return found{}, false, nil
	}
	for _, name := range []string{strings.TrimSuffix(filepath.Base(p.File), ".toml"), p.Name} {
		if CheckName(name) != nil {
			continue
		}
		path := filepath.Join(s.CredentialsDirectory, name+"."+key)
		data, _, err := readFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return found{value: oneLine(data), file: path}, err == nil, err
	}
	return found{}, false, nil
}

// secretFile reads a file that the profile names.
func secretFile(path, key string) (found, bool, error) {
	data, private, err := readFile(path)
	if err != nil {
		return found{}, false, &Error{File: path, Key: key, Problem: reason(err)}
	}
	if !private {
		clear(data)
		return found{}, false, &Error{File: path, Key: key, Problem: openToOthers(path)}
	}
	return found{value: oneLine(data), file: path}, true, nil
}

// reason is what was said of a file, without its path.
func reason(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Problem
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return "can't be read: " + e.Err.Error()
	}
	return err.Error()
}

// oneLine drops one line end from the end of a file's contents.
func oneLine(data []byte) []byte {
	if rest, ok := bytes.CutSuffix(data, []byte("\n")); ok {
		return bytes.TrimSuffix(rest, []byte("\r"))
	}
	return data
}

// lines are what a descriptor delivered, by key.
type lines map[string]found

func (l lines) clear() {
	for _, f := range l {
		clear(f.value)
	}
}

// maxLines bounds what a descriptor delivers, in octets. Chosen here.
const maxLines = 16 << 10

// readFD reads a descriptor to its end and closes it.
func readFD(fd int) (lines, error) {
	if fd < 0 {
		return nil, nil
	}
	name := fmt.Sprintf("file descriptor %d", fd)
	f := os.NewFile(uintptr(fd), name)
	if f == nil {
		return nil, &Error{File: name, Problem: "isn't open"}
	}
	defer f.Close()
	data := make([]byte, maxLines)
	defer clear(data)
	n, err := io.ReadFull(f, data)
	switch {
	case err == nil:
		return nil, &Error{File: name, Problem: fmt.Sprintf("delivers %d octets or more", maxLines)}
	case err != io.EOF && err != io.ErrUnexpectedEOF:
		return nil, &Error{File: name, Problem: reason(err)}
	}
	return parseLines(data[:n], name)
}

// parseLines takes "key=value" lines apart; the values are copies.
func parseLines(data []byte, name string) (lines, error) {
	out := lines{}
	number := 0
	for line := range bytes.Lines(data) {
		number++
		line = oneLine(line)
		if len(line) == 0 {
			continue
		}
		key, value, ok := bytes.Cut(line, []byte("="))
		fault := &Error{File: name, Line: number}
		if !ok || !IsSecret(string(key)) {
			fault.Problem = "wants secret=…, password=…, otp_secret=…, key_passphrase=… or pap_auth_secret=…"
		} else if _, twice := out[string(key)]; twice {
			fault.Key, fault.Problem = string(key), "was given before"
		}
		if fault.Problem != "" {
			out.clear()
			return nil, fault
		}
		out[string(key)] = found{value: bytes.Clone(value), file: name, line: number}
	}
	return out, nil
}
