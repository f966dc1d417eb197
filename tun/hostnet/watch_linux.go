package hostnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Chosen here: news are told when none came for settle, and after settleAtMost at the latest.
const (
	settle       = 300 * time.Millisecond
	settleAtMost = 2 * time.Second

	clockPeriod = 2 * time.Second // how often the clocks are compared
	shortestNap = time.Second     // a smaller difference is no sleep
)

// watcher is owned by the goroutine of run.
type watcher struct {
	nl     *netlink.Handle
	news   *os.File                                      // rtnetlink's
	bus    func(ctx context.Context) (*dbus.Conn, error) // where logind is
	asleep func() time.Duration                          // see timeAsleep

	ctx    context.Context
	out    chan Change
	seen   view    // what was told last
	logind *logind // nil: not heard

	sleeping bool          // logind said so, and nobody yet that it is over
	naps     time.Duration // what asleep said last
}

// Watch tells of changes of the host's network and of its sleep until ctx ends; then it closes the channel.
//
// Addresses, links, routes and rules are heard through rtnetlink, in the calling thread's network namespace. News are
// told once they settled, and only if addresses or routes differ from those told of last: tunnels of this package and
// their routes aside. Sleep is heard from logind over the system bus, and sleep of which logind says nothing from the
// clocks, within some seconds. Where there is no logind a Change of Kind Deaf says so; the error is of rtnetlink alone.
//
// Whoever reads the channel slowly gets several changes as one. It must be read, or ctx ended.
func Watch(ctx context.Context) (<-chan Change, error) {
	w, err := newWatcher(ctx)
	if err != nil {
		return nil, err
	}
	go w.run()
	return w.out, nil
}

// newWatcher begins to listen, and remembers what there is now.
func newWatcher(ctx context.Context) (w *watcher, err error) {
	w = &watcher{bus: systemBus, asleep: timeAsleep, ctx: ctx, out: make(chan Change, 8)}
	w.naps = w.asleep()
	if w.nl, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return nil, fmt.Errorf("netlink: %w", err)
	}
	if w.news, err = subscribe(); err != nil {
		w.nl.Close()
		return nil, fmt.Errorf("netlink: %w", err)
	}
	if w.seen, err = look(w.nl); err != nil {
		w.nl.Close()
		return nil, errors.Join(err, w.news.Close())
	}
	return w, nil
}

// subscribe opens a socket on which rtnetlink tells of all that may matter (rtnetlink(7)).
func subscribe() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	address := &unix.SockaddrNetlink{Family: unix.AF_NETLINK}
	for _, group := range []int{
		unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
		unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE,
	} {
		address.Groups |= 1 << (group - 1)
	}
	if err := unix.Bind(fd, address); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "rtnetlink"), nil
}

// run tells of changes until ctx ends.
func (w *watcher) run() {
	context.AfterFunc(w.ctx, func() { w.news.Close() })
	news, deaf, found := make(chan struct{}, 1), make(chan error, 2), make(chan *logind, 1)
	var helpers sync.WaitGroup
	helpers.Go(func() { deaf <- w.listen(news) })
	helpers.Go(func() {
		if l, err := hearLogind(w.ctx, w.bus); err == nil {
			found <- l
		} else {
			deaf <- err
		}
	})
	w.loop(news, deaf, found)
	helpers.Wait()
	select {
	case w.logind = <-found:
	default:
	}
	w.logind.close()
	w.nl.Close()
	close(w.out)
}

func (w *watcher) loop(news <-chan struct{}, deaf <-chan error, found <-chan *logind) {
	settled := time.NewTimer(0)
	settled.Stop()
	var since time.Time // of the oldest news not told; zero: there are none
	clocks := time.NewTicker(clockPeriod)
	defer clocks.Stop()
	for {
		select {
		case <-w.ctx.Done():
			return
		case <-news:
			if since.IsZero() {
				since = time.Now()
			}
			settled.Reset(min(settle, settleAtMost-time.Since(since)))
		case <-settled.C:
			since = time.Time{}
			if !w.compare() {
				settled.Reset(settle)
			}
		case w.logind = <-found:
		case s, ok := <-w.logind.news():
			w.logindSaid(s, ok)
		case <-clocks.C:
			if w.asleep()-w.naps >= shortestNap {
				w.resumed()
			}
		case err := <-deaf:
			if err != nil && w.ctx.Err() == nil {
				w.tell(Change{Kind: Deaf, Err: err})
			}
		}
	}
}

// listen reads what rtnetlink tells. It is the kernel's state that counts, not these messages, so that losing some of
// them to a full buffer (ENOBUFS) costs nothing.
func (w *watcher) listen(news chan<- struct{}) error {
	b := make([]byte, 1<<16)
	for {
		_, err := w.news.Read(b)
		switch {
		case err == nil, errors.Is(err, unix.ENOBUFS):
		case w.ctx.Err() != nil:
			return nil
		default:
			return fmt.Errorf("rtnetlink: %w", err)
		}
		select {
		case news <- struct{}{}:
		default:
		}
	}
}

// compare tells of what differs from what was told last; false: it couldn't be read, and it should be tried again.
func (w *watcher) compare() bool {
	now, err := look(w.nl)
	if err != nil {
		return false
	}
	before := w.seen
	w.seen = now
	switch {
	case now.addresses != before.addresses:
		w.tell(Change{Kind: Address})
	case now.routes != before.routes:
		w.tell(Change{Kind: Route})
	}
	return true
}

func (w *watcher) tell(c Change) {
	select {
	case w.out <- c:
	case <-w.ctx.Done():
	}
}

// logindSaid takes a signal of logind; ok is false when there will be no more.
func (w *watcher) logindSaid(s *dbus.Signal, ok bool) {
	if !ok {
		w.logind.close()
		w.logind = nil
		w.tell(Change{Kind: Deaf, Err: errors.New("logind: the system bus is gone")})
		return
	}
	switch before, known := w.logind.sleeps(s); {
	case !known:
	case before:
		w.sleeping = true
		w.tell(Change{Kind: Sleep, Done: w.logind.release()})
	default:
		w.logind.inhibit(w.ctx)
		if w.sleeping { // else the clocks told already
			w.resumed()
		}
	}
}

func (w *watcher) resumed() {
	now := w.asleep()
	slept := now - w.naps
	w.naps, w.sleeping = now, false
	w.tell(Change{Kind: Resume, Slept: slept})
}

// timeAsleep is how long the host has slept since its start: the one clock goes on meanwhile, the other one doesn't
// (clock_gettime(2)).
func timeAsleep() time.Duration {
	for range 10 {
		before, all, after := clock(unix.CLOCK_MONOTONIC), clock(unix.CLOCK_BOOTTIME), clock(unix.CLOCK_MONOTONIC)
		if after-before < shortestNap/10 {
			return all - before
		}
	}
	return 0 // a machine too busy to say
}

func clock(id int32) time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(id, &t) // fails on a bad number only
	return time.Duration(t.Nano())
}
