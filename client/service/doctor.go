package service

import (
	"context"
	"errors"
	"maps"
	"slices"

	"postern/client"
	"postern/client/diagnosis"
	"postern/client/localapi"
	"postern/client/profile"
)

// reported is how many lines of the log go into a report. Chosen here.
const reported = 500

// Doctor checks this machine, the connections that the caller may know of, and the
// system profile that is named or the person's own that came along. That one's gateway
// can be any address, so it is for those who may connect.
func (m *Manager) Doctor(ctx context.Context, c localapi.Caller, r localapi.DoctorRequest) (*localapi.DoctorReport, error) {
	if !m.rights.mayUse(c) {
		return nil, m.rights.refusal(c, "check this machine")
	}
	if r.Document != nil {
		if err := m.rights.require(ctx, c, "check profiles"); err != nil {
			m.refused(c, "doctor", r.Document.Name)
			return nil, err
		}
	}
	leave, err := m.diagnose(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	snapshot, _ := m.Snapshot(c)
	s := diagnosis.Subject{Version: m.config.Version, Snapshot: &snapshot, Own: m.killSwitches(c), Bundle: r.Bundle, Anonymous: r.Anonymous}
	switch {
	case r.Document != nil:
		err = m.documented(&s, c, r.Document)
	case r.Tunnel != "":
		err = m.single(&s, c, r.Tunnel)
	}
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, p := range s.Profiles {
			p.Clear()
		}
	}()
	if r.Bundle {
		s.Log = m.end(ctx, c, r.Tunnel)
	}
	return diagnosis.Doctor(ctx, s)
}

// single narrows a subject to one connection, or to the system profile of that name.
func (m *Manager) single(s *diagnosis.Subject, c localapi.Caller, name string) error {
	id, system := name, true
	if t, err := m.find(c, name); err == nil {
		id, system = t.id, t.owner == ofSystem
	}
	s.Snapshot.Tunnels = slices.DeleteFunc(s.Snapshot.Tunnels, func(t localapi.Tunnel) bool { return t.ID != id })
	if !system {
		return nil // the person's own program has the profile
	}
	p, err := m.named(name)
	check := localapi.Check{ID: "profile", Profile: name, Title: "Profile", Verdict: localapi.VerdictOK, Found: "The service has it."}
	switch {
	case errors.Is(err, profile.ErrNotFound) && len(s.Snapshot.Tunnels) == 0:
		return localapi.NoSuchProfile(name)
	case err != nil:
		why := client.Explain(err)
		check.Verdict, check.Found, check.Advice = localapi.VerdictFail, why.Message, why.Try
	default:
		s.Profiles = append(s.Profiles, p)
	}
	s.Own = append(s.Own, check)
	return nil
}

// documented narrows a subject to a person's profile and its connection.
func (m *Manager) documented(s *diagnosis.Subject, c localapi.Caller, d *localapi.Document) error {
	id := owner(c.UID).String() + ":" + d.Name
	s.Snapshot.Tunnels = slices.DeleteFunc(s.Snapshot.Tunnels, func(t localapi.Tunnel) bool { return t.ID != id })
	p, _, err := m.folder.own(d)
	if err != nil {
		return err
	}
	s.Profiles = append(s.Profiles, p)
	return nil
}

// named is a system profile, or one of the demonstration.
func (m *Manager) named(name string) (*profile.Profile, error) {
	for i := range m.config.Demo {
		if d := m.config.Demo[i]; d.Name == name {
			d.Secrets = maps.Clone(d.Secrets) // what it becomes is cleared
			for key, secret := range d.Secrets {
				d.Secrets[key] = slices.Clone(secret)
			}
			return parseDocument(&d)
		}
	}
	return m.folder.resolve(name)
}

// end is the last of the log that the caller may read.
func (m *Manager) end(ctx context.Context, c localapi.Caller, name string) (lines []localapi.LogLine) {
	// Where there is nothing to read there is nothing to report.
	_ = m.Log(ctx, c, localapi.LogRequest{Tunnel: name}, func(l localapi.LogLine) error {
		lines = append(lines, l)
		return nil
	})
	return lines[max(0, len(lines)-reported):]
}
