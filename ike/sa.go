package ike

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"postern/ike/isakmp"
)

// SA is an established ISAKMP SA. One goroutine owns it, reads its wire, and
// gives each datagram to the exchange with its message ID; every exchange has a
// goroutine of its own. Methods may be called concurrently.
type SA struct {
	link   *link
	cfg    *Config
	keys   *keys
	info   Info
	msgIDs *messageIDs

	ctx     context.Context // ends with the SA; its cause says why
	end     context.CancelCauseFunc
	calls   chan func()   // run by the owner
	hinted  chan struct{} // holds a value when something hints at a peer that forgot us
	private chan isakmp.Payload
	tasks   sync.WaitGroup // whoever uses the keys; the owner is the last to go
	gone    chan struct{}  // closed when all have gone and the keys are overwritten

	// The owner's alone.
	exchanges map[uint32]chan Datagram // by message ID
	used      map[uint32]bool          // message IDs of the past, of both ends
	usedOrder []uint32
	asked     map[uint32]asking // Quick Modes of ours on their way
	heldUntil time.Time         // no Quick Mode of ours repeats anything before
	serving   int
	dpd       dpd
}

// asking is how others than the peer's messages 2 tell a Quick Mode of ours
// what the peer thinks of it.
type asking struct {
	refuse    context.CancelCauseFunc // an error notify in an exchange of its own
	connected context.CancelFunc      // CONNECTED, from a peer that sets the commit bit
	holds     holds
}

// Info is what phase 1 found out and agreed on. It never changes.
type Info struct {
	Mode      Mode
	Initiator bool
	CookieI   isakmp.Cookie
	CookieR   isakmp.Cookie
	Proposal  Proposal
	Method    isakmp.AuthMethod
	XAuth     bool      // the method asks for XAuth
	Peer      isakmp.ID // authenticated
	Group     string    // Accept: whose pre-shared key it was
	// Certificates are those of the peer that Config.Verify accepted.
	Certificates []isakmp.Cert
	Lifetime     time.Duration
	Since        time.Time
	NAT          NAT
	Unity        bool // the peer speaks Cisco Unity
	DPD          bool // the peer answers R-U-THERE
	// InitialContact: the peer remembers no other SA with us.
	InitialContact bool
	Vendors        []string

	VendorIDs     [][]byte // all that the peer announced
	FirstSent     []byte   // our first message of phase 1, which no HASH covers as a whole
	FirstReceived []byte   // and the peer's
}

// Limits on what an authenticated peer may begin.
const (
	maxServing  = 256 // exchanges at once, those that linger included
	usedIDsKept = 4096
)

func newSA(p *phase1, k *keys) *SA {
	sa := &SA{
		link: p.link, cfg: p.cfg, keys: k, msgIDs: newMessageIDs(),
		calls: make(chan func()), hinted: make(chan struct{}, 1), gone: make(chan struct{}), private: make(chan isakmp.Payload, privateInbox),
		exchanges: make(map[uint32]chan Datagram),
		asked:     make(map[uint32]asking),
		used:      make(map[uint32]bool),
		dpd:       newDPD(),
	}
	sa.info = Info{
		Initiator: p.initiator, CookieI: p.link.ckyI, CookieR: p.link.ckyR,
		Proposal: p.chosen.Proposal, Method: p.chosen.method, XAuth: isXAuth(p.chosen.method),
		Peer: p.peer, Group: p.group, Lifetime: p.life, Since: time.Now(), NAT: p.nat,
		Unity: p.features.unity, DPD: p.features.dpd, Vendors: p.features.vendors,
		VendorIDs: p.features.ids, FirstSent: p.x.firstSent, FirstReceived: p.x.firstReceived,
		InitialContact: p.contact, Certificates: p.peerCerts,
	}
	if p.x.typ == isakmp.ExchangeAggressive {
		sa.info.Mode = Aggressive
	}
	sa.ctx, sa.end = context.WithCancelCause(context.Background())
	sa.link.heard.Store(time.Now().UnixNano())
	sa.link.wire.established()
	sa.cfg.KeyLog.phase1(sa.info.CookieI, k.ka)

	// The last message of phase 1 may be lost: its exchange lives on.
	p.x.foreign, p.x.whole = nil, nil
	inbox := make(chan Datagram, 8)
	p.x.inbox = inbox
	sa.exchanges[0] = inbox
	var insist func() bool
	if p.initiator && sa.info.Mode == Aggressive {
		established := sa.link.lastHeard()
		insist = func() bool { return sa.link.lastHeard().Equal(established) }
	}
	sa.tasks.Go(func() {
		_, _ = p.x.linger(sa.ctx, nil, insist)
		sa.release(0)
	})
	sa.tasks.Go(func() { sa.run(p.held) })
	go func() {
		sa.tasks.Wait()
		sa.keys.forget()
		close(sa.gone)
	}()
	return sa
}

