package tun

import (
	"bytes"
	"errors"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	wgtun "golang.zx2c4.com/wireguard/tun"
)

// openDevice opens one in the calling thread's namespace, with 10.9.0.1/24 and fd00::1/64.
func openDevice(t *testing.T) *device {
	t.Helper()
	dev, err := OpenTUN("", 1400)
	if err == nil {
		err = up("postern0", "10.9.0.1/24", "fd00::1/64")
	}
	if err != nil {
		t.Error(err)
		return nil
	}
	// The kernel begins to take packets for an IPv6 address in a worker of its own.
	eventually(t, "the address is ours", func() bool {
		routes, err := netlink.RouteGet(net.ParseIP("fd00::1"))
		return err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL
	})
	return dev.(*device)
}

// readers are buffers for a device.
func readers() (bufs [][]byte, sizes []int) {
	for range deviceBatch {
		bufs = append(bufs, make([]byte, 1500))
	}
	return bufs, make([]int, deviceBatch)
}

// dialUDPHere dials from the calling thread's namespace.
func dialUDPHere(to string) (*net.UDPConn, error) {
	a, err := net.ResolveUDPAddr("udp", to)
	if err != nil {
		return nil, err
	}
	return net.DialUDP("udp", nil, a)
}

// TestDeviceUDP: datagrams that a program sends as a train, and one by one, come out of
// the device with right checksums; sent back they arrive.
func TestDeviceUDP(t *testing.T) {
	for name, missing := range map[string][]*bool{"all": nil, "no USO": {&haveUSO}, "no TSO": {&haveTSO}, "no header": {&haveVnetHeader}} {
		for family, to := range map[string]string{"IPv4": "10.9.0.2:9", "IPv6": "[fd00::2]:9"} {
			t.Run(name+" "+family, func(t *testing.T) {
				lacking(t, missing...)
				inNamespace(t, func() { deviceUDP(t, to) })
			})
		}
	}
}

func deviceUDP(t *testing.T, to string) {
	dev := openDevice(t)
	conn, err := dialUDPHere(to)
	if dev == nil || err != nil {
		t.Errorf("%v", err)
		return
	}
	defer dev.Close()
	defer conn.Close()
	var sizes []int
	for range 100 {
		sizes = append(sizes, 1000)
	}
	sent := payloads(append(sizes, 7)...)
	control := putSegment(make([]byte, controlSpace), 1000)
	go func() {
		for _, p := range sent[:50] {
			_, _ = conn.Write(p)
		}
		train := slices.Concat(sent[50:]...)
		if _, _, err := conn.WriteMsgUDP(train, control, nil); err != nil {
			for _, p := range sent[50:] {
				_, _ = conn.Write(p)
			}
		}
	}()
	var back [][]byte
	bufs, lengths := readers()
	for len(back) < len(sent) {
		n, err := dev.Read(bufs, lengths, 10)
		if err != nil {
			t.Error(err)
			return
		}
		for i := range n {
			p := bufs[i][10:][:lengths[i]]
			s := shapeOf(p)
			if !s.udp || p[len(p)-1] != sent[len(back)][len(p)-1-s.transport-udpHeaderLen] {
				continue // a router solicitation
			}
			g := group{shape: s}
			if !g.checksumRight(p) || !bytes.Equal(p[s.transport+udpHeaderLen:], sent[len(back)]) {
				t.Errorf("packet %d of %d octets isn't what was sent", len(back), len(p))
			}
			back = append(back, slices.Concat(make([]byte, 3), answer(p)))
		}
	}
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	b := make([]byte, 2000)
	for batch := range slices.Chunk(back, 70) { // the system's buffer holds 90
		if n, err := dev.Write(batch, 3); n != len(batch) || err != nil {
			t.Errorf("wrote %d of %d: %v", n, len(batch), err)
		}
		for range batch {
			if n, err := conn.Read(b); err != nil || !bytes.Equal(b[:n], sent[0]) {
				t.Errorf("%d packets before the end: %d octets, %v", len(sent), n, err)
				return
			}
			sent = sent[1:]
		}
	}
}

// answer swaps addresses and ports, which leaves the checksums right.
func answer(p []byte) []byte {
	p = slices.Clone(p)
	s := shapeOf(p)
	at, size := 12, 4
	if s.ipv6 {
		at, size = 8, 16
	}
	swap := func(b []byte, n int) {
		for i := range n {
			b[i], b[n+i] = b[n+i], b[i]
		}
	}
	swap(p[at:], size)
	swap(p[s.transport:], 2)
	return p
}

