package tun

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// Net is the IP stack behind a netstack device: what package net is for the
// system's. Networks are "tcp" and "udp", and these with 4 or 6. Any goroutine may
// call any method.
type Net struct {
	stack *stack.Stack
	dns   []netip.Addr
}

// DialContext connects to "host:port". A name is looked up by LookupHost, and its
// addresses are tried in turn.
func (n *Net) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := splitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("dial %s %s: %w", network, address, err)
	}
	addrs, err := n.LookupHost(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("dial %s %s: %w", network, address, err)
	}
	err = errors.New("no address of that family")
	for _, a := range addrs {
		if !suits(network, a) {
			continue
		}
		var conn net.Conn
		if conn, err = n.dial(ctx, network, netip.AddrPortFrom(a, port)); err == nil {
			return conn, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("dial %s %s: %w", network, address, err)
}

func (n *Net) dial(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
	address := fullAddress(to)
	if strings.HasPrefix(network, "udp") {
		conn, err := gonet.DialUDP(n.stack, nil, &address, protocolOf(to.Addr()))
		if err != nil {
			return nil, err
		}
		return conn, nil
	}
	conn, err := gonet.DialContextTCP(ctx, n.stack, address, protocolOf(to.Addr()))
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// Listen listens for TCP on "host:port", host being an address of the stack, or
// empty for all.
func (n *Net) Listen(network, address string) (net.Listener, error) {
	full, number, err := n.listenAddress("tcp", network, address)
	if err != nil {
		return nil, fmt.Errorf("listen %s %s: %w", network, address, err)
	}
	l, err := gonet.ListenTCP(n.stack, full, number)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// ListenPacket opens a UDP socket on "host:port", as Listen does.
func (n *Net) ListenPacket(network, address string) (net.PacketConn, error) {
	full, number, err := n.listenAddress("udp", network, address)
	if err != nil {
		return nil, fmt.Errorf("listen %s %s: %w", network, address, err)
	}
	conn, err := gonet.DialUDP(n.stack, &full, nil, number)
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// listenAddress reads where to listen. All addresses, with no family named, means
// IPv6's wildcard, which takes IPv4 too.
func (n *Net) listenAddress(transport, network, address string) (tcpip.FullAddress, tcpip.NetworkProtocolNumber, error) {
	var none tcpip.FullAddress
	family, ok := strings.CutPrefix(network, transport)
	if !ok {
		return none, 0, net.UnknownNetworkError(network)
	}
	host, port, err := splitHostPort(address)
	if err != nil {
		return none, 0, err
	}
	if host == "" {
		if family == "4" {
			return tcpip.FullAddress{NIC: nic, Port: port}, ipv4.ProtocolNumber, nil
		}
		return tcpip.FullAddress{NIC: nic, Port: port}, ipv6.ProtocolNumber, nil
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return none, 0, err
	}
	if a.IsUnspecified() {
		return tcpip.FullAddress{NIC: nic, Port: port}, protocolOf(a), nil
	}
	return fullAddress(netip.AddrPortFrom(a, port)), protocolOf(a), nil
}

// LookupHost returns the addresses of a name: those in the system's hosts file,
// else what the DNS servers inside the tunnel say. The system's own servers are
// never asked. An address is returned as it is.
func (n *Net) LookupHost(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	if len(n.dns) == 0 {
		return nil, &net.DNSError{Err: "the tunnel has no DNS server", Name: host, IsNotFound: true}
	}
	var asked atomic.Uint32
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		server := n.dns[int(asked.Add(1)-1)%len(n.dns)] // each in turn
		return n.dial(ctx, network, netip.AddrPortFrom(server, 53))
	}}
	// The dot keeps the system's search list off.
	addrs, err := r.LookupNetIP(ctx, "ip", strings.TrimSuffix(host, ".")+".")
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, err
}

func splitHostPort(address string) (host string, port uint16, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	number, err := net.LookupPort("tcp", text)
	return host, uint16(number), err
}

// suits reports whether an address is of the family that a network names.
func suits(network string, a netip.Addr) bool {
	switch {
	case strings.HasSuffix(network, "4"):
		return a.Is4()
	case strings.HasSuffix(network, "6"):
		return a.Is6()
	}
	return true
}

func fullAddress(a netip.AddrPort) tcpip.FullAddress {
	return tcpip.FullAddress{NIC: nic, Addr: tcpip.AddrFromSlice(a.Addr().AsSlice()), Port: a.Port()}
}
