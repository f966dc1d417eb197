package ike

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"postern/ike/isakmp"
)

// Times of an exchange. Chosen here: the first repeats come fast, for most
// losses are single ones, and a gateway that only comes back after a while is
// still met.
const (
	firstRepeat = 500 * time.Millisecond
	earlyCap    = time.Second      // the longest pause in the first 20 s
	lateCap     = 5 * time.Second  // and after them
	patience    = 31 * time.Second // how long an answer is waited for
	hintGrace   = 5 * time.Second  // and how long after the first sign that none will come
	lingering   = 60 * time.Second // how long a last message is repeated to who repeats theirs
)

// An exchange is one exchange of messages with one message ID: it sends,
// repeats, decrypts and keeps the IV chain. What the messages mean is the
// business of the modes. Only one goroutine uses it at a time.
type exchange struct {
	link    *link
	stage   string // "main mode"
	typ     isakmp.ExchangeType
	msgID   uint32
	inbox   <-chan Datagram
	foreign func(Datagram) error             // takes what came and isn't of this exchange; an error is a hint
	whole   func(Datagram) (Datagram, error) // puts fragments together, where inbox has any

	keys         *keys   // nil while messages are in clear
	trial        []*keys // a responder's candidates, until a message verifies under one
	clearAllowed bool    // the next message may be in clear although there are keys
	iv           []byte
	hash         func(rest []byte) []byte // of a message of phase 2 that begins with HASH(1) or HASH(2)
	datagrams    func([][]byte) [][]byte  // of our last message: Outgoing.Datagrams

	leads bool   // we began, so it's ours to repeat
	count int    // messages sent and accepted so far: the next has number count+1
	sent  []byte // our last message
	holds holds  // if not nil, tells await to wait without repeating

	patience time.Duration // of the next wait for an answer to a question of ours; 0: the constant

	firstSent, firstReceived []byte
	sentHint                 int // its number
	accepted                 [][sha256.Size]byte
	refused                  error       // the last hint
	hintAt                   time.Time   // when the first hint came that leaves little hope
	complain                 func(error) // if not nil, told of the first refusal that leaves little hope

	// A responder's, until the peer has echoed CKY-R: its address may be forged, so
	// that it gets no more than three times the octets that came.
	unproven bool
	credit   int // octets that may still be sent
}

const (
	amplification = 3
	repeatsKnown  = 8 // accepted messages whose repeats are recognised
)

// acceptFunc looks at a message that decrypted and parsed; an error refuses it.
type acceptFunc func(*isakmp.Message) error

// errHopeless marks a refusal after which a good answer isn't likely any more.
type errHopeless struct{ error }

func (e errHopeless) Unwrap() error { return e.error }

// protect makes every message from here on HDR*.
func (x *exchange) protect(k *keys, iv []byte) { x.keys, x.iv = k, iv }

// protect2 is protect for an exchange of phase 2.
func (x *exchange) protect2(k *keys) {
	x.protect(k, k.phase2IV(x.msgID))
	x.hash = func(rest []byte) []byte { return k.hash1(x.msgID, rest) }
}

// roundTrip sends the payloads, repeats them until an answer comes that accept
// takes, and returns it. Whatever else comes is a hint for the error at most.
func (x *exchange) roundTrip(ctx context.Context, accept acceptFunc, payloads ...isakmp.Payload) (*isakmp.Message, error) {
	if err := x.transmit(payloads); err != nil {
		return nil, err
	}
	return x.await(ctx, accept, x.schedule())
}

// answer sends the payloads and waits for the next message of the peer, whose
// business the repeating is: only a repeated question makes us repeat the answer.
func (x *exchange) answer(ctx context.Context, accept acceptFunc, payloads ...isakmp.Payload) (*isakmp.Message, error) {
	if err := x.transmit(payloads); err != nil {
		return nil, err
	}
	return x.await(ctx, accept, nil)
}

// finish sends the last message of the exchange. What the caller does next is
// up to it, but somebody has to linger: to a peer that didn't get it, it is sent
// again.
func (x *exchange) finish(payloads ...isakmp.Payload) error { return x.transmit(payloads) }

