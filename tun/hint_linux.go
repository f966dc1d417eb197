package tun

import (
	"fmt"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// hear empties the socket's error queue, of which the latest error with the peer that
// it is about becomes the hint: "192.0.2.1:500: connection refused". What a router says
// of packets that are too large goes to whoever asked for that, and is no error. false:
// the queue was empty. It must not be left: it takes room from datagrams. ip(7),
// IP_RECVERR. The caller has acquired the socket.
func (s *socket) hear() (any bool) {
	oob := make([]byte, 512)
	for {
		_, n, _, to, err := unix.Recvmsg(s.fd, nil, oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if err != nil {
			return any
		}
		e := extendedError(oob[:n])
		switch peer, errno := sockaddr(to), syscall.Errno(e.Errno); {
		case errno == 0:
			continue
		case errno == unix.EMSGSIZE:
			if f := s.pathMTU.Load(); f != nil {
				(*f)(peer.Addr().Unmap(), int(e.Info))
			}
		default:
			s.hint.set(fmt.Errorf("%v: %w", peer, errno))
		}
		any = true
	}
}

// OnPathMTU is Carrier's.
func (s *socket) OnPathMTU(f func(remote netip.Addr, mtu int)) {
	s.pathMTU.Store(&f)
	s.hearErrors()
}

// hearErrors has ICMP errors queued. ip(7), IP_RECVERR.
func (s *socket) hearErrors() { _ = s.setOption(unix.IP_RECVERR, unix.IPV6_RECVERR, 1) }

// extendedError finds struct sock_extended_err; one without errno: there is none.
func extendedError(oob []byte) (e unix.SockExtendedErr) {
	for len(oob) > 0 {
		h, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			break
		}
		isError := h.Level == unix.IPPROTO_IP && h.Type == unix.IP_RECVERR ||
			h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_RECVERR
		if isError && len(data) >= int(unsafe.Sizeof(e)) {
			return *(*unix.SockExtendedErr)(unsafe.Pointer(unsafe.SliceData(data)))
		}
		oob = rest
	}
	return e
}

func sockaddr(a unix.Sockaddr) netip.AddrPort {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	}
	return netip.AddrPort{}
}
