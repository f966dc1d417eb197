package client

import (
	"context"
	"net"
	"net/netip"

	"postern/tun"
	"postern/tun/hostnet"
)

// System is what a connection needs of the machine that it runs on. Its methods
// may be called concurrently.
type System interface {
	// Lookup finds the addresses of a host.
	Lookup(ctx context.Context, host string) ([]netip.Addr, error)
	// ListenUDP opens a UDP socket, with tun.ByRemotePort.
	ListenUDP(local netip.AddrPort) (*tun.Carrier, error)
	// ListenRawESP opens a socket for ESP without UDP. An error means that there is
	// no such thing here.
	ListenRawESP(local netip.Addr) (*tun.RawESP, error)
	// OpenTUN makes a device of the system; "" is any free name.
	OpenTUN(name string, mtu int) (tun.Device, error)
	// Recover puts back what a process left behind that was killed.
	Recover() error
	// Apply makes the host's network fit.
	Apply(ctx context.Context, c hostnet.Config) (HostNetwork, error)
	// Protect puts a kill switch in force.
	Protect(ctx context.Context, c hostnet.GuardConfig) (Guard, error)
	// Way is how packets to a gateway leave the host, but for the tunnel.
	Way(gateway netip.Addr) (hostnet.Way, error)
	// Changes tells when the host's network has changed or the machine has slept, as
	// long as ctx lives. An error means that it can't.
	Changes(ctx context.Context) (<-chan hostnet.Change, error)
}

// HostNetwork is a hostnet.Config in force: what *hostnet.Applied does.
type HostNetwork interface {
	Warnings() []string
	Routes() []netip.Prefix
	Overlaps() []hostnet.Overlap
	Resolver() string
	Update(ctx context.Context, c hostnet.Config) error
	SetGateway(ctx context.Context, gateway netip.Addr) error
	SetMTU(mtu int) error
	Restore() error
}

// machine is the System of this machine.
type machine struct{ stateDir string }

func (machine) Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

func (machine) ListenUDP(local netip.AddrPort) (*tun.Carrier, error) {
	return tun.ListenUDP(local, tun.ByRemotePort)
}

func (machine) ListenRawESP(local netip.Addr) (*tun.RawESP, error) { return tun.ListenRawESP(local) }

func (machine) OpenTUN(name string, mtu int) (tun.Device, error) { return tun.OpenTUN(name, mtu) }

func (m machine) Recover() error { return hostnet.Recover(m.stateDir) }

func (m machine) Apply(ctx context.Context, c hostnet.Config) (HostNetwork, error) {
	a, err := hostnet.Apply(ctx, c, m.stateDir)
	if err != nil {
		return nil, err // no nil *hostnet.Applied in an interface
	}
	return a, nil
}

func (m machine) Protect(ctx context.Context, c hostnet.GuardConfig) (Guard, error) {
	g, err := hostnet.Protect(ctx, c, m.stateDir)
	if err != nil {
		return nil, err
	}
	return g, nil
}

func (machine) Way(gateway netip.Addr) (hostnet.Way, error) { return hostnet.WayTo(gateway) }

func (machine) Changes(ctx context.Context) (<-chan hostnet.Change, error) { return hostnet.Watch(ctx) }
