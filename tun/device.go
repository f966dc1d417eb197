package tun

import (
	"fmt"

	wgtun "golang.zx2c4.com/wireguard/tun"
)

// Device is a TUN device: it reads and writes IP packets in batches.
type Device = wgtun.Device

// OpenTUN makes a TUN device of the system. With an empty name it gets one that
// is free; Device.Name tells it. It has no address and no route yet. On Linux it
// needs CAP_NET_ADMIN.
func OpenTUN(name string, mtu int) (Device, error) {
	if name == "" {
		name = anyName
	}
	dev, err := wgtun.CreateTUN(name, mtu)
	if err != nil {
		return nil, fmt.Errorf("tun: making the device %s: %w%s", name, err, remedy(err))
	}
	return dev, nil
}
