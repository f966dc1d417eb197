package tun

import "time"

// Drops counts the packets that were dropped, by reason.
type Drops struct {
	NoSA      uint64 // no pair at all for it, or an unknown SPI
	Selectors uint64 // outside the selectors of the pairs
	Replay    uint64 // repeated or too old sequence number
	Integrity uint64 // wrong ICV
	Malformed uint64 // not an ESP packet, or no IP packet in it
	Exhausted uint64 // all sequence numbers of the association are used
	TooBig    uint64 // larger than the MTU, and may not be fragmented
	Device    uint64 // refused by the device
	Send      uint64 // refused by the socket
}

// Traffic counts one direction: inner packets and their octets.
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
	In, Out Traffic
	// When the latest packet was opened, and when one was sent; zero: never. An
	// opened packet is authentic and fresh: the peer lives.
	LastInbound, LastOutbound time.Time
}

// CarrierStats is a snapshot of the counters of a socket: datagrams received.
type CarrierStats struct {
	IKE, ESP, Keepalives uint64
	Short                uint64 // dropped: too short to be any of them
	NoTunnel             uint64 // dropped: ESP with no Tunnel attached
}
