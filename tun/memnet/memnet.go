// Package memnet is UDP in memory, for tests of whole connections in virtual time
// (testing/synctest).
package memnet

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"postern/tun"
	"postern/tun/faults"
)

// Network is UDP between addresses, in memory: what is sent arrives after Latency,
// in order, unless a Fault has other plans. It may be used inside testing/synctest.
type Network struct {
	Latency time.Duration // set before the first Listen

	mu      sync.Mutex
	fault   Fault
	relay   Relay
	nat     map[netip.Addr]NAT
	sockets map[netip.AddrPort]*Socket // by what a NAT made of their addresses
	hosts   map[netip.Addr]*Host
}

// Fault decides what becomes of a datagram: the delays of its arrivals beyond
// Latency. One of 0 is a perfect network, none at all loses it.
type Fault func(from, to netip.AddrPort, datagram []byte) []time.Duration

// Relay is a Fault that may change what arrives.
type Relay func(from, to netip.AddrPort, datagram []byte) []faults.Arrival

// SetRelay has r decide, in place of a Fault, about what is sent from now on; nil is a
// perfect network.
func (n *Network) SetRelay(r Relay) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fault, n.relay = nil, r
}

// NAT maps a source behind it to what the others see.
type NAT func(netip.AddrPort) netip.AddrPort

// New returns a network with a latency of 10 ms.
func New() *Network {
	return &Network{
		Latency: 10 * time.Millisecond, nat: make(map[netip.Addr]NAT),
		sockets: make(map[netip.AddrPort]*Socket), hosts: make(map[netip.Addr]*Host),
	}
}

// SetFault installs f for what is sent from now on; nil is a perfect network.
func (n *Network) SetFault(f Fault) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fault, n.relay = f, nil
}

// SetNAT puts a NAT before an address, which forgets the mappings it had; nil takes
// it away.
func (n *Network) SetNAT(inside netip.Addr, f NAT) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.nat[inside] = f
	for mapped, s := range n.sockets {
		if s.host.addr == inside {
			delete(n.sockets, mapped)
		}
	}
}

// Host is a machine with one address, which may change.
type Host struct {
	network  *Network
	addr     netip.Addr // invalid: no network at all
	sockets  []*Socket
	nextPort uint16
}

// Host makes a machine.
func (n *Network) Host(a netip.Addr) *Host {
	h := &Host{network: n, addr: a, nextPort: 40000}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[a] = h
	return h
}

// Move gives the machine another address; the zero Addr: it has no network.
func (h *Host) Move(a netip.Addr) {
	n := h.network
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.hosts, h.addr)
	if h.addr = a; a.IsValid() {
		n.hosts[a] = h
	}
}

// Listen opens a UDP socket of the machine on all its addresses; port 0 is any.
func (h *Host) Listen(port uint16) (*Socket, netip.AddrPort) {
	n := h.network
	n.mu.Lock()
	defer n.mu.Unlock()
	if port == 0 {
		h.nextPort++
		port = h.nextPort
	}
	s := &Socket{host: h, port: port, wake: make(chan struct{}, 1), closed: make(chan struct{})}
	h.sockets = append(h.sockets, s)
	any := netip.IPv4Unspecified()
	if h.addr.Is6() {
		any = netip.IPv6Unspecified()
	}
	return s, netip.AddrPortFrom(any, port)
}

// Socket is a tun.Socket in memory.
type Socket struct {
	host   *Host
	port   uint16
	wake   chan struct{}
	closed chan struct{}
	once   sync.Once

	queue []arrival // by time; guarded by Network.mu
}

var _ tun.Socket = (*Socket)(nil)

type arrival struct {
	at   time.Time
	data []byte
	from tun.Path
}

// Read implements tun.Socket.
func (s *Socket) Read(in []tun.Datagram) (int, error) {
	for {
		count, wait := s.take(in)
		if count > 0 {
			return count, nil
		}
		var next <-chan time.Time
		if wait > 0 {
			next = time.After(wait)
		}
		select {
		case <-s.closed:
			return 0, net.ErrClosed
		case <-s.wake:
		case <-next:
		}
	}
}

