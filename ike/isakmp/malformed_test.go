package isakmp

import (
	"bufio"
	"bytes"
	"os"
	"strings"
	"testing"
)

// Datagrams that crashed other people's parsers, as libreswan publishes them.
func TestMalformed(t *testing.T) {
	const file = "../../../shared/facts/vectors/malformed/libreswan-fuzzer-ikev1.hex"
	b, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		t.Skip("the vectors aren't part of the project: " + file)
	}
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{ // the first error, "" for none
		"cve-2009-0790-0":  "header: version 0.11",
		"cve-2015-3204-0":  "SA payload: situation 0xffffffff has labels",
		"cve-2015-3204-1":  "", // its SA is called payload 15
		"cve-2022-23094-0": "payload 2 (VID) at octet 120: length 1 is below 4",
	}
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		name, hex, ok := strings.Cut(lines.Text(), " ")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			datagram := unhex(t, hex)
			checkDatagram(t, datagram)
			text, known := want[name]
			if !known {
				t.Fatal("no expectation")
			}
			wantError(t, firstError(datagram), text)
		})
		delete(want, name)
	}
	for name := range want {
		t.Errorf("%s is missing", name)
	}
}

// firstError returns the first error in reading the datagram and its SA.
func firstError(datagram []byte) error {
	h, err := ParseHeader(datagram)
	if err != nil {
		return err
	}
	m, err := ParseMessage(h, datagram[HeaderLen:h.Length])
	if err != nil {
		return err
	}
	for _, body := range m.All(PayloadSA) {
		if _, err := ParseSA(body); err != nil {
			return err
		}
	}
	return nil
}
