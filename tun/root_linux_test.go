package tun

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"postern/tun/esp"
	"postern/tun/tuntest"
)

// cannot skips the test, or fails it where POSTERN_REQUIRE_PEERS=1 asks for all
// that need more than a person has.
func cannot(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("POSTERN_REQUIRE_PEERS") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// inNamespace runs a test in a network namespace of its own, whose loopback is
// up.
func inNamespace(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		cannot(t, "a network namespace takes root")
	}
	done := make(chan struct{})
	var missing error
	go func() {
		defer close(done)
		// Never unlocked: the thread dies with the goroutine, and the namespace
		// with the last socket in it.
		runtime.LockOSThread()
		ns, err := netns.New()
		if err != nil {
			missing = err
			return
		}
		defer ns.Close()
		if err := up("lo"); err != nil {
			t.Error(err)
			return
		}
		f()
	}()
	<-done
	if missing != nil {
		cannot(t, "no network namespace: %v", missing)
	}
}

// up brings a link up, and gives it addresses.
func up(name string, addresses ...string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	for _, a := range addresses {
		addr, err := netlink.ParseAddr(a)
		if err != nil {
			return err
		}
		if addr.IP.To4() == nil {
			addr.Flags = 0x02 // IFA_F_NODAD: usable at once
		}
		if err := netlink.AddrAdd(link, addr); err != nil {
			return fmt.Errorf("%s: %w", a, err)
		}
	}
	return netlink.LinkSetUp(link)
}

// TestTUN moves TCP between the kernel's stack behind a TUN device and a netstack at the
// other end of the tunnel, whatever the kernel can do.
func TestTUN(t *testing.T) {
	for name, missing := range map[string][]*bool{
		"all": nil, "no USO": {&haveUSO}, "no TSO": {&haveTSO}, "no header": {&haveVnetHeader},
	} {
		t.Run(name, func(t *testing.T) {
			lacking(t, missing...)
			testTUN(t)
		})
	}
}

func testTUN(t *testing.T) {
	inNamespace(t, func() {
		dev, err := OpenTUN("", 1400)
		if err != nil {
			t.Error(err)
			return
		}
		name, err := dev.Name()
		if err != nil || name != "postern0" {
			t.Errorf("name %q, %v", name, err)
		}
		if _, err := OpenTUN(name, 1400); err == nil {
			t.Error("the name was free twice")
		}
		if err := up(name, "10.9.0.2/16", "10.20.0.9/16"); err != nil {
			t.Error(err)
		}
		other, stack, err := OpenNetstack([]netip.Addr{netip.MustParseAddr("10.20.0.1")}, nil, 1400)
		if err != nil {
			t.Error(err)
			return
		}
		system, behind := New(dev), New(other)
		var serving sync.WaitGroup
		for _, tunnel := range []*Tunnel{system, behind} {
			serving.Go(func() {
				if err := tunnel.Serve(); err != nil {
					t.Error(err)
				}
			})
		}
		defer serving.Wait()
		defer system.Close()
		defer behind.Close()
		here := selectors("10.20.0.9/32")
		there := selectors("10.20.0.1/32")
		for tunnel, p := range map[*Tunnel]*Pair{
			system: newPair(t, 1, 2, here, there, into(behind, Path{})),
			behind: newPair(t, 2, 1, there, here, into(system, Path{})),
		} {
			if err := tunnel.Add(p); err != nil {
				t.Error(err)
			}
		}
		transfer(t, stack)
		in, out := system.Stats().In, system.Stats().Out
		if in.Drops != (Drops{}) || out.Drops.Send+out.Drops.Malformed+out.Drops.Exhausted > 0 {
			t.Errorf("in %+v, out %+v", in, out)
		}
	})
}

