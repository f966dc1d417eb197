package diagnosis

import (
	"context"
	"errors"
	"time"

	"postern/ike"
)

// limits keep a probe slow and polite. Chosen here.
type limits struct {
	pause     time.Duration // between two datagrams
	datagrams int           // in all, repeats and farewells included
	halfOpen  int           // exchanges that the gateway begins and we leave
	total     time.Duration
}

// politely is slower than any client that dials, and stays under the sixteen
// half-open exchanges that some gateways bear from one address: others behind the
// same NAT need some too.
var politely = limits{pause: 300 * time.Millisecond, datagrams: 60, halfOpen: 14, total: time.Minute}

// How long an answer may take. Before any came it may have been the Internet that
// lost it; once the time of a round trip is known, four of them are enough, but for
// Aggressive Mode, where a slow gateway computes.
const (
	unknownPatience    = 2 * time.Second
	leastPatience      = time.Second
	aggressivePatience = 2 * time.Second
)

// errEnough says that a limit was reached.
var errEnough = errors.New("a limit of the probe is reached")

// errClosed says that an ICMP message told of a closed port.
var errClosed = errors.New("port closed")

// asker has one question in flight at a time.
type asker struct {
	limits
	send     func(msg []byte, to ike.Path) error
	inbox    <-chan ike.Datagram
	refusals func() uint64 // how often the socket was told that a port is closed

	last      time.Time     // when a datagram was last sent
	roundTrip time.Duration // the longest so far; 0: nothing was answered

	sent, received, ignored, open int
}

// try sends a message as often as it takes, at most sends times, until read takes
// an answer; false: silence. What read refuses, and what comes from elsewhere, is
// ignored.
func (a *asker) try(ctx context.Context, msg []byte, to ike.Path, sends int, patience time.Duration, read func([]byte) error) (bool, error) {
	refusals := a.refusals()
	for range sends {
		if err := a.transmit(ctx, msg, to); err != nil {
			return false, err
		}
		limit := time.NewTimer(patience)
		began := time.Now()
		answered, err := a.await(ctx, to, limit.C, refusals, read)
		limit.Stop()
		if answered {
			a.received++
			a.roundTrip = max(a.roundTrip, time.Since(began))
		}
		if answered || err != nil {
			return answered, err
		}
	}
	return false, nil
}

func (a *asker) await(ctx context.Context, to ike.Path, limit <-chan time.Time, refusals uint64, read func([]byte) error) (bool, error) {
	look := time.NewTicker(100 * time.Millisecond) // for what ICMP says
	defer look.Stop()
	for {
		select {
		case d := <-a.inbox:
			if d.From.Remote != to.Remote || read(d.Octets) != nil {
				a.ignored++
				continue
			}
			return true, nil
		case <-look.C:
			if a.refusals() != refusals {
				return false, errClosed
			}
		case <-limit:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// transmit sends a datagram, a pause behind the one before.
func (a *asker) transmit(ctx context.Context, msg []byte, to ike.Path) error {
	if a.sent >= a.datagrams {
		return errEnough
	}
	select {
	case <-time.After(time.Until(a.last.Add(a.pause))):
	case <-ctx.Done():
		return ctx.Err()
	}
	a.sent++
	a.last = time.Now()
	return a.send(msg, to)
}

// patience is how long an answer may take.
func (a *asker) patience(aggressive bool) time.Duration {
	p := unknownPatience
	if a.roundTrip > 0 {
		p = min(max(leastPatience, 4*a.roundTrip), unknownPatience)
	}
	if aggressive {
		p = max(p, aggressivePatience)
	}
	return p
}

// ask asks a question; nil is silence. An accepted one is left at once.
func (a *asker) ask(ctx context.Context, q *question, to ike.Path, sends int) (*answer, error) {
	if a.open >= a.halfOpen {
		return nil, errEnough
	}
	var got *answer
	answered, err := a.try(ctx, q.octets, to, sends, a.patience(len(q.id.Data) > 0), func(octets []byte) (err error) {
		got, err = q.read(octets)
		return err
	})
	if !answered || err != nil {
		return nil, err
	}
	if got.accepts {
		a.open++
		if a.sent < a.datagrams {
			a.sent++
			a.last = time.Now()
			_ = a.send(q.farewell(got), to)
		}
	}
	return got, nil
}
