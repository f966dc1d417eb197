package client_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// IPv6 inside: an address beside the one of IPv4, with children of its own, which last
// like the others.
func TestIPv6Inside(t *testing.T) {
	group := "LocalIP6Net = fd00:20::/64\nIPNet = fd00:99::/64"
	own, host := netip.MustParseAddr("fd00:20::10.20.0.10"), netip.MustParseAddr("fd00:99::1")
	inWorld(t, lives(10*time.Minute, 2*time.Minute)+`networks = ["fd00:99::/64"]`, group, nil, func(w *world) {
		applied := w.laptop.now()
		if !slices.Contains(applied.Addresses, netip.PrefixFrom(own, 128)) || !slices.Contains(applied.Routes, netip.MustParsePrefix("fd00:99::/64")) {
			t.Errorf("addresses %v, routes %v", applied.Addresses, applied.Routes)
		}
		f := w.flowBetween(own, host, 100*time.Millisecond)
		for n := range 12 {
			time.Sleep(5 * time.Minute)
			if err := w.gateway.g.RenewChildren(w.t.Context(), "alice"); err != nil {
				t.Error(err)
			}
			if n == 5 {
				if err := w.gateway.g.RenewPhase1(w.t.Context(), "alice"); err != nil {
					t.Error(err)
				}
			}
		}
		f.end()
		f.perfect(t)
		f = w.flow(100 * time.Millisecond)
		time.Sleep(10 * time.Minute)
		f.end()
		f.perfect(t)
		if got := fmt.Sprint(w.gateway.g.Sessions()[0].Address6); got != own.String() {
			t.Errorf("the gateway knows %s", got)
		}
	})
}

// A gateway that has no IPv6 is asked, and the rest goes on.
func TestNoIPv6Inside(t *testing.T) {
	inWorld(t, lives(10*time.Minute, 2*time.Minute)+`networks = ["fd00:99::/64"]`, "", nil, func(w *world) {
		f := w.flow(100 * time.Millisecond)
		time.Sleep(time.Hour)
		f.end()
		f.perfect(t)
		for _, r := range w.laptop.now().Routes {
			if r.Addr().Is6() {
				t.Errorf("a route to %v, which no child carries", r)
			}
		}
	})
}
