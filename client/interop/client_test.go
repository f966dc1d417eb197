//go:build linux

package interop

import (
	"os"
	"strings"
	"testing"
)

// Postern against strongSwan: each case is a gateway, and what a profile for it says beside the obvious.
var clientCases = []struct {
	name      string
	behindNAT bool
	change    func(*swan)
	profile   settings
	inner     string // the client's address in the tunnel
}{
	{name: "aggressive mode", inner: firstOfPool, change: func(*swan) {}},
	{name: "main mode", inner: firstOfPool, change: func(s *swan) { s.Aggressive = false }},
	{
		name: "from port 500", inner: firstOfPool, change: func(s *swan) { s.Aggressive = false },
		profile: settings{"source_port": 500},
	},
	{
		name: "main mode, our address as identity", inner: firstOfPool,
		change: func(s *swan) { s.Aggressive, s.Group = false, "" },
	},
	{name: "aggressive mode behind a NAT", inner: firstOfPool, behindNAT: true, change: func(*swan) {}},
	{
		name: "main mode behind a NAT", inner: firstOfPool, behindNAT: true,
		change: func(s *swan) { s.Aggressive = false },
	},
	{name: "mode config pushed", inner: firstOfPool, change: func(s *swan) { s.Push = true }},
	{
		name: "two children without Unity", inner: firstOfPool,
		change:  func(s *swan) { s.NoUnity = true },
		profile: settings{"selectors": "each", "networks": []string{network1, network2}},
	},
	{
		name: "3DES, MD5, MODP1024", inner: firstOfPool,
		change: func(s *swan) { s.IKE, s.ESP = "3des-md5-modp1024", "3des-md5" },
	},
	{
		name: "AES-256, SHA-2, MODP2048", inner: firstOfPool,
		change: func(s *swan) { s.IKE, s.ESP, s.Aggressive = "aes256-sha256-modp2048", "aes256-sha256", false },
	},
	{
		name: "perfect forward secrecy", inner: firstOfPool,
		change:  func(s *swan) { s.ESP = "aes128-sha1-modp1536" },
		profile: settings{"esp": []string{"aes128-sha1"}, "pfs": "modp1536"},
	},
	{
		// strongSwan speaks Unity only where it assigns the address.
		name: "no mode config", inner: "10.30.0.5",
		change:  func(s *swan) { s.Pool, s.Inner, s.User, s.NoUnity = "", "10.30.0.5/32", "", true },
		profile: settings{"address": "10.30.0.5", "networks": []string{network1, network2}},
	},
}

func TestPosternReachesStrongSwan(t *testing.T) {
	needStrongSwan(t)
	t.Parallel()
	for _, c := range clientCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, c.behindNAT)
			l.serve()
			s := labSwan
			c.change(&s)
			gateway := l.swanGateway(s)
			before := l.client.network()
			client := l.postern(s.profile().with(c.profile))
			client.up()
			l.carries(c.inner, host1)
			l.carries(c.inner, host2)
			l.staysOutside(host3)
			client.quit(before)
			gateway.forgets()
		})
	}
}

// The gateway's name server is used while the connection stands, and no longer.
func TestPosternUsesPushedNameServer(t *testing.T) {
	needStrongSwan(t)
	t.Parallel()
	l := newLab(t, false)
	s := labSwan
	s.Also = []string{"dns = 10.99.1.53", `28674 = "corp.example"`, `28672 = "Welcome to the lab"`}
	l.swanGateway(s)
	before := l.client.network()
	client := l.postern(s.profile())
	client.up()
	during, err := os.ReadFile(l.client.resolver)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"10.99.1.53", "corp.example"} {
		if !strings.Contains(string(during), want) {
			t.Errorf("resolv.conf lacks %s:\n%s", want, during)
		}
	}
	client.quit(before)
}

// Without any privilege there is no TUN device: programs reach the hosts through a port of ours.
func TestPosternRootless(t *testing.T) {
	needStrongSwan(t)
	need(t, "setpriv")
	t.Parallel()
	l := newLab(t, true)
	l.serve()
	l.swanGateway(labSwan)
	before := l.client.network()
	p := labSwan.profile()
	delete(p, "interface")
	client := l.rootless(p, "--forward", "8080:"+host2+":"+servicePort)
	client.up()
	l.client.must("@transfer", "127.0.0.1:8080", "1048576")
	l.staysOutside(host1)
	client.quit(before)
}

// What a gateway refuses ends postern with the code that scripts know, and changes nothing on the machine.
func TestPosternIsRefused(t *testing.T) {
	needStrongSwan(t)
	t.Parallel()
	for _, c := range []struct {
		name       string
		aggressive bool
		profile    settings
		want       int
		reason     string
	}{
		{"wrong password", true, settings{"password": "wrong"}, 2, "login_refused"},
		{"wrong group key, aggressive mode", true, settings{"secret": "wrong"}, 2, "group_key_wrong"},
		{"wrong group key, main mode", false, settings{"secret": "wrong"}, 3, "no_answer_key"},
		{"unknown group", true, settings{"identity": "nobody"}, 4, "identity_refused"},
		{"no proposal in common", false, settings{"ike": []string{"aes256-sha512-modp4096"}}, 4, "no_proposal"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, false)
			s := labSwan
			s.Aggressive = c.aggressive
			l.swanGateway(s)
			before := l.client.network()
			client := l.postern(s.profile().with(c.profile))
			code, last := client.refused()
			if code != c.want {
				t.Errorf("exit code %d, want %d", code, c.want)
			}
			if last.State != "failed" || last.Reason.Code != c.reason || last.Reason.Message == "" || last.Reason.Exit != c.want {
				t.Errorf("last status %+v, want failed for %s", last, c.reason)
			}
			if after := l.client.network(); after != before {
				t.Errorf("the network changed\nbefore:\n%s\nafter:\n%s", before, after)
			}
		})
	}
}
