package ike

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"postern/ike/isakmp"
)

// fragmentLink is a link whose peer takes fragments of at most size octets, and
// which takes some itself.
func fragmentLink(size int) *link {
	l := &link{fragmentSize: size, assembles: true}
	l.ckyI, l.ckyR = isakmp.Cookie{1}, isakmp.Cookie{2}
	return l
}

// wholeMessage is a message of n octets.
func wholeMessage(n int, msgID uint32) []byte {
	h := isakmp.Header{
		InitiatorCookie: isakmp.Cookie{1}, ResponderCookie: isakmp.Cookie{2}, Version: isakmp.Version,
		Exchange: isakmp.ExchangeMain, NextPayload: isakmp.PayloadID, Flags: isakmp.FlagEncryption,
		MessageID: msgID, Length: uint32(n),
	}
	b := h.Append(nil)
	for len(b) < n {
		b = append(b, byte(len(b)))
	}
	return b
}

// feed gives datagrams to a link and returns the messages that came of them.
func feed(l *link, ds ...[]byte) (out [][]byte) {
	for _, d := range ds {
		if w, err := l.whole(Datagram{Octets: bytes.Clone(d)}); err == nil {
			out = append(out, w.Octets)
		}
	}
	return out
}

func piece(id uint16, number uint8, last bool, data []byte) []byte {
	h := isakmp.Header{
		InitiatorCookie: isakmp.Cookie{1}, ResponderCookie: isakmp.Cookie{2}, Version: isakmp.Version,
		Exchange: isakmp.ExchangeMain, NextPayload: isakmp.PayloadFragment,
	}
	body := isakmp.AppendPayloads(nil, []isakmp.Payload{{
		Type: isakmp.PayloadFragment,
		Body: isakmp.Fragment{ID: id, Number: number, Last: last, Data: data}.Marshal(),
	}})
	h.Length = uint32(isakmp.HeaderLen + len(body))
	return append(h.Append(nil), body...)
}

func TestSplit(t *testing.T) {
	for _, test := range []struct{ size, octets, pieces int }{
		{0, 5000, 1},
		{1280, 1228, 1},
		{1280, 1229, 2},
		{1280, 2 * 1192, 2},
		{1280, 2*1192 + 1, 3},
		{576, 3000, 7},
		{1280, 64 << 10, 55},
		{256, 64 << 10, 1}, // more than anybody puts together
	} {
		octets := wholeMessage(test.octets, 0)
		ds := fragmentLink(test.size).split(octets)
		if len(ds) != test.pieces {
			t.Errorf("%d octets, %d at a time: %d pieces, want %d", test.octets, test.size, len(ds), test.pieces)
		}
		for _, d := range ds {
			if len(ds) > 1 && len(d)+datagramOverhead > test.size {
				t.Errorf("a packet of %d octets", len(d)+datagramOverhead)
			}
		}
		if got := feed(fragmentLink(0), ds...); len(got) != 1 || !bytes.Equal(got[0], octets) {
			t.Errorf("%d octets, %d at a time: not put together", test.octets, test.size)
		}
	}
	l := fragmentLink(576)
	octets := wholeMessage(3000, 0)
	for i, d := range l.split(octets) {
		if !bytes.Equal(d, l.split(octets)[i]) {
			t.Error("a repeat isn't in the same pieces")
		}
	}
}

// In any order, with repeats between, one message comes of its pieces.
func TestAssembleInAnyOrder(t *testing.T) {
	octets := wholeMessage(6000, 0)
	ds := fragmentLink(256).split(octets)
	for range 200 {
		l := fragmentLink(0)
		var got [][]byte
		for _, i := range rand.Perm(len(ds)) {
			got = append(got, feed(l, ds[i])...)
			if len(got) == 0 {
				got = append(got, feed(l, ds[i])...)
			}
		}
		if len(got) != 1 || !bytes.Equal(got[0], octets) {
			t.Fatalf("%d messages", len(got))
		}
	}
	l := fragmentLink(0)
	for i := len(ds) - 1; i > 0; i-- {
		feed(l, ds[i])
	}
	if got := feed(l, ds[0]); len(got) != 1 {
		t.Error("backwards: nothing")
	}
}

