// Package iketest connects two ike.Routers in memory, losing, doubling, delaying
// and changing what a test wants it to.
package iketest

import (
	"net/netip"
	"sync"
	"time"

	"postern/ike"
)

// Datagram is an ISAKMP message on its way through a Pipe.
type Datagram struct {
	Number int  // of its direction, from 1
	FromA  bool // from the A end to the B end
	Octets []byte
	From   ike.Path // as the receiver sees it
}

// Fault decides what becomes of a datagram: the deliveries it returns happen,
// each after its delay. Returning the datagram once is a perfect wire.
type Fault func(d Datagram) []Delivery

// Delivery is one arrival.
type Delivery struct {
	Octets []byte
	After  time.Duration
}

// Pipe joins two routers, as UDP between 192.0.2.10 (A) and 192.0.2.1 (B) would:
// what is sent arrives after Latency unless a Fault has other plans. It may be
// used inside testing/synctest.
type Pipe struct {
	A, B *ike.Router
	// ToB and ToA are the paths from either end to the other, for port 500.
	ToB, ToA ike.Path

	Latency time.Duration

	mu     sync.Mutex
	fault  Fault
	nat    func(netip.AddrPort) netip.AddrPort
	count  [2]int
	record []Datagram
	closed bool
}

// Addresses of the ends.
var (
	AddrA = netip.MustParseAddr("192.0.2.10")
	AddrB = netip.MustParseAddr("192.0.2.1")
)

// NewPipe returns a pipe with a latency of 10 ms.
func NewPipe() *Pipe {
	p := &Pipe{Latency: 10 * time.Millisecond}
	p.ToB = ike.Path{Local: netip.AddrPortFrom(AddrA, 500), Remote: netip.AddrPortFrom(AddrB, 500)}
	p.ToA = ike.Path{Local: p.ToB.Remote, Remote: p.ToB.Local}
	p.A = ike.NewRouter(func(msg []byte, to ike.Path) error { p.send(true, msg, to); return nil })
	p.B = ike.NewRouter(func(msg []byte, to ike.Path) error { p.send(false, msg, to); return nil })
	return p
}

// SetFault installs f for what is sent from now on; nil is a perfect wire.
func (p *Pipe) SetFault(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
}

// SetNAT puts a NAT before A: f maps A's address and port to what B sees.
func (p *Pipe) SetNAT(f func(netip.AddrPort) netip.AddrPort) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nat = f
}

// Inject delivers octets to an end as if the other end had sent them.
func (p *Pipe) Inject(toA bool, octets []byte) {
	if toA {
		p.A.Deliver(octets, p.ToB)
	} else {
		p.B.Deliver(octets, p.ToA)
	}
}

// Sent is everything that was sent so far, in order, lost or not.
func (p *Pipe) Sent() []Datagram {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Datagram(nil), p.record...)
}

// Close drops what is on its way and all that will be sent.
func (p *Pipe) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.A.Close()
	p.B.Close()
}

func (p *Pipe) send(fromA bool, msg []byte, to ike.Path) {
	msg = append([]byte(nil), msg...)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	from := ike.Path{Local: to.Remote, Remote: to.Local, Marker: to.Marker}
	end, direction := p.B, 0
	if fromA && p.nat != nil {
		from.Remote = p.nat(to.Local)
	}
	if !fromA {
		end, direction = p.A, 1
		// A's own port is one and the same, whatever a NAT made of it.
		from.Local = p.ToB.Local
	}
	p.count[direction]++
	d := Datagram{Number: p.count[direction], FromA: fromA, Octets: msg, From: from}
	p.record = append(p.record, d)
	deliveries := []Delivery{{Octets: msg}}
	if p.fault != nil {
		deliveries = p.fault(d)
	}
	for _, v := range deliveries {
		time.AfterFunc(p.Latency+v.After, func() {
			p.mu.Lock()
			closed := p.closed
			p.mu.Unlock()
			if !closed {
				end.Deliver(append([]byte(nil), v.Octets...), from)
			}
		})
	}
}
