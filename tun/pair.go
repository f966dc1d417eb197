package tun

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"postern/tun/esp"
)

// Pair is one inbound and one outbound ESP association with the traffic they are
// for: what a Quick Mode negotiates. Its exported fields are set before it is
// added to a Tunnel and not changed afterwards; the Tunnel alone uses In and Out
// until Remove returns. It isn't copied.
type Pair struct {
	In  *esp.Inbound
	Out *esp.Outbound

	// An outbound packet comes from one of Local and goes to one of Remote, an
	// inbound one the other way round. Both lists must have an entry.
	Local, Remote []Selector

	// Send sends sealed packets to the peer. The slices are the Tunnel's again
	// when it returns. It runs in Serve's goroutine.
	Send func(packets [][]byte) error

	// Seen, if not nil, is told where an authentic packet came from whose sequence
	// number is the highest so far: a peer whose address changed is there now. It
	// runs in the carrier's goroutine, for packets of one path in a batch once at
	// least, so it has to be quick.
	//
	// Neither Send nor Seen may call methods of the Tunnel.
	Seen func(from Path)

	start                     time.Time // what the times below count from
	in, out                   traffic
	lastInbound, lastOutbound atomic.Int64 // nanoseconds after start; 0: never
}

// check refuses pairs that aren't whole.
func (p *Pair) check() error {
	if p.In == nil || p.Out == nil || p.Send == nil {
		return errors.New("tun: a pair needs In, Out and Send")
	}
	if err := errors.Join(checkSelectors("local", p.Local), checkSelectors("remote", p.Remote)); err != nil {
		return fmt.Errorf("tun: pair %08x: %w", p.In.SPI(), err)
	}
	return nil
}

// sends reports whether an outbound packet belongs to the pair.
func (p *Pair) sends(h *header) bool {
	return anyMatches(p.Local, h.src, h.protocol, h.srcPort) &&
		anyMatches(p.Remote, h.dst, h.protocol, h.dstPort)
}

// receives reports whether an inbound packet belongs to the pair.
func (p *Pair) receives(h *header) bool {
	return anyMatches(p.Remote, h.src, h.protocol, h.srcPort) &&
		anyMatches(p.Local, h.dst, h.protocol, h.dstPort)
}

// Stats returns a snapshot of the counters. Any goroutine may call it.
func (p *Pair) Stats() PairStats {
	return PairStats{
		In: p.in.snapshot(), Out: p.out.snapshot(),
		LastInbound: p.LastInbound(), LastOutbound: p.LastOutbound(),
	}
}

// LastInbound is when the latest packet was opened: authentic and fresh, so the
// peer lived then. Zero: never. Any goroutine may call it.
func (p *Pair) LastInbound() time.Time { return p.since(p.lastInbound.Load()) }

// LastOutbound is when the latest packet was sent; zero: never. Any goroutine
// may call it.
func (p *Pair) LastOutbound() time.Time { return p.since(p.lastOutbound.Load()) }

func (p *Pair) since(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return p.start.Add(time.Duration(ns))
}
