package tun

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var compareAddrs = cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{})

// ipPacket builds an IPv4 or IPv6 packet around a transport header and its data.
func ipPacket(src, dst string, protocol uint8, payload []byte) []byte {
	s, d := netip.MustParseAddr(src), netip.MustParseAddr(dst)
	var b []byte
	if s.Is4() {
		b = append(b, 0x45, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(ipv4HeaderLen+len(payload)))
		b = append(b, 0, 1, 0, 0, 64, protocol, 0, 0)
		b = append(append(b, s.AsSlice()...), d.AsSlice()...)
		binary.BigEndian.PutUint16(b[10:], checksum(b))
	} else {
		b = append(b, 0x60, 0, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
		b = append(b, protocol, 64)
		b = append(append(b, s.AsSlice()...), d.AsSlice()...)
	}
	return append(b, payload...)
}

// udpPacket builds a UDP packet of an IP packet, with its checksum.
func udpPacket(src, dst string, data []byte) []byte {
	s, d := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	b := binary.BigEndian.AppendUint16(nil, s.Port())
	b = binary.BigEndian.AppendUint16(b, d.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(data)))
	b = append(append(b, 0, 0), data...)
	binary.BigEndian.PutUint16(b[6:], ^fold(pseudoHeader(s.Addr(), d.Addr(), protoUDP, len(b))+sum(0, b)))
	return ipPacket(s.Addr().String(), d.Addr().String(), protoUDP, b)
}

// withDF sets "don't fragment" and corrects the checksum.
func withDF(packet []byte) []byte {
	packet[6] |= 0x40
	binary.BigEndian.PutUint16(packet[10:], 0)
	binary.BigEndian.PutUint16(packet[10:], checksum(packet[:ipv4HeaderLen]))
	return packet
}

func TestParse(t *testing.T) {
	const a4, b4, a6, b6 = "10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2"
	ports := []byte{0, 7, 0, 9, 0, 8, 0, 0}
	v4 := func(h header) header {
		h.src, h.dst = netip.MustParseAddr(a4), netip.MustParseAddr(b4)
		return h
	}
	v6 := func(h header) header {
		h.src, h.dst, h.dontFragment = netip.MustParseAddr(a6), netip.MustParseAddr(b6), true
		return h
	}
	change := func(b []byte, at int, values ...byte) []byte {
		copy(b[at:], values)
		return b
	}
	extended := func(first uint8, headers ...byte) []byte { return ipPacket(a6, b6, first, append(headers, ports...)) }

	for _, test := range []struct {
		name   string
		packet []byte
		want   header
		ok     bool
	}{
		{"IPv4, UDP", ipPacket(a4, b4, 17, ports), v4(header{protocol: 17, srcPort: 7, dstPort: 9, transport: 20, length: 28}), true},
		{"IPv4, octets behind the packet", append(ipPacket(a4, b4, 17, ports), 1, 2, 3), v4(header{protocol: 17, srcPort: 7, dstPort: 9, transport: 20, length: 28}), true},
		{"IPv4, DF", withDF(ipPacket(a4, b4, 1, ports)), v4(header{protocol: 1, transport: 20, length: 28, dontFragment: true}), true},
		{"IPv4, first fragment", change(ipPacket(a4, b4, 17, ports), 6, 0x20, 0), v4(header{protocol: 17, srcPort: 7, dstPort: 9, transport: 20, length: 28}), true},
		{"IPv4, later fragment", change(ipPacket(a4, b4, 17, ports), 6, 0x20, 1), v4(header{protocol: 17, length: 28}), true},
		{"IPv4, options", change(ipPacket(a4, b4, 17, append(make([]byte, 4), ports...)), 0, 0x46), v4(header{protocol: 17, srcPort: 7, dstPort: 9, transport: 24, length: 32}), true},
		{"IPv4, no payload", ipPacket(a4, b4, 17, nil), v4(header{protocol: 17, transport: 20, length: 20}), true},
		{"IPv4, truncated", ipPacket(a4, b4, 17, ports)[:27], header{}, false},
		{"IPv4, header of 16 octets", change(ipPacket(a4, b4, 17, ports), 0, 0x44), header{}, false},
		{"IPv4, length less than the header", change(ipPacket(a4, b4, 17, ports), 2, 0, 19), header{}, false},
		{"IPv4, 19 octets", ipPacket(a4, b4, 17, ports)[:19], header{}, false},
		{"IPv6, TCP", ipPacket(a6, b6, 6, ports), v6(header{protocol: 6, srcPort: 7, dstPort: 9, transport: 40, length: 48}), true},
		{"IPv6, hop by hop and destination options", extended(0, 60, 0, 0, 0, 0, 0, 0, 0, 17, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), v6(header{protocol: 17, srcPort: 7, dstPort: 9, transport: 64, length: 72}), true},
		{"IPv6, first fragment", extended(44, 17, 0, 0, 1, 0, 0, 0, 9), v6(header{protocol: 17, srcPort: 7, dstPort: 9, transport: 48, length: 56}), true},
		{"IPv6, later fragment", extended(44, 17, 0, 0, 8, 0, 0, 0, 9), v6(header{protocol: 17, length: 56}), true},
		{"IPv6, later fragment of options", extended(44, 60, 0, 0, 8, 0, 0, 0, 9), v6(header{protocol: 60, length: 56}), true},
		{"IPv6, extension beyond the packet", extended(0, 17, 9, 0, 0, 0, 0, 0, 0), header{}, false},
		{"IPv6, truncated", ipPacket(a6, b6, 6, ports)[:47], header{}, false},
		{"IPv6, 39 octets", ipPacket(a6, b6, 6, ports)[:39], header{}, false},
		{"no IP", []byte{0x55, 0, 0, 20}, header{}, false},
		{"empty", nil, header{}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, ok := parse(test.packet)
			if ok != test.ok {
				t.Fatalf("ok = %v, want %v", ok, test.ok)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(header{}), compareAddrs); ok && diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(udpPacket("10.0.0.1:7", "10.0.0.2:9", []byte("data")), 1280)
	f.Add(udpPacket("[2001:db8::1]:7", "[2001:db8::2]:9", []byte("data")), 1280)
	f.Add(syn("10.0.0.1", "10.0.0.2", 2, 4, 0x05, 0xb4), 1280)
	f.Add(syn("2001:db8::1", "2001:db8::2", 1, 2, 4, 0x05, 0xb4), 1280)
	f.Add(ipPacket("2001:db8::1", "2001:db8::2", 0, []byte{44, 0, 0, 0, 0, 0, 0, 0, 17, 0, 0, 8, 0, 0, 0, 9}), 0)
	f.Fuzz(func(t *testing.T, b []byte, mtu int) {
		h, ok := parse(b)
		if !ok {
			return
		}
		if h.length > len(b) || h.transport > h.length {
			t.Fatalf("length %d, transport at %d in %d octets", h.length, h.transport, len(b))
		}
		packet := b[:h.length]
		nextHeader(packet)
		clampMSS(packet, &h, mtu)
		var notice []byte
		switch {
		case isICMPError(packet, &h):
		case h.dst.Is6():
			notice = appendTooBigIPv6(nil, packet, &h, mtu)
		default:
			notice = appendTooBigIPv4(nil, packet, &h, mtu)
		}
		if n, ok := parse(notice); len(notice) > 0 && (!ok || n.length != len(notice)) {
			t.Fatalf("the notice %x is no packet", notice)
		}
	})
}
