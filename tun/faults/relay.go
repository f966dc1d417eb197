package faults

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"
)

// Relay is the way between two machines of which each has a TUN device: what one sends,
// the other receives, in its own packets and from its own address, as far as the
// weather lets it. A model gets what UDP carries; of a packet of anything else, or of a
// fragment, all behind the IP header. Checksums are right afterwards, so that a receiver
// must find out by itself what was changed. Of IPv6 nothing passes. Safe for concurrent
// use.
type Relay struct {
	Router netip.Addr // who tells of packets that are too large

	mu     sync.Mutex
	models [2]Model
	watch  func(packet []byte)
	mtu    int
	tells  bool
	counts Counts
	shift  uint16          // from a port before the NAT to that behind it; 0: no NAT
	mapped map[uint16]bool // the ports before it that have a mapping
}

// Counts are packets.
type Counts struct {
	Passed, Lost, Changed, TooLarge int
	Largest                         int // that passed, in octets
}

// SetWeather has the weather of a seed from now on, another in each direction.
func (r *Relay) SetWeather(w Weather, seed uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.models = [2]Model{w.Model(seed, 0), w.Model(seed, 1)}
}

// SetMTU drops IPv4 packets with DF of more octets; 0: none. A router tells their sender
// so by ICMP if it tells (RFC 1191, section 4), otherwise the way is a black hole.
// Packets without DF pass whole: their fragments would.
func (r *Relay) SetMTU(octets int, tells bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mtu, r.tells = octets, tells
}

// Watch tells f of each packet that the first machine sends from now on, of IPv6 too,
// before anything becomes of it; f may not keep it. nil: nobody.
func (r *Relay) Watch(f func(packet []byte)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watch = f
}

// Rebind puts a NAT before the first machine, or has the one there forget its mappings
// and make others: UDP comes from other ports from now on, and from the same address.
func (r *Relay) Rebind() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shift, r.mapped = r.shift%40000+2000, make(map[uint16]bool)
}

// Counts are those of all packets so far.
func (r *Relay) Counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts
}

// Serve forwards between the devices until one of them fails; that it was closed is no
// error. Each read and each write is one packet.
func (r *Relay) Serve(a, b io.ReadWriter) error {
	failed := make(chan error, 2)
	go func() { failed <- r.forward(0, a, b) }()
	go func() { failed <- r.forward(1, b, a) }()
	if err := <-failed; !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

func (r *Relay) forward(direction int, from, to io.ReadWriter) error {
	buffer := make([]byte, 65535)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return err
		}
		p := bytes.Clone(buffer[:n])
		r.mu.Lock()
		watch := r.watch
		r.mu.Unlock()
		if watch != nil && direction == 0 {
			watch(p)
		}
		if n < 20 || p[0]>>4 != 4 || int(p[0]&15)*4 > n {
			continue
		}
		answer, arrivals := r.pass(direction, p)
		if answer != nil {
			_, _ = from.Write(answer)
		}
		for _, a := range arrivals {
			if a.After == 0 {
				_, _ = to.Write(a.Octets) // an interface that is down loses it
				continue
			}
			time.AfterFunc(a.After, func() { _, _ = to.Write(a.Octets) })
		}
	}
}

// pass says what becomes of an IPv4 packet, and what its sender is told at once.
func (r *Relay) pass(direction int, p []byte) (answer []byte, out []Arrival) {
	r.mu.Lock()
	defer r.mu.Unlock()
	const dontFragment = 0x40
	if r.mtu > 0 && len(p) > r.mtu && p[6]&dontFragment != 0 {
		r.counts.TooLarge++
		if r.tells && r.Router.Is4() {
			answer = tooLarge(r.Router, p, r.mtu)
		}
		return answer, nil
	}
	if !r.translate(direction, p) {
		r.counts.Lost++
		return nil, nil
	}
	model, header := r.models[direction], headers(p)
	if model == nil {
		model = None
	}
	arrivals := model(p[header:])
	if len(arrivals) == 0 {
		r.counts.Lost++
		return nil, nil
	}
	r.counts.Passed++
	r.counts.Largest = max(r.counts.Largest, len(p))
	for _, a := range arrivals {
		if !bytes.Equal(a.Octets, p[header:]) {
			r.counts.Changed++
		}
		out = append(out, Arrival{seal(append(slices.Clone(p[:header]), a.Octets...), header), a.After})
	}
	return nil, out
}

// headers is how many octets stand before what a model gets.
func headers(p []byte) int {
	header := int(p[0]&15) * 4
	if isUDP(p) {
		header += 8
	}
	return header
}

// isUDP says whether p is a whole packet of UDP.
func isUDP(p []byte) bool {
	header := int(p[0]&15) * 4
	return p[9] == 17 && binary.BigEndian.Uint16(p[6:])&0x3fff == 0 && len(p) >= header+8
}

// translate is the NAT before the first machine; false: there is no such mapping.
func (r *Relay) translate(direction int, p []byte) bool {
	if r.shift == 0 || !isUDP(p) {
		return true
	}
	ports := p[int(p[0]&15)*4:]
	if direction == 0 {
		inside := binary.BigEndian.Uint16(ports)
		r.mapped[inside] = true
		binary.BigEndian.PutUint16(ports, inside+r.shift)
		return true
	}
	inside := binary.BigEndian.Uint16(ports[2:]) - r.shift
	binary.BigEndian.PutUint16(ports[2:], inside)
	return r.mapped[inside]
}

// seal makes lengths and checksums right. A UDP checksum of 0 is none (RFC 768).
func seal(p []byte, header int) []byte {
	ip := int(p[0]&15) * 4
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	if header > ip {
		binary.BigEndian.PutUint16(p[ip+4:], uint16(len(p)-ip))
		binary.BigEndian.PutUint16(p[ip+6:], 0)
	}
	binary.BigEndian.PutUint16(p[10:], 0)
	binary.BigEndian.PutUint16(p[10:], checksum(p[:ip]))
	return p
}

// tooLarge is ICMP's "fragmentation needed and DF set" about p, with the MTU of the next
// hop (RFC 792; RFC 1191, section 4).
//
//	type 3, code 4, checksum (2), unused (2), MTU (2), p's header and 8 octets more
func tooLarge(router netip.Addr, p []byte, mtu int) []byte {
	quoted := p[:min(len(p), int(p[0]&15)*4+8)]
	out := make([]byte, 28, 28+len(quoted))
	out[0], out[8], out[9] = 0x45, 64, 1
	copy(out[12:], router.AsSlice())
	copy(out[16:], p[12:16])
	out[20], out[21] = 3, 4
	binary.BigEndian.PutUint16(out[26:], uint16(mtu))
	out = append(out, quoted...)
	binary.BigEndian.PutUint16(out[22:], checksum(out[20:]))
	return seal(out, 20)
}

// checksum is the Internet's (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
