// Package tuntest has a TUN device made of channels, for tests in virtual time
// (testing/synctest).
package tuntest

import (
	"os"
	"sync"

	"golang.zx2c4.com/wireguard/tun"
)

// Device is a tun.Device. The test plays the system: it sends packets with
// Inject, and takes those written to the device from Written.
type Device struct {
	mtu     int
	inject  chan []byte
	written chan []byte
	events  chan tun.Event
	closed  chan struct{}
	once    sync.Once
}

var _ tun.Device = (*Device)(nil)

// New returns a device. Inside a synctest bubble it must be made there.
func New(mtu int) *Device {
	d := &Device{
		mtu:     mtu,
		inject:  make(chan []byte, queue),
		written: make(chan []byte, queue),
		events:  make(chan tun.Event, 1),
		closed:  make(chan struct{}),
	}
	d.events <- tun.EventUp
	return d
}

const (
	queue     = 1024 // packets each way
	batchSize = 16
)

// Inject makes the device read a packet, which it owns from now on. It blocks
// while the queue is full, and drops the packet once the device is closed.
func (d *Device) Inject(packet []byte) {
	select {
	case d.inject <- packet:
	case <-d.closed:
	}
}

// Written returns the packets written to the device, each a copy. A packet
// written while 1,024 wait is dropped.
func (d *Device) Written() <-chan []byte { return d.written }

// Read implements tun.Device: as many packets as wait, at least one.
func (d *Device) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	select {
	case p := <-d.inject:
		sizes[0] = copy(bufs[0][offset:], p)
	case <-d.closed:
		return 0, os.ErrClosed
	}
	for n := 1; n < len(bufs); n++ {
		select {
		case p := <-d.inject:
			sizes[n] = copy(bufs[n][offset:], p)
		default:
			return n, nil
		}
	}
	return len(bufs), nil
}

// Write implements tun.Device.
func (d *Device) Write(bufs [][]byte, offset int) (int, error) {
	for i, b := range bufs {
		select {
		case <-d.closed:
			return i, os.ErrClosed
		default:
		}
		select {
		case d.written <- append([]byte(nil), b[offset:]...):
		default:
		}
	}
	return len(bufs), nil
}

// Close implements tun.Device. Closing twice is allowed.
func (d *Device) Close() error {
	d.once.Do(func() {
		close(d.closed)
		close(d.events)
	})
	return nil
}

// File implements tun.Device: there is none.
func (d *Device) File() *os.File { return nil }

// MTU implements tun.Device.
func (d *Device) MTU() (int, error) { return d.mtu, nil }

// Name implements tun.Device.
func (d *Device) Name() (string, error) { return "test", nil }

// Events implements tun.Device.
func (d *Device) Events() <-chan tun.Event { return d.events }

// BatchSize implements tun.Device.
func (d *Device) BatchSize() int { return batchSize }
