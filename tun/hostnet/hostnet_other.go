//go:build !linux

package hostnet

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
)

type host struct{}

var errOther = fmt.Errorf("setting up the host's network is not implemented on %s yet: %w", runtime.GOOS, errors.ErrUnsupported)

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

// Guard is a kill switch.
type Guard struct{}

// Protect puts a kill switch in force.
func Protect(context.Context, GuardConfig, string) (*Guard, error) { return nil, errOther }

// Update replaces what the kill switch does.
func (g *Guard) Update(context.Context, GuardConfig) error { return errOther }

// Release ends the kill switch.
func (g *Guard) Release() error { return errOther }

// Guards lists the kill switches: none.
func Guards(string) ([]GuardState, error) { return nil, nil }

// Release ends what a dead process left: nothing, where Protect never did anything.
func Release(string, string) error { return nil }

// WayTo says how packets to a gateway leave the host.
func WayTo(netip.Addr, ...string) (Way, error) { return Way{}, errOther }
