package ike

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"postern/ike/isakmp"
)

// Prelude is what the ends may say between the first message of phase 1 and its
// answer: private payloads (types 128 to 255) in Informational exchanges, in
// clear, with both cookies. No RFC has it: the VPN 5000 asks for a user there.
// Whatever proves anything in it is the business of Config.Prelude, to which
// unverified messages must be hints at most.
//
//	 Initiator                        Responder
//	----------                       -----------
//	 HDR, SA, …          -->
//	                     <--    HDR, private
//	 HDR, private        -->
//	                      …
//	                     <--    HDR, SA, …
//
// A responder speaks only when it is spoken to until the initiator has echoed
// CKY-R, so the repeating is the initiator's: first of its first message, then of
// its answers. Only the goroutine that runs Config.Prelude uses it.
type Prelude struct {
	First     []byte // message 1 as it was sent or received
	CookieI   isakmp.Cookie
	CookieR   isakmp.Cookie // a responder's own; an initiator is told by each message
	From      Path
	VendorIDs [][]byte   // what the initiator announced; of a responder only
	Identity  *isakmp.ID // what the initiator calls itself, in Aggressive Mode; of a responder only
	Groups    []Group    // set by a responder's Config.Prelude: whose keys to try, in place of Config.Groups
	Repeated  func()     // if not nil, called when the initiator has repeated its first message
	link      *link      // with the responder's cookie not yet known
	x         *exchange  // of message 1; a responder's only, whose goroutine this is
	inbox     <-chan Datagram
	holds     holds // an initiator's
	heard     [sha256.Size]byte
	sent      []byte
}

// PreludeMessage is one message of a Prelude.
type PreludeMessage struct {
	CookieR   isakmp.Cookie
	MessageID uint32
	Payloads  []isakmp.Payload
}

// preludeInbox is how many messages wait for an initiator's Config.Prelude.
const preludeInbox = 8

// NewMessageID is random and not zero.
func (p *Prelude) NewMessageID() uint32 {
	for {
		if id := random32(); id != 0 {
			return id
		}
	}
}

// Hold makes an initiator stop repeating its first message, for the responder has
// it, and wait for its answer for at most limit: a person is being asked.
func (p *Prelude) Hold(limit time.Duration) { p.holds.set(limit) }

// Release undoes Hold: the first message is repeated again, and the clock starts anew.
func (p *Prelude) Release() { p.holds.set(0) }

// Send sends a message. Repeat sends the same octets again, never new ones.
func (p *Prelude) Send(m PreludeMessage) error {
	h := isakmp.Header{
		InitiatorCookie: p.CookieI, ResponderCookie: m.CookieR, Version: isakmp.Version,
		Exchange: isakmp.ExchangeInformational, MessageID: m.MessageID,
	}
	if len(m.Payloads) > 0 {
		h.NextPayload = m.Payloads[0].Type
	}
	body := isakmp.AppendPayloads(nil, m.Payloads)
	h.Length = uint32(isakmp.HeaderLen + len(body))
	p.sent = append(h.Append(nil), body...)
	p.log("-> ", h, m.Payloads)
	return p.emit()
}

// Repeat sends the last message again.
func (p *Prelude) Repeat() {
	if p.sent != nil {
		_ = p.emit()
	}
}

func (p *Prelude) emit() error {
	if p.x != nil {
		return p.x.emit(p.sent)
	}
	return p.link.send(p.sent)
}

// Receive returns the next message that accept takes. What the peer repeats is
// answered with what was sent last.
func (p *Prelude) Receive(ctx context.Context, accept func(PreludeMessage) error) (PreludeMessage, error) {
	return p.receive(ctx, accept, nil)
}

// RoundTrip sends a message, repeats it, and returns the next that accept takes.
func (p *Prelude) RoundTrip(ctx context.Context, m PreludeMessage, accept func(PreludeMessage) error) (PreludeMessage, error) {
	if err := p.Send(m); err != nil {
		return PreludeMessage{}, err
	}
	return p.receive(ctx, accept, (&exchange{}).schedule())
}

func (p *Prelude) receive(ctx context.Context, accept func(PreludeMessage) error, pause func(time.Duration) time.Duration) (PreludeMessage, error) {
	began := time.Now()
	var repeat <-chan time.Time
	if pause != nil {
		repeat = time.After(pause(0))
	}
	for {
		select {
		case <-ctx.Done():
			return PreludeMessage{}, context.Cause(ctx)
		case <-repeat:
			p.Repeat()
			repeat = time.After(pause(time.Since(began)))
		case d := <-p.inbox:
			if m, ok := p.take(d, accept); ok {
				return m, nil
			}
		}
	}
}

