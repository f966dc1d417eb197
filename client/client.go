// Package client is what a connection is: it brings the protocol engines, the
// data plane and the host's network together for one profile.
//
//	client.go      Client: connect, stay connected, tell
//	gateways.go    which gateways and addresses are dialled, in which order
//	session.go     one connection from dial to goodbye, one call a phase
//	sockets.go     the sockets of a session
//	phase1.go      a phase 1: the profile in the words of package ike, the login under it
//	renew.go       phase 1 renewed in time or on suspicion; respond.go by the gateway
//	children.go    ESP SAs: made, installed, activated, deleted; rekey.go renewed
//	roam.go        another network, a sleep, a gateway that forgot us
//	inside.go      the tunnel's end here, which outlives sessions
//	system.go      what a connection needs of its machine
//	algorithms.go  names in a profile and numbers on the wire
//	credential.go  our private key and certificates, from a file or a token
//	trust.go       whom we take for the gateway; known.go those trusted at first sight
//	describe.go    the certificates that a profile names
//	status.go      the snapshot that everybody is shown
//	vpn5000.go     the VPN 5000's own exchanges
//	explain.go     an error -> the sentence a person reads, the code a script tests
package client

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"sync"
	"time"

	"postern/client/profile"
	"postern/client/prompt"
	"postern/ike"
	"postern/stamp"
	"postern/tun/hostnet"
	"postern/xauth"
)

// Options are what a connection needs beside its profile.
type Options struct {
	Log *slog.Logger
	// Ask asks a person; nil: nobody is there.
	Ask prompt.Func
	// StateDir keeps what must be put back after a crash, and the gateways that were
	// trusted at first sight.
	StateDir string
	// Known is the file of those gateways; "": known_gateways in StateDir.
	Known string
	// Rootless, if not nil, leaves the host's network alone: the tunnel ends in an
	// IP stack of our own.
	Rootless *Rootless
	// Accompanied: another connection of this machine's leads to the same gateway, which
	// mustn't be told that this is the only one.
	Accompanied bool
	// KeyLog, if not nil, is told the keys.
	KeyLog *KeyLog
	// EraseSecrets, if not nil, erases what is saved of the profile's secrets, for a
	// gateway that doesn't allow that.
	EraseSecrets func() error
	// ID tells this connection's kill switch from others'; "": by the profile's name.
	ID string
	// Orphan, if not nil, says when Run ends whether that is because whoever asked for
	// the connection has died: the kill switch then holds, as after a crash.
	Orphan func() bool
	// System, if not nil, stands for this machine's sockets, devices and network.
	System System
}

// Rootless says how programs reach a tunnel that has no device.
type Rootless struct {
	Proxy    string   // SOCKS5 and HTTP: "127.0.0.1:1080", ":1080", "" for none
	Forwards []string // "8080:10.20.0.1:80"
	// AnyPort: where the proxy can't listen there, it does so on a free port of the loopback address.
	AnyPort bool
}

// Client is one connection. Its methods may be called concurrently; Run once.
type Client struct {
	profile *profile.Profile
	options Options
	log     *slog.Logger
	system  System

	addresses addresses // of gateways

	mu         sync.Mutex
	status     Status
	session    *session       // nil unless one is under way
	changed    chan struct{}  // closed and replaced whenever status changes
	redial     chan struct{}  // asked to
	nudge      chan struct{}  // the network has changed
	user       string         // as the person typed it, for the next login
	password   profile.Secret // likewise
	codes      *xauth.Codes   // nil until a login needs them
	prompts    uint64         // how many there were
	credential *credential    // nil until a phase 1 needs it
	inside     *inside        // nil until there is a device
	pushed     []profile.Gateway
	sentTo     *target    // by a gateway, for the next dial
	distrusted bool       // the stored password was refused
	address    netip.Addr // inside, the last one
	guard      Guard      // nil: none
	guarded    hostnet.GuardConfig

	known known // gateways

	nudged time.Time     // follow's: when a change of the network last cut a pause short
	asking chan struct{} // holds a value while a person is asked
}

// New returns a Client for a profile whose secrets are resolved. The profile is
// the Client's from now on.
func New(p *profile.Profile, o Options) *Client {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Ask == nil {
		o.Ask = prompt.Nobody
	}
	c := &Client{profile: p, options: o, log: o.Log, changed: make(chan struct{}), redial: make(chan struct{}, 1), nudge: make(chan struct{}, 1), asking: make(chan struct{}, 1)}
	if c.system = o.System; c.system == nil {
		c.system = machine{o.StateDir}
	}
	c.status = Status{Schema: 1, Profile: p.Name, State: Down, Since: time.Now(), Warnings: p.Weak()}
	c.known.path = o.Known
	if o.Known == "" && o.StateDir != "" {
		c.known.path = filepath.Join(o.StateDir, knownFile)
	}
	return c
}

