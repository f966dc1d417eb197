package hostcmd

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// machine is a Mac whose commands change nothing but what it remembers: the routes, and whether names are asked inside.
type machine struct {
	routes []Route
	inside bool
	called []string
	fails  string // a command that has this in it fails
}

func newMachine() *machine {
	return &machine{routes: []Route{
		{Dst: nets("0.0.0.0/0")[0], Via: netip.MustParseAddr("192.168.1.1"), Interface: "en0"},
		{Dst: nets("192.168.1.0/24")[0], Interface: "en0"},
	}}
}

func (m *machine) run(_ context.Context, c Command) (string, error) {
	text := strings.Join(c.Argv, " ") + c.Input
	m.called = append(m.called, text)
	if m.fails != "" && strings.Contains(text, m.fails) {
		return "", errors.New("it failed")
	}
	switch {
	case c.Argv[0] == routing:
		dst := netip.MustParsePrefix(c.Argv[5])
		i := slices.IndexFunc(m.routes, func(r Route) bool { return r.Dst == dst })
		if c.Argv[3] == "delete" {
			if i < 0 {
				return "", errors.New("not in table")
			}
			m.routes = slices.Delete(m.routes, i, i+1)
			return "", nil
		}
		if i >= 0 {
			return "", errors.New("File exists")
		}
		r := Route{Dst: dst, Interface: c.Argv[len(c.Argv)-1]}
		if c.Argv[6] == "-gateway" {
			r.Via, r.Interface = netip.MustParseAddr(c.Argv[7]), "en0"
		}
		m.routes = append(m.routes, r)
	case strings.Contains(c.Input, "set State"):
		m.inside = true
	case strings.Contains(c.Input, "remove State"):
		m.inside = false
	}
	return "", nil
}

// host is that machine as a process sees it.
func (m *machine) host(dir, self string) *Host {
	return &Host{
		System: System{Plan: macPlan, Table: func(context.Context, Run) ([]Route, error) { return slices.Clone(m.routes), nil }},
		Run:    m.run, Dir: dir, Self: self, Alive: func(owner string) bool { return owner != "dead" },
	}
}

// state is what a machine is like.
func (m *machine) state() string {
	var all []string
	for _, r := range m.routes {
		all = append(all, r.Dst.String()+" "+r.Interface+" "+r.Via.String())
	}
	slices.Sort(all)
	if m.inside {
		all = append(all, "names inside")
	}
	return strings.Join(all, "\n")
}

func plain(name string) Tunnel {
	return Tunnel{
		Interface: name, Addresses: addrs("10.20.0.10"), MTU: 1380, Routes: nets("10.20.0.0/16", "10.30.0.0/16"),
		Gateway: netip.MustParseAddr("203.0.113.1"), Way: Route{Via: netip.MustParseAddr("192.168.1.1"), Interface: "en0"},
		DNS: addrs("10.20.0.53"),
	}
}

func TestApplyAndRestore(t *testing.T) {
	m := newMachine()
	h, before := m.host(filepath.Join(t.TempDir(), "state"), "me"), m.state()
	if warnings, err := h.Apply(t.Context(), plain("utun5")); err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	if !m.inside || len(m.routes) != 5 {
		t.Errorf("in force: %s", m.state())
	}
	if _, err := h.Apply(t.Context(), plain("utun5")); err == nil {
		t.Error("a second tunnel has the same interface")
	}
	for range 2 {
		if err := h.Restore(t.Context(), "utun5"); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(before, m.state()); diff != "" {
		t.Error(diff)
	}
}

// Whichever command fails, nothing is left; and whichever is the last before the process dies, the next one puts all back.
func TestEveryFailure(t *testing.T) {
	m := newMachine()
	h := m.host(t.TempDir(), "me")
	if _, err := h.Apply(t.Context(), plain("utun5")); err != nil {
		t.Fatal(err)
	}
	commands := m.called
	for i, c := range commands {
		m := newMachine()
		before := m.state()
		m.fails = c
		h := m.host(t.TempDir(), "me")
		if _, err := h.Apply(t.Context(), plain("utun5")); err == nil {
			t.Fatalf("%q failed, and Apply doesn't say so", c)
		}
		if diff := cmp.Diff(before, m.state()); diff != "" {
			t.Errorf("%q failed: %s", c, diff)
		}

		m, dir := newMachine(), t.TempDir()
		func() {
			defer func() { _ = recover() }()
			h := m.host(dir, "dead")
			n := 0
			h.Run = func(ctx context.Context, c Command) (string, error) {
				out, err := m.run(ctx, c)
				if n++; n == i+1 {
					panic("the process dies")
				}
				return out, err
			}
			_, _ = h.Apply(t.Context(), plain("utun5"))
		}()
		if err := m.host(dir, "me").Recover(t.Context()); err != nil {
			t.Errorf("after %q: %v", c, err)
		}
		if diff := cmp.Diff(before, m.state()); diff != "" {
			t.Errorf("died after %q: %s", c, diff)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("died after %q: %v is left", c, left)
		}
	}
}

// What differs is changed, and nothing else; a route that another takes the place of goes first.
func TestChange(t *testing.T) {
	m := newMachine()
	h, before := m.host(t.TempDir(), "me"), m.state()
	tunnel := plain("utun5")
	if _, err := h.Apply(t.Context(), tunnel); err != nil {
		t.Fatal(err)
	}
	m.called = nil
	tunnel.Routes = nets("10.20.0.0/16", "10.40.0.0/16")
	tunnel.Way.Via = netip.MustParseAddr("192.168.1.254")
	if _, err := h.Change(t.Context(), tunnel); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"/sbin/route -q -n delete -inet 203.0.113.1/32 -gateway 192.168.1.1",
		"/sbin/route -q -n add -inet 203.0.113.1/32 -gateway 192.168.1.254",
		"/sbin/route -q -n add -inet 10.40.0.0/16 -interface utun5",
		"/sbin/route -q -n delete -inet 10.30.0.0/16 -interface utun5",
	}
	if diff := cmp.Diff(want, m.called); diff != "" {
		t.Error(diff)
	}
	if err := h.Restore(t.Context(), "utun5"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, m.state()); diff != "" {
		t.Error(diff)
	}
}

