package tun

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/tun/esp"
	"postern/tun/tuntest"
)

// loopback4 and loopback6 are the addresses tests listen on, port 0.
var (
	loopback4 = netip.MustParseAddrPort("127.0.0.1:0")
	loopback6 = netip.MustParseAddrPort("[::1]:0")
	wildcard4 = netip.MustParseAddrPort("0.0.0.0:0")
	wildcard6 = netip.MustParseAddrPort("[::]:0")
)

// arrival is an IKE message that a carrier received.
type arrival struct {
	Msg  string
	From Path
}

// listenUDP opens a carrier, serves it, and returns what IKE arrives at it.
func listenUDP(t *testing.T, local netip.AddrPort, f Framing) (*Carrier, <-chan arrival) {
	t.Helper()
	c, err := ListenUDP(local, f)
	if err != nil {
		if local.Addr().Is6() {
			t.Skipf("no IPv6 here: %v", err)
		}
		t.Fatal(err)
	}
	arrivals := make(chan arrival, 100)
	served := make(chan error, 1)
	go func() {
		served <- c.Serve(func(msg []byte, from Path) { arrivals <- arrival{string(msg), from} })
	}()
	t.Cleanup(func() {
		c.Close()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return c, arrivals
}

func next[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(time.Minute):
		t.Fatal("nothing arrived in a minute")
		panic("unreachable")
	}
}

// eventually waits for a condition on another goroutine's progress.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in a minute: %s", what)
		}
	}
}

const message = "an ISAKMP message of some octets"

func TestCarrierIKE(t *testing.T) {
	for _, test := range []struct {
		name    string
		framing Framing // the gateway's
		marker  bool
	}{
		{"plain", PlainIKE, false},
		{"marker", Encapsulated, true},
	} {
		for family, local := range map[string]netip.AddrPort{"IPv4": loopback4, "IPv6": loopback6} {
			t.Run(test.name+" "+family, func(t *testing.T) {
				gateway, atGateway := listenUDP(t, local, test.framing)
				client, atClient := listenUDP(t, local, ByRemotePort)
				to := Path{Local: client.LocalAddr(), Remote: gateway.LocalAddr(), Marker: test.marker}
				if err := client.SendIKE([]byte(message), to); err != nil {
					t.Fatal(err)
				}
				got := next(t, atGateway)
				want := arrival{message, Path{Local: gateway.LocalAddr(), Remote: client.LocalAddr(), Marker: test.marker}}
				if diff := cmp.Diff(want, got, compareAddrs); diff != "" {
					t.Errorf("at the gateway (-want +got)\n%s", diff)
				}
				if !test.marker {
					return // a client takes plain IKE from port 500 only
				}
				if err := gateway.SendIKE([]byte("the answer, 8 octets or more"), got.From); err != nil {
					t.Fatal(err)
				}
				if got := next(t, atClient); got.Msg != "the answer, 8 octets or more" || !got.From.Marker {
					t.Errorf("at the client: %+v", got)
				}
			})
		}
	}
}

// TestCarrierWildcard: a socket bound to all addresses answers from the one it
// was spoken to.
func TestCarrierWildcard(t *testing.T) {
	for family, test := range map[string]struct{ wildcard, spokenTo, client netip.AddrPort }{
		"IPv4": {wildcard4, netip.MustParseAddrPort("127.0.0.77:0"), loopback4},
		"IPv6": {wildcard6, loopback6, loopback6},
	} {
		t.Run(family, func(t *testing.T) {
			if family == "IPv4" && runtime.GOOS != "linux" {
				t.Skip("127.0.0.77 is an address of Linux only")
			}
			gateway, atGateway := listenUDP(t, test.wildcard, Encapsulated)
			client, atClient := listenUDP(t, test.client, ByRemotePort)
			spokenTo := netip.AddrPortFrom(test.spokenTo.Addr(), gateway.LocalAddr().Port())
			to := Path{Local: client.LocalAddr(), Remote: spokenTo, Marker: true}
			for range 3 { // more than one datagram a batch
				if err := client.SendIKE([]byte(message), to); err != nil {
					t.Fatal(err)
				}
			}
			for range 3 {
				got := next(t, atGateway)
				if got.From.Local != spokenTo {
					t.Errorf("local address %v, want %v", got.From.Local, spokenTo)
				}
				if err := gateway.SendIKE([]byte(message), got.From); err != nil {
					t.Fatal(err)
				}
				if got := next(t, atClient); got.From.Remote != spokenTo {
					t.Errorf("answered from %v, want %v", got.From.Remote, spokenTo)
				}
			}
			// And without a local address the system chooses.
			if err := gateway.SendIKE([]byte(message), Path{Remote: client.LocalAddr(), Marker: true}); err != nil {
				t.Error(err)
			}
			next(t, atClient)
		})
	}
}

