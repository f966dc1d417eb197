package ike

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"postern/ike/isakmp"
)

// link is one SA's way to its peer.
type link struct {
	wire       *Wire
	ckyI, ckyR isakmp.Cookie // ckyR is zero until the responder has named it
	path       atomic.Pointer[Path]
	heard      atomic.Int64 // when an authenticated message last came, in Unix nanoseconds
	log        *slog.Logger
	alter      func(*Outgoing) // Config.Alter

	// Fragments. After phase 1 fragmentSize never changes, and assembly is the SA's
	// owner's.
	fragmentSize int  // the largest packet; 0: the peer takes no fragments
	assembles    bool // we announced that we do
	assembly     assembly
}

func newLink(w *Wire, p Path, log *slog.Logger) *link {
	l := &link{wire: w, log: log}
	l.path.Store(&p)
	return l
}

// send sends a message, in fragments where it must.
func (l *link) send(octets []byte) error { return l.sendAll(l.split(octets)) }

func (l *link) sendAll(datagrams [][]byte) error {
	var first error
	for _, d := range datagrams {
		if err := l.wire.router.send(d, *l.path.Load()); first == nil {
			first = err
		}
	}
	return first
}

// checkCookies compares a message's cookies with the SA's. Before the responder
// has named its own, any will do.
func (l *link) checkCookies(h isakmp.Header) error {
	if h.InitiatorCookie != l.ckyI {
		return fmt.Errorf("initiator cookie %v is of another SA", h.InitiatorCookie)
	}
	if l.ckyR != (isakmp.Cookie{}) && h.ResponderCookie != l.ckyR {
		return fmt.Errorf("responder cookie %v is of another SA", h.ResponderCookie)
	}
	return nil
}

// follow notes that an authenticated message came from p, and sends there from
// now on: a NAT may have given the peer another address.
func (l *link) follow(p Path) {
	l.heard.Store(time.Now().UnixNano())
	if old := l.path.Load(); *old != p {
		if old.Local.IsValid() && !p.Local.IsValid() {
			p.Local = old.Local
		}
		if old.Remote != p.Remote {
			l.log.Info("the peer moved", "from", old.Remote, "to", p.Remote)
		}
		l.path.Store(&p)
	}
}

func (l *link) lastHeard() time.Time { return time.Unix(0, l.heard.Load()) }
