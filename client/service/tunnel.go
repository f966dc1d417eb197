package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"postern/client"
	"postern/client/localapi"
	"postern/client/profile"
)

// tunnel is one connection, from its order to its end. What isn't set by newTunnel is
// guarded by its Manager's lock.
type tunnel struct {
	m       *Manager
	id      string
	profile string
	owner   owner
	person  string // the owner's name; "" for a system profile
	starter uint32 // who connected it, and is asked its questions
	proxy   string // where its proxy listens, without privileges

	ctx    context.Context // ends when it shall
	stop   context.CancelFunc
	ended  chan struct{} // closed when it has, and everything is back
	events hookEvents

	status  client.Status
	process *process // nil before and after
	polled  time.Time
	polling chan struct{} // holds a value while somebody polls
	final   *report       // its last word
	died    []string      // what its process said as it died
}

// launch is what a tunnel is made of.
type launch struct {
	id, name string
	owner    owner
	person   string
	order    order
	secrets  map[string]localapi.Octets // a copy; cleared once it is sent
}

// over says whether it has ended. The caller holds the lock.
func (t *tunnel) over() bool {
	select {
	case <-t.ended:
		return true
	default:
		return false
	}
}

// connect begins a connection, or returns the one that there is. Who may was asked.
func (m *Manager) connect(ctx context.Context, c localapi.Caller, r localapi.ConnectRequest) (*tunnel, error) {
	l, err := m.prepare(c, r)
	if err != nil {
		return nil, client.Explain(err)
	}
	for {
		t, began, err := m.begin(l, c.UID)
		if began {
			return t, nil
		}
		clear := func() { clearAll(l.secrets) }
		if err != nil || t.ctx.Err() == nil {
			clear()
			return t, err
		}
		select { // it is about to end
		case <-t.ended:
		case <-ctx.Done():
			clear()
			return nil, ctx.Err()
		}
	}
}

// begin begins a connection, unless there is one already.
func (m *Manager) begin(l *launch, starter uint32) (t *tunnel, began bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, false, &localapi.Reason{Code: localapi.CodeBusy, Exit: localapi.ExitTryLater, Message: "The service is ending."}
	}
	if old := m.tunnels[l.id]; old != nil {
		if !old.over() {
			return old, false, nil
		}
		m.dismiss(old)
	}
	if err := m.room(l.owner); err != nil {
		return nil, false, err
	}
	t = &tunnel{
		m: m, id: l.id, profile: l.name, owner: l.owner, person: l.person, starter: starter,
		ended: make(chan struct{}), polling: make(chan struct{}, 1),
		status: client.Status{Schema: 1, Profile: l.name, State: client.Down, Since: time.Now()},
	}
	t.ctx, t.stop = context.WithCancel(context.Background())
	if m.config.Mode != localapi.ModeSystem {
		l.order.Rootless.Proxy = m.proxyFor(l.order.Rootless)
		t.proxy = l.order.Rootless.Proxy
	}
	m.tunnels[l.id] = t
	m.bump()
	m.tasks.Go(func() { t.run(l) })
	return t, true, nil
}

// room makes sure that an owner may have one more, and forgets the oldest of those that
// failed where there are too many. The caller holds the lock.
func (m *Manager) room(o owner) error {
	var own, failed []*tunnel
	for _, t := range m.tunnels {
		if t.owner != o {
			continue
		}
		own = append(own, t)
		if t.over() {
			failed = append(failed, t)
		}
	}
	if len(own) < tunnelsPerOwner && len(m.tunnels) < tunnelsInAll {
		return nil
	}
	if len(failed) == 0 {
		return &localapi.Reason{
			Code: localapi.CodeBusy, Exit: localapi.ExitTryLater,
			Message: fmt.Sprintf("There are %d connections already.", len(own)), Try: "Disconnect one of them.",
		}
	}
	m.dismiss(slices.MinFunc(failed, func(a, b *tunnel) int { return a.status.Since.Compare(b.status.Since) }))
	return nil
}

// dismiss forgets a connection that has ended. The caller holds the lock.
func (m *Manager) dismiss(t *tunnel) {
	t.stop()
	if m.tunnels[t.id] == t {
		delete(m.tunnels, t.id)
		m.bump()
	}
}

// prepare turns a request into what a worker is told. The secrets are copied.
func (m *Manager) prepare(c localapi.Caller, r localapi.ConnectRequest) (*launch, error) {
	l := &launch{owner: ofSystem, name: r.Profile, id: r.Profile, secrets: make(map[string]localapi.Octets)}
	l.order = order{NoPrompt: r.NoPrompt, Debug: m.config.Debug, StateDir: m.config.StateDir, FirstPrompt: (1 + rand.Uint64N(1<<32)) << 16}
	system := m.config.Mode == localapi.ModeSystem
	switch {
	case system && (r.Proxy != "" || len(r.Forwards) > 0):
		return nil, localapi.Unsupported("offer a proxy or forward ports, for it changes the network of the whole machine")
	case !system:
		l.order.Rootless = &client.Rootless{Proxy: r.Proxy, Forwards: r.Forwards}
	}
	document := r.Document
	if document != nil {
		l.owner, l.person, l.name = owner(c.UID), c.Name, document.Name
		l.id = l.owner.String() + ":" + document.Name
	} else if document = m.demo(r.Profile); document == nil {
		p, err := m.folder.read(r.Profile)
		if errors.Is(err, profile.ErrNotFound) {
			return nil, localapi.NoSuchProfile(r.Profile)
		}
		if err != nil {
			return nil, err
		}
		p.Clear()
		l.order.Path, l.order.Credentials = m.folder.file(r.Profile), m.folder.credentials
	}
	l.order.Known = m.known(l.owner)
	if document != nil {
		if _, err := parseDocument(document); err != nil { // what it takes over is the request's
			return nil, err
		}
		l.order.Document = &localapi.Document{Name: document.Name, TOML: document.TOML}
		copySecrets(l.secrets, documentSecret, document.Secrets)
		copySecrets(l.secrets, documentFile, document.Files)
	}
	if err := takeSecrets(new(profile.Profile), r.Secrets); err != nil {
		return nil, err
	}
	copySecrets(l.secrets, onceSecret, r.Secrets)
	return l, nil
}

