package client

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"postern/client/profile"
	"postern/client/prompt"
	"postern/ike"
	"postern/ike/isakmp"
	"postern/xauth"
)

// A connection may be made to any of the profile's gateways: the one that gateway
// names, then those of backup, then those that a gateway of theirs told us of
// (Cisco Unity, STAMP), each at all of its addresses.

// target is a gateway at one of its addresses.
type target struct {
	name    profile.Gateway
	address netip.AddrPort
}

// addresses remembers what names mean: while the tunnel is down, the name server
// inside it can't be asked. Safe for concurrent use.
type addresses struct {
	mu       sync.Mutex
	known    map[string][]netip.Addr
	recalled bool // the last lookup of a known name failed
}

const (
	lookupTime  = 5 * time.Second  // of a name that we know an address of
	noAnswer    = 10 * time.Second // of a gateway, where there are others to try
	maxRedirect = 3                // in a row
)

// lookup finds the addresses of a host, IPv4 first. Where that fails, those known
// from before do.
func (a *addresses) lookup(ctx context.Context, system System, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr.Unmap()}, nil
	}
	a.mu.Lock()
	before := a.known[host]
	a.mu.Unlock()
	if before != nil {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, lookupTime)
		defer stop()
	}
	found, err := system.Lookup(ctx, host)
	if before != nil {
		a.mu.Lock()
		a.recalled = err != nil
		a.mu.Unlock()
		if err != nil {
			return before, nil
		}
	}
	if err != nil {
		return nil, err
	}
	found = slices.Clone(found) // whoever was told of addresses reads on in theirs
	for i := range found {
		found[i] = found[i].Unmap()
	}
	slices.SortStableFunc(found, func(x, y netip.Addr) int { return x.BitLen() - y.BitLen() })
	found = slices.Compact(found)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known == nil {
		a.known = make(map[string][]netip.Addr)
	}
	a.known[host] = found
	return found, nil
}

// recall is lookup only for a host that nothing is known of: while the tunnel is up, a
// name server inside it may know its gateway by another address.
func (a *addresses) recall(ctx context.Context, system System, host string) ([]netip.Addr, error) {
	a.mu.Lock()
	before := a.known[host]
	a.mu.Unlock()
	if before != nil {
		return before, nil
	}
	return a.lookup(ctx, system, host)
}

// outdated says whether the name servers didn't answer when a known name was looked up.
func (a *addresses) outdated() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.recalled
}

// gateways are all that may be dialled, in order, each once: what a gateway pushed comes
// before what the profile says.
func (c *Client) gateways() []profile.Gateway {
	c.mu.Lock()
	defer c.mu.Unlock()
	return union(append([]profile.Gateway{c.profile.Gateway}, c.pushed...), c.profile.Backup)
}

// targets are the addresses to dial, in order. An error means that there is none.
func (c *Client) targets(ctx context.Context) ([]target, error) {
	all, err := c.resolved(ctx, c.addresses.lookup)
	c.mu.Lock()
	defer c.mu.Unlock()
	if to := c.sentTo; to != nil {
		all = append([]target{*to}, slices.DeleteFunc(all, func(o target) bool { return o == *to })...)
		c.sentTo = nil
	}
	if len(all) == 0 {
		return nil, stageError{stageResolve, err}
	}
	return all, nil
}

// resolved are the addresses of all gateways, by find. The error is the first of those
// without an address.
func (c *Client) resolved(ctx context.Context, find func(context.Context, System, string) ([]netip.Addr, error)) (all []target, first error) {
	for _, g := range c.gateways() {
		found, err := find(ctx, c.system, g.Host)
		if err != nil && first == nil {
			first = err
		}
		for _, a := range found {
			t := target{g, netip.AddrPortFrom(a, g.Port)}
			if !slices.ContainsFunc(all, func(o target) bool { return o.address == t.address }) {
				all = append(all, t)
			}
		}
	}
	return all, first
}

