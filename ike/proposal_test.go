package ike

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/ike/isakmp"
)

var (
	strong = Proposal{isakmp.CipherAES, 256, isakmp.HashSHA256, isakmp.GroupMODP2048}
	weak   = Proposal{isakmp.Cipher3DES, 0, isakmp.HashMD5, isakmp.GroupMODP1024}
	short  = Proposal{isakmp.CipherAES, 128, isakmp.HashSHA1, isakmp.GroupMODP1536}
	psk    = []isakmp.AuthMethod{isakmp.AuthPSK}
)

func phase1SA(proposal uint8, transforms ...isakmp.Transform) []byte {
	return isakmp.SA{DOI: isakmp.DOIIPsec, Situation: isakmp.SituationIdentityOnly, Proposals: []isakmp.Proposal{
		{Number: proposal, Protocol: isakmp.ProtoISAKMP, Transforms: transforms},
	}}.Marshal()
}

// The cipher stands first and the key length behind it, which some insist on; a
// cipher of one key length states none.
func TestKeyLengthFollowsCipherInOffer(t *testing.T) {
	for _, p := range []Proposal{strong, weak} {
		var got []uint16
		for _, a := range p.transform(1, isakmp.AuthPSK, time.Hour).Attributes {
			got = append(got, a.Type)
		}
		want := []uint16{isakmp.AttrEncryption, isakmp.AttrKeyLength, isakmp.AttrHash, isakmp.AttrGroup, isakmp.AttrAuthMethod, isakmp.AttrLifeType, isakmp.AttrLifeDuration}
		if p == weak {
			want = slices.Delete(want, 1, 2)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", p, diff)
		}
	}
}

// Peers write the attributes in any order. A life type stands before its duration.
func TestAttributesInAnyOrder(t *testing.T) {
	as := strong.transform(1, isakmp.AuthPSK, time.Hour).Attributes
	orders := 0
	permute(as, func(as []isakmp.Attribute) {
		typeAt := slices.IndexFunc(as, func(a isakmp.Attribute) bool { return a.Type == isakmp.AttrLifeType })
		if durationAt := slices.IndexFunc(as, func(a isakmp.Attribute) bool { return a.Type == isakmp.AttrLifeDuration }); durationAt < typeAt {
			return
		}
		orders++
		r, err := readPhase1(isakmp.Transform{Number: 1, ID: isakmp.KeyIKE, Attributes: as})
		if err != nil || r.Proposal != strong || r.method != isakmp.AuthPSK || r.life != time.Hour {
			t.Fatalf("%v: %+v, %v", as, r, err)
		}
	})
	if orders != 5040/2 {
		t.Errorf("%d orders", orders)
	}
}

// permute shows f every order of s.
func permute[T any](s []T, f func([]T)) {
	var next func(k int)
	next = func(k int) {
		if k == len(s) {
			f(s)
			return
		}
		for i := k; i < len(s); i++ {
			s[k], s[i] = s[i], s[k]
			next(k + 1)
			s[k], s[i] = s[i], s[k]
		}
	}
	next(0)
}

// The responder answers with the numbers that the initiator gave, 0 or 1, with one
// transform of the many, and takes duplicates as they are.
func TestResponderEchoesNumbers(t *testing.T) {
	for _, number := range []uint8{0, 1, 7} {
		offer := phase1SA(
			number,
			weak.transform(number, isakmp.AuthPSK, 0), strong.transform(number+1, isakmp.AuthPSK, 0), strong.transform(number+1, isakmp.AuthPSK, 0))
		chosen, answer, err := choosePhase1(offer, []Proposal{strong}, psk)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(phase1SA(number, strong.transform(number+1, isakmp.AuthPSK, 0)), answer); diff != "" {
			t.Errorf("number %d (-want +got):\n%s", number, diff)
		}
		if _, err := chosenPhase1(answer, []Proposal{weak, strong}, psk); err != nil || chosen.Proposal != strong {
			t.Errorf("number %d: %v, %v", number, chosen.Proposal, err)
		}
	}
}

