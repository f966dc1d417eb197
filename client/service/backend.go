package service

import (
	"context"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"

	"postern/client"
	"postern/client/localapi"
	"postern/client/prompt"
	"postern/tun/hostnet"
)

var _ localapi.Backend = (*Manager)(nil)

// sees says whether a caller may know of what has this owner.
func (m *Manager) sees(c localapi.Caller, o owner) bool {
	switch {
	case !m.rights.mayUse(c):
		return false
	case c.UID == 0, o == ofSystem, o == owner(c.UID):
		return true
	}
	return o == ofDaemon && m.rights.controls(c)
}

// Snapshot returns what the caller may know, and a channel that is closed at the next
// change.
func (m *Manager) Snapshot(c localapi.Caller) (localapi.Snapshot, <-chan struct{}) {
	s := localapi.Snapshot{Schema: 1, Version: m.config.Version, Mode: m.config.Mode}
	may := m.rights.shown(c)
	s.Control = may != denied
	m.refresh(c)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range m.tunnels {
		if !m.sees(c, t.owner) {
			continue
		}
		st := t.status
		if !t.answeredBy(c, may) {
			st.Prompt = nil
		}
		if collision := m.collision(c, t); collision != "" {
			st.Warnings = append(slices.Clone(st.Warnings), collision)
		}
		s.Tunnels = append(s.Tunnels, localapi.Tunnel{ID: t.id, Owner: t.person, Status: st})
	}
	slices.SortFunc(s.Tunnels, func(a, b localapi.Tunnel) int { return strings.Compare(a.ID, b.ID) })
	return s, m.changed
}

// answeredBy says whether a caller may answer its prompts.
func (t *tunnel) answeredBy(c localapi.Caller, may verdict) bool {
	return may == allowed || c.UID == t.starter || t.owner == owner(c.UID)
}

// refresh brings the counters up to date of what the caller sees.
func (m *Manager) refresh(c localapi.Caller) {
	var all sync.WaitGroup
	m.mu.Lock()
	for _, t := range m.tunnels {
		if t.process != nil && t.status.Tunnel != nil && m.sees(c, t.owner) {
			all.Go(t.refresh)
		}
	}
	m.mu.Unlock()
	all.Wait()
}

// collision is a sentence where networks of a tunnel go through another one, which was
// up first; "": there is none. The caller holds the lock.
func (m *Manager) collision(c localapi.Caller, t *tunnel) string {
	if m.config.Mode != localapi.ModeSystem || t.status.Tunnel == nil {
		return ""
	}
	for _, id := range slices.Sorted(maps.Keys(m.tunnels)) {
		o := m.tunnels[id]
		if o == t || o.status.Tunnel == nil || !o.status.Tunnel.Since.Before(t.status.Tunnel.Since) {
			continue
		}
		for _, n := range t.status.Tunnel.Networks {
			if !slices.Contains(o.status.Tunnel.Networks, n) {
				continue
			}
			name := "another person's connection"
			if m.sees(c, o.owner) {
				name = "the connection " + strconv.Quote(o.profile)
			}
			return "Both want " + n.String() + ": it goes through " + name + ", which was up first."
		}
	}
	return ""
}

// Profiles lists the system profiles.
func (m *Manager) Profiles(c localapi.Caller) ([]localapi.ProfileInfo, error) {
	if !m.rights.mayUse(c) {
		return nil, m.rights.refusal(c, "see profiles")
	}
	out := m.folder.list()
	for i := range m.config.Demo {
		info := localapi.ProfileInfo{Name: m.config.Demo[i].Name}
		if p, err := parseDocument(&m.config.Demo[i]); err != nil {
			info.Problem = client.Explain(err).Message
		} else {
			info.Gateway = p.Gateway.String()
		}
		out = append(out, info)
	}
	return out, nil
}

// Connect begins a connection. On one that there is it changes nothing.
func (m *Manager) Connect(ctx context.Context, c localapi.Caller, r localapi.ConnectRequest) (localapi.ConnectReply, error) {
	if err := m.rights.require(ctx, c, "connect"); err != nil {
		m.refused(c, "connect", r.Profile)
		return localapi.ConnectReply{}, err
	}
	t, err := m.connect(ctx, c, r)
	if err != nil {
		return localapi.ConnectReply{}, err
	}
	m.log.Info("connect", "tunnel", t.id, "by", c.Name)
	return localapi.ConnectReply{ID: t.id}, nil
}

func (m *Manager) refused(c localapi.Caller, what, name string) {
	m.log.Warn("refused", "call", what, "name", clean(name, 64), "by", c.Name)
}

// find returns the tunnel that a caller means: by its ID, or by its profile's name, when
// their own comes before a system profile's. What they may not know of isn't there.
func (m *Manager) find(c localapi.Caller, name string) (*tunnel, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range []string{owner(c.UID).String() + ":" + name, name} {
		if t := m.tunnels[id]; t != nil && m.sees(c, t.owner) {
			return t, nil
		}
	}
	return nil, localapi.NoSuchTunnel(name)
}

// chosen are the tunnels that a request means, all of which the caller may control.
func (m *Manager) chosen(ctx context.Context, c localapi.Caller, r localapi.TunnelRequest, what string) ([]*tunnel, error) {
	var out []*tunnel
	if !r.All {
		t, err := m.find(c, r.Tunnel)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	} else {
		m.mu.Lock()
		for _, t := range m.tunnels {
			if m.sees(c, t.owner) {
				out = append(out, t)
			}
		}
		m.mu.Unlock()
	}
	if len(out) == 0 {
		return nil, nil
	}
	if err := m.rights.require(ctx, c, what); err != nil {
		m.refused(c, what, r.Tunnel)
		return nil, err
	}
	return out, nil
}