// dial makes a connection to the first gateway that will have one.
func (c *Client) dial(ctx context.Context) (*session, error) {
	c.progress(Resolving)
	all, err := c.targets(ctx)
	if err != nil {
		return nil, err
	}
	var first error
	for redirects := 0; len(all) > 0; {
		t := all[0]
		all = all[1:]
		s, err := c.dialOne(ctx, t, len(all) > 0)
		if err == nil {
			return s, nil
		}
		if to := (redirected{}); errors.As(err, &to) && redirects < maxRedirect {
			redirects++
			c.log.Info("sent on", "from", t.address, "to", to.target.address)
			all = append([]target{to.target}, slices.DeleteFunc(all, func(o target) bool { return o == to.target })...)
			continue
		}
		if ctx.Err() != nil || !mayBetter(err) {
			return nil, err
		}
		if first == nil {
			first = err
		}
		if len(all) > 0 {
			c.log.Warn("the next gateway or address is tried", "failed", t.address, "error", err)
		}
	}
	return nil, first
}

// mayBetter says whether another gateway may do where one failed so. What it says
// of the user, and what a person decides, holds for all.
func mayBetter(err error) bool {
	var late *ike.TimeoutError
	var notify *ike.NotifyError
	var stage stageError
	switch {
	case errors.Is(err, prompt.ErrCancelled), errors.Is(err, prompt.ErrNotInteractive), errors.Is(err, xauth.ErrRefused), errors.Is(err, ike.ErrAuthentication):
		return false
	case errors.As(err, &late), errors.Is(err, ike.ErrDead), errors.Is(err, ike.ErrDeleted), errors.As(err, &redirected{}):
		return true
	case errors.As(err, &notify):
		return !notify.Authenticated
	case errors.As(err, &stage):
		return stage.stage == stageSocket
	}
	return false
}

// learn remembers the gateways that one of the profile's told of, for later.
func (c *Client) learn(names []string) {
	var all []profile.Gateway
	for _, n := range names {
		if g, err := profile.ParseGateway(n); err == nil {
			all = append(all, g)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pushed = c.profile.Policies.Pushed(all)
}

// redirected ends a connection whose gateway has sent us to another one.
type redirected struct{ target target }

func (r redirected) Error() string {
	return fmt.Sprintf("the gateway sends us to %v", r.target.address.Addr())
}

// notified hears what the gateway says in authenticated messages. A notify of load
// balancing names another gateway by its IPv4 address. It is followed only to one
// that the profile names by gateway or backup: nobody else may be told a password.
func (s *session) notified(sa *ike.SA, n isakmp.Notify) {
	switch n.Type {
	case isakmp.NotifyUnityLoadBalance:
		addr, ok := netip.AddrFromSlice(n.Data)
		if !ok || !addr.Is4() {
			return
		}
		s.tasks.Go(func() { s.redirect(addr) })
	case isakmp.NotifyResponderLifetime:
		if n.Protocol == isakmp.ProtoISAKMP {
			s.shorten(sa, n)
		}
	}
}

func (s *session) redirect(addr netip.Addr) {
	c := s.client
	for _, g := range append([]profile.Gateway{s.profile.Gateway}, s.profile.Backup...) {
		found, _ := c.addresses.recall(s.ctx, c.system, g.Host)
		if !slices.Contains(found, addr) { // some names have other addresses each time
			found, _ = c.addresses.lookup(s.ctx, c.system, g.Host)
		}
		if slices.Contains(found, addr) && addr != s.gateway.Addr() {
			err := redirected{target{g, netip.AddrPortFrom(addr, g.Port)}}
			c.mu.Lock()
			c.sentTo = &err.target
			c.mu.Unlock()
			s.abort(err)
			s.fail(err)
			return
		}
	}
	c.warn(fmt.Sprintf("The gateway sends us to %v, which is none of the profile's gateways: not followed. If it is right, name it in backup.", addr))
}
