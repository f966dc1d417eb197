package isakmp

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// emptyIsNil compares values that were written and read: octets that aren't
// there are nil before and empty after.
var emptyIsNil = cmpopts.EquateEmpty()

type marshaler interface{ Marshal() []byte }

// Values and their octets, both ways.
func TestPayloads(t *testing.T) {
	cookies := strings.Repeat("c0", 16)
	tests := []struct {
		name  string
		value marshaler
		hex   string
		parse func([]byte) (marshaler, error)
	}{
		{
			"R-U-THERE",
			Notify{DOIIPsec, ProtoISAKMP, bytes.Repeat([]byte{0xc0}, 16), NotifyRUThere, []byte{0, 0, 0, 7}},
			"00000001 01 10 8d28" + cookies + "00000007", as(ParseNotify),
		},
		{
			"NO-PROPOSAL-CHOSEN without SPI",
			Notify{DOI: DOIIPsec, Protocol: ProtoISAKMP, Type: NotifyNoProposalChosen},
			"00000001 01 00 000e", as(ParseNotify),
		},
		{
			"notify with an SPI of 255 octets",
			Notify{DOI: DOIIPsec, Protocol: ProtoESP, SPI: bytes.Repeat([]byte{0xab}, 255), Type: NotifyInvalidSPI},
			"00000001 03 ff 000b" + strings.Repeat("ab", 255), as(ParseNotify),
		},
		{
			"delete of two ESP SAs",
			Delete{DOIIPsec, ProtoESP, [][]byte{{1, 2, 3, 4}, {5, 6, 7, 8}}},
			"00000001 03 04 0002 01020304 05060708", as(ParseDelete),
		},
		{
			"delete of a phase 1 SA",
			Delete{DOIIPsec, ProtoISAKMP, [][]byte{bytes.Repeat([]byte{0xc0}, 16)}},
			"00000001 01 10 0001" + cookies, as(ParseDelete),
		},
		{
			"delete of nothing",
			Delete{DOI: DOIIPsec, Protocol: ProtoISAKMP},
			"00000001 01 00 0000", as(ParseDelete),
		},
		{
			"XAuth request",
			Configuration{CfgRequest, 0xbeef, []Attribute{TV(AttrXAuthType, XAuthGeneric), TLV(AttrXAuthUserName, nil)}},
			"0100beef c0880000 40890000", as(ParseConfiguration),
		},
		{
			"Mode Config acknowledgement without attributes",
			Configuration{Type: CfgAck, Identifier: 1},
			"04000001", as(ParseConfiguration),
		},
		{
			"fragment", Fragment{1, 1, false, []byte("data")}, "0001 01 00 64617461", as(ParseFragment),
		},
		{
			"last fragment", Fragment{0xffff, 255, true, nil}, "ffff ff 01", as(ParseFragment),
		},
		{
			"certificate", Cert{CertX509Signature, []byte("der")}, "04 646572", as(ParseCert),
		},
		{
			"certificate request for any authority", Cert{Encoding: CertX509Signature}, "04", as(ParseCert),
		},
		{
			"group name", ID{IDKeyID, 17, 500, []byte("staff")}, "0b 11 01f4 7374616666", as(ParseID),
		},
		{
			"empty ID of a hybrid client", ID{}, "00 00 0000", as(ParseID),
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := unhex(t, test.hex)
			if got := test.value.Marshal(); !bytes.Equal(got, want) {
				t.Errorf("marshalled % x, want % x", got, want)
			}
			got, err := test.parse(want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.value, got, emptyIsNil); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// as makes parsers of different types one type.
func as[T marshaler](parse func([]byte) (T, error)) func([]byte) (marshaler, error) {
	return func(b []byte) (marshaler, error) { return parse(b) }
}

func TestPayloadsRefused(t *testing.T) {
	tests := []struct {
		name  string
		parse func([]byte) (marshaler, error)
		hex   string
		err   string
	}{
		{"notify, empty", as(ParseNotify), "", "notify payload: 0 octets, 8 needed"},
		{"notify, cut", as(ParseNotify), "00000001 01 00 00", "notify payload: 7 octets, 8 needed"},
		{"notify, SPI beyond the payload", as(ParseNotify), "00000001 03 04 000b 010203", "notify payload: SPI of 4 octets, but 3 left"},
		{"notify, SPI of 255 octets", as(ParseNotify), "00000001 03 ff 000b 01020304", "notify payload: SPI of 255 octets, but 4 left"},
		{"delete, empty", as(ParseDelete), "", "delete payload: 0 octets, 8 needed"},
		{"delete, SPIs missing", as(ParseDelete), "00000001 03 04 0001", "delete payload: 1 SPIs of 4 octets in 0 octets"},
		{"delete, SPI cut", as(ParseDelete), "00000001 03 04 0002 01020304 050607", "delete payload: 2 SPIs of 4 octets in 7 octets"},
		{"delete, octets behind", as(ParseDelete), "00000001 03 04 0001 01020304 05", "delete payload: 1 SPIs of 4 octets in 5 octets"},
		{"delete, 65535 SPIs of nothing", as(ParseDelete), "00000001 03 00 ffff", "delete payload: 65535 SPIs, more than 1024"},
		{"delete, 1025 SPIs of 1 octet", as(ParseDelete), "00000001 03 01 0401" + strings.Repeat("00", 1025), "delete payload: 1025 SPIs, more than 1024"},
		{"delete, SPI of 255 octets", as(ParseDelete), "00000001 03 ff 0001 01020304", "delete payload: 1 SPIs of 255 octets in 4 octets"},
		{"attributes, cut", as(ParseConfiguration), "010000", "ATTR payload: 3 octets, 4 needed"},
		{"attributes, value cut", as(ParseConfiguration), "01000000 c0880000 40890002 61", "ATTR payload: attribute at octet 12 runs past the end"},
		{"fragment, cut", as(ParseFragment), "000101", "FRAG payload: 3 octets, 4 needed"},
		{"fragment 0", as(ParseFragment), "00010000 61", "FRAG payload: number 0"},
		{"certificate, empty", as(ParseCert), "", "CERT payload: empty"},
		{"ID, cut", as(ParseID), "0b0000", "ID payload: 3 octets, 4 needed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := test.parse(unhex(t, test.hex))
			wantError(t, err, test.err)
		})
	}
}

// Flags of a fragment other than the last are ignored, as is RESERVED.
func TestReservedIsIgnored(t *testing.T) {
	f, err := ParseFragment([]byte{0, 1, 1, 0xfe})
	if err != nil || f.Last {
		t.Errorf("%+v, %v", f, err)
	}
	c, err := ParseConfiguration([]byte{1, 0xff, 0, 1})
	if err != nil || c.Type != CfgRequest || c.Identifier != 1 {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestNames(t *testing.T) {
	tests := []struct{ got, want string }{
		{NotifyNoProposalChosen.String(), "NO-PROPOSAL-CHOSEN"},
		{NotifyType(16384).String(), "CONNECTED"},
		{NotifyType(24576).String(), "RESPONDER-LIFETIME"},
		{NotifyType(36137).String(), "R-U-THERE-ACK"},
		{NotifyType(31).String(), "notify 31"},
		{PayloadSA.String(), "SA"},
		{PayloadType(130).String(), "NAT-D"},
		{PayloadType(15).String(), "payload 15"},
		{ExchangeMain.String(), "Main Mode"},
		{ExchangeType(7).String(), "exchange 7"},
		{ProtoESP.String(), "PROTO_IPSEC_ESP"},
		{IDKeyID.String(), "ID_KEY_ID"},
		{CfgSet.String(), "ISAKMP_CFG_SET"},
		{CertX509Signature.String(), "X.509 Certificate - Signature"},
		{AuthMethod(AuthXAuthInitPSK).String(), "XAUTHInitPreShared"},
		{AuthMethod(77).String(), "authentication method 77"},
		{Flags(0).String(), "none"},
		{(FlagEncryption | FlagCommit).String(), "encryption, commit"},
		{Flags(0xf4).String(), "authentication only, 0xf0"},
		{
			Configuration{CfgReply, 7, []Attribute{TLV(AttrXAuthUserPassword, []byte("secret")), TV(9999, 1)}}.String(),
			"REPLY 7: XAUTH-USER-PASSWORD, attribute 9999",
		},
		{Configuration{Type: CfgAck}.String(), "ACK 0: nothing"},
	}
	for _, test := range tests {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
	if !NotifyUnequalPayloadLengths.IsError() || NotifyConnected.IsError() || NotifyInitialContact.IsError() {
		t.Error("errors end below 16384")
	}
}
