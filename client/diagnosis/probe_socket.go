package diagnosis

import (
	"errors"
	"net/netip"
	"sync"
	"syscall"

	"postern/ike"
	"postern/tun"
)

// wire is a UDP socket of a port that the system chooses.
type wire struct {
	carrier *tun.Carrier
	inbox   chan ike.Datagram
	serving sync.WaitGroup
}

func openWire(gateway netip.Addr) (*wire, error) {
	any := netip.IPv4Unspecified()
	if gateway.Is6() {
		any = netip.IPv6Unspecified()
	}
	c, err := tun.ListenUDP(netip.AddrPortFrom(any, 0), tun.ByRemotePort)
	if err != nil {
		return nil, err
	}
	w := &wire{carrier: c, inbox: make(chan ike.Datagram, 64)}
	w.serving.Go(func() {
		_ = c.Serve(func(msg []byte, from tun.Path) {
			select {
			case w.inbox <- ike.Datagram{Octets: msg, From: ike.Path(from)}:
			default: // a flood: the question is repeated
			}
		})
	})
	return w, nil
}

func (w *wire) send(msg []byte, to ike.Path) error { return w.carrier.SendIKE(msg, tun.Path(to)) }

// refusals counts what ICMP said of closed ports.
func (w *wire) refusals() uint64 {
	if errors.Is(w.carrier.LastError(), syscall.ECONNREFUSED) {
		return w.carrier.Stats().Errors
	}
	return 0
}

func (w *wire) close() {
	_ = w.carrier.Close()
	w.serving.Wait()
}
