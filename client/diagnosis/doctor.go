package diagnosis

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/client/localapi"
	"postern/client/profile"
)

// Subject is what a doctor looks at beside the machine.
type Subject struct {
	Version string // of the program that asks
	// Profiles are checked, with the secrets that are known: only whether they are there
	// is told.
	Profiles []*profile.Profile
	// Snapshot is what the daemon says; nil: none answers, or nobody asked.
	Snapshot *localapi.Snapshot
	// Own are checks that the caller made; Daemon those that the daemon made.
	Own, Daemon []localapi.Check
	// Quiet asks no gateway anything, and no name server of a tunnel's.
	Quiet bool

	Bundle    bool               // add Sections
	Log       []localapi.LogLine // for the bundle
	Anonymous bool               // mask public addresses, names of hosts and of users
}

// Doctor looks at the machine, at profiles and at connections. It changes nothing,
// sends a gateway one question a port at most, and takes some seconds. What the
// caller may not see is skipped. The error is of the context.
func Doctor(ctx context.Context, s Subject) (*localapi.DoctorReport, error) {
	f := gather(ctx)
	r := &localapi.DoctorReport{Schema: 1, Time: f.now, Version: s.Version, System: f.system}
	r.Checks = append(slices.Clone(s.Own), f.machine(s)...)
	for _, p := range s.Profiles {
		for _, c := range f.profile(ctx, s, p) {
			c.Profile = p.Name
			r.Checks = append(r.Checks, c)
		}
	}
	for _, t := range s.up() {
		for _, c := range f.tunnel(ctx, s, t) {
			c.Profile = t.Profile
			r.Checks = append(r.Checks, c)
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	r.Checks = merge(r.Checks, s.Daemon)
	r.Verdict = worst(r.Checks)
	if s.Bundle {
		r.Sections = f.sections(s, r)
	}
	if s.Anonymous {
		newMask(s, f).report(r)
	}
	return r, nil
}

// worst is the verdict of all.
func worst(checks []localapi.Check) localapi.Verdict {
	v := localapi.VerdictOK
	for _, c := range checks {
		if badness(c.Verdict) > badness(v) {
			v = c.Verdict
		}
	}
	return v
}

// merge adds what the daemon found to what a person's program found. Of a check that
// both made the daemon's counts, which may look where a person may not, unless it had
// to skip it.
func merge(own, daemon []localapi.Check) []localapi.Check {
	out := slices.Clone(own)
	for _, c := range daemon {
		i := slices.IndexFunc(out, func(o localapi.Check) bool { return o.ID == c.ID && o.Profile == c.Profile })
		switch {
		case i < 0:
			out = append(out, c)
		case c.Verdict != localapi.VerdictSkipped:
			out[i] = c
		}
	}
	slices.SortStableFunc(out, func(a, b localapi.Check) int { return cmp.Compare(a.Profile, b.Profile) })
	return out
}

func badness(v localapi.Verdict) int {
	return slices.Index([]localapi.Verdict{localapi.VerdictSkipped, localapi.VerdictOK, localapi.VerdictWarn, localapi.VerdictFail}, v)
}

// up are the connections that carry traffic.
func (s Subject) up() (tunnels []localapi.Tunnel) {
	if s.Snapshot == nil {
		return nil
	}
	for _, t := range s.Snapshot.Tunnels {
		if t.Tunnel != nil && (t.State == localapi.Up || t.State == localapi.Rekeying) {
			tunnels = append(tunnels, t)
		}
	}
	return tunnels
}

// connected is the connection of a profile, if it is up.
func (s Subject) connected(p *profile.Profile) *localapi.Tunnel {
	for _, t := range s.up() {
		if t.Profile == p.Name {
			return &t
		}
	}
	return nil
}

// topic is what a check is about.
type topic struct{ id, title string }

func (t topic) check(v localapi.Verdict, advice, found string, args ...any) localapi.Check {
	if len(args) > 0 {
		found = fmt.Sprintf(found, args...)
	}
	return localapi.Check{ID: t.id, Title: t.title, Verdict: v, Found: found, Advice: advice}
}

func (t topic) ok(found string, args ...any) localapi.Check {
	return t.check(localapi.VerdictOK, "", found, args...)
}

func (t topic) skip(found string, args ...any) localapi.Check {
	return t.check(localapi.VerdictSkipped, "", found, args...)
}

func (t topic) warn(advice, found string, args ...any) localapi.Check {
	return t.check(localapi.VerdictWarn, advice, found, args...)
}

func (t topic) fail(advice, found string, args ...any) localapi.Check {
	return t.check(localapi.VerdictFail, advice, found, args...)
}

// elsewhere is said of what is looked at on Linux only.
const elsewhere = "Not looked at on this system."

// sentences joins sentences.
func sentences(list []string) string { return strings.Join(list, " ") }

// list writes values behind each other.
func list[T fmt.Stringer](vs []T) string {
	var words []string
	for _, v := range vs {
		words = append(words, v.String())
	}
	return strings.Join(words, ", ")
}

// within bounds a question to the network.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d)
}