// AES without a key length is AES with 128 bits, and good only where that was
// offered.
func TestAESWithoutKeyLength(t *testing.T) {
	tr := short.transform(1, isakmp.AuthPSK, 0)
	tr.Attributes = slices.DeleteFunc(tr.Attributes, func(a isakmp.Attribute) bool { return a.Type == isakmp.AttrKeyLength })
	answer := phase1SA(1, tr)
	if r, err := chosenPhase1(answer, []Proposal{short}, psk); err != nil || r.KeyBits != 128 {
		t.Errorf("128 bits offered: %v, %v", r, err)
	}
	longer := short
	longer.KeyBits = 256
	if r, err := chosenPhase1(answer, []Proposal{longer}, psk); err == nil {
		t.Errorf("256 bits offered: %v is taken", r)
	}
	unstated := short
	unstated.KeyBits = 0
	if _, err := chosenPhase1(phase1SA(1, short.transform(1, isakmp.AuthPSK, 0)), []Proposal{unstated}, psk); err != nil {
		t.Error("nothing stated, 128 bits answered:", err)
	}
}

// A responder that changes any attribute of what it chose is refused, life times
// excepted.
func TestAlteredChoiceIsRefused(t *testing.T) {
	offered := []Proposal{strong, weak}
	good := strong.transform(1, isakmp.AuthPSK, time.Hour)
	if _, err := chosenPhase1(phase1SA(1, good), offered, psk); err != nil {
		t.Fatal(err)
	}
	try := func(name string, as ...isakmp.Attribute) {
		t.Helper()
		tr := good
		tr.Attributes = as
		if r, err := chosenPhase1(phase1SA(1, tr), offered, psk); err == nil {
			t.Errorf("%s: %+v is taken", name, r)
		}
	}
	for i, a := range good.Attributes {
		if a.Type == isakmp.AttrLifeType || a.Type == isakmp.AttrLifeDuration {
			continue
		}
		v, _ := a.Uint()
		for other := range uint16(600) {
			if uint64(other) != v {
				as := slices.Clone(good.Attributes)
				as[i] = isakmp.TV(a.Type, other)
				try(fmt.Sprintf("attribute %d = %d", a.Type, other), as...)
			}
		}
		try(fmt.Sprintf("without attribute %d", a.Type), slices.Delete(slices.Clone(good.Attributes), i, i+1)...)
		try(fmt.Sprintf("attribute %d twice", a.Type), append(slices.Clone(good.Attributes), a)...)
		as := slices.Clone(good.Attributes)
		as[i] = isakmp.TLV(a.Type, nil)
		try(fmt.Sprintf("attribute %d without value", a.Type), as...)
		as[i] = isakmp.TLV(a.Type, append(make([]byte, 8), 0, byte(v)))
		try(fmt.Sprintf("attribute %d of 10 octets", a.Type), as...)
	}
	try("an unknown attribute", append(slices.Clone(good.Attributes), isakmp.TV(13, 1))...)
	for name, body := range map[string][]byte{
		"two transforms": phase1SA(1, good, good),
		"no transform":   phase1SA(1),
		"nothing":        {},
		"ESP":            espSA(isakmp.ProtoESP, 0x1000, good),
	} {
		if _, err := chosenPhase1(body, offered, psk); err == nil {
			t.Error(name, "is taken")
		}
	}
}

func espSA(protocol isakmp.ProtocolID, spi uint32, ts ...isakmp.Transform) []byte {
	return isakmp.SA{DOI: isakmp.DOIIPsec, Situation: isakmp.SituationIdentityOnly, Proposals: []isakmp.Proposal{
		{Number: 1, Protocol: protocol, SPI: uint32b(spi), Transforms: ts},
	}}.Marshal()
}

