package gui

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/widget"

	"postern/client/localapi"
	"postern/client/profile"
)

// overlapLine says that a network is both here and behind the gateway, and lets a person
// choose which of the two counts. The profile remembers it, as local_lan or networks.
type overlapLine struct {
	ui      *UI
	box     *fyne.Container
	text    *widget.Label
	choices *fyne.Container
	here    *keyButton
	there   *keyButton
	local   []netip.Prefix
}

func newOverlapLine(u *UI) *overlapLine {
	o := &overlapLine{ui: u, text: wrapped("")}
	o.text.Importance = widget.WarningImportance
	o.here = newKeyButton(lang.L("Keep what is here"), func() { o.choose(true) }, nil)
	o.there = newKeyButton(lang.L("Reach what is behind the gateway"), func() { o.choose(false) }, nil)
	o.choices = container.NewHBox(o.here, o.there)
	o.box = container.NewVBox(o.text, o.choices)
	o.box.Hide()
	return o
}

// show shows those that the profile says nothing of.
func (o *overlapLine) show(e *entry) {
	o.local = nil
	var says []string
	for _, n := range e.tunnel.Tunnel.Overlaps {
		if n.Chosen {
			continue
		}
		o.local = append(o.local, n.Local)
		values := map[string]any{"Local": n.Local.String(), "Tunnel": n.Tunnel.String()}
		if n.Inside {
			says = append(says, lang.L("{{.Local}} is the network here and behind the gateway too. What is here, such as a printer, can't be reached now.", values))
		} else {
			says = append(says, lang.L("{{.Local}} is the network here and, as a part of {{.Tunnel}}, behind the gateway too. There it can't be reached now.", values))
		}
	}
	setText(o.text, strings.Join(says, "\n"))
	setHidden(o.box, len(says) == 0)
	setHidden(o.choices, !e.own && !e.managed)
}

// isOverlap says whether a warning of the daemon's says what the line says.
func (o *overlapLine) isOverlap(warning string) bool {
	return slices.ContainsFunc(o.local, func(n netip.Prefix) bool {
		return strings.HasPrefix(warning, n.String()+" is a network of this machine's")
	})
}

// choose writes the choice into the profile and connects anew.
func (o *overlapLine) choose(here bool) {
	e, local := o.ui.entry(), o.local
	if e == nil || e.tunnel == nil {
		return
	}
	err := o.ui.person.change(e, func(p *profile.Profile) string {
		if here {
			p.LocalLAN = true
			return "local_lan"
		}
		p.LocalLAN = false
		for _, n := range local {
			if !slices.Contains(p.Networks, n) {
				p.Networks = append(p.Networks, n)
			}
		}
		return "networks"
	})
	if err != nil {
		o.ui.complain(err)
		return
	}
	o.ui.reload()
	o.ui.connectAnew(e)
}

// change changes one key of a profile of the person's, or of one that is managed as far
// as it isn't locked. f returns the key.
func (p *person) change(e *entry, f func(*profile.Profile) (key string)) error {
	if e.own {
		q := p.find(e.name)
		if q == nil {
			return errors.New(lang.L("The profile isn't there any more."))
		}
		changed := *q
		changed.Networks = slices.Clone(q.Networks)
		f(&changed)
		_, err := profile.Save(&changed, profile.UserFolder(), profile.Saving{Secrets: true, Replace: true})
		return err
	}
	m := p.managed(e.name)
	if m == nil {
		return errors.New(lang.L("This profile is your administrator's. Only they can change it, or look at it."))
	}
	defer m.Clear()
	q, err := p.changed(m)
	if err != nil {
		return err
	}
	defer q.Clear()
	key := f(q)
	if by := lockedBy(m, true, key); by != "" {
		return errors.New(fieldLabel(key) + ": " + by)
	}
	return p.keepChanges(m, differences(q, m), nil)
}

// differences are the keys in which q, which has a person's changes of m, isn't like m.
func differences(q, m *profile.Profile) []byte {
	theirs := make(map[string]string)
	for _, s := range m.Settings(true) {
		theirs[s.Key] = s.Value
	}
	var lines, tables strings.Builder
	for _, s := range q.Settings(true) {
		if profile.IsSecret(s.Key) || s.Value == theirs[s.Key] || strings.HasPrefix(s.Key, "policy.") {
			continue
		}
		if table, key, ok := strings.Cut(s.Key, "."); ok {
			tables.WriteString("[" + table + "]\n" + key + " = " + s.Value + "\n")
			continue
		}
		lines.WriteString(s.Key + " = " + s.Value + "\n")
	}
	return []byte(lines.String() + tables.String())
}

// anewPatience is how long a connection may take to end.
const anewPatience = 15 * time.Second

// connectAnew ends a connection and, with the profile as it is now, begins another one.
func (u *UI) connectAnew(e *entry) {
	id, own, demo, name := e.tunnel.ID, e.own, e.demo, e.name
	u.call(func(ctx context.Context, api *localapi.Client) error {
		if err := api.Disconnect(ctx, localapi.TunnelRequest{Tunnel: id}); err != nil {
			return err
		}
		for end := time.Now().Add(anewPatience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			s, err := api.Snapshot(ctx)
			if err != nil {
				return err
			}
			at := slices.IndexFunc(s.Tunnels, func(t localapi.Tunnel) bool { return t.ID == id })
			if at < 0 || s.Tunnels[at].State == localapi.Down || s.Tunnels[at].State == localapi.Failed {
				break
			}
		}
		request, err := u.person.request(name, own, demo)
		if err != nil {
			return err
		}
		defer forget(request)
		_, err = api.Connect(ctx, *request)
		return err
	})
}
