//go:build !linux

package tun

import (
	"errors"
	"fmt"
	"net/netip"
)

// ListenRawESP fails: only Linux has it.
func ListenRawESP(netip.Addr) (*RawESP, error) {
	return nil, fmt.Errorf("tun: ESP without UDP on this system: %w", errors.ErrUnsupported)
}
