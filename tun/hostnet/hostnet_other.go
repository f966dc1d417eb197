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
