package ike_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"postern/ike"
	"postern/ike/iketest"
	"postern/ike/isakmp"
)

// firstMessage is the first message of a phase 1 that A would send: what a flood
// of forged ones is made of.
func firstMessage(t *testing.T, r *rig) []byte {
	t.Helper()
	var octets []byte
	router := ike.NewRouter(func(msg []byte, _ ike.Path) error {
		octets = bytes.Clone(msg)
		return fmt.Errorf("enough")
	})
	if _, err := ike.Dial(t.Context(), router, r.ToB, r.a); err == nil {
		t.Fatal("connected")
	}
	return octets
}

// from is the same first message with another cookie.
func withCookie(octets []byte, n int) []byte {
	b := bytes.Clone(octets)
	binary.BigEndian.PutUint64(b, 1<<32+uint64(n))
	return b
}

// A flood of first messages from one address gets sixteen answers, from many a
// thousand; a live connection doesn't notice, and all is forgotten in time.
func TestHalfOpenLimits(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.a.Log, r.b.Log = nil, nil
		a, b := r.connect()
		first := firstMessage(t, r)
		flood := func(source netip.Addr, n int) {
			for i := range n {
				r.B.Deliver(withCookie(first, i), ike.Path{Local: r.ToB.Remote, Remote: netip.AddrPortFrom(source, uint16(500+i))})
				synctest.Wait()
			}
		}
		flood(netip.MustParseAddr("203.0.113.1"), 40)
		if n := r.B.HalfOpen(); n != 16 {
			t.Errorf("%d half-open from one address", n)
		}
		for i := range 70 {
			flood(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), 20)
		}
		if n := r.B.HalfOpen(); n != 1000 {
			t.Errorf("%d half-open", n)
		}
		r.quick(a)
		request(t, b)
		time.Sleep(2*ike.Patience + time.Second)
		if n := r.B.HalfOpen(); n != 0 || r.B.Wires() != 1 {
			t.Errorf("%d half-open and %d wires after their time", n, r.B.Wires())
		}
		if _, err := r.dial(t.Context()); err != nil {
			t.Error("after the flood: ", err)
		}
	})
}

// What begins no phase 1, or what nobody asked for, makes no state.
func TestNothingIsKeptOfStrangers(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		first := firstMessage(t, r)
		path := ike.Path{Local: r.ToB.Remote, Remote: netip.MustParseAddrPort("203.0.113.1:500")}
		change := func(f func(b []byte)) []byte {
			b := bytes.Clone(first)
			f(b)
			return b
		}
		for i := range 100 {
			r.B.Deliver(withCookie(first, i), path)
		}
		if n := r.B.Wires(); n != 0 {
			t.Fatalf("%d wires though nobody accepts", n)
		}
		r.serve()
		synctest.Wait()
		for name, octets := range map[string][]byte{
			"a responder cookie":  change(func(b []byte) { b[8] = 1 }),
			"no initiator cookie": change(func(b []byte) { clear(b[:8]) }),
			"a message ID":        change(func(b []byte) { b[20] = 1 }),
			"quick mode":          change(func(b []byte) { b[18] = byte(isakmp.ExchangeQuick) }),
			"informational":       change(func(b []byte) { b[18] = byte(isakmp.ExchangeInformational) }),
			"version 2":           change(func(b []byte) { b[17] = 0x20 }),
			"cut":                 first[:len(first)-1],
		} {
			r.B.Deliver(octets, path)
			if n := r.B.Wires(); n != 0 {
				t.Errorf("%s: %d wires", name, n)
			}
		}
		// What begins one, but is broken, is forgotten at once.
		r.B.Deliver(change(func(b []byte) { b[16] = byte(isakmp.PayloadVendorID) }), path)
		synctest.Wait()
		if n := r.B.Wires(); n != 0 {
			t.Errorf("broken: %d wires", n)
		}
	})
}

