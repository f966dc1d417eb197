package tun

import (
	"net"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// writer is what one call of Write needs, so that it allocates nothing.
type writer struct {
	messages [writerBatch]mmsghdr
	single   [maxSegments]mmsghdr // of a train that the kernel doesn't cut
	iovecs   [writerBatch]unix.Iovec
	control  [writerBatch][controlSpace]byte
	name     unix.RawSockaddrInet6
}

const (
	writerBatch = 128 // packets of one system call
	maxSegments = 64  // UDP_MAX_SEGMENTS, in packets; later kernels have more
	maxTrain    = maxPacket - ipv4HeaderLen - udpHeaderLen

	udpHeaderLen = 8
)

// mmsghdr is a message of sendmmsg(2).
type mmsghdr struct {
	header unix.Msghdr
	sent   uint32
}

// segmentation is whether the kernel cuts trains.
//
// With IP_PMTUDISC_WANT it fragments what is larger than the path, and takes a whole
// train for that: its datagrams would lack DF with IPv4, and no router would report. So
// there trains go with IP_PMTUDISC_DO. Whoever is refused under it, for a datagram that
// doesn't fit the path, is sent as before, and so is all else for a while.
type segmentation struct {
	works atomic.Bool
	pause atomic.Int32 // messages
}

// pauseMessages is how many messages aren't trains after one that was too large.
// Chosen here: often enough to notice that the path has become wider.
const pauseMessages = 1000

// probe finds out whether the kernel cuts trains.
func (s *socket) probe() {
	_, err := unix.GetsockoptInt(s.fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT)
	if err == nil && haveUDPSegment && s.discover(unix.IP_PMTUDISC_DO) == nil {
		s.segment.works.Store(true)
	}
}

func (s *socket) discover(how int) error {
	if s.ipv6 { // routers don't fragment it
		return nil
	}
	return unix.SetsockoptInt(s.fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, how)
}

// segments is how many packets the next message may hold.
func (s *socket) segments() int {
	switch {
	case !s.segment.works.Load():
		return 1
	case s.segment.pause.Load() > 0:
		if s.segment.pause.Add(-1) == 0 {
			_ = s.discover(unix.IP_PMTUDISC_DO)
		}
		return 1
	}
	return maxSegments
}

// refused takes an error about a message, and says whether its packets may be taken
// one by one. EMSGSIZE, or EINVAL before Linux 6.13: they don't fit the path, which isn't
// for ever. EIO: the way there has no checksum offload. Any other may concern a packet.
func (s *socket) refused(errno unix.Errno, packets int) bool {
	if !s.segment.works.Load() {
		return packets > 1
	}
	switch {
	case errno == unix.EMSGSIZE || errno == unix.EINVAL && packets > 1:
		if s.segment.pause.Swap(pauseMessages) > 0 {
			return packets > 1
		}
		_ = s.discover(unix.IP_PMTUDISC_WANT)
		return true
	case packets > 1 && (errno == unix.EIO || errno == unix.ENOPROTOOPT || errno == unix.EOPNOTSUPP):
		s.segment.works.Store(false)
		_ = s.discover(unix.IP_PMTUDISC_WANT)
	}
	return packets > 1
}

// Write implements Socket: it sends each packet as one datagram, and returns the first
// error. From a socket bound to all addresses they leave by the path's local one.
func (s *socket) Write(packets [][]byte, to Path) error {
	if err := s.acquire(); err != nil {
		return err
	}
	defer s.release()
	w := s.writers.Get().(*writer)
	defer s.writers.Put(w)
	nameLen := s.putAddress(&w.name, to.Remote)
	local := s.wildcard() && to.Local.Addr().IsValid() && !to.Local.Addr().IsUnspecified()
	var first error
	for len(packets) > 0 {
		messages, taken := 0, 0
		for taken < len(w.iovecs) && len(packets) > 0 {
			n := trainOf(packets[:min(len(packets), len(w.iovecs)-taken, s.segments())])
			m := &w.messages[messages].header
			*m = unix.Msghdr{Name: (*byte)(unsafe.Pointer(&w.name)), Namelen: nameLen, Iov: &w.iovecs[taken]}
			m.SetIovlen(n)
			control := 0
			if n > 1 {
				control = len(putSegment(w.control[messages][:], len(packets[0])))
			}
			if local {
				control += len(putPktinfo(w.control[messages][control:], to.Local.Addr()))
			}
			if control > 0 {
				m.Control = &w.control[messages][0]
				m.SetControllen(control)
			}
			for _, p := range packets[:n] {
				w.iovecs[taken].Base = unsafe.SliceData(p)
				w.iovecs[taken].SetLen(len(p))
				taken++
			}
			packets = packets[n:]
			messages++
		}
		if err := s.send(w, w.messages[:messages]); err != nil {
			if err == net.ErrClosed {
				return err
			}
			if first == nil {
				first = err
			}
		}
	}
	return first
}

// trainOf is how many of the packets one message can hold: equal ones, and one that is
// shorter behind them.
func trainOf(packets [][]byte) int {
	size, octets := len(packets[0]), len(packets[0])
	for i, p := range packets[1:] {
		if octets += len(p); len(p) > size || len(p) == 0 || octets > maxTrain {
			return i + 1
		}
		if len(p) < size {
			return i + 2
		}
	}
	return len(packets)
}

// send sends all messages that can be sent, and returns the first error. The system
// reports an ICMP error about an earlier datagram once, by refusing another one: that
// one is sent again. A train that is refused is sent one by one.
func (s *socket) send(w *writer, ms []mmsghdr) error {
	var first error
	for again := true; len(ms) > 0; {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&ms[0])), uintptr(len(ms)), unix.MSG_DONTWAIT, 0, 0)
		segments := int(ms[0].header.Iovlen)
		var err error
		switch {
		case errno == 0:
			if ms, again = ms[n:], true; len(ms) > 0 {
				s.hear() // refused behind one that was sent: the system doesn't say so
			}
			continue
		case errno == unix.EINTR:
			continue
		case errno == unix.EAGAIN:
			events, err := s.wait(unix.POLLOUT)
			if err != nil {
				return err
			}
			if events&unix.POLLERR != 0 {
				s.hear()
			}
			continue
		case again:
			again = false
			s.hear()
			continue
		case s.refused(errno, segments):
			if err = s.send(w, w.apart(&ms[0], segments)); err == net.ErrClosed {
				return err
			}
		default:
			err = os.NewSyscallError("sendmsg", errno)
		}
		ms, again = ms[1:], true
		if first == nil {
			first = err
		}
	}
	return first
}

// apart makes a message of each packet of a train.
func (w *writer) apart(train *mmsghdr, segments int) []mmsghdr {
	h := train.header
	if cut := unix.CmsgSpace(2); segments > 1 { // what follows is the local address
		h.SetControllen(int(h.Controllen) - cut)
		if h.Control = (*byte)(unsafe.Add(unsafe.Pointer(h.Control), cut)); h.Controllen == 0 {
			h.Control = nil
		}
	}
	packets := unsafe.Slice(h.Iov, segments)
	for i := range packets {
		h.Iov = &packets[i]
		h.SetIovlen(1)
		w.single[i].header = h
	}
	return w.single[:segments]
}
