package hostnet

import (
	"context"
	"errors"
	"net/netip"
)

type host struct{}

var errTODO = errors.New("not written yet")

// Apply makes the host's network fit c.
func Apply(ctx context.Context, c Config, stateDir string) (*Applied, error) { return nil, errTODO }

// SetGateway moves the way to the gateway: to a new gateway, or the same one over a new uplink.
func (a *Applied) SetGateway(ctx context.Context, gateway netip.Addr) error { return errTODO }

// Restore puts everything back.
func (a *Applied) Restore() error { return errTODO }

// Recover puts back what a process that is dead left behind.
func Recover(stateDir string) error { return nil }
