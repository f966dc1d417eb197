package ike

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"

	"postern/ike/isakmp"
)

// Path is the way of a datagram: between which addresses, and whether it
// carries the non-ESP marker (RFC 3948, section 2.2), which it does wherever ESP
// shares the port.
type Path struct {
	Local, Remote netip.AddrPort
	Marker        bool
}

// Datagram is one ISAKMP message as it arrived, without the non-ESP marker. Its
// receiver owns the octets.
type Datagram struct {
	Octets []byte
	From   Path
}

// Limits on peers that haven't yet proved that they receive our answers: their
// datagrams cost us memory, and their addresses may be forged.
const (
	maxHalfOpen          = 1000
	maxHalfOpenPerSource = 16
)

// Datagrams that wait for an SA's owner; the peer repeats what doesn't fit.
const (
	initiatorInbox = 64
	responderInbox = 16 // a thousand half-open peers must not fill the memory
)

// Router shares one way of sending and receiving between SAs: it knows them by
// their cookies. It is safe for concurrent use.
type Router struct {
	send  func(msg []byte, to Path) error
	stray atomic.Pointer[func(Datagram)]

	mu        sync.Mutex
	closed    bool
	accepting bool                    // Next was called
	initiated map[isakmp.Cookie]*Wire // by our CKY-I
	accepted  map[isakmp.Cookie]*Wire // by our CKY-R
	halfOpen  map[halfOpenKey]*Wire
	perSource map[netip.Addr]int
	incoming  chan *Wire // for Next
}

// halfOpenKey is what repeats of a first message have in common: its octets.
// Another first message under the same CKY-I is another attempt, for one of them
// may have been changed or forged on the way.
type halfOpenKey struct {
	message [sha256.Size]byte
	remote  netip.AddrPort
}

// NewRouter returns a router that sends with send, which must be safe for
// concurrent use and must not keep the message.
func NewRouter(send func(msg []byte, to Path) error) *Router {
	return &Router{
		send:      send,
		initiated: make(map[isakmp.Cookie]*Wire),
		accepted:  make(map[isakmp.Cookie]*Wire),
		halfOpen:  make(map[halfOpenKey]*Wire),
		perSource: make(map[netip.Addr]int),
		incoming:  make(chan *Wire, 32),
	}
}

// Wire is one SA's share of a Router.
type Wire struct {
	router *Router
	inbox  chan Datagram
	own    isakmp.Cookie // ours of the two cookies
	peer   halfOpenKey   // of an accepted wire: who began
	half   bool          // still counts as half open; guarded by router.mu
}

// Deliver hands a datagram to the SA whose cookies it carries, or starts a
// Wire for it if it is a first message and somebody accepts. It never blocks: what
// nobody can take now is dropped. It keeps the octets.
func (r *Router) Deliver(octets []byte, from Path) {
	h, err := isakmp.ParseHeader(octets)
	if err != nil {
		return
	}
	if w := r.find(h, octets, from); w != nil {
		select {
		case w.inbox <- Datagram{octets, from}:
		default:
		}
	} else if f := r.stray.Load(); f != nil {
		(*f)(Datagram{octets, from})
	}
}

// OnStray makes f hear of datagrams that belong to no SA: anybody may have sent
// them. It runs in the goroutine of Deliver, and must be quick.
func (r *Router) OnStray(f func(Datagram)) { r.stray.Store(&f) }

// find is the wire of the SA that a datagram belongs to, a new one for a first
// message, or nil.
func (r *Router) find(h isakmp.Header, octets []byte, from Path) *Wire {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w := r.initiated[h.InitiatorCookie]; w != nil {
		return w
	}
	if h.ResponderCookie != (isakmp.Cookie{}) {
		return r.accepted[h.ResponderCookie]
	}
	first := h.Exchange == isakmp.ExchangeMain || h.Exchange == isakmp.ExchangeAggressive
	if !first || h.MessageID != 0 || h.InitiatorCookie == (isakmp.Cookie{}) {
		return nil
	}
	// Once the wire stopped being half open, only the responder cookie leads to it.
	key := halfOpenKey{sha256.Sum256(octets[:h.Length]), from.Remote}
	if w := r.halfOpen[key]; w != nil {
		return w
	}
	source := from.Remote.Addr()
	if !r.accepting || r.closed || len(r.halfOpen) >= maxHalfOpen || r.perSource[source] >= maxHalfOpenPerSource {
		return nil
	}
	w := &Wire{router: r, inbox: make(chan Datagram, responderInbox), own: newCookie(), peer: key, half: true}
	select {
	case r.incoming <- w:
	default:
		return nil
	}
	r.halfOpen[key] = w
	r.perSource[source]++
	r.accepted[w.own] = w
	return w
}

// ErrClosed is returned by what waits on a router that was closed.
var ErrClosed = errors.New("router closed")

// Next waits for a peer that begins a phase 1. Its first message comes with the
// Wire: give it to Accept, or Close it. Before Next was called for the first
// time no peer can begin anything.
func (r *Router) Next(ctx context.Context) (*Wire, error) {
	r.mu.Lock()
	r.accepting = true
	r.mu.Unlock()
	select {
	case w, ok := <-r.incoming:
		if !ok {
			return nil, ErrClosed
		}
		return w, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// dial registers a new CKY-I.
func (r *Router) dial() *Wire {
	w := &Wire{router: r, inbox: make(chan Datagram, initiatorInbox), own: newCookie()}
	r.mu.Lock()
	r.initiated[w.own] = w
	r.mu.Unlock()
	return w
}

// Close ends Next. The wires live on until each is closed.
func (r *Router) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.closed = true
		close(r.incoming)
	}
}

// Close forgets the wire; what still comes for it is dropped.
func (w *Wire) Close() {
	r := w.router
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.initiated[w.own] == w {
		delete(r.initiated, w.own)
	}
	if r.accepted[w.own] == w {
		delete(r.accepted, w.own)
	}
	r.settle(w)
}

// Remote is where a peer that begins a phase 1 seems to be.
func (w *Wire) Remote() netip.AddrPort { return w.peer.remote }

// established takes the wire off the half-open ones.
func (w *Wire) established() {
	w.router.mu.Lock()
	defer w.router.mu.Unlock()
	w.router.settle(w)
}

// settle ends the half-open state of w; r.mu is held.
func (r *Router) settle(w *Wire) {
	if !w.half {
		return
	}
	w.half = false
	delete(r.halfOpen, w.peer)
	source := w.peer.remote.Addr()
	if r.perSource[source]--; r.perSource[source] == 0 {
		delete(r.perSource, source)
	}
}
