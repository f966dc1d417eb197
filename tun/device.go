package tun

import (
	"errors"
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
	dev, err := createTUN(name, mtu)
	if err != nil {
		return nil, fmt.Errorf("tun: making the device %s: %w%s", name, err, remedy(err))
	}
	return dev, nil
}

// errPacket is a device's for a packet that was lost: it isn't what its header says, or
// is larger than the buffers. The device goes on.
var errPacket = errors.New("tun: the device gave no packet that fits")
