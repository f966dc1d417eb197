//go:build linux

package interop

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// inTime is how long traffic may stay away on a machine that is busy with other tests;
// in virtual time client's own tests hold 15 s after a reboot, and 3 s after a move.
const inTime = 45 * time.Second

// A gateway that is started again, and has forgotten everybody, has the client back
// without a word to its user.
func TestGatewayReboots(t *testing.T) {
	needStrongSwan(t)
	t.Parallel()
	l := newLab(t, false)
	l.echo()
	s := labSwan
	s.Aggressive = false
	gateway := l.swanGateway(s)
	client := l.postern(s.profile())
	client.up()
	device := client.device()
	l.client.ping(host1)
	f := l.flood(200, func() {
		gateway.reboot()
		client.again(host1)
	})
	t.Logf("%+v", f)
	if f.Longest > inTime || f.Doubled > 0 {
		t.Errorf("%+v", f)
	}
	if now := client.device(); now != device {
		t.Errorf("interface %s, then %s", device, now)
	}
}

// A client that has another address goes on.
func TestClientMoves(t *testing.T) {
	needStrongSwan(t)
	t.Parallel()
	l := newLab(t, false)
	l.echo()
	s := labSwan
	s.Aggressive = false
	l.swanGateway(s)
	client := l.postern(s.profile())
	client.up()
	device := client.device()
	l.client.ping(host1)
	now := clientAddress
	for _, to := range []string{"192.0.2.77", clientAddress} {
		f := l.flood(200, func() {
			l.client.ip("address", "delete", now+"/24", "dev", "outside")
			l.client.ip("address", "add", to+"/24", "dev", "outside")
			l.client.ip("route", "replace", "default", "via", gatewayAddress)
			now = to
			client.again(host1)
		})
		t.Logf("to %s: %+v", to, f)
		if f.Longest > inTime || f.Doubled > 0 {
			t.Errorf("to %s: %+v", to, f)
		}
	}
	if now := client.device(); now != device {
		t.Errorf("interface %s, then %s", device, now)
	}
}

// again waits until the host answers through the tunnel, for a second on end.
func (p *postern) again(host string) {
	l := p.node.lab
	l.t.Helper()
	l.eventually(fmt.Sprintf("%s through the tunnel again", host), func() bool {
		p.running()
		for range 5 {
			if _, err := p.node.try("@ping", host, "56", "1s"); err != nil {
				return false
			}
			time.Sleep(200 * time.Millisecond)
		}
		return true
	})
}

// device is the number of the tunnel's interface: one that is made anew has another.
func (p *postern) device() string {
	p.node.lab.t.Helper()
	number, _, _ := strings.Cut(p.node.ip("-oneline", "link", "show", "dev", posternInterface), ":")
	return number
}
