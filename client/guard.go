package client

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"postern/tun/hostnet"
)

// The kill switch of a profile is in force from before the first message until Run
// returns. A connection that was up and failed for good keeps it: Run then waits to
// be told to reconnect, or to end.

// Guard is a kill switch in force: what *hostnet.Guard does.
type Guard interface {
	Update(ctx context.Context, c hostnet.GuardConfig) error
	Release() error
}

// protect puts the kill switch in force, if the profile wants one.
func (c *Client) protect(ctx context.Context) error {
	if !c.profile.KillSwitch || c.options.Rootless != nil {
		return nil
	}
	all, err := c.targets(ctx) // names aren't looked up any more from now on
	if err != nil {
		return err
	}
	p := c.profile
	routes, _ := hostnet.Plan(nil, p.Networks, p.Exclude, p.DefaultRoute)
	config := hostnet.GuardConfig{
		ID: c.options.ID, Protect: routes, Exclude: p.Exclude, LocalLAN: p.LocalLAN, Gateways: addressesOf(all),
		DNS: p.DNSServers,
	}
	if config.ID == "" {
		config.ID = fmt.Sprintf("%d/%s", os.Getuid(), p.Name)
	}
	g, err := c.system.Protect(ctx, config)
	if err != nil {
		return stageError{stageHost, err}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.guard, c.guarded = g, config
	return nil
}

func addressesOf(all []target) (out []netip.AddrPort) {
	for _, t := range all {
		out = append(out, t.address)
	}
	return out
}

// guardTunnel lets what is protected into the tunnel that is up.
func (s *session) guardTunnel(ctx context.Context, applied hostnet.Config) error {
	c := s.client
	c.mu.Lock()
	g, config := c.guard, c.guarded
	c.mu.Unlock()
	if g == nil {
		return nil
	}
	if config.Interface == "" {
		// Until the gateway said which networks are inside, all was protected that may be.
		config.Protect = c.profile.Networks
	}
	config.Interface, config.Protect = applied.Interface, union(config.Protect, applied.Routes)
	config.Exclude, config.LocalLAN = applied.Exclude, applied.LocalLAN
	config.DNS, config.SplitDNS = applied.DNS, applied.SplitDNS
	all, _ := c.resolved(ctx, c.addresses.recall)
	config.Gateways = union(config.Gateways, addressesOf(all))
	return c.updateGuard(ctx, g, config)
}

func (c *Client) updateGuard(ctx context.Context, g Guard, config hostnet.GuardConfig) error {
	err := g.Update(ctx, config)
	if err == nil {
		c.mu.Lock()
		c.guarded = config
		c.mu.Unlock()
	}
	return err
}

// regard has the kill switch look again at the networks that the host is connected to.
func (c *Client) regard(ctx context.Context) {
	c.mu.Lock()
	g, config := c.guard, c.guarded
	c.mu.Unlock()
	if g == nil {
		return
	}
	config.Protect = slices.Clone(config.Protect)
	if err := c.updateGuard(ctx, g, config); err != nil {
		c.log.Warn("the kill switch is as it was before the network changed", "error", err)
	}
}

// unguard ends the kill switch.
func (c *Client) unguard() {
	c.mu.Lock()
	g := c.guard
	c.guard = nil
	c.mu.Unlock()
	if g == nil || c.options.Orphan != nil && c.options.Orphan() {
		return
	}
	if err := g.Release(); err != nil {
		c.log.Error("the kill switch couldn't be lifted", "error", err)
	}
}

// hold keeps a connection that failed, with its kill switch, until somebody wants it
// again: true, or no more.
func (c *Client) hold(ctx context.Context) bool {
	c.mu.Lock()
	g := c.guard
	c.mu.Unlock()
	if g == nil {
		return false
	}
	c.warn("The kill switch holds until you disconnect.")
	for len(c.redial) > 0 {
		<-c.redial
	}
	select {
	case <-c.redial:
		return true
	case <-ctx.Done():
		return false
	}
}
