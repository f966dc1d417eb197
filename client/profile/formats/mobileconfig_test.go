package formats

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/smallstep/pkcs7"
	"howett.net/plist"

	"postern/client/profile"
)

func asBinary(t testing.TB, document []byte) []byte {
	t.Helper()
	var v any
	if _, err := plist.Unmarshal(document, &v); err != nil {
		t.Fatal(err)
	}
	out, err := plist.Marshal(v, plist.BinaryFormat)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func signed(t testing.TB, content []byte) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Acme IT"}, NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	s, err := pkcs7.NewSignedData(content)
	if err != nil {
		t.Fatal(err)
	}
	s.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := s.AddSigner(cert, key, pkcs7.SignerInfoConfig{}); err != nil {
		t.Fatal(err)
	}
	out, err := s.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A profile is the same one as XML, in binary, and signed.
func TestMobileconfigForms(t *testing.T) {
	lines := regexp.MustCompile(`(\.mobileconfig):\d+`)
	for _, c := range []string{"mobileconfig-acme", "mobileconfig-several"} {
		for _, f := range filesIn(t, filepath.Join("testdata", "import", c)) {
			want := lines.ReplaceAllString(describe(Import([]File{f})), "$1")
			for form, data := range map[string][]byte{
				"binary": asBinary(t, f.Data), "signed": signed(t, f.Data), "signed binary": signed(t, asBinary(t, f.Data)),
			} {
				got := lines.ReplaceAllString(describe(Import([]File{{Name: f.Name, Data: data}})), "$1")
				if form != "binary" {
					const said = `warning: ` + "FILE" + `: is signed by "CN=Acme IT"; the signature wasn't verified` + "\n"
					line := strings.ReplaceAll(said, "FILE", f.Name)
					if !strings.Contains(got, line) {
						t.Errorf("%s, %s: nothing said of the signature:\n%s", f.Name, form, got)
					}
					got = strings.Replace(got, line, "", 1)
				}
				// The order of a binary dictionary's keys is the generator's.
				if diff := cmp.Diff(sortedLines(want), sortedLines(got)); diff != "" {
					t.Errorf("%s, %s (-XML +this):\n%s", f.Name, form, diff)
				}
			}
		}
	}
}

func sortedLines(s string) []string {
	lines := map[string]int{}
	for l := range strings.Lines(s) {
		lines[l]++
	}
	return slices.Sorted(maps.Keys(lines))
}

// Binary property lists that want to fill the memory, the stack or a day.
func TestHostileBinaryPlist(t *testing.T) {
	// build makes a file of objects whose references are one octet.
	build := func(objects ...[]byte) []byte {
		out := []byte("bplist00")
		var offsets []byte
		for _, o := range objects {
			offsets = binary.BigEndian.AppendUint16(offsets, uint16(len(out)))
			out = append(out, o...)
		}
		table := len(out)
		out = append(out, offsets...)
		out = append(out, 0, 0, 0, 0, 0, 0, 2, 1)
		out = binary.BigEndian.AppendUint64(out, uint64(len(objects)))
		out = binary.BigEndian.AppendUint64(out, 0)
		return binary.BigEndian.AppendUint64(out, uint64(table))
	}
	var laughs [][]byte // each array holds the next ten times
	for i := range 12 {
		o := []byte{0xaa}
		for range 10 {
			o = append(o, byte(i+1))
		}
		laughs = append(laughs, o)
	}
	laughs = append(laughs, []byte{0x51, 'x'})
	var deep [][]byte
	for i := range 100 {
		deep = append(deep, []byte{0xa1, byte(i + 1)})
	}
	deep = append(deep, []byte{0x09})
	sound := build([]byte{0xd1, 1, 2}, []byte{0x51, 'k'}, []byte{0x52, 'v', 'w'})
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"a value":             {sound, ""},
		"ten to the twelfth":  {build(laughs...), "more than 65536 values"},
		"itself":              {build([]byte{0xa1, 0}), "values in each other"},
		"deep":                {build(deep...), "values in each other"},
		"a size of 2^63":      {build([]byte{0x4f, 0x13, 0x80, 0, 0, 0, 0, 0, 0, 0}), "outside the file"},
		"a size beyond":       {build([]byte{0x5f, 0x10, 200, 'a'}), "outside the file"},
		"a size cut off":      {build([]byte{0x5f}), "outside the file"},
		"an unknown kind":     {build([]byte{0x70}), "outside the file"},
		"a reference beyond":  {build([]byte{0xa1, 9}), "outside the file"},
		"objects beyond":      {append(sound[:len(sound)-32:len(sound)-32], 0, 0, 0, 0, 0, 0, 2, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8), "outside the file"},
		"no offsets at all":   {append(sound[:len(sound)-32:len(sound)-32], make([]byte, 32)...), "outside the file"},
		"nothing but trailer": {[]byte("bplist00"), "cut off"},
	} {
		_, err := parseBinaryPlist(c.data)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// Signed data that is nested for mischief takes no time.
func TestHostileSignature(t *testing.T) {
	sample, err := os.ReadFile(filepath.Join("testdata", "import", "mobileconfig-acme", "acme-psk-xauth.mobileconfig"))
	if err != nil {
		t.Fatal(err)
	}
	inner := append([]byte("<plist"), sample...)
	nested := append([]byte{0x04, 0x83, byte(len(inner) >> 16), byte(len(inner) >> 8), byte(len(inner))}, inner...)
	for n := len(nested); n < 100000; n = len(nested) {
		nested = append([]byte{0x30, 0x83, byte(n >> 16), byte(n >> 8), byte(n)}, nested...)
	}
	head := append([]byte{0x30, 0x83, byte((len(nested) + 11) >> 16), byte((len(nested) + 11) >> 8), byte(len(nested) + 11)}, oidSignedData...)
	begin := time.Now()
	_, err = Import([]File{{Name: "nested.mobileconfig", Data: append(head, nested...)}})
	if err == nil || !strings.Contains(err.Error(), "signature") {
		t.Errorf("said %v", err)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

// What Apple's format can hold comes back as it was.
func TestMobileconfigExport(t *testing.T) {
	for name, document := range map[string]string{
		"group":       "identity = \"staff\"\nmode = \"aggressive\"\nsecret = \"Gr0up-S3cret!\"\nuser = \"jdoe\"\npassword = \"<&>\"",
		"address":     "secret = \"x\"\nxauth = false\ndefault_route = false",
		"hybrid":      "auth = \"hybrid\"\nmode = \"aggressive\"\nidentity = \"staff\"\nuser = \"jdoe\"",
		"dns":         "identity = \"g\"\nidentity_type = \"key-id\"\nmode = \"aggressive\"\ndns_servers = [\"10.0.0.1\"]\nsearch = [\"a.example\"]",
		"hexadecimal": "identity = \"g\"\nmode = \"aggressive\"\nsecret = \"00ff10\"\nsecret_encoding = \"hex\"",
	} {
		algorithms := "\npfs = \"auto\"\nike = [\"" + strings.Join(offered(appleCiphers, appleHashes, []string{"modp1024"}), "\", \"") +
			"\"]\nesp = [\"" + strings.Join(offered(appleCiphers, appleHashes, nil), "\", \"") + "\"]"
		p, err := profile.Parse([]byte("name = \""+name+"\"\ngateway = \"vpn.acme.example\"\n"+document+algorithms), "x.toml")
		if err != nil {
			t.Fatal(name, err)
		}
		data, notes, err := Export(p, "mobileconfig", true)
		if err != nil || len(notes) > 0 {
			t.Errorf("%s: %v, %v", name, notes, err)
			continue
		}
		r, err := Import([]File{{Name: "back.mobileconfig", Data: data}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(string(p.MarshalWithSecrets()), string(r.Profiles[0].Profile.MarshalWithSecrets())); diff != "" {
			t.Errorf("%s (-before +after):\n%s", name, diff)
		}
		without, _, err := Export(p, "mobileconfig", false)
		if err != nil || strings.Contains(string(without), "SharedSecret</key>") || strings.Contains(string(without), "XAuthPassword</key>") {
			t.Errorf("%s: secrets that nobody asked for, or %v", name, err)
		}
	}
}
