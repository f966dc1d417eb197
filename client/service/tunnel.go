package service

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime/debug"
	"slices"
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
	launch  *launch
	id      string
	profile string
	owner   owner
	person  string // the owner's name; "" for a system profile
	gateway profile.Gateway
	starter uint32 // who connected it, and is asked its questions
	proxy   string // where its proxy listens, without privileges

	ctx    context.Context // ends when it shall
	stop   context.CancelFunc
	after  *tunnel       // of the same gateway, which has to be agreed with it first; nil: none
	agreed chan struct{} // closed when phase 1 is done, or never will be
	ended  chan struct{} // closed when it has, and everything is back
	events hookEvents

	status  client.Status
	process *process // nil before and after
	polled  time.Time
	polling chan struct{} // holds a value while somebody polls
	final   *report       // its last word
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
		t, ending, err := m.begin(l, c.UID)
		if ending == nil {
			return t, err
		}
		select {
		case <-ending:
		case <-time.After(heldAfter):
			m.supersede(l.id)
		case <-ctx.Done():
			clearAll(l.secrets)
			return nil, ctx.Err()
		}
	}
}

// supersede ends the process of a connection that failed and holds its kill switch,
// without a word: the kill switch stays in force for its successor.
func (m *Manager) supersede(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t := m.tunnels[id]; t != nil && t.process != nil && t.status.State == client.Failed && t.ctx.Err() == nil {
		_ = t.process.cmd.Process.Kill()
	}
}

// heldAfter is for how long a connection that failed may take to end. One with a kill
// switch doesn't. Chosen here.
const heldAfter = 2 * time.Second

// begin begins a connection, unless there is one already. Where that is about to end,
// ending is closed when it has.
func (m *Manager) begin(l *launch, starter uint32) (t *tunnel, ending <-chan struct{}, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer func() {
		if ending == nil && (err != nil || t.launch != l) {
			clearAll(l.secrets)
		}
	}()
	if m.closed {
		return nil, nil, &localapi.Reason{Code: localapi.CodeBusy, Exit: localapi.ExitTryLater, Message: "The service is ending."}
	}
	if old := m.tunnels[l.id]; old != nil {
		switch {
		case old.over():
			m.dismiss(old)
		case old.ctx.Err() != nil || old.status.State == client.Failed:
			return nil, old.ended, nil
		default:
			return old, nil, nil
		}
	}
	if err := m.room(l.owner); err != nil {
		return nil, nil, err
	}
	t = m.newTunnel(l)
	t.starter = starter
	m.tunnels[l.id] = t
	m.bump()
	m.tasks.Go(t.run)
	return t, nil, nil
}

// newTunnel is one that doesn't run yet. The caller holds the lock.
func (m *Manager) newTunnel(l *launch) *tunnel {
	t := &tunnel{
		m: m, launch: l, id: l.id, profile: l.name, owner: l.owner, person: l.person, gateway: l.gateway,
		agreed: make(chan struct{}), ended: make(chan struct{}), polling: make(chan struct{}, 1),
		status: client.Status{Schema: 1, Profile: l.name, State: client.Down, Since: time.Now()},
	}
	t.ctx, t.stop = context.WithCancel(context.Background())
	if m.config.Mode != localapi.ModeSystem {
		r := l.order.Rootless
		r.AnyPort = r.Proxy == "" && len(r.Forwards) == 0 // others may be quicker
		r.Proxy = m.proxyFor(r)
		t.proxy = r.Proxy
	}
	// The first one to a gateway tells it to forget what it has with us: that mustn't
	// come behind another one's phase 1.
	for _, o := range m.tunnels {
		if o.gateway != l.gateway || o.over() {
			continue
		}
		l.order.Accompanied = true
		if !o.launch.order.Accompanied {
			t.after = o
		}
	}
	return t
}

// afterYou is for how long a connection waits for the phase 1 of another one to the same
// gateway, whose person may not answer. Chosen here.
const afterYou = 10 * time.Second

// room makes sure that an owner may have one more, and forgets the oldest of those that
// failed where there are too many. The caller holds the lock.
func (m *Manager) room(o owner) error {
	var own, failed []*tunnel
	for _, t := range m.tunnels {
		if t.owner != o {
			continue
		}
		own = append(own, t)
		if t.status.State == client.Failed {
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

// run is a connection from its order to its end.
func (t *tunnel) run() {
	defer close(t.ended)
	err := t.work(t.launch)
	clearAll(t.launch.secrets)
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
	if t.after != nil {
		select {
		case <-t.after.agreed:
		case <-t.ctx.Done():
		case <-time.After(afterYou):
		}
		t.after = nil
	}
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
		if t.status.IKE != nil {
			t.settle()
		}
		if r.Poll == 0 {
			t.m.bump()
		} else {
			t.polled = time.Now()
		}
		t.m.mu.Unlock()
		t.events.saw(t, *r.Status)
	}
}

// settle closes agreed. The caller holds the lock.
func (t *tunnel) settle() {
	select {
	case <-t.agreed:
	default:
		close(t.agreed)
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
		if t.status.State == client.Failed {
			st.Since = t.status.Since // its process took a moment to end
		}
	default:
		st.Reason = internal(err)
	}
	t.status = st
	t.settle()
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
