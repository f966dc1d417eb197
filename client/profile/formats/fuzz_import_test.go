package formats

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"
	"unicode"

	"howett.net/plist"

	"postern/client/profile"
)

// fuzzReader gives one importer whatever comes, as the file that it recognised and as a
// companion, and looks at what it makes of it.
func fuzzReader(f *testing.F, i importer, cases ...string) {
	for _, c := range cases {
		for _, file := range filesIn(f, filepath.Join("testdata", "import", c)) {
			f.Add(file.Data, file.Data)
		}
	}
	f.Fuzz(func(t *testing.T, data, beside []byte) {
		in, err := decode(File{Name: "in.conf", Data: data})
		if err != nil {
			return
		}
		i.recognise(in)
		r := &reading{format: i.name}
		if companion, err := decode(File{Name: "psk.txt", Data: beside}); err == nil {
			r.companions = append(r.companions, companion)
		}
		begin := time.Now()
		i.read(r, []*text{in})
		if took := time.Since(begin); took > 20*time.Second {
			t.Errorf("%d octets took %v", len(data), took)
		}
		sound(t, &r.out)
	})
}

// sound checks what holds of every result.
func sound(t *testing.T, r *Result) {
	t.Helper()
	notes := append(append([]Note{}, r.Warnings...), r.Ignored...)
	for _, p := range r.Profiles {
		q, err := profile.Parse(p.Profile.MarshalWithSecrets(), "p.toml")
		if err != nil {
			t.Errorf("a profile that isn't one: %v\n%s", err, p.Profile.Marshal())
			continue
		}
		if !bytes.Equal(q.Marshal(), p.Profile.Marshal()) {
			t.Errorf("a profile that reads as another:\n%s\n%s", p.Profile.Marshal(), q.Marshal())
		}
		for _, list := range [][]Note{p.Guessed, p.Weak, p.Ignored, p.Warnings} {
			notes = append(notes, list...)
		}
	}
	for _, n := range notes {
		for _, c := range n.Key + n.Text + n.File {
			if !unicode.IsPrint(c) {
				t.Errorf("a note with %q in it: %v", c, n)
			}
		}
	}
}

func FuzzSwanctl(f *testing.F) { fuzzReader(f, swanctl, "swanctl-acme", "swanctl-certificates") }

func FuzzIpsecConf(f *testing.F) {
	fuzzReader(f, strongswan, "libreswan-acme", "libreswan-two", "strongswan-ipsec")
}

func FuzzRacoon(f *testing.F) { fuzzReader(f, racoon, "racoon-acme", "racoon-inherit") }

func FuzzFritzbox(f *testing.F) {
	fuzzReader(f, fritzbox, "fritzbox-box", "fritzbox-client", "fritzbox-several")
}

func FuzzForticlient(f *testing.F) {
	fuzzReader(f, forticlient, "forticlient-acme", "forticlient-several")
}

func FuzzMobileconfig(f *testing.F) {
	for _, c := range []string{"mobileconfig-acme", "mobileconfig-several"} {
		for _, file := range filesIn(f, filepath.Join("testdata", "import", c)) {
			binary := asBinary(f, file.Data)
			f.Add(binary, []byte{})
			f.Add(signed(f, binary), []byte{})
		}
	}
	fuzzReader(f, mobileconfig, "mobileconfig-acme", "mobileconfig-several")
}

// What our reader of binary property lists takes, another one reads alike.
func FuzzBinaryPlist(f *testing.F) {
	for _, file := range filesIn(f, filepath.Join("testdata", "import", "mobileconfig-several")) {
		f.Add(asBinary(f, file.Data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := parseBinaryPlist(data)
		if err != nil || len(data) > 4096 {
			return
		}
		var other any
		func() {
			defer func() { _ = recover() }() // the other one panics on damage
			if _, err := plist.Unmarshal(data, &other); err != nil {
				other = nil
			}
		}()
		if other != nil {
			same(t, n, other)
		}
	})
}

// same compares a value with what howett.net/plist made of it.
func same(t *testing.T, n *node, other any) {
	t.Helper()
	switch v := other.(type) {
	case string:
		if n.text != v {
			t.Errorf("%q, the other reader says %q", n.text, v)
		}
	case []byte:
		if !bytes.Equal(n.data, v) {
			t.Errorf("%x, the other reader says %x", n.data, v)
		}
	case bool:
		if (n.text == "1") != v {
			t.Errorf("%q, the other reader says %v", n.text, v)
		}
	case []any:
		if len(n.items) != len(v) {
			t.Fatalf("%d values, the other reader says %d", len(n.items), len(v))
		}
		for i := range v {
			same(t, n.items[i], v[i])
		}
	case map[string]any:
		for key := range v {
			if got := n.get(key); got == nil {
				t.Errorf("no %q", key)
			} else if len(v) == len(n.keys) { // else keys stand there twice
				same(t, got, v[key])
			}
		}
	}
}