// The same for Quick Mode.
func TestAlteredChildChoiceIsRefused(t *testing.T) {
	c := &ChildConfig{
		Proposals: []ESPProposal{{Encryption: isakmp.ESPAES, KeyBits: 256, Integrity: isakmp.AuthHMACSHA256}},
		Group:     isakmp.GroupMODP2048, Lifetime: time.Hour,
	}
	good := c.Proposals[0].transform(1, c, isakmp.EncapTunnel)
	chosen := func(protocol isakmp.ProtocolID, spi uint32, ts ...isakmp.Transform) error {
		_, _, err := chosenESP(espSA(protocol, spi, ts...), c, isakmp.EncapTunnel)
		return err
	}
	if err := chosen(isakmp.ProtoESP, 0x1000, good); err != nil {
		t.Fatal(err)
	}
	for i, a := range good.Attributes {
		if a.Type == isakmp.ESPAttrLifeType || a.Type == isakmp.ESPAttrLifeDuration {
			continue
		}
		v, _ := a.Uint()
		for other := range uint16(600) {
			tr := good
			tr.Attributes = slices.Clone(good.Attributes)
			tr.Attributes[i] = isakmp.TV(a.Type, other)
			if uint64(other) != v && chosen(isakmp.ProtoESP, 0x1000, tr) == nil {
				t.Errorf("attribute %d = %d is taken", a.Type, other)
			}
		}
		tr := good
		tr.Attributes = slices.Delete(slices.Clone(good.Attributes), i, i+1)
		if chosen(isakmp.ProtoESP, 0x1000, tr) == nil {
			t.Errorf("without attribute %d it is taken", a.Type)
		}
	}
	for id := range uint8(255) {
		tr := good
		tr.ID = id
		if id != isakmp.ESPAES && chosen(isakmp.ProtoESP, 0x1000, tr) == nil {
			t.Errorf("transform %d is taken", id)
		}
	}
	for name, err := range map[string]error{
		"AH":             chosen(isakmp.ProtoAH, 0x1000, good),
		"SPI 0":          chosen(isakmp.ProtoESP, 0, good),
		"SPI 255":        chosen(isakmp.ProtoESP, 255, good),
		"two transforms": chosen(isakmp.ProtoESP, 0x1000, good, good),
	} {
		if err == nil {
			t.Error(name, "is taken")
		}
	}
}

// Life times come short and long, in 2 to 8 octets, and no value refuses an offer.
func TestLifetimeForms(t *testing.T) {
	seconds := isakmp.TV(isakmp.AttrLifeType, isakmp.LifeSeconds)
	kbytes := isakmp.TV(isakmp.AttrLifeType, isakmp.LifeKilobytes)
	duration := func(n int, v uint64) isakmp.Attribute {
		return isakmp.TLV(isakmp.AttrLifeDuration, binary.BigEndian.AppendUint64(nil, v)[8-n:])
	}
	tests := []struct {
		name string
		life []isakmp.Attribute
		want time.Duration
	}{
		{"none", nil, 0},
		{"basic", []isakmp.Attribute{seconds, isakmp.TV(isakmp.AttrLifeDuration, 28800)}, 8 * time.Hour},
		{"2 octets", []isakmp.Attribute{seconds, duration(2, 28800)}, 8 * time.Hour},
		{"4 octets", []isakmp.Attribute{seconds, duration(4, 86400)}, 24 * time.Hour},
		{"8 octets", []isakmp.Attribute{seconds, duration(8, 86400)}, 24 * time.Hour},
		{"zero", []isakmp.Attribute{seconds, duration(4, 0)}, 0},
		{"2147483 s", []isakmp.Attribute{seconds, duration(4, 2147483)}, 2147483 * time.Second},
		{"more than anybody waits", []isakmp.Attribute{seconds, duration(8, math.MaxUint64)}, 10 * 365 * 24 * time.Hour},
		{"kilobytes", []isakmp.Attribute{kbytes, duration(4, 1000)}, 0},
		{"both", []isakmp.Attribute{kbytes, duration(4, 1000), seconds, duration(4, 3600)}, time.Hour},
		{"a type without duration", []isakmp.Attribute{seconds}, 0},
		{"a duration without type", []isakmp.Attribute{duration(4, 3600)}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tr := strong.transform(1, isakmp.AuthPSK, 0)
			tr.Attributes = append(tr.Attributes, test.life...)
			r, _, err := choosePhase1(phase1SA(1, tr), []Proposal{strong}, psk)
			if err != nil || r.life != test.want {
				t.Errorf("%v, %v; want %v", r.life, err, test.want)
			}
		})
	}
}

