package tun

import (
	"errors"
	"net"
	"os"
	"runtime"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
	wgtun "golang.zx2c4.com/wireguard/tun"
)

// anyName makes the kernel put the first free number there.
const anyName = "postern%d"

// What tests take away, as an older kernel would.
var (
	haveVnetHeader = true
	haveTSO        = true
	haveUSO        = true // Linux 6.2
)

// device is a TUN device that exchanges superpackets with the kernel. Read and Write
// have one caller at a time each, others any.
type device struct {
	*descriptor
	*link
	name string
	vnet bool // each packet has a vnetHeader before it

	reading struct {
		buffer []byte      // with cacheLine octets more than it takes
		header int         // octets of the latest superpacket's headers
		super  superpacket // what the latest call had no room for
	}
	writing struct {
		sync.Mutex
		joiner
		packets [][]byte
		header  [vnetHeaderLen]byte
		iovecs  []unix.Iovec
		alone   bool // the kernel takes no superpackets
	}

	once    sync.Once
	file    *os.File
	closing sync.Once
}

const deviceBatch = 128 // packets of one Read

// spareProcessors has the runtime run two goroutines more at a time than it would.
// Both pumps are in system calls nearly always, and unless another of the runtime's
// processors is idle then, a thread of it wakes every 20 µs to take theirs away from
// them, which on two cores costs a tenth of the time.
var spareProcessors = sync.OnceFunc(func() { runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 2) })

// createTUN makes a TUN device, or takes over one that is persistent.
func createTUN(name string, mtu int) (Device, error) {
	spareProcessors()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("open", err)
	}
	d := &device{}
	if d.name, err = d.attach(fd, name); err == nil {
		d.descriptor, err = newDescriptor(fd, false)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	if d.link, err = openLink(d.name, mtu); err != nil {
		d.descriptor.Close()
		return nil, err
	}
	d.reading.buffer = make([]byte, cacheLine+vnetHeaderLen+maxPacket)
	return d, nil
}

// attach makes the device, with what the kernel can do.
func (d *device) attach(fd int, name string) (string, error) {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return "", err
	}
	const flags = unix.IFF_TUN | unix.IFF_NO_PI
	request.SetUint16(flags | unix.IFF_VNET_HDR)
	d.vnet = haveVnetHeader
	if !d.vnet {
		request.SetUint16(flags)
	}
	err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	if d.vnet && errors.Is(err, unix.EINVAL) {
		d.vnet = false
		request.SetUint16(flags)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		return "", os.NewSyscallError("ioctl", err)
	}
	if d.vnet {
		d.offload(fd)
	}
	return request.Name(), nil
}

// offload has the kernel leave checksums and cutting to us, as far as it does.
func (d *device) offload(fd int) {
	const (
		checksums = unix.TUN_F_CSUM
		tcp       = checksums | unix.TUN_F_TSO4 | unix.TUN_F_TSO6
		udp       = tcp | unix.TUN_F_USO4 | unix.TUN_F_USO6
	)
	set := func(have bool, features int) bool {
		return have && unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, features) == nil
	}
	switch {
	case set(haveTSO && haveUSO, udp):
	case set(haveTSO, tcp):
		d.writing.noUDP = true
	default:
		set(true, checksums)
		d.writing.alone = true
	}
}

// remedy says what can be done about an error of making a device.
func remedy(err error) string {
	switch {
	case errors.Is(err, os.ErrPermission):
		return " (it takes root or CAP_NET_ADMIN)"
	case errors.Is(err, unix.EBUSY):
		return " (another program has a device of that name)"
	}
	if _, missing := os.Stat("/dev/net/tun"); errors.Is(missing, os.ErrNotExist) {
		return " (the kernel's tun module isn't loaded)"
	}
	return ""
}

// Read implements tun.Device: it waits for a packet and takes as many as are there, at
// most len(bufs), and no more than one large superpacket.
func (d *device) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	if err := d.acquire(); err != nil {
		return 0, os.ErrClosed
	}
	defer d.release()
	r := &d.reading
	n, err := r.super.fill(bufs, sizes, offset)
	for n < len(bufs) && err == nil {
		buffer := d.aligned()
		octets, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(d.fd), uintptr(unsafe.Pointer(&buffer[0])), uintptr(len(buffer)))
		switch {
		case errno == unix.EINTR:
		case errno == 0:
			if err = d.take(buffer[:octets]); err != nil {
				break
			}
			var got int
			if got, err = r.super.fill(bufs[n:], sizes[n:], offset); got >= enough {
				return n + got, nil
			}
			n += got
		case n > 0:
			return n, nil
		case errno != unix.EAGAIN:
			return 0, closedError(errno)
		default:
			if _, err := d.wait(unix.POLLIN); err != nil {
				return 0, closedError(err)
			}
		}
	}
	return n, err
}

// aligned is room for a superpacket, whose data begins with a cache line if its headers
// are as long as the latest one's: the kernel copies it faster then.
func (d *device) aligned() []byte {
	r := &d.reading
	at := -(vnetHeaderLen + r.header) & (cacheLine - 1)
	return r.buffer[at:][:vnetHeaderLen+maxPacket]
}

// enough is how many packets a superpacket has that nothing is read behind.
const enough = 16