// TestDeviceLife: what becomes of the device is told, and Close ends a Read.
func TestDeviceLife(t *testing.T) {
	inNamespace(t, func() {
		dev := openDevice(t)
		if dev == nil {
			return
		}
		nl, err := netlink.LinkByName("postern0")
		if err != nil {
			t.Error(err)
			return
		}
		if segments := nl.Attrs().GSOMaxSegs; segments != 45 {
			t.Errorf("superpackets of %d segments", segments)
		}
		if err := netlink.LinkSetMTU(nl, 1300); err != nil {
			t.Error(err)
		}
		seen := map[wgtun.Event]bool{}
		for !seen[wgtun.EventUp] || !seen[wgtun.EventMTUUpdate] {
			select {
			case e := <-dev.Events():
				seen[e] = true
			case <-time.After(time.Minute):
				t.Errorf("events %v", seen)
				return
			}
		}
		if mtu, err := dev.MTU(); mtu != 1300 || err != nil {
			t.Errorf("MTU %d, %v", mtu, err)
		}
		if name, err := dev.Name(); name != "postern0" || err != nil {
			t.Errorf("name %q, %v", name, err)
		}
		if dev.File() == nil {
			t.Error("no file")
		}
		ended := make(chan error)
		go func() {
			bufs, sizes := readers()
			var err error
			for err == nil { // the system sends router solicitations
				_, err = dev.Read(bufs, sizes, 0)
			}
			ended <- err
		}()
		for range 2 {
			if err := dev.Close(); err != nil {
				t.Error(err)
			}
		}
		select {
		case err := <-ended:
			if !errors.Is(err, os.ErrClosed) {
				t.Errorf("Read: %v", err)
			}
		case <-time.After(time.Minute):
			t.Error("Close doesn't end Read")
		}
		if _, err := dev.Write([][]byte{make([]byte, 40)}, 0); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Write: %v", err)
		}
		if _, err := dev.MTU(); err == nil {
			t.Error("a closed device has an MTU")
		}
		for range dev.Events() {
		}
		if _, err := netlink.LinkByName("postern0"); err == nil {
			t.Error("the device is still there")
		}
	})
}

// TestDeviceDeleted: somebody deletes the interface.
func TestDeviceDeleted(t *testing.T) {
	inNamespace(t, func() {
		dev := openDevice(t)
		if dev == nil {
			return
		}
		defer dev.Close()
		nl, err := netlink.LinkByName("postern0")
		if err == nil {
			err = netlink.LinkDel(nl)
		}
		if err != nil {
			t.Error(err)
			return
		}
		bufs, sizes := readers()
		for err == nil {
			_, err = dev.Read(bufs, sizes, 0)
		}
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("Read: %v", err)
		}
	})
}

// TestDeviceTooLarge: a packet that the buffers don't hold is lost, and no more.
func TestDeviceTooLarge(t *testing.T) {
	inNamespace(t, func() {
		dev := openDevice(t)
		conn, err := dialUDPHere("10.9.0.2:9")
		if dev == nil || err != nil {
			t.Error(err)
			return
		}
		defer dev.Close()
		defer conn.Close()
		for _, size := range []int{1000, 1300, 1000} {
			if _, err := conn.Write(make([]byte, size)); err != nil {
				t.Error(err)
			}
		}
		bufs, sizes := [][]byte{make([]byte, 1200), make([]byte, 1200)}, make([]int, 2)
		lost, got := 0, 0
		for got < 2 {
			n, err := dev.Read(bufs, sizes, 0)
			for i := range n {
				if bufs[i][0]>>4 == 4 {
					got++
				}
			}
			if err == errPacket {
				lost++
			} else if err != nil {
				t.Error(err)
				return
			}
		}
		if lost != 1 {
			t.Errorf("%d errors", lost)
		}
	})
}

// TestDeviceAllocations: nothing is allocated per packet.
func TestDeviceAllocations(t *testing.T) {
	inNamespace(t, func() {
		dev := openDevice(t)
		conn, err := dialUDPHere("10.9.0.2:9")
		if dev == nil || err != nil {
			t.Error(err)
			return
		}
		defer dev.Close()
		defer conn.Close()
		fd := -1
		if raw, err := conn.SyscallConn(); err == nil {
			_ = raw.Control(func(u uintptr) { fd = int(u) })
		}
		bufs, sizes := readers()
		data, answers := make([]byte, 1000), flowPackets(protoTCP, false, 1000, pattern(9500))
		packets := make([][]byte, len(answers))
		if allocations := testing.AllocsPerRun(200, func() {
			for range 10 {
				if _, err := unix.Write(fd, data); err != nil {
					t.Error(err)
				}
			}
			for got := 0; got < 10; {
				n, err := dev.Read(bufs, sizes, 24)
				if err != nil {
					t.Error(err)
					return
				}
				got += n
			}
			for i, p := range answers {
				packets[i] = append(packets[i][:0], p...)
			}
			if n, err := dev.Write(packets, 0); n != len(packets) || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		}); allocations > 0 {
			t.Errorf("%v allocations for 20 packets", allocations)
		}
	})
}