func TestAssemblyRefuses(t *testing.T) {
	whole := wholeMessage(100, 0)
	first, second := whole[:60], whole[60:]
	inner := piece(9, 1, true, whole)
	other := wholeMessage(100, 77)
	flagged := piece(1, 1, false, first)
	flagged[19] |= byte(isakmp.FlagEncryption)
	wrongCookie := piece(1, 2, true, second)
	wrongCookie[15] = 9
	twoPayloads := piece(1, 2, true, second)
	twoPayloads[isakmp.HeaderLen] = byte(isakmp.PayloadFragment)
	for _, test := range []struct {
		name string
		ds   [][]byte
		want int
	}{
		{"both pieces", [][]byte{piece(1, 1, false, first), piece(1, 2, true, second)}, 1},
		{"the encryption flag on one", [][]byte{flagged, piece(1, 2, true, second)}, 1},
		{"in one piece", [][]byte{piece(1, 1, true, whole)}, 1},
		{"twice", [][]byte{piece(1, 1, false, first), piece(1, 2, true, second), piece(1, 1, false, first), piece(1, 2, true, second)}, 2},
		{"a later copy doesn't replace", [][]byte{piece(1, 1, false, first), piece(1, 1, false, second), piece(1, 2, true, second)}, 1},
		{"another ID ends it", [][]byte{piece(1, 1, false, first), piece(2, 1, false, first), piece(1, 2, true, second)}, 0},
		{"another cookie", [][]byte{piece(1, 1, false, first), wrongCookie}, 0},
		{"no last", [][]byte{piece(1, 1, false, first), piece(1, 2, false, second)}, 0},
		{"a gap", [][]byte{piece(1, 1, false, first), piece(1, 3, true, second)}, 0},
		{"behind the last", [][]byte{piece(1, 2, true, second), piece(1, 3, false, first)}, 0},
		{"two lasts", [][]byte{piece(1, 3, true, second), piece(1, 2, true, second), piece(1, 1, false, first)}, 0},
		{"last before what has come", [][]byte{piece(1, 3, false, second), piece(1, 1, true, whole)}, 0},
		{"number 0", [][]byte{piece(1, 0, true, whole)}, 0},
		{"number 65", [][]byte{piece(1, 65, true, whole)}, 0},
		{"fragments of fragments", [][]byte{piece(1, 1, false, inner[:50]), piece(1, 2, true, inner[50:])}, 0},
		{"another message inside", [][]byte{piece(1, 1, true, other)}, 0},
		{"another cookie inside", [][]byte{piece(1, 1, true, append([]byte{8}, whole[1:]...))}, 0},
		{"too short a whole", [][]byte{piece(1, 1, true, whole[:99])}, 0},
		{"nothing", [][]byte{piece(1, 1, true, nil)}, 0},
		{"a payload behind", [][]byte{piece(1, 1, false, first), twoPayloads}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := feed(fragmentLink(0), test.ds...)
			if len(got) != test.want {
				t.Fatalf("%d messages, want %d", len(got), test.want)
			}
			for _, g := range got {
				if !bytes.Equal(g, whole) {
					t.Errorf("%x, want %x", g, whole)
				}
			}
		})
	}
	l := fragmentLink(0)
	l.assembles = false
	if len(feed(l, piece(1, 1, true, whole))) != 0 {
		t.Error("put together although not announced")
	}
}

