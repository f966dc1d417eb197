package formats

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func FuzzPCF(f *testing.F) {
	fuzzReader(f, pcf, "pcf-acme", "pcf-locked", "pcf-broken", "pcf-certificate", "pcf-hybrid", "pcf-bare", "encodings")
}

func FuzzVPNC(f *testing.F) {
	fuzzReader(f, vpnc, "vpnc-office", "vpnc-fritz-quirks", "vpnc-old", "vpnc-plain")
}

func FuzzShrew(f *testing.F) {
	fuzzReader(f, shrew, "shrew-acme", "shrew-certificates", "shrew-old", "shrew-auto")
}

func FuzzNetworkManager(f *testing.F) {
	fuzzReader(f, networkManager, "networkmanager-vpnc", "networkmanager-libreswan", "networkmanager-openswan", "networkmanager-refused")
}

func FuzzVPNCBar(f *testing.F) { fuzzReader(f, vpncbar, "vpncbar") }

func FuzzTOML(f *testing.F) { fuzzReader(f, ours, "toml") }

// Two files of whatever kind.
func FuzzImport(f *testing.F) {
	for _, c := range []string{"others", "several", "encodings", "toml", "libreswan-acme", "mobileconfig-acme"} {
		files := filesIn(f, filepath.Join("testdata", "import", c))
		for _, file := range files {
			f.Add(file.Name, file.Data, files[0].Data)
		}
	}
	f.Fuzz(func(t *testing.T, name string, first, second []byte) {
		r, err := Import([]File{{Name: name, Data: first}, {Name: "second", Data: second}})
		soundImport(t, r, err)
	})
}

// What is exported and imported again is the same, whatever was imported first.
func FuzzExport(f *testing.F) {
	folders, err := os.ReadDir(filepath.Join("testdata", "import"))
	if err != nil {
		f.Fatal(err)
	}
	for _, folder := range folders {
		for _, file := range filesIn(f, filepath.Join("testdata", "import", folder.Name())) {
			f.Add(file.Data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Import([]File{{Name: "x.conf", Data: data}})
		if err != nil {
			return
		}
		for _, format := range Formats() {
			written, notes, err := Export(r.Profiles[0].Profile, format, true)
			if err != nil {
				continue
			}
			again, err := Import([]File{{Name: "x" + Suffix(format), Data: written}})
			if err != nil || len(again.Profiles) != 1 {
				t.Fatalf("%s: %v\n%s", format, err, written)
			}
			soundImport(t, again, nil)
			before, after := r.Profiles[0].Profile.Settings(true), again.Profiles[0].Profile.Settings(true)
			for i, s := range before {
				if s != after[i] && s.Key != "name" && !noted(notes, s.Key) {
					t.Errorf("%s: %s became %s\n%s", format, s, after[i], written)
				}
			}
		}
	})
}

func noted(notes []Note, key string) bool {
	for _, n := range notes {
		if n.Key == key || strings.HasPrefix(key, n.Key) && strings.HasSuffix(key, "_encoding") {
			return true
		}
	}
	return false
}
