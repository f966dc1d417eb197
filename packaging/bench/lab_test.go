//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The test program is a generator of traffic in the ends of its labs.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], "@") {
		if err := run(context.Background(), os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	os.Exit(m.Run())
}

func needRoot(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("namespaces are left out of -short")
	}
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("ip is missing; remedy: sudo packaging/test-deps")
	}
}

// Traffic arrives, costs what it costs, and a lab leaves nothing behind.
func TestLab(t *testing.T) {
	needRoot(t)
	t.Setenv("GORACE", "atexit_sleep_ms=0") // the race detector would let every generator linger for a second
	l, err := newLab(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	wire := tunnel{target: gatewayOuter}
	if _, err := l.traffic(l.client, "reach", wire.target, patience.String()); err != nil {
		t.Fatal(err)
	}
	p, err := l.pings(wire.target, 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if p.Received > p.Sent || p.Mean <= 0 || p.Max < p.Median {
		t.Errorf("pings: %+v", *p)
	}
	f, err := l.measureFlood(wire, "64")
	if err != nil {
		t.Fatal(err)
	}
	if f.Delivered == 0 || f.Delivered > f.Sent {
		t.Errorf("flood: %+v", f)
	}
	l.close()
	if found, _ := filepath.Glob("/run/netns/" + l.client.netns + "*"); len(found) > 0 {
		t.Errorf("left behind: %v", found)
	}
	if _, err := os.Stat(l.dir); !os.IsNotExist(err) {
		t.Errorf("left behind: %s", l.dir)
	}
}

// Whoever interrupts a measurement has it end at once, with its processes.
func TestInterrupted(t *testing.T) {
	needRoot(t)
	ctx, cancel := context.WithCancel(t.Context())
	l, err := newLab(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	p, err := l.client.startReady(nil, says("ready"), "sh", "-c", "trap '' TERM; sleep 1000 & echo ready; wait; wait")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := p.wait(patience); err != nil {
		t.Fatal(err)
	}
	if got := p.cpu(); got != 0 {
		t.Errorf("a process that has ended uses %v s", got)
	}
}