// linger repeats the last message to a peer that repeats its own, for it can't
// have got it, until the time is over. With insist it also repeats it unasked
// until the peer shows by an authenticated message that it goes on: an
// Aggressive Mode responder may wait for our last message in silence. A new
// message under the same ID, if accept takes it, ends the lingering.
func (x *exchange) linger(ctx context.Context, accept acceptFunc, insist func() bool) (*isakmp.Message, error) {
	end := time.NewTimer(lingering)
	defer end.Stop()
	var repeat <-chan time.Time
	pause := x.schedule()
	if insist != nil {
		repeat = time.After(pause(0))
	}
	began := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-end.C:
			return nil, errLingered
		case <-repeat:
			if repeat = nil; insist() && time.Since(began) < patience {
				x.repeat()
				repeat = time.After(pause(time.Since(began)))
			}
		case d := <-x.inbox:
			if x.isRepeat(d) {
				if x.isAnswered(d) {
					x.repeat()
				}
				continue
			}
			if accept == nil {
				continue
			}
			if m, err := x.take(d, accept); err == nil {
				return m, nil
			}
		}
	}
}

var errLingered = errors.New("the exchange is over")

// drain drops what came while nobody listened: repeats of a question that is
// only answered now.
func (x *exchange) drain() {
	for {
		select {
		case <-x.inbox:
		default:
			return
		}
	}
}

// schedule is how long to pause before the next repeat, given the time since
// the first sending. The jitter keeps clients apart that lost the same gateway.
func (x *exchange) schedule() func(elapsed time.Duration) time.Duration {
	next := firstRepeat
	return func(elapsed time.Duration) time.Duration {
		pause := next
		limit := earlyCap
		if elapsed > 20*time.Second {
			limit = lateCap
			next = lateCap
		}
		next = min(next+next/2, limit)
		return pause + time.Duration((rand.Float64()-0.5)*0.2*float64(pause))
	}
}

// await waits for a message that accept takes. pause is nil if it's the peer
// that repeats.
func (x *exchange) await(ctx context.Context, accept acceptFunc, pause func(time.Duration) time.Duration) (*isakmp.Message, error) {
	began := time.Now()
	x.refused, x.hintAt = nil, time.Time{}
	limit := patience
	if x.patience > 0 {
		limit = x.patience
	}
	if pause == nil {
		limit = 2 * patience // the peer's schedule may be slower than ours
	}
	end := time.NewTimer(limit)
	defer end.Stop()
	var repeat <-chan time.Time
	if pause != nil {
		repeat = time.After(pause(0))
	}
	held := false
	for {
		select {
		case <-ctx.Done():
			return nil, x.interrupted(ctx, began)
		case <-end.C:
			return nil, x.timeout(began)
		case hold := <-x.holds:
			if held = hold > 0; held {
				repeat = nil
				end.Reset(hold)
				continue
			}
			began, pause = time.Now(), x.schedule()
			x.refused, x.hintAt = nil, time.Time{}
			repeat = time.After(pause(0))
			end.Reset(limit)
		case <-repeat:
			x.repeat()
			repeat = time.After(pause(time.Since(began)))
		case d := <-x.inbox:
			if x.whole != nil {
				var err error
				if d, err = x.whole(d); err != nil {
					x.hint(err)
					continue
				}
			}
			if x.isRepeat(d) {
				x.credit += amplification * len(d.Octets)
				if !x.leads && x.isAnswered(d) {
					x.repeat()
				}
				continue
			}
			m, err := x.take(d, accept)
			if err == nil {
				return m, nil
			}
			var final errFinal
			if errors.As(err, &final) {
				return nil, final.error
			}
			first := x.hint(err)
			var hopeless errHopeless
			switch {
			case held: // what anybody may have sent doesn't change the clock
			case first && pause != nil:
				end.Reset(min(hintGrace, limit-time.Since(began)))
			case x.complain != nil && errors.As(err, &hopeless):
				// The peer's schedule may be a slow one, so the wait stays as long as it is.
				x.complain(err)
				x.complain = nil
			}
		}
	}
}

// errFinal is an error that the peer's authenticated word ends the exchange with.
type errFinal struct{ error }

func (e errFinal) Unwrap() error { return e.error }