// A life time over 16 bits is written in the long form.
func TestLongLifetimeOffered(t *testing.T) {
	for life, basic := range map[time.Duration]bool{65535 * time.Second: true, 65536 * time.Second: false} {
		as := strong.transform(1, isakmp.AuthPSK, life).Attributes
		a := as[len(as)-1]
		v, err := a.Uint()
		if err != nil || a.Basic != basic || v != uint64(life/time.Second) {
			t.Errorf("%v: %+v", life, a)
		}
	}
}

func TestResponderLifetime(t *testing.T) {
	tests := []struct {
		name     string
		protocol isakmp.ProtocolID
		data     []isakmp.Attribute
		life     time.Duration
		kbytes   uint64
	}{
		{"seconds", isakmp.ProtoESP, []isakmp.Attribute{isakmp.TV(1, 1), isakmp.TV(2, 3600)}, time.Hour, 0},
		{"both", isakmp.ProtoESP, []isakmp.Attribute{isakmp.TV(1, 1), isakmp.TV(2, 3600), isakmp.TV(1, 2), isakmp.TLV(2, []byte{0, 70, 0, 0})}, time.Hour, 70 << 16},
		{"phase 1's numbers", isakmp.ProtoISAKMP, []isakmp.Attribute{isakmp.TV(11, 1), isakmp.TV(12, 3600)}, time.Hour, 0},
		{"the RFC's numbers for phase 1", isakmp.ProtoISAKMP, []isakmp.Attribute{isakmp.TV(1, 1), isakmp.TV(2, 3600)}, time.Hour, 0},
		{"a type that no duration follows", isakmp.ProtoESP, []isakmp.Attribute{isakmp.TV(1, 2), isakmp.TV(1, 1), isakmp.TV(2, 3600), isakmp.TV(1, 2)}, time.Hour, 0},
		{"a duration without type", isakmp.ProtoESP, []isakmp.Attribute{isakmp.TV(2, 3600)}, 0, 0},
		{"an empty duration", isakmp.ProtoESP, []isakmp.Attribute{isakmp.TV(1, 1), isakmp.TLV(2, nil)}, 0, 0},
		{"nothing", isakmp.ProtoESP, nil, 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := isakmp.Notify{Protocol: test.protocol, Data: isakmp.AppendAttributes(nil, test.data)}
			if life, kbytes := ResponderLifetime(n); life != test.life || kbytes != test.kbytes {
				t.Errorf("%v and %d kB, want %v and %d kB", life, kbytes, test.life, test.kbytes)
			}
		})
	}
	if life, kbytes := ResponderLifetime(isakmp.Notify{Data: []byte{0, 1, 255, 255, 0}}); life != 0 || kbytes != 0 {
		t.Errorf("broken attributes: %v, %d", life, kbytes)
	}
}

// A proposal that comes bundled with another, or for another protocol, isn't
// taken apart.
func TestBundledProposals(t *testing.T) {
	c := &ChildConfig{Proposals: []ESPProposal{{Encryption: isakmp.ESPAES, KeyBits: 128, Integrity: isakmp.AuthHMACSHA1}}}
	esp := isakmp.Proposal{Number: 1, Protocol: isakmp.ProtoESP, SPI: uint32b(0x1000), Transforms: []isakmp.Transform{c.Proposals[0].transform(1, c, isakmp.EncapTunnel)}}
	ipcomp := isakmp.Proposal{Number: 1, Protocol: isakmp.ProtoIPCOMP, SPI: []byte{1, 2}, Transforms: []isakmp.Transform{{Number: 1, ID: isakmp.IPCOMPDeflate}}}
	alone := esp
	alone.Number, alone.SPI = 2, uint32b(0x2000)
	choose := func(ps ...isakmp.Proposal) (uint32, error) {
		body := isakmp.SA{DOI: isakmp.DOIIPsec, Situation: isakmp.SituationIdentityOnly, Proposals: ps}.Marshal()
		_, spi, _, err := chooseESP(body, c, isakmp.EncapTunnel, 0x3000)
		return spi, err
	}
	if _, err := choose(esp, ipcomp); err == nil {
		t.Error("half of a bundle is taken")
	}
	if spi, err := choose(esp, ipcomp, alone); err != nil || spi != 0x2000 {
		t.Errorf("behind a bundle: %x, %v", spi, err)
	}
}
