package tun

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// socket reads and writes datagrams, many a system call, and knows the local
// address of each though it may be bound to all.
type socket struct {
	conn  net.PacketConn
	batch batchConn
	raw   syscall.RawConn
	local netip.AddrPort
	ipv6  bool
	// stripIP: each datagram begins with its IPv4 header (raw(7)).
	stripIP bool
	// portless: addresses are net.IPAddr, not net.UDPAddr.
	portless bool

	hint     hint
	pathMTU  atomic.Pointer[func(remote netip.Addr, mtu int)]
	messages []ipv4.Message // of Read
	writers  sync.Pool      // of *writer
}

// batchConn is what ipv4.PacketConn and ipv6.PacketConn have in common: both
// Message types are the same one.
type batchConn interface {
	ReadBatch(ms []ipv4.Message, flags int) (int, error)
	WriteBatch(ms []ipv4.Message, flags int) (int, error)
}

// newUDPSocket prepares a UDP socket. hints: the socket has one peer, and ICMP
// errors about datagrams to it are to be reported by Read.
func newUDPSocket(conn *net.UDPConn, local netip.AddrPort, hints bool) (*socket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &socket{conn: conn, raw: raw, local: local, ipv6: local.Addr().Is6()}
	if hints {
		s.hearErrors()
	}
	return s, s.prepare()
}

// newRawSocket prepares a socket of an IP protocol.
func newRawSocket(conn *net.IPConn, local netip.Addr) (*socket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &socket{
		conn: conn, raw: raw, local: netip.AddrPortFrom(local, 0), ipv6: local.Is6(),
		stripIP: local.Is4(), portless: true,
	}
	return s, s.prepare()
}

// prepare asks for big buffers and for the local address of each datagram, and
// makes room for a batch.
func (s *socket) prepare() error {
	for _, buffer := range []struct{ force, plain int }{
		{unix.SO_RCVBUFFORCE, unix.SO_RCVBUF}, {unix.SO_SNDBUFFORCE, unix.SO_SNDBUF},
	} {
		// The first needs CAP_NET_ADMIN, the second is cut to the system's limit:
		// a smaller buffer loses packets in bursts, and nothing else.
		if s.setsockopt(unix.SOL_SOCKET, buffer.force, socketBuffer) != nil {
			_ = s.setsockopt(unix.SOL_SOCKET, buffer.plain, socketBuffer)
		}
	}
	if s.ipv6 {
		s.batch = ipv6.NewPacketConn(s.conn)
	} else {
		s.batch = ipv4.NewPacketConn(s.conn)
	}
	// Packets that fit the path are sent with DF, larger ones (of IKE, mostly) in
	// fragments: so routers report, and nothing is lost. ip(7), IP_MTU_DISCOVER.
	if err := s.setOption(unix.IP_MTU_DISCOVER, unix.IPV6_MTU_DISCOVER, unix.IP_PMTUDISC_WANT); err != nil {
		return err
	}
	if s.wildcard() {
		if err := s.setOption(unix.IP_PKTINFO, unix.IPV6_RECVPKTINFO, 1); err != nil {
			return err
		}
	}
	s.messages = make([]ipv4.Message, readBatch)
	for i := range s.messages {
		s.messages[i].Buffers = [][]byte{make([]byte, maxPacket)}
		s.messages[i].OOB = make([]byte, pktinfoSpace)
	}
	s.writers.New = func() any { return newWriter(s.portless) }
	return nil
}

func (s *socket) wildcard() bool { return s.local.Addr().IsUnspecified() }

// setOption sets an option that IPv4 and IPv6 number differently.
func (s *socket) setOption(v4, v6, value int) error {
	if s.ipv6 {
		return s.setsockopt(unix.IPPROTO_IPV6, v6, value)
	}
	return s.setsockopt(unix.IPPROTO_IP, v4, value)
}

func (s *socket) setsockopt(level, option, value int) error {
	var err error
	if e := s.raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, value) }); e != nil {
		return e
	}
	return err
}

