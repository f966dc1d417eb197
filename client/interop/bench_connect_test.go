//go:build linux

package interop

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
)

// firstPing sends an echo request every 5 ms until one is answered, and tells when
// that was, in nanoseconds since 1970.
func firstPing(address string, limit time.Duration) error {
	c, err := net.ListenPacket("ip4:icmp", "0.0.0.0")
	if err != nil {
		return err
	}
	defer c.Close()
	to, answer := &net.IPAddr{IP: net.ParseIP(address)}, make([]byte, 1500)
	os.Stdout.WriteString("ready\n")
	for n, end := 0, time.Now().Add(limit); time.Now().Before(end); n++ {
		request, err := (&icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: os.Getpid() & 0xffff, Seq: n}}).Marshal(nil)
		if err != nil {
			return err
		}
		_, _ = c.WriteTo(request, to) // no route yet
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
		for {
			size, from, err := c.ReadFrom(answer)
			if err != nil {
				break
			}
			m, err := icmp.ParseMessage(1, answer[:size])
			if err == nil && m.Type == ipv4.ICMPTypeEchoReply && from.String() == address {
				_, err := fmt.Println(time.Now().UnixNano())
				return err
			}
		}
	}
	return errors.New("no answer")
}

// For POSTERN_BENCH_CONNECT, a number of rounds: how long three clients take from
// their start to the first answer from behind the gateway, without loss and with
// 10 % each way. strongSwan's daemon runs already when its time begins; the other two
// are started.
func TestConnectTimes(t *testing.T) {
	rounds, err := strconv.Atoi(os.Getenv("POSTERN_BENCH_CONNECT"))
	if err != nil {
		t.Skip("takes minutes: make bench-connect")
	}
	needStrongSwan(t)
	needVPNC(t)
	l := newLab(t, false)
	gateway := l.swanGateway(labSwan)
	swanClient := l.swanClient(labSwan)
	profile := l.profile(labSwan.profile())
	for _, loss := range []int{0, 10} {
		if loss > 0 {
			for _, n := range []*node{l.client, l.gateway} {
				n.must("nft", "add table inet loss; add chain inet loss input { type filter hook input priority -300 ; }; "+
					fmt.Sprintf("add rule inet loss input meta l4proto udp numgen random mod 100 < %d drop", loss))
			}
		}
		times := make(map[string][]time.Duration)
		for range rounds {
			for _, c := range []struct {
				name  string
				start func() func()
			}{
				{"postern", func() func() {
					p := l.client.start(nil, program(t, "postern"), "run", profile, "--no-prompt", "--state-dir", l.dir+"/state")
					return func() { p.signal(syscall.SIGINT); p.stop() }
				}},
				{"vpnc", func() func() {
					p := l.vpnc(vpnc{Group: "staff", Secret: labSwan.Secret, User: labSwan.User, Password: labSwan.Password, NATT: "force-natt"})
					return func() { p.stop() }
				}},
				{"strongSwan", func() func() {
					p := l.client.start(nil, swanClient.swanctl, "--initiate", "--timeout", "120", "--child", "net")
					return func() { p.stop(); _, _ = l.client.try(swanClient.swanctl, "--terminate", "--ike", "lab", "--force") }
				}},
			} {
				took := l.timeConnect(c.start)
				times[c.name] = append(times[c.name], took)
				_, _ = l.gateway.try(gateway.swanctl, "--terminate", "--ike", "lab", "--force")
			}
		}
		for _, name := range []string{"postern", "vpnc", "strongSwan"} {
			all := times[name]
			slices.Sort(all)
			t.Logf("%d %% loss: %-10s median %v, from %v to %v", loss, name, all[len(all)/2], all[0], all[len(all)-1])
		}
	}
}

// timeConnect is how long a client takes to the first answer; the limit where there is none.
func (l *lab) timeConnect(start func() (stop func())) time.Duration {
	l.t.Helper()
	const limit = 2 * time.Minute
	ping := l.client.start(nil, "@firstping", host1, limit.String())
	l.eventually("the pings", func() bool { return ping.said.String() != "" })
	began := time.Now()
	stop := start()
	defer stop()
	if _, err := ping.wait(limit + time.Minute); err != nil {
		l.t.Fatal(err)
	}
	lines := strings.Fields(ping.said.String())
	at, err := strconv.ParseInt(lines[len(lines)-1], 10, 64)
	if err != nil {
		return limit
	}
	return time.Unix(0, at).Sub(began).Round(time.Millisecond)
}
