package tun

import "errors"

// RawESP is a socket of IP protocol 50, ESP without UDP, for gateways that no
// NAT stands before. Its Send method may be called from any goroutine.
type RawESP struct {
	receiver
}

// Serve reads the socket until Close, and then returns nil. Nobody else reads
// it. Packets of other programs' associations arrive too: the Tunnel counts them
// as NoSA.
func (r *RawESP) Serve() error {
	return r.serve(func(d *Datagram) bool {
		if len(d.Data) < espHeaderLen {
			r.short.Add(1)
			return false
		}
		return true
	})
}

// SendESP sends ESP packets, in order, one an IP packet; the ports of the path
// are ignored. An error is that of the first that couldn't be sent; the others
// are sent all the same.
func (r *RawESP) SendESP(packets [][]byte, to Path) error {
	if !to.Remote.Addr().IsValid() {
		return errors.New("tun: sending ESP: no remote address")
	}
	return r.socket.Write(packets, to)
}
