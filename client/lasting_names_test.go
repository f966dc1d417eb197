package client_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"postern/client"
)

// A gateway that has moved while the tunnel was down is found, although all names were
// asked of a server inside; once it's up, they are again.
func TestGatewayMovesWhileDown(t *testing.T) {
	inNetwork(t, func(w *world) {
		config := fmt.Sprintf(worldConfig, "DNSPrimaryServer = 10.20.0.53")
		for _, h := range []*gatewayHost{w.gateway, w.backup} {
			h.stop()
			h.config = config
			h.start()
		}
		w.laptop.names["vpn.example"] = []netip.Addr{gatewayAddr}
		w.connectTo("vpn.example", lives(8*time.Hour, time.Hour), nil)
		w.conn.awaitUp()
		f := w.flow(100 * time.Millisecond)
		time.Sleep(time.Minute)
		w.laptop.mu.Lock()
		w.laptop.deaf = true
		w.laptop.names["vpn.example"] = []netip.Addr{backupAddr}
		w.laptop.mu.Unlock()
		w.gateway.kill()
		w.gateway.host.Move(netip.MustParseAddr("203.0.113.99"))
		start := time.Now()
		for w.conn.Status().State != client.Up || w.conn.Status().Gateway.Address.Addr() != backupAddr {
			time.Sleep(time.Second)
			if time.Since(start) > 10*time.Minute {
				t.Fatal("not at the new address in 10 minutes")
			}
		}
		t.Log("at the new address after", time.Since(start))
		f.end()
		if dns := w.laptop.now().DNS; len(dns) != 1 {
			t.Errorf("name servers %v", dns)
		}
		if w.laptop.devices != 1 || w.laptop.restored != 0 {
			t.Errorf("%d devices, put back %d times", w.laptop.devices, w.laptop.restored)
		}
		w.gateway.start()
	})
}

// A gateway that another told of by name is known before it's needed.
func TestPushedGatewayIsKnown(t *testing.T) {
	inNetwork(t, func(w *world) {
		w.gateway.stop()
		w.gateway.config = fmt.Sprintf(worldConfig, "DNSPrimaryServer = 10.20.0.53\nBackupServer = gw.example")
		w.gateway.start()
		w.connect(lives(8*time.Hour, time.Hour), nil)
		w.conn.awaitUp()
		time.Sleep(time.Minute)
		w.laptop.mu.Lock()
		w.laptop.deaf = true
		w.laptop.mu.Unlock()
		w.gateway.kill()
		w.gateway.host.Move(netip.MustParseAddr("203.0.113.99"))
		f := w.flow(100 * time.Millisecond) // which finds out
		start := time.Now()
		for w.conn.Status().State != client.Up || w.conn.Status().Gateway.Address.Addr() != backupAddr {
			time.Sleep(time.Second)
			if time.Since(start) > 10*time.Minute {
				t.Fatal("not at the other gateway in 10 minutes")
			}
		}
		t.Log("at the other gateway after", time.Since(start))
		f.end()
		w.gateway.start()
	})
}
