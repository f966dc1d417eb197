package tun

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Tunnel moves packets between a device and the pairs that protect them. There
// are two pumps: Serve reads the device, seals and sends; Deliver, called by the
// carriers that the Tunnel is attached to, opens and writes the device.
//
// The pumps look pairs up in a table that is replaced whole, so a new pair costs
// no packet: it is added, the peer's traffic moves to it, and the old one opens
// what is still on its way until it is removed. Any goroutine may call any
// method.
type Tunnel struct {
	dev   Device
	start time.Time
	table atomic.Pointer[table]
	mtu   atomic.Int64
	stray atomic.Pointer[func(spi uint32, from Path)]

	pairs sync.Mutex // held while the table is replaced
	order []*Pair    // that seal, newest first

	inbound  inbound  // the pump of Deliver
	outbound outbound // the pump of Serve
	large    large    // what becomes of large packets
	echo     echo     // of Echo

	closed  atomic.Bool
	serving atomic.Bool
	done    chan struct{} // closed when Serve has ended
}

// New returns a Tunnel with the device's MTU and no pair. The device is the
// Tunnel's from now on, and closed by Close.
func New(dev Device) *Tunnel {
	// A nanosecond ago, so that 0 after it is no time at which anything happened.
	t := &Tunnel{dev: dev, start: time.Now().Add(-1), done: make(chan struct{})}
	t.table.Store(newTable(nil, nil))
	mtu, err := dev.MTU()
	if err == nil {
		t.SetMTU(mtu)
	}
	t.inbound.grow()
	t.outbound.grow(dev.BatchSize(), min(mtu, maxPacket))
	return t
}

// SetMTU sets the largest inner packet, in octets, that fits the path when
// sealed. TCP connections that begin from now on are told so in both directions;
// larger packets are fragmented, or refused if they may not be (RFC 1191, 8201).
// IPv6 has 1280 at least, which each of its links carries: it's the outer packets
// that are fragmented below that. The device isn't changed. 0: no limit.
func (t *Tunnel) SetMTU(mtu int) { t.mtu.Store(int64(mtu)) }

// limit is the MTU for a packet of that family.
func (t *Tunnel) limit(h *header) int {
	mtu := int(t.mtu.Load())
	if mtu > 0 && h.dst.Is6() {
		return max(mtu, leastIPv6)
	}
	return mtu
}

// OnStray makes f hear of ESP packets whose SPI is none of ours: a peer may not know
// that we were started again, and anybody may have sent them. It runs in the
// carrier's goroutine, so it has to be quick, and may call no method of the Tunnel.
func (t *Tunnel) OnStray(f func(spi uint32, from Path)) { t.stray.Store(&f) }

// Add makes p open packets, and seal those of the device that match its
// selectors and no newer pair's. It fails when another pair has its inbound SPI.
func (t *Tunnel) Add(p *Pair) error {
	if err := t.AddInbound(p); err != nil {
		return err
	}
	t.Activate(p.In.SPI())
	return nil
}

// AddInbound makes p open packets, and seal none before Activate. It fails when
// another pair has its inbound SPI.
func (t *Tunnel) AddInbound(p *Pair) error {
	if err := p.check(); err != nil {
		return err
	}
	t.pairs.Lock()
	defer t.pairs.Unlock()
	bySPI := maps.Clone(t.table.Load().bySPI)
	if bySPI == nil {
		bySPI = make(map[uint32]*Pair)
	}
	if bySPI[p.In.SPI()] != nil {
		return fmt.Errorf("tun: inbound SPI %08x is in use", p.In.SPI())
	}
	p.start = t.start
	bySPI[p.In.SPI()] = p
	t.table.Store(newTable(bySPI, t.order))
	return nil
}

// Activate makes the pair of this inbound SPI the newest for outbound packets.
// false: there is none.
func (t *Tunnel) Activate(spi uint32) bool {
	return t.reorder(spi, func(p *Pair) { t.order = append([]*Pair{p}, without(t.order, p)...) })
}

// Retire stops sealing with the pair of this inbound SPI; it goes on opening.
// false: there is none.
func (t *Tunnel) Retire(spi uint32) bool {
	return t.reorder(spi, func(p *Pair) { t.order = without(t.order, p) })
}

func (t *Tunnel) reorder(spi uint32, change func(*Pair)) bool {
	t.pairs.Lock()
	defer t.pairs.Unlock()
	bySPI := t.table.Load().bySPI
	p := bySPI[spi]
	if p == nil {
		return false
	}
	change(p)
	t.table.Store(newTable(bySPI, t.order))
	return true
}

// Remove forgets the pair of this inbound SPI. false: there is none. When it
// returns, the pumps use neither of the pair's associations any more.
func (t *Tunnel) Remove(spi uint32) bool {
	found := t.forget(spi)
	// Whoever took the old table holds one of these for the rest of its batch.
	waitFor(&t.inbound)
	waitFor(&t.outbound)
	return found
}

// waitFor returns when whoever holds the lock has let go of it.
func waitFor(l sync.Locker) {
	l.Lock()
	defer l.Unlock()
}

func (t *Tunnel) forget(spi uint32) bool {
	t.pairs.Lock()
	defer t.pairs.Unlock()
	bySPI := maps.Clone(t.table.Load().bySPI)
	p := bySPI[spi]
	if p == nil {
		return false
	}
	delete(bySPI, spi)
	t.order = without(t.order, p)
	t.table.Store(newTable(bySPI, t.order))
	return true
}

// Stats returns a snapshot of the counters of all pairs there have been, and of
// packets that belong to none.
func (t *Tunnel) Stats() Stats {
	return Stats{In: t.inbound.traffic.snapshot(), Out: t.outbound.traffic.snapshot()}
}

// Close closes the device, ends Serve and waits for it. What is delivered
// afterwards is dropped.
func (t *Tunnel) Close() error {
	if t.closed.Swap(true) {
		return nil
	}
	t.inbound.Lock() // no write to a closed device
	err := t.dev.Close()
	t.inbound.Unlock()
	if t.serving.Load() {
		<-t.done
	}
	return err
}

// errServed: the device has one reader.
var errServed = errors.New("tun: Serve was called twice")
