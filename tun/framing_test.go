package tun

import (
	"bytes"
	"testing"
)

func TestClassify(t *testing.T) {
	message := bytes.Repeat([]byte{0x2a}, 28)
	marked := append([]byte{0, 0, 0, 0}, message...)
	packet := []byte{0x12, 0x34, 0x56, 0x78, 0, 0, 0, 1, 0xaa}
	for _, test := range []struct {
		name    string
		framing Framing
		port    uint16
		data    []byte
		kind    kind
		want    []byte
	}{
		{"client, plain from 500", ByRemotePort, 500, message, kindIKE, message},
		{"client, looks like ESP but from 500", ByRemotePort, 500, packet, kindIKE, packet},
		{"client, keepalive from 500", ByRemotePort, 500, []byte{0xff}, kindKeepalive, nil},
		{"client, marked from 4500", ByRemotePort, 4500, marked, kindIKE, message},
		{"client, ESP from 4500", ByRemotePort, 4500, packet, kindESP, packet},
		{"client, ESP from another port", ByRemotePort, 10000, packet, kindESP, packet},
		{"client, keepalive from 4500", ByRemotePort, 4500, []byte{0xff}, kindKeepalive, nil},
		{"gateway's 500, from a random port", PlainIKE, 40000, message, kindIKE, message},
		{"gateway's 500, keepalive", PlainIKE, 40000, []byte{0xff}, kindKeepalive, nil},
		{"gateway's 4500, marked, from 500", Encapsulated, 500, marked, kindIKE, message},
		{"gateway's 4500, ESP, from 500", Encapsulated, 500, packet, kindESP, packet},
		{"gateway's 4500, keepalive", Encapsulated, 500, []byte{0xff}, kindKeepalive, nil},
		{"client, ESP behind the non-IKE marker", ByRemotePort, 500, append(make([]byte, 8), packet...), kindESP, packet},
		{"gateway's 500, ESP behind the non-IKE marker", PlainIKE, 40000, append(make([]byte, 8), packet...), kindESP, packet},
		{"non-IKE marker alone", PlainIKE, 40000, make([]byte, 8), kindShort, nil},
		{"non-IKE marker and SPI 0", PlainIKE, 40000, make([]byte, 20), kindShort, nil},
		{"empty", Encapsulated, 4500, nil, kindShort, nil},
		{"one octet, not ff", Encapsulated, 4500, []byte{0xfe}, kindShort, nil},
		{"two octets", Encapsulated, 4500, []byte{0xff, 0xff}, kindShort, nil},
		{"marker alone", Encapsulated, 4500, []byte{0, 0, 0, 0}, kindShort, nil},
		{"half an ESP header", Encapsulated, 4500, packet[:7], kindShort, nil},
		{"empty on 500", PlainIKE, 500, nil, kindShort, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			kind, data := classify(test.data, test.framing.marker(test.port))
			if kind != test.kind || kind != kindShort && !bytes.Equal(data, test.want) {
				t.Errorf("%v %x, want %v %x", kind, data, test.kind, test.want)
			}
		})
	}
}

func FuzzClassify(f *testing.F) {
	f.Add([]byte{0xff}, true)
	f.Add([]byte{0, 0, 0, 0, 1, 2, 3, 4}, true)
	f.Add([]byte{0, 0, 0, 0, 1, 2, 3, 4}, false)
	f.Add([]byte{0x12, 0x34, 0x56, 0x78, 0, 0, 0, 1}, true)
	f.Fuzz(func(t *testing.T, b []byte, marker bool) {
		kind, data := classify(b, marker)
		if (kind == kindESP || kind == kindIKE) && !bytes.HasSuffix(b, data) {
			t.Fatalf("%x isn't the end of %x", data, b)
		}
		if kind == kindESP && bytes.HasPrefix(data, nonESPMarker) {
			t.Fatal("ESP with an SPI of 0")
		}
	})
}
