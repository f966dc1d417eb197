//go:build linux

package interop

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// innerOf is what aes128-sha1 in UDP in IPv4 leaves of an outer packet: all but the
// headers (20, 8, 8), the IV (16) and the ICV (12), in whole blocks, less two octets.
func innerOf(outer int) int { return (outer-64)/16*16 - 2 }

// mtu is the tunnel's in the last status.
func (p *postern) mtu() (n int) {
	for line := range strings.Lines(p.said.String()) {
		var s struct{ Tunnel *struct{ MTU int } }
		if json.Unmarshal([]byte(line), &s) == nil && s.Tunnel != nil {
			n = s.Tunnel.MTU
		}
	}
	return n
}

// TCP fills a tunnel whose way carries less than its links say, whether the router there
// says so or not: 1 MiB each way. Where it says so its word is taken; where it doesn't, a name server inside that answers pings tells what
// passes, soon after the connection is up. What began to flow before that and came from
// inside would stay in the hole: nobody tells that sender.
func TestNoBlackHole(t *testing.T) {
	needStrongSwan(t)
	mtus := []int{1280, 1340, 1492}
	if proving {
		mtus = []int{1280, 1281, 1300, 1340, 1380, 1400, 1420, 1440, 1460, 1472, 1480, 1492, 1500}
	}
	for _, mtu := range mtus {
		for _, tells := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d octets, ICMP %v", mtu, tells), func(t *testing.T) {
				t.Parallel()
				l, r := newWeatherLab(t)
				l.serve()
				s := stormSwan()
				if !tells {
					s.Also = []string{"dns = " + host1}
				}
				l.swanGateway(s)
				r.SetMTU(mtu, tells)
				client := l.postern(s.profile())
				client.up()
				known := func() bool { return client.mtu() <= innerOf(mtu) }
				if !tells {
					l.eventually("the MTU is found", known)
				}
				l.client.must("@transfer", host1+":"+servicePort, "1048576")
				if mtu < 1480 {
					l.eventually("the MTU is known", known) // the status comes after the log
				}
				c := r.Counts()
				t.Logf("the tunnel has %d octets, %+v", client.mtu(), c)
				if c.Largest > mtu {
					t.Errorf("a packet of %d octets passed: the relay proves nothing", c.Largest)
				}
				if heard := strings.Contains(client.said.String(), fmt.Sprintf("msg=MTU outside=%d ", mtu)); tells && mtu < 1480 && !heard {
					t.Errorf("the router told %d times, and nobody heard", c.TooLarge)
				}
			})
		}
	}
}