// Until the initiator has echoed CKY-R a responder sends no more than three times
// the octets that came, whatever it has to say.
func TestNoAmplification(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.b.Identity = isakmp.ID{Type: isakmp.IDKeyID, Data: bytes.Repeat([]byte("a long name "), 100)}
		r.b.VendorIDs = [][]byte{make([]byte, 1000)}
		r.serve()
		in, out, echoed := 0, 0, false
		r.SetFault(func(d iketest.Datagram) []iketest.Delivery {
			if !d.FromA {
				if out += len(d.Octets); !echoed && out > 3*in {
					t.Errorf("%d octets out to %d in", out, in)
				}
			}
			if d.FromA {
				in += len(d.Octets)
				echoed = echoed || header(d.Octets).ResponderCookie != isakmp.Cookie{}
			}
			return arrive(d)
		})
		a, err := r.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r.quick(a)
	})
	inBubble(t, func(t *testing.T, r *rig) {
		r.serve()
		first := firstMessage(t, r)
		in := 0
		for range 20 {
			r.Inject(false, bytes.Clone(first))
			in += len(first)
			time.Sleep(time.Second)
		}
		time.Sleep(2 * ike.Patience)
		out := 0
		for _, d := range r.Sent() {
			out += len(d.Octets)
		}
		if out == 0 || out > 3*in || len(r.Sent()) > 20 {
			t.Errorf("%d datagrams of %d octets for 20 of %d", len(r.Sent()), out, in)
		}
	})
}

// Junk costs nothing that stays: neither state nor memory.
func TestJunkLeavesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.a.Log, r.b.Log = nil, nil
		a, b := r.connect()
		r.quick(a)
		random := rand.New(rand.NewPCG(7, 8))
		i := a.Info()
		flood := func(n int) {
			for k := range n {
				octets := make([]byte, 28+16*random.IntN(20))
				for j := range octets {
					octets[j] = byte(random.Uint32())
				}
				octets[16], octets[17] = 8, 0x10
				binary.BigEndian.PutUint32(octets[24:], uint32(len(octets)))
				if k%2 == 0 { // as if they were of the SA
					copy(octets, i.CookieI[:])
					copy(octets[8:], i.CookieR[:])
					octets[18] = []byte{5, 6, 32}[k%3]
				}
				r.A.Deliver(octets, r.ToB)
				r.B.Deliver(bytes.Clone(octets), r.ToA)
				if k%8 == 0 {
					synctest.Wait()
				}
			}
		}
		flood(1000)
		before := heap()
		flood(20000)
		if grown := heap() - before; grown > 1<<20 {
			t.Errorf("the heap grew by %d octets", grown)
		}
		if n := r.A.Wires() + r.B.Wires(); n != 2 {
			t.Errorf("%d wires", n)
		}
		request(t, a)
		request(t, b)
	})
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A peer that begins more exchanges than are served is served again when some
// have ended.
func TestManyRequestsOfThePeer(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		a, b := r.connect()
		for range 3 {
			for range 200 {
				request(t, b)
			}
			time.Sleep(ike.Lingering + time.Second)
		}
		r.quick(a)
	})
}

// When the SA has ended its keys are overwritten, even if nobody closes it.
func TestKeysAreForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		a, b := r.connect()
		r.quick(a)
		if ike.KeysForgotten(a) {
			t.Error("forgotten while it lives")
		}
		a.Close()
		<-b.Done()
		synctest.Wait()
		if !ike.KeysForgotten(a) || !ike.KeysForgotten(b) {
			t.Error("keys are left")
		}
	})
}

// The SA's goroutines end with it, whoever ends it.
func TestNothingOutlivesTheSA(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		runtime.GC()
		a, b := r.connect()
		r.quick(a)
		request(t, a)
		request(t, b)
		synctest.Wait()
		before := runtime.NumGoroutine()
		a.Close()
		b.Close()
		synctest.Wait()
		if after := runtime.NumGoroutine(); after > before-4 {
			t.Errorf("%d goroutines, %d before the end", after, before)
		}
	})
}
