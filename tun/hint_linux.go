package tun

import (
	"fmt"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// reported empties the socket's error queue, and returns the latest error in it
// with the peer that it is about: "192.0.2.1:500: connection refused". nil: the
// queue was empty. The queue must not be left: it takes room from datagrams.
// ip(7), IP_RECVERR.
func (s *socket) reported() error {
	var latest error
	oob := make([]byte, 512)
	_ = s.raw.Control(func(fd uintptr) {
		for {
			_, n, _, to, err := unix.Recvmsg(int(fd), nil, oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
			if err != nil {
				return
			}
			if errno := extendedError(oob[:n]); errno != 0 {
				latest = fmt.Errorf("%v: %w", sockaddr(to), errno)
			}
		}
	})
	return latest
}

// extendedError reads struct sock_extended_err, whose first field is the errno.
func extendedError(oob []byte) syscall.Errno {
	for len(oob) > 0 {
		h, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			break
		}
		isError := h.Level == unix.IPPROTO_IP && h.Type == unix.IP_RECVERR ||
			h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_RECVERR
		if isError && len(data) >= int(unsafe.Sizeof(unix.SockExtendedErr{})) {
			return syscall.Errno((*unix.SockExtendedErr)(unsafe.Pointer(unsafe.SliceData(data))).Errno)
		}
		oob = rest
	}
	return 0
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
