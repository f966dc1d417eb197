package isakmp

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// saValue is an SA as a gateway of several minds might send it: two proposals of
// one number (AH and ESP together), transforms numbered as they like, SPIs of two
// lengths, a life duration of 4 octets.
var saValue = SA{
	DOI: DOIIPsec, Situation: SituationIdentityOnly,
	Proposals: []Proposal{
		{1, ProtoAH, []byte{0xa1, 0xa2, 0xa3, 0xa4}, []Transform{
			{0, AHMD5, []Attribute{TV(ESPAttrAuth, AuthHMACMD5)}},
			{0, AHSHA1, []Attribute{TV(ESPAttrAuth, AuthHMACSHA1), TV(ESPAttrLifeType, LifeSeconds)}},
		}},
		{1, ProtoESP, []byte{0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8}, []Transform{
			{9, ESPAES, []Attribute{
				TV(ESPAttrKeyLength, 128), TV(ESPAttrEncapsulation, EncapTunnel),
				TV(ESPAttrLifeType, LifeSeconds), Number(ESPAttrLifeDuration, 86400),
			}},
		}},
	},
}

func TestSA(t *testing.T) {
	b := saValue.Marshal()
	want := unhex(t, `00000001 00000001
		02000028 01020402 a1a2a3a4
			0300000c 00020000 80050001
			00000010 00030000 80050002 80010001
		0000002c 01030801 b1b2b3b4b5b6b7b8
			0000001c 090c0000 80060080 80040001 80010001 00020004 00015180`)
	if !bytes.Equal(b, want) {
		t.Errorf("marshalled\n% x, want\n% x", b, want)
	}
	got, err := ParseSA(want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(saValue, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for n := range want {
		if _, err := ParseSA(want[:n]); err == nil {
			t.Errorf("%d of %d octets accepted", n, len(want))
		} else if !strings.HasPrefix(err.Error(), "SA payload: ") {
			t.Errorf("error doesn't name the payload: %v", err)
		}
	}
}

func TestSAOfManyTransforms(t *testing.T) {
	offer := func(proposals, transforms int) []byte {
		sa := SA{DOI: DOIIPsec, Situation: SituationIdentityOnly}
		for range proposals {
			sa.Proposals = append(sa.Proposals, Proposal{Protocol: ProtoESP, Transforms: make([]Transform, transforms)})
		}
		return sa.Marshal()
	}
	tests := []struct {
		proposals, transforms int
		err                   string
	}{
		{1, 64, ""},
		{64, 1, ""},
		{1, 65, "proposal 1: more than 64 transforms in an SA"},
		{65, 1, "proposal 65: more than 64 transforms in an SA"},
		{2, 33, "proposal 2: more than 64 transforms in an SA"},
		{1, 255, "proposal 1: more than 64 transforms in an SA"},
		{1, 0, "proposal 1: no transform"},
	}
	for _, test := range tests {
		_, err := ParseSA(offer(test.proposals, test.transforms))
		wantError(t, err, test.err)
	}
}

func TestSARefused(t *testing.T) {
	const head = "00000001 00000001 "
	tests := []struct{ name, body, err string }{
		{"smallest", head + "00000010 01010001 00000008 01010000", ""},
		{"reserved fields in use", head + "00ff0010 01010001 00ee0008 0101dddd", ""},
		{"no proposal", head, "SA payload: proposal 1: 0 octets left, 8 needed"},
		{"unknown DOI", "00000002 00000001 00000010 01010001 00000008 01010000", "SA payload: DOI 2 isn't known"},
		{"generic DOI", "00000000 00000001 00000010 01010001 00000008 01010000", ""},
		{"labels", "00000001 00000003 00000010 01010001 00000008 01010000", "SA payload: situation 0x3 has labels"},
		{"proposal is something else", head + "03000010 01010001 00000008 01010000", "proposal 1: next payload is T"},
		{"proposal of 0 octets", head + "00000000 01010001 00000008 01010000", "proposal 1: length 0 is below 8"},
		{"proposal of 3 octets", head + "00000003 01010001 00000008 01010000", "proposal 1: length 3 is below 8"},
		{"proposal too long", head + "00000011 01010001 00000008 01010000", "proposal 1: length 17, but 16 octets left"},
		{"proposal too short", head + "0000000f 01010001 00000008 01010000", "proposal 1: transform 1: length 8, but 7 octets left"},
		{"another proposal announced", head + "02000010 01010001 00000008 01010000", "proposal 2: 0 octets left, 8 needed"},
		{"octets behind", head + "00000010 01010001 00000008 01010000 00", "SA payload: 1 octets behind the last proposal"},
		{"SPI beyond the payload", head + "00000010 01010901 00000008 01010000", "proposal 1: SPI of 9 octets, but 8 left"},
		{"SPI of 255 octets, cut", head + "00000010 0101ff01 00000008 01010000", "proposal 1: SPI of 255 octets, but 8 left"},
		{"SPI of 255 octets", head + "0000010f 0101ff01" + strings.Repeat("5a", 255) + "00000008 01010000", ""},
		{"SPI eats the transform", head + "00000010 01010801 00000008 01010000", "proposal 1: transform 1: 0 octets left, 8 needed"},
		{"transform is something else", head + "00000010 01010001 02000008 01010000", "transform 1: next payload is P"},
		{"one transform too few", head + "00000010 01010002 03000008 01010000", "transform 2: 0 octets left, 8 needed"},
		{"more announced than counted", head + "00000010 01010001 03000008 01010000", "transform 1: next payload doesn't fit the number of transforms"},
		{"fewer announced than counted", head + "00000018 01010002 00000008 01010000 00000008 01010000", "transform 1: next payload doesn't fit"},
		{"one transform too many", head + "00000018 01010001 00000008 01010000 00000008 01010000", "proposal 1: 8 octets behind the last transform"},
		{"transform of 7 octets", head + "00000010 01010001 00000007 01010000", "transform 1: length 7 is below 8"},
		{
			"attribute beyond the transform",
			head + "00000028 01010002 0300000c 01010000 80010001 00000014 01010000 80010001 000c0005 00000e10",
			"SA payload: proposal 1: transform 2: attribute at octet 12 runs past the end",
		},
		{
			"attribute cut in its header",
			head + "00000013 01010001 0000000b 01010000 800b01",
			"SA payload: proposal 1: transform 1: attribute at octet 8 runs past the end",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseSA(unhex(t, test.body))
			wantError(t, err, test.err)
		})
	}
}

func TestSAOfManyAttributes(t *testing.T) {
	tests := []struct {
		attributes [2]int // of two transforms
		err        string
	}{
		{[2]int{512, 512}, ""},
		{[2]int{1024, 0}, ""},
		{[2]int{1025, 0}, "transform 1: attribute at octet 4104: more than 1024 attributes"},
		{[2]int{512, 513}, "transform 2: attribute at octet 2056: more than 1024 attributes"},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.attributes), func(t *testing.T) {
			var transforms []Transform
			for _, n := range test.attributes {
				transforms = append(transforms, Transform{Attributes: attributes(n)})
			}
			sa := SA{DOI: DOIIPsec, Proposals: []Proposal{{Transforms: transforms}}}
			_, err := ParseSA(sa.Marshal())
			wantError(t, err, test.err)
		})
	}
}

func attributes(n int) []Attribute {
	as := make([]Attribute, n)
	for i := range as {
		as[i] = TV(1, 1)
	}
	return as
}
