package client_test

import (
	"net/netip"
	"testing"
	"time"
)

// mostCarried is the most that one of the client's children has carried in a direction.
func (w *world) mostCarried() (most uint64) {
	for _, sa := range w.conn.Status().SAs {
		most = max(most, sa.In.Octets, sa.Out.Octets)
	}
	return most
}

// Children that may carry 50 kB are renewed before they have, and not a packet is lost.
func TestLifeInOctets(t *testing.T) {
	inWorld(t, lives(8*time.Hour, time.Hour), "LifeKilobytes = 50", nil, func(w *world) {
		f := w.flow(10 * time.Millisecond) // of 36 octets: 14 s
		for range 300 {
			time.Sleep(time.Second)
			if n := w.mostCarried(); n >= 50<<10 {
				t.Errorf("%d octets by one child", n)
			}
		}
		f.end()
		f.perfect(t)
		if n := w.seen("ESP renewed"); n < 20 {
			t.Errorf("%d renewals", n)
		}
	})
}

// One that can't be renewed ends, and what comes after it carries the traffic again.
func TestLifeInOctetsIsHard(t *testing.T) {
	inWorld(t, lives(8*time.Hour, time.Hour), "LifeKilobytes = 50", nil, func(w *world) {
		f := w.flow(10 * time.Millisecond)
		w.net.SetFault(func(_, _ netip.AddrPort, data []byte) []time.Duration {
			if len(data) > 32 && [4]byte(data) == [4]byte{} && data[4+18] == 32 {
				return nil // Quick Modes
			}
			return []time.Duration{0}
		})
		most := uint64(0)
		for range 60 {
			time.Sleep(time.Second)
			most = max(most, w.mostCarried())
		}
		if limit := uint64(50<<10 + 15*100*36); most < 50<<10 || most > limit {
			t.Errorf("%d octets by one child, want 50 kB to %d", most, limit)
		}
		w.net.SetFault(nil)
		time.Sleep(2 * time.Minute)
		f.forgive()
		time.Sleep(time.Minute)
		if gap := f.gap(); gap > time.Second {
			t.Errorf("%v without a packet", gap)
		}
		f.end()
	})
}
