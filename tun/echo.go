package tun

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	icmpEchoReply   = 0 // RFC 792
	icmpEcho        = 8
	icmpv6Echo      = 128 // RFC 4443, section 4
	icmpv6EchoReply = 129

	echoTries = 3
	echoWait  = time.Second // for each
)

// echo is the request of Echo that isn't answered yet.
type echo struct {
	one     sync.Mutex // held by Echo
	waiting atomic.Pointer[echoRequest]
}

type echoRequest struct {
	from, to netip.Addr
	size     int    // of the whole packet, in octets
	mark     []byte // identifier, sequence number, and the first of the data: random
	answered chan struct{}
}

// Echo asks a host inside whether packets of size octets pass in both directions: it
// sends an ICMP echo request that may not be fragmented through the tunnel, three
// times a second apart at most, and waits for an answer of the same size. The MTU
// doesn't count. from is our inner address. What it sends and receives doesn't reach
// the device. Of several calls at once each waits for the one before.
func (t *Tunnel) Echo(ctx context.Context, from, to netip.Addr, size int) bool {
	r := &echoRequest{from: from, to: to, size: size, mark: make([]byte, 8), answered: make(chan struct{})}
	rand.Read(r.mark)
	packet := r.packet()
	if packet == nil {
		return false
	}
	t.echo.one.Lock()
	defer t.echo.one.Unlock()
	t.echo.waiting.Store(r)
	defer t.echo.waiting.CompareAndSwap(r, nil)
	for range echoTries {
		if !t.inject(packet) {
			return false
		}
		select {
		case <-r.answered:
			return true
		case <-ctx.Done():
			return false
		case <-time.After(echoWait):
		}
	}
	return false
}

// inject seals a packet of our own; false: no pair takes it.
func (t *Tunnel) inject(packet []byte) bool {
	h, ok := parse(packet)
	if !ok || t.closed.Load() {
		return false
	}
	out := &t.outbound
	out.Lock()
	defer out.Unlock()
	p := t.table.Load().outbound(&h)
	if p == nil {
		return false
	}
	now := time.Since(t.start)
	buffer := make([]byte, headroom+len(packet), headroom+len(packet)+tailroom)
	copy(buffer[headroom:], packet)
	out.add(p, buffer, len(packet), now)
	out.send(now)
	return true
}

// packet is the request; nil: no such addresses, or no room.
func (r *echoRequest) packet() []byte {
	header := ipv4HeaderLen
	if r.to.Is6() {
		header = ipv6HeaderLen
	}
	size := r.size - header
	if r.from.Is4() != r.to.Is4() || !r.to.IsValid() || size < 4+len(r.mark) || r.size > maxPacket {
		return nil
	}
	icmp := make([]byte, size) // type, code, checksum (2), identifier (2), sequence number (2), data
	copy(icmp[4:], r.mark)
	if r.to.Is6() {
		icmp[0] = icmpv6Echo
		binary.BigEndian.PutUint16(icmp[2:], ^fold(pseudoHeader(r.from, r.to, protoICMPv6, size)+sum(0, icmp)))
		b := binary.BigEndian.AppendUint16([]byte{6 << 4, 0, 0, 0}, uint16(size))
		b = append(append(append(b, protoICMPv6, 64), r.from.AsSlice()...), r.to.AsSlice()...)
		return append(b, icmp...)
	}
	icmp[0] = icmpEcho
	binary.BigEndian.PutUint16(icmp[2:], checksum(icmp))
	const dontFragment = 0x40
	b := binary.BigEndian.AppendUint16([]byte{4<<4 | ipv4HeaderLen/4, 0}, uint16(r.size))
	b = append(b, 0, 0, dontFragment, 0, 64, protoICMP, 0, 0)
	b = append(append(b, r.from.AsSlice()...), r.to.AsSlice()...)
	binary.BigEndian.PutUint16(b[10:], checksum(b))
	return append(b, icmp...)
}

// takes reports whether a packet is the answer that is waited for.
func (e *echo) takes(packet []byte, h *header) bool {
	r := e.waiting.Load()
	if r == nil || h.src != r.to || h.dst != r.from || h.transport == 0 || len(packet) < h.transport+4+len(r.mark) {
		return false
	}
	icmp := packet[h.transport:]
	answer := h.protocol == protoICMP && icmp[0] == icmpEchoReply || h.protocol == protoICMPv6 && icmp[0] == icmpv6EchoReply
	if !answer || !bytes.Equal(icmp[4:4+len(r.mark)], r.mark) {
		return false
	}
	if len(packet) == r.size && e.waiting.CompareAndSwap(r, nil) {
		close(r.answered)
	}
	return true
}
