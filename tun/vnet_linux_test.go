package tun

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// transportPacket makes a TCP or UDP packet with right checksums.
func transportPacket(protocol uint8, ipv6 bool, id uint16, transport []byte) []byte {
	src, dst := "10.9.0.2", "10.20.0.1"
	if ipv6 {
		src, dst = "fd00::2", "fd01::1"
	}
	at := map[uint8]int{protoTCP: tcpChecksum, protoUDP: udpChecksum}[protocol]
	s, d := netip.MustParseAddr(src), netip.MustParseAddr(dst)
	transport[at], transport[at+1] = 0, 0
	c := ^fold(slowSum(uint64(protocol)+uint64(len(transport)), append(s.AsSlice(), d.AsSlice()...)) + slowSum(0, transport))
	if c == 0 {
		c = 0xffff
	}
	binary.BigEndian.PutUint16(transport[at:], c)
	if ipv6 {
		b := binary.BigEndian.AppendUint16([]byte{6 << 4, 0, 0, 0}, uint16(len(transport)))
		return slices.Concat(append(b, protocol, 64), s.AsSlice(), d.AsSlice(), transport)
	}
	b := binary.BigEndian.AppendUint16([]byte{0x45, 0}, uint16(ipv4HeaderLen+len(transport)))
	b = binary.BigEndian.AppendUint16(b, id)
	b = slices.Concat(append(b, 0x40, 0, 64, protocol, 0, 0), s.AsSlice(), d.AsSlice())
	binary.BigEndian.PutUint16(b[10:], checksum(b))
	return append(b, transport...)
}

// tcpHeader is one with a timestamp option.
func tcpHeader(seq uint32, flags byte) []byte {
	b := []byte{0x1f, 0x90, 0, 80}
	b = binary.BigEndian.AppendUint32(b, seq)
	b = append(b, 0, 0, 0, 7, 8<<4, flags, 0x12, 0x34, 0, 0, 0, 0)
	return append(b, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2)
}

// flowPackets is what a host sends of data: segments of TCP or datagrams of UDP.
func flowPackets(protocol uint8, ipv6 bool, size int, data []byte) (packets [][]byte) {
	seq, id := uint32(0xfffffff0), uint16(0xfffe)
	for rest := data; len(rest) > 0; {
		n := min(size, len(rest))
		var h []byte
		if protocol == protoTCP {
			h = tcpHeader(seq, tcpACK)
			if n == len(rest) {
				h[tcpFlags] |= tcpPSH
			}
		} else {
			h = []byte{0x1f, 0x90, 0, 80, 0, 0, 0, 0}
			binary.BigEndian.PutUint16(h[4:], uint16(8+n))
		}
		packets = append(packets, transportPacket(protocol, ipv6, id, append(h, rest[:n]...)))
		rest, seq, id = rest[n:], seq+uint32(n), id+1
	}
	return packets
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// joinAll joins packets and returns what would be written: each with its header.
func joinAll(packets [][]byte, noUDP bool) (written [][]byte) {
	j := joiner{noUDP: noUDP}
	j.begin(len(packets))
	for i := range packets {
		j.add(packets, i)
	}
	for i := range j.groups {
		g := &j.groups[i]
		h := g.finish(packets[g.first])
		w := make([]byte, vnetHeaderLen)
		h.encode(w)
		w = append(w, packets[g.first]...)
		for p := g.first; p != g.last; {
			p = j.next[p]
			w = append(w, packets[p][g.header:]...)
		}
		written = append(written, w)
	}
	return written
}

// cutAll cuts what was read into packets.
func cutAll(t testing.TB, read [][]byte) (packets [][]byte) {
	t.Helper()
	for _, b := range read {
		var h vnetHeader
		h.decode(b)
		var s superpacket
		if err := s.set(h, slices.Clone(b[vnetHeaderLen:])); err != nil {
			t.Fatal(err)
		}
		for {
			p := make([]byte, maxPacket)
			n, err := s.next(p)
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				break
			}
			packets = append(packets, p[:n])
		}
	}
	return packets
}

func cloneAll(packets [][]byte) (all [][]byte) {
	for _, p := range packets {
		all = append(all, slices.Clone(p))
	}
	return all
}

