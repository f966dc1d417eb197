package tun

import (
	"net"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// descriptor is a file descriptor outside of the runtime's poller: who reads it sleeps
// in the kernel on a thread of its own, and is awake as soon as there is something. The
// runtime's poller would wake another thread first. Any goroutine may call any method.
type descriptor struct {
	fd     int
	wake   int // eventfd(2): readable once Close was called
	closed atomic.Bool
	use    sync.RWMutex // held for reading while fd is used, for writing by Close
}

// newDescriptor takes fd, which belongs to the descriptor unless there is an error.
// blocking: only a socket may be so, since reading a device has no end but by a packet.
func newDescriptor(fd int, blocking bool) (*descriptor, error) {
	if err := unix.SetNonblock(fd, !blocking); err != nil {
		return nil, err
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &descriptor{fd: fd, wake: wake}, nil
}

// acquire keeps fd open until release. net.ErrClosed: it is closed.
func (d *descriptor) acquire() error {
	d.use.RLock()
	if d.closed.Load() {
		d.use.RUnlock()
		return net.ErrClosed
	}
	return nil
}

func (d *descriptor) release() { d.use.RUnlock() }

// wait returns which of the events, or of POLLERR and POLLHUP, there are, as soon as
// there is one, and net.ErrClosed after Close. The caller has acquired it.
func (d *descriptor) wait(events int16) (int16, error) {
	fds := [...]unix.PollFd{{Fd: int32(d.fd), Events: events}, {Fd: int32(d.wake), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds[:], -1); err != nil && err != unix.EINTR && err != unix.EAGAIN {
			return 0, err
		}
		switch {
		case fds[1].Revents != 0:
			return 0, net.ErrClosed
		case fds[0].Revents != 0:
			return fds[0].Revents, nil
		}
	}
}

// Close ends each wait and each read of a socket that blocks, waits until nobody uses fd, and closes it.
func (d *descriptor) Close() error {
	if d.closed.Swap(true) {
		return nil
	}
	one := [8]byte{1}
	_, _ = unix.Write(d.wake, one[:])
	_ = unix.Shutdown(d.fd, unix.SHUT_RD) // one that isn't connected says it can't, and wakes its reader
	d.use.Lock()
	defer d.use.Unlock()
	_ = unix.Close(d.wake)
	return unix.Close(d.fd)
}
