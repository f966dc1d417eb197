//go:build !linux

package hostnet

import (
	"context"
	"errors"
	"fmt"
	"runtime"
)

var errOther = fmt.Errorf("not implemented on %s: %w", runtime.GOOS, errors.ErrUnsupported)

// Guard is a kill switch.
type Guard struct{}

// Protect puts a kill switch in force.
func Protect(context.Context, GuardConfig, string) (*Guard, error) {
	return nil, fmt.Errorf("kill switch: %w", errOther)
}

// Update replaces what the kill switch does.
func (g *Guard) Update(context.Context, GuardConfig) error { return errOther }

// Release ends the kill switch.
func (g *Guard) Release() error { return errOther }

// Guards lists the kill switches: none.
func Guards(string) ([]GuardState, error) { return nil, nil }

// Release ends what a dead process left: nothing, where Protect never did anything.
func Release(string, string) error { return nil }
