package tun

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// receiver is what a UDP socket and a raw one share: one reader, the Tunnel it
// delivers to, counters, and the latest error.
type receiver struct {
	socket Socket
	hint   *hint
	tunnel atomic.Pointer[Tunnel]
	closed atomic.Bool

	esp, ike, keepalives, short, noTunnel atomic.Uint64
}

// CarrierStats is a snapshot of the counters of a socket: datagrams received.
type CarrierStats struct {
	IKE, ESP, Keepalives uint64
	Short                uint64 // dropped: too short for any of these
	NoTunnel             uint64 // dropped: ESP while no Tunnel was attached
	Errors               uint64 // of the socket: see LastError
}

// Attach delivers ESP to t from now on; nil: to nobody. What arrives while no
// Tunnel is attached is dropped and counted. Any goroutine may call it.
func (r *receiver) Attach(t *Tunnel) { r.tunnel.Store(t) }

// Stats returns a snapshot of the counters. Any goroutine may call it.
func (r *receiver) Stats() CarrierStats {
	return CarrierStats{
		IKE: r.ike.Load(), ESP: r.esp.Load(), Keepalives: r.keepalives.Load(),
		Short: r.short.Load(), NoTunnel: r.noTunnel.Load(), Errors: r.hint.count.Load(),
	}
}

// LastError returns the latest error that the socket reported and outlived, such
// as "connection refused" after an ICMP message; nil: none so far. It is a hint:
// whoever can guess the ports can forge such a message. Any goroutine may call it.
func (r *receiver) LastError() error { return r.hint.get() }

// OnPathMTU makes f be told what routers say about datagrams that were too large
// for them: whose, and how many octets an IP packet to there may have. It runs in
// Serve's goroutine or in a sender's, so it has to be quick, and it is a hint as
// LastError is. mtu 0: a router that doesn't say. The system's sockets hear it on
// Linux only. Any goroutine may call it; the latest f counts.
func (r *receiver) OnPathMTU(f func(remote netip.Addr, mtu int)) {
	if s, ok := r.socket.(pathMTUSocket); ok {
		s.OnPathMTU(f)
	}
}

// Close closes the socket, which ends Serve. Any goroutine may call it, more than
// once.
func (r *receiver) Close() error {
	if r.closed.Swap(true) {
		return nil
	}
	return r.socket.Close()
}

const (
	readBatch = inboundBatch // datagrams

	// restAfter errors in a row the reader rests before each further read, lest a
	// broken interface keeps a processor busy.
	restAfter = 8
	rest      = 100 * time.Millisecond
)

// serve reads datagrams until Close. isESP is called for each, and deals with it,
// unless it is an ESP packet: these go to the Tunnel, a batch at a time.
func (r *receiver) serve(isESP func(d *Datagram) bool) error {
	in := make([]Datagram, readBatch)
	failures := 0
	for {
		n, err := r.socket.Read(in)
		if err != nil {
			if r.closed.Load() || errors.Is(err, net.ErrClosed) {
				return nil
			}
			r.hint.set(err)
			if failures++; failures > restAfter {
				time.Sleep(rest)
			}
			continue
		}
		failures = 0
		esp := 0
		for i := range in[:n] { // by reference: a copy would be allocated for each
			if isESP(&in[i]) {
				if esp < i {
					in[esp] = in[i]
				}
				esp++
			}
		}
		r.deliver(in[:esp])
	}
}

func (r *receiver) deliver(batch []Datagram) {
	if len(batch) == 0 {
		return
	}
	r.esp.Add(uint64(len(batch)))
	if t := r.tunnel.Load(); t != nil {
		t.Deliver(batch)
	} else {
		r.noTunnel.Add(uint64(len(batch)))
	}
}
