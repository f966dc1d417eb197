package tun

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The control message that names a datagram's local address has one of
//
//	struct in_pktinfo:  interface index (4), local address (4), address in the header (4)   ip(7)
//	struct in6_pktinfo: address (16), interface index (4)                                   RFC 3542, section 6
//
// behind struct cmsghdr. The one that says where a train is cut has the octets of each
// datagram, those of the last one excepted, which may be shorter (udp(7)):
//
//	UDP_SEGMENT, to the kernel: 2 octets    UDP_GRO, from the kernel: 4 octets
//
// controlSpace is room for one of each.
const controlSpace = 96

// parseControl returns the address that datagrams were sent to, and where they are to
// be cut, by their control messages; invalid and 0: they don't say.
func parseControl(oob []byte) (local netip.Addr, size int) {
	for len(oob) > 0 {
		h, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			break
		}
		switch {
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			local = netip.AddrFrom4([4]byte(data[8:12]))
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			local = netip.AddrFrom16([16]byte(data[:16]))
		case h.Level == unix.IPPROTO_UDP && h.Type == unix.UDP_GRO && len(data) >= 4:
			size = int(binary.NativeEndian.Uint32(data))
		}
		oob = rest
	}
	return local, size
}

// putSegment writes the control message that has the kernel cut a train, and returns
// it.
func putSegment(b []byte, size int) []byte {
	b = b[:unix.CmsgSpace(2)]
	clear(b)
	h := (*unix.Cmsghdr)(unsafe.Pointer(unsafe.SliceData(b)))
	h.Level, h.Type = unix.IPPROTO_UDP, unix.UDP_SEGMENT
	h.SetLen(unix.CmsgLen(2))
	binary.NativeEndian.PutUint16(b[unix.CmsgLen(0):], uint16(size))
	return b
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
