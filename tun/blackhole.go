package tun

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// large watches what becomes of large packets: whether they vanish on the way to the
// gateway while small ones arrive, which is what a router does that drops what is too
// large for its next link, behind a firewall that drops its reports.
//
// Chosen here, the rule: a TCP segment of more than three quarters of the MTU was sent
// four times, a second or more apart from first to last; since its first time nothing
// of that size was acknowledged in any connection; and the gateway was heard of
// meanwhile. Loss alone does that to one segment in 10,000 where one in 10 is lost;
// a way that is down isn't heard of. The segment is one the peer's host didn't
// acknowledge, so a host that is down is taken for a black hole if it had a
// connection: then the MTU is lower than it need be, and all works.
type large struct {
	alarm func()

	heard  atomic.Int64 // when something authentic came from the gateway; as now
	proven atomic.Int64 // until then nothing is watched, for large packets arrived
	armed  atomic.Int32 // how many flows are watched

	mu    sync.Mutex
	flows [watchedFlows]flow
	told  int // the MTU that the alarm was about
}

const (
	watchedFlows = 8 // those whose hashes meet are watched in turn
	timesSent    = 4
	watchedFor   = time.Second      // at least
	watchedAtAll = time.Minute      // then another flow has its turn
	provenFor    = 10 * time.Second // how long an acknowledgement is good for
)

// flow is a TCP connection with a large segment on its way.
type flow struct {
	local, remote netip.AddrPort // none: not in use
	begin, end    uint32         // sequence numbers: of its first octet, and behind its last
	times         int            // that it was sent
	since         time.Duration
}

// OnBlackHole makes f be told when large packets vanish on the way to the gateway while
// small ones arrive. It is told once for each MTU. It runs in Serve's goroutine, so it
// has to be quick, and may call SetMTU. Before Serve only.
func (t *Tunnel) OnBlackHole(f func()) { t.large.alarm = f }

// Heard tells the tunnel that the gateway answered something else than ESP just now,
// such as R-U-THERE: that the way is open for small packets.
func (t *Tunnel) Heard() { t.large.heard.Store(int64(time.Since(t.start))) }

// sent looks at a packet from the device.
func (l *large) sent(packet []byte, h *header, mtu int, now time.Duration) {
	if l.alarm == nil || len(packet) <= mtu*3/4 || len(packet) > mtu || int64(now) < l.proven.Load() {
		return
	}
	tcp, data := tcpSegment(packet, h)
	if len(data) == 0 {
		return
	}
	begin := binary.BigEndian.Uint32(tcp[4:])
	local, remote := netip.AddrPortFrom(h.src, h.srcPort), netip.AddrPortFrom(h.dst, h.dstPort)
	if l.vanishes(local, remote, begin, begin+uint32(len(data)), mtu, now) {
		l.alarm()
	}
}

// vanishes notes that a segment is sent, and says whether that is once too often.
func (l *large) vanishes(local, remote netip.AddrPort, begin, end uint32, mtu int, now time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.told == mtu {
		return false
	}
	f := &l.flows[slot(local, remote)]
	switch {
	case f.local == local && f.remote == remote && begin == f.begin:
		f.times++
	case f.local == local && f.remote == remote && int32(begin-f.begin) < 0:
		// From before what we saw first: it was sent already.
		f.begin, f.end, f.times = begin, end, 2
	case !f.local.IsValid() || now-f.since > watchedAtAll:
		if !f.local.IsValid() {
			l.armed.Add(1)
		}
		*f = flow{local, remote, begin, end, 1, now}
	}
	if f.times < timesSent || now-f.since < watchedFor || time.Duration(l.heard.Load()) <= f.since {
		return false
	}
	l.told = mtu
	l.forget()
	return true
}

// received looks at a packet from the gateway.
func (l *large) received(packet []byte, h *header, now time.Duration) {
	if l.alarm == nil {
		return
	}
	if l.heard.Load() != int64(now) { // once a batch: it costs more than reading
		l.heard.Store(int64(now))
	}
	if l.armed.Load() == 0 {
		return
	}
	tcp, _ := tcpSegment(packet, h)
	if tcp == nil || tcp[13]&(tcpACK|tcpRST) == 0 {
		return
	}
	local, remote := netip.AddrPortFrom(h.dst, h.dstPort), netip.AddrPortFrom(h.src, h.srcPort)
	l.mu.Lock()
	defer l.mu.Unlock()
	f := &l.flows[slot(local, remote)]
	if f.local != local || f.remote != remote {
		return
	}
	switch {
	case tcp[13]&tcpRST != 0:
		*f = flow{}
		l.armed.Add(-1)
	case int32(binary.BigEndian.Uint32(tcp[8:])-f.end) >= 0:
		l.proven.Store(int64(now + provenFor))
		l.told = 0
		l.forget()
	}
}

// forget watches nothing.
func (l *large) forget() {
	l.flows = [watchedFlows]flow{}
	l.armed.Store(0)
}

// slot is where a connection is watched.
func slot(local, remote netip.AddrPort) int {
	return int(local.Port()^remote.Port()^uint16(remote.Addr().As16()[15])) % watchedFlows
}

// tcpSegment returns a packet from its TCP header on, and its data; nil: it has none,
// or is a fragment.
func tcpSegment(packet []byte, h *header) (tcp, data []byte) {
	if h.protocol != protoTCP || h.transport == 0 || len(packet) < h.transport+tcpHeaderLen {
		return nil, nil
	}
	tcp = packet[h.transport:]
	if at := int(tcp[12]>>4) * 4; at >= tcpHeaderLen && at <= len(tcp) {
		return tcp, tcp[at:]
	}
	return nil, nil
}
