package hostnet

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// startWatch runs a watcher over this bus and these clocks; nil: those of the host.
func startWatch(t *testing.T, bus func(context.Context) (*dbus.Conn, error), asleep func() time.Duration) <-chan Change {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w, err := newWatcher(ctx)
	check(t, err)
	w.bus = bus
	if asleep != nil {
		w.asleep, w.naps = asleep, asleep()
	}
	go w.run()
	t.Cleanup(func() {
		cancel()
		for end := time.After(time.Minute); ; {
			select {
			case _, ok := <-w.out:
				if !ok {
					return
				}
			case <-end:
				t.Fatal("the watcher doesn't end")
			}
		}
	})
	return w.out
}

// next is the next change, which must be of this kind.
func next(t *testing.T, changes <-chan Change, want Kind) Change {
	t.Helper()
	select {
	case c := <-changes:
		if c.Kind != want {
			t.Fatalf("told of %v (%v), want %v", c.Kind, c.Err, want)
		}
		return c
	case <-time.After(time.Minute):
		t.Fatalf("not told of %v", want)
	}
	return Change{}
}

// nothing more than this much later is news.
func silent(t *testing.T, changes <-chan Change) {
	t.Helper()
	select {
	case c := <-changes:
		t.Errorf("told of %v", c.Kind)
	case <-time.After(settle * 3):
	}
}

// drain takes what is told until nothing more is.
func drain(changes <-chan Change) {
	for {
		select {
		case <-changes:
		case <-time.After(settle * 3):
			return
		}
	}
}

func TestWatchNetwork(t *testing.T) {
	t.Parallel()
	isolate(t)
	openTUN(t, "ptun0")
	h := testHost(t, someResolvConf)
	lan, err := netlink.LinkByName("lan0")
	check(t, err)
	up, err := netlink.LinkByName("up0")
	check(t, err)
	changes := startWatch(t, noBus, nil)
	if c := next(t, changes, Deaf); c.Err == nil {
		t.Error("deaf without a reason")
	}

	// A tunnel of ours comes, changes and goes.
	a, err := h.apply(t.Context(), fullTunnel())
	check(t, err)
	silent(t, changes)
	check(t, a.SetMTU(1280))
	check(t, a.Restore())
	silent(t, changes)

	second := &netlink.Addr{IPNet: ipNetOf("192.168.1.6/24")}
	for quick := false; !quick; { // on a busy machine it may last until it is told of in the middle
		start := time.Now()
		for range 20 {
			check(t, netlink.AddrAdd(lan, second))
			check(t, netlink.AddrDel(lan, second))
		}
		if quick = time.Since(start) < settle; !quick {
			drain(changes)
		}
	}
	silent(t, changes) // as before
	check(t, netlink.AddrAdd(lan, second))
	next(t, changes, Address)
	check(t, netlink.AddrDel(lan, second))
	next(t, changes, Address)
	for _, route := range []*netlink.Route{
		{LinkIndex: lan.Attrs().Index, Dst: ipNetOf("198.51.100.0/24")},
		{LinkIndex: lan.Attrs().Index, Dst: ipNetOf("2001:db8:99::/48")},
		{LinkIndex: lan.Attrs().Index, Gw: netip.MustParseAddr("192.168.1.1").AsSlice(), Priority: 1000},
	} {
		check(t, netlink.RouteAdd(route))
		next(t, changes, Route)
		check(t, netlink.RouteDel(route))
		next(t, changes, Route)
	}
	rule := netlink.NewRule()
	rule.Table, rule.Priority, rule.Family = 100, 100, netlink.FAMILY_V4
	check(t, netlink.RuleAdd(rule))
	next(t, changes, Route)
	check(t, netlink.LinkSetDown(up))
	next(t, changes, Address)
	check(t, netlink.LinkSetUp(up))
	next(t, changes, Address)
	silent(t, changes)
}

// A burst that doesn't end is told of all the same.
func TestWatchBurst(t *testing.T) {
	t.Parallel()
	isolate(t)
	lan, err := netlink.LinkByName("lan0")
	check(t, err)
	changes := startWatch(t, noBus, nil)
	next(t, changes, Deaf)
	start := time.Now()
	began, pause := start, time.Duration(0) // the last one, and the longest between two
	for i := 0; len(changes) == 0; i++ {
		a := &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 7, byte(i >> 8), byte(i)}), 32))}
		before := began
		began = time.Now()
		check(t, netlink.AddrAdd(lan, a))
		pause = max(pause, time.Since(before))
		time.Sleep(settle / 10)
		if time.Since(start) > time.Minute {
			t.Fatal("not told")
		}
	}
	pause = max(pause, time.Since(began))
	next(t, changes, Address)
	if took := time.Since(start); took < settleAtMost && pause < settle {
		t.Errorf("told after %v, while more was coming", took)
	}
}

// fakeLogind is logind as far as we talk to it.
type fakeLogind struct {
	conn  *dbus.Conn
	locks chan [2]*os.File // pipes: our end, and our copy of the one that is the lock
	deny  atomic.Bool
}

func (f *fakeLogind) Inhibit(what, who, _, mode string) (dbus.UnixFD, *dbus.Error) {
	if what != "sleep" || who != "postern" || mode != "delay" {
		return 0, dbus.NewError("org.freedesktop.DBus.Error.InvalidArgs", nil)
	}
	if f.deny.Load() {
		return 0, dbus.NewError("org.freedesktop.DBus.Error.AccessDenied", nil)
	}
	ours, theirs, err := os.Pipe()
	if err != nil {
		return 0, dbus.NewError("org.freedesktop.DBus.Error.Failed", nil)
	}
	fd := dbus.UnixFD(theirs.Fd())
	f.locks <- [2]*os.File{ours, theirs}
	return fd, nil
}

