//go:build !linux && !darwin && !windows

package hostnet

import (
	"context"
	"net/netip"
)

type host struct{}

// Apply makes the host's network fit c.
func Apply(context.Context, Config, string) (*Applied, error) { return nil, errOther }

// SetGateway moves the way to the gateway.
func (a *Applied) SetGateway(context.Context, netip.Addr) error { return errOther }

// Restore puts everything back.
func (a *Applied) Restore() error { return errOther }

// Recover puts back what a process that is dead left behind: nothing, where Apply never did anything.
func Recover(string) error { return nil }

// Update makes the host's network fit another Config.
func (a *Applied) Update(context.Context, Config) error { return errOther }

// SetMTU sets the MTU of the TUN device.
func (a *Applied) SetMTU(int) error { return errOther }

// WayTo says how packets to a gateway leave the host.
func WayTo(netip.Addr, ...string) (Way, error) { return Way{}, errOther }