// TestJoinAndCut: what is joined, and cut again, is what it was.
func TestJoinAndCut(t *testing.T) {
	for _, protocol := range []uint8{protoTCP, protoUDP} {
		for _, ipv6 := range []bool{false, true} {
			for _, test := range []struct{ size, octets, written int }{
				{1360, 1360, 1},
				{1360, 1361, 1},
				{1360, 40 * 1360, 1},
				{1360, 40*1360 - 1, 1},
				{1360, 60 * 1360, 2},
				{1, 64, 1},
				{1, 65, 2},
				{3, 100, 1},
				{16000, 65000, 1},
				{33000, 65900, 2},
			} {
				t.Run(fmt.Sprintf("protocol %d, IPv6 %v, %d of %d", protocol, ipv6, test.octets, test.size), func(t *testing.T) {
					packets := flowPackets(protocol, ipv6, test.size, pattern(test.octets))
					joined := joinAll(cloneAll(packets), false)
					if len(joined) != test.written {
						t.Errorf("%d packets became %d, want %d", len(packets), len(joined), test.written)
					}
					if got := cutAll(t, joined); !slices.EqualFunc(got, packets, bytes.Equal) {
						t.Errorf("%d packets became %d others", len(packets), len(got))
					}
					if protocol == protoUDP && len(joinAll(cloneAll(packets), true)) != len(packets) {
						t.Error("joined though the kernel takes none")
					}
				})
			}
		}
	}
}

// TestJoinNot: what isn't joined with the packet before.
func TestJoinNot(t *testing.T) {
	for name, change := range map[string]func(p []byte){
		"source":          func(p []byte) { p[15]++ },
		"port":            func(p []byte) { p[21]++ },
		"TTL":             func(p []byte) { p[8]++ },
		"TOS":             func(p []byte) { p[1] ^= 3 },
		"options":         func(p []byte) { p[0]++ },
		"fragment":        func(p []byte) { p[6] |= 0x20 },
		"length":          func(p []byte) { p[3]-- },
		"sequence":        func(p []byte) { p[27]++ },
		"acknowledgement": func(p []byte) { p[31]++ },
		"FIN":             func(p []byte) { p[33] |= tcpFIN },
		"SYN":             func(p []byte) { p[33] |= tcpSYN },
		"CWR":             func(p []byte) { p[33] |= tcpCWR },
		"window":          func(p []byte) { p[35]++ },
		"timestamp":       func(p []byte) { p[47]++ },
		"header":          func(p []byte) { p[32] = 9 << 4 },
	} {
		packets := flowPackets(protoTCP, false, 100, pattern(200))
		for _, p := range packets {
			p[33] &^= tcpPSH
		}
		for _, p := range packets {
			p[36], p[37] = 0, 0
			binary.BigEndian.PutUint16(p[36:], ^fold(sum(uint64(protoTCP)+uint64(len(p)-20), p[12:20])+sum(0, p[20:])))
		}
		if n := len(joinAll(cloneAll(packets), false)); n != 1 {
			t.Fatalf("%s: not joined before it is changed", name)
		}
		change(packets[1])
		binary.BigEndian.PutUint16(packets[1][36:], 0)
		binary.BigEndian.PutUint16(packets[1][36:], ^fold(sum(uint64(protoTCP)+uint64(len(packets[1])-20), packets[1][12:20])+sum(0, packets[1][20:])))
		joined := joinAll(cloneAll(packets), false)
		if len(joined) != 2 || !bytes.Equal(joined[1][vnetHeaderLen:], packets[1]) || !bytes.Equal(joined[0][vnetHeaderLen:], packets[0]) {
			t.Errorf("%s: joined", name)
		}
	}
	for which := range 2 {
		for _, protocol := range []uint8{protoTCP, protoUDP} {
			packets := flowPackets(protocol, false, 100, pattern(300))
			packets[which][60] ^= 1 // the checksum is wrong
			joined := joinAll(cloneAll(packets), false)
			if !slices.ContainsFunc(joined, func(b []byte) bool { return bytes.Equal(b[vnetHeaderLen:], packets[which]) }) {
				t.Errorf("protocol %d: packet %d joined in spite of its checksum", protocol, which)
			}
		}
	}
	packets := flowPackets(protoUDP, false, 100, pattern(300))
	for _, p := range packets {
		p[26], p[27] = 0, 0 // there is none
	}
	if joined := joinAll(cloneAll(packets), false); len(joined) != 3 {
		t.Error("UDP without a checksum was joined")
	}
}

// TestJoinOrder: of several flows each keeps its order, and packets that aren't joined
// keep their place.
func TestJoinOrder(t *testing.T) {
	tcp := flowPackets(protoTCP, false, 100, pattern(900))
	other := flowPackets(protoTCP, true, 200, pattern(1800))
	acknowledgement := transportPacket(protoTCP, false, 9, tcpHeader(284, tcpACK))
	var packets [][]byte
	for i := range tcp {
		packets = append(packets, tcp[i], other[i])
		if i == 2 {
			packets = append(packets, acknowledgement)
		}
	}
	joined := joinAll(cloneAll(packets), false)
	if len(joined) != 4 { // three segments, the other flow, the acknowledgement, six segments
		t.Errorf("%d written", len(joined))
	}
	var first, second [][]byte
	for _, p := range cutAll(t, joined) {
		if p[0]>>4 == 4 {
			first = append(first, p)
		} else {
			second = append(second, p)
		}
	}
	if want := slices.Concat(tcp[:3], [][]byte{acknowledgement}, tcp[3:]); !slices.EqualFunc(first, want, bytes.Equal) || !slices.EqualFunc(second, other, bytes.Equal) {
		t.Error("out of order")
	}
}