// lock is the latest one that was taken, once the watcher has it.
func (f *fakeLogind) lock(t *testing.T) *os.File {
	t.Helper()
	l := <-f.locks
	check(t, l[1].Close())
	return l[0]
}

// startLogind offers the service on a bus.
func startLogind(t *testing.T, bus func(context.Context) (*dbus.Conn, error)) *fakeLogind {
	t.Helper()
	conn, err := bus(t.Context())
	check(t, err)
	t.Cleanup(func() { conn.Close() })
	f := &fakeLogind{conn: conn, locks: make(chan [2]*os.File, 8)}
	check(t, conn.Export(f, logindPath, logindName+".Manager"))
	_, err = conn.RequestName(logindName, dbus.NameFlagDoNotQueue)
	check(t, err)
	return f
}

func (f *fakeLogind) prepare(t *testing.T, sleep bool) {
	t.Helper()
	check(t, f.conn.Emit(logindPath, logindManager+"PrepareForSleep", sleep))
}

func TestWatchSleep(t *testing.T) {
	t.Parallel()
	isolate(t)
	bus := startBus(t, everythingAllowed)
	service := startLogind(t, bus)
	var slept atomic.Int64
	changes := startWatch(t, bus, func() time.Duration { return time.Duration(slept.Load()) })

	stranger, err := bus(t.Context())
	check(t, err)
	defer stranger.Close()
	check(t, stranger.Emit(logindPath, logindManager+"PrepareForSleep", true))
	silent(t, changes)
	lock := service.lock(t)

	service.prepare(t, true)
	c := next(t, changes, Sleep)
	if !held(t, lock) {
		t.Error("the lock was given back before anybody was ready")
	}
	c.Done()
	c.Done()
	if held(t, lock) {
		t.Error("the lock is held on")
	}
	slept.Store(int64(time.Hour))
	service.prepare(t, false)
	if c := next(t, changes, Resume); c.Slept != time.Hour {
		t.Errorf("slept %v", c.Slept)
	}
	lock = service.lock(t)
	c.Done() // late
	if !held(t, lock) {
		t.Error("the next lock was given back")
	}
	time.Sleep(clockPeriod + settle)
	silent(t, changes) // the clocks have nothing to add

	// The clocks are first.
	service.prepare(t, true)
	next(t, changes, Sleep) // and nobody is ever ready
	slept.Store(int64(2 * time.Hour))
	if c := next(t, changes, Resume); c.Slept != time.Hour {
		t.Errorf("slept %v", c.Slept)
	}
	service.prepare(t, false)
	silent(t, changes)
	if held(t, lock) {
		t.Error("a lock of an earlier sleep is held on")
	}
	lock = service.lock(t)

	// logind is started anew, as another one, who allows nobody anything.
	check(t, service.conn.Close())
	other := startLogind(t, bus)
	other.deny.Store(true)
	silent(t, changes)
	other.prepare(t, true)
	next(t, changes, Sleep).Done()
	other.prepare(t, false)
	next(t, changes, Resume)
	if held(t, lock) {
		t.Error("a lock of the old one is held on")
	}
}

// held says whether the other side has its end of a lock open, as far as it gave it back by now.
func held(t *testing.T, lock *os.File) bool {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(lock.Fd()), Events: unix.POLLIN}}
	_, err := unix.Poll(fds, int(settle.Milliseconds()))
	check(t, err)
	return fds[0].Revents&unix.POLLHUP == 0
}

// The bus goes away: what is left is the network and the clocks.
func TestWatchWithoutBus(t *testing.T) {
	t.Parallel()
	isolate(t)
	ctx, cancel := context.WithCancel(t.Context())
	var slept atomic.Int64
	bus := startBus(t, everythingAllowed)
	service := startLogind(t, bus)
	changes := startWatch(t, func(c context.Context) (*dbus.Conn, error) {
		conn, err := bus(c)
		if err == nil {
			context.AfterFunc(ctx, func() { conn.Close() })
		}
		return conn, err
	}, func() time.Duration { return time.Duration(slept.Load()) })
	<-service.locks
	cancel()
	if c := next(t, changes, Deaf); c.Err == nil {
		t.Error("deaf without a reason")
	}
	slept.Store(int64(time.Minute))
	if c := next(t, changes, Resume); c.Slept != time.Minute {
		t.Errorf("slept %v", c.Slept)
	}
	lan, err := netlink.LinkByName("lan0")
	check(t, err)
	check(t, netlink.LinkSetDown(lan))
	next(t, changes, Address)
}

// A bus without logind, one that says nothing, and none.
func TestHearLogindFails(t *testing.T) {
	for name, bus := range map[string]func(context.Context) (*dbus.Conn, error){
		"no logind": startBus(t, everythingAllowed), "no bus": noBus,
	} {
		if _, err := hearLogind(t.Context(), bus); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), settle)
	defer cancel()
	if _, err := hearLogind(ctx, startBus(t, nothingAllowed)); err == nil || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Errorf("a silent bus: %v", err)
	}
}

func TestTimeAsleep(t *testing.T) {
	if a, b := timeAsleep(), timeAsleep(); a < 0 || b-a > time.Second {
		t.Errorf("the host slept %v, then %v", a, b)
	}
}

func TestKindString(t *testing.T) {
	want := []string{"", "address", "route", "sleep", "resume", "deaf", ""}
	for k, w := range want {
		if diff := cmp.Diff(w, Kind(k).String()); diff != "" {
			t.Errorf("kind %d (-want +got)\n%s", k, diff)
		}
	}
}
