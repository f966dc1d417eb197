package gui

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"postern/client/localapi"
)

// entry is a line of the list: a profile, and the connection that uses it.
type entry struct {
	key     string // tells it from all others
	name    string
	gateway string
	own     bool      // the person's, else an administrator's
	managed bool      // an administrator's, of which a person may change what isn't locked
	demo    bool      // or the demonstration's
	owner   string    // whose it is, where it is another person's
	problem string    // why the profile can't be used
	last    time.Time // when it was connected last; zero: not known
	tunnel  *localapi.Tunnel
}

// state is Down without a connection.
func (e *entry) state() localapi.State {
	if e.tunnel == nil {
		return localapi.Down
	}
	return e.tunnel.State
}

// id is what the daemon calls the connection, or would.
func (e *entry) id() string {
	if e.tunnel != nil {
		return e.tunnel.ID
	}
	return e.key
}

// busy says that a connection is there, or on its way.
func (e *entry) busy() bool { return e.state() != localapi.Down && e.state() != localapi.Failed }

// ownProfile is what the list needs of a profile of the person's.
type ownProfile struct{ name, gateway, problem string }

// entries joins the person's profiles, those of the system and the connections, by name.
// managed are the names of those that are managed: a person's connection by one is that
// line's too.
func entries(own []ownProfile, system []localapi.ProfileInfo, managed map[string]bool, s localapi.Snapshot, me string) []*entry {
	var all []*entry
	for _, p := range own {
		all = append(all, &entry{key: me + ":" + p.name, name: p.name, gateway: p.gateway, own: true, problem: p.problem})
	}
	for _, p := range system {
		demo := s.Mode == localapi.ModeDemo
		_, isManaged := managed[p.Name]
		all = append(all, &entry{key: p.Name, name: p.Name, gateway: p.Gateway, demo: demo, managed: isManaged && !demo, problem: p.Problem})
	}
	for i := range s.Tunnels {
		t := &s.Tunnels[i]
		at := slices.IndexFunc(all, func(e *entry) bool { return e.key == t.ID || e.managed && me+":"+e.name == t.ID && e.tunnel == nil })
		if at < 0 { // another person's, or its profile is gone
			all = append(all, &entry{key: t.ID, name: t.Profile, own: strings.HasPrefix(t.ID, me+":"), owner: t.Owner})
			at = len(all) - 1
			if all[at].own {
				all[at].owner = ""
			}
		}
		all[at].tunnel = t
	}
	slices.SortFunc(all, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.name), strings.ToLower(b.name)), cmp.Compare(a.key, b.key))
	})
	return all
}