// Attempts of a first connection. A gateway that agreed on keys and then fell
// silent is tried again: what got lost was the weather's fault.
const (
	firstTries    = 2
	firstDeadline = 300 * time.Second
)

// Run connects and stays connected until ctx ends, which is no error. Before the
// first success it returns with the first definite refusal, as a *Reason;
// afterwards it reconnects for as long as it takes.
func (c *Client) Run(ctx context.Context) error {
	defer c.forget()
	defer c.closeInside()
	for _, w := range c.Status().Warnings {
		c.log.Warn(w)
	}
	if c.options.Rootless == nil {
		// What a process left behind that was killed may be in our own way.
		if err := c.system.Recover(); err != nil {
			c.log.Warn("put back after a crash", "error", err)
		}
	}
	var tasks sync.WaitGroup
	defer tasks.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	tasks.Go(func() { c.follow(ctx) })
	if err := c.protect(ctx); err != nil {
		return c.failed(err)
	}
	defer c.unguard()
	s, err := c.connectFirst(ctx)
	if err != nil {
		return c.failed(err)
	}
	for pause := firstPause; ; {
		if err != nil {
			r := c.failed(err)
			if !c.hold(ctx) {
				return r
			}
			c.set(Reconnecting, nil)
			c.Reconnect()
			if s, err = c.reconnect(ctx, &pause); ctx.Err() != nil {
				c.leave(s)
				return nil
			}
			continue
		}
		began := time.Now()
		err = s.serve(ctx)
		if ctx.Err() != nil {
			c.leave(s)
			return nil
		}
		if errors.Is(err, errIdle) {
			s.close()
			c.drop(Down, nil)
			continue
		}
		c.log.Warn("connection lost", "error", err)
		c.drop(Reconnecting, Explain(err))
		s.close()
		if time.Since(began) > time.Minute {
			pause = firstPause
		}
		if c.lost(err) {
			c.closeInside()
		}
		s, err = c.reconnect(ctx, &pause)
		if ctx.Err() != nil {
			c.leave(s)
			return nil
		}
	}
}

// leave ends a connection that its user doesn't want any more; nil: there is none, but
// one may have been made the moment it wasn't wanted.
func (c *Client) leave(s *session) {
	if s != nil {
		s.close()
	}
	c.drop(Down, nil)
}

// firstPause is before the first new attempt after a connection was lost; each one
// doubles it, up to a minute.
const firstPause = 200 * time.Millisecond

// maxRefused logins in a row end a connection that is made anew: gateways lock users
// out for more.
const maxRefused = 3

// errBroken marks an error of the tunnel's device, which must be opened anew.
var errBroken = errors.New("the tunnel's device is gone")

// lost says whether the tunnel's end here can't be kept.
func (c *Client) lost(err error) bool { return errors.Is(err, errBroken) }

// connectFirst dials for the first time.
func (c *Client) connectFirst(ctx context.Context) (s *session, err error) {
	ctx, cancel := context.WithTimeout(ctx, firstDeadline)
	defer cancel()
	for try := 1; ; try++ {
		s, err = c.dial(ctx)
		if err == nil || !cutShort(err) || try == firstTries || ctx.Err() != nil {
			return s, err
		}
		c.log.Warn("trying again", "error", err)
	}
}

// cutShort says whether a connection failed by silence after phase 1, which has
// begun a second time by itself, or by vendor IDs, which nothing vouches for: a bit
// that turned on the way makes others of them.
func cutShort(err error) bool {
	var late *ike.TimeoutError
	if why := (*Reason)(nil); errors.As(err, &why) && why.Code == noNATTraversal {
		return true
	}
	for _, e := range []error{ike.ErrDead, xauth.ErrNoStatus, stamp.ErrStripped, stamp.ErrNotAnnounced} {
		if errors.Is(err, e) {
			return true
		}
	}
	return errors.As(err, &late) && late.Stage != ike.Main.String() && late.Stage != ike.Aggressive.String() && late.Refused == nil
}

