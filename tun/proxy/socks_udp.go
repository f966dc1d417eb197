package proxy

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	maxFlows    = 256             // destinations of one association; datagrams to more are dropped
	flowQueue   = 16              // datagrams that wait while a name is looked up
	flowIdle    = 2 * time.Minute // without an answer, then a flow is forgotten (RFC 4787, REQ-5)
	maxDatagram = 65535
)

// association is what one UDP ASSOCIATE request opened: a UDP socket beside the
// TCP connection, which it ends with (RFC 1928, section 7).
type association struct {
	config *Config
	socket *net.UDPConn
	host   netip.Addr // whose datagrams are taken: the TCP client's

	mu     sync.Mutex
	client netip.AddrPort // the first to send from there
	flows  map[string]chan []byte
	wait   sync.WaitGroup
}

// associate serves UDP ASSOCIATE, until the client closes the TCP connection.
func associate(ctx context.Context, s *Server, c *bufferedConn) {
	local, remote := addrPort(c.LocalAddr()), addrPort(c.RemoteAddr())
	socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local.Addr(), 0)))
	if err != nil {
		reply(c, replyFailure, netip.AddrPort{})
		return
	}
	a := &association{
		config: &s.config, socket: socket, host: remote.Addr().Unmap(),
		flows: make(map[string]chan []byte),
	}
	ctx, cancel := context.WithCancel(ctx)
	a.wait.Go(func() { a.serve(ctx) })
	reply(c, replySucceeded, addrPort(socket.LocalAddr()))
	_, _ = io.Copy(io.Discard, c)
	cancel()
	socket.Close()
	a.wait.Wait()
}

// serve takes the client's datagrams (RFC 1928, section 7):
//
//	0: reserved (2)   2: fragment   3: address and port   data
func (a *association) serve(ctx context.Context) {
	b := make([]byte, maxDatagram)
	for {
		n, from, err := a.socket.ReadFromUDPAddrPort(b)
		if ctx.Err() != nil {
			return
		}
		if err != nil || n < 4 || b[2] != 0 || !a.accepts(from) { // "MUST drop any datagram" that is a fragment
			continue
		}
		r := bytes.NewReader(b[3:n])
		target, err := readAddress(r)
		if err != nil {
			continue
		}
		a.send(ctx, target, bytes.Clone(b[n-r.Len():n]))
	}
}

// accepts takes datagrams from one port of the client's address.
func (a *association) accepts(from netip.AddrPort) bool {
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.client.IsValid() && from.Addr() == a.host {
		a.client = from
	}
	return a.client == from
}

// send gives a datagram to the flow to its target, which it begins if need be.
func (a *association) send(ctx context.Context, target string, data []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	flow := a.flows[target]
	if flow == nil {
		if len(a.flows) == maxFlows {
			return
		}
		flow = make(chan []byte, flowQueue)
		a.flows[target] = flow
		a.wait.Go(func() { a.serveFlow(ctx, target, flow) })
	}
	select {
	case flow <- data:
	default: // as a full socket does
	}
}

// serveFlow carries the datagrams to and from one target.
func (a *association) serveFlow(ctx context.Context, target string, flow chan []byte) {
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.flows, target)
	}()
	dialing, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := a.config.dial(dialing, "udp", target)
	if err != nil {
		return
	}
	defer conn.Close()
	ended := make(chan struct{})
	a.wait.Go(func() {
		defer close(ended)
		a.answer(conn)
	})
	for {
		select {
		case data := <-flow:
			_, _ = conn.Write(data)
		case <-ended:
			return
		case <-ctx.Done():
			return
		}
	}
}

// answer sends the client what comes from a target, until nothing does.
func (a *association) answer(conn net.Conn) {
	head := appendAddress([]byte{0, 0, 0}, addrPort(conn.RemoteAddr()))
	b := make([]byte, maxDatagram)
	copy(b, head)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(flowIdle))
		n, err := conn.Read(b[len(head):])
		if err != nil {
			return
		}
		a.mu.Lock()
		client := a.client
		a.mu.Unlock()
		_, _ = a.socket.WriteToUDPAddrPort(b[:len(head)+n], client)
	}
}