// take reads a datagram. Only what accept takes counts.
func (p *Prelude) take(d Datagram, accept func(PreludeMessage) error) (PreludeMessage, bool) {
	if p.x != nil && p.x.isRepeat(d) {
		p.x.credit += amplification * len(d.Octets)
		p.Repeat()
		if p.Repeated != nil {
			p.Repeated()
		}
		return PreludeMessage{}, false
	}
	sum := sha256.Sum256(d.Octets)
	if sum == p.heard {
		p.Repeat()
		return PreludeMessage{}, false
	}
	m, h, err := p.read(d)
	if err == nil {
		err = accept(m)
	}
	if err != nil {
		p.link.log.Debug("refused", "exchange", "prelude", "error", err)
		return m, false
	}
	p.log("<- ", h, m.Payloads)
	p.heard = sum
	if p.x != nil {
		p.x.unproven = false // it has echoed CKY-R
	}
	return m, true
}

// read opens a datagram that may be of the prelude.
func (p *Prelude) read(d Datagram) (m PreludeMessage, h isakmp.Header, err error) {
	if h, err = isakmp.ParseHeader(d.Octets); err != nil {
		return m, h, err
	}
	switch {
	case h.Exchange != isakmp.ExchangeInformational, h.Flags&isakmp.FlagEncryption != 0, h.MessageID == 0,
		h.InitiatorCookie != p.CookieI, h.ResponderCookie == isakmp.Cookie{}:
		return m, h, errIgnored
	case p.x != nil && (h.ResponderCookie != p.CookieR || d.From.Remote != p.From.Remote),
		p.x == nil && d.From.Remote.Addr() != p.From.Remote.Addr():
		return m, h, errors.New("of another peer")
	}
	parsed, err := isakmp.ParseMessage(h, d.Octets[isakmp.HeaderLen:h.Length])
	if err != nil {
		return m, h, err
	}
	if len(private(parsed)) == 0 {
		return m, h, errIgnored
	}
	return PreludeMessage{CookieR: h.ResponderCookie, MessageID: h.MessageID, Payloads: parsed.Payloads}, h, nil
}

func (p *Prelude) log(direction string, h isakmp.Header, payloads []isakmp.Payload) {
	m := isakmp.Message{Header: h, Payloads: payloads}
	p.link.log.Debug(direction+m.String(), "exchange", "prelude", "octets", h.Length)
}

// private are the payloads whose types RFC 2408, section 3.1, leaves to everybody,
// but for those that belong to phase 1 itself.
func private(m *isakmp.Message) (out []isakmp.Payload) {
	for _, p := range m.Payloads {
		switch p.Type {
		case isakmp.PayloadNATDDraft, isakmp.PayloadNATOADraft, isakmp.PayloadFragment:
			continue
		}
		if p.Type >= firstPrivate {
			out = append(out, p)
		}
	}
	return out
}

const firstPrivate isakmp.PayloadType = 128

// holds tells a waiting exchange that its peer has its message and takes time:
// how long to wait without repeating it, or 0 to go on as before. One goroutine
// sets it.
type holds chan time.Duration

func (h holds) set(limit time.Duration) {
	select {
	case <-h:
	default:
	}
	h <- limit
}

// begin sends message 1 and waits for its answer, while Config.Prelude runs
// beside. An error of that ends phase 1.
func (p *phase1) begin(ctx context.Context, accept acceptFunc, payloads ...isakmp.Payload) (*isakmp.Message, error) {
	if err := p.x.transmit(payloads); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan struct{})
	if p.cfg.Prelude == nil {
		close(ended)
	} else {
		inbox := make(chan Datagram, preludeInbox)
		p.x.holds, p.preludeInbox = make(holds, 1), inbox
		prelude := &Prelude{
			First: p.x.firstSent, CookieI: p.link.ckyI, From: *p.link.path.Load(),
			link: p.link, inbox: inbox, holds: p.x.holds,
		}
		go func() {
			defer close(ended)
			if err := p.cfg.Prelude(ctx, prelude); err != nil {
				cancel(err)
			}
		}()
	}
	p.x.patience = p.cfg.Patience
	m, err := p.x.await(ctx, accept, p.x.schedule())
	p.x.patience = 0
	cancel(nil)
	<-ended
	p.preludeInbox, p.x.holds = nil, nil
	return m, err
}

// welcome runs Config.Prelude before the responder answers message 1.
func (p *phase1) welcome(ctx context.Context, m *isakmp.Message) error {
	if p.cfg.Prelude == nil {
		return nil
	}
	p.prelude = &Prelude{
		First: p.x.firstReceived, CookieI: p.link.ckyI, CookieR: p.link.ckyR, From: *p.link.path.Load(),
		VendorIDs: m.All(isakmp.PayloadVendorID), link: p.link, x: p.x, inbox: p.x.inbox,
	}
	if _, id, err := p.takeID(m); err == nil {
		p.prelude.Identity = &id
	}
	if err := p.cfg.Prelude(ctx, p.prelude); err != nil {
		p.refuse(isakmp.NotifyAuthenticationFailed)
		return fmt.Errorf("%s: message 1: %w", p.x.stage, err)
	}
	p.x.drain()
	return nil
}

// groupsFor are whose keys to try for a peer.
func (p *phase1) groupsFor(h Hello) []Group {
	if p.prelude != nil && p.prelude.Groups != nil {
		return p.prelude.Groups
	}
	return p.cfg.Groups(h)
}
