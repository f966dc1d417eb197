package tun

import (
	"net/netip"
)

// Carrier is a UDP socket.
type Carrier struct{}

// ListenUDP opens a UDP socket.
func ListenUDP(local netip.AddrPort, f Framing) (*Carrier, error) { return nil, nil }

// Serve reads the socket until Close.
func (c *Carrier) Serve(ike func(msg []byte, from Path)) error { return nil }

// Attach gives ESP to t from now on; nil: to nobody.
func (c *Carrier) Attach(t *Tunnel) {}

// LocalAddr is what the socket is bound to.
func (c *Carrier) LocalAddr() netip.AddrPort { return netip.AddrPort{} }

// SourceFor is the local address from which remote is reached; invalid: no route.
func (c *Carrier) SourceFor(remote netip.Addr) netip.Addr { return netip.Addr{} }

// SendIKE sends an IKE message, with the marker where the path has one.
func (c *Carrier) SendIKE(msg []byte, to Path) error { return nil }

// SendESP sends ESP packets.
func (c *Carrier) SendESP(packets [][]byte, to Path) error { return nil }

// SendKeepalive sends a NAT keepalive.
func (c *Carrier) SendKeepalive(to Path) error { return nil }

// LastError is the latest error of the socket that didn't end it, such as
// "connection refused": a hint, for anybody can forge it. nil: none.
func (c *Carrier) LastError() error { return nil }

// Stats returns a snapshot of the counters.
func (c *Carrier) Stats() CarrierStats { return CarrierStats{} }

// Close ends Serve.
func (c *Carrier) Close() error { return nil }

// RawESP is a socket of IP protocol 50.
type RawESP struct{}

// ListenRawESP opens a socket of IP protocol 50. It needs CAP_NET_RAW.
func ListenRawESP(local netip.Addr) (*RawESP, error) { return nil, nil }

// Serve reads the socket until Close.
func (r *RawESP) Serve() error { return nil }

// Attach gives ESP to t from now on; nil: to nobody.
func (r *RawESP) Attach(t *Tunnel) {}

// SendESP sends ESP packets.
func (r *RawESP) SendESP(packets [][]byte, to Path) error { return nil }

// Stats returns a snapshot of the counters.
func (r *RawESP) Stats() CarrierStats { return CarrierStats{} }

// Close ends Serve.
func (r *RawESP) Close() error { return nil }
