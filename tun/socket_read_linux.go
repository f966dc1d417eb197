package tun

import (
	"net"
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// reader is what Read needs, so that it allocates nothing.
type reader struct {
	buffer  []byte
	train   train // what the latest call had no room for
	message unix.Msghdr
	iovec   unix.Iovec
	name    unix.RawSockaddrInet6
	control [controlSpace]byte
}

// readerBuffer is one datagram or train of any size behind small ones of as many
// octets. Octets that nothing reaches take no memory.
const readerBuffer = 2 * maxPacket

// train is datagrams of one flow and of equal size behind one another, of which the
// last may be shorter.
type train struct {
	data []byte
	size int // where it is cut
	path Path
}

func (r *reader) prepare() {
	r.buffer = make([]byte, readerBuffer)
	r.message.Iov = &r.iovec
	r.message.SetIovlen(1)
	r.message.Name = (*byte)(unsafe.Pointer(&r.name))
	r.message.Control = &r.control[0]
}

// Read implements Socket: it waits for datagrams and takes as many as are there, at
// most len(in), and no more than one train. Their Data is valid until the next call.
// ICMP errors become hints: then it may return 0, nil.
func (s *socket) Read(in []Datagram) (int, error) {
	if err := s.acquire(); err != nil {
		return 0, err
	}
	defer s.release()
	r := &s.reader
	if n := r.train.cut(in); n > 0 {
		return n, nil // they lie in the buffer
	}
	n, at := 0, 0
	for n < len(in) && len(r.buffer)-at >= maxPacket {
		octets, errno := s.receive(r.buffer[at:], n == 0)
		switch {
		case errno == unix.EINTR:
			continue
		case octets == 0 && s.closed.Load():
			return 0, net.ErrClosed
		case errno == 0:
			r.train = s.received(r.buffer[at:at+octets], octets)
			many := r.train.size < octets
			if len(r.train.data) == 0 {
				in[n] = Datagram{From: r.train.path}
				n++
			}
			if n += r.train.cut(in[n:]); many {
				return n, nil
			}
			at += octets
		case n > 0:
			if errno != unix.EAGAIN {
				s.hear() // it is told once
			}
			return n, nil
		default:
			if s.hear() {
				return 0, nil
			}
			return 0, os.NewSyscallError("recvmsg", errno)
		}
	}
	return n, nil
}

// receive takes one datagram or train, and may wait for it.
func (s *socket) receive(buffer []byte, wait bool) (octets int, errno unix.Errno) {
	r := &s.reader
	r.iovec.Base = unsafe.SliceData(buffer)
	r.iovec.SetLen(maxPacket)
	r.message.Namelen = unix.SizeofSockaddrInet6
	r.message.SetControllen(len(r.control))
	var n uintptr
	if wait {
		n, _, errno = unix.Syscall(unix.SYS_RECVMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&r.message)), 0)
	} else {
		n, _, errno = unix.RawSyscall(unix.SYS_RECVMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&r.message)), unix.MSG_DONTWAIT)
	}
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// received says what the latest call of receive brought.
func (s *socket) received(data []byte, octets int) train {
	r := &s.reader
	local, size := parseControl(r.control[:min(int(r.message.Controllen), len(r.control))])
	path := Path{Local: s.local, Remote: s.address(&r.name)}
	if s.wildcard() {
		path.Local = netip.AddrPortFrom(local, s.local.Port())
	}
	if s.stripIP {
		data = stripIPv4(data)
	}
	if size <= 0 || size > octets {
		size = octets
	}
	return train{data: data, size: max(size, 1), path: path}
}

// cut takes datagrams off the train, as many as there is room for.
func (t *train) cut(in []Datagram) (n int) {
	for n < len(in) && len(t.data) > 0 {
		size := min(t.size, len(t.data))
		in[n] = Datagram{t.data[:size:size], t.path}
		t.data = t.data[size:]
		n++
	}
	return n
}

// stripIPv4 takes off the IPv4 header; what has none becomes empty.
func stripIPv4(b []byte) []byte {
	if len(b) < ipv4HeaderLen || int(b[0]&15)*4 > len(b) {
		return nil
	}
	return b[int(b[0]&15)*4:]
}
