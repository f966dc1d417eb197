package client_test

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"postern/tun/faults"
)

// proving says whether the long forms are asked for: make prove.
var proving = os.Getenv("POSTERN_PROVE") != ""

// firstSeed is where the weathers begin that a test goes through: POSTERN_SEED, to have
// one again.
func firstSeed(t *testing.T) uint64 {
	text := os.Getenv("POSTERN_SEED")
	if text == "" {
		return 1
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal("POSTERN_SEED: ", err)
	}
	return seed
}

// by is the weather of a seed, in either direction.
func by(w faults.Weather, seed uint64) weather {
	there, back := w.Model(seed, 0), w.Model(seed, 1)
	return func(_ int, from, _ netip.AddrPort, d []byte) []faults.Arrival {
		if from.Addr() == gatewayAddr {
			return back(d)
		}
		return there(d)
	}
}

// times are how long connections took, and with which seed.
type times struct {
	mu   sync.Mutex
	all  []time.Duration
	seed map[time.Duration]uint64
}

func (x *times) add(took time.Duration, seed uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.all = append(x.all, took)
	if x.seed == nil {
		x.seed = make(map[time.Duration]uint64)
	}
	x.seed[took] = seed
}

// within is in how long so many of 100 were through.
func (x *times) within(percent int) time.Duration {
	x.mu.Lock()
	defer x.mu.Unlock()
	slices.Sort(x.all)
	return x.all[percent*(len(x.all)-1)/100]
}

func (x *times) String() string {
	worst := x.within(100)
	round := func(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }
	return fmt.Sprintf("%d connections: median %v, 99 of 100 in %v, the worst in %v (POSTERN_SEED=%d)",
		len(x.all), round(x.within(50)), round(x.within(99)), round(worst), x.seed[worst])
}

// Every connection is made, in a storm and in drizzle, and 99 of 100 soon: 10,000 in
// each with POSTERN_PROVE, which all modes share.
func TestStorm(t *testing.T) {
	dir := weatherDir(t)
	modes := weatherModes(dir)
	share := 50
	switch {
	case proving:
		share = 10000 / len(modes)
	case testing.Short():
		share = 10
	}
	for _, c := range []struct {
		name  string
		w     faults.Weather
		limit time.Duration
	}{
		{"30 percent lost, 30 percent twice, out of order", faults.Storm, 20 * time.Second},
		{"10 percent lost", faults.Weather{Loss: 0.1}, 6 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			var whole times
			t.Cleanup(func() { // after all modes
				t.Logf("seeds from %d: %v", firstSeed(t), &whole)
				if took := whole.within(99); took > c.limit {
					t.Errorf("99 of 100 in %v, want %v", took, c.limit)
				}
			})
			for _, m := range modes {
				t.Run(m.name, func(t *testing.T) {
					t.Parallel()
					var own times
					first := firstSeed(t)
					for seed := first; seed < first+uint64(share); seed++ {
						out := inWeather(t, dir, m, 10*time.Minute, by(c.w, seed), nil)
						if out.err != nil || out.asked > 1 {
							t.Errorf("POSTERN_SEED=%d: asked %d times, %v", seed, out.asked, out.err)
							continue
						}
						own.add(out.through, seed)
						whole.add(out.through, seed)
					}
					t.Log(&own)
				})
			}
		})
	}
}
