package tun

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The control message that names a datagram's local address has one of
//
//	struct in_pktinfo:  interface index (4), local address (4), address in the header (4)   ip(7)
//	struct in6_pktinfo: address (16), interface index (4)                                   RFC 3542, section 6
//
// behind struct cmsghdr. pktinfoSpace is room for either.
const pktinfoSpace = 64

// localAddress returns the address that a datagram was sent to, by its control
// messages; invalid: they don't say.
func localAddress(oob []byte) netip.Addr {
	for len(oob) > 0 {
		h, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			break
		}
		switch {
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			return netip.AddrFrom4([4]byte(data[8:12]))
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			return netip.AddrFrom16([16]byte(data[:16]))
		}
		oob = rest
	}
	return netip.Addr{}
}

// putPktinfo writes the control message that makes a datagram leave by a local
// address, and returns it.
func putPktinfo(b []byte, local netip.Addr) []byte {
	clear(b)
	h := (*unix.Cmsghdr)(unsafe.Pointer(unsafe.SliceData(b)))
	if local.Is4() {
		h.Level, h.Type = unix.IPPROTO_IP, unix.IP_PKTINFO
		h.SetLen(unix.CmsgLen(unix.SizeofInet4Pktinfo))
		address := local.As4()
		copy(b[unix.CmsgLen(0)+4:], address[:])
		return b[:unix.CmsgSpace(unix.SizeofInet4Pktinfo)]
	}
	h.Level, h.Type = unix.IPPROTO_IPV6, unix.IPV6_PKTINFO
	h.SetLen(unix.CmsgLen(unix.SizeofInet6Pktinfo))
	address := local.As16()
	copy(b[unix.CmsgLen(0):], address[:])
	return b[:unix.CmsgSpace(unix.SizeofInet6Pktinfo)]
}