// Disconnect ends connections and waits for that.
func (m *Manager) Disconnect(ctx context.Context, c localapi.Caller, r localapi.TunnelRequest) error {
	chosen, err := m.chosen(ctx, c, r, "disconnect")
	if err != nil {
		return err
	}
	for _, t := range chosen {
		m.log.Info("disconnect", "tunnel", t.id, "by", c.Name)
		t.stop()
	}
	for _, t := range chosen {
		select {
		case <-t.ended:
		case <-ctx.Done():
			return ctx.Err()
		}
		m.mu.Lock()
		m.dismiss(t)
		m.mu.Unlock()
		m.release(t)
	}
	return nil
}

// release lifts the kill switch of a connection whose process died.
func (m *Manager) release(t *tunnel) {
	if m.config.Mode != localapi.ModeSystem {
		return
	}
	if err := hostnet.Release(m.config.StateDir, guardID(t.id)); err != nil {
		m.log.Error("the kill switch couldn't be lifted", "tunnel", t.id, "error", err)
	}
}

// Reconnect makes connections anew that are under way.
func (m *Manager) Reconnect(ctx context.Context, c localapi.Caller, r localapi.TunnelRequest) error {
	chosen, err := m.chosen(ctx, c, r, "reconnect")
	if err != nil {
		return err
	}
	said := false
	for _, t := range chosen {
		if p := m.processOf(t); p != nil && p.to.command(command{Reconnect: true}) == nil {
			m.log.Info("reconnect", "tunnel", t.id, "by", c.Name)
			said = true
		}
	}
	if !said && !r.All {
		return &localapi.Reason{Code: localapi.CodeNoSuchTunnel, Exit: localapi.ExitNoProfile, Message: "The connection has ended.", Try: "Connect it again."}
	}
	return nil
}

func (m *Manager) processOf(t *tunnel) *process {
	m.mu.Lock()
	defer m.mu.Unlock()
	return t.process
}

// Answer answers a prompt.
func (m *Manager) Answer(ctx context.Context, c localapi.Caller, r localapi.AnswerRequest) error {
	t, err := m.find(c, r.Tunnel)
	if err != nil {
		return err
	}
	if c.UID != t.starter && t.owner != owner(c.UID) || !m.rights.mayUse(c) {
		if err := m.rights.require(ctx, c, "answer"); err != nil {
			m.refused(c, "answer", r.Tunnel)
			return err
		}
	}
	m.mu.Lock()
	asked, p := t.status.Prompt, t.process
	m.mu.Unlock()
	if asked == nil || p == nil || asked.ID != r.Prompt {
		return localapi.StalePrompt()
	}
	if !r.Cancel {
		if err := checkAnswers(asked, r.Answers); err != nil {
			return err
		}
	}
	if p.to.command(command{Answer: &answer{Prompt: r.Prompt, Cancel: r.Cancel}, secrets: r.Answers}) != nil {
		return localapi.StalePrompt()
	}
	return nil
}

// checkAnswers says what is wrong with answers. An absent one is empty.
func checkAnswers(p *prompt.Prompt, answers map[string]localapi.Octets) error {
	wrong := func(text string) error {
		return &localapi.Reason{Code: "answer", Exit: localapi.ExitInput, Message: text}
	}
	for name := range answers {
		if !slices.ContainsFunc(p.Fields, func(f prompt.Field) bool { return f.Name == name }) {
			return wrong("Nothing called " + strconv.Quote(clean(name, 64)) + " is asked for.")
		}
	}
	for _, f := range p.Fields {
		if err := f.Check(prompt.Answer(answers[f.Name])); err != nil {
			return wrong(f.Label + ": " + err.Error() + ".")
		}
	}
	return nil
}

// Log calls line for each line of the log that the caller may read.
func (m *Manager) Log(ctx context.Context, c localapi.Caller, r localapi.LogRequest, line func(localapi.LogLine) error) error {
	own := owner(c.UID).String() + ":" + r.Tunnel
	found := r.Tunnel == ""
	see := func(e entry) bool {
		ok := m.sees(c, e.owner) && (r.Tunnel == "" || e.line.Tunnel == r.Tunnel || e.line.Tunnel == own)
		found = found || ok
		return ok
	}
	if _, err := m.find(c, r.Tunnel); err == nil || r.Follow {
		found = true
	}
	err := m.ring.read(ctx, r.Follow, see, line)
	if err == nil && !found {
		return localapi.NoSuchTunnel(r.Tunnel)
	}
	return err
}

// clean makes text of others fit for the log.
func clean(s string, most int) string { return prompt.Clean(s, most) }

// proxyFor chooses where a tunnel's proxy listens, so that it stays there when the
// connection is made anew. The caller holds the lock.
func (m *Manager) proxyFor(r *client.Rootless) string {
	if r.Proxy != "" || len(r.Forwards) > 0 {
		return r.Proxy
	}
	for port := firstProxy; port < firstProxy+tunnelsInAll; port++ {
		address := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port)).String()
		taken := false
		for _, t := range m.tunnels {
			taken = taken || t.proxy == address && !t.over()
		}
		if taken {
			continue
		}
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			return address
		}
	}
	return "127.0.0.1:0"
}

// firstProxy is the usual port of SOCKS.
const firstProxy = 1080