// hint remembers why a datagram was refused, and says whether it is the first
// that leaves little hope.
func (x *exchange) hint(err error) bool {
	if err == errIgnored || err == errMore {
		return false
	}
	var hopeless errHopeless
	var clear *NotifyError
	first := x.hintAt.IsZero() && (errors.As(err, &hopeless) || errors.As(err, &clear))
	if x.hintAt.IsZero() || first {
		x.refused = err
	}
	if first {
		x.hintAt = time.Now()
	}
	return first
}

func (x *exchange) timeout(began time.Time) error {
	return &TimeoutError{Stage: x.stage, Message: x.sentHint, After: time.Since(began), Refused: x.refused}
}

// interrupted is the error of an exchange that its caller ended: where that was
// the caller's deadline, it's as much of a timeout as ours.
func (x *exchange) interrupted(ctx context.Context, began time.Time) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, context.DeadlineExceeded) {
		return x.timeout(began)
	}
	return fmt.Errorf("%s: %w", x.stage, cause)
}

// transmit encodes, encrypts and sends the next message. An error means that
// the exchange couldn't even begin: a later message that can't be sent is as good
// as lost.
func (x *exchange) transmit(payloads []isakmp.Payload) error {
	h := isakmp.Header{
		InitiatorCookie: x.link.ckyI, ResponderCookie: x.link.ckyR,
		Version: isakmp.Version, Exchange: x.typ, MessageID: x.msgID,
	}
	o := x.altered(payloads)
	payloads, x.datagrams = o.Payloads, o.Datagrams
	h.Flags |= o.Flags
	if len(payloads) > 0 {
		h.NextPayload = payloads[0].Type
	}
	body := isakmp.AppendPayloads(nil, payloads)
	if o.Plain != nil {
		body = o.Plain(body)
	}
	if x.keys != nil && !o.Clear {
		h.Flags |= isakmp.FlagEncryption
		body, x.iv = x.keys.encrypt(x.iv, body)
	}
	h.Length = uint32(isakmp.HeaderLen + len(body))
	x.sent = append(h.Append(make([]byte, 0, h.Length)), body...)
	if x.firstSent == nil {
		x.firstSent = x.sent
	}
	x.count++
	x.sentHint = x.count
	x.link.log.Debug("-> "+(&isakmp.Message{Header: h, Payloads: payloads}).Notation(x.leads), "exchange", x.stage, "octets", len(x.sent))
	if err := x.emit(x.sent); err != nil && x.count == 1 {
		return fmt.Errorf("%s: message 1: %w", x.stage, err)
	}
	return nil
}

// emit sends a message, unless a peer that hasn't proved to be where it seems has
// had enough.
func (x *exchange) emit(octets []byte) error {
	datagrams := x.link.split(octets)
	if x.datagrams != nil {
		datagrams = x.datagrams(datagrams)
	}
	if x.unproven {
		n := 0
		for _, d := range datagrams {
			n += len(d)
		}
		if n > x.credit {
			return nil
		}
		x.credit -= n
	}
	return x.link.sendAll(datagrams)
}

// repeat sends the last message again: the same octets, never new ones. That it
// can't be sent is as good as lost.
func (x *exchange) repeat() {
	if x.sent == nil {
		return
	}
	x.link.log.Debug("-> repeated", "exchange", x.stage, "message", x.sentHint, "octets", len(x.sent))
	_ = x.emit(x.sent)
}

