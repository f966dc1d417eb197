// Package faults is the weather between two ends: datagrams that vanish, come twice,
// late, changed or cut. What becomes of each follows from a seed or from its number and
// from nothing else, so that whatever happened can be made to happen again. One model
// serves both in virtual time, over tun/memnet, and in real time, by a Relay between
// two TUN devices.
package faults

import (
	"bytes"
	"math/rand/v2"
	"time"
)

// Arrival is what an end gets of a datagram, and how much later than by a perfect
// network.
type Arrival struct {
	Octets []byte
	After  time.Duration
}

// A Fault is what becomes of one datagram: none of its arrivals may be left. It doesn't
// change the datagram's octets; what arrives unchanged may share them.
type Fault func(datagram []byte) []Arrival

// A Model says what becomes of one datagram after the other of a direction. One
// goroutine at a time uses it.
type Model = Fault

// None is a perfect network.
func None(d []byte) []Arrival { return []Arrival{{Octets: d}} }

// Drop loses the datagram.
func Drop([]byte) []Arrival { return nil }

// Double has it come again after a while.
func Double(after time.Duration) Fault {
	return func(d []byte) []Arrival { return []Arrival{{Octets: d}, {Octets: d, After: after}} }
}

// Late has it come late.
func Late(after time.Duration) Fault {
	return func(d []byte) []Arrival { return []Arrival{{Octets: d, After: after}} }
}

// Corrupt flips a bit of the octet that lies so far in: 0 at its start, 1 at its end.
func Corrupt(where float64) Fault {
	return func(d []byte) []Arrival {
		if len(d) == 0 {
			return None(d)
		}
		changed := bytes.Clone(d)
		changed[min(int(where*float64(len(d))), len(d)-1)] ^= 0x10
		return []Arrival{{Octets: changed}}
	}
}

// Truncate leaves that part of it.
func Truncate(part float64) Fault {
	return func(d []byte) []Arrival { return []Arrival{{Octets: d[:int(part*float64(len(d)))]}} }
}

// Single are the faults that one datagram may suffer, by name.
var Single = map[string]Fault{
	"dropped":                 Drop,
	"doubled":                 Double(5 * time.Millisecond),
	"doubled late":            Double(3 * time.Second),
	"delayed past the next":   Late(30 * time.Millisecond),
	"delayed past its repeat": Late(700 * time.Millisecond),
	"corrupted at its start":  Corrupt(0.03),
	"corrupted at a third":    Corrupt(0.3),
	"corrupted in its middle": Corrupt(0.5),
	"corrupted near its end":  Corrupt(0.8),
	"corrupted at its end":    Corrupt(1),
	"truncated":               Truncate(0.9),
	"truncated to a third":    Truncate(0.33),
}

// Nth is a model in which the datagrams with these numbers, counted from 1, suffer, and
// no others.
func Nth(f Fault, numbers ...int) Model {
	n := 0
	return func(d []byte) []Arrival {
		n++
		for _, v := range numbers {
			if v == n {
				return f(d)
			}
		}
		return None(d)
	}
}

// Weather is how often what happens: parts of all datagrams, each by itself.
type Weather struct {
	Loss, Double, Corrupt, Truncate float64

	// Reorder is the part that comes late, by 1 to Window times Slot.
	Reorder float64
	Window  int
	Slot    time.Duration
}

// Storm is the weather that connections must be made in: 30 % are lost, 30 % come
// twice, and all may overtake, or be overtaken by, up to five that follow 20 ms apart.
var Storm = Weather{Loss: 0.3, Double: 0.3, Reorder: 1, Window: 5, Slot: 20 * time.Millisecond}

// Model is this weather in one direction. The nth datagram of the same seed and stream
// suffers the same, whatever it holds: each takes as many random numbers.
func (w Weather) Model(seed, stream uint64) Model {
	random := rand.New(rand.NewPCG(seed, stream))
	return func(d []byte) []Arrival {
		lost := random.Float64() < w.Loss
		twice := random.Float64() < w.Double
		corrupt := Corrupt(random.Float64())
		if random.Float64() >= w.Corrupt {
			corrupt = None
		}
		truncate := Truncate(random.Float64())
		if random.Float64() >= w.Truncate {
			truncate = None
		}
		delays := [2]time.Duration{w.delay(random), w.delay(random)}
		if lost {
			return nil
		}
		arrives := corrupt(truncate(d)[0].Octets)[0]
		arrives.After = delays[0]
		if !twice {
			return []Arrival{arrives}
		}
		return []Arrival{arrives, {Octets: d, After: delays[1]}}
	}
}

// delay is how late a datagram comes. It takes two random numbers.
func (w Weather) delay(random *rand.Rand) time.Duration {
	late, by := random.Float64() < w.Reorder, random.Float64()
	if !late || w.Window <= 0 {
		return 0
	}
	return time.Duration(1+int(by*float64(w.Window))) * w.Slot
}
