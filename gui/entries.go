package gui

import (
	"cmp"
	"slices"
	"strings"

	"postern/client/localapi"
)

// entry is a line of the list: a profile, and the connection that uses it.
type entry struct {
	key     string // tells it from all others
	name    string
	gateway string
	own     bool   // the person's, else an administrator's
	demo    bool   // or the demonstration's
	owner   string // whose it is, where it is another person's
	problem string // why the profile can't be used
	tunnel  *localapi.Tunnel
}

// state is Down without a connection.
func (e *entry) state() localapi.State {
	if e.tunnel == nil {
		return localapi.Down
	}
	return e.tunnel.State
}

// busy says that a connection is there, or on its way.
func (e *entry) busy() bool { return e.state() != localapi.Down && e.state() != localapi.Failed }

// ownProfile is what the list needs of a profile of the person's.
type ownProfile struct{ name, gateway, problem string }

// entries joins the person's profiles, those of the system and the connections, by name.
func entries(own []ownProfile, system []localapi.ProfileInfo, s localapi.Snapshot, me string) []*entry {
	var all []*entry
	for _, p := range own {
		all = append(all, &entry{key: me + ":" + p.name, name: p.name, gateway: p.gateway, own: true, problem: p.problem})
	}
	for _, p := range system {
		all = append(all, &entry{key: p.Name, name: p.Name, gateway: p.Gateway, demo: s.Mode == localapi.ModeDemo, problem: p.Problem})
	}
	for i := range s.Tunnels {
		t := &s.Tunnels[i]
		at := slices.IndexFunc(all, func(e *entry) bool { return e.key == t.ID })
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
