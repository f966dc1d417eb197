package main

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"fmt"
	"image/png"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
		"OFL-1.1":      "This license is copied below\n----\nSIL OPEN FONT LICENSE Version 1.1 - 26 February 2007",
		"Zlib":         "This software is provided 'as-is', without any express or implied\nwarranty.",
		"":             "All rights reserved.",
	} {
		if got := recognize([]byte(text)); got != want {
			t.Errorf("%q is taken for %q, not %q", text, got, want)
		}
	}
}

// What a module holds of others counts as well: the window's toolkit has fonts, and C sources below another folder.
func TestLicencesInside(t *testing.T) {
	dir := t.TempDir()
	put := func(path, text string) {
		path = filepath.Join(dir, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	put("LICENSE", "SPDX-License-Identifier: Unlicense OR BSD-3-Clause")
	put("fonts/LICENSE_Inter.txt", "SIL OPEN FONT LICENSE Version 1.1")
	put("testdata/LICENSE", "GNU GENERAL PUBLIC LICENSE")
	put("NOTICE", "Made by somebody.")
	m := module{Dir: dir}
	if err := m.read(); err != nil || m.licence != "(Unlicense OR BSD-3-Clause) AND OFL-1.1" || len(m.texts) != 3 {
		t.Errorf("%q, %d texts, %v", m.licence, len(m.texts), err)
	}
	for name, text := range map[string]string{"not allowed": "GNU GENERAL PUBLIC LICENSE", "unknown": "All rights reserved."} {
		put("deep/below/COPYING", text)
		if err := (&module{Dir: dir}).read(); err == nil {
			t.Errorf("a licence that is %s passes", name)
		}
	}
	if err := (&module{Dir: t.TempDir()}).read(); err == nil {
		t.Error("a module without a licence passes")
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
			if again, err := r.sign(sums); err != nil || !bytes.Equal(again, signature) {
				t.Errorf("signed again it is another one: %v", err)
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

func TestMSIVersion(t *testing.T) {
	for version, want := range map[string]string{"1.2.3": "1.2.3", "1.2": "1.2.0", "1.2.3.4": "1.2.3", "0.0.0.272": "0.0.272", "0.0.0.70000": "", "300.1": "", "1.x.2": ""} {
		if got, err := msiVersion(version); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", version, got, err)
		}
	}
}

// Another DLL isn't taken for the driver's.
func TestCheckWintun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "wintun.dll")
	if err := os.WriteFile(path, []byte("MZ"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		if err := checkWintun(path, arch); err == nil {
			t.Errorf("%s: any file is the driver", arch)
		}
	}
	if err := checkWintun(path+"x", "amd64"); err == nil {
		t.Error("no file is the driver")
	}
}

// The installer is one that msiinfo reads: it holds program, driver and service.
func TestInstaller(t *testing.T) {
	for _, tool := range []string{"wixl", "msiinfo"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s isn't here: apt-get install wixl msitools", tool)
		}
	}
	t.Chdir(filepath.Join("..", ".."))
	work := t.TempDir()
	for _, name := range []string{"bin/windows-amd64/postern.exe", "bin/windows-amd64/postern-gui.exe", "stage/LICENSE", "stage/" + noticesName, "wintun.dll"} {
		path := filepath.Join(work, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(name), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	r := release{out: work, version: "1.2.3"}
	if err := r.msi(work, filepath.Join(work, "wintun.dll")); err != nil {
		t.Fatal(err)
	}
	msi := filepath.Join(work, "postern-1.2.3-windows-amd64.msi")
	for table, want := range map[string][]string{
		"File":           {"postern.exe", "wintun.dll", "postern-gui.exe", "LICENSE.txt"},
		"ServiceInstall": {"daemon --group postern", "Postern VPN service"},
		"Property":       {"ProductVersion\t1.2.3"},
		"Shortcut":       {"[INSTALLDIR]postern-gui.exe"},
	} {
		out, err := run(".", "msiinfo", "export", msi, table)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%s lacks %q:\n%s", table, w, out)
			}
		}
	}
}

// A program for Windows that was signed says by whom.
func TestAuthenticode(t *testing.T) {
	if _, err := exec.LookPath("osslsigncode"); err != nil {
		t.Skip("osslsigncode isn't here: apt-get install osslsigncode")
	}
	if testing.Short() {
		t.Skip("builds a program")
	}
	dir := t.TempDir()
	key, certificate := codeKey(t, dir)
	source, exe := filepath.Join(dir, "main.go"), filepath.Join(dir, "a.exe")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := run(".", "GOOS=windows", "CGO_ENABLED=0", "go", "build", "-o", exe, source); err != nil {
		t.Fatal(err)
	}
	r := release{codeKey: key, codeCertificate: certificate, epoch: time.Now().Unix()}
	if err := r.signCode(exe); err != nil {
		t.Fatal(err)
	}
	out, err := run(".", "osslsigncode", "verify", "-CAfile", certificate, "-in", exe)
	if err != nil || !strings.Contains(out, "CN=a key for the test") {
		t.Errorf("%v\n%s", err, out)
	}
	r.codeKey = source
	if err := r.signCode(exe); err == nil {
		t.Error("what is no key signs")
	}
}

// codeKey makes a key to sign programs with, and its certificate.
func codeKey(t *testing.T, dir string) (key, certificate string) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a key for the test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	key, certificate = filepath.Join(dir, "key.pem"), filepath.Join(dir, "certificate.pem")
	err = errors.Join(
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600),
		os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	return key, certificate
}

// launchd's job is a property list that starts the program that is installed.
func TestLaunchd(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "macos", "io.postern.daemon.plist"))
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Keys    []string `xml:"dict>key"`
		Strings []string `xml:"dict>string"`
		Words   []string `xml:"dict>array>string"`
	}
	if err := xml.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/usr/local/bin/postern", "daemon"}, list.Words); diff != "" {
		t.Error(diff)
	}
	if len(list.Strings) == 0 || list.Strings[0] != "io.postern.daemon" || list.Keys[0] != "Label" {
		t.Errorf("%+v", list)
	}
}

// The window's icon is there in every size that its package names.
func TestIcons(t *testing.T) {
	for _, size := range []int{16, 24, 32, 48, 64, 128, 256, 512} {
		f, err := os.Open(filepath.Join("..", "desktop", "icons", fmt.Sprintf("%d.png", size)))
		if err != nil {
			t.Fatal(err)
		}
		config, err := png.DecodeConfig(f)
		if f.Close(); err != nil || config.Width != size || config.Height != size {
			t.Errorf("%d: %d by %d, %v", size, config.Width, config.Height, err)
		}
	}
}
