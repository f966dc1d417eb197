package hostnet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/godbus/dbus/v5"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// host is what the steps work on. Its netlink socket belongs to the network namespace of the thread that opened it.
type host struct {
	nl         *netlink.Handle
	namespace  uint64                                        // inode
	dir        string                                        // of the state files
	resolvConf string                                        // the resolver's file, or a link to it
	resolvconf string                                        // the program of that name, "" for none
	bus        func(ctx context.Context) (*dbus.Conn, error) // a connection of our own to the system bus
}

// open returns the host that the calling thread sees.
func open(stateDir string) (*host, error) {
	runtime.LockOSThread() // one thread, one namespace, for both of the next calls
	defer runtime.UnlockOSThread()
	ns, err := namespace()
	if err != nil {
		return nil, err
	}
	nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("netlink: %w", err)
	}
	return &host{
		nl: nl, namespace: ns, dir: stateDir,
		resolvConf: "/etc/resolv.conf", resolvconf: findResolvconf(), bus: systemBus,
	}, nil
}

// step is one change of the host's network. Exactly one field is set.
type step struct {
	Link       *linkStep       `json:"link,omitempty"`
	Address    *addressStep    `json:"address,omitempty"`
	Route      *routeStep      `json:"route,omitempty"`
	Resolved   *resolvedStep   `json:"resolved,omitempty"`
	Resolvconf *resolvconfStep `json:"resolvconf,omitempty"`
	File       *fileStep       `json:"file,omitempty"`
}

// action is what a step can do. Undo puts back what was there before, and doesn't mind when do was never called, stopped
// half way, or was undone already, or when the device is gone.
type action interface {
	do(ctx context.Context, h *host) error
	undo(h *host) error
	String() string
}

func (s step) action() action {
	switch {
	case s.Link != nil:
		return s.Link
	case s.Address != nil:
		return s.Address
	case s.Route != nil:
		return s.Route
	case s.Resolved != nil:
		return s.Resolved
	case s.Resolvconf != nil:
		return s.Resolvconf
	case s.File != nil:
		return s.File
	}
	return nothing{}
}

// nothing is a step that a record from another version of the program may hold.
type nothing struct{}

func (nothing) do(context.Context, *host) error { return nil }
func (nothing) undo(*host) error                { return nil }
func (nothing) String() string                  { return "an unknown step" }

// Apply makes the host's network fit c: all of it, or nothing and an error. The folder stateDir is made if need be; it
// shall outlive the process, and the boot where /etc/resolv.conf does. What dead processes left there is put back first.
// The state belongs to the network namespace of the calling thread.
func Apply(ctx context.Context, c Config, stateDir string) (*Applied, error) {
	h, err := open(stateDir)
	if err != nil {
		return nil, err
	}
	a, err := h.apply(ctx, c)
	if err != nil {
		h.nl.Close()
	}
	return a, err
}

func (h *host) apply(ctx context.Context, c Config) (*Applied, error) {
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return nil, fmt.Errorf("state files: %w", err)
	}
	unlock, err := lock(ctx, h.dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	c, warnings := c.Clean()
	a := &Applied{host: h, warnings: warnings}
	if err := h.recover(); err != nil {
		a.warn("what an earlier run left: %v", err)
	}
	r, err := h.plan(ctx, c, a, &record{})
	if err != nil {
		return nil, err
	}
	a.file = filepath.Join(h.dir, r.fileName())
	if _, err := os.Stat(a.file); err == nil {
		return nil, fmt.Errorf("interface %s is set up already, by the tunnel of %s", c.Interface, a.file)
	}
	if err := r.save(a.file); err != nil {
		return nil, err
	}
	for _, s := range r.Steps {
		err := a.do(ctx, s)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			_, undone := h.undo(r, a.file)
			return nil, errors.Join(err, undone)
		}
	}
	return a, nil
}

// do takes a step. A route that is there already is left as it is, with a warning unless it is ours.
func (a *Applied) do(ctx context.Context, s step) error {
	err := s.action().do(ctx, a.host)
	switch {
	case errors.Is(err, errOurs):
		return nil
	case errors.Is(err, fs.ErrExist) && s.Route != nil:
		a.warn("there is a route to %s already, left as it is", s.Route.Dst)
		for i := range a.overlaps {
			a.overlaps[i].Inside = a.overlaps[i].Inside && a.overlaps[i].Local != s.Route.Dst
		}
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", s.action(), err)
	}
	return nil
}

func (a *Applied) warn(format string, args ...any) {
	a.warnings = append(a.warnings, fmt.Sprintf(format, args...))
}

