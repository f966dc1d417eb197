package formats

import (
	goflag "flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = goflag.Bool("update", false, "write what an import gives as what is wanted")

// wanted is the file in a case's folder with what its import gives.
const wanted = "want.txt"

// Each folder in testdata/import is what a person gives at once.
func TestImportCases(t *testing.T) {
	cases, err := os.ReadDir(filepath.Join("testdata", "import"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for _, c := range cases {
		t.Run(c.Name(), func(t *testing.T) {
			folder := filepath.Join("testdata", "import", c.Name())
			got := describe(Import(filesIn(t, folder)))
			golden := filepath.Join(folder, wanted)
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func filesIn(t testing.TB, folder string) []File {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var files []File
	for _, e := range entries {
		if e.Name() == wanted {
			continue
		}
		data, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, File{Name: e.Name(), Data: data})
	}
	return files
}

// describe writes all that an import gave.
func describe(r *Result, err error) string {
	var b strings.Builder
	if err != nil {
		fmt.Fprintf(&b, "error: %v\n", err)
		return b.String()
	}
	notes := func(title string, list []Note) {
		for _, n := range list {
			place := n.File
			if n.Line > 0 {
				place += fmt.Sprintf(":%d", n.Line)
			}
			if n.Key != "" {
				place += ": " + n.Key
			}
			fmt.Fprintf(&b, "%s: %s: %s\n", title, place, n.Text)
		}
	}
	for _, p := range r.Profiles {
		fmt.Fprintf(&b, "######## %s, %s\n%s########\n", p.Format, p.Source, p.Profile.MarshalWithSecrets())
		files := p.Profile.Files
		for _, f := range []struct {
			what string
			data []byte
		}{{"certificate", files.Certificate}, {"key", files.Key}, {"ca", files.CA}, {"gateway certificate", files.GatewayCertificate}} {
			if len(f.data) > 0 {
				fmt.Fprintf(&b, "%s: %d octets\n", f.what, len(f.data))
			}
		}
		notes("guessed", p.Guessed)
		notes("weak", p.Weak)
		notes("ignored", p.Ignored)
		notes("warning", p.Warnings)
		b.WriteByte('\n')
	}
	notes("ignored", r.Ignored)
	notes("warning", r.Warnings)
	return b.String()
}

// secretsOf are the values of all secrets in the cases.
var secretsOf = []string{
	"Gr0up-S3cret!", "R3IwdXAtUzNjcmV0IQ==", "letmein-2Fa", "f3E0h{ca19}ca2", `user;pw"q`, "p@ss #phrase", "super-secret", "73757065722d736563726574",
	"not!base64", "another # key", `it"s me`, "opensesame", "k3y-of-group1", "jane's password", "key-of-the-fixed", "6b65792d6f662d746865206669786564",
	`shared\se"cret`, "AFFE3KDFKEWFKEWFKFEWFWEFWEFW", "ABCDEFGH", "company key", "company password", "plain & simple", "pass<word", "wifi password",
	"not used", "00112233445566778899AABBCCDDEEFF",
}

// No note and no error has a secret in it, whether it was understood or not.
func TestNotesHaveNoSecrets(t *testing.T) {
	cases, err := os.ReadDir(filepath.Join("testdata", "import"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		files := filesIn(t, filepath.Join("testdata", "import", c.Name()))
		for _, damaged := range damage(files) {
			r, err := Import(damaged)
			said := fmt.Sprint(err)
			if r != nil {
				said = fmt.Sprint(r.Warnings, r.Ignored)
				for _, p := range r.Profiles {
					said += fmt.Sprint(p.Guessed, p.Weak, p.Ignored, p.Warnings, p.Source, p.Profile.Name, string(p.Profile.Marshal()))
				}
			}
			for _, s := range secretsOf {
				if strings.Contains(said, s) {
					t.Errorf("%s: a secret stands in %.300q", c.Name(), said)
				}
			}
		}
	}
}

// damage returns files as they are, cut off at many places, and with one character after
// the other lost.
func damage(files []File) [][]File {
	out := [][]File{files}
	places := 40
	if testing.Short() {
		places = 10
	}
	for i, f := range files {
		step := max(len(f.Data)/places, 1)
		for at := step; at < len(f.Data); at += step {
			cut := slices.Clone(files)
			cut[i].Data = f.Data[:at]
			out = append(out, cut)
			if f.Data[at] == '\n' {
				continue // a secret that became part of another value can't be told from it
			}
			lost := slices.Clone(files)
			lost[i].Data = slices.Delete(slices.Clone(f.Data), at, at+1)
			out = append(out, lost)
		}
	}
	return out
}
