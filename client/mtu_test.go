package client_test

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"postern/tun/esp"
	"postern/tun/tuntest"
)

// A way that loses what is larger than some size and says nothing is found by asking
// the name server, over IPv4 with AES-CBC and HMAC-SHA-1 in UDP or not: the MTU is what
// the next plateau below leaves. A server that answers no pings says nothing.
func TestMTUIsSearched(t *testing.T) {
	suite := esp.Suite{Encryption: esp.AES, KeyBits: 128, Integrity: esp.HMACSHA1}
	for _, test := range []struct {
		name           string
		passes, answer int // octets: of outer packets, and of pings
		want           int // outer MTU
	}{
		{"the gateway's own MTU", 1500, 1500, 1400}, // of 1400 inside
		{"a tunnel of somebody else on the way", 1450, 1500, 1400},
		{"the least of IPv6", 1300, 1500, 1280},
		{"no pings", 1300, 0, 1500},
		{"small pings only", 1500, 1000, 1500},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, lives(8*time.Hour, time.Hour), "DNSPrimaryServer = 10.20.0.53", nil, func(w *world) {
				const ipAndUDP = 28
				w.net.SetFault(func(_, _ netip.AddrPort, datagram []byte) []time.Duration {
					if len(datagram)+ipAndUDP > test.passes {
						return nil
					}
					return []time.Duration{0}
				})
				stop := make(chan struct{})
				go answerPings(w.gateway.device.Load(), test.answer, stop)
				time.Sleep(time.Minute)
				close(stop)
				want := suite.MaxInner(test.want - ipAndUDP)
				if got := w.conn.Status().Tunnel.MTU; got != want {
					t.Errorf("MTU %d, want %d", got, want)
				}
			})
		})
	}
}

// answerPings is a host behind a gateway that answers echo requests of up to so many
// octets.
func answerPings(device *tuntest.Device, most int, stop <-chan struct{}) {
	for {
		select {
		case p := <-device.Written():
			if len(p) > most || len(p) < 28 || p[9] != 1 || p[20] != 8 {
				continue
			}
			for i := range 4 {
				p[12+i], p[16+i] = p[16+i], p[12+i]
			}
			p[20] = 0 // echo reply
			sum := uint32(binary.BigEndian.Uint16(p[22:])) + 8<<8
			binary.BigEndian.PutUint16(p[22:], uint16(sum+sum>>16))
			device.Inject(p)
		case <-stop:
			return
		}
	}
}
