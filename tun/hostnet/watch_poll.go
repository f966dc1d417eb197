//go:build !linux

package hostnet

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// pollPeriod is how often the host is looked at.
const pollPeriod = 5 * time.Second

// Watch tells of changes of the host's network and of its sleep until ctx ends; then it closes the channel. It must be
// read, or ctx ended.
//
// Here it looks at the interfaces' addresses every 5 s and tells of Address, never of Route or Sleep. A look that comes
// 10 s late or more by the wall clock, which goes on while the host sleeps, is told of as Resume. Loopback, link-local
// addresses, and interfaces named as tunnels are (utun, postern, wintun) are left out.
func Watch(ctx context.Context) (<-chan Change, error) {
	seen, err := lookAtAddresses()
	if err != nil {
		return nil, err
	}
	out := make(chan Change, 8)
	go poll(ctx, seen, lookAtAddresses, out)
	return out, nil
}

// poll tells of what differs from what was seen.
func poll(ctx context.Context, seen string, look func() (string, error), out chan<- Change) {
	defer close(out)
	ticks := time.NewTicker(pollPeriod)
	defer ticks.Stop()
	last := time.Now().Round(0) // without the monotonic clock
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		now := time.Now().Round(0)
		if late := now.Sub(last) - pollPeriod; late >= 2*pollPeriod {
			tell(ctx, out, Change{Kind: Resume, Slept: late})
		}
		last = now
		if found, err := look(); err == nil && found != seen {
			seen = found
			tell(ctx, out, Change{Kind: Address})
		}
	}
}

func tell(ctx context.Context, out chan<- Change, c Change) {
	select {
	case out <- c:
	case <-ctx.Done():
	}
}

// lookAtAddresses is what is compared, as text.
func lookAtAddresses() (string, error) {
	links, err := net.Interfaces()
	if err != nil {
		return "", fmt.Errorf("interfaces: %w", err)
	}
	var lines []string
	for _, l := range links {
		if l.Flags&net.FlagUp == 0 || l.Flags&net.FlagLoopback != 0 || isTunnelName(l.Name) {
			continue
		}
		addresses, err := l.Addrs()
		if err != nil {
			continue // it went meanwhile
		}
		for _, a := range addresses {
			if n, ok := a.(*net.IPNet); ok && !n.IP.IsLinkLocalUnicast() {
				lines = append(lines, fmt.Sprint(l.Index, l.Name, n))
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n"), nil
}

func isTunnelName(name string) bool {
	return slices.ContainsFunc([]string{"utun", "postern", "wintun"}, func(p string) bool {
		return strings.HasPrefix(strings.ToLower(name), p)
	})
}
