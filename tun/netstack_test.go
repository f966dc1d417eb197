package tun

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// end is one end of a tunnel between two IP stacks of this process.
type end struct {
	device  Device
	net     *Net
	tunnel  *Tunnel
	carrier *Carrier
}

func newEnd(t *testing.T, f Framing, mtu int, dns []netip.Addr, addresses ...string) *end {
	t.Helper()
	var addrs []netip.Addr
	for _, a := range addresses {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	dev, stack, err := OpenNetstack(addrs, dns, mtu)
	if err != nil {
		t.Fatal(err)
	}
	e := &end{device: dev, net: stack, tunnel: New(dev)}
	e.carrier, _ = listenUDP(t, loopback4, f)
	e.carrier.Attach(e.tunnel)
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := e.tunnel.Serve(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		if err := e.tunnel.Close(); err != nil {
			t.Error(err)
		}
		serving.Wait()
	})
	return e
}

// backToBack joins a client, 10.9.0.2, and an office, 10.20.0.1, by ESP in UDP
// over loopback. The office is its own DNS server. lose, if not nil, says for
// each packet whether it is lost.
func backToBack(t *testing.T, lose func() bool) (client, office *end) {
	t.Helper()
	office = newEnd(t, Encapsulated, 1400, nil, "10.20.0.1", "fd00:20::1")
	client = newEnd(t, ByRemotePort, 1400, []netip.Addr{netip.MustParseAddr("10.20.0.1")}, "10.9.0.2", "fd00:9::2")
	here, there := selectors("10.9.0.2/32", "fd00:9::2/128"), selectors("10.20.0.0/16", "fd00:20::/64")
	send := func(from, to *end) func([][]byte) error {
		return func(packets [][]byte) error {
			if lose != nil {
				packets = slices.DeleteFunc(slices.Clone(packets), func([]byte) bool { return lose() })
			}
			return from.carrier.SendESP(packets, Path{Remote: to.carrier.LocalAddr(), Marker: true})
		}
	}
	c := newPair(t, 0x1001, 0x2001, here, there, send(client, office))
	o := newPair(t, 0x2001, 0x1001, there, here, send(office, client))
	for _, err := range []error{client.tunnel.Add(c), office.tunnel.Add(o)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return client, office
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestUDPEchoThroughTunnel(t *testing.T) {
	client, office := backToBack(t, nil)
	for _, address := range []string{"10.20.0.1:7", "[fd00:20::1]:7"} {
		echo, err := office.net.ListenPacket("udp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer echo.Close()
		go func() {
			b := make([]byte, 2000)
			for {
				n, from, err := echo.ReadFrom(b)
				if err != nil {
					return
				}
				_, _ = echo.WriteTo(b[:n], from)
			}
		}()
		conn, err := client.net.DialContext(deadline(t), "udp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		for _, size := range []int{1, 1000, 1352, 4000} { // the last one in fragments
			data := bytes.Repeat([]byte{byte(size)}, size)
			if size > 2000 {
				data = data[:1999]
			}
			if _, err := conn.Write(data); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 2000)
			n, err := conn.Read(b)
			if err != nil {
				t.Fatalf("%s, %d octets: %v", address, size, err)
			}
			if !bytes.Equal(b[:n], data) {
				t.Errorf("%s: %d octets came back of %d", address, n, len(data))
			}
		}
	}
}

// TestTCPThroughTunnel sends 1 MiB each way at once.
func TestTCPThroughTunnel(t *testing.T) {
	client, office := backToBack(t, nil)
	bulk(t, client, office, 1<<20)
	for name, e := range map[string]*end{"client": client, "office": office} {
		if s := e.tunnel.Stats(); s.In.Drops.Integrity+s.In.Drops.Malformed+s.In.Drops.Selectors+s.Out.Drops.Send > 0 || s.In.Octets < 2<<20 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// TestTCPThroughLoss: the stack's TCP recovers from an outage, and from the loss
// of single packets.
func TestTCPThroughLoss(t *testing.T) {
	const outage = 30 * time.Millisecond
	var packets, lost atomic.Int64
	var until atomic.Pointer[time.Time]
	client, office := backToBack(t, func() bool {
		n := packets.Add(1)
		if n == 500 {
			end := time.Now().Add(outage)
			until.Store(&end)
		}
		end := until.Load()
		lose := n%100 == 0 || end != nil && time.Now().Before(*end)
		if lose {
			lost.Add(1)
		}
		return lose
	})
	begin := time.Now()
	bulk(t, client, office, 1<<19) // seconds; a busy machine with the race detector takes a minute
	if took := time.Since(begin); took > 4*time.Minute || lost.Load() < 20 {
		t.Errorf("%d packets lost: %v", lost.Load(), took)
	}
}

// bulk sends size octets each way at once, by IPv4 and then by IPv6.
func bulk(t *testing.T, client, office *end, size int) {
	t.Helper()
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i * i >> 8)
	}
	want := sha256.Sum256(data)
	exchange := func(name string, conn net.Conn) {
		_ = conn.SetDeadline(time.Now().Add(4 * time.Minute))
		var sending sync.WaitGroup
		sending.Go(func() {
			if _, err := conn.Write(data); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			_ = conn.(interface{ CloseWrite() error }).CloseWrite()
		})
		got := sha256.New()
		n, err := io.Copy(got, conn)
		if err != nil || n != int64(len(data)) || !bytes.Equal(got.Sum(nil), want[:]) {
			t.Errorf("%s: received %d octets, %v", name, n, err)
		}
		sending.Wait()
		conn.Close()
	}

	for _, address := range []string{"10.20.0.1:80", "[fd00:20::1]:80"} {
		l, err := office.net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		var serving sync.WaitGroup
		serving.Go(func() {
			conn, err := l.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			exchange("office", conn)
		})
		conn, err := client.net.DialContext(deadline(t), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		exchange("client", conn)
		serving.Wait()
	}
}

// TestLookupThroughTunnel: names are asked of the server inside, and of it alone.
func TestLookupThroughTunnel(t *testing.T) {
	client, office := backToBack(t, nil)
	conn, err := office.net.ListenPacket("udp", "10.20.0.1:53")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go serveDNS(conn, "intranet.example.", [4]byte{10, 20, 0, 1})

	got, err := client.net.LookupHost(deadline(t), "intranet.example")
	if err != nil || len(got) != 1 || got[0] != netip.MustParseAddr("10.20.0.1") {
		t.Errorf("intranet.example: %v, %v", got, err)
	}
	var dns *net.DNSError
	if _, err := client.net.LookupHost(deadline(t), "absent.example"); !errors.As(err, &dns) || !dns.IsNotFound {
		t.Errorf("absent.example: %v", err)
	}
	if got, err := client.net.LookupHost(deadline(t), "192.0.2.1"); err != nil || got[0].String() != "192.0.2.1" {
		t.Errorf("192.0.2.1: %v, %v", got, err)
	}
	if _, err := office.net.LookupHost(deadline(t), "intranet.example"); err == nil {
		t.Error("a stack without DNS servers found a name")
	}

	l, err := office.net.Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	web, err := client.net.DialContext(deadline(t), "tcp", "intranet.example:80")
	if err != nil {
		t.Fatal(err)
	}
	web.Close()
	if _, err := client.net.DialContext(deadline(t), "tcp", "10.20.0.1:81"); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("closed port: %v", err)
	}
}

// serveDNS answers questions for one name, and denies all others.
func serveDNS(conn net.PacketConn, name string, address [4]byte) {
	b := make([]byte, 512)
	for {
		n, from, err := conn.ReadFrom(b)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(b[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		q := m.Questions[0]
		m.Header.Response, m.Header.Authoritative, m.Additionals = true, true, nil
		if q.Name.String() != name {
			m.Header.RCode = dnsmessage.RCodeNameError
		} else if q.Type == dnsmessage.TypeA {
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60},
				Body:   &dnsmessage.AResource{A: address},
			}}
		}
		if answer, err := m.Pack(); err == nil {
			_, _ = conn.WriteTo(answer, from)
		}
	}
}

// TestNetstackClose closes a stack in the middle of a transfer, with connections
// open: nothing panics, nothing is left.
func TestNetstackClose(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 5 {
		dev, stack, err := OpenNetstack([]netip.Addr{netip.MustParseAddr("10.20.0.1")}, nil, 1400)
		if err != nil {
			t.Fatal(err)
		}
		var wait sync.WaitGroup
		wait.Go(func() {
			bufs, sizes := [][]byte{make([]byte, 2000)}, []int{0}
			for {
				if _, err := dev.Read(bufs, sizes, 10); err != nil {
					if !errors.Is(err, os.ErrClosed) {
						t.Errorf("Read: %v", err)
					}
					return
				}
			}
		})
		for port := range uint16(4) {
			conn, err := stack.DialContext(deadline(t), "udp", netip.AddrPortFrom(netip.MustParseAddr("10.9.0.2"), 1000+port).String())
			if err != nil {
				t.Fatal(err)
			}
			wait.Go(func() {
				for {
					if _, err := conn.Write(make([]byte, 100)); err != nil {
						return
					}
				}
			})
			wait.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				if _, err := stack.DialContext(ctx, "tcp", "10.9.0.2:80"); err == nil {
					t.Error("connected to nobody")
				}
			})
		}
		time.Sleep(20 * time.Millisecond)
		for range 2 {
			if err := dev.Close(); err != nil {
				t.Error(err)
			}
		}
		wait.Wait()
		if _, err := dev.Write([][]byte{udpPacket("10.9.0.2:7", "10.20.0.1:9", nil)}, 0); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Write to a closed device: %v", err)
		}
		for range dev.Events() { // closed
		}
	}
	eventually(t, "the stacks' goroutines have ended", func() bool { return runtime.NumGoroutine() <= before+2 })
}
