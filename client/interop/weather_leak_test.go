//go:build linux

package interop

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A leak is a packet on the uplink, in clear, that should have been inside the tunnel.
type leaks struct {
	mu     sync.Mutex
	moment string         // what is going on
	seen   map[string]int // packets, by moment and destination
}

func (x *leaks) during(moment string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.moment = moment
}

// of are those of a moment.
func (x *leaks) of(moment string) (n int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for what, count := range x.seen {
		if len(what) > len(moment) && what[:len(moment)] == moment {
			n += count
		}
	}
	return n
}

// watch notes what goes to a network inside, and questions to any name server.
func (x *leaks) watch(p []byte) {
	if len(p) < 28 || p[0]>>4 != 4 {
		return
	}
	to, _ := netip.AddrFromSlice(p[16:20])
	port := binary.BigEndian.Uint16(p[int(p[0]&15)*4+2:])
	inside := netip.MustParsePrefix(network1).Contains(to) || netip.MustParsePrefix(network2).Contains(to)
	question := (p[9] == 17 || p[9] == 6) && port == 53
	if !inside && !question {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.seen[fmt.Sprintf("%s: to %v, protocol %d, port %d", x.moment, to, p[9], port)]++
}

// With the kill switch, not one packet for the networks inside and not one question for
// a name is on the uplink in clear: while the connection is made, renewed, after the
// client was killed, while the next one connects, and when the address changes. A program
// sends and asks all the while.
func TestNothingLeaks(t *testing.T) {
	needStrongSwan(t)
	need(t, "getent")
	t.Parallel()
	l, r := newWeatherLab(t)
	x := &leaks{moment: "before", seen: make(map[string]int)}
	r.Watch(x.watch)
	l.echo()
	s := stormSwan()
	s.Also = []string{"dns = 10.99.1.53", `28674 = "corp.example"`, `28675 = "corp.example"`}
	gateway := l.swanGateway(s)
	l.client.start(nil, "@flood", host1+":"+echoPort, "100")
	l.client.start(nil, "sh", "-c", "while :; do getent hosts www.corp.example; sleep 0.05; done")
	l.eventually("the noise", func() bool { return x.of("before") > 0 })

	p := s.profile().with(settings{"kill_switch": true})
	connect := func(moment string) *postern {
		client := l.postern(p)
		l.eventually("the kill switch", func() bool { client.running(); return len(client.statuses()) > 1 })
		x.during(moment)
		client.up()
		l.client.ping(host1)
		return client
	}
	client := connect("while it connects")
	x.during("while it is renewed")
	gateway.must("--rekey", "--child", "net")
	gateway.must("--rekey", "--ike", "lab")
	time.Sleep(5 * time.Second)
	x.during("after it was killed")
	client.signal(syscall.SIGKILL)
	if _, err := client.wait(patience); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second)
	client = connect("while the next one connects")
	x.during("while the address changes")
	l.client.ip("address", "delete", clientAddress+"/24", "dev", "outside")
	l.client.ip("address", "add", "192.0.2.77/24", "dev", "outside")
	l.client.ip("route", "replace", "default", "via", gatewayAddress)
	client.again(host1)
	x.during("before") // it ends

	x.mu.Lock()
	defer x.mu.Unlock()
	for _, what := range slices.Sorted(maps.Keys(x.seen)) {
		if what[:len("before")] != "before" {
			t.Errorf("%d packets %s", x.seen[what], what)
		}
	}
}
