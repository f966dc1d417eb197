// Package service is the daemon behind the local API: the connections of several people
// at once, each in a process of its own.
//
//	service.go    Manager: what it has, how it starts and ends
//	backend.go    the calls of the local API
//	rights.go     who may do what; polkit_linux.go asks the system's authority
//	launch.go     what a connection is made of; tunnel.go one, from its order to its end
//	process.go    a connection's process as the Manager sees it
//	worker.go     and from inside
//	frame.go      what the two say
//	folder.go     system profiles; document.go a person's own
//	autoconnect.go  system profiles that connect by themselves
//	hooks.go      programs of the administrator's
//	log.go        the last lines of the log
//	lock_unix.go  one daemon at a time
package service

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"postern/client/localapi"
	"postern/tun/hostnet"
)

// Config is what a Manager is made of.
type Config struct {
	Mode    localapi.Mode
	Version string
	// Profiles is the folder of system profiles, Credentials that of their secrets;
	// "": there is none.
	Profiles, Credentials string
	// Demo are profiles of the daemon's own.
	Demo []localapi.Document
	// StateDir keeps what must be put back after a crash, and the gateways that were
	// trusted at first sight.
	StateDir string
	// Group has those who control connections beside root: a name or a number.
	Group string
	// Hooks is the folder of an administrator's programs; "": none are run.
	Hooks string
	// Worker makes a command for a process that calls Work.
	Worker func() *exec.Cmd
	// Log gets what goes to the log; Debug lets connections log every message.
	Log   slog.Handler
	Debug bool
}

// Manager is the daemon's connections: a localapi.Backend. Its methods may be called
// concurrently.
type Manager struct {
	config Config
	folder folder
	rights rights
	ring   *ring
	log    *slog.Logger
	hooks  *hooks
	lock   *os.File // see lockState; nil without privileges
	tasks  sync.WaitGroup

	closing    chan struct{} // closed by Close
	diagnosing chan struct{} // holds a value for each

	mu      sync.Mutex
	closed  bool
	tunnels map[string]*tunnel
	changed chan struct{}   // closed and replaced whenever a snapshot changes
	auto    map[string]bool // system profiles that are kept connected
	pause   time.Duration   // before the first new attempt of theirs
}

// Bounds of a Manager. Chosen here.
const (
	logLines        = 5000
	tunnelsPerOwner = 16 // those that failed included
	tunnelsInAll    = 64
)

// lockTimeout is how long the connections of a daemon that was killed have to put back
// what they changed.
const lockTimeout = 25 * time.Second

// New returns a Manager. On a system's network it is the only one with this state
// folder, and what earlier ones left is put back.
func New(ctx context.Context, c Config) (*Manager, error) {
	m := &Manager{
		config: c, folder: folder{path: c.Profiles, credentials: c.Credentials}, ring: newRing(logLines),
		closing: make(chan struct{}), diagnosing: make(chan struct{}, diagnoses), tunnels: make(map[string]*tunnel), changed: make(chan struct{}), auto: make(map[string]bool), pause: firstPause,
	}
	m.rights = rights{mode: c.Mode, uid: uint32(os.Geteuid()), group: c.Group}
	level := slog.LevelInfo
	if c.Debug {
		level = slog.LevelDebug
	}
	m.log = slog.New(&handler{level: level, add: func(l localapi.LogLine) { m.note(ofDaemon, l) }})
	m.hooks = &hooks{folder: c.Hooks, log: m.note}
	if c.Mode != localapi.ModeSystem {
		return m, nil
	}
	m.rights.polkit = systemPolkit
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	lock, err := lockState(ctx, c.StateDir)
	if err != nil {
		return nil, err
	}
	m.lock = lock
	m.recover()
	held, err := hostnet.Guards(c.StateDir)
	if err != nil {
		m.log.Error("kill switches that a crash left can't be listed", "error", err)
	}
	for _, g := range held {
		if !g.Alive {
			m.log.Warn("a kill switch holds since a crash: connect and disconnect, or run postern recover", "id", g.ID, "since", g.Since)
		}
	}
	return m, nil
}

// recover puts back what a process left that died.
func (m *Manager) recover() {
	if m.config.Mode != localapi.ModeSystem {
		return
	}
	err := hostnet.Recover(m.config.StateDir)
	switch {
	case errors.Is(err, hostnet.ErrKept):
		m.log.Warn("put back after a crash, but", "error", err)
	case err != nil:
		m.log.Error("what a crash left can't be put back", "error", err)
	}
}

// Logger is where the daemon logs for those who control it.
func (m *Manager) Logger() *slog.Logger { return m.log }

// note keeps a line of the log, and hands it to the daemon's own.
func (m *Manager) note(o owner, l localapi.LogLine) {
	m.ring.add(entry{line: l, owner: o})
	if h := m.config.Log; h != nil && h.Enabled(context.Background(), levelOf(l)) {
		_ = h.Handle(context.Background(), record(l))
	}
}

// bump tells who watches that there is something new. The caller holds m.mu.
func (m *Manager) bump() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// Close ends every connection, puts the network back and waits for that.
func (m *Manager) Close() {
	m.mu.Lock()
	if !m.closed {
		close(m.closing)
	}
	m.closed = true
	for _, t := range m.tunnels {
		t.stop()
	}
	m.bump()
	m.mu.Unlock()
	m.tasks.Wait()
	if m.lock != nil {
		m.lock.Close()
	}
}

// known is the file of gateways that an owner trusted at first sight: one doesn't
// decide that for another.
func (m *Manager) known(o owner) string {
	name := "known_gateways"
	if o >= 0 && m.config.Mode == localapi.ModeSystem {
		name += "." + o.String()
	}
	if m.config.StateDir == "" {
		return ""
	}
	return filepath.Join(m.config.StateDir, name)
}
