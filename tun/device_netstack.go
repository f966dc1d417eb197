package tun

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"syscall"

	wgtun "golang.zx2c4.com/wireguard/tun"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	gvisorheader "gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// netstack is a TUN device whose other end is gVisor's IP stack in this process:
// what a person without privileges has.
//
// Chosen here: the stack is set up and its packet queue read directly, rather
// than by wireguard's tun/netstack. There a write can wait for a read, a packet
// sent while the device is closed panics, and TCP keeps the stack's defaults.
type netstack struct {
	stack  *stack.Stack
	queue  *channel.Endpoint
	mtu    int
	events chan wgtun.Event

	open   context.Context // done once closed
	cancel context.CancelFunc
	writes sync.RWMutex // held for reading by Write, for writing by Close
}

const (
	nic           = 1    // the stack's only interface
	netstackQueue = 4096 // packets on their way to Read, about a send buffer of TCP; more are dropped
	netstackBatch = 32
)

// OpenNetstack makes a device whose other end is an IP stack of this process,
// and returns both. addresses are the stack's own, dns the servers that names
// are looked up at; both are reached through the device. It needs no privilege.
func OpenNetstack(addresses, dns []netip.Addr, mtu int) (Device, *Net, error) {
	d := &netstack{
		stack: stack.New(stack.Options{
			NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
			TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6},
			HandleLocal:        true,
		}),
		queue:  channel.New(netstackQueue, uint32(mtu), ""),
		mtu:    mtu,
		events: make(chan wgtun.Event, 1),
	}
	d.open, d.cancel = context.WithCancel(context.Background())
	if err := d.configure(addresses); err != nil {
		d.Close()
		return nil, nil, fmt.Errorf("tun: making an IP stack: %w", err)
	}
	d.events <- wgtun.EventUp
	return d, &Net{stack: d.stack, dns: dns}, nil
}

// configure gives the stack its interface, addresses and routes.
func (d *netstack) configure(addresses []netip.Addr) error {
	// After a burst of loss the stack's RACK sends two segments per retransmission
	// timeout, for minutes; without it, it recovers in one. Its CUBIC's congestion
	// window can become 0, which ends a connection's sending for good.
	sack, recovery, control := tcpip.TCPSACKEnabled(true), tcpip.TCPRecovery(0), tcpip.CongestionControlOption("reno")
	for _, option := range []tcpip.SettableTransportProtocolOption{&sack, &recovery, &control} {
		if err := d.stack.SetTransportProtocolOption(tcp.ProtocolNumber, option); err != nil {
			return fmt.Errorf("TCP option %T: %v", option, err)
		}
	}
	if err := d.stack.CreateNIC(nic, d.queue); err != nil {
		return fmt.Errorf("%v", err)
	}
	for _, a := range addresses {
		if !a.IsValid() {
			return fmt.Errorf("invalid address")
		}
		address := tcpip.ProtocolAddress{
			Protocol:          protocolOf(a),
			AddressWithPrefix: tcpip.AddrFromSlice(a.AsSlice()).WithPrefix(),
		}
		if err := d.stack.AddProtocolAddress(nic, address, stack.AddressProperties{}); err != nil {
			return fmt.Errorf("address %v: %v", a, err)
		}
	}
	d.stack.SetRouteTable([]tcpip.Route{
		{Destination: gvisorheader.IPv4EmptySubnet, NIC: nic},
		{Destination: gvisorheader.IPv6EmptySubnet, NIC: nic},
	})
	return nil
}

func protocolOf(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Is4() {
		return ipv4.ProtocolNumber
	}
	return ipv6.ProtocolNumber
}

// Read implements tun.Device: what the stack sends, as many packets as wait, at
// least one.
func (d *netstack) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	p := d.queue.ReadContext(d.open)
	if p == nil {
		return 0, os.ErrClosed
	}
	n := 0
	for {
		sizes[n] = copyPacket(bufs[n][offset:], p)
		n++
		if n == len(bufs) {
			return n, nil
		}
		if p = d.queue.Read(); p == nil {
			return n, nil
		}
	}
}

// copyPacket copies the packet and gives it back to the stack.
func copyPacket(b []byte, p *stack.PacketBuffer) int {
	n := 0
	for _, part := range p.AsSlices() {
		n += copy(b[n:], part)
	}
	p.DecRef()
	return n
}

// Write implements tun.Device: it hands packets to the stack.
func (d *netstack) Write(bufs [][]byte, offset int) (int, error) {
	d.writes.RLock()
	defer d.writes.RUnlock()
	if d.open.Err() != nil {
		return 0, os.ErrClosed
	}
	var err error
	written := 0
	for _, b := range bufs {
		number, ok := networkProtocol(b[offset:])
		if !ok {
			err = syscall.EAFNOSUPPORT
			continue
		}
		p := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(b[offset:])})
		d.queue.InjectInbound(number, p)
		p.DecRef()
		written++
	}
	return written, err
}

func networkProtocol(packet []byte) (tcpip.NetworkProtocolNumber, bool) {
	if len(packet) == 0 {
		return 0, false
	}
	switch packet[0] >> 4 {
	case 4:
		return ipv4.ProtocolNumber, true
	case 6:
		return ipv6.ProtocolNumber, true
	}
	return 0, false
}

// Close implements tun.Device. It ends the stack with all its connections, and
// waits for its goroutines. Closing twice is allowed.
func (d *netstack) Close() error {
	d.writes.Lock()
	defer d.writes.Unlock()
	if d.open.Err() != nil {
		return nil
	}
	d.cancel()
	d.stack.Destroy()
	d.queue.Close()
	close(d.events)
	return nil
}

// File implements tun.Device: there is none.
func (d *netstack) File() *os.File { return nil }

// MTU implements tun.Device.
func (d *netstack) MTU() (int, error) { return d.mtu, nil }

// Name implements tun.Device.
func (d *netstack) Name() (string, error) { return "netstack", nil }

// Events implements tun.Device.
func (d *netstack) Events() <-chan wgtun.Event { return d.events }

// BatchSize implements tun.Device.
func (d *netstack) BatchSize() int { return netstackBatch }