// TestCutChecksum: a packet that isn't cut gets its checksum.
func TestCutChecksum(t *testing.T) {
	for _, protocol := range []uint8{protoTCP, protoUDP} {
		packet := flowPackets(protocol, false, 100, pattern(99))[0]
		at := map[uint8]int{protoTCP: tcpChecksum, protoUDP: udpChecksum}[protocol]
		h := vnetHeader{flags: unix.VIRTIO_NET_HDR_F_NEEDS_CSUM, start: 20, offset: uint16(at)}
		read := make([]byte, vnetHeaderLen)
		h.encode(read)
		read = append(read, packet...)
		pseudo := fold(sum(uint64(protocol)+uint64(len(packet)-20), packet[12:20]))
		binary.BigEndian.PutUint16(read[vnetHeaderLen+20+at:], pseudo)
		if got := cutAll(t, [][]byte{read}); len(got) != 1 || !bytes.Equal(got[0], packet) {
			t.Errorf("protocol %d: %x, want %x", protocol, got, packet)
		}
	}
}

// FuzzCut: hostile headers break nothing, and lose or write nothing outside.
func FuzzCut(f *testing.F) {
	for _, protocol := range []uint8{protoTCP, protoUDP} {
		for _, ipv6 := range []bool{false, true} {
			for _, b := range joinAll(flowPackets(protocol, ipv6, 60, pattern(200)), false) {
				f.Add(b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < vnetHeaderLen || len(b) > vnetHeaderLen+maxPacket {
			return
		}
		var h vnetHeader
		h.decode(b)
		packet := slices.Clone(b[vnetHeaderLen:])
		var s superpacket
		if s.set(h, packet) != nil {
			return
		}
		data := 0
		for segments := 0; ; segments++ {
			room := make([]byte, maxPacket)
			n, err := s.next(room)
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				break
			}
			if data += n - len(s.header); segments > maxPacket {
				t.Fatal("no end")
			}
		}
		if want := len(packet) - len(s.header); data != want {
			t.Fatalf("%d octets of data, want %d", data, want)
		}
	})
}

// FuzzJoin: whatever packets there are, nothing is lost, nothing overtakes in its flow,
// and what was joined is cut to what it was.
func FuzzJoin(f *testing.F) {
	for _, protocol := range []uint8{protoTCP, protoUDP} {
		for _, ipv6 := range []bool{false, true} {
			var seed []byte
			for _, p := range flowPackets(protocol, ipv6, 60, pattern(200)) {
				seed = append(append(seed, byte(len(p))), p...)
			}
			f.Add(seed)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var packets [][]byte
		for len(b) > 1 {
			n := min(int(b[0])+1, len(b)-1)
			packets = append(packets, b[1:1+n])
			b = b[1+n:]
		}
		got := cutAll(t, joinAll(cloneAll(packets), false))
		if len(got) != len(packets) {
			t.Fatalf("%d packets became %d", len(packets), len(got))
		}
		// The same packets; those of one group are in their order, which the
		// equality of each with one that isn't taken yet shows.
		left := cloneAll(packets)
		for _, p := range got {
			i := slices.IndexFunc(left, func(q []byte) bool { return sameButChecksum(p, q) })
			if i < 0 {
				t.Fatalf("%x came from nowhere", p)
			}
			left = slices.Delete(left, i, i+1)
		}
	})
}

// sameButChecksum compares packets but for what a superpacket doesn't keep: the
// identification of what can't be fragmented, and checksums of 0 written as their
// complement.
func sameButChecksum(p, q []byte) bool {
	if bytes.Equal(p, q) {
		return true
	}
	p, q = slices.Clone(p), slices.Clone(q)
	for _, b := range [][]byte{p, q} {
		s := shapeOf(b)
		if s.header == 0 {
			return false
		}
		if !s.ipv6 {
			b[10], b[11] = 0, 0
			if b[6]&0x40 != 0 {
				b[4], b[5] = 0, 0
			}
		}
		at := s.transport + tcpChecksum
		if s.udp {
			at = s.transport + udpChecksum
		}
		if b[at] == 0 && b[at+1] == 0 {
			b[at], b[at+1] = 0xff, 0xff
		}
	}
	return bytes.Equal(p, q)
}
