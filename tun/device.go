package tun

import (
	"context"
	"net"
	"net/netip"
)

// OpenTUN makes a TUN device of the system; name "" = one of our choice.
func OpenTUN(name string, mtu int) (Device, error) { return nil, nil }

// OpenNetstack makes a device whose other end is an IP stack in this process.
func OpenNetstack(addresses, dns []netip.Addr, mtu int) (Device, *Net, error) { return nil, nil, nil }

// Net is the IP stack behind a netstack device.
type Net struct{}

// DialContext is as net.Dialer's: "tcp", "udp" (or with 4, 6), names resolved inside the tunnel.
func (n *Net) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return nil, nil
}

// Listen is as net.Listen.
func (n *Net) Listen(network, address string) (net.Listener, error) { return nil, nil }

// ListenPacket is as net.ListenPacket.
func (n *Net) ListenPacket(network, address string) (net.PacketConn, error) { return nil, nil }

// LookupHost resolves a name by the DNS servers behind the tunnel.
func (n *Net) LookupHost(ctx context.Context, host string) ([]netip.Addr, error) { return nil, nil }
