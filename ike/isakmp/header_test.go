package isakmp

import (
	"encoding/binary"
	"strings"
	"testing"
)

var testHeader = Header{
	InitiatorCookie: Cookie{1, 2, 3, 4, 5, 6, 7, 8},
	ResponderCookie: Cookie{9, 10, 11, 12, 13, 14, 15, 16},
	NextPayload:     PayloadHash,
	Version:         Version,
	Exchange:        ExchangeQuick,
	Flags:           FlagEncryption | FlagCommit,
	MessageID:       0x01020304,
	Length:          HeaderLen,
}

func TestHeader(t *testing.T) {
	b := testHeader.Append(nil)
	if len(b) != HeaderLen {
		t.Fatalf("%d octets", len(b))
	}
	got, err := ParseHeader(append(b, "behind the message"...))
	if err != nil || got != testHeader {
		t.Errorf("got %+v, %v", got, err)
	}
	if got := testHeader.InitiatorCookie.String(); got != "0102030405060708" {
		t.Errorf("cookie prints as %s", got)
	}
}

func TestHeaderRefused(t *testing.T) {
	for n := range HeaderLen {
		if _, err := ParseHeader(testHeader.Append(nil)[:n]); err == nil {
			t.Errorf("%d octets accepted", n)
		}
	}
	tests := []struct {
		name   string
		change func(b []byte)
		size   int // of the datagram
		err    string
	}{
		{"IKEv2", func(b []byte) { b[17] = 0x20 }, 28, "header: version 2.0"},
		{"version 0", func(b []byte) { b[17] = 0x0f }, 28, "header: version 0.15"},
		{"minor version", func(b []byte) { b[17] = 0x11 }, 28, ""},
		{"length 0", length(0), 28, "header: length 0 is below 28"},
		{"length 27", length(27), 28, "header: length 27 is below 28"},
		{"longer than the datagram", length(29), 28, "header: length 29 in a datagram of 28 octets"},
		{"shorter than the datagram", length(28), 40, ""},
		{"largest", length(MaxMessage), MaxMessage, ""},
		{"too large", length(MaxMessage + 1), MaxMessage + 1, "header: length 65537 is above 65536"},
		{"all ones", length(0xffffffff), 28, "header: length 4294967295 is above 65536"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := append(testHeader.Append(nil), make([]byte, test.size-HeaderLen)...)
			test.change(b)
			_, err := ParseHeader(b)
			wantError(t, err, test.err)
		})
	}
}

func length(n uint32) func([]byte) {
	return func(b []byte) { binary.BigEndian.PutUint32(b[24:], n) }
}

// wantError wants an error with that text, or none when the text is empty.
func wantError(t *testing.T, err error, text string) {
	t.Helper()
	switch {
	case text == "" && err != nil:
		t.Error(err)
	case text != "" && err == nil:
		t.Errorf("accepted, want %q", text)
	case text != "" && !strings.Contains(err.Error(), text):
		t.Errorf("got %q, want %q", err, text)
	}
}