// take decrypts and parses a datagram, shows it to accept, and only then lets it
// count: the IV moves on, its repeats are known, and the peer is where it came from.
func (x *exchange) take(d Datagram, accept acceptFunc) (*isakmp.Message, error) {
	h, err := isakmp.ParseHeader(d.Octets)
	if err != nil {
		return nil, err
	}
	if h.Exchange != x.typ || h.MessageID != x.msgID {
		if x.foreign != nil {
			return nil, x.foreign(d)
		}
		return nil, errIgnored
	}
	if err := x.link.checkCookies(h); err != nil {
		return nil, err
	}
	if peer := x.link.path.Load().Remote.Addr(); x.keys == nil && x.leads && d.From.Remote.Addr() != peer {
		return nil, fmt.Errorf("in clear from %v, not from %v", d.From.Remote.Addr(), peer)
	}
	m, nextIV, err := x.read(h, d.Octets, accept)
	if err != nil {
		return nil, fmt.Errorf("message %d: %w", x.count+1, err)
	}
	x.count++
	if x.firstReceived == nil {
		x.firstReceived = d.Octets[:h.Length]
	}
	x.link.log.Debug("<- "+m.Notation(!x.leads), "exchange", x.stage, "octets", len(d.Octets))
	if nextIV != nil {
		x.iv = nextIV
	}
	if x.keys != nil { // accept has verified a HASH
		x.link.follow(d.From)
	}
	if x.unproven {
		x.unproven = h.ResponderCookie == isakmp.Cookie{}
		x.credit += amplification * len(d.Octets)
	}
	if x.accepted = append(x.accepted, sha256.Sum256(d.Octets)); len(x.accepted) > repeatsKnown {
		x.accepted = x.accepted[1:]
	}
	return m, nil
}

// read opens a message, with each of the candidate keys where there are some,
// and shows it to accept.
func (x *exchange) read(h isakmp.Header, octets []byte, accept acceptFunc) (m *isakmp.Message, nextIV []byte, err error) {
	candidates := x.trial
	if len(candidates) == 0 {
		candidates = []*keys{x.keys}
	}
	var room []byte
	if len(x.trial) > 1 {
		room = make([]byte, len(octets)) // for one after the other
	}
	for _, k := range candidates {
		if len(x.trial) > 0 {
			x.protect(k, k.iv)
		}
		if m, nextIV, err = x.open(h, octets, room); err == nil {
			err = accept(m)
		}
		var final errFinal
		if err == nil || errors.As(err, &final) {
			x.trial = nil
			return m, nextIV, err
		}
	}
	return nil, nil, err
}

// open decrypts with the IV of the chain, which it leaves where it is, and parses.
func (x *exchange) open(h isakmp.Header, octets, room []byte) (m *isakmp.Message, nextIV []byte, err error) {
	body := octets[isakmp.HeaderLen:h.Length]
	switch encrypted := h.Flags&isakmp.FlagEncryption != 0; {
	case encrypted && x.keys == nil:
		return nil, nil, errors.New("encrypted before there are keys")
	case !encrypted && x.keys != nil && !x.clearAllowed:
		return nil, nil, errors.New("in clear where it must be encrypted")
	case encrypted:
		if body, nextIV, err = x.keys.decrypt(x.iv, body, room); err != nil {
			return nil, nil, err
		}
		if x.hash != nil && !beginsWithHash(h, body, len(x.keys.skeyidA)) {
			return nil, nil, errNoHash
		}
		if m, err = isakmp.ParseMessage(h, body); err != nil {
			return nil, nil, errHopeless{fmt.Errorf("doesn't decrypt to payloads: %w", err)}
		}
		return m, nextIV, nil
	}
	m, err = isakmp.ParseMessage(h, body)
	return m, nil, err
}

// beginsWithHash says whether what was decrypted begins with a HASH payload of this many
// octets: what wasn't sealed under our keys seldom does, and anybody can send it.
func beginsWithHash(h isakmp.Header, body []byte, size int) bool {
	const head = 4 // of a payload: the next one's type, a reserved octet, the length
	return h.NextPayload == isakmp.PayloadHash && len(body) >= head+size && int(binary.BigEndian.Uint16(body[2:])) == head+size
}

var errNoHash = errHopeless{errors.New("doesn't decrypt to a HASH payload")}

// errIgnored refuses a datagram without leaving a hint.
var errIgnored = errors.New("of another exchange")

func (x *exchange) isRepeat(d Datagram) bool {
	s := sha256.Sum256(d.Octets)
	for i := range x.accepted {
		if s == x.accepted[i] {
			return true
		}
	}
	return false
}

// isAnswered says whether d repeats the message that our last one answers: the
// peer can't have got that. If the peer had the last word there is nothing to
// repeat; two ends that did would never stop.
func (x *exchange) isAnswered(d Datagram) bool {
	n := len(x.accepted)
	return n > 0 && x.sentHint == x.count && x.accepted[n-1] == sha256.Sum256(d.Octets)
}