// TestCarrierSorts sends one of each kind and counts.
func TestCarrierSorts(t *testing.T) {
	gateway, atGateway := listenUDP(t, loopback4, Encapsulated)
	client, _ := listenUDP(t, loopback4, ByRemotePort)
	to := Path{Remote: gateway.LocalAddr(), Marker: true}
	packets := [][]byte{bytes.Repeat([]byte{7}, 50), bytes.Repeat([]byte{8}, 60)}
	for _, err := range []error{
		client.SendKeepalive(to),
		client.SendESP(packets, to),
		client.SendESP([][]byte{{1, 2, 3}}, to), // too short
		client.SendIKE([]byte(message), to),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	next(t, atGateway)
	eventually(t, "all counted", func() bool {
		return gateway.Stats() == CarrierStats{IKE: 1, ESP: 2, NoTunnel: 2, Keepalives: 1, Short: 1}
	})

	tunnel := New(tuntest.New(1400))
	defer tunnel.Close()
	gateway.Attach(tunnel)
	if err := client.SendESP(packets, to); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the tunnel has them", func() bool { return tunnel.Stats().In.Drops == Drops{NoSA: 2} })
	gateway.Attach(nil)
	if err := client.SendESP(packets, to); err != nil {
		t.Fatal(err)
	}
	eventually(t, "detached", func() bool { return gateway.Stats().NoTunnel == 4 })
}

// TestCarrierNonIKEMarker: on port 500 ESP goes behind the non-IKE marker, as the
// oldest drafts of NAT traversal have it, and IKE stays plain.
func TestCarrierNonIKEMarker(t *testing.T) {
	gateway, atGateway := listenUDP(t, loopback4, PlainIKE)
	client, _ := listenUDP(t, loopback4, ByRemotePort)
	tunnel := New(tuntest.New(1400))
	defer tunnel.Close()
	gateway.Attach(tunnel)
	c, g := office(t, 1, 2, func([][]byte) error { return nil }, func([][]byte) error { return nil })
	if err := tunnel.Add(g); err != nil {
		t.Fatal(err)
	}
	packet, err := c.Out.Seal(nil, udpPacket("10.9.0.2:7", "10.20.0.1:9", nil), esp.NextIPv4)
	if err != nil {
		t.Fatal(err)
	}
	to := Path{Remote: gateway.LocalAddr()}
	for _, err := range []error{client.SendESP([][]byte{packet}, to), client.SendIKE([]byte(message), to)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := next(t, atGateway); got.Msg != message {
		t.Errorf("IKE %q", got.Msg)
	}
	eventually(t, "the packet is opened", func() bool { return tunnel.Stats().In.Packets == 1 })
}

// TestCarrierManyPackets sends more than one batch holds, of which the last but
// one can't be sent.
func TestCarrierManyPackets(t *testing.T) {
	gateway, _ := listenUDP(t, loopback4, Encapsulated)
	client, _ := listenUDP(t, loopback4, ByRemotePort)
	var packets [][]byte
	for range 3 * readBatch {
		packets = append(packets, bytes.Repeat([]byte{1}, 40))
	}
	packets[len(packets)-2] = make([]byte, maxPacket+1)
	if err := client.SendESP(packets, Path{Remote: gateway.LocalAddr(), Marker: true}); err == nil {
		t.Error("a packet larger than any datagram was sent")
	}
	eventually(t, "the others arrived", func() bool { return gateway.Stats().ESP == uint64(len(packets)-1) })
}

// TestCarrierSurvivesICMP: "port unreachable" is a hint, not the end.
func TestCarrierSurvivesICMP(t *testing.T) {
	client, atClient := listenUDP(t, loopback4, ByRemotePort)
	// A connected socket refuses all but its peer, and keeps the port from others.
	deaf, err := net.Dial("udp4", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	nobody := deaf.LocalAddr().(*net.UDPAddr).AddrPort()

	if client.LastError() != nil {
		t.Errorf("LastError before any: %v", client.LastError())
	}
	if err := client.SendIKE([]byte(message), Path{Remote: nobody}); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "linux" {
		eventually(t, "a hint", func() bool { return client.LastError() != nil })
		if err := client.LastError(); !errors.Is(err, syscall.ECONNREFUSED) || err.Error() != nobody.String()+": connection refused" {
			t.Errorf("LastError = %v", err)
		}
	}
	// A refusal must cost no other datagram, in either direction.
	gateway, atGateway := listenUDP(t, loopback4, Encapsulated)
	for range 20 {
		if err := client.SendIKE([]byte(message), Path{Remote: nobody}); err != nil {
			t.Fatal(err)
		}
		if err := client.SendIKE([]byte(message), Path{Remote: gateway.LocalAddr(), Marker: true}); err != nil {
			t.Fatal(err)
		}
		from := next(t, atGateway).From
		if err := gateway.SendIKE([]byte(message), from); err != nil {
			t.Fatal(err)
		}
		next(t, atClient)
	}
}

func TestSourceFor(t *testing.T) {
	c, _ := listenUDP(t, wildcard4, ByRemotePort)
	if got := c.SourceFor(netip.MustParseAddr("127.0.0.1")); got != loopback4.Addr() {
		t.Errorf("SourceFor(127.0.0.1) = %v", got)
	}
	bound, _ := listenUDP(t, loopback4, ByRemotePort)
	if got := bound.SourceFor(netip.MustParseAddr("192.0.2.1")); got != loopback4.Addr() {
		t.Errorf("SourceFor of a bound socket = %v", got)
	}
}

func TestListenUDPTaken(t *testing.T) {
	c, _ := listenUDP(t, loopback4, PlainIKE)
	_, err := ListenUDP(c.LocalAddr(), PlainIKE)
	if !errors.Is(err, syscall.EADDRINUSE) && runtime.GOOS != "windows" {
		t.Errorf("err = %v, want EADDRINUSE", err)
	}
}

func TestCarrierCloseFirst(t *testing.T) {
	c, err := ListenUDP(loopback4, PlainIKE)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := c.Serve(func([]byte, Path) {}); err != nil {
		t.Errorf("Serve of a closed carrier: %v", err)
	}
	if err := c.SendIKE([]byte(message), Path{Remote: netip.MustParseAddrPort("127.0.0.1:9")}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("SendIKE of a closed carrier: %v", err)
	}
}

// TestPeerMoves: a client behind a NAT whose port changes is followed.
func TestPeerMoves(t *testing.T) {
	gateway, _ := listenUDP(t, loopback4, Encapsulated)
	tunnel := New(tuntest.New(1400))
	defer tunnel.Close()
	gateway.Attach(tunnel)
	seen := make(chan Path, 10)
	c, g := office(t, 1, 2, func([][]byte) error { return nil }, func([][]byte) error { return nil })
	g.Seen = func(from Path) { seen <- from }
	if err := tunnel.Add(g); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		client, _ := listenUDP(t, loopback4, ByRemotePort)
		packet, err := c.Out.Seal(nil, udpPacket("10.9.0.2:7", "10.20.0.1:9", nil), esp.NextIPv4)
		if err != nil {
			t.Fatal(err)
		}
		if err := client.SendESP([][]byte{packet}, Path{Remote: gateway.LocalAddr(), Marker: true}); err != nil {
			t.Fatal(err)
		}
		want := Path{Local: gateway.LocalAddr(), Remote: client.LocalAddr(), Marker: true}
		if got := next(t, seen); got != want {
			t.Errorf("seen at %v, want %v", got, want)
		}
	}
}

// TestCarrierMarked: many packets behind non-IKE markers arrive as they were.
func TestCarrierMarked(t *testing.T) {
	gateway, _ := listenUDP(t, loopback4, PlainIKE)
	client, _ := listenUDP(t, loopback4, ByRemotePort)
	dev := tuntest.New(1400)
	tunnel := New(dev)
	defer tunnel.Close()
	gateway.Attach(tunnel)
	to := Path{Remote: gateway.LocalAddr()}
	c, g := office(t, 1, 2, func(packets [][]byte) error { return client.SendESP(packets, to) }, func([][]byte) error { return nil })
	if err := tunnel.Add(g); err != nil {
		t.Fatal(err)
	}
	out := New(tuntest.New(1400))
	defer out.Close()
	if err := out.Add(c); err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		packet := udpPacket("10.9.0.2:7", "10.20.0.1:9", bytes.Repeat([]byte{byte(n)}, 10*n))
		for i := range out.outbound.sizes {
			out.outbound.sizes[i] = copy(out.outbound.buffers[i][headroom:], packet)
		}
		out.seal(len(out.outbound.sizes))
		for range out.outbound.sizes {
			if got := next(t, dev.Written()); !bytes.Equal(got, packet) {
				t.Fatalf("%d octets, want %d", len(got), len(packet))
			}
		}
	}
}