// Read implements Socket: it waits for datagrams and takes as many as are there, at most len(in). Their
// Data is valid until the next call. ICMP errors become hints: then it returns
// 0, nil. x/net allocates an address for each datagram.
func (s *socket) Read(in []Datagram) (int, error) {
	ms := s.messages[:min(len(in), len(s.messages))]
	n, err := s.batch.ReadBatch(ms, 0)
	if err != nil {
		if s.hear() {
			return 0, nil
		}
		return 0, cause(err)
	}
	for i := range ms[:n] {
		m := &ms[i]
		data := m.Buffers[0][:m.N]
		if s.stripIP {
			data = stripIPv4(data)
		}
		local := s.local
		if s.wildcard() {
			local = netip.AddrPortFrom(localAddress(m.OOB[:m.NN]), local.Port())
		}
		in[i] = Datagram{data, Path{Local: local, Remote: addrPort(m.Addr)}}
	}
	return n, nil
}

// stripIPv4 takes off the IPv4 header; what has none becomes empty.
func stripIPv4(b []byte) []byte {
	if len(b) < ipv4HeaderLen || int(b[0]&15)*4 > len(b) {
		return nil
	}
	return b[int(b[0]&15)*4:]
}

func addrPort(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.UDPAddr:
		return unmap(a.AddrPort())
	case *net.IPAddr:
		addr, _ := netip.AddrFromSlice(a.IP)
		return netip.AddrPortFrom(addr.Unmap().WithZone(a.Zone), 0)
	}
	return netip.AddrPort{}
}

// writer is what one call of Write needs, so that it allocates nothing.
type writer struct {
	messages []ipv4.Message
	pktinfo  [pktinfoSpace]byte
	udp      net.UDPAddr
	ip       net.IPAddr
	address  [16]byte
}

func newWriter(portless bool) *writer {
	w := &writer{messages: make([]ipv4.Message, readBatch)}
	for i := range w.messages {
		w.messages[i].Buffers = make([][]byte, 1)
		if portless {
			w.messages[i].Addr = &w.ip
		} else {
			w.messages[i].Addr = &w.udp
		}
	}
	return w
}

// set makes the messages go along a path. local: send from its local address.
func (w *writer) set(to Path, local bool) {
	var ip []byte
	if a := to.Remote.Addr(); a.Is4() {
		v4 := a.As4()
		ip = w.address[:copy(w.address[:], v4[:])]
	} else {
		w.address = a.As16()
		ip = w.address[:]
	}
	w.udp = net.UDPAddr{IP: ip, Port: int(to.Remote.Port()), Zone: to.Remote.Addr().Zone()}
	w.ip = net.IPAddr{IP: ip, Zone: to.Remote.Addr().Zone()}
	var oob []byte
	if local {
		oob = putPktinfo(w.pktinfo[:], to.Local.Addr())
	}
	for i := range w.messages {
		w.messages[i].OOB = oob
	}
}

// Write implements Socket: it sends each packet as one datagram, and returns the first error. From a
// socket bound to all addresses they leave by the path's local one.
func (s *socket) Write(packets [][]byte, to Path) error {
	w := s.writers.Get().(*writer)
	defer s.writers.Put(w)
	w.set(to, s.wildcard() && to.Local.Addr().IsValid() && !to.Local.Addr().IsUnspecified())
	var first error
	for chunk := range slices.Chunk(packets, len(w.messages)) {
		for i, p := range chunk {
			w.messages[i].Buffers[0] = p
		}
		if err := s.writeAll(w.messages[:len(chunk)]); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// writeAll sends all messages that can be sent, and returns the first error. The
// system reports an ICMP error about an earlier datagram once, by refusing
// another one: that one is sent again.
func (s *socket) writeAll(ms []ipv4.Message) error {
	var first error
	for again := true; len(ms) > 0; {
		n, err := s.batch.WriteBatch(ms, 0)
		switch {
		case err == nil:
			if ms, again = ms[n:], true; len(ms) > 0 {
				s.hear() // refused behind one that was sent: the system doesn't say so
			}
		case errors.Is(err, net.ErrClosed):
			return err
		case again:
			again = false
			s.hear()
		default:
			ms, again = ms[1:], true
			if first == nil {
				first = cause(err)
			}
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
