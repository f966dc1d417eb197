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

// inbound is the pump carrier -> open -> device. Packets are opened where they arrived,
// and written from there. The lock is taken once a batch: with one carrier it is never
// contended, with several it keeps an association in one goroutine at a time.
type inbound struct {
	sync.Mutex
	traffic traffic
	packets [][]byte // of one pair, as they arrived
	opened  []esp.Opened
	ready   [][]byte // to be written: deviceOffset octets of room, then a packet
}

const (
	// deviceOffset is the room in front of each packet written to the device: it may
	// put its own header there. ESP's header was there before.
	deviceOffset = espHeaderLen

	maxPacket = 65535 // octets of an IP packet

	inboundBatch = 128 // packets opened at once, and written at once
)

func (in *inbound) grow() {
	in.packets = make([][]byte, 0, inboundBatch)
	in.opened = make([]esp.Opened, inboundBatch)
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
	for len(batch) > 0 {
		n := sameSPI(batch[:min(len(batch), inboundBatch)])
		if len(in.ready)+n > inboundBatch {
			t.writeReady()
		}
		t.open(table, batch[:n], now)
		batch = batch[n:]
	}
	t.writeReady()
}

// sameSPI is how many of the packets begin with the SPI of the first; 1 when that has
// none.
func sameSPI(batch []Datagram) int {
	first := batch[0].Data
	if len(first) < espHeaderLen {
		return 1
	}
	for i := range batch {
		if d := batch[i].Data; len(d) < espHeaderLen || [4]byte(d) != [4]byte(first) {
			return i
		}
	}
	return len(batch)
}

// open opens packets of one SPI and makes them ready for the device.
func (t *Tunnel) open(table *table, run []Datagram, now time.Duration) {
	in := &t.inbound
	if len(run[0].Data) < espHeaderLen {
		in.traffic.drop(malformed, 1)
		return
	}
	spi := binary.BigEndian.Uint32(run[0].Data)
	p := table.bySPI[spi]
	if p == nil {
		in.traffic.drop(noSA, len(run))
		if f := t.stray.Load(); f != nil {
			for i := range run {
				(*f)(spi, run[i].From)
			}
		}
		return
	}
	in.packets = in.packets[:0]
	for i := range run {
		in.packets = append(in.packets, run[i].Data)
	}
	opened := in.opened[:len(run)]
	newest := p.In.Sequence()
	p.In.OpenBatch(in.packets, opened)
	if p.In.Sequence() != newest && p.Seen != nil {
		tellSeen(p, newest, run, opened)
	}
	t.accept(p, opened, now)
}

// tellSeen tells where packets came from that had the highest sequence number so far.
func tellSeen(p *Pair, newest uint32, run []Datagram, opened []esp.Opened) {
	var told Path
	for i := range run {
		if n := binary.BigEndian.Uint32(run[i].Data[4:]); opened[i].Err == nil && n > newest {
			if newest = n; run[i].From != told {
				told = run[i].From
				p.Seen(told)
			}
		}
	}
}

// accept makes those ready for the device that were opened, and belong to the pair.
func (t *Tunnel) accept(p *Pair, opened []esp.Opened, now time.Duration) {
	in := &t.inbound
	var flow header // of the packet before that belongs to the pair
	alive, packets, octets := false, 0, 0
	for i := range opened {
		o := &opened[i]
		if o.Err != nil {
			in.drop(p, refusal(o.Err))
			continue
		}
		if alive = true; o.Next == esp.NextNone {
			continue
		}
		h, ok := parse(o.Inner)
		if !ok || o.Next != nextHeader(o.Inner) {
			in.drop(p, malformed)
			continue
		}
		if !h.sameFlow(&flow) {
			if !p.receives(&h) {
				in.drop(p, outsideSelectors)
				continue
			}
			flow = h
		}
		packet := o.Inner[:h.length]
		t.large.received(packet, &h, now)
		if t.echo.takes(packet, &h) {
			continue
		}
		clampMSS(packet, &h, t.limit(&h))
		packets++
		octets += len(packet)
		begin := p.In.Offset() - deviceOffset
		in.ready = append(in.ready, in.packets[i][begin:p.In.Offset()+len(packet)])
	}
	if alive {
		p.lastInbound.Store(int64(now))
	}
	if packets > 0 {
		p.in.count(packets, octets)
		in.traffic.count(packets, octets)
	}
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
