package service

import (
	"context"
	"time"

	"postern/client"
	"postern/client/localapi"
)

// Reload reads the system profiles anew, and connects those that say so and aren't.
// Connections that are up stay as they are.
func (m *Manager) Reload() {
	for _, p := range m.folder.list() {
		if p.Problem != "" {
			m.log.Warn("a system profile can't be used", "profile", p.Name, "problem", p.Problem)
			continue
		}
		if !p.Autoconnect {
			continue
		}
		m.mu.Lock()
		if !m.closed && !m.auto[p.Name] {
			m.auto[p.Name] = true
			m.tasks.Go(func() { m.keepConnected(p.Name) })
		}
		m.mu.Unlock()
	}
}

// Pauses between attempts. Chosen here.
const (
	firstPause = 5 * time.Second
	lastPause  = 5 * time.Minute
)

// keepConnected connects a system profile until somebody disconnects it, or something
// that a new attempt doesn't mend is in the way. Nobody is asked anything: what isn't
// stored is in the way.
func (m *Manager) keepConnected(name string) {
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.auto, name)
	}()
	for pause := m.pause; ; pause = min(pause*2, lastPause) {
		began := time.Now()
		t, err := m.connect(context.Background(), localapi.Caller{}, localapi.ConnectRequest{Profile: name, NoPrompt: true})
		if err != nil {
			m.log.Warn("autoconnect", "profile", name, "error", err)
			return
		}
		<-t.ended
		m.mu.Lock()
		reason := t.status.Reason
		m.mu.Unlock()
		if reason != nil && !passing(reason) {
			return
		}
		if time.Since(began) > lastPause {
			pause = m.pause
		}
		select {
		case <-m.closing:
			return
		case <-t.ctx.Done(): // disconnected, or dismissed
			return
		case <-time.After(pause):
		}
	}
}

// passing says whether a new attempt may do better.
func passing(r *client.Reason) bool {
	switch r.Exit {
	case client.ExitTimeout, client.ExitNetwork, client.ExitOther, client.ExitTryLater:
		return true
	}
	return false
}
