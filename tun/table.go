package tun

import (
	"net/netip"
	"slices"
)

// table says which pair a packet belongs to. It is never changed once published,
// so both pumps read it without a lock.
type table struct {
	bySPI map[uint32]*Pair // inbound

	// Outbound pairs, newest first. A gateway has thousands of pairs with one
	// host at the other end, and finds the right one by one look-up.
	toHost    map[netip.Addr][]*Pair
	toNetwork []*Pair
}

// newTable indexes the pairs. outbound lists them newest first.
func newTable(bySPI map[uint32]*Pair, outbound []*Pair) *table {
	t := &table{bySPI: bySPI, toHost: make(map[netip.Addr][]*Pair)}
	for _, p := range outbound {
		for _, s := range p.Remote {
			if s.Prefix.IsSingleIP() {
				t.toHost[s.Prefix.Addr()] = appendNew(t.toHost[s.Prefix.Addr()], p)
			} else {
				t.toNetwork = appendNew(t.toNetwork, p)
			}
		}
	}
	return t
}

// appendNew appends p unless it is the last one already.
func appendNew(pairs []*Pair, p *Pair) []*Pair {
	if n := len(pairs); n > 0 && pairs[n-1] == p {
		return pairs
	}
	return append(pairs, p)
}

// outbound returns the newest pair for a packet from the device: one whose
// selectors name the destination alone, else any.
func (t *table) outbound(h *header) *Pair {
	for _, p := range t.toHost[h.dst] {
		if p.sends(h) {
			return p
		}
	}
	for _, p := range t.toNetwork {
		if p.sends(h) {
			return p
		}
	}
	return nil
}

// empty reports whether no pair at all can send.
func (t *table) empty() bool { return len(t.toHost) == 0 && len(t.toNetwork) == 0 }

// without returns pairs without p, which it doesn't change.
func without(pairs []*Pair, p *Pair) []*Pair {
	return slices.DeleteFunc(slices.Clone(pairs), func(q *Pair) bool { return q == p })
}
