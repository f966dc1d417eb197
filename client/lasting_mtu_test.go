package client_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"postern/tun/hostnet"
)

// innerOf is what aes128-sha1 in UDP in IPv4 leaves of an outer packet: all but the
// headers (20, 8, 8), the IV (16) and the ICV (12), in whole blocks, less two octets.
func innerOf(outer int) int { return (outer-64)/16*16 - 2 }

// goThrough has the laptop's way to the gateway be another.
func (w *world) goThrough(way hostnet.Way) {
	w.laptop.mu.Lock()
	w.laptop.way = way
	w.laptop.mu.Unlock()
	w.laptop.changes <- hostnet.Change{Kind: hostnet.Address}
	time.Sleep(2 * time.Second)
}

// mtu checks the tunnel's, and that its device was told.
func (w *world) mtu(when string, want int) {
	w.t.Helper()
	w.laptop.mu.Lock()
	defer w.laptop.mu.Unlock()
	device := w.laptop.applied[0].MTU
	if n := len(w.laptop.mtus); n > 0 {
		device = w.laptop.mtus[n-1]
	}
	if got := w.conn.Status().Tunnel.MTU; got != want || device != want {
		w.t.Errorf("%s: MTU %d, the device has %d, want %d", when, got, device, want)
	}
}

// The tunnel's MTU is what the way to the gateway leaves, while it changes.
func TestMTUFollowsTheWay(t *testing.T) {
	inWorld(t, lives(8*time.Hour, time.Hour), "", nil, func(w *world) {
		w.mtu("at first", innerOf(1500))
		router := netip.MustParseAddr("192.0.2.1")
		for _, c := range []struct {
			way  hostnet.Way
			want int
		}{
			{hostnet.Way{MTU: 1280, Via: router}, 1280},
			{hostnet.Way{MTU: 1400, Via: router}, 1400},
			{hostnet.Way{MTU: 1492, Via: router}, 1492}, // PPPoE
			{hostnet.Way{MTU: 9000, Via: router}, 1500},
			{hostnet.Way{MTU: 9000}, 9000}, // the gateway is on the link
			{hostnet.Way{MTU: 1500, Via: router}, 1500},
		} {
			w.goThrough(c.way)
			w.mtu(fmt.Sprint(c.way.MTU, " ", c.way.Via), innerOf(c.want))
		}
	})
}

// Large packets that vanish without a word lower it, and another network raises it.
func TestMTUBlackHole(t *testing.T) {
	inWorld(t, lives(8*time.Hour, time.Hour), "", nil, func(w *world) {
		w.net.SetFault(func(_, _ netip.AddrPort, data []byte) []time.Duration {
			if len(data)+28 > 1300 {
				return nil
			}
			return []time.Duration{0}
		})
		f := w.flow(100 * time.Millisecond)
		large := tcpSegment(w.conn.Status().Tunnel.Address, insideHost, innerOf(1500))
		for range 6 { // as TCP repeats it
			w.laptop.device.Inject(append([]byte(nil), large...))
			time.Sleep(time.Second)
		}
		w.mtu("in the hole", innerOf(1280))
		w.net.SetFault(nil)
		w.goThrough(hostnet.Way{MTU: 1500})
		w.mtu("after it", innerOf(1500))
		f.end()
		f.perfect(t)
	})
}

// tcpSegment is an IPv4 packet of so many octets.
func tcpSegment(from, to netip.Addr, size int) []byte {
	b := append(packet(from, to, 0)[:20], make([]byte, size-20)...)
	binary.BigEndian.PutUint16(b[2:], uint16(size))
	b[9], b[10], b[11] = 6, 0, 0
	var sum uint32
	for i := 0; i < 20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	binary.BigEndian.PutUint16(b[10:], ^uint16(sum+sum>>16))
	binary.BigEndian.PutUint16(b[20:], 40000)
	binary.BigEndian.PutUint16(b[22:], 443)
	b[32], b[33] = 5<<4, 0x10
	return b
}
