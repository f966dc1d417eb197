package formats

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDecode(t *testing.T) {
	for _, c := range []struct {
		name string
		data string
		want []string
	}{
		{"UTF-8", "ä=ß\nb", []string{"ä=ß", "b"}},
		{"byte order mark", "\ufeffa\nb", []string{"a", "b"}},
		{"UTF-16, little end first", "\xff\xfea\x00\n\x00\xdf\x00", []string{"a", "ß"}},
		{"UTF-16, big end first", "\xfe\xff\x00a\x00\r\x00\n\x20\xac", []string{"a", "€"}},
		{"UTF-16 beyond 16 bits", "\xff\xfe\x3d\xd8\x00\xde", []string{"😀"}},
		{"half a pair", "\xff\xfe\x3d\xd8a\x00", []string{"\ufffda"}},
		{"Windows-1252", "\x80 f\xfcr \x93B\x94 \x81", []string{"€ für “B” \u0081"}},
		{"CRLF", "a\r\nb\r\n", []string{"a", "b", ""}},
		{"CR", "a\rb", []string{"a", "b"}},
		{"all of them", "a\r\n\rb\n\nc", []string{"a", "", "b", "", "c"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := decode(File{Name: `C:\profiles\x.pcf`, Data: []byte(c.data)})
			if err != nil || f.name != "x.pcf" {
				t.Fatalf("%q, %v", f.name, err)
			}
			if diff := cmp.Diff(c.want, f.lines); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodeNoText(t *testing.T) {
	for name, data := range map[string]string{
		"a NUL":              "[main]\nHost=a\x00b\n",
		"UTF-16, odd length": "\xff\xfea\x00b",
		"a NUL in UTF-16":    "\xff\xfea\x00\x00\x00",
	} {
		f, err := decode(File{Name: "x", Data: []byte(data)})
		if err != nil || f.body != "" || f.lines != nil || string(f.data) != data {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
}

func TestDecodeBounds(t *testing.T) {
	for _, c := range []struct {
		name, want string
		data       []byte
	}{
		{"empty", "the file is empty", nil},
		{"blanks", "the file is empty", []byte(" \r\n\t")},
		{"too long", "the file has 67108864 octets, a profile has at most 1048576", bytes.Repeat([]byte{'a'}, 64<<20)},
		{"a long line", "line 2 has 70000 octets, a profile's line has at most 65536", []byte("[main]\n" + strings.Repeat("a", 70000))},
		{"many lines", "the file has 70001 lines, a profile has at most 65536", bytes.Repeat([]byte("a\n"), 70000)},
		{"many lines ended by CR", "the file has 70001 lines, a profile has at most 65536", bytes.Repeat([]byte("a\r"), 70000)},
	} {
		if _, err := decode(File{Name: "x", Data: c.data}); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain ü":                       "plain ü",
		"a\nb\tc\x1b[31m\x00":           "a?b?c?[31m?",
		"\u202egnp.exe":                 "?gnp.exe",
		"\xff":                          "?",
		strings.Repeat("x", maxClean*2): strings.Repeat("x", maxClean-1) + "…",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestNames(t *testing.T) {
	for in, want := range map[string]string{
		"Office":                            "Office",
		"ACME (head  office)":               "ACME head office",
		"../../etc/cron.d/x":                "etc cron.d x",
		"--config":                          "config",
		"a\nb":                              "a b",
		"":                                  "",
		"///":                               "",
		"Bücher & Söhne":                    "Bücher Söhne",
		"\u202ex":                           "x",
		strings.Repeat("n", 100):            strings.Repeat("n", 60),
		strings.Repeat("n", 59) + " mmmmmm": strings.Repeat("n", 59),
	} {
		if got := tameName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		`..\..\windows\ca.pem`: "ca.pem", "/etc/ssl/my ca.pem": "my-ca.pem", "..": "imported.pem", "-rf": "rf",
	} {
		if got := fileName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
