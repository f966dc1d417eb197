package docs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var (
	hasGateway = regexp.MustCompile(`(?m)^gateway *= *"`)
	header     = regexp.MustCompile(`(?m)^\[`)
)

// profiles are the whole profiles that a page shows, in blocks of TOML or indented ones.
func profiles(page string) (found []string) {
	code, _ := blocks(page)
	for _, b := range code {
		text := strings.Join(b.lines, "\n") + "\n"
		flat := header.Split(text, 2)[0]
		if (b.language == "toml" || b.language == "") && hasGateway.MatchString(flat) {
			found = append(found, text)
		}
	}
	return found
}

// named is a key of a profile whose value is a file.
var named = regexp.MustCompile(`(?m)^(certificate|key|ca|gateway_certificate|[a-z0-9_]+_file)( *= *)"([^"]+)"`)

// here has a profile name files that the sandbox makes: certificates, and a secret in each other one.
func (s *sandbox) here(t *testing.T, profile string) string {
	t.Helper()
	return named.ReplaceAllStringFunc(profile, func(line string) string {
		m := named.FindStringSubmatch(line)
		content := []byte("a secret\n")
		if !strings.HasSuffix(m[1], "_file") {
			content = certificate(t)
		}
		path := filepath.Join(s.work, "named-"+m[1])
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%s%s%q", m[1], m[2], path)
	})
}

// certificate is one that signed itself, with its key.
func certificate(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a page's"}, NotAfter: time.Now().Add(1000 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
}

// Every profile shown is one: the program takes it.
func TestProfiles(t *testing.T) {
	s := newSandbox(t)
	seen := 0
	for name, page := range pages(t) {
		s.open(t, page)
		for _, p := range profiles(page) {
			seen++
			path := filepath.Join(s.work, "shown.toml")
			if err := os.WriteFile(path, []byte(s.here(t, p)), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, errs, err := s.start(t, "show", path); err != nil {
				t.Errorf("%s: a profile isn't one: %v\n%s\n%s", name, err, errs, p)
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d profiles found", seen)
	}
}

// setting is a line of a profile that is mentioned.
var setting = regexp.MustCompile(`^([a-z][a-z0-9_]*(?:\.[a-z0-9_]+)?) = ("[^"]*"|true|false|[0-9]+|\[.*\])$`)

// Every setting that is mentioned exists, and may have that value.
func TestSettings(t *testing.T) {
	s := newSandbox(t)
	tried := map[string]bool{}
	for name, page := range pages(t) {
		_, text := blocks(page)
		for _, m := range inline.FindAllStringSubmatch(strings.Join(text, "\n"), -1) {
			parts := setting.FindStringSubmatch(m[1])
			if parts == nil || tried[m[1]] {
				continue
			}
			tried[m[1]] = true
			s.open(t, "")
			path := filepath.Join(s.work, "setting.toml")
			var problem string
			// A key may be that of a table.
			for _, table := range []string{"", "[policy]\n", "[certificates]\n", "[lifetime]\n"} {
				profile := "gateway = \"vpn.office.example\"\n"
				if parts[1] == "gateway" {
					profile = ""
				}
				if err := os.WriteFile(path, []byte(profile+table+s.here(t, m[1])+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				_, errs, _ := s.start(t, "show", path)
				problem = ""
				// That another key is missing beside it is no fault of this one.
				if said := string(errs); strings.Contains(said, parts[1]+": ") && (strings.Contains(said, "unknown key") || strings.Contains(said, ", not ")) {
					problem = said
				}
				if !strings.Contains(problem, "unknown key") {
					break
				}
			}
			if problem != "" {
				t.Errorf("%s: %s: %s", name, m[1], problem)
			}
		}
	}
	if len(tried) < 15 {
		t.Errorf("only %d settings found", len(tried))
	}
}
