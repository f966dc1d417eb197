package hostnet

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/godbus/dbus/v5"
)

// logind's names (org.freedesktop.login1(5)).
const (
	logindName    = "org.freedesktop.login1"
	logindPath    = "/org/freedesktop/login1"
	logindManager = logindName + ".Manager."
)

// logindTimeout bounds a call.
const logindTimeout = 5 * time.Second

// logind tells of sleep: its signal PrepareForSleep comes before, which it delays for whoever holds an inhibitor lock
// (5 s at most, as it is delivered), and after. Owned by the watcher's goroutine.
type logind struct {
	conn    *dbus.Conn
	signals chan *dbus.Signal
	owner   string // logind's unique name on the bus: signals of others aren't its
	lock    *os.File
}

// hearLogind connects to the bus and asks for logind's signals. The connection ends with ctx.
func hearLogind(ctx context.Context, bus func(context.Context) (*dbus.Conn, error)) (*logind, error) {
	greeting, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(logindTimeout, cancel)
	conn, err := bus(greeting)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("logind: system bus: %w", err)
	}
	l := &logind{conn: conn, signals: make(chan *dbus.Signal, 16)}
	conn.Signal(l.signals)
	err = l.subscribe(greeting)
	if !late.Stop() && err == nil {
		err = context.DeadlineExceeded
	}
	if err != nil {
		cancel()
		conn.Close()
		return nil, fmt.Errorf("logind: %w", err)
	}
	l.inhibit(ctx)
	return l, nil
}

func (l *logind) subscribe(ctx context.Context) error {
	err := l.conn.AddMatchSignalContext(ctx, dbus.WithMatchSender(logindName),
		dbus.WithMatchInterface(logindName+".Manager"), dbus.WithMatchMember("PrepareForSleep"))
	if err != nil {
		return err
	}
	err = l.conn.AddMatchSignalContext(ctx, dbus.WithMatchSender("org.freedesktop.DBus"),
		dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, logindName))
	if err != nil {
		return err
	}
	return l.conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.GetNameOwner", 0, logindName).Store(&l.owner)
}

// news is where signals arrive; it is closed when the bus goes away. A nil logind has none.
func (l *logind) news() <-chan *dbus.Signal {
	if l == nil {
		return nil
	}
	return l.signals
}

// sleeps reads a signal: whether the host is about to sleep or did. known: it says so.
func (l *logind) sleeps(s *dbus.Signal) (before, known bool) {
	switch {
	case s.Name == "org.freedesktop.DBus.NameOwnerChanged" && s.Sender == "org.freedesktop.DBus" && len(s.Body) == 3:
		if s.Body[0] == logindName { // it was started anew, and knows nothing of our lock
			l.owner, _ = s.Body[2].(string)
			l.inhibit(l.conn.Context())
		}
	case s.Name == logindManager+"PrepareForSleep" && s.Sender == l.owner && len(s.Body) == 1:
		before, known = s.Body[0].(bool)
	}
	return before, known
}

// inhibit takes the lock that delays the next sleep. Where that isn't allowed sleep is still told of, and doesn't wait.
func (l *logind) inhibit(ctx context.Context) {
	l.release()() // the last sleep is over, whoever was ready for it
	l.lock = nil
	if l.owner == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, logindTimeout)
	defer cancel()
	var fd dbus.UnixFD
	err := l.conn.Object(logindName, logindPath).CallWithContext(ctx, logindManager+"Inhibit", 0,
		"sleep", "postern", "tell the gateway before the network goes", "delay").Store(&fd)
	if err == nil {
		l.lock = os.NewFile(uintptr(fd), "inhibitor lock")
	}
}

// release returns what gives this lock back; it may be called more than once, by any goroutine.
func (l *logind) release() func() {
	lock := l.lock
	return func() {
		if lock != nil {
			lock.Close() // again: an error, and nothing else
		}
	}
}

func (l *logind) close() {
	if l == nil {
		return
	}
	l.release()()
	l.conn.Close()
}