// plan looks at the host and lists the steps that make it fit c, as if those of old, which were taken, hadn't been. It
// changes nothing.
func (h *host) plan(ctx context.Context, c Config, a *Applied, old *record) (*record, error) {
	me, err := self()
	if err != nil {
		return nil, err
	}
	link, err := h.nl.LinkByName(c.Interface)
	if err != nil {
		return nil, fmt.Errorf("interface %q: %w", c.Interface, err)
	}
	index := link.Attrs().Index
	r := &record{Schema: 1, Owner: me, Namespace: h.namespace, Interface: link.Attrs().Name}

	addresses, err := h.planAddresses(link, c.Addresses, old)
	if err != nil {
		return nil, err
	}
	connected, err := h.connected(index)
	if err != nil {
		return nil, err
	}
	install, lost := tunnelRoutes(c.Routes, c.Exclude, connected, c.Prefer, c.LocalLAN)
	a.routes = subtract(subtract(c.Routes, c.Exclude), lost)
	for _, p := range lost {
		a.warn("%s is a network of this host and stays outside the tunnel", p)
	}
	a.overlaps = overlaps(c.Routes, c.Exclude, connected, install)
	routes := planRoutes(install, index)
	if c.BlockIPv6 {
		routes = append(routes, planBlockIPv6(c)...)
	}
	gateway, err := h.planGateway(c.Gateway, index, destinations(routes))
	if err != nil {
		return nil, err
	}
	ipv6 := slices.ContainsFunc(c.Addresses, func(p netip.Prefix) bool { return p.Addr().Is6() && !p.Addr().Is4In6() })
	r.Steps = slices.Concat([]step{planLink(link, c.MTU, ipv6, old)}, addresses, gateway, routes)
	dns, err := h.planDNS(ctx, c, index, a, old)
	if err != nil {
		return nil, err
	}
	r.Steps = append(r.Steps, dns...)
	return r, nil
}

// Restore puts everything back as it was. It may be called again: after a success it does nothing, after a failure it
// tries again. An error that wraps ErrKept is a success that says what somebody else changed meanwhile.
func (a *Applied) Restore() error {
	if a.file == "" {
		return nil
	}
	unlock, err := lock(context.Background(), a.host.dir)
	if err != nil {
		return err
	}
	defer unlock()
	r, err := load(a.file)
	if err != nil {
		return err
	}
	kept, err := a.host.undo(r, a.file)
	if err != nil {
		return err
	}
	a.file = ""
	a.host.nl.Close()
	return kept
}

// Recover puts back what processes that are dead left behind in the calling thread's network namespace. It is called at
// the start, before the first Apply, and does nothing where there is nothing to do. An error that wraps ErrKept tells of
// something that somebody else changed meanwhile.
func Recover(stateDir string) error { return withState(stateDir, (*host).recover) }

// withState calls f with the lock of a folder held, unless there is no such folder.
func withState(stateDir string, f func(*host) error) error {
	if _, err := os.Stat(stateDir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	h, err := open(stateDir)
	if err != nil {
		return err
	}
	defer h.nl.Close()
	unlock, err := lock(context.Background(), stateDir)
	if err != nil {
		return err
	}
	defer unlock()
	return f(h)
}

// recover is Recover with the lock held.
func (h *host) recover() error {
	me, err := self()
	if err != nil {
		return err
	}
	errs := []error{h.sweep()}
	for _, path := range h.records() {
		r, err := load(path)
		switch {
		case err != nil:
			errs = append(errs, err)
			continue
		case r.Owner.Boot != me.Boot:
			// Devices, addresses and routes ended with that boot. Files may have outlived it.
			r.Steps = slices.DeleteFunc(r.Steps, func(s step) bool { return s.File == nil })
		case r.Namespace != h.namespace || r.Owner.alive(me):
			continue
		}
		kept, err := h.undo(r, path)
		errs = append(errs, kept, err)
	}
	return errors.Join(errs...)
}

// records lists the state files, of all namespaces.
func (h *host) records() []string {
	paths, _ := filepath.Glob(filepath.Join(h.dir, "net-*.json")) // fails on a bad pattern only
	return paths
}

// undo takes all steps of a record back, the last one first, and removes the record. When a step fails the others are
// undone all the same and the record stays. Kept wraps ErrKept for each thing that somebody else changed.
func (h *host) undo(r *record, path string) (kept, failed error) {
	for _, s := range slices.Backward(r.Steps) {
		err := s.action().undo(h)
		switch {
		case errors.Is(err, ErrKept):
			kept = errors.Join(kept, err)
		case err != nil:
			failed = errors.Join(failed, fmt.Errorf("undo %s: %w", s.action(), err))
		}
	}
	if failed != nil {
		return kept, failed
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return kept, fmt.Errorf("state file: %w", err)
	}
	return kept, syncFolder(h.dir)
}
