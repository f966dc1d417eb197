//go:build linux

package interop

import (
	"strings"
	"testing"
)

// Our gateway, as labSwan describes strongSwan's.
const concentratorConf = `[ General ]
Address = ` + gatewayAddress + `
InsideAddress = 10.20.0.254/24

[ IKE Policy ]
Protection = aes128-sha1-modp1024

[ VPN Group "staff" ]
SharedKey = "the group's key"
Transform = aes128-sha1
StartIPAddress = 10.20.0.1
MaxConnections = 16
XAuth = true
IPNet = ` + network1 + `
IPNet = ` + network2 + `
DNSPrimaryServer = 10.99.1.53

[ VPN Users ]
"alice" Config="staff" Password="wonderland"
`

// concentrator starts our gateway in the lab's gateway, with more in its file.
func (l *lab) concentrator(more ...string) *process {
	l.t.Helper()
	return l.concentratorWith(concentratorConf + strings.Join(more, "\n"))
}

// concentratorWith starts our gateway with a file.
func (l *lab) concentratorWith(conf string) *process {
	l.t.Helper()
	file := l.write("concentrator.conf", conf)
	p := l.gateway.start(nil, program(l.t, "concentrator"), "--config", file)
	l.eventually("the concentrator's port 500", func() bool {
		p.running()
		_, err := l.gateway.try("grep", "-q", ":01F4 ", "/proc/net/udp", "/proc/net/udp6")
		return err == nil
	})
	return p
}

func TestVPNCReachesConcentrator(t *testing.T) {
	needVPNC(t)
	t.Parallel()
	for _, c := range []struct {
		name      string
		natt      string
		behindNAT bool
		raw       bool // ESP goes as IP protocol 50
	}{
		{"UDP encapsulation", "force-natt", false, false},
		{"UDP encapsulation behind a NAT", "natt", true, false},
		{"IP protocol 50", "none", false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, c.behindNAT)
			l.serve()
			gateway := l.concentrator()
			how := vpnc{Group: "staff", Secret: "the group's key", User: "alice", Password: "wonderland", NATT: c.natt}
			client := l.vpnc(how)
			inner := l.vpncUp(client)
			if inner != firstOfPool {
				t.Errorf("vpnc got %s, want %s", inner, firstOfPool)
			}
			l.carries(inner, host1)
			l.carries(inner, host2)
			l.staysOutside(host3)
			if raw := l.counted("input") > 0; raw != c.raw {
				t.Errorf("ESP came as IP protocol 50: %v, want %v", raw, c.raw)
			}
			if code := client.stop(); code != 0 {
				t.Errorf("vpnc ended with %d", code)
			}
			l.vpncUp(l.vpnc(how)) // at once again
			l.client.ping(host1)
			gateway.running()
		})
	}
}

func TestVPNCIsRefusedByConcentrator(t *testing.T) {
	needVPNC(t)
	t.Parallel()
	l := newLab(t, false)
	l.concentrator()
	client := l.vpnc(vpnc{Group: "staff", Secret: "the group's key", User: "alice", Password: "wrong", NATT: "force-natt"})
	// Its code is 2 after a refusal, and 1 when the gateway gives the user another try.
	if code, err := client.wait(waitForRefusal); err != nil || code != 1 && code != 2 {
		t.Errorf("vpnc ended with %d, %v; want 1 or 2", code, err)
	}
}

func TestStrongSwanReachesConcentrator(t *testing.T) {
	needStrongSwan(t)
	t.Parallel()
	for _, c := range []struct {
		name      string
		behindNAT bool
		change    func(*swan)
	}{
		{"aggressive mode", false, func(*swan) {}},
		{"main mode", false, func(s *swan) { s.Aggressive = false }},
		{"main mode behind a NAT", true, func(s *swan) { s.Aggressive = false }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, c.behindNAT)
			l.serve()
			gateway := l.concentrator()
			s := labSwan
			c.change(&s)
			client := l.swanClient(s)
			client.connect()
			l.carries(firstOfPool, host1)
			l.carries(firstOfPool, host2)
			l.staysOutside(host3)
			client.disconnect()
			gateway.running()
		})
	}
}

// Both ends are ours, where strongSwan's user space has no IP protocol 50.
func TestPosternReachesConcentrator(t *testing.T) {
	need(t)
	t.Parallel()
	for _, c := range []struct {
		name      string
		behindNAT bool
		profile   settings
		raw       bool // ESP goes as IP protocol 50
	}{
		{"IP protocol 50", false, settings{}, true},
		{"UDP encapsulation", false, settings{"nat_traversal": "force"}, false},
		{"main mode behind a NAT", true, settings{"mode": "main"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, c.behindNAT)
			l.serve()
			gateway := l.concentrator()
			before := l.client.network()
			client := l.postern(labSwan.profile().with(c.profile))
			client.up()
			l.carries(firstOfPool, host1)
			l.carries(firstOfPool, host2)
			l.staysOutside(host3)
			if raw := l.counted("input") > 0; raw != c.raw {
				t.Errorf("ESP came as IP protocol 50: %v, want %v", raw, c.raw)
			}
			client.quit(before)
			gateway.running()
		})
	}
}
