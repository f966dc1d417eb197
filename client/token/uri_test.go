package token

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseURI(t *testing.T) {
	slot := 3
	for _, c := range []struct {
		in   string
		want URI
	}{
		{"pkcs11:token=Alice", URI{Token: "Alice", Module: defaultModule}},
		{"pkcs11:token=Alice%20B;object=vpn;type=private?module-path=/usr/lib/x.so", URI{Token: "Alice B", Object: "vpn", Module: "/usr/lib/x.so"}},
		{"pkcs11:serial=0a1b;id=%00%ff?module-name=opensc-pkcs11", URI{Serial: "0a1b", ID: []byte{0, 0xff}, Module: "libopensc-pkcs11.so"}},
		{"pkcs11:slot-id=3;manufacturer=x;model=y;x-vendor=z;library-version=1", URI{Slot: &slot, Module: defaultModule}},
	} {
		got, err := ParseURI(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", c.in, d)
		}
	}
	for in, want := range map[string]string{
		"":                                          "before it",
		"file:/x":                                   "before it",
		"pkcs11:":                                   "wants one of",
		"pkcs11:object=a":                           "wants one of",
		"pkcs11:token=a;serial=b":                   "wants one of",
		"pkcs11:token=a;token=b":                    "twice",
		"pkcs11:token=%zz":                          "hexadecimal",
		"pkcs11:token=a%00":                         "NUL",
		"pkcs11:token=a?pin-value=1234":             "PIN",
		"pkcs11:token=a?pin-source=file:/x":         "PIN",
		"pkcs11:token=a?module-path=x.so":           "absolute",
		"pkcs11:token=a?module-name=../x":           "without a path",
		"pkcs11:token=a;slot-id=-1":                 "number",
		"pkcs11:token=a;objekt=b":                   "objekt",
		"pkcs11:token=a;\x1b" + string([]byte{255}): "1bff",
	} {
		if _, err := ParseURI(in); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "1234") {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
}

func FuzzParseURI(f *testing.F) {
	f.Add("pkcs11:token=Alice%20B;object=vpn;type=private?module-path=/usr/lib/x.so")
	f.Add("pkcs11:serial=0a1b;id=%00%ff?module-name=opensc-pkcs11")
	f.Add("pkcs11:slot-id=3;;?&")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseURI(s)
		if err == nil && (u.name() == "" || u.Module == "") {
			t.Errorf("%+v", u)
		}
		if err != nil && strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
			t.Errorf("%q", err)
		}
	})
}