// transfer sends 4 MiB from the kernel to the netstack and back.
func transfer(t *testing.T, stack *Net) {
	l, err := stack.Listen("tcp", "10.20.0.1:80")
	if err != nil {
		t.Error(err)
		return
	}
	defer l.Close()
	data := bytes.Repeat([]byte("0123456789abcde\n"), 4<<16)
	var serving sync.WaitGroup
	defer serving.Wait()
	serving.Go(func() {
		conn, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		got := make([]byte, len(data))
		if err := readFull(conn, got); err != nil || !bytes.Equal(got, data) {
			t.Errorf("behind: %v", err)
		}
		if _, err := conn.Write(data); err != nil {
			t.Error(err)
		}
	})
	// The thread is in the namespace: this socket is too.
	conn, err := dialHere("10.20.0.1:80")
	if err != nil {
		t.Error(err)
		l.Close()
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	serving.Go(func() {
		if _, err := conn.Write(data); err != nil {
			t.Error(err)
		}
	})
	got := make([]byte, len(data))
	if err := readFull(conn, got); err != nil || !bytes.Equal(got, data) {
		t.Errorf("system: %v", err)
	}
}

// dialHere dials in the calling goroutine: net's own dialer would use another
// one, outside of the namespace, only for more than one address.
func dialHere(address string) (net.Conn, error) {
	a, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, err
	}
	return net.DialTCP("tcp", nil, a)
}

func readFull(conn net.Conn, b []byte) error {
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	for len(b) > 0 {
		n, err := conn.Read(b)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// TestRawESP sends ESP as an IP protocol of its own, over loopback.
func TestRawESP(t *testing.T) {
	for name, test := range map[string]struct{ bind, spokenTo, peer netip.Addr }{
		"IPv4":           {netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")},
		"IPv4, wildcard": {netip.IPv4Unspecified(), netip.MustParseAddr("127.0.0.77"), netip.MustParseAddr("127.0.0.2")},
		"IPv6, wildcard": {netip.IPv6Unspecified(), netip.IPv6Loopback(), netip.IPv6Loopback()},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := os.Stat("/proc/net/if_inet6"); err != nil && test.bind.Is6() {
				t.Skip("no IPv6 here")
			}
			inNamespace(t, func() { rawESP(t, test.bind, test.spokenTo, test.peer) })
		})
	}
}

func rawESP(t *testing.T, bind, spokenTo, peer netip.Addr) {
	gateway, err := ListenRawESP(bind)
	if err != nil {
		t.Errorf("%v", err)
		return
	}
	client, err := ListenRawESP(peer)
	if err != nil {
		t.Errorf("%v", err)
		return
	}
	defer client.Close()
	dev := tuntest.New(1400)
	tunnel := New(dev)
	defer tunnel.Close()
	gateway.Attach(tunnel)
	served := make(chan error, 1)
	go func() { served <- gateway.Serve() }()

	seen := make(chan Path, 10)
	c, g := office(t, 0x1001, 0x2001, func([][]byte) error { return nil }, func([][]byte) error { return nil })
	g.Seen = func(from Path) { seen <- from }
	if err := tunnel.Add(g); err != nil {
		t.Error(err)
	}
	inner := udpPacket("10.9.0.2:7", "10.20.0.1:9", []byte("there"))
	packet, err := c.Out.Seal(nil, inner, esp.NextIPv4)
	if err != nil {
		t.Error(err)
	}
	if err := client.SendESP([][]byte{packet}, Path{Remote: netip.AddrPortFrom(spokenTo, 0)}); err != nil {
		t.Errorf("sending: %v", err)
	}
	select {
	case got := <-dev.Written():
		if !bytes.Equal(got, inner) {
			t.Errorf("got %x, want %x", got, inner)
		}
		from := <-seen
		if from.Local.Addr() != spokenTo || from.Remote.Addr() != peer {
			t.Errorf("path %v, want %v -> %v", from, spokenTo, peer)
		}
		// And back along it.
		if err := gateway.SendESP([][]byte{packet}, from); err != nil {
			t.Errorf("answering: %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("nothing arrived")
	}
	if err := client.SendESP([][]byte{packet}, Path{}); err == nil {
		t.Error("sent to nowhere")
	}
	if err := gateway.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestListenRawESPWithoutPrivilege(t *testing.T) {
	renounce(t, unix.CAP_NET_RAW)
	if _, err := ListenRawESP(netip.IPv4Unspecified()); !errors.Is(err, os.ErrPermission) {
		t.Errorf("err = %v, want permission denied", err)
	}
}

// renounce takes a capability from the calling test, alone on its thread, which
// ends with the test.
func renounce(t *testing.T, capability int) {
	t.Helper()
	runtime.LockOSThread() // and never unlocked: the thread isn't to be used again
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		t.Fatal(err)
	}
	sets[capability/32].Effective &^= 1 << (capability % 32)
	if err := unix.Capset(&header, &sets[0]); err != nil {
		t.Fatal(err)
	}
}
