package isakmp

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestIDStrings(t *testing.T) {
	dn, err := asn1.Marshal(pkix.Name{Organization: []string{"Example"}, CommonName: "gw"}.ToRDNSequence())
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		id     ID
		want   string
		prefix string // "" for none
	}{
		{ID{Type: IDKeyID, Data: []byte("staff")}, "staff (KEY_ID)", ""},
		{ID{Type: IDKeyID, Protocol: 17, Port: 500, Data: []byte("staff")}, "staff (KEY_ID)", ""},
		{ID{Type: IDKeyID, Data: []byte("a\nb")}, "0x610a62 (KEY_ID)", ""},
		{ID{Type: IDKeyID, Data: []byte{0xff, 0xfe}}, "0xfffe (KEY_ID)", ""},
		{ID{Type: IDFQDN, Data: []byte("gw.example")}, "gw.example (FQDN)", ""},
		{ID{Type: IDUserFQDN, Data: []byte("a@b.example")}, "a@b.example (USER_FQDN)", ""},
		{ID{Type: IDFQDN, Data: []byte(strings.Repeat("a", 256))}, "0x" + strings.Repeat("61", 255) + "… (FQDN)", ""},
		{ID{Type: IDDERASN1DN, Data: dn}, "CN=gw,O=Example (DER_ASN1_DN)", ""},
		{ID{Type: IDDERASN1DN, Data: []byte{0x30, 0x81}}, "0x3081 (DER_ASN1_DN)", ""},
		{ID{Type: IDDERASN1DN, Data: append(dn[:len(dn):len(dn)], 0)}, "", ""},
		{ID{}, "nothing (ID type 0)", ""},
		{ID{Type: 99, Data: []byte("x")}, "0x78 (ID type 99)", ""},
		{AddressID(netip.MustParseAddr("10.0.0.1")), "10.0.0.1", "10.0.0.1/32"},
		{AddressID(netip.MustParseAddr("::ffff:10.0.0.1")), "10.0.0.1", "10.0.0.1/32"},
		{AddressID(netip.MustParseAddr("fd00::1")), "fd00::1", "fd00::1/128"},
		{ID{IDIPv4Addr, 17, 500, []byte{192, 0, 2, 1}}, "192.0.2.1[17/500]", "192.0.2.1/32"},
		{SubnetID(netip.MustParsePrefix("10.0.0.0/24")), "10.0.0.0/24", "10.0.0.0/24"},
		{SubnetID(netip.MustParsePrefix("10.0.0.77/24")), "10.0.0.0/24", "10.0.0.0/24"},
		{SubnetID(netip.MustParsePrefix("0.0.0.0/0")), "0.0.0.0/0", "0.0.0.0/0"},
		{SubnetID(netip.MustParsePrefix("fd00::/63")), "fd00::/63", "fd00::/63"},
		{ID{IDIPv4Subnet, 6, 80, []byte{10, 1, 0, 0, 255, 255, 0, 0}}, "10.1.0.0/16[6/80]", "10.1.0.0/16"},
		{ID{Type: IDIPv4Subnet, Data: []byte{10, 1, 0, 9, 255, 255, 0, 0}}, "10.1.0.0/16", "10.1.0.0/16"},
		{ID{Type: IDIPv4Subnet, Data: []byte{10, 1, 0, 0, 255, 0, 255, 0}}, "10.1.0.0/255.0.255.0", ""},
		{ID{Type: IDIPv4Range, Data: []byte{10, 1, 0, 0, 10, 1, 255, 255}}, "10.1.0.0/16", "10.1.0.0/16"},
		{ID{Type: IDIPv4Range, Data: []byte{10, 1, 0, 7, 10, 1, 0, 7}}, "10.1.0.7/32", "10.1.0.7/32"},
		{ID{Type: IDIPv4Range, Data: []byte{0, 0, 0, 0, 255, 255, 255, 255}}, "0.0.0.0/0", "0.0.0.0/0"},
		{ID{Type: IDIPv4Range, Data: []byte{10, 1, 0, 1, 10, 1, 0, 2}}, "10.1.0.1-10.1.0.2", ""},
		{ID{Type: IDIPv4Range, Data: []byte{10, 1, 0, 1, 10, 1, 0, 0}}, "10.1.0.1-10.1.0.0", ""},
		{ID{Type: IDIPv4Range, Data: []byte{10, 1, 0, 2, 10, 1, 0, 4}}, "10.1.0.2-10.1.0.4", ""},
		{ID{Type: IDIPv6Range, Data: append(make([]byte, 31), 1)}, "::/127", "::/127"},
		{ID{Type: IDIPv4Addr, Data: []byte{1, 2, 3}}, "0x010203 (IPV4_ADDR)", ""},
		{ID{Type: IDIPv4Subnet, Data: []byte{1, 2, 3, 4}}, "0x01020304 (IPV4_ADDR_SUBNET)", ""},
		{ID{Type: IDIPv6Addr, Data: []byte{1, 2, 3, 4}}, "0x01020304 (IPV6_ADDR)", ""},
	}
	for _, test := range tests {
		if got := test.id.String(); test.want != "" && got != test.want {
			t.Errorf("%+v prints as %s, want %s", test.id, got, test.want)
		} else if test.want == "" && !strings.HasPrefix(got, "0x") {
			t.Errorf("%+v prints as %s, want hexadecimal", test.id, got)
		}
		p, ok := test.id.Prefix()
		if ok != (test.prefix != "") || ok && p.String() != test.prefix {
			t.Errorf("%s: network %v %v, want %q", test.id, p, ok, test.prefix)
		}
		b := test.id.Marshal()
		got, err := ParseID(b)
		if diff := cmp.Diff(test.id, got, emptyIsNil); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", test.id, err, diff)
		}
	}
}

func TestIDCut(t *testing.T) {
	for n := range 4 {
		_, err := ParseID(make([]byte, n))
		wantError(t, err, "octets, 4 needed")
	}
}
