//go:build linux

package main

import (
	"net/netip"
	"testing"
)

func TestSuiteOf(t *testing.T) {
	for _, name := range []string{"null", "aes128-sha1", "aes256-sha256", "aes128-sha256_96", "aes128gcm16", "3des-sha1", "des-md5", "null-sha1"} {
		s, err := suiteOf(name)
		if err != nil || s.String() != name {
			t.Errorf("%s: got %v, %v", name, s, err)
		}
	}
	for _, name := range []string{"", "aes", "aes129-sha1", "rot13"} {
		if s, err := suiteOf(name); err == nil {
			t.Errorf("%q is taken for %v", name, s)
		}
	}
}

// What one end seals the other opens.
func TestEndsFit(t *testing.T) {
	for _, name := range []string{"aes128-sha1", "3des-md5", "aes256gcm16", "null-sha1"} {
		s, err := suiteOf(name)
		if err != nil {
			t.Fatal(err)
		}
		a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
		out, errOut := options{suite: s, local: a, remote: b}.outbound()
		in, errIn := options{suite: s, local: b, remote: a}.inbound()
		if errOut != nil || errIn != nil {
			t.Fatal(errOut, errIn)
		}
		packet, err := out.Seal(nil, []byte("\x45 a packet"), 4)
		if err != nil {
			t.Fatal(err)
		}
		if inner, _, err := in.Open(packet); err != nil || string(inner) != "\x45 a packet" {
			t.Errorf("%s: got %q, %v", name, inner, err)
		}
	}
}
