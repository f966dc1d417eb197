package faults_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"testing"
	"time"

	"postern/tun/faults"
)

// cable is one end of a TUN device in memory.
type cable struct{ in, out chan []byte }

func newCable() cable { return cable{make(chan []byte, 100), make(chan []byte, 100)} }

func (c cable) Read(b []byte) (int, error) {
	p, ok := <-c.in
	if !ok {
		return 0, os.ErrClosed
	}
	return copy(b, p), nil
}

func (c cable) Write(b []byte) (int, error) {
	c.out <- bytes.Clone(b)
	return len(b), nil
}

// next is the packet that comes out next; nil: none came within a minute.
func (c cable) next() []byte { return c.within(time.Minute) }

// soon is the packet that comes out next; nil: none comes soon, as it should be.
func (c cable) soon() []byte { return c.within(100 * time.Millisecond) }

func (c cable) within(limit time.Duration) []byte {
	select {
	case p := <-c.out:
		return p
	case <-time.After(limit):
		return nil
	}
}

var here, there = netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("192.0.2.1")

// udp is an IPv4 packet with DF.
func udp(from, to netip.Addr, source, destination uint16, payload []byte) []byte {
	p := make([]byte, 28+len(payload))
	p[0], p[6], p[8], p[9] = 0x45, 0x40, 64, 17
	copy(p[12:], from.AsSlice())
	copy(p[16:], to.AsSlice())
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	binary.BigEndian.PutUint16(p[20:], source)
	binary.BigEndian.PutUint16(p[22:], destination)
	binary.BigEndian.PutUint16(p[24:], uint16(8+len(payload)))
	copy(p[28:], payload)
	return p
}

func relay(t *testing.T) (r *faults.Relay, a, b cable) {
	t.Helper()
	r = &faults.Relay{Router: netip.MustParseAddr("192.0.2.254")}
	a, b = newCable(), newCable()
	served := make(chan error, 1)
	go func() { served <- r.Serve(a, b) }()
	t.Cleanup(func() {
		close(a.in)
		close(b.in)
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return r, a, b
}

// checked says whether an IPv4 header's checksum and the lengths of the packet are right.
func checked(p []byte) bool {
	var sum uint32
	for i := 0; i < 20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(p[i:]))
	}
	return sum>>16+sum&0xffff == 0xffff && int(binary.BigEndian.Uint16(p[2:])) == len(p) &&
		(p[9] != 17 || int(binary.BigEndian.Uint16(p[24:])) == len(p)-20)
}

func TestRelayIsTransparent(t *testing.T) {
	_, a, b := relay(t)
	a.in <- udp(here, there, 500, 500, []byte("hello"))
	p := b.next()
	if p == nil || !checked(p) || string(p[28:]) != "hello" || !bytes.Equal(p[12:20], udp(here, there, 0, 0, nil)[12:20]) {
		t.Errorf("%x", p)
	}
	b.in <- udp(there, here, 500, 500, []byte("hello back"))
	if p := a.next(); p == nil || string(p[28:]) != "hello back" {
		t.Errorf("%x", p)
	}
	a.in <- make([]byte, 10)                          // garbage
	a.in <- append([]byte{0x60}, make([]byte, 60)...) // IPv6
	if p := b.soon(); p != nil {
		t.Errorf("%x passed", p)
	}
}

func TestRelayWeather(t *testing.T) {
	r, a, b := relay(t)
	w := faults.Weather{Corrupt: 1, Truncate: 1}
	r.SetWeather(w, 3)
	sent := []byte("a datagram of some length, for one to be cut")
	want := w.Model(3, 0)(sent)[0].Octets
	a.in <- udp(here, there, 500, 500, sent)
	if p := b.next(); p == nil || !checked(p) || !bytes.Equal(p[28:], want) {
		t.Errorf("%q, want %q", p, want)
	}
	r.SetWeather(faults.Weather{Loss: 1}, 3)
	a.in <- udp(here, there, 500, 500, sent)
	for end := time.Now().Add(time.Minute); r.Counts().Lost == 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if p := b.soon(); p != nil {
		t.Errorf("%x passed", p)
	}
	if c := r.Counts(); c.Passed != 1 || c.Lost != 1 || c.Changed != 1 {
		t.Errorf("%+v", c)
	}
}

func TestRelayMTU(t *testing.T) {
	r, a, b := relay(t)
	large := udp(here, there, 4500, 4500, make([]byte, 1400))
	for _, tells := range []bool{true, false} {
		r.SetMTU(1400, tells)
		a.in <- large
		if p := b.soon(); p != nil {
			t.Errorf("%d octets passed", len(p))
		}
		if !tells {
			if p := a.soon(); p != nil {
				t.Errorf("said %x", p)
			}
			continue
		}
		if p := a.next(); p == nil || !checked(p) || p[9] != 1 || p[20] != 3 || p[21] != 4 || binary.BigEndian.Uint16(p[26:]) != 1400 || !bytes.Equal(p[28:56], large[:28]) {
			t.Errorf("%x", p)
		}
	}
	a.in <- large[:1400]
	if p := b.next(); len(p) != 1400 {
		t.Errorf("%d octets, want 1400", len(p))
	}
	large[6] = 0 // fragments would pass
	a.in <- large
	if p := b.next(); len(p) != len(large) {
		t.Errorf("%d octets, want %d", len(p), len(large))
	}
}

func TestRelayRebinds(t *testing.T) {
	r, a, b := relay(t)
	outside := func() uint16 {
		t.Helper()
		a.in <- udp(here, there, 500, 4500, nil)
		p := b.next()
		if p == nil || p[22] != 4500>>8 {
			t.Fatalf("%x", p)
		}
		return binary.BigEndian.Uint16(p[20:])
	}
	r.Rebind()
	first := outside()
	r.Rebind()
	b.in <- udp(there, here, 4500, first, nil)
	if p := a.soon(); p != nil {
		t.Errorf("%x came by a mapping that is gone", p)
	}
	second := outside()
	if first == 500 || second == first {
		t.Errorf("ports %d and %d", first, second)
	}
	b.in <- udp(there, here, 4500, second, nil)
	if p := a.next(); p == nil || binary.BigEndian.Uint16(p[22:]) != 500 {
		t.Errorf("%x", p)
	}
}
