//go:build linux

package interop

import (
	"strings"
	"testing"
)

// The gateway that every case starts from.
var labSwan = swan{
	Aggressive: true,
	IKE:        "aes128-sha1-modp1024", ESP: "aes128-sha1",
	Group: "keyid:staff", Secret: "the group's key",
	User: "alice", Password: "wonderland",
	Networks: []string{network1, network2},
	Pool:     "10.20.0.0/24",
}

// The address that a gateway gives to its first client.
const firstOfPool = "10.20.0.1"

// The laboratory itself: without a tunnel nothing passes the gateway.
func TestLabHoldsClearPacketsBack(t *testing.T) {
	need(t)
	t.Parallel()
	for _, behindNAT := range []bool{false, true} {
		l := newLab(t, behindNAT)
		l.client.ping(gatewayAddress)
		l.staysOutside(host1)
	}
}

func TestLabVPNCReachesStrongSwan(t *testing.T) {
	needStrongSwan(t)
	needVPNC(t)
	t.Parallel()
	l := newLab(t, false)
	l.serve()
	gateway := l.swanGateway(labSwan)
	client := l.vpnc(vpnc{Group: "staff", Secret: "the group's key", User: "alice", Password: "wonderland", NATT: "force-natt"})
	inner := l.vpncUp(client)
	l.carries(inner, host1)
	l.carries(inner, host2)
	l.staysOutside(host3)
	if sas := gateway.sas(); !strings.Contains(sas, inner+"/32") {
		t.Errorf("the gateway knows no child for %s:\n%s", inner, sas)
	}
}

func TestLabVPNCIsRefused(t *testing.T) {
	needStrongSwan(t)
	needVPNC(t)
	t.Parallel()
	l := newLab(t, false)
	l.swanGateway(labSwan)
	client := l.vpnc(vpnc{Group: "staff", Secret: "the group's key", User: "alice", Password: "wrong", NATT: "force-natt"})
	if code, err := client.wait(waitForRefusal); err != nil || code != 2 {
		t.Errorf("vpnc ended with %d, %v; want 2", code, err)
	}
}

// Each gateway that postern must reach is reached by strongSwan: where postern fails alone, postern is wrong.
func TestLabStrongSwanReachesStrongSwan(t *testing.T) {
	needStrongSwan(t)
	t.Parallel()
	for _, c := range clientCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, c.behindNAT)
			l.serve()
			s := labSwan
			c.change(&s)
			if s.Inner != "" {
				l.client.ip("address", "add", s.Inner, "dev", "lo")
			}
			gateway := l.swanGateway(s)
			client := l.swanClient(s)
			client.connect()
			l.carries(c.inner, host1)
			l.carries(c.inner, host2)
			l.staysOutside(host3)
			client.disconnect()
			gateway.forgets()
		})
	}
}
