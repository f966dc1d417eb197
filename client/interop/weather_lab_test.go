//go:build linux

package interop

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"postern/tun/faults"
)

// newWeatherLab is a lab without a NAT, in which all between client and gateway goes
// through a relay.
func newWeatherLab(t *testing.T) (*lab, *faults.Relay) {
	t.Helper()
	l := newLab(t, false)
	l.client.ip("link", "delete", "outside")
	r := &faults.Relay{Router: netip.MustParseAddr("192.0.2.254")}
	client := l.client.tun("outside", clientAddress)
	gateway := l.gateway.tun("outside", gatewayAddress)
	l.client.ip("route", "add", "default", "via", gatewayAddress)
	served := make(chan error, 1)
	go func() { served <- r.Serve(client, gateway) }()
	t.Cleanup(func() {
		client.Close()
		gateway.Close()
		if err := <-served; err != nil {
			t.Error("relay:", err)
		}
	})
	return l, r
}

// tun makes a TUN device in a node. Reading it takes what the node sends.
func (n *node) tun(name, address string) *os.File {
	n.lab.t.Helper()
	fd, err := openTUN(n.netns, name)
	if err != nil {
		n.lab.t.Fatalf("%s: a TUN device: %v", n.name, err)
	}
	n.ip("address", "add", address+"/24", "dev", name)
	n.ip("link", "set", name, "up")
	return os.NewFile(uintptr(fd), "/dev/net/tun")
}

// openTUN goes into the namespace and comes back. Its thread must not end, which would
// kill the processes that it has started before (Pdeathsig).
func openTUN(netns, name string) (int, error) {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return 0, err
	}
	defer home.Close()
	f, err := os.Open("/run/netns/" + netns)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	defer func() {
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
	}()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return 0, fmt.Errorf("entering %s: %w", netns, err)
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	request, err := unix.NewIfreq(name)
	if err != nil {
		unix.Close(fd)
		return 0, err
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

// The relay itself: a tunnel through it carries what one through a wire does.
func TestWeatherLab(t *testing.T) {
	needStrongSwan(t)
	t.Parallel()
	l, r := newWeatherLab(t)
	l.serve()
	s := labSwan
	s.Aggressive = false
	l.swanGateway(s)
	before := l.client.network()
	client := l.postern(s.profile())
	client.up()
	l.carries(firstOfPool, host1)
	l.staysOutside(host3)
	client.quit(before)
	if c := r.Counts(); c.Lost > 0 || c.Changed > 0 {
		t.Errorf("in good weather %+v", c)
	}
}
