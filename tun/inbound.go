package tun

import (
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"postern/tun/esp"
)

// Datagram is one ESP packet as it arrived, from the SPI on.
type Datagram struct {
	Data []byte
	From Path
}

// inbound is the pump carrier -> open -> device. The lock is taken once a batch:
// with one carrier it is never contended, with several it keeps an association
// in one goroutine at a time.
type inbound struct {
	sync.Mutex
	traffic traffic
	buffers [][]byte // deviceOffset octets of room, then a packet
	ready   [][]byte // to be written: the first of buffers, cut to length
}

const (
	// deviceOffset is the room in front of each packet written to the device: it
	// may put its own header there (Linux: struct virtio_net_hdr, 10 octets).
	deviceOffset = 16

	maxPacket = 65535 // octets of an IP packet

	inboundBatch = 64 // packets opened for one write to the device
)

// grow allocates the buffers. A device that takes batches joins TCP segments in
// them, and wants the room of the largest packet; the system gives the memory
// when it is written to.
func (in *inbound) grow(batchSize int) {
	room := 2048
	if batchSize > 1 {
		room = maxPacket
	}
	in.buffers = make([][]byte, inboundBatch)
	for i := range in.buffers {
		in.buffers[i] = make([]byte, deviceOffset, deviceOffset+room)
	}
	in.ready = make([][]byte, 0, inboundBatch)
}

// Deliver opens ESP packets, in place, and writes to the device what they hold.
// The slices are the caller's again when it returns.
func (t *Tunnel) Deliver(batch []Datagram) {
	in := &t.inbound
	in.Lock()
	defer in.Unlock()
	if t.closed.Load() {
		return
	}
	table, now := t.table.Load(), time.Since(t.start)
	for i := range batch {
		t.open(table, &batch[i], now)
		if len(in.ready) == inboundBatch {
			t.writeReady()
		}
	}
	t.writeReady()
}

// open opens one packet and makes it ready for the device.
func (t *Tunnel) open(table *table, d *Datagram, now time.Duration) {
	in := &t.inbound
	if len(d.Data) < 8 {
		in.traffic.drop(malformed, 1)
		return
	}
	p := table.bySPI[binary.BigEndian.Uint32(d.Data)]
	if p == nil {
		in.traffic.drop(noSA, 1)
		if f := t.stray.Load(); f != nil {
			(*f)(binary.BigEndian.Uint32(d.Data), d.From)
		}
		return
	}
	newest := p.In.Sequence()
	packet, next, err := p.In.Open(d.Data)
	if err != nil {
		in.drop(p, refusal(err))
		return
	}
	p.lastInbound.Store(int64(now))
	if p.In.Sequence() != newest && p.Seen != nil {
		p.Seen(d.From)
	}
	if next == esp.NextNone {
		return
	}
	h, ok := parse(packet)
	if !ok || next != nextHeader(packet) {
		in.drop(p, malformed)
		return
	}
	if !p.receives(&h) {
		in.drop(p, outsideSelectors)
		return
	}
	packet = packet[:h.length]
	t.large.received(packet, &h, now)
	if t.echo.takes(packet, &h) {
		return
	}
	clampMSS(packet, &h, t.limit(&h))
	p.in.count(len(packet))
	in.traffic.count(len(packet))
	n := len(in.ready)
	in.buffers[n] = append(in.buffers[n][:deviceOffset], packet...)
	in.ready = append(in.ready, in.buffers[n])
}

// writeReady writes the opened packets to the device.
func (t *Tunnel) writeReady() {
	in := &t.inbound
	if len(in.ready) == 0 {
		return
	}
	packets := len(in.ready)
	if _, err := t.dev.Write(in.ready, deviceOffset); err != nil {
		in.traffic.drop(deviceRefused, packets)
	}
	in.ready = in.ready[:0]
}

func (in *inbound) drop(p *Pair, why reason) {
	p.in.drop(why, 1)
	in.traffic.drop(why, 1)
}

// refusal maps an error of esp's Open.
func refusal(err error) reason {
	switch {
	case errors.Is(err, esp.ErrReplay):
		return replayed
	case errors.Is(err, esp.ErrIntegrity):
		return wrongICV
	default:
		return malformed
	}
}

// nextHeader is the ESP next header number of an IP packet (RFC 4303, section 2.6).
func nextHeader(packet []byte) uint8 {
	if packet[0]>>4 == 6 {
		return esp.NextIPv6
	}
	return esp.NextIPv4
}