// How often a last message is said again unasked. What a gateway waits for in a login it
// asks for again after 4 s, by then four repeats are through.
const (
	urgeQuick       = 2
	urgeTransaction = 4
)

// urge is how a last message is insisted on, for linger: see Config.Insist.
func (sa *SA) urge(left int) func() bool {
	if !sa.cfg.Insist {
		return nil
	}
	heard, began := sa.link.lastHeard(), time.Now()
	return func() bool {
		left--
		return left >= 0 && sa.link.lastHeard().Equal(heard) && (sa.cfg.Alive == nil || !sa.cfg.Alive().After(began))
	}
}

// run is the owner.
func (sa *SA) run(held []Datagram) {
	for _, d := range held {
		sa.route(d)
	}
	var expired <-chan time.Time
	if sa.info.Lifetime > 0 {
		expired = time.After(sa.info.Lifetime)
	}
	sa.planLook()
	defer sa.dpd.clock.Stop()
	for {
		select {
		case d := <-sa.link.wire.inbox:
			sa.route(d)
		case f := <-sa.calls:
			f()
		case <-sa.hinted:
			sa.suspect()
		case <-sa.dpd.clock.C:
			sa.look()
		case <-expired:
			sa.sayGoodbye()
			sa.end(ErrExpired)
		case <-sa.ctx.Done():
			sa.link.wire.Close()
			return
		}
	}
}

// call runs f in the owner's goroutine and waits for it; false: the SA has ended.
func (sa *SA) call(f func()) bool {
	done := make(chan struct{})
	select {
	case sa.calls <- func() { f(); close(done) }:
		<-done
		return true
	case <-sa.ctx.Done():
		return false
	}
}

// route gives a datagram to its exchange, or begins one that the peer asks for.
// Nothing happens before the HASH of a message with a new ID has verified.
func (sa *SA) route(d Datagram) {
	d, err := sa.link.whole(d)
	if err != nil {
		return
	}
	h, err := isakmp.ParseHeader(d.Octets)
	if err != nil || sa.link.checkCookies(h) != nil {
		return
	}
	if inbox, ok := sa.exchanges[h.MessageID]; ok && h.Exchange != isakmp.ExchangeInformational {
		select {
		case inbox <- d:
		default:
		}
		return
	}
	if h.Flags&isakmp.FlagEncryption == 0 {
		if h.Exchange == isakmp.ExchangeInformational {
			sa.hintInClear(h, d.Octets)
		}
		return
	}
	begins := h.Exchange == isakmp.ExchangeTransaction || h.Exchange == isakmp.ExchangeQuick
	if h.MessageID == 0 || !begins && h.Exchange != isakmp.ExchangeInformational || begins && sa.serving >= maxServing {
		return
	}
	x := &exchange{link: sa.link, typ: h.Exchange, msgID: h.MessageID, stage: stageOf(h.Exchange)}
	x.protect2(sa.keys)
	hash1 := func(m *isakmp.Message) error { return sa.checkHash1(m, x.msgID) }
	if sa.used[h.MessageID] {
		if m, _, err := x.read(h, d.Octets, hash1); err == nil && h.Exchange == isakmp.ExchangeInformational {
			sa.replayed(m)
		}
		return
	}
	m, err := x.take(d, hash1)
	if err != nil {
		sa.link.log.Debug("refused", "exchange", x.stage, "error", err)
		return
	}
	switch h.Exchange {
	case isakmp.ExchangeInformational:
		sa.markUsed(x.msgID)
		sa.informational(m)
	case isakmp.ExchangeTransaction:
		sa.serve(x, func() { sa.serveTransaction(x, m) })
	case isakmp.ExchangeQuick:
		sa.serve(x, func() { sa.serveQuick(x, m) })
	}
}

func stageOf(t isakmp.ExchangeType) string {
	switch t {
	case isakmp.ExchangeQuick:
		return "quick mode"
	case isakmp.ExchangeTransaction:
		return "transaction"
	}
	return "informational"
}

