//go:build !linux

package tun

import (
	"net"
	"net/netip"
)

// socket reads and writes datagrams, one a system call.
type socket struct {
	conn   *net.UDPConn
	local  netip.AddrPort
	hint   hint
	buffer []byte

	// The peer last heard of and the local address it is reached from: what a
	// wildcard-bound socket takes for the address it was spoken to.
	peer, source netip.Addr
}

func newUDPSocket(conn *net.UDPConn, local netip.AddrPort, _ bool) (*socket, error) {
	_ = conn.SetReadBuffer(socketBuffer)
	_ = conn.SetWriteBuffer(socketBuffer)
	return &socket{conn: conn, local: local, buffer: make([]byte, maxPacket)}, nil
}

// Read implements Socket: it waits for a datagram. Its Data is valid until the next call.
func (s *socket) Read(in []Datagram) (int, error) {
	n, from, err := s.conn.ReadFromUDPAddrPort(s.buffer)
	if err != nil {
		return 0, err
	}
	from = unmap(from)
	local := s.local
	if local.Addr().IsUnspecified() {
		if from.Addr() != s.peer {
			s.peer, s.source = from.Addr(), sourceFor(from.Addr())
		}
		local = netip.AddrPortFrom(s.source, local.Port())
	}
	in[0] = Datagram{s.buffer[:n], Path{Local: local, Remote: from}}
	return 1, nil
}

// Write implements Socket: it sends each packet as one datagram, and returns the first error.
func (s *socket) Write(packets [][]byte, to Path) error {
	var first error
	for _, p := range packets {
		if _, err := s.conn.WriteToUDPAddrPort(p, to.Remote); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// Source implements Socket.
func (s *socket) Source(remote netip.Addr) netip.Addr {
	if !s.local.Addr().IsUnspecified() {
		return s.local.Addr()
	}
	return sourceFor(remote)
}

// Close implements Socket.
func (s *socket) Close() error { return s.conn.Close() }
