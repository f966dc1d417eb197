package tun

import (
	"errors"
	"fmt"
	"os"
	"sync"
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
	sealed  [][]byte // packets of pair, not sent yet
	pair    *Pair
	notice  []byte // room for one ICMP message to the device
}

const (
	// headroom is where the device puts a packet: with AES-CBC, header (8) and IV
	// (16) fit in front exactly, and it needn't be moved when sealed.
	headroom = 24
	tailroom = 64 // padding, trailer and ICV of every suite

	readFailures = 16 // in a row that end Serve
)

func (out *outbound) grow(batchSize int) {
	out.buffers = make([][]byte, batchSize)
	for i := range out.buffers {
		out.buffers[i] = make([]byte, headroom+maxPacket, headroom+maxPacket+tailroom)
	}
	out.sizes = make([]int, batchSize)
	out.sealed = make([][]byte, 0, batchSize)
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
	for range t.dev.Events() {
	}
}

// seal seals and sends the first n buffers.
func (t *Tunnel) seal(n int) {
	out := &t.outbound
	out.Lock()
	defer out.Unlock()
	table, now := t.table.Load(), time.Since(t.start)
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
	p := table.outbound(&h)
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
	t.sealFor(p, buffer, packet, now)
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
		t.sealFor(p, b, b[headroom:], now)
	}
}

// sealFor seals a packet that lies in buffer behind the headroom, for a pair.
func (t *Tunnel) sealFor(p *Pair, buffer, packet []byte, now time.Duration) {
	out := &t.outbound
	if p != out.pair {
		out.send(now)
		out.pair = p
	}
	sealed, err := p.Out.Seal(buffer[:0], packet, nextHeader(packet))
	if err != nil {
		out.drop(p, exhausted, 1)
		return
	}
	p.out.count(len(packet))
	out.traffic.count(len(packet))
	out.sealed = append(out.sealed, sealed)
}

// send sends what was sealed.
func (out *outbound) send(now time.Duration) {
	if p := out.pair; len(out.sealed) > 0 {
		if err := p.Send(out.sealed); err != nil {
			out.drop(p, sendRefused, len(out.sealed))
		} else {
			p.lastOutbound.Store(int64(now))
		}
	}
	out.sealed = out.sealed[:0]
	out.pair = nil
}

func (out *outbound) drop(p *Pair, why reason, packets int) {
	p.out.drop(why, packets)
	out.traffic.drop(why, packets)
}
