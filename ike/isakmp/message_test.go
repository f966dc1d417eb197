package isakmp

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func header(next PayloadType) Header {
	h := testHeader
	h.NextPayload = next
	return h
}

func TestMessage(t *testing.T) {
	payloads := []Payload{
		{PayloadHash, []byte("hash")},
		{PayloadSA, []byte("sa")},
		{PayloadNonce, []byte("nonce")},
		{PayloadID, []byte{}},
		{PayloadID, []byte("second")},
	}
	octets := AppendPayloads(nil, payloads)
	for _, padding := range []string{"", "\x00", "\x00\x00\x00\x00\x00\x00\x00\x07", "any octets, and more of them than a block"} {
		m, err := ParseMessage(header(PayloadHash), append(bytes.Clone(octets), padding...))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(payloads, m.Payloads); diff != "" {
			t.Errorf("payloads (-want +got):\n%s", diff)
		}
		if got := m.After(0); !bytes.Equal(got, octets[8:]) {
			t.Errorf("after the hash % x, want % x", got, octets[8:])
		}
		if got := m.After(-1); !bytes.Equal(got, octets) {
			t.Errorf("all % x, want % x", got, octets)
		}
		if got := m.After(len(payloads) - 1); len(got) != 0 {
			t.Errorf("after the last % x", got)
		}
		if got := m.Get(PayloadID); got == nil || len(got) != 0 {
			t.Errorf("first ID %q", got)
		}
		if got := m.All(PayloadID); len(got) != 2 || string(got[1]) != "second" {
			t.Errorf("IDs %q", got)
		}
		if m.Get(PayloadKE) != nil || m.All(PayloadKE) != nil {
			t.Error("found a KE that isn't there")
		}
	}
}

// After returns what was received, not what would have been sent: RESERVED
// stays as it was.
func TestAfterKeepsReceivedOctets(t *testing.T) {
	body := []byte{1, 0xff, 0, 4, 0, 0xee, 0, 6, 'h', 'i', 0}
	m, err := ParseMessage(header(PayloadHash), body)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m.After(0), []byte{0, 0xee, 0, 6, 'h', 'i'}; !bytes.Equal(got, want) {
		t.Errorf("got % x, want % x", got, want)
	}
}

func TestMessageRefused(t *testing.T) {
	many := make([]Payload, MaxPayloads+1)
	for i := range many {
		many[i] = Payload{PayloadVendorID, nil}
	}
	tests := []struct {
		name string
		next PayloadType
		body []byte
		err  string
	}{
		{"no payload", PayloadNone, nil, ""},
		{"only padding", PayloadNone, []byte{1, 2, 3}, ""},
		{"missing", PayloadSA, nil, "payload 1 (SA) at octet 28: 0 octets left for its header of 4"},
		{"cut header", PayloadSA, []byte{0, 0, 0}, "payload 1 (SA) at octet 28: 3 octets left for its header of 4"},
		{"length 0", PayloadSA, []byte{0, 0, 0, 0}, "payload 1 (SA) at octet 28: length 0 is below 4"},
		{"length 3", PayloadSA, []byte{0, 0, 0, 3}, "payload 1 (SA) at octet 28: length 3 is below 4"},
		{"length 4", PayloadSA, []byte{0, 0, 0, 4}, ""},
		{"length 5 of 4", PayloadSA, []byte{0, 0, 0, 5}, "payload 1 (SA) at octet 28: length 5, but 4 octets left"},
		{"length 65535", PayloadSA, []byte{0, 0, 0xff, 0xff}, "payload 1 (SA) at octet 28: length 65535, but 4 octets left"},
		{"second cut", PayloadHash, []byte{10, 0, 0, 4, 0, 0, 0, 9, 1}, "payload 2 (NONCE) at octet 32: length 9, but 5 octets left"},
		{"unknown type", 200, []byte{0, 0, 0, 4}, ""},
		{"most payloads", PayloadVendorID, AppendPayloads(nil, many[1:]), ""},
		{"too many payloads", PayloadVendorID, AppendPayloads(nil, many), "message: more than 32 payloads"},
		{"largest", PayloadNone, make([]byte, MaxMessage-HeaderLen), ""},
		{"too large", PayloadNone, make([]byte, MaxMessage-HeaderLen+1), "message of 65537 octets is above 65536"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseMessage(header(test.next), test.body)
			wantError(t, err, test.err)
		})
	}
}

