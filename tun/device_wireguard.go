//go:build !linux

package tun

import wgtun "golang.zx2c4.com/wireguard/tun"

// createTUN makes a TUN device.
func createTUN(name string, mtu int) (Device, error) { return wgtun.CreateTUN(name, mtu) }