// take begins with what was read.
func (d *device) take(b []byte) error {
	var h vnetHeader
	if d.vnet {
		if len(b) < vnetHeaderLen {
			return errPacket
		}
		h.decode(b)
		b = b[vnetHeaderLen:]
	}
	r := &d.reading
	err := r.super.set(h, b)
	if h.gso != unix.VIRTIO_NET_HDR_GSO_NONE {
		r.header = len(r.super.header)
	}
	return err
}

// closedError is os.ErrClosed for a device that is closed or deleted.
func closedError(err error) error {
	if err == net.ErrClosed || err == unix.EBADFD {
		return os.ErrClosed
	}
	return os.NewSyscallError("tun", err)
}

// fill cuts segments into buffers, as many as there are or fit.
func (s *superpacket) fill(bufs [][]byte, sizes []int, offset int) (n int, err error) {
	for n < len(bufs) && err == nil {
		if sizes[n], err = s.next(bufs[n][offset:]); sizes[n] == 0 {
			break
		}
		n++
	}
	return n, err
}

// Write implements tun.Device: it writes all packets that can be written, of one flow
// in order, and returns how many, and the first error. It may change their headers.
func (d *device) Write(bufs [][]byte, offset int) (int, error) {
	if err := d.acquire(); err != nil {
		return 0, os.ErrClosed
	}
	defer d.release()
	w := &d.writing
	w.Lock()
	defer w.Unlock()
	w.packets = w.packets[:0]
	for _, b := range bufs {
		w.packets = append(w.packets, b[offset:])
	}
	if !d.vnet || w.alone {
		return d.writeEach(w.packets)
	}
	w.begin(len(w.packets))
	for i := range w.packets {
		w.add(w.packets, i)
	}
	var written int
	var first error
	for i := range w.groups {
		n, err := d.writeGroup(&w.groups[i])
		if written += n; first == nil {
			first = err
		}
	}
	return written, first
}

// writeEach writes packets as they are.
func (d *device) writeEach(packets [][]byte) (n int, first error) {
	for _, p := range packets {
		if err := d.write(vnetHeader{}, p); err == nil {
			n++
		} else if first == nil {
			first = err
		}
	}
	return n, first
}

// writeGroup writes packets as one. If the kernel refuses that they are written one by
// one, and so are all others.
func (d *device) writeGroup(g *group) (int, error) {
	w := &d.writing
	head := w.packets[g.first]
	if g.packets == 1 {
		return 1, d.write(vnetHeader{}, head)
	}
	var saved [128]byte // of the headers
	kept := copy(saved[:], head[:g.header])
	h := g.finish(head)
	w.iovecs = append(w.iovecs[:0], unix.Iovec{}, iovec(head))
	for i := g.first; i != g.last; {
		i = w.next[i]
		w.iovecs = append(w.iovecs, iovec(w.packets[i][g.header:]))
	}
	err := d.writev(h)
	if err == nil {
		return g.packets, nil
	}
	copy(head, saved[:kept])
	if errors.Is(err, unix.EINVAL) {
		if g.udp {
			w.noUDP = true
		} else {
			w.alone = true
		}
	}
	n, i := 0, g.first
	var first error
	for range g.packets {
		if err := d.write(vnetHeader{}, w.packets[i]); err == nil {
			n++
		} else if first == nil {
			first = err
		}
		i = w.next[i]
	}
	return n, first
}

func (d *device) write(h vnetHeader, packet []byte) error {
	d.writing.iovecs = append(d.writing.iovecs[:0], unix.Iovec{}, iovec(packet))
	return d.writev(h)
}

// writev writes the vectors behind the first one, which it sets to the header.
func (d *device) writev(h vnetHeader) error {
	w := &d.writing
	vectors := w.iovecs[1:]
	if d.vnet {
		h.encode(w.header[:])
		w.iovecs[0] = iovec(w.header[:])
		vectors = w.iovecs
	}
	for {
		_, _, errno := unix.Syscall(unix.SYS_WRITEV, uintptr(d.fd), uintptr(unsafe.Pointer(&vectors[0])), uintptr(len(vectors)))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		case unix.EAGAIN:
			if _, err := d.wait(unix.POLLOUT); err != nil {
				return closedError(err)
			}
		default:
			return closedError(errno)
		}
	}
}

func iovec(b []byte) (v unix.Iovec) {
	v.Base = unsafe.SliceData(b)
	v.SetLen(len(b))
	return v
}

// MTU implements tun.Device.
func (d *device) MTU() (int, error) { return d.link.mtu() }

// Name implements tun.Device: what it was called when it was made.
func (d *device) Name() (string, error) { return d.name, nil }

// Events implements tun.Device. An event that nobody takes is forgotten.
func (d *device) Events() <-chan wgtun.Event { return d.link.events }

// BatchSize implements tun.Device.
func (d *device) BatchSize() int { return deviceBatch }

// File implements tun.Device: a duplicate, which belongs to the device. nil: it is
// closed.
func (d *device) File() *os.File {
	if d.acquire() != nil {
		return nil
	}
	defer d.release()
	d.once.Do(func() {
		if fd, err := unix.FcntlInt(uintptr(d.fd), unix.F_DUPFD_CLOEXEC, 0); err == nil {
			d.file = os.NewFile(uintptr(fd), "/dev/net/tun")
		}
	})
	return d.file
}

// Close implements tun.Device: it ends a Read that waits. More than once is allowed.
func (d *device) Close() (err error) {
	d.closing.Do(func() {
		d.link.close()
		err = d.descriptor.Close()
		d.once.Do(func() {})
		if d.file != nil {
			d.file.Close()
		}
	})
	return err
}
