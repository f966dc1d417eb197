package tun

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
)

// syn builds a TCP SYN with these options, padded to whole words, and a correct
// checksum.
func syn(src, dst string, options ...byte) []byte {
	for len(options)%4 != 0 {
		options = append(options, tcpOptionEnd)
	}
	b := make([]byte, tcpHeaderLen)
	binary.BigEndian.PutUint16(b, 1234)
	binary.BigEndian.PutUint16(b[2:], 80)
	b[12], b[13] = byte((tcpHeaderLen+len(options))/4)<<4, tcpSYN
	b = append(b, options...)
	s, d := netip.MustParseAddr(src), netip.MustParseAddr(dst)
	binary.BigEndian.PutUint16(b[16:], ^fold(pseudoHeader(s, d, protoTCP, len(b))+sum(0, b)))
	return ipPacket(src, dst, protoTCP, b)
}

func tcpChecksumRight(packet []byte, h *header) bool {
	tcp := packet[h.transport:h.length]
	return fold(pseudoHeader(h.src, h.dst, protoTCP, len(tcp))+sum(0, tcp)) == 0xffff
}

func TestClampMSS(t *testing.T) {
	const a4, b4, a6, b6 = "10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2"
	flags := func(b []byte, flags byte) []byte {
		b[ipv4HeaderLen+13] = flags
		return b
	}
	for _, test := range []struct {
		name   string
		packet []byte
		mtu    int
		want   []byte // the MSS option afterwards; nil: the packet is unchanged
	}{
		{"IPv4", syn(a4, b4, 2, 4, 0x05, 0xb4), 1400, []byte{2, 4, 0x05, 0x50}},
		{"IPv6", syn(a6, b6, 2, 4, 0x05, 0xa0), 1400, []byte{2, 4, 0x05, 0x3c}},
		{"behind other options", syn(a4, b4, 1, 1, 4, 2, 2, 4, 0x05, 0xb4), 1400, []byte{2, 4, 0x05, 0x50}},
		{"at an odd place", syn(a4, b4, 1, 2, 4, 0x05, 0xb4), 1400, []byte{2, 4, 0x05, 0x50}},
		{"small enough", syn(a4, b4, 2, 4, 0x05, 0x50), 1400, nil},
		{"no limit", syn(a4, b4, 2, 4, 0x05, 0xb4), 0, nil},
		{"tiny MTU", syn(a4, b4, 2, 4, 0x05, 0xb4), 40, nil},
		{"no option", syn(a4, b4), 1400, nil},
		{"behind the end of options", syn(a4, b4, 0, 2, 4, 0x05, 0xb4), 1400, nil},
		{"option of length 0", syn(a4, b4, 3, 0, 2, 4, 0x05, 0xb4), 1400, nil},
		{"option beyond the header", syn(a4, b4, 3, 9, 2, 4, 0x05, 0xb4), 1400, nil},
		{"length missing", syn(a4, b4, 1, 1, 1, 2), 1400, nil},
		{"not a SYN", flags(syn(a4, b4, 2, 4, 0x05, 0xb4), 0x10), 1400, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := bytes.Clone(test.packet)
			h, ok := parse(test.packet)
			if !ok {
				t.Fatal("no packet")
			}
			clampMSS(test.packet, &h, test.mtu)
			if test.want == nil {
				if !bytes.Equal(test.packet, before) {
					t.Errorf("changed to\n%x from\n%x", test.packet, before)
				}
				return
			}
			if !bytes.Contains(test.packet[h.transport+tcpHeaderLen:], test.want) {
				t.Errorf("options %x, want %x among them", test.packet[h.transport+tcpHeaderLen:], test.want)
			}
			if !tcpChecksumRight(test.packet, &h) {
				t.Error("wrong checksum")
			}
		})
	}
}

// TestUpdateChecksum has the example of RFC 1624, section 4, which a simpler
// formula gets wrong.
func TestUpdateChecksum(t *testing.T) {
	if got := updateChecksum(0xdd2f, 0x5555, 0x3285); got != 0 {
		t.Errorf("updateChecksum = %04x, want 0000", got)
	}
}