// A message cut anywhere inside its payloads is refused.
func TestMessageCut(t *testing.T) {
	for _, name := range labSessions {
		for i, m := range readLab(t, name).Messages {
			if m.RepeatOf != nil {
				continue
			}
			msg := m.parse(t)
			whole := msg.After(-1)
			for n := range whole {
				if _, err := ParseMessage(msg.Header, whole[:n]); err == nil {
					t.Errorf("%s, message %d: %d of %d octets accepted", name, i, n, len(whole))
				}
			}
		}
	}
}

func TestNotation(t *testing.T) {
	id, nonce := Payload{PayloadID, nil}, Payload{PayloadNonce, nil}
	notify := Payload{PayloadNotify, Notify{Type: NotifyInitialContact}.Marshal()}
	attr := Payload{PayloadConfiguration, Configuration{Type: CfgSet}.Marshal()}
	tests := []struct {
		exchange                      ExchangeType
		flags                         Flags
		payloads                      []Payload
		unknown, initiator, responder string
	}{
		{
			ExchangeMain, 0,
			[]Payload{{PayloadSA, nil}, {PayloadVendorID, nil}},
			"HDR, SA, VID", "HDR, SA, VID", "HDR, SA, VID",
		},
		{
			ExchangeMain, 0,
			[]Payload{{PayloadKE, nil}, nonce, {PayloadNATD, nil}, {PayloadNATDDraft, nil}},
			"HDR, KE, Nx, NAT-D, NAT-D", "HDR, KE, Ni, NAT-D, NAT-D", "HDR, KE, Nr, NAT-D, NAT-D",
		},
		{
			ExchangeMain, FlagEncryption,
			[]Payload{id, {PayloadCert, nil}, {PayloadSig, nil}},
			"HDR*, IDx, CERT, SIG", "HDR*, IDii, CERT, SIG_I", "HDR*, IDir, CERT, SIG_R",
		},
		{
			ExchangeAggressive, 0,
			[]Payload{{PayloadHash, nil}, notify},
			"HDR, HASH, N(INITIAL-CONTACT)", "HDR, HASH_I, N(INITIAL-CONTACT)", "HDR, HASH_R, N(INITIAL-CONTACT)",
		},
		{
			ExchangeQuick, FlagEncryption,
			[]Payload{{PayloadHash, nil}, {PayloadSA, nil}, nonce, id, id},
			"HDR*, HASH, SA, Nx, IDci, IDcr", "HDR*, HASH, SA, Ni, IDci, IDcr", "HDR*, HASH, SA, Nr, IDci, IDcr",
		},
		{
			ExchangeTransaction, FlagEncryption,
			[]Payload{{PayloadHash, nil}, attr},
			"HDR*, HASH, ATTR(SET)", "HDR*, HASH, ATTR(SET)", "HDR*, HASH, ATTR(SET)",
		},
		{
			ExchangeInformational, 0,
			[]Payload{{PayloadNotify, []byte("short")}, {PayloadConfiguration, nil}, {99, nil}, {PayloadDelete, nil}},
			"HDR, N, ATTR, payload 99, D", "HDR, N, ATTR, payload 99, D", "HDR, N, ATTR, payload 99, D",
		},
	}
	for _, test := range tests {
		m := &Message{Header: Header{Exchange: test.exchange, Flags: test.flags}, Payloads: test.payloads}
		got := []string{m.String(), m.Notation(true), m.Notation(false)}
		if diff := cmp.Diff([]string{test.unknown, test.initiator, test.responder}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
