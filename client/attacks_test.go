package client_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postern/client"
	"postern/tun/faults"
)

// What a pre-shared key can't prove is said where the person sees it, once.
func TestWarnedOfSharedKeys(t *testing.T) {
	const collects, searched = "collect passwords", "search for the key at leisure"
	for mode, want := range map[string]bool{"main": false, "aggressive": true} {
		inWorld(t, "password = \""+password+"\"\nmode = \""+mode+"\"\n", "", nil, func(w *world) {
			all := strings.Join(w.conn.Status().Warnings, "\n")
			if strings.Count(all, collects) != 1 || strings.Contains(all, searched) != want {
				t.Errorf("%s mode: warnings %q", mode, all)
			}
			if n := w.seen("The gateway is known by the group's pre-shared key only: every member of the group could play it and collect passwords."); n != 1 {
				t.Errorf("%s mode: logged %d times", mode, n)
			}
		})
	}
}

// A gateway that answers no Main Mode, whoever silences it, is never asked in Aggressive
// Mode, which would tell it more.
func TestNoDowngradeToAggressiveMode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, strings.Replace(fmt.Sprintf(worldConfig, ""), "[ IKE Policy ]", "[ IKE Policy ]\nExchangeMode = aggressive", 1))
		defer w.gateway.stop()
		w.connect("password = \""+password+"\"\n", nil)
		defer w.conn.stop()
		err := <-w.conn.ended
		if r := client.Explain(err); r == nil || r.Code != "no_answer" && r.Code != "no_proposal" {
			t.Errorf("ended with %v", err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		for line := range w.lines {
			if strings.HasPrefix(line, "client -> HDR, SA, KE") {
				t.Errorf("Aggressive Mode was tried: %s", line)
			}
		}
	})
}

// INITIAL-CONTACT is said on a fresh login, and neither in a renewal nor after a roam.
func TestInitialContactOnce(t *testing.T) {
	inWorld(t, "password = \""+password+"\"\nlifetime = { ike = \"10m\" }\n", "", nil, func(w *world) {
		time.Sleep(time.Hour)
		first, later := w.seen("-> HDR*, IDii, HASH_I, N(INITIAL-CONTACT)"), w.seen("-> HDR*, IDii, HASH_I")
		if first != 1 || later < 4 {
			t.Errorf("said %d times, and not said %d times", first, later)
		}
	})
}

// TestFlood: junk of every kind, as much as a network brings, to both ends of a
// living connection. It loses nothing, and nothing stays in memory. POSTERN_FLOOD is
// how many datagrams.
func TestFlood(t *testing.T) {
	n := 50_000
	if v, err := strconv.Atoi(os.Getenv("POSTERN_FLOOD")); err == nil {
		n = v
	}
	inWorld(t, "password = \""+password+"\"\n", "", nil, func(w *world) {
		wire := w.eavesdrop(5 * time.Second)
		random := rand.New(rand.NewPCG(1, 2))
		flood := func(n int) {
			for i := range n {
				from, to, octets := wire.junk(random)
				w.net.Inject(from, to, octets)
				if i%10 == 9 {
					time.Sleep(time.Millisecond)
				}
			}
		}
		flood(5000) // whatever is allocated once
		flow := w.flow(10 * time.Millisecond)
		before, began := heapInUse(), cpuTime()
		flood(n)
		grown, spent := heapInUse()-before, cpuTime()-began
		flow.end()
		flow.perfect(t)
		t.Logf("%d datagrams: the heap of both ends grew by %d octets; %v of CPU each", n, grown, spent/time.Duration(n))
		if grown > 1<<20 {
			t.Errorf("the heap grew by %d octets", grown)
		}
		if st := w.conn.Status(); st.State != client.Up || w.seen("phase 1") != 1 || w.seen("ESP") != 1 {
			t.Errorf("%s, %d phase 1s, %d children", st.State, w.seen("phase 1"), w.seen("ESP"))
		}
	})
}

// tapped is what somebody on the way has seen of a connection.
type tapped struct {
	laptop, gateway netip.AddrPort
	seen            [][]byte // datagrams of either end
}

// eavesdrop listens for a while, in which the gateway renews the child.
func (w *world) eavesdrop(d time.Duration) *tapped {
	tap := &tapped{}
	var mu sync.Mutex
	w.net.SetRelay(func(from, to netip.AddrPort, octets []byte) []faults.Arrival {
		mu.Lock()
		defer mu.Unlock()
		if len(tap.seen) < 200 {
			tap.seen = append(tap.seen, bytes.Clone(octets))
		}
		if tap.laptop, tap.gateway = from, to; from.Addr() == gatewayAddr {
			tap.laptop, tap.gateway = to, from
		}
		return []faults.Arrival{{Octets: octets}}
	})
	flow := w.flow(100 * time.Millisecond)
	if err := w.gateway.g.RenewChildren(w.t.Context(), "alice"); err != nil {
		w.t.Error(err)
	}
	time.Sleep(d)
	flow.end()
	w.net.SetRelay(nil)
	return tap
}

// junk is a datagram to either end: random, a true one that comes again or is changed,
// or the first message of somebody who isn't there.
func (tap *tapped) junk(random *rand.Rand) (from, to netip.AddrPort, octets []byte) {
	from, to = tap.laptop, tap.gateway
	if random.IntN(2) == 0 {
		from, to = to, from
	}
	if random.IntN(2) == 0 {
		from = netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, byte(random.Uint32()), byte(random.Uint32())}), uint16(random.Uint32())|1)
	}
	genuine := tap.seen[random.IntN(len(tap.seen))]
	switch random.IntN(6) {
	case 0:
		octets = make([]byte, random.IntN(1400))
	case 1: // ESP or IKE of the connection's, changed
		octets = bytes.Clone(genuine)
		for range 1 + random.IntN(8) {
			octets[random.IntN(len(octets))] ^= byte(1 + random.IntN(255))
		}
	case 2: // a keepalive
		return from, to, []byte{0xff}
	case 3: // behind the head of a true one
		octets = append(bytes.Clone(genuine[:min(len(genuine), 32)]), make([]byte, random.IntN(600))...)
	case 4: // the non-ESP marker, and an ISAKMP header of an exchange that nobody began
		octets = make([]byte, 4+28+16*random.IntN(30))
		for i := 4; i < 20; i++ {
			octets[i] = byte(random.Uint32())
		}
		octets[20], octets[21], octets[22], octets[23] = 8, 0x10, []byte{2, 4, 5, 6, 32, 99}[random.IntN(6)], byte(random.IntN(2))
		binary.BigEndian.PutUint32(octets[28:], uint32(len(octets)-4))
	default: // a true one again
		return from, to, bytes.Clone(genuine)
	}
	for i := len(octets) - 1; i > 40; i -= 1 + random.IntN(9) {
		octets[i] ^= byte(random.Uint32())
	}
	return from, to, octets
}

func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// cpuTime is what this process has used; 0 where nothing tells.
func cpuTime() time.Duration {
	samples := []metrics.Sample{{Name: "/cpu/classes/user:cpu-seconds"}, {Name: "/cpu/classes/gc/total:cpu-seconds"}}
	runtime.GC() // has them counted
	metrics.Read(samples)
	total := 0.0
	for _, s := range samples {
		if s.Value.Kind() == metrics.KindFloat64 {
			total += s.Value.Float64()
		}
	}
	return time.Duration(total * float64(time.Second))
}
