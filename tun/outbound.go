package tun

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	wgtun "golang.zx2c4.com/wireguard/tun"
)

// outbound is the pump device -> seal -> carrier. The lock is taken once a
// batch, and only Remove ever waits for it.
type outbound struct {
	sync.Mutex
	traffic traffic
	buffers [][]byte // one a packet: headroom octets, the packet, room for the trailer
	sizes   []int
	larger  atomic.Int64 // the device's MTU, when it has become larger than the buffers

	// Packets of one pair that aren't sealed yet, in their buffers from ESP's header on,
	// and how many octets they have.
	packets [][]byte
	octets  int
	pair    *Pair

	flow     header // of the packet before, in this batch,
	flowPair *Pair  // and the pair it belongs to; nil: there was none

	notice []byte // room for one ICMP message to the device
}

const (
	// headroom is where the device puts a packet: header (8) and IV (16 at most) fit
	// in front, and it needn't be moved when sealed.
	headroom = 24
	tailroom = 64 // padding, trailer and ICV of every suite

	leastArena = 256 << 10 // octets of all buffers
	cacheLine  = 64        // octets

	readFailures = 16 // in a row that end Serve
)

// grow allocates the buffers, for packets of mtu octets. They lie an odd number of cache
// lines apart: at multiples of 4,096 octets all their headers would have their place in
// the same few lines of the first cache.
func (out *outbound) grow(batchSize, mtu int) {
	room := headroom + max(mtu, min(leastArena/batchSize, maxPacket)) + tailroom
	stride := ((room+cacheLine-1)/cacheLine | 1) * cacheLine
	arena := make([]byte, batchSize*stride)
	out.buffers = make([][]byte, batchSize)
	for i := range out.buffers {
		out.buffers[i] = arena[i*stride:][: room-tailroom : room]
	}
	out.sizes = make([]int, batchSize)
	out.packets = make([][]byte, 0, batchSize)
}

// Serve reads the device, seals what it gives and sends it, until Close, which
// it answers with nil, or until the device fails.
func (t *Tunnel) Serve() error {
	if t.serving.Swap(true) {
		return errServed
	}
	defer close(t.done)
	var events sync.WaitGroup
	events.Go(t.drainEvents)
	defer events.Wait()

	failures := 0
	for {
		if mtu := t.outbound.larger.Swap(0); mtu > 0 {
			t.outbound.Lock()
			t.outbound.grow(len(t.outbound.buffers), int(mtu))
			t.outbound.Unlock()
		}
		n, err := t.dev.Read(t.outbound.buffers, t.outbound.sizes, headroom)
		if n > 0 {
			t.seal(n)
		}
		switch {
		case err == nil, errors.Is(err, wgtun.ErrTooManySegments): // the rest of the batch is lost, the device isn't
			failures = 0
		case err == errPacket:
			failures = 0
			t.outbound.traffic.drop(malformed, 1)
		case t.closed.Load():
			return nil
		case errors.Is(err, os.ErrClosed), failures == readFailures:
			t.dev.Close()
			return fmt.Errorf("tun: reading the device: %w", err)
		default:
			failures++
			t.outbound.traffic.drop(deviceRefused, 1)
		}
	}
}

// drainEvents reads the device's events until it is closed: one that nobody
// takes could block the device.
func (t *Tunnel) drainEvents() {
	room := 0
	for e := range t.dev.Events() {
		if e&wgtun.EventMTUUpdate == 0 {
			continue
		}
		if mtu, err := t.dev.MTU(); err == nil && mtu > room && mtu <= maxPacket {
			room = mtu
			t.outbound.larger.Store(int64(mtu))
		}
	}
}

// seal seals and sends the first n buffers.
func (t *Tunnel) seal(n int) {
	out := &t.outbound
	out.Lock()
	defer out.Unlock()
	table, now := t.table.Load(), time.Since(t.start)
	out.flowPair = nil
	for i := range n {
		t.sealOne(table, out.buffers[i], out.sizes[i], now)
	}
	out.send(now)
}

// sealOne seals the packet of size octets in buffer. Packets of one pair are
// collected; another pair's sends them first.
func (t *Tunnel) sealOne(table *table, buffer []byte, size int, now time.Duration) {
	out := &t.outbound
	packet := buffer[headroom : headroom+size]
	h, ok := parse(packet)
	if !ok {
		out.traffic.drop(malformed, 1)
		return
	}
	packet = packet[:h.length]
	p := out.flowPair
	if p == nil || !h.sameFlow(&out.flow) {
		p = table.outbound(&h)
		out.flow, out.flowPair = h, p
	}
	if p == nil {
		why := outsideSelectors
		if table.empty() {
			why = noSA
		}
		out.traffic.drop(why, 1)
		return
	}
	mtu := t.limit(&h)
	t.large.sent(packet, &h, mtu, now)
	if mtu > 0 && len(packet) > mtu {
		t.sealTooBig(p, packet, &h, mtu, now)
		return
	}
	clampMSS(packet, &h, mtu)
	out.add(p, buffer, len(packet), now)
}

// sealTooBig refuses a packet that is larger than the MTU, or seals it in fragments
// where that is allowed (RFC 4301, section 8.2.1).
func (t *Tunnel) sealTooBig(p *Pair, packet []byte, h *header, mtu int, now time.Duration) {
	out := &t.outbound
	var fragments [][]byte
	if !h.dontFragment {
		fragments = fragmentIPv4(packet, mtu)
	}
	if fragments == nil {
		out.drop(p, tooBig, 1)
		t.refuseTooBig(packet, h, mtu)
		return
	}
	for _, b := range fragments {
		out.add(p, b, len(b)-headroom, now)
	}
}

// add has a packet of size octets sealed that lies in buffer behind the headroom, with
// others of the pair.
func (out *outbound) add(p *Pair, buffer []byte, size int, now time.Duration) {
	if p != out.pair {
		out.send(now)
		out.pair = p
	}
	out.packets = append(out.packets, buffer[headroom-p.Out.Offset():headroom+size])
	out.octets += size
}

// send seals the packets of the pair and sends them.
func (out *outbound) send(now time.Duration) {
	p, packets, octets := out.pair, out.packets, out.octets
	out.pair, out.packets, out.octets = nil, packets[:0], 0
	if len(packets) == 0 {
		return
	}
	n, err := p.Out.SealBatch(packets)
	if err != nil {
		for _, left := range packets[n:] {
			octets -= len(left) - p.Out.Offset()
		}
		out.drop(p, exhausted, len(packets)-n)
	}
	if n == 0 {
		return
	}
	p.out.count(n, octets)
	out.traffic.count(n, octets)
	if err := p.Send(packets[:n]); err != nil {
		out.drop(p, sendRefused, n)
	} else {
		p.lastOutbound.Store(int64(now))
	}
}

func (out *outbound) drop(p *Pair, why reason, packets int) {
	p.out.drop(why, packets)
	out.traffic.drop(why, packets)
}
