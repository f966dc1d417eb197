package tun

import (
	"net/netip"
	"sync/atomic"
)

// Socket is what a Carrier sends and receives through: one of the system's, or one
// that somebody else brings. Read has one caller at a time, the others may have
// many.
type Socket interface {
	// Read waits for datagrams and takes as many as are there, at most len(in).
	// Their Data is valid until the next call, and their Path lacks Marker. After
	// Close it returns net.ErrClosed.
	Read(in []Datagram) (int, error)
	// Write sends each packet as one datagram, and returns the first error.
	Write(packets [][]byte, to Path) error
	// Source is the local address that datagrams to remote come from; invalid when
	// there is no route.
	Source(remote netip.Addr) netip.Addr
	Close() error
}

// pathMTUSocket is a Socket that hears what routers say of datagrams that were too
// large: see Carrier's OnPathMTU.
type pathMTUSocket interface {
	OnPathMTU(f func(remote netip.Addr, mtu int))
}

// socketBuffer is what is asked for as the system's buffer of each direction, in
// octets: 5,000 packets, some 100 ms at 600 Mbit/s.
const socketBuffer = 7 << 20

// hint is the latest error that a socket outlived, and how many there were.
type hint struct {
	err   atomic.Pointer[error]
	count atomic.Uint64
}

func (h *hint) set(err error) {
	if err != nil {
		h.err.Store(&err)
		h.count.Add(1)
	}
}

func (h *hint) get() error {
	if err := h.err.Load(); err != nil {
		return *err
	}
	return nil
}