// reconnect dials until it succeeds, pausing longer from time to time. What needs
// a person and has none ends it.
func (c *Client) reconnect(ctx context.Context, pause *time.Duration) (*session, error) {
	for refused := 0; ; {
		wait := *pause + time.Duration(rand.Float64()*0.2*float64(*pause))
		*pause = min(*pause*2, time.Minute)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.redial:
			*pause = firstPause
		case <-c.nudge:
		case <-time.After(wait):
		}
		s, err := c.dial(ctx)
		if err == nil || errors.Is(err, prompt.ErrNotInteractive) || errors.Is(err, prompt.ErrCancelled) {
			return s, err
		}
		if errors.Is(err, xauth.ErrRefused) {
			if refused++; refused == maxRefused {
				return nil, err
			}
		}
		if c.lost(err) {
			c.closeInside()
		}
		if c.addresses.outdated() && !errors.Is(err, xauth.ErrRefused) {
			c.freeResolver(ctx)
		}
		c.log.Warn("no new connection yet", "error", err)
		c.set(Reconnecting, Explain(err))
	}
}

// Reconnect drops the connection and makes a new one at once.
func (c *Client) Reconnect() {
	select {
	case c.redial <- struct{}{}:
	default:
	}
	c.mu.Lock()
	s := c.session
	c.mu.Unlock()
	if s != nil {
		s.fail(errors.New("asked to reconnect"))
	}
}

// failed ends Run.
func (c *Client) failed(err error) error {
	r := Explain(err)
	c.set(Failed, r)
	return r
}

// forget clears the secrets.
func (c *Client) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.profile.Clear()
	c.password.Clear()
	c.codes.Close()
	c.credential.close()
}

// set changes the state, and tells who watches.
func (c *Client) set(s State, r *Reason) {
	c.update(func(st *Status) {
		if st.State != s {
			st.State, st.Since = s, time.Now()
		}
		st.Reason, st.Prompt = r, nil
	})
}

// progress is set while a connection is made: to those who watch, one that is made
// anew stays Reconnecting until it is up.
func (c *Client) progress(s State) {
	c.update(func(st *Status) {
		if st.State != Reconnecting {
			st.State, st.Since, st.Reason, st.Prompt = s, time.Now(), nil, nil
		}
	})
}

// rekeying shows that phase 1 is being renewed, or no more.
func (c *Client) rekeying(on bool) {
	c.update(func(st *Status) {
		switch {
		case on && st.State == Up:
			st.State, st.Since = Rekeying, time.Now()
		case !on && st.State == Rekeying:
			st.State, st.Since = Up, time.Now()
		}
	})
}

// update changes the status, and tells who watches.
func (c *Client) update(f func(*Status)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.status)
	close(c.changed)
	c.changed = make(chan struct{})
}

// drop changes the state to one without a session.
func (c *Client) drop(s State, r *Reason) {
	c.update(func(st *Status) {
		c.session = nil // update holds the lock
		st.State, st.Since, st.Reason = s, time.Now(), r
		st.IKE, st.Tunnel, st.SAs, st.Traffic, st.Prompt, st.VPN5000 = nil, nil, nil, nil, nil, nil
	})
}

// Status is a snapshot.
func (c *Client) Status() Status {
	st, _ := c.snapshot()
	return st
}

// Watch returns a snapshot and a channel that is closed when there is a newer one.
func (c *Client) Watch() (Status, <-chan struct{}) { return c.snapshot() }

func (c *Client) snapshot() (Status, <-chan struct{}) {
	c.mu.Lock()
	st, changed, s := c.status, c.changed, c.session
	st.Warnings = append([]string(nil), st.Warnings...)
	c.mu.Unlock()
	if s != nil {
		s.count(&st)
	}
	return st, changed
}

// warn adds a sentence to the status and the log, once.
func (c *Client) warn(text string) {
	c.update(func(st *Status) {
		for _, w := range st.Warnings {
			if w == text {
				return
			}
		}
		st.Warnings = append(st.Warnings, text)
		c.log.Warn(text)
	})
}

// ask asks a person, one prompt at a time, and shows what it asks.
func (c *Client) ask(ctx context.Context, p prompt.Prompt) (prompt.Answers, error) {
	select {
	case c.asking <- struct{}{}:
		defer func() { <-c.asking }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	var before State
	c.update(func(st *Status) {
		c.prompts++
		p.ID = c.prompts
		before = st.State
		st.State, st.Since, st.Reason, st.Prompt = WaitingForInput, time.Now(), nil, &p
	})
	defer c.update(func(st *Status) {
		if st.State == WaitingForInput { // not ended meanwhile
			st.State, st.Since, st.Prompt = before, time.Now(), nil
		}
	})
	return c.options.Ask(ctx, p)
}
