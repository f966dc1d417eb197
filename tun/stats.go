package tun

import (
	"sync/atomic"
	"time"
)

// Drops counts the packets that were dropped, by reason.
type Drops struct {
	NoSA      uint64 // no pair at all to seal it, or an SPI that isn't ours
	Selectors uint64 // outside the selectors
	Replay    uint64 // repeated or too old sequence number
	Integrity uint64 // wrong ICV
	Malformed uint64 // no ESP packet, or no whole IP packet in it
	Exhausted uint64 // all sequence numbers of the association are used
	TooBig    uint64 // larger than the MTU, and may not be fragmented
	Device    uint64 // in a batch the device refused, at least in part
	Send      uint64 // in a batch the socket refused, at least in part
}

// Traffic counts one direction: inner packets and their octets, those dropped
// for Device or Send included.
type Traffic struct {
	Packets, Octets uint64
	Drops           Drops
}

// Stats is a snapshot of the counters of a Tunnel.
type Stats struct {
	In, Out Traffic
}

// PairStats is a snapshot of the counters of a Pair.
type PairStats struct {
	In, Out                   Traffic
	LastInbound, LastOutbound time.Time // zero: never
}

// reason is why a packet was dropped.
type reason uint8

const (
	noSA reason = iota
	outsideSelectors
	replayed
	wrongICV
	malformed
	exhausted
	tooBig
	deviceRefused
	sendRefused
	reasons // how many
)

// traffic is what Traffic is a snapshot of.
type traffic struct {
	packets, octets atomic.Uint64
	drops           [reasons]atomic.Uint64
}

func (t *traffic) count(packets, octets int) {
	t.packets.Add(uint64(packets))
	t.octets.Add(uint64(octets))
}

func (t *traffic) drop(why reason, packets int) { t.drops[why].Add(uint64(packets)) }

func (t *traffic) snapshot() Traffic {
	return Traffic{
		Packets: t.packets.Load(),
		Octets:  t.octets.Load(),
		Drops: Drops{
			NoSA:      t.drops[noSA].Load(),
			Selectors: t.drops[outsideSelectors].Load(),
			Replay:    t.drops[replayed].Load(),
			Integrity: t.drops[wrongICV].Load(),
			Malformed: t.drops[malformed].Load(),
			Exhausted: t.drops[exhausted].Load(),
			TooBig:    t.drops[tooBig].Load(),
			Device:    t.drops[deviceRefused].Load(),
			Send:      t.drops[sendRefused].Load(),
		},
	}
}