// Every length field that a fragment payload can have too small, and every
// number of octets that can be missing.
func TestShortFragments(t *testing.T) {
	whole := wholeMessage(64, 0)
	for length := range 9 {
		for octets := range 9 {
			d := piece(1, 1, true, whole)[:isakmp.HeaderLen+octets]
			binary.BigEndian.PutUint32(d[24:], uint32(len(d)))
			if octets >= 4 {
				binary.BigEndian.PutUint16(d[isakmp.HeaderLen+2:], uint16(length))
			}
			l := fragmentLink(0)
			if got := feed(l, d); len(got) != 0 {
				t.Errorf("length %d in %d octets makes a message", length, octets)
			}
			if got := feed(l, piece(1, 1, true, whole)); length != 8 && len(got) != 1 {
				t.Errorf("length %d in %d octets keeps a message out", length, octets)
			}
		}
	}
}

func TestAssemblyForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		whole := wholeMessage(100, 0)
		for _, test := range []struct {
			after time.Duration
			want  int
		}{{29 * time.Second, 1}, {31 * time.Second, 0}} {
			l := fragmentLink(0)
			feed(l, piece(1, 1, false, whole[:60]))
			time.Sleep(test.after)
			if got := feed(l, piece(1, 2, true, whole[60:])); len(got) != test.want {
				t.Errorf("after %v: %d messages", test.after, len(got))
			}
		}
	})
}

// A million fragments, in the orders that cost most: they keep no memory and
// little time.
func TestFragmentFlood(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 50_000
	}
	data := make([]byte, 1000)
	backwards := make([][]byte, 64)
	ids := make([][]byte, 64)
	for i := range backwards {
		backwards[i] = piece(1, uint8(64-i), false, data)
		ids[i] = piece(uint16(i), 1, false, data)
	}
	for _, test := range []struct {
		name string
		ds   [][]byte
	}{{"backwards, never complete", backwards}, {"each of another message", ids}, {"one and the same", backwards[:1]}} {
		l := fragmentLink(0)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		began := time.Now()
		for i := range n {
			if _, err := l.whole(Datagram{Octets: test.ds[i%len(test.ds)]}); err == nil {
				t.Fatal("a message")
			}
		}
		took := time.Since(began)
		runtime.GC()
		runtime.ReadMemStats(&after)
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
			t.Errorf("%s: %d octets are kept", test.name, grown)
		}
		t.Logf("%s: %d in %v", test.name, n, took)
		if took > 2*time.Minute { // 1 s is the aim; a test machine may do thirty things at once
			t.Errorf("%s: %v", test.name, took)
		}
	}
}

// At most 64 KiB are put together.
func TestAssemblyBound(t *testing.T) {
	l := fragmentLink(0)
	data := make([]byte, 2000)
	for i := range 64 {
		feed(l, piece(1, uint8(i+1), false, data))
		if l.assembly.size > maxAssembled {
			t.Fatalf("%d octets", l.assembly.size)
		}
	}
}

func FuzzAssembly(f *testing.F) {
	whole := wholeMessage(100, 0)
	join := func(ds ...[]byte) (b []byte) {
		for _, d := range ds {
			b = binary.BigEndian.AppendUint16(b, uint16(len(d)))
			b = append(b, d...)
		}
		return b
	}
	f.Add(join(piece(1, 1, false, whole[:60]), piece(1, 2, true, whole[60:])))
	f.Add(join(piece(1, 2, true, whole[60:]), piece(1, 1, false, whole[:60]), whole))
	f.Add(join(piece(1, 1, true, whole)))
	f.Add(join(piece(1, 64, true, whole), piece(2, 63, false, nil)))
	f.Fuzz(func(t *testing.T, b []byte) {
		l := fragmentLink(0)
		for len(b) >= 2 {
			n := min(int(binary.BigEndian.Uint16(b)), len(b)-2)
			d := b[2 : 2+n]
			b = b[2+n:]
			w, err := l.whole(Datagram{Octets: bytes.Clone(d)})
			if l.assembly.size > maxAssembled {
				t.Fatal("too much is kept")
			}
			if err != nil || bytes.Equal(w.Octets, d) {
				continue
			}
			h, err := isakmp.ParseHeader(w.Octets)
			if err != nil || h.NextPayload == isakmp.PayloadFragment || l.checkCookies(h) != nil {
				t.Fatal(fmt.Sprint("put together: ", h, err))
			}
		}
	})
}
