package tun

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
)

// Carrier is one UDP socket for IKE, ESP and keepalives. Its Send methods may be
// called from any goroutine, and before Serve.
type Carrier struct {
	receiver
	framing Framing
	local   netip.AddrPort
	marked  marked
}

// ListenUDP opens a UDP socket on a local address, which may be 0.0.0.0 or ::
// (then Path.Local is the address each datagram was sent to, and those sent come
// from theirs), and a port, which may be 0.
func ListenUDP(local netip.AddrPort, f Framing) (*Carrier, error) {
	conn, err := net.ListenUDP(network("udp", local.Addr()), net.UDPAddrFromAddrPort(local))
	if err != nil {
		return nil, fmt.Errorf("tun: opening UDP %v: %w", local, cause(err))
	}
	local = unmap(conn.LocalAddr().(*net.UDPAddr).AddrPort())
	s, err := newUDPSocket(conn, local, f == ByRemotePort)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("tun: opening UDP %v: %w", local, err)
	}
	return &Carrier{receiver: receiver{socket: s, hint: &s.hint}, framing: f, local: local}, nil
}

// NewCarrier returns a Carrier over a socket that is bound to local. The socket is
// the Carrier's from now on.
func NewCarrier(s Socket, local netip.AddrPort, f Framing) *Carrier {
	return &Carrier{receiver: receiver{socket: s, hint: new(hint)}, framing: f, local: local}
}

// Serve reads the socket until Close, and then returns nil. Nobody else reads
// it. ike gets each IKE message without its marker, in a slice that it owns, and
// where it came from; it runs in Serve's goroutine, so it has to be quick. ESP
// goes to the attached Tunnel. Errors that a peer or a router can cause don't end
// it: see LastError.
func (c *Carrier) Serve(ike func(msg []byte, from Path)) error {
	return c.serve(func(d *Datagram) bool {
		d.From.Marker = c.framing.marker(d.From.Remote.Port())
		kind, content := classify(d.Data, d.From.Marker)
		switch kind {
		case kindESP:
			d.Data = content
		case kindIKE:
			c.ike.Add(1)
			ike(bytes.Clone(content), d.From)
		case kindKeepalive:
			c.keepalives.Add(1)
		case kindShort:
			c.short.Add(1)
		}
		return kind == kindESP
	})
}

// LocalAddr returns what the socket is bound to: the port, and 0.0.0.0 or :: if
// ListenUDP was given that.
func (c *Carrier) LocalAddr() netip.AddrPort { return c.local }

// SourceFor returns the local address that datagrams to remote come from: what
// NAT-D hashes. It is invalid when there is no route to remote.
func (c *Carrier) SourceFor(remote netip.Addr) netip.Addr {
	return c.socket.Source(remote)
}

// sourceFor asks the system by connecting a socket, which sends nothing.
func sourceFor(remote netip.Addr) netip.Addr {
	const discard = 9 // any port will do
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(remote, discard)))
	if err != nil {
		return netip.Addr{}
	}
	defer conn.Close()
	return unmap(conn.LocalAddr().(*net.UDPAddr).AddrPort()).Addr()
}

// SendIKE sends an IKE message, behind the non-ESP marker if the path has it.
func (c *Carrier) SendIKE(msg []byte, to Path) error {
	if to.Marker {
		msg = append(bytes.Clone(nonESPMarker), msg...)
	}
	return c.socket.Write([][]byte{msg}, to)
}

// SendESP sends ESP packets, in order, one a datagram. An error is that of the
// first that couldn't be sent; the others are sent all the same. On a path
// without the non-ESP marker they go behind the non-IKE marker, as the oldest
// drafts of NAT traversal have it.
func (c *Carrier) SendESP(packets [][]byte, to Path) error {
	if to.Marker {
		return c.socket.Write(packets, to)
	}
	c.marked.Lock()
	defer c.marked.Unlock()
	return c.socket.Write(c.marked.mark(packets), to)
}

// marked is room for packets behind their markers.
type marked struct {
	sync.Mutex
	octets  []byte
	packets [][]byte
}

func (m *marked) mark(packets [][]byte) [][]byte {
	size := 0
	for _, p := range packets {
		size += len(nonIKEMarker) + len(p)
	}
	// Grown beforehand: the packets lie in it, and it mustn't move.
	m.octets, m.packets = slices.Grow(m.octets[:0], size), m.packets[:0]
	for _, p := range packets {
		begin := len(m.octets)
		m.octets = append(append(m.octets, nonIKEMarker...), p...)
		m.packets = append(m.packets, m.octets[begin:])
	}
	return m.packets
}

// SendKeepalive sends a NAT keepalive (RFC 3948, section 2.3).
func (c *Carrier) SendKeepalive(to Path) error { return c.socket.Write([][]byte{keepalive}, to) }

// network is "udp4", or "udp6" for a socket that takes no IPv4.
func network(name string, a netip.Addr) string {
	if a.Is4() {
		return name + "4"
	}
	return name + "6"
}

// unmap makes an IPv4 address of one written as IPv6.
func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// cause takes off net's own wrapping, which repeats the address.
func cause(err error) error {
	if op, ok := err.(*net.OpError); ok {
		return op.Err
	}
	return err
}