// Two tunnels to one gateway share the way to it: the last one takes it back.
func TestSharedGateway(t *testing.T) {
	m := newMachine()
	h, before := m.host(t.TempDir(), "me"), m.state()
	second := plain("utun6")
	second.Routes, second.Addresses = nets("10.50.0.0/16"), addrs("10.50.0.10")
	for _, tunnel := range []Tunnel{plain("utun5"), second} {
		if warnings, err := h.Apply(t.Context(), tunnel); err != nil || len(warnings) > 0 {
			t.Fatal(warnings, err)
		}
	}
	if err := h.Restore(t.Context(), "utun5"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(m.state(), "203.0.113.1/32") {
		t.Error("the way to the gateway went with the first tunnel")
	}
	if err := h.Restore(t.Context(), "utun6"); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(m.state(), "203.0.113.1/32") || len(m.routes) != 2 {
		t.Errorf("before:\n%s\nafter:\n%s", before, m.state())
	}
}

// A route of somebody else's is left, and so is what somebody took away meanwhile.
func TestOthersRoutes(t *testing.T) {
	m := newMachine()
	m.routes = append(m.routes, Route{Dst: nets("10.30.0.0/16")[0], Interface: "utun5"})
	h, before := m.host(t.TempDir(), "me"), m.state()
	warnings, err := h.Apply(t.Context(), plain("utun5"))
	if diff := cmp.Diff([]string{"there is a route to 10.30.0.0/16 already, left as it is"}, warnings); diff != "" || err != nil {
		t.Fatal(diff, err)
	}
	m.routes = slices.DeleteFunc(m.routes, func(r Route) bool { return r.Dst == nets("10.20.0.0/16")[0] })
	if err := h.Restore(t.Context(), "utun5"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, m.state()); diff != "" {
		t.Error(diff)
	}
}

// The way to the gateway is that of the uplink, whatever the tunnel's routes say.
func TestWay(t *testing.T) {
	m := newMachine()
	h := m.host(t.TempDir(), "me")
	tunnel := plain("utun5")
	tunnel.Routes = nets("0.0.0.0/1", "128.0.0.0/1")
	if _, err := h.Apply(t.Context(), tunnel); err != nil {
		t.Fatal(err)
	}
	for to, want := range map[string]string{"203.0.113.1": "192.168.1.1", "192.168.1.7": "invalid IP"} {
		if r, err := h.Way(t.Context(), netip.MustParseAddr(to)); err != nil || r.Interface != "en0" || r.Via.String() != want {
			t.Errorf("%s: %+v, %v", to, r, err)
		}
	}
	// Without the state files the tunnel's device is named.
	other := *h
	other.Dir = ""
	m.routes[0].Via = netip.MustParseAddr("192.168.1.254")
	if r, err := other.Way(t.Context(), netip.MustParseAddr("203.0.113.1"), "utun5"); err != nil || r.Via.String() != "192.168.1.254" {
		t.Errorf("by another router: %+v, %v", r, err)
	}
	m.routes = slices.DeleteFunc(m.routes, func(r Route) bool { return r.Interface == "en0" })
	if _, err := h.Way(t.Context(), netip.MustParseAddr("203.0.113.1")); !errors.Is(err, ErrNoWay) {
		t.Errorf("without an uplink: %v", err)
	}
}
