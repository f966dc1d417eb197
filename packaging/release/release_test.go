package main

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"aead.dev/minisign"
	"github.com/google/go-cmp/cmp"
)

func TestVersions(t *testing.T) {
	for _, test := range []struct {
		text          string
		changed       bool
		version, full string
	}{
		{"v1.2.3-0-g0123abc", false, "1.2.3", "1.2.3+g0123abc"},
		{"v1.2.3-4-g0123abc", false, "1.2.3.4", "1.2.3.4+g0123abc"},
		{"v1.2.3-4-g0123abc", true, "1.2.3.4", "1.2.3.4+g0123abc.changed"},
		{"v0.0.0-272-g0123abc", false, "0.0.0.272", "0.0.0.272+g0123abc"},
	} {
		version, full, err := versions(test.text, test.changed)
		if err != nil || version != test.version || full != test.full {
			t.Errorf("%s: %s, %s, %v", test.text, version, full, err)
		}
	}
	for _, text := range []string{"", "0123abc", "v1.2.3-rc1-0-g0123abc", "v1.2.3; rm -0-g0"} {
		if version, _, err := versions(text, false); err == nil {
			t.Errorf("%q is version %s", text, version)
		}
	}
}

// Every module that a program contains has a licence that is allowed.
func TestLicences(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	all, err := dependencies()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Errorf("only %d modules", len(all))
	}
}

func TestRecognize(t *testing.T) {
	for want, text := range map[string]string{
		"GPL":          "                    GNU GENERAL PUBLIC LICENSE\n Version 2, June 1991",
		"AGPL-3.0":     "GNU AFFERO GENERAL PUBLIC LICENSE",
		"MPL-2.0":      "Mozilla Public License Version 2.0\n=====\n … GNU General Public License …",
		"Apache-2.0":   "Apache License\n   Version 2.0, January 2004",
		"BSD-2-Clause": "Redistribution and use in source and binary forms, with or without\nmodification, are permitted provided",
		"":             "All rights reserved.",
	} {
		if got := recognize([]byte(text)); got != want {
			t.Errorf("%q is taken for %q, not %q", text, got, want)
		}
	}
}

// The same files make the same archives, whatever the times and modes of the files.
func TestArchivesAreEqual(t *testing.T) {
	at := time.Unix(1_700_000_000, 0).UTC()
	for name, pack := range map[string]packer{"tar": packTar, "zip": packZip} {
		var made [][]byte
		for i := range 2 {
			path := filepath.Join(t.TempDir(), "postern")
			if err := os.WriteFile(path, []byte("program"), os.FileMode(0o600+i*0o044)); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(path, time.Time{}, at.Add(time.Duration(i)*time.Hour)); err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := pack(&b, "postern-1.2.3", []file{{from: path, exec: true}}, at); err != nil {
				t.Fatal(err)
			}
			made = append(made, b.Bytes())
		}
		if !bytes.Equal(made[0], made[1]) {
			t.Errorf("%s: two archives of the same files differ", name)
		}
	}
}

// The checksums' signature is one that minisign takes, with an open key and with one that has a password.
func TestSignature(t *testing.T) {
	public, private, err := minisign.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	open, err := private.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	locked, err := minisign.EncryptKey("a password", private)
	if err != nil {
		t.Fatal(err)
	}
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("a password\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string][]byte{"open": open, "with a password": locked} {
		t.Run(name, func(t *testing.T) {
			out := t.TempDir()
			r := release{out: out, key: filepath.Join(t.TempDir(), "key"), password: password, full: "1.2.3+g0", epoch: 1}
			for path, data := range map[string][]byte{r.key: key, filepath.Join(out, "a"): []byte("a"), filepath.Join(out, "b"): []byte("b")} {
				if err := os.WriteFile(path, data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := r.checksums(""); err != nil {
				t.Fatal(err)
			}
			sums, err := os.ReadFile(filepath.Join(out, checksumsName))
			if err != nil {
				t.Fatal(err)
			}
			want := "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  a\n3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d  b\n"
			if diff := cmp.Diff(want, string(sums)); diff != "" {
				t.Error(diff)
			}
			signature, err := os.ReadFile(filepath.Join(out, checksumsName+".minisig"))
			if err != nil {
				t.Fatal(err)
			}
			if !minisign.Verify(public, sums, signature) {
				t.Error("the signature isn't one of these checksums")
			}
			if minisign.Verify(public, append(sums, '\n'), signature) {
				t.Error("the signature is one of others, too")
			}
		})
	}
}

// A folder that holds something else isn't emptied.
func TestClear(t *testing.T) {
	out := t.TempDir()
	mine := filepath.Join(out, "mine")
	if err := os.WriteFile(mine, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := release{out: out}
	if err := r.clear(); err == nil {
		t.Error("a folder of somebody's is emptied")
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(out, checksumsName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.clear(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(mine); err == nil {
		t.Error("an old release is still there")
	}
}
