//go:build linux

package main_test

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// idleFor is how long the window is looked at while nothing happens.
var idleFor = flag.Duration("idle", 20*time.Second, "how long TestIdle looks on")

// TestIdle tells what the window takes: until it is painted first, of the processor while
// nothing happens and while a connection is up, and of memory. OpenGL in software makes
// each repaint dear, so the bounds are far above what a graphics card leaves. The times
// of a busy machine say little: its load is told beside them.
func TestIdle(t *testing.T) {
	if testing.Short() {
		t.Skip("looks on for 40 s")
	}
	d := newDesk(t, look{"light", 1})
	d.daemon()
	began := time.Now()
	p := d.run(nil, nil, built(t), "--socket", d.socket)
	for painted := false; !painted; time.Sleep(20 * time.Millisecond) {
		out, err := d.xdotool("search", "--onlyvisible", "--name", `postern$`)
		if d.window = strings.TrimSpace(out); err == nil && d.window != "" {
			_, painted = d.shot()
		}
		if time.Since(began) > *patience {
			t.Fatal("nothing is painted")
		}
	}
	computed := float64(ticks(t, p)) / userHZ
	t.Logf("painted %v after its start, to within the 0.2 s that looking takes, with %.2f s of a processor (%s)", time.Since(began).Round(10*time.Millisecond), computed, load(t))
	if computed > 3 {
		t.Errorf("it takes %.2f s of a processor until it is painted", computed)
	}
	d.focused()
	d.settled()

	idle := d.share(p, *idleFor)
	t.Logf("idle: %.2f s of a processor in %v, %s", idle*idleFor.Seconds(), *idleFor, memory(t, p))
	if idle > 0.05 {
		t.Errorf("while nothing happens it takes %.1f %% of a processor", 100*idle)
	}
	d.keys("ctrl+Return")
	d.shows("demo: Connected")
	d.dialog()
	d.keys("Escape")
	d.settled()
	connected := d.share(p, *idleFor)
	t.Logf("connected: %.2f s of a processor in %v, %s", connected*idleFor.Seconds(), *idleFor, memory(t, p))
	if connected > 0.5 {
		t.Errorf("while a connection is up it takes %.1f %% of a processor", 100*connected)
	}
}

// load is how busy the machine is.
func load(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		t.Fatal(err)
	}
	one, _, _ := strings.Cut(string(data), " ")
	return "load " + one
}

// share is how much of one processor a program takes for a while.
func (d *desk) share(p *process, while time.Duration) float64 {
	d.Helper()
	before, began := ticks(d.T, p), time.Now()
	time.Sleep(while)
	return float64(ticks(d.T, p)-before) / userHZ / time.Since(began).Seconds()
}

// userHZ is the unit of times in /proc, in 1/s (proc_pid_stat(5)); Linux has no other.
const userHZ = 100

// ticks are the processor's time that a program took so far.
func ticks(t *testing.T, p *process) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), ") ") // behind the name
	f := strings.Fields(rest)
	user, err1 := strconv.Atoi(f[11])
	system, err2 := strconv.Atoi(f[12])
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return user + system
}

// memory is what a program has of it.
func memory(t *testing.T, p *process) string {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if size, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			return strings.TrimSpace(size) + " in memory"
		}
	}
	return "memory unknown"
}
