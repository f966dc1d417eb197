//go:build linux

package interop

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"postern/tun/faults"
)

// proving says whether the long forms are asked for: make prove.
var proving = os.Getenv("POSTERN_PROVE") != ""

// number is a variable of the environment, or what holds without it.
func number(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// In the storm three of ten packets are lost each way.
var storm = faults.Weather{Loss: 0.3}

const (
	stormLimit = 300 * time.Second // for postern, without a person
	swanLimit  = 120 * time.Second // for strongSwan
)

// A gust is how long a client took in the weather of a seed.
type gust struct {
	seed uint64
	took time.Duration
	up   bool
}

type gusts struct {
	mu  sync.Mutex
	all []gust
}

func (g *gusts) add(x gust) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all = append(g.all, x)
}

// within is in how long so many of 100 were up; what never was counts with its limit.
func (g *gusts) within(percent int) time.Duration {
	slices.SortFunc(g.all, func(a, b gust) int { return int(a.took - b.took) })
	return g.all[percent*(len(g.all)-1)/100].took.Round(10 * time.Millisecond)
}

func (g *gusts) String() string {
	up := 0
	for _, x := range g.all {
		if x.up {
			up++
		}
	}
	worst := slices.MaxFunc(g.all, func(a, b gust) int { return int(a.took - b.took) })
	return fmt.Sprintf("%d of %d up: median %v, 9 of 10 in %v, the last after %v (seed %d)",
		up, len(g.all), g.within(50), g.within(90), worst.took.Round(10*time.Millisecond), worst.seed)
}

// In a storm postern comes up at a strongSwan by itself, its user is asked for the
// password once, and it takes less than strongSwan's own client. With POSTERN_PROVE
// that is POSTERN_RUNS (200) times against POSTERN_SWANS (30), POSTERN_PAIRS (20) side by
// side, which want -parallel; otherwise three times against none.
func TestStormBeforeStrongSwan(t *testing.T) {
	needStrongSwan(t)
	need(t, "script")
	first := uint64(number(t, "POSTERN_SEED", 1))
	pairs, runs, swans := 3, 3, 0
	if proving {
		pairs, runs, swans = number(t, "POSTERN_PAIRS", 20), number(t, "POSTERN_RUNS", 200), number(t, "POSTERN_SWANS", 30)
	}
	var ours, theirs gusts
	seeds := func(n int) <-chan uint64 {
		c := make(chan uint64, n)
		for i := range n {
			c <- first + uint64(i)
		}
		close(c)
		return c
	}
	each := func(name string, n int, client func(*lab, *faults.Relay, <-chan uint64)) {
		todo := seeds(n)
		t.Run(name, func(t *testing.T) {
			for pair := range min(pairs, n) {
				t.Run(strconv.Itoa(pair), func(t *testing.T) {
					t.Parallel()
					l, r := newWeatherLab(t)
					client(l, r, todo)
				})
			}
		})
	}
	each("postern", runs, func(l *lab, r *faults.Relay, todo <-chan uint64) { l.posternInStorms(r, todo, &ours) })
	t.Logf("postern, seeds from %d: %v", first, &ours)
	if swans == 0 {
		return
	}
	each("strongSwan", swans, func(l *lab, r *faults.Relay, todo <-chan uint64) { l.swanInStorms(r, todo, &theirs) })
	t.Logf("strongSwan, seeds from %d: %v", first, &theirs)
	if a, b := ours.within(50), theirs.within(50); a >= b {
		t.Errorf("median %v, strongSwan's own client has %v", a, b)
	}
}

// stormSwan asks for a user's password in Main Mode.
func stormSwan() swan {
	s := labSwan
	s.Aggressive = false
	return s
}

// posternInStorms connects once a seed.
func (l *lab) posternInStorms(r *faults.Relay, todo <-chan uint64, out *gusts) {
	s := stormSwan()
	gateway := l.swanGateway(s)
	p := s.profile()
	delete(p, "password")
	for seed := range todo {
		r.SetWeather(storm, seed)
		l.t.Logf("POSTERN_SEED=%d", seed)
		began := time.Now()
		client, keyboard := l.posternOnTerminal(p)
		typed := false
		for time.Since(began) < stormLimit && !client.isUp() {
			if !typed && strings.Contains(client.said.String(), passwordPrompt) {
				_, err := keyboard.WriteString(s.Password + "\r")
				typed = err == nil
			}
			time.Sleep(20 * time.Millisecond)
		}
		x := gust{seed, time.Since(began), client.isUp()}
		out.add(x)
		r.SetWeather(faults.Weather{}, seed)
		asked := strings.Count(client.said.String(), passwordPrompt)
		if !x.up || asked != 1 {
			l.t.Errorf("POSTERN_SEED=%d: up %v after %v, asked %d times:\n%s", seed, x.up, x.took, asked, client.said.String())
		} else {
			l.client.ping(host1)
		}
		keyboard.Close()
		_ = os.Remove(keyboard.Name())
		client.stopGroup(syscall.SIGINT)
		_, _ = l.gateway.try(gateway.swanctl, "--terminate", "--ike", "lab", "--force")
	}
}

// passwordPrompt is how postern asks for it.
const passwordPrompt = "Password:"

// isUp says whether the last status says so, and ends the test where the process has
// ended.
func (p *postern) isUp() bool {
	p.running()
	all := p.statuses()
	return len(all) > 0 && all[len(all)-1].State == "up"
}

// stopGroup asks the process's whole group to end.
func (p *process) stopGroup(s syscall.Signal) {
	_ = syscall.Kill(-p.cmd.Process.Pid, s)
	p.stop()
}

// swanInStorms has strongSwan's client connect once a seed.
func (l *lab) swanInStorms(r *faults.Relay, todo <-chan uint64, out *gusts) {
	s := stormSwan()
	gateway, client := l.swanGateway(s), l.swanClient(s)
	for seed := range todo {
		r.SetWeather(storm, seed)
		began := time.Now()
		_, err := l.client.try(client.swanctl, "--initiate", "--timeout", strconv.Itoa(int(swanLimit.Seconds())), "--child", "net")
		x := gust{seed, min(time.Since(began), swanLimit), err == nil}
		if err != nil {
			x.took = swanLimit
		}
		out.add(x)
		r.SetWeather(faults.Weather{}, seed)
		_, _ = l.client.try(client.swanctl, "--terminate", "--ike", "lab", "--force")
		_, _ = l.gateway.try(gateway.swanctl, "--terminate", "--ike", "lab", "--force")
	}
}
