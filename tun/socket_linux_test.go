package tun

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"postern/tun/tuntest"
)

// lacking takes something away from the kernel until the test ends.
func lacking(t testing.TB, what ...*bool) {
	for _, b := range what {
		*b = false
	}
	t.Cleanup(func() {
		for _, b := range what {
			*b = true
		}
	})
}

// openSocket opens a socket that nobody reads.
func openSocket(t testing.TB, local netip.AddrPort) (*socket, netip.AddrPort) {
	t.Helper()
	c, err := ListenUDP(local, Encapsulated)
	if err != nil {
		if local.Addr().Is6() {
			t.Skipf("no IPv6 here: %v", err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.socket.(*socket), c.LocalAddr()
}

// payloads are packets of these sizes, all different.
func payloads(sizes ...int) (packets [][]byte) {
	for i, size := range sizes {
		p := bytes.Repeat([]byte{byte(i), byte(i >> 8), byte(size)}, size/3+1)
		packets = append(packets, p[:size])
	}
	return packets
}

// trainSizes are packets of a pump's batch: runs of equal ones, a shorter one behind
// some of them, and keepalives.
func trainSizes(n int) (sizes []int) {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for len(sizes) < n {
		size := []int{1, 9, 64, 1000, 1444}[r.IntN(5)]
		for range 1 + r.IntN(100) {
			sizes = append(sizes, size)
		}
	}
	return sizes[:n]
}

// TestTrains sends trains and receives them as they were, whatever the kernel can do.
func TestTrains(t *testing.T) {
	for _, kernel := range []struct {
		name    string
		missing []*bool
	}{
		{"all", nil},
		{"no UDP_SEGMENT", []*bool{&haveUDPSegment}},
		{"no UDP_GRO", []*bool{&haveUDPGRO}},
		{"neither", []*bool{&haveUDPSegment, &haveUDPGRO}},
	} {
		for family, ends := range map[string][2]netip.AddrPort{
			"IPv4": {loopback4, loopback4}, "IPv6": {loopback6, loopback6},
			"IPv4 wildcard": {loopback4, wildcard4}, "IPv6 wildcard": {loopback6, wildcard6},
		} {
			t.Run(kernel.name+" "+family, func(t *testing.T) {
				lacking(t, kernel.missing...)
				from, _ := openSocket(t, ends[0])
				to, local := openSocket(t, ends[1])
				path := Path{Remote: netip.AddrPortFrom(ends[0].Addr(), local.Port())}
				packets := payloads(trainSizes(1000)...)
				for batch := range 10 {
					want := packets[batch*100:][:100]
					if err := from.Write(want, path); err != nil {
						t.Fatal(err)
					}
					receive(t, to, []int{7, readBatch}[batch%2], want, func(d *Datagram) { // less than a train; more
						if got := d.From; got.Local != path.Remote || got.Remote != from.bound(t) {
							t.Fatalf("path %v", got)
						}
					})
				}
			})
		}
	}
}

// bound is the address that a socket sends from.
func (s *socket) bound(t *testing.T) netip.AddrPort {
	a, err := unix.Getsockname(s.fd)
	if err != nil {
		t.Fatal(err)
	}
	return sockaddr(a)
}

// receive reads packets until it has all that are wanted, in order, so many at a time.
func receive(t *testing.T, s *socket, atOnce int, want [][]byte, each func(d *Datagram)) {
	t.Helper()
	timeout := time.AfterFunc(time.Minute, func() { s.Close() })
	defer timeout.Stop()
	in := make([]Datagram, atOnce)
	for len(want) > 0 {
		n, err := s.Read(in)
		if err != nil {
			t.Fatalf("%d packets are missing: %v", len(want), err)
		}
		for i := range in[:n] {
			if !bytes.Equal(in[i].Data, want[0]) {
				t.Fatalf("a packet of %d octets, want %d", len(in[i].Data), len(want[0]))
			}
			want = want[1:]
			each(&in[i])
		}
	}
}

func TestTrainOf(t *testing.T) {
	for _, test := range []struct {
		sizes []int
		want  int
	}{
		{[]int{5}, 1},
		{[]int{5, 5, 5}, 3},
		{[]int{5, 5, 4}, 3},
		{[]int{5, 5, 4, 4}, 3},
		{[]int{5, 4, 5}, 2},
		{[]int{5, 6}, 1},
		{[]int{5, 5, 6}, 2},
		{[]int{5, 0}, 1},
		{[]int{30000, 30000, 5507}, 3},
		{[]int{30000, 30000, 5508}, 2},
		{[]int{65507, 1}, 1},
	} {
		if got := trainOf(payloads(test.sizes...)); got != test.want {
			t.Errorf("%v: %d, want %d", test.sizes, got, test.want)
		}
	}
}

// TestTrainTooLarge: a train that doesn't fit the path is sent in fragments, as single
// packets are, and trains are tried again later.
func TestTrainTooLarge(t *testing.T) {
	for name, ip := range map[string]string{"IPv4": "127.0.0.1", "IPv6": "::1"} {
		t.Run(name, func(t *testing.T) {
			inNamespace(t, func() {
				lo, err := netlink.LinkByName("lo")
				if err == nil {
					err = netlink.LinkSetMTU(lo, 1300)
				}
				if err != nil {
					t.Error(err)
					return
				}
				local := netip.AddrPortFrom(netip.MustParseAddr(ip), 0)
				from, _ := openSocket(t, local)
				to, addr := openSocket(t, local)
				path := Path{Remote: addr}
				if !from.segment.works.Load() {
					t.Skip("the kernel cuts no trains")
				}
				for round, sizes := range [][]int{{1400, 1400, 1400, 9}, {2000}, {50, 50}} {
					packets := payloads(sizes...)
					if err := from.Write(packets, path); err != nil {
						t.Errorf("round %d: %v", round, err)
						return
					}
					receive(t, to, 7, packets, func(*Datagram) {})
				}
				if from.segment.pause.Load() == 0 {
					t.Error("trains that are too large aren't noticed")
				}
				for range pauseMessages {
					from.segments()
				}
				if n := from.segments(); n != maxSegments {
					t.Errorf("trains of %d after the pause", n)
				}
				packets := payloads(50, 50, 50)
				if err := from.Write(packets, path); err != nil {
					t.Error(err)
				}
				receive(t, to, 7, packets, func(*Datagram) {})
			})
		})
	}
}

// TestTrainGivenUp: where no device computes checksums trains are refused (EIO), and
// given up.
func TestTrainGivenUp(t *testing.T) {
	s, addr := openSocket(t, loopback4)
	if !s.segment.works.Load() {
		t.Skip("the kernel cuts no trains")
	}
	if !s.refused(unix.EIO, 3) || s.segments() != 1 {
		t.Error("trains go on")
	}
	packets := payloads(50, 50, 50)
	if err := s.Write(packets, Path{Remote: addr}); err != nil {
		t.Error(err)
	}
	receive(t, s, 7, packets, func(*Datagram) {})
}

// TestSocketClose: Close ends a Read that waits, and what comes later.
func TestSocketClose(t *testing.T) {
	s, addr := openSocket(t, loopback4)
	ended := make(chan error)
	go func() {
		_, err := s.Read(make([]Datagram, 1))
		ended <- err
	}()
	runtime.Gosched()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := next(t, ended); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read: %v", err)
	}
	if err := s.Write(payloads(1), Path{Remote: addr}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestSocketAddresses: what isn't of the socket's family is refused by the kernel.
func TestSocketAddresses(t *testing.T) {
	for _, local := range []netip.AddrPort{loopback4, loopback6} {
		s, _ := openSocket(t, local)
		other := loopback4
		if local == loopback4 {
			other = loopback6
		}
		for _, to := range []netip.AddrPort{{}, netip.AddrPortFrom(other.Addr(), 9)} {
			if err := s.Write(payloads(50), Path{Remote: to}); err == nil {
				t.Errorf("sent from %v to %v", local, to)
			}
		}
	}
	var a unix.RawSockaddrInet6
	s := &socket{ipv6: true}
	to := netip.MustParseAddrPort("[fe80::1%1]:500")
	s.putAddress(&a, to)
	if got := s.address(&a); a.Scope_id != 1 || got.Addr().WithZone("") != to.Addr().WithZone("") || got.Port() != 500 || got.Addr().Zone() == "" {
		t.Errorf("%v became %v", to, got)
	}
}

// TestSocketAllocations: nothing is allocated per datagram.
func TestSocketAllocations(t *testing.T) {
	for name, ends := range map[string][2]netip.AddrPort{
		"bound": {loopback4, loopback4}, "wildcard": {wildcard4, wildcard4}, "IPv6": {wildcard6, loopback6},
	} {
		t.Run(name, func(t *testing.T) {
			from, _ := openSocket(t, ends[0])
			to, addr := openSocket(t, ends[1])
			path := Path{Local: netip.AddrPortFrom(loopback4.Addr(), 1), Remote: netip.AddrPortFrom(loopback4.Addr(), addr.Port())}
			if addr.Addr().Is6() {
				path = Path{Remote: addr}
			}
			packets := payloads(64, 64, 64, 1400, 1400, 1400, 90)
			in := make([]Datagram, readBatch)
			if allocations := testing.AllocsPerRun(200, func() {
				if err := from.Write(packets, path); err != nil {
					t.Fatal(err)
				}
				for got := 0; got < len(packets); {
					n, err := to.Read(in)
					if err != nil {
						t.Fatal(err)
					}
					got += n
				}
			}); allocations > 0 {
				t.Errorf("%v allocations for %d packets", allocations, len(packets))
			}
		})
	}
}

// BenchmarkSocket sends trains over loopback, and receives them.
func BenchmarkSocket(b *testing.B) {
	for _, missing := range [][]*bool{nil, {&haveUDPSegment, &haveUDPGRO}} {
		b.Run(fmt.Sprintf("without %d", len(missing)), func(b *testing.B) {
			lacking(b, missing...)
			from, _ := openSocket(b, loopback4)
			to, addr := openSocket(b, loopback4)
			sizes := make([]int, 44)
			for i := range sizes {
				sizes[i] = 1444
			}
			packets, path := payloads(sizes...), Path{Remote: addr}
			in := make([]Datagram, readBatch)
			b.SetBytes(44 * 1444)
			b.ReportAllocs()
			for b.Loop() {
				if err := from.Write(packets, path); err != nil {
					b.Fatal(err)
				}
				for got := 0; got < len(packets); {
					n, err := to.Read(in)
					if err != nil {
						b.Fatal(err)
					}
					got += n
				}
			}
		})
	}
}

// TestPathAllocations: nothing is allocated per packet from a device through sockets to
// another one.
func TestPathAllocations(t *testing.T) {
	for name, path := range map[string]Path{"RFC 3948": {Marker: true}, "non-IKE marker": {}} {
		t.Run(name, func(t *testing.T) {
			framing := PlainIKE
			if path.Marker {
				framing = Encapsulated
			}
			gateway, _ := listenUDP(t, loopback4, framing)
			client, _ := listenUDP(t, loopback4, ByRemotePort)
			path.Remote = gateway.LocalAddr()
			device := &silent{Device: tuntest.New(1400)}
			here, there := New(device), New(device)
			defer here.Close()
			defer there.Close()
			gateway.Attach(there)
			c, g := office(t, 1, 2, func(packets [][]byte) error { return client.SendESP(packets, path) }, func([][]byte) error { return nil })
			g.Seen = func(Path) {}
			for _, err := range []error{here.Add(c), there.Add(g)} {
				if err != nil {
					t.Fatal(err)
				}
			}
			large := flowPackets(protoTCP, false, 1340, pattern(1340))[0]
			small := udpPacket("10.9.0.2:7", "10.20.0.1:9", make([]byte, 64))
			batch := len(here.outbound.sizes)
			allocations := testing.AllocsPerRun(200, func() {
				for i := range batch {
					packet := large
					if i >= batch*3/4 {
						packet = small
					}
					here.outbound.sizes[i] = copy(here.outbound.buffers[i][headroom:], packet)
				}
				here.seal(batch)
				for there.inbound.traffic.packets.Load() < here.outbound.traffic.packets.Load() {
					runtime.Gosched()
				}
			})
			if allocations > 0 {
				t.Errorf("%v allocations for %d packets", allocations, batch)
			}
		})
	}
}