// take takes what has arrived, or says how long nothing will; 0: nothing is on its way.
func (s *Socket) take(in []tun.Datagram) (count int, wait time.Duration) {
	n := s.host.network
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	for count < len(in) && len(s.queue) > 0 && !s.queue[0].at.After(now) {
		in[count] = tun.Datagram{Data: s.queue[0].data, From: s.queue[0].from}
		s.queue = s.queue[1:]
		count++
	}
	if count == 0 && len(s.queue) > 0 {
		wait = s.queue[0].at.Sub(now)
	}
	return count, wait
}

// Write implements tun.Socket.
func (s *Socket) Write(packets [][]byte, to tun.Path) error {
	n := s.host.network
	n.mu.Lock()
	defer n.mu.Unlock()
	select {
	case <-s.closed:
		return net.ErrClosed
	default:
	}
	if !s.host.addr.IsValid() {
		return net.ErrClosed // any error does
	}
	local := to.Local.Addr()
	if local.IsValid() && !local.IsUnspecified() && local != s.host.addr {
		return &net.AddrError{Err: "not an address of this host", Addr: local.String()}
	}
	for _, p := range packets {
		n.send(netip.AddrPortFrom(s.host.addr, s.port), to.Remote, append([]byte(nil), p...))
	}
	return nil
}

// send puts a datagram on its way; n.mu is held.
func (n *Network) send(from, to netip.AddrPort, data []byte) {
	arrivals := n.arrivals(from, to, data)
	if f := n.nat[from.Addr()]; f != nil {
		mapped := f(from)
		n.sockets[mapped] = n.socket(from)
		from = mapped
	}
	s := n.sockets[to]
	if s == nil {
		s = n.socket(to)
	}
	if s == nil {
		return
	}
	local := netip.AddrPortFrom(s.host.addr, s.port)
	for _, v := range arrivals {
		a := arrival{time.Now().Add(n.Latency + v.After), append([]byte(nil), v.Octets...), tun.Path{Local: local, Remote: from}}
		i := len(s.queue)
		for i > 0 && s.queue[i-1].at.After(a.at) {
			i--
		}
		s.queue = append(s.queue[:i], append([]arrival{a}, s.queue[i:]...)...)
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// arrivals are what becomes of a datagram; n.mu is held.
func (n *Network) arrivals(from, to netip.AddrPort, data []byte) []faults.Arrival {
	switch {
	case n.relay != nil:
		return n.relay(from, to, data)
	case n.fault == nil:
		return faults.None(data)
	}
	var out []faults.Arrival
	for _, after := range n.fault(from, to, data) {
		out = append(out, faults.Arrival{Octets: data, After: after})
	}
	return out
}

// socket is the one that an address and port lead to, or nil; n.mu is held.
func (n *Network) socket(at netip.AddrPort) *Socket {
	h := n.hosts[at.Addr()]
	if h == nil {
		return nil
	}
	for _, s := range h.sockets {
		if s.port == at.Port() {
			return s
		}
	}
	return nil
}

// Source implements tun.Socket.
func (s *Socket) Source(netip.Addr) netip.Addr {
	s.host.network.mu.Lock()
	defer s.host.network.mu.Unlock()
	return s.host.addr
}

// Close implements tun.Socket.
func (s *Socket) Close() error {
	n := s.host.network
	n.mu.Lock()
	defer n.mu.Unlock()
	s.once.Do(func() {
		close(s.closed)
		for i, o := range s.host.sockets {
			if o == s {
				s.host.sockets = append(s.host.sockets[:i:i], s.host.sockets[i+1:]...)
				break
			}
		}
	})
	return nil
}

// Addr is the machine's address now.
func (h *Host) Addr() netip.Addr {
	h.network.mu.Lock()
	defer h.network.mu.Unlock()
	return h.addr
}

// Inject puts a datagram on its way as if it came from there.
func (n *Network) Inject(from, to netip.AddrPort, datagram []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.send(from, to, datagram)
}
