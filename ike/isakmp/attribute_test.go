package isakmp

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAttributes(t *testing.T) {
	tests := []struct {
		name string
		hex  string
		want []Attribute
	}{
		{"none", "", nil},
		{"basic", "800b0001", []Attribute{TV(AttrLifeType, 1)}},
		{"basic zero", "c08f0000", []Attribute{TV(AttrXAuthStatus, 0)}},
		{"long", "000c000400015180", []Attribute{Number(AttrLifeDuration, 86400)}},
		{"number that fits", "800c7080", []Attribute{Number(AttrLifeDuration, 28800)}},
		{"empty, as requests have them", "40890000 408a0000", []Attribute{TLV(AttrXAuthUserName, []byte{}), TLV(AttrXAuthUserPassword, []byte{})}},
		{"odd length, not padded", "4089000161 408a0000", []Attribute{TLV(AttrXAuthUserName, []byte("a")), TLV(AttrXAuthUserPassword, []byte{})}},
		{"value of zeros at the end", "000100040a000000", []Attribute{TLV(AttrInternalIP4Address, []byte{10, 0, 0, 0})}},
		{"largest type", "ffff0001", []Attribute{TV(AttrNortel, 1)}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := unhex(t, test.hex)
			got, err := ParseAttributes(b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if again := AppendAttributes([]byte{}, got); !bytes.Equal(again, b) {
				t.Errorf("marshalled % x, want % x", again, b)
			}
			for _, padding := range []string{"00", "0000", "000000", "00000000", "0000000000"} {
				if padded, err := ParseAttributes(append(bytes.Clone(b), unhex(t, padding)...)); err != nil || !cmp.Equal(padded, got) {
					t.Errorf("padded with %s: %v, %v", padding, padded, err)
				}
			}
		})
	}
}

func TestAttributesRefused(t *testing.T) {
	tests := []struct{ name, hex, err string }{
		{"1 octet", "80", "attribute at octet 0 runs past the end"},
		{"3 octets", "800b01", "attribute at octet 0 runs past the end"},
		{"second cut", "800b0001 80", "attribute at octet 4 runs past the end"},
		{"long form cut", "000c0004 000151", "attribute at octet 0 runs past the end"},
		{"longest", "000cffff 00000000", "attribute at octet 0 runs past the end"},
		{"zeros before the end", "00000000 800b0001", ""},
		{"padding that isn't zero", "800b0001 000001", "attribute at octet 4 runs past the end"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseAttributes(unhex(t, test.hex))
			wantError(t, err, test.err)
		})
	}
	_, err := ParseAttributes(AppendAttributes(nil, attributes(MaxAttributes)))
	wantError(t, err, "")
	_, err = ParseAttributes(AppendAttributes(nil, attributes(MaxAttributes+1)))
	wantError(t, err, "attribute at octet 4096: more than 1024 attributes")
}

func TestNumberTakesTheShortFormWhereItFits(t *testing.T) {
	for v, basic := range map[uint32]bool{0: true, 0xffff: true, 0x10000: false} {
		if a := Number(1, v); a.Basic != basic {
			t.Errorf("%#x: %+v", v, a)
		}
	}
}

func TestAttributeUint(t *testing.T) {
	tests := []struct {
		a    Attribute
		want uint64
		err  string
	}{
		{TV(1, 0xffff), 0xffff, ""},
		{Number(1, 0xffff), 0xffff, ""},
		{Number(1, 0x10000), 0x10000, ""},
		{Number(1, 0xffffffff), 0xffffffff, ""},
		{TLV(1, []byte{7}), 7, ""},
		{TLV(1, []byte{1, 2, 3}), 0x010203, ""},
		{TLV(1, []byte{1, 2, 3, 4, 5, 6, 7, 8}), 0x0102030405060708, ""},
		{TLV(12, nil), 0, "attribute 12: a number of 0 octets"},
		{TLV(12, make([]byte, 9)), 0, "attribute 12: a number of 9 octets"},
	}
	for _, test := range tests {
		got, err := test.a.Uint()
		wantError(t, err, test.err)
		if got != test.want {
			t.Errorf("%+v: %d, want %d", test.a, got, test.want)
		}
	}
}
