package tun

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPathMTU(t *testing.T) {
	for _, test := range []struct {
		name string
		link int
		ipv6 bool
		do   func(*PathMTU)
		want int
	}{
		{"the link's", 1500, false, func(*PathMTU) {}, 1500},
		{"reported", 1500, false, func(p *PathMTU) { p.Reported(1400) }, 1400},
		{"reported twice", 1500, false, func(p *PathMTU) { p.Reported(1400); p.Reported(1380) }, 1380},
		{"never higher", 1500, false, func(p *PathMTU) { p.Reported(1400); p.Reported(1450) }, 1400},
		{"forged", 1500, false, func(p *PathMTU) { p.Reported(68) }, 576},
		{"forged over IPv6", 1500, true, func(p *PathMTU) { p.Reported(68) }, 1280},
		{"negative", 1500, false, func(p *PathMTU) { p.Reported(-1) }, 1400},
		{"unsaid", 1500, false, func(p *PathMTU) { p.Reported(0) }, 1400},
		{"unsaid, jumbo", 9000, false, func(p *PathMTU) { p.Reported(0) }, 1500},
		{"above the link's", 1500, false, func(p *PathMTU) { p.Reported(9000) }, 1500},
		{"black hole", 1500, false, (*PathMTU).BlackHole, 1280},
		{"black hole, jumbo", 9000, false, (*PathMTU).BlackHole, 1280},
		{"black hole over IPv6", 1400, true, (*PathMTU).BlackHole, 1280},
		{"black hole after a report", 1500, false, func(p *PathMTU) { p.Reported(1390); p.BlackHole() }, 1280},
		{"black holes", 1500, false, func(p *PathMTU) {
			for range 9 {
				p.BlackHole()
			}
		}, 576},
		{"black holes over IPv6", 1500, true, func(p *PathMTU) {
			for range 9 {
				p.BlackHole()
			}
		}, 1280},
		{"a link below the least", 512, false, func(p *PathMTU) { p.BlackHole(); p.Reported(300) }, 512},
		{"reset", 1500, false, func(p *PathMTU) { p.BlackHole(); p.Reported(1300); p.Reset(1480, true) }, 1480},
		{"closed", 1500, false, func(p *PathMTU) { p.Close(); p.Close(); p.Reported(1300) }, 1500},
	} {
		p := NewPathMTU(test.link, test.ipv6)
		test.do(p)
		if got := p.MTU(); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
		p.Close()
		var told []int
		for mtu := range p.Changed() {
			told = append(told, mtu)
		}
		if test.want != test.link && !slices.Equal(told, []int{test.want}) {
			t.Errorf("%s: told of %v, want %d alone", test.name, told, test.want)
		}
		if test.want == test.link && len(told) > 0 {
			t.Errorf("%s: told of %v, want nothing", test.name, told)
		}
	}
}

// A router's word is forgotten after 10 minutes, a black hole isn't.
func TestPathMTUForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPathMTU(1500, false)
		defer p.Close()
		p.Search(t.Context(), func(_ context.Context, size int) bool { return size <= 1400 })
		p.Reported(1300)
		time.Sleep(9 * time.Minute)
		p.Reported(1290)
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		if got := <-p.Changed(); got != 1290 {
			t.Errorf("told of %d, want 1290", got)
		}
		time.Sleep(2 * time.Minute)
		if got := <-p.Changed(); got != 1400 {
			t.Errorf("told of %d, want 1400", got)
		}
		p.BlackHole()
		p.Reported(1300)
		p.Reset(1492, false)
		time.Sleep(time.Hour)
		if got := <-p.Changed(); got != 1492 || p.MTU() != 1492 {
			t.Errorf("told of %d, MTU %d, want 1492", got, p.MTU())
		}
	})
}

func TestPathMTUSearch(t *testing.T) {
	for _, test := range []struct {
		name   string
		passes int // octets: the largest that is answered
		want   int
		asked  []int
	}{
		{"all passes", 1500, 1500, []int{256, 1500}},
		{"PPPoE", 1492, 1400, []int{256, 1500, 1400}},
		{"least of IPv6", 1280, 1280, []int{256, 1500, 1400, 1280}},
		{"no large pings", 1000, 1500, []int{256, 1500, 1400, 1280}},
		{"nobody answers", 0, 1500, []int{256}},
	} {
		p := NewPathMTU(1500, false)
		var asked []int
		p.Search(t.Context(), func(_ context.Context, size int) bool {
			asked = append(asked, size)
			return size <= test.passes
		})
		if got := p.MTU(); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
		if diff := cmp.Diff(test.asked, asked); diff != "" {
			t.Errorf("%s: asked for (-want +got)\n%s", test.name, diff)
		}
	}
	NewPathMTU(65536, false).Search(t.Context(), func(context.Context, int) bool {
		t.Error("asked about loopback")
		return false
	})
	// What is found about a way that was left meanwhile is nothing about the new one.
	p := NewPathMTU(1500, false)
	p.Search(t.Context(), func(_ context.Context, size int) bool {
		if size == 1400 {
			p.Reset(1450, false)
		}
		return size < 1500
	})
	if got := p.MTU(); got != 1450 {
		t.Errorf("after Reset: %d, want 1450", got)
	}
}
