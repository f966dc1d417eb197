package iketest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"postern/ike"
)

// Player is the peer of a recorded flow: it says what the peer said then, and
// holds our end to what that said. It is meant for testing/synctest.
type Player struct {
	Router *ike.Router // our end's

	messages []FlowMessage
	sent     chan FlowMessage
}

// NewPlayer prepares to play what was recorded.
func NewPlayer(f *Flow) *Player {
	p := &Player{messages: f.Messages, sent: make(chan FlowMessage, len(f.Messages)+64)}
	p.Router = ike.NewRouter(p.send)
	return p
}

func (p *Player) send(msg []byte, to ike.Path) error {
	select {
	case p.sent <- FlowMessage{Sent: true, Path: to, Octets: slices.Clone(msg)}:
	default: // so many that the first ones were wrong already
	}
	return nil
}

// playerPatience is how much later than it did then our end may send a message.
const playerPatience = time.Second

// Play plays the flow, in its order: a message of the peer's comes when all that
// stands before it has come and been sent, and as much later as it did then. It
// returns the first difference. Where ctx ends earlier our end has nothing more to
// say.
func (p *Player) Play(ctx context.Context) error {
	var last time.Duration
	for i, m := range p.messages {
		wait := max(m.At-last, 0)
		last = m.At
		if !m.Sent {
			time.Sleep(wait)
			p.Router.Deliver(slices.Clone(m.Octets), m.Path)
			continue
		}
		select {
		case got := <-p.sent:
			if err := m.differs(got); err != nil {
				return fmt.Errorf("message %d (%s): %w", i+1, m.Notation, err)
			}
		case <-time.After(wait + playerPatience):
			return fmt.Errorf("message %d (%s): not sent", i+1, m.Notation)
		case <-ctx.Done():
			return fmt.Errorf("message %d (%s): not sent before the end", i+1, m.Notation)
		}
	}
	<-ctx.Done()
	select {
	case got := <-p.sent:
		return fmt.Errorf("behind the last message another was sent, to %v:\n%x", got.Path.Remote, got.Octets)
	default:
		return nil
	}
}

func (m FlowMessage) differs(got FlowMessage) error {
	if got.Path != m.Path {
		return fmt.Errorf("sent on %v, want %v", got.Path, m.Path)
	}
	if !bytes.Equal(got.Octets, m.Octets) {
		at := 0
		for at < min(len(got.Octets), len(m.Octets)) && got.Octets[at] == m.Octets[at] {
			at++
		}
		around := func(b []byte) []byte { return b[at:min(at+24, len(b))] }
		return fmt.Errorf("%d octets sent, want %d; they differ from octet %d on: %x…, want %x…",
			len(got.Octets), len(m.Octets), at, around(got.Octets), around(m.Octets))
	}
	return nil
}
