//go:build linux

package interop

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What strongSwan's ESP says of packets that it can't open.
var badESP = regexp.MustCompile(`(?i)no matching (inbound )?IPsec SA|received ESP packet .* (unknown|invalid) SPI|replay|integrity check failed|ESP .*verification failed`)

// A flood is what became of numbered packets, there and back.
type flood struct {
	Sent, Received, Doubled, Reordered int
	Longest                            time.Duration // between two that came back
	Overflown                          int           // dropped by the kernels of the lab because a program didn't read in time
}

func (f flood) lost() int { return f.Sent - f.Received }

// unexplained is how many were lost otherwise than for a program that was kept from running.
func (f flood) unexplained() int { return max(0, f.lost()-f.Overflown) }

// flood sends packets to the echo service for a while, and calls f meanwhile.
func (l *lab) flood(rate int, f func()) flood {
	l.t.Helper()
	before := l.overflown()
	p := l.client.start(nil, "@flood", host1+":"+echoPort, strconv.Itoa(rate))
	began := time.Now()
	f()
	time.Sleep(max(0, time.Second-time.Since(began)))
	p.stop()
	var result flood
	if err := json.Unmarshal([]byte(p.said.String()), &result); err != nil {
		l.t.Fatalf("flood said %q: %v", p.said.String(), err)
	}
	result.Overflown = l.overflown() - before
	return result
}

// overflown counts what full buffers cost so far: of UDP sockets, and of the queues behind network devices, which tunnels
// are read from.
func (l *lab) overflown() (n int) {
	l.t.Helper()
	for _, node := range []*node{l.client, l.gateway, l.inside} {
		var names []string
		for line := range strings.Lines(node.must("cat", "/proc/net/snmp")) {
			fields := strings.Fields(line)
			switch {
			case fields[0] != "Udp:":
			case names == nil:
				names = fields
			default:
				count, err := strconv.Atoi(fields[slices.Index(names, "RcvbufErrors")])
				if err != nil {
					l.t.Fatal(err)
				}
				n += count
			}
		}
		var links []struct {
			Stats struct{ TX struct{ Dropped int } } `json:"stats64"`
		}
		if err := json.Unmarshal([]byte(node.ip("-statistics", "-json", "link", "show")), &links); err != nil {
			l.t.Fatal(err)
		}
		for _, link := range links {
			n += link.Stats.TX.Dropped
		}
	}
	return n
}

// A program that is kept from running for a while loses what its kernel's buffers don't hold, and nothing else: charon's
// socket holds some 230 datagrams. The other tests of this file count so.
func TestStalls(t *testing.T) {
	needStrongSwan(t)
	t.Parallel()
	l := newLab(t, false)
	l.echo()
	s := labSwan
	s.Aggressive = false
	gateway := l.swanGateway(s)
	client := l.postern(s.profile())
	client.up()
	l.client.ping(host1)
	for name, p := range map[string]*process{"strongSwan": gateway.process, "postern": client.process} {
		f := l.flood(500, func() {
			time.Sleep(time.Second)
			p.signal(syscall.SIGSTOP)
			time.Sleep(time.Second)
			p.signal(syscall.SIGCONT)
			time.Sleep(time.Second)
		})
		t.Logf("%s stood still: %d lost, %+v", name, f.lost(), f)
		if f.unexplained() > 0 || f.Received == 0 || f.Longest < time.Second/2 {
			t.Errorf("%s: %+v", name, f)
		}
		if name == "strongSwan" && f.lost() == 0 {
			t.Error("its socket held everything")
		}
	}
}

// drops are the counters of packets that postern couldn't open, in its last status.
func (p *postern) drops() (n uint64) {
	p.node.lab.t.Helper()
	lines := strings.Split(strings.TrimSpace(p.said.String()), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		var s struct {
			Traffic *struct {
				In struct{ Dropped map[string]uint64 }
			}
		}
		if json.Unmarshal([]byte(lines[i]), &s) == nil && s.Traffic != nil {
			for _, why := range []string{"no_sa", "integrity", "replay"} {
				n += s.Traffic.In.Dropped[why]
			}
			return n
		}
	}
	return 0
}

// Children that the gateway renews back to back cost no packet: each end has the key
// for whatever the other sends.
func TestRekeysAgainstStrongSwan(t *testing.T) {
	needStrongSwan(t)
	rekeys := 30
	if os.Getenv("POSTERN_LONG") != "" { // make soak
		rekeys = 200
	}
	l := newLab(t, false)
	l.echo()
	s := labSwan
	s.Aggressive = false
	gateway := l.swanGateway(s)
	client := l.postern(s.profile())
	client.up()
	l.client.ping(host1)
	const rate = 2000
	var took time.Duration
	busy := l.flood(rate, func() {
		began := time.Now()
		for range rekeys {
			gateway.must("--rekey", "--child", "net")
		}
		took = time.Since(began)
	})
	still := l.flood(rate, func() { time.Sleep(took) })
	t.Logf("%d renewals in %v: %+v; without: %+v", rekeys, took.Round(time.Millisecond), busy, still)
	if busy.Doubled > 0 || busy.Received == 0 {
		t.Errorf("%+v", busy)
	}
	// Whatever the machine's load loses, no more of it.
	if busy.unexplained() > still.unexplained()+busy.Sent/10000 {
		t.Errorf("%d lost, %d without renewals", busy.unexplained(), still.unexplained())
	}
	if n := client.drops(); n > 0 {
		t.Errorf("%d packets that postern had no key for", n)
	}
	if bad := badESP.FindAllString(gateway.said.String(), -1); len(bad) > 0 {
		t.Errorf("strongSwan: %d times %q", len(bad), bad[0])
	}
}

// Phase 1 renewed by us costs no packet; renewed by strongSwan it is told what it
// costs.
func TestPhase1RenewalsAgainstStrongSwan(t *testing.T) {
	needStrongSwan(t)
	for _, c := range []struct {
		name    string
		profile settings
		renew   func(gateway *charon)
		allowed int // one of so many packets; 0: none
	}{
		{"by postern", settings{"lifetime": settings{"ike": "10s"}}, func(*charon) { time.Sleep(25 * time.Second) }, 0},
		{"by strongSwan", nil, func(gateway *charon) {
			for range 2 { // with the time to delete the one before
				gateway.must("--rekey", "--ike", "lab")
				time.Sleep(15 * time.Second)
			}
		}, 20}, // it drops the children, which are made anew as fast as the machine lets us
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, false)
			l.echo()
			s := labSwan
			s.Aggressive = false
			gateway := l.swanGateway(s)
			client := l.postern(s.profile().with(c.profile))
			client.up()
			l.client.ping(host1)
			f := l.flood(500, func() { c.renew(gateway) })
			n := strings.Count(client.said.String(), "phase 1 renewed")
			t.Logf("%d renewals: %+v", n, f)
			allowed := 0
			if c.allowed > 0 {
				allowed = f.Sent / c.allowed
			}
			if n < 2 || f.unexplained() > allowed || f.Doubled > 0 || f.Received == 0 {
				t.Errorf("%d renewals, %+v", n, f)
			}
			if bad := client.drops(); bad > 0 || badESP.MatchString(gateway.said.String()) {
				t.Errorf("packets without a key: %d at postern, %q at strongSwan", bad, badESP.FindString(gateway.said.String()))
			}
			if states := fmt.Sprint(client.statuses()); strings.Contains(states, "reconnecting") {
				t.Error("the connection was made anew")
			}
		})
	}
}
