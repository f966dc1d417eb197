package hostnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
)

// Update makes the host's network fit another Config of the same Interface, and changes only what differs: a connection
// that is made anew keeps its device, and addresses, routes and name servers that are the same. It is called on a Change
// of Kind Address, too, since connected networks, the way to the gateway and resolv.conf may have changed. Warnings, Routes
// and Resolver are those of the new Config. After an error the host is between the two; Restore puts it back.
func (a *Applied) Update(ctx context.Context, c Config) error {
	c, warnings := c.Clean()
	next := a.again()
	next.warnings = warnings
	err := next.change(ctx, func(old *record) ([]step, error) {
		if c.Interface != old.Interface {
			return nil, fmt.Errorf("interface %q: the tunnel has %q", c.Interface, old.Interface)
		}
		r, err := a.host.plan(ctx, c, next, old)
		if err != nil {
			return nil, err
		}
		return r.Steps, nil
	})
	if err != nil {
		return err
	}
	a.warnings, a.routes, a.overlaps, a.resolver = next.warnings, next.routes, next.overlaps, next.resolver
	return nil
}

// SetGateway moves the way to the gateway: to another gateway, or to the same one over another uplink. A caller does so
// before it dials again and when the host's addresses or routes change. Where there is no way at present it says so and
// changes nothing.
func (a *Applied) SetGateway(ctx context.Context, gateway netip.Addr) error {
	return a.again().change(ctx, func(old *record) ([]step, error) {
		link, err := a.host.nl.LinkByName(old.Interface)
		if err != nil {
			return nil, fmt.Errorf("interface %q: %w", old.Interface, err)
		}
		now, err := a.host.planGateway(gateway, link.Attrs().Index, destinations(old.Steps))
		if err != nil {
			return nil, err
		}
		rest := slices.DeleteFunc(slices.Clone(old.Steps), func(s step) bool { return s.Route != nil && s.Route.Gateway })
		return append(now, rest...), nil
	})
}

// SetMTU sets the MTU of the TUN device, in octets; its routes follow. With an IPv6 address of ours it is 1280 at least.
func (a *Applied) SetMTU(mtu int) error {
	return a.again().change(context.Background(), func(old *record) ([]step, error) {
		steps := slices.Clone(old.Steps)
		if slices.ContainsFunc(steps, func(s step) bool { return s.Address != nil && s.Address.Address.Addr().Is6() }) {
			mtu = max(mtu, leastIPv6)
		}
		for i, s := range steps {
			if s.Link != nil {
				link := *s.Link
				link.MTU = mtu
				steps[i].Link = &link
			}
		}
		return steps, nil
	})
}

// again is a without what was said so far.
func (a *Applied) again() *Applied { return &Applied{host: a.host, file: a.file} }

// change takes the steps that plan adds to those of the record, then takes back those that it leaves out, so that at no
// moment there is less than in both. (A resolver that is given up comes first: two don't go together.) Routes that are in
// both are looked after as well: they went with their uplink, or with the device while it was down.
func (a *Applied) change(ctx context.Context, plan func(old *record) ([]step, error)) error {
	unlock, err := lock(ctx, a.host.dir)
	if err != nil {
		return err
	}
	defer unlock()
	if a.file == "" {
		return errors.New("the host's network is restored already")
	}
	r, err := load(a.file)
	if err != nil {
		return err
	}
	old := r.Steps
	now, err := plan(r)
	if err != nil {
		return err
	}
	stale := slices.DeleteFunc(slices.Clone(old), func(s step) bool { return contains(now, s) })
	r.Steps = slices.Concat(stale, now)
	if err := r.save(a.file); err != nil {
		return err
	}
	stale = slices.DeleteFunc(stale, func(s step) bool { return slices.ContainsFunc(now, s.replacedBy) })
	if err := a.undo(stale, step.forNames); err != nil {
		return err
	}
	for _, s := range now {
		if s.Route == nil && contains(old, s) {
			continue
		}
		if err := a.do(ctx, s); err != nil {
			return err
		}
	}
	if err := a.undo(stale, func(s step) bool { return !s.forNames() }); err != nil {
		return err
	}
	r.Steps = now
	return r.save(a.file)
}

// undo takes back those of the steps that which accepts.
func (a *Applied) undo(steps []step, which func(step) bool) error {
	for _, s := range slices.Backward(steps) {
		if !which(s) {
			continue
		}
		if err := s.action().undo(a.host); err != nil && !errors.Is(err, ErrKept) {
			return fmt.Errorf("%s: undo: %w", s.action(), err)
		}
	}
	return nil
}

func contains(steps []step, s step) bool {
	return slices.ContainsFunc(steps, func(o step) bool { return reflect.DeepEqual(o, s) })
}

// forNames says whether the step is for a resolver.
func (s step) forNames() bool { return s.Resolved != nil || s.Resolvconf != nil || s.File != nil }

// replacedBy says whether n, once done, is in the place of s, and knows what was there before both.
func (s step) replacedBy(n step) bool {
	return s.Link != nil && n.Link != nil || s.Resolved != nil && n.Resolved != nil ||
		s.Resolvconf != nil && n.Resolvconf != nil && s.Resolvconf.Record == n.Resolvconf.Record ||
		s.File != nil && n.File != nil && s.File.Path == n.File.Path && bytes.Equal(s.File.Before, n.File.Before)
}