func copySecrets(to map[string]localapi.Octets, kind string, from map[string]localapi.Octets) {
	for key, s := range from {
		to[kind+key] = bytes.Clone(s)
	}
}

// demo is a profile of the daemon's own; nil: there is none of that name.
func (m *Manager) demo(name string) *localapi.Document {
	for i, d := range m.config.Demo {
		if d.Name == name {
			return &m.config.Demo[i]
		}
	}
	return nil
}

func (o owner) String() string { return strconv.FormatInt(int64(o), 10) }

// run is a connection from its order to its end.
func (t *tunnel) run(l *launch) {
	defer close(t.ended)
	err := t.work(l)
	clearAll(l.secrets)
	t.m.mu.Lock()
	crashed := t.final == nil
	t.process = nil
	t.m.mu.Unlock()
	if crashed {
		t.m.recover()
	}
	t.events.close(t)
	t.end(err)
}

// work has a process do the work. A fault of the Manager's own ends this connection and
// no other.
func (t *tunnel) work(l *launch) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			t.m.log.Error("a fault in the service", "tunnel", t.id, "fault", fmt.Sprint(fault), "at", string(debug.Stack()))
			err = fmt.Errorf("fault: %v", fault)
		}
	}()
	t.events.open(t)
	if t.ctx.Err() != nil {
		return nil
	}
	p, err := startProcess(t.m.config.Worker(), t.m.lock, t.hear, t.complain)
	if err != nil {
		return err
	}
	t.m.mu.Lock()
	t.process = p
	t.m.mu.Unlock()
	err = p.to.command(command{Start: &l.order, secrets: l.secrets})
	clearAll(l.secrets)
	if err != nil {
		_ = p.cmd.Process.Kill()
	}
	return errors.Join(err, p.wait(t.ctx))
}

// hear takes a report of the process.
func (t *tunnel) hear(r report) {
	switch {
	case r.Log != nil:
		r.Log.Tunnel = t.id
		t.m.note(t.owner, *r.Log)
	case r.Ended:
		t.m.mu.Lock()
		t.final = &r
		t.m.mu.Unlock()
	case r.Status != nil:
		t.m.mu.Lock()
		t.status = *r.Status
		if r.Poll == 0 {
			t.m.bump()
		} else {
			t.polled = time.Now()
		}
		t.m.mu.Unlock()
		t.events.saw(t, *r.Status)
	}
}

// complain takes a line that the process wrote as it died.
func (t *tunnel) complain(line string) {
	t.m.note(t.owner, localapi.LogLine{Time: time.Now(), Level: "error", Tunnel: t.id, Message: clean(line, 1000)})
}

// end says how it ended: it goes when it was told to, and stays with its reason when
// it failed.
func (t *tunnel) end(err error) {
	m := t.m
	m.mu.Lock()
	defer m.mu.Unlock()
	st := client.Status{Schema: 1, Profile: t.profile, State: client.Failed, Since: time.Now(), Gateway: t.status.Gateway, Warnings: t.status.Warnings}
	switch {
	case t.ctx.Err() != nil:
		st.State = client.Down
		if m.tunnels[t.id] == t {
			delete(m.tunnels, t.id)
		}
	case t.final != nil && t.final.Reason != nil:
		st.Reason = t.final.Reason
	default:
		st.Reason = internal(err)
	}
	t.status = st
	m.bump()
}

// internal is the reason when a connection's process died.
func internal(err error) *client.Reason {
	r := &client.Reason{
		Code: "internal", Exit: client.ExitOther, Message: "The connection's process ended unexpectedly. The network was put back.",
		Try: "Connect again; postern doctor gathers what a report of this fault needs.",
	}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		r.Detail = strings.TrimSpace(exit.ProcessState.String())
	case err != nil:
		r.Detail = err.Error()
	}
	return r
}

// refresh has the counters brought up to date, where there are any, unless they are.
func (t *tunnel) refresh() {
	t.polling <- struct{}{}
	defer func() { <-t.polling }()
	t.m.mu.Lock()
	p, fresh := t.process, time.Since(t.polled) < freshness
	counts := t.status.Traffic != nil || t.status.State == client.Up
	t.m.mu.Unlock()
	if p != nil && counts && !fresh {
		p.poll()
	}
}

// freshness is for how long counters count as up to date. Chosen here.
const freshness = 200 * time.Millisecond
