package tun

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What tests take away, as an older kernel would.
var (
	haveUDPSegment = true // Linux 4.18
	haveUDPGRO     = true // Linux 5.0
)

// socket reads and writes datagrams, and knows the local address of each though it
// may be bound to all. Where the kernel cuts and joins UDP datagrams (udp(7),
// UDP_SEGMENT and UDP_GRO) a train of them costs little more than one.
type socket struct {
	*descriptor
	local netip.AddrPort
	ipv6  bool
	// stripIP: each datagram begins with its IPv4 header (raw(7)).
	stripIP bool
	// portless: ports are 0, whatever the path says.
	portless bool

	hint    hint
	pathMTU atomic.Pointer[func(remote netip.Addr, mtu int)]
	segment segmentation
	reader  reader    // of Read
	writers sync.Pool // of *writer
}

// newUDPSocket takes the place of conn, which it closes. hints: the socket has one
// peer, and ICMP errors about datagrams to it are to be reported by Read.
func newUDPSocket(conn *net.UDPConn, local netip.AddrPort, hints bool) (*socket, error) {
	s := &socket{local: local, ipv6: local.Addr().Is6()}
	if err := s.take(conn); err != nil {
		return nil, err
	}
	if hints {
		s.hearErrors()
	}
	if haveUDPGRO {
		_ = s.setsockopt(unix.IPPROTO_UDP, unix.UDP_GRO, 1) // without it: one datagram a call
	}
	s.probe()
	return s, nil
}

// newRawSocket takes the place of a socket of an IP protocol, which it closes.
func newRawSocket(conn *net.IPConn, local netip.Addr) (*socket, error) {
	s := &socket{
		local: netip.AddrPortFrom(local, 0), ipv6: local.Is6(),
		stripIP: local.Is4(), portless: true,
	}
	if err := s.take(conn); err != nil {
		return nil, err
	}
	return s, nil
}

// take makes conn's descriptor ours.
func (s *socket) take(conn syscall.Conn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	fd, failed := -1, error(nil)
	err = raw.Control(func(theirs uintptr) {
		fd, failed = unix.FcntlInt(theirs, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	if s.descriptor, err = newDescriptor(fd, true); err != nil {
		unix.Close(fd)
		return err
	}
	if err := s.prepare(); err != nil {
		s.descriptor.Close()
		return err
	}
	return conn.(net.PacketConn).Close()
}

// prepare asks for big buffers and for the local address of each datagram, and
// makes room for a train.
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
	s.reader.prepare()
	s.writers.New = func() any { return new(writer) }
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
	if err := s.acquire(); err != nil {
		return err
	}
	defer s.release()
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(s.fd, level, option, value))
}

// Source implements Socket.
func (s *socket) Source(remote netip.Addr) netip.Addr {
	if !s.local.Addr().IsUnspecified() {
		return s.local.Addr()
	}
	return sourceFor(remote)
}

// address reads a socket address of the kernel's.
func (s *socket) address(a *unix.RawSockaddrInet6) netip.AddrPort {
	switch a.Family {
	case unix.AF_INET:
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(a))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), s.port(v4.Port))
	case unix.AF_INET6:
		ip := netip.AddrFrom16(a.Addr).Unmap()
		if a.Scope_id != 0 {
			ip = ip.WithZone(zoneName(a.Scope_id))
		}
		return netip.AddrPortFrom(ip, s.port(a.Port))
	}
	return netip.AddrPort{}
}

// putAddress writes one for the kernel, and returns its length. What isn't of the
// socket's family becomes an address that the kernel refuses.
func (s *socket) putAddress(a *unix.RawSockaddrInet6, to netip.AddrPort) uint32 {
	*a = unix.RawSockaddrInet6{}
	ip := to.Addr()
	switch {
	case s.ipv6 && ip.Is6():
		a.Family, a.Port, a.Addr = unix.AF_INET6, s.port(to.Port()), ip.As16()
		if zone := ip.Zone(); zone != "" {
			a.Scope_id = zoneIndex(zone)
		}
		return unix.SizeofSockaddrInet6
	case !s.ipv6 && ip.Unmap().Is4():
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(a))
		v4.Family, v4.Port, v4.Addr = unix.AF_INET, s.port(to.Port()), ip.Unmap().As4()
		return unix.SizeofSockaddrInet4
	}
	a.Family = unix.AF_UNIX
	return unix.SizeofSockaddrInet6
}

// port changes a port from the host's order to the network's, or back.
func (s *socket) port(p uint16) uint16 {
	if s.portless {
		return 0
	}
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&p))[:])
}

func zoneName(index uint32) string {
	if i, err := net.InterfaceByIndex(int(index)); err == nil {
		return i.Name
	}
	return strconv.Itoa(int(index))
}

func zoneIndex(name string) uint32 {
	if i, err := net.InterfaceByName(name); err == nil {
		return uint32(i.Index)
	}
	n, _ := strconv.Atoi(name)
	return uint32(n)
}
