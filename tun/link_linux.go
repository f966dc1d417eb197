package tun

import (
	"fmt"
	"os"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	wgtun "golang.zx2c4.com/wireguard/tun"

	"postern/tun/esp"
)

// link is a device as an interface of the system: its MTU, and what becomes of it.
type link struct {
	mu     sync.Mutex
	handle *netlink.Handle // of the namespace that the device was made in; nil: closed
	index  int
	events chan wgtun.Event
	done   chan struct{}
}

// longest is the suite whose packets are longest among those in use everywhere. With the
// few that are longer still (ICVs of 24 and 32 octets) a superpacket may fill two trains.
var longest = esp.Suite{Encryption: esp.AES, KeyBits: 256, Integrity: esp.HMACSHA256}

// openLink finds the interface in this thread's namespace, and gives it an MTU.
func openLink(name string, mtu int) (*link, error) {
	l := &link{events: make(chan wgtun.Event, 16), done: make(chan struct{})}
	var err error
	if l.handle, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return nil, err
	}
	nl, err := l.handle.LinkByName(name)
	if err == nil {
		l.index = nl.Attrs().Index
		err = l.handle.LinkSetMTU(nl, mtu)
	}
	updates := make(chan netlink.LinkUpdate, 16)
	if err == nil {
		err = netlink.LinkSubscribe(updates, l.done)
	}
	if err != nil {
		l.handle.Close()
		return nil, fmt.Errorf("setting the MTU: %w", err)
	}
	l.setSegments(mtu)
	go l.follow(updates, mtu)
	return l, nil
}

// follow passes on what becomes of the interface, until close. Nobody waits for who
// doesn't take an event.
func (l *link) follow(updates <-chan netlink.LinkUpdate, mtu int) {
	defer close(l.events)
	up := false
	for u := range updates {
		if int(u.Index) != l.index || u.Header.Type != unix.RTM_NEWLINK {
			continue
		}
		if now := u.IfInfomsg.Flags&unix.IFF_RUNNING != 0; now != up {
			up = now
			if up {
				l.tell(wgtun.EventUp)
			} else {
				l.tell(wgtun.EventDown)
			}
		}
		if now := u.Attrs().MTU; now != mtu && now > 0 {
			mtu = now
			l.setSegments(mtu)
			l.tell(wgtun.EventMTUUpdate)
		}
	}
}

func (l *link) tell(e wgtun.Event) {
	select {
	case l.events <- e:
	default:
	}
}

// setSegments makes superpackets from the kernel as long as a train that holds them
// may be: one read fills one write.
func (l *link) setSegments(mtu int) {
	n := min(maxTrain/(mtu+longest.Overhead(mtu)), maxSegments)
	nl := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Index: l.index}}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.handle != nil {
		_ = l.handle.LinkSetGSOMaxSegs(nl, max(n, 1)) // without it: some trains are short
	}
}

func (l *link) mtu() (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.handle == nil {
		return 0, os.ErrClosed
	}
	nl, err := l.handle.LinkByIndex(l.index)
	if err != nil {
		return 0, err
	}
	return nl.Attrs().MTU, nil
}

func (l *link) close() {
	close(l.done)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handle.Close()
	l.handle = nil
}
