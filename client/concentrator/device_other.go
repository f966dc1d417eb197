//go:build !linux

package concentrator

import (
	"errors"
	"net/netip"
)

func configure(string, netip.Prefix, []netip.Prefix) error {
	return errors.New("a TUN device for a gateway is set up on Linux only; netstack works everywhere")
}