// checkHash1 verifies HASH(1), which all three exchanges begin with: it stands
// first and covers the message ID and all that follows.
func (sa *SA) checkHash1(m *isakmp.Message, msgID uint32) error {
	return checkHash(m, func(rest []byte) []byte { return sa.keys.hash1(msgID, rest) })
}

// serve gives an exchange of the peer's a goroutine. The owner calls it.
func (sa *SA) serve(x *exchange, f func()) {
	inbox := make(chan Datagram, 8)
	x.inbox = inbox
	sa.exchanges[x.msgID] = inbox
	sa.markUsed(x.msgID)
	sa.serving++
	sa.tasks.Go(func() {
		f()
		sa.call(func() {
			sa.serving--
			delete(sa.exchanges, x.msgID)
		})
	})
}

// markUsed remembers a message ID, so that nothing begins when a first message
// of the peer's comes again, or one of ours comes back: HASH(1) doesn't tell who
// made it.
func (sa *SA) markUsed(id uint32) {
	sa.used[id] = true
	if sa.usedOrder = append(sa.usedOrder, id); len(sa.usedOrder) > usedIDsKept {
		delete(sa.used, sa.usedOrder[0])
		sa.usedOrder = sa.usedOrder[1:]
	}
}

// begin opens an exchange of ours. The caller counts among sa.tasks until it
// calls Done.
func (sa *SA) begin(typ isakmp.ExchangeType) (*exchange, error) {
	inbox := make(chan Datagram, 8)
	x := &exchange{link: sa.link, typ: typ, msgID: sa.msgIDs.next(), stage: stageOf(typ), inbox: inbox, leads: true}
	if !sa.call(func() {
		sa.tasks.Add(1)
		x.protect2(sa.keys)
		sa.exchanges[x.msgID] = inbox
	}) {
		return nil, context.Cause(sa.ctx)
	}
	return x, nil
}

// release forgets an exchange of ours.
func (sa *SA) release(msgID uint32) {
	sa.call(func() {
		delete(sa.exchanges, msgID)
		sa.markUsed(msgID)
	})
}

// with is a context that also ends with the SA.
func (sa *SA) with(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(sa.ctx, func() { cancel(context.Cause(sa.ctx)) })
	return ctx, func(cause error) { stop(); cancel(cause) }
}

// Info tells what phase 1 agreed on.
func (sa *SA) Info() Info { return sa.info }

// Path is where the peer is now.
func (sa *SA) Path() Path { return *sa.link.path.Load() }

// Follow notes that the peer's newest ESP packet came from p: a NAT may have
// given it another address.
func (sa *SA) Follow(remote netip.AddrPort) {
	p := sa.Path()
	if p.Remote != remote && p.Marker {
		p.Remote = remote
		sa.link.follow(p)
	}
}

// Move makes the SA speak from another address of ours: that of the network that
// the way to the peer leads through now.
func (sa *SA) Move(local netip.AddrPort) {
	p := sa.Path()
	p.Local = local
	sa.link.path.Store(&p)
}

// Heard is when the last authenticated message came.
func (sa *SA) Heard() time.Time { return sa.link.lastHeard() }

// Done is closed when the SA has ended; Err says why.
func (sa *SA) Done() <-chan struct{} { return sa.ctx.Done() }

// Err is nil while the SA lives.
func (sa *SA) Err() error { return context.Cause(sa.ctx) }

// Close tells the peer that the SA is gone, ends everything under it and waits
// until that has ended and the keys are overwritten. What Config calls must not
// call it.
func (sa *SA) Close() error {
	var err error
	sa.call(func() {
		err = sa.sayGoodbye()
		sa.end(errClosedHere)
	})
	<-sa.gone
	return err
}

// Abandon is Close without a word to the peer.
func (sa *SA) Abandon() {
	sa.end(errClosedHere)
	<-sa.gone
}

var errClosedHere = errors.New("closed by us")

// checkHash verifies a HASH payload, which must stand first, against the hash of
// the octets behind it.
func checkHash(m *isakmp.Message, hash func(rest []byte) []byte) error {
	if len(m.Payloads) == 0 || m.Payloads[0].Type != isakmp.PayloadHash {
		return errors.New("the first payload isn't HASH")
	}
	if !equalHash(m.Payloads[0].Body, hash(m.After(0))) {
		return fmt.Errorf("HASH doesn't verify")
	}
	return nil
}
