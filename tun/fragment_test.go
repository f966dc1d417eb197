package tun

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// reassemble is a host that puts fragments together, which must come in order and
// without holes (RFC 791, section 3.2).
func reassemble(t *testing.T, fragments [][]byte, mtu int) (header, data []byte) {
	t.Helper()
	for i, f := range fragments {
		headerLen := int(f[0]&15) * 4
		field := binary.BigEndian.Uint16(f[6:])
		switch {
		case len(f) > mtu:
			t.Errorf("fragment %d has %d octets, of at most %d", i, len(f), mtu)
		case checksum(f[:headerLen]) != 0:
			t.Errorf("fragment %d: wrong checksum", i)
		case int(binary.BigEndian.Uint16(f[2:])) != len(f):
			t.Errorf("fragment %d: wrong length", i)
		case int(field&fragmentOffset)*8 != len(data):
			t.Errorf("fragment %d begins at %d, want %d", i, int(field&fragmentOffset)*8, len(data))
		case field&flagMoreFragments == 0 != (i == len(fragments)-1):
			t.Errorf("fragment %d of %d: flags %04x", i, len(fragments), field)
		}
		if i == 0 {
			header = f[:headerLen]
		} else if !bytes.Equal(f[4:6], header[4:6]) || !bytes.Equal(f[8:10], header[8:10]) || !bytes.Equal(f[12:20], header[12:20]) {
			t.Errorf("fragment %d is of another packet", i)
		}
		data = append(data, f[headerLen:]...)
	}
	return header, data
}

func bodies(buffers [][]byte) (packets [][]byte) {
	for _, b := range buffers {
		packets = append(packets, b[headroom:])
	}
	return packets
}

// withOptions puts options, a whole number of words, into a packet.
func withOptions(packet []byte, options ...byte) []byte {
	b := append(append(bytes.Clone(packet[:ipv4HeaderLen]), options...), packet[ipv4HeaderLen:]...)
	b[0] += byte(len(options) / 4)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	binary.BigEndian.PutUint16(b[10:], 0)
	binary.BigEndian.PutUint16(b[10:], checksum(b[:ipv4HeaderLen+len(options)]))
	return b
}

func TestFragmentIPv4(t *testing.T) {
	data := make([]byte, 5000)
	for i := range data {
		data[i] = byte(i * 7)
	}
	packet := udpPacket("10.9.0.2:7", "10.20.0.1:9", data)
	for _, test := range []struct {
		name   string
		packet []byte
		mtu    int
		want   int // fragments
	}{
		{"plain", packet, 1400, 4},
		{"exactly", packet, 20 + 1672, 3}, // of 5,008
		{"one too many", packet, 20 + 1671, 4},
		{"smallest", packet, 28, 626},
		{"options", withOptions(packet, 0x83, 7, 4, 10, 0, 0, 1, 0), 1400, 4},
		{"no room", packet, 27, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			fragments := bodies(fragmentIPv4(test.packet, test.mtu))
			if len(fragments) != test.want {
				t.Fatalf("%d fragments, want %d", len(fragments), test.want)
			}
			if test.want == 0 {
				return
			}
			header, got := reassemble(t, fragments, test.mtu)
			if !bytes.Equal(got, test.packet[len(header):]) {
				t.Error("the data is another")
			}
		})
	}

	t.Run("a fragment", func(t *testing.T) {
		first := bodies(fragmentIPv4(packet, 3000))[0]
		pieces := bodies(fragmentIPv4(first, 1000))
		second := bodies(fragmentIPv4(packet, 3000))[1]
		_, got := reassemble(t, append(pieces, second), 3000)
		if !bytes.Equal(got, packet[ipv4HeaderLen:]) {
			t.Error("the data is another")
		}
	})
}

// The security option is copied, a time stamp isn't (RFC 791, section 3.1).
func TestLaterHeader(t *testing.T) {
	base := ipPacket("10.9.0.2", "10.20.0.1", protoUDP, nil)
	for _, test := range []struct {
		name          string
		options, want []byte
	}{
		{"none", nil, nil},
		{"none copied", []byte{0x44, 4, 5, 0, 1, 1, 0, 0}, nil},
		{"one copied", []byte{0x44, 4, 5, 0, 0x94, 4, 0, 0}, []byte{0x94, 4, 0, 0}},
		{"padded", []byte{0x83, 3, 4, 1, 0x94, 4, 0, 0}, []byte{0x83, 3, 4, 0x94, 4, 0, 0, 0}},
		{"behind the end", []byte{0, 0x94, 4, 0}, nil},
		{"torn", []byte{0x94, 9, 0, 0}, nil},
		{"no length", []byte{1, 1, 1, 0x94}, nil},
		{"length 0", []byte{0x94, 0, 0, 0}, nil},
	} {
		got := laterHeader(append(bytes.Clone(base), test.options...))
		if diff := cmp.Diff(test.want, got[ipv4HeaderLen:], cmp.Transformer("", func(b []byte) string { return string(b) })); diff != "" {
			t.Errorf("%s (-want +got)\n%s", test.name, diff)
		}
		if int(got[0]&15)*4 != len(got) {
			t.Errorf("%s: header length %d, want %d", test.name, int(got[0]&15)*4, len(got))
		}
	}
}

// Whatever parses as an IPv4 packet is cut into fragments that hold it, or not at all.
func FuzzFragmentIPv4(f *testing.F) {
	packet := udpPacket("10.9.0.2:7", "10.20.0.1:9", make([]byte, 100))
	f.Add(packet, uint16(60))
	f.Add(withOptions(packet, 0x83, 7, 4, 10, 0, 0, 1, 0), uint16(68))
	f.Add(bodies(fragmentIPv4(packet, 60))[1], uint16(40))
	f.Fuzz(func(t *testing.T, packet []byte, mtu uint16) {
		h, ok := parse(packet)
		if !ok || !h.dst.Is4() || h.length <= int(mtu) {
			return
		}
		packet = packet[:h.length]
		var data []byte
		offset := -1
		for _, f := range bodies(fragmentIPv4(packet, int(mtu))) {
			if len(f) > int(mtu) {
				t.Errorf("a fragment of %d octets, of at most %d", len(f), mtu)
			}
			if now := int(binary.BigEndian.Uint16(f[6:]) & fragmentOffset); now <= offset {
				t.Errorf("offset %d behind %d", now, offset)
			} else {
				offset = now
			}
			if _, ok := parse(f); !ok {
				t.Errorf("no packet: %x", f)
			}
			data = append(data, f[int(f[0]&15)*4:]...)
		}
		if len(data) > 0 && !bytes.Equal(data, packet[int(packet[0]&15)*4:]) {
			t.Error("the data is another")
		}
	})
}
