package faults_test

import (
	"bytes"
	"fmt"
	"math"
	"testing"
	"time"

	"postern/tun/faults"
)

// The same seed does the same to the nth datagram, whatever it holds; another seed or
// direction does something else.
func TestWeatherIsReplayable(t *testing.T) {
	w := faults.Weather{Loss: 0.3, Double: 0.3, Corrupt: 0.1, Truncate: 0.1, Reorder: 0.5, Window: 5, Slot: time.Millisecond}
	story := func(seed, stream uint64, size int) (out string) {
		m := w.Model(seed, stream)
		for range 200 {
			d := make([]byte, size)
			for _, a := range m(d) {
				out += fmt.Sprint(a.After, len(a.Octets) < size, !bytes.Equal(a.Octets, d[:len(a.Octets)]), " ")
			}
			out += "\n"
		}
		return out
	}
	one := story(1, 0, 100)
	if story(1, 0, 100) != one {
		t.Error("the same seed did something else")
	}
	if story(2, 0, 100) == one || story(1, 1, 100) == one {
		t.Error("another seed or direction did the same")
	}
}

func TestWeatherKeepsItsParts(t *testing.T) {
	const n = 20000
	w := faults.Weather{Loss: 0.3, Double: 0.2, Corrupt: 0.1, Truncate: 0.05, Reorder: 0.4, Window: 5, Slot: 20 * time.Millisecond}
	m := w.Model(7, 0)
	d := bytes.Repeat([]byte{0xa5}, 100)
	var lost, twice, corrupt, cut, late int
	for range n {
		as := m(d)
		if len(as) == 0 {
			lost++
			continue
		}
		if len(as) == 2 {
			twice++
		}
		a := as[0]
		if len(a.Octets) < len(d) {
			cut++
		}
		if !bytes.Equal(a.Octets, d[:len(a.Octets)]) {
			corrupt++
		}
		if a.After > 0 {
			late++
		}
		if a.After > 100*time.Millisecond || a.After%(20*time.Millisecond) != 0 {
			t.Fatalf("late by %v", a.After)
		}
	}
	if !bytes.Equal(d, bytes.Repeat([]byte{0xa5}, 100)) {
		t.Error("the datagram itself was changed")
	}
	arrived := float64(n - lost)
	for name, c := range map[string]struct{ got, want float64 }{
		"lost":      {float64(lost) / n, w.Loss},
		"doubled":   {float64(twice) / arrived, w.Double},
		"corrupted": {float64(corrupt) / arrived, w.Corrupt},
		"truncated": {float64(cut) / arrived, w.Truncate},
		"late":      {float64(late) / arrived, w.Reorder},
	} {
		if math.Abs(c.got-c.want) > 0.015 {
			t.Errorf("%s: %.3f, want %.3f", name, c.got, c.want)
		}
	}
}

func TestNth(t *testing.T) {
	m := faults.Nth(faults.Drop, 2, 4)
	for n := 1; n <= 5; n++ {
		if lost := len(m([]byte{1})) == 0; lost != (n == 2 || n == 4) {
			t.Errorf("datagram %d: lost %v", n, lost)
		}
	}
}

// Each single fault does something, and nothing to the octets it was given.
func TestSingle(t *testing.T) {
	for name, f := range faults.Single {
		for _, size := range []int{1, 28, 1500} {
			d := bytes.Repeat([]byte{0xa5}, size)
			as := f(d)
			if !bytes.Equal(d, bytes.Repeat([]byte{0xa5}, size)) {
				t.Errorf("%s changed its datagram", name)
			}
			if len(as) == 1 && as[0].After == 0 && bytes.Equal(as[0].Octets, d) {
				t.Errorf("%s did nothing to %d octets", name, size)
			}
		}
	}
}
