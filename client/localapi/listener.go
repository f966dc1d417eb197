package localapi

import (
	"fmt"
	"log/slog"
	"net"
	"os/user"
	"strconv"
	"sync"
	"time"
)

// sendBuffer bounds what the kernel keeps for a caller that doesn't read, in octets;
// Linux takes it twice. Chosen here.
const sendBuffer = 32 << 10

// limits count the connections: no one user's keep the others out, and all of them
// together stay bounded. Root has no limit.
type limits struct {
	all, perUser int

	mu      sync.Mutex
	total   int
	users   map[uint32]int
	refused int
}

// maxRefused is how many connections over the limit are told so at a time. Chosen here.
const maxRefused = 32

// verdict is what becomes of a connection.
type verdict int

const (
	served  verdict = iota
	refused         // with a sentence
	dropped
)

// enter counts a connection in.
func (l *limits) enter(uid uint32) verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case uid == 0:
		return served
	case l.total < l.all && l.users[uid] < l.perUser:
		l.total++
		l.users[uid]++
		return served
	case l.refused < maxRefused:
		l.refused++
		return refused
	}
	return dropped
}

// leave counts it out.
func (l *limits) leave(uid uint32, v verdict) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case v == refused:
		l.refused--
	case v == served && uid != 0:
		l.total--
		if l.users[uid]--; l.users[uid] == 0 {
			delete(l.users, uid)
		}
	}
}

// listener takes connections whose other end is known, within the limits.
type listener struct {
	net.Listener
	limits *limits
	log    *slog.Logger
}

// Accept returns the next connection that is served.
func (l *listener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		caller, err := peer(nc)
		if err != nil {
			l.log.Warn("local API: a caller that isn't known", "error", err)
			_ = nc.Close()
			continue
		}
		v := l.limits.enter(caller.UID)
		if v == dropped {
			_ = nc.Close()
			continue
		}
		if b, ok := nc.(interface{ SetWriteBuffer(int) error }); ok {
			_ = b.SetWriteBuffer(sendBuffer)
		}
		c := &conn{Conn: nc, caller: caller, refused: v == refused}
		c.leave = sync.OnceFunc(func() { l.limits.leave(caller.UID, v) })
		return c, nil
	}
}

// conn is a caller's connection.
type conn struct {
	net.Conn
	caller  Caller // without the name
	refused bool   // it is one too many
	leave   func()
	buffer  []byte // net/http's
}

// Read remembers the first place that it reads to: package net/http reads requests
// through one buffer, which other connections get later.
func (c *conn) Read(p []byte) (int, error) {
	if c.buffer == nil {
		c.buffer = p
	}
	return c.Conn.Read(p)
}

// forget overwrites what net/http still has of a request that was read to its end, with
// zeros. What follows it unasked is lost too, and then refused.
func (c *conn) forget() { clear(c.buffer) }

// Close ends it.
func (c *conn) Close() error {
	c.leave()
	return c.Conn.Close()
}

// names remembers who is who, for nameLife.
type names struct {
	mu    sync.Mutex
	known map[uint32]name
}

type name struct {
	text string
	at   time.Time
}

// What is remembered of the users. Chosen here.
const (
	nameLife = time.Minute
	maxNames = 4096
)

// of returns a user's name, or the number.
func (n *names) of(uid uint32) string {
	n.mu.Lock()
	got, ok := n.known[uid]
	n.mu.Unlock()
	if ok && time.Since(got.at) < nameLife {
		return got.text
	}
	number := strconv.FormatUint(uint64(uid), 10)
	text := number
	if u, err := user.LookupId(number); err == nil && u.Username != "" {
		text = u.Username
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil || len(n.known) >= maxNames {
		n.known = make(map[uint32]name)
	}
	n.known[uid] = name{text, time.Now()}
	return text
}

// errPeer says why a connection's other end isn't known.
func errPeer(what string, err error) error { return fmt.Errorf("%s of the caller: %w", what, err) }
