package client_test

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"postern/tun/faults"
)

// survival is how long a connection may take that suffered a fault or two, attempts
// after the first included.
const survival = 60 * time.Second

// calm is the weather in which nothing happens.
func calm(_ int, _, _ netip.AddrPort, d []byte) []faults.Arrival { return faults.None(d) }

// hit is the weather in which the datagrams with these numbers suffer.
func hit(f faults.Fault, numbers ...int) weather {
	return func(n int, _, _ netip.AddrPort, d []byte) []faults.Arrival {
		if slices.Contains(numbers, n) {
			return f(d)
		}
		return faults.None(d)
	}
}

// Whatever happens to any one datagram, and whichever two are lost, the connection is
// made within 60 s, in every mode, and nobody is asked twice. Pairs are of all that a
// connection says undisturbed, and the four datagrams after that, for what was lost is
// said again. Without POSTERN_PROVE only Main Mode loses pairs.
func TestEveryFaultIsSurvived(t *testing.T) {
	dir := weatherDir(t)
	for i, m := range weatherModes(dir) {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			undisturbed := inWeather(t, dir, m, survival, calm, nil)
			if undisturbed.err != nil || undisturbed.datagrams < 9 {
				t.Fatalf("undisturbed: %+v, %v", undisturbed, undisturbed.err)
			}
			n := undisturbed.datagrams
			var runs, late int
			var worst time.Duration
			try := func(name string, w weather) {
				runs++
				out := inWeather(t, dir, m, survival, w, nil)
				if out.err != nil || out.asked > undisturbed.asked {
					t.Errorf("%s: asked %d times, %v", name, out.asked, out.err)
				}
				if worst = max(worst, out.through); out.through > 10*time.Second {
					t.Logf("%s: through after %v", name, out.through.Round(time.Millisecond))
					late++
				}
			}
			for _, name := range slices.Sorted(maps.Keys(faults.Single)) {
				for k := 1; k <= n; k++ {
					try(fmt.Sprintf("datagram %d %s", k, name), hit(faults.Single[name], k))
				}
			}
			for a := 1; a <= n+4 && (proving || i == 0); a++ {
				for b := a + 1; b <= n+4; b++ {
					try(fmt.Sprintf("datagrams %d and %d dropped", a, b), hit(faults.Drop, a, b))
				}
			}
			t.Logf("%d datagrams, %d connections, the slowest in %v, %d in more than 10 s", n, runs, worst.Round(time.Millisecond), late)
		})
	}
}

// A NAT that gives the laptop another mapping, and forgets the one before, costs no
// connection, whichever datagram it happens before.
func TestNATRebindsAtEveryStep(t *testing.T) {
	dir := weatherDir(t)
	outside := netip.MustParseAddr("198.51.100.1")
	for _, m := range weatherModes(dir) {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			var worst time.Duration
			for step, last := 0, 1; step <= last; step++ { // 0: never
				var rebound atomic.Bool
				nat := func(a netip.AddrPort) netip.AddrPort {
					port := 20000 + a.Port()%10000
					if rebound.Load() {
						port += 10000
					}
					return netip.AddrPortFrom(outside, port)
				}
				relay := func(n int, _, to netip.AddrPort, d []byte) []faults.Arrival {
					rebound.Store(step > 0 && n >= step)
					if to.Addr() == outside && to.Port() >= 30000 != rebound.Load() {
						return nil // nobody has this mapping now
					}
					return faults.None(d)
				}
				out := inWeather(t, dir, m, survival, relay, nat)
				if out.err != nil {
					t.Errorf("before datagram %d: %v", step, out.err)
				}
				if worst = max(worst, out.through); step == 0 {
					last = out.datagrams
				}
			}
			t.Logf("the slowest in %v", worst.Round(time.Millisecond))
		})
	}
}
