package ike_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/ike"
	"postern/ike/isakmp"
)

func TestVendorIDName(t *testing.T) {
	for _, c := range []struct{ id, want string }{
		{"09002689dfd6b712", "XAuth"},
		{"09002689dfd6b71280a224dec33b81e5", "XAuth"},
		{"afcad71368a1f1c96b8696fc77570100", "DPD (RFC 3706)"},
		{"12f5f28c457168a9702d9fe274cc0100", "Cisco Unity"},
		{"4048b7d56ebce88525e7de7f00d6c2d3c0000000", "IKE fragmentation"},
		{"4a131c81070358455c5728f20e95452f", "NAT traversal, RFC 3947"},
		{"90cb80913ebb696e086381b5ec427b1f", "NAT traversal, draft-ietf-ipsec-nat-t-ike-02"},
		{"404bf439522ca3f6", "SonicWall"},
		{"1e2b516905991c7d7c96fcbfb587e46100000009", "Microsoft Windows"},
		{"4865617274426561745f4e6f74696679386b0100", "heartbeat notify (NetScreen)"},
		{"00", ""},
		{"", ""},
	} {
		id, err := hex.DecodeString(c.id)
		if err != nil {
			t.Fatal(err)
		}
		if got := ike.VendorIDName(id); got != c.want {
			t.Errorf("%s: %q, want %q", c.id, got, c.want)
		}
	}
	for _, id := range ike.VendorIDs() {
		if ike.VendorIDName(id) == "" {
			t.Errorf("we announce %x and don't know it", id)
		}
	}
}

func TestFeaturesOf(t *testing.T) {
	got := ike.FeaturesOf(ike.VendorIDs())
	want := ike.Features{
		XAuth: true, DPD: true, Unity: true, Fragmentation: true,
		NATTraversal: []string{
			"RFC 3947", "draft-ietf-ipsec-nat-t-ike-03", "draft-ietf-ipsec-nat-t-ike-02",
			"draft-ietf-ipsec-nat-t-ike-01", "draft-ietf-ipsec-nat-t-ike-00",
		},
		Products: []string{"Cisco Unity"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPublicValue(t *testing.T) {
	for group, size := range map[isakmp.Group]int{isakmp.GroupMODP1024: 128, isakmp.GroupECP256: 64, isakmp.GroupCurve25519: 32} {
		a, err := ike.PublicValue(group)
		if err != nil || len(a) != size {
			t.Fatalf("group %d: %d octets, %v", group, len(a), err)
		}
		b, _ := ike.PublicValue(group)
		if bytes.Equal(a, b) || bytes.Equal(a, make([]byte, size)) {
			t.Errorf("group %d: not a new value each time", group)
		}
	}
	if _, err := ike.PublicValue(99); err == nil {
		t.Error("a group that doesn't exist")
	}
}
