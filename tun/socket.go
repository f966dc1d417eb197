package tun

import "sync/atomic"

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
