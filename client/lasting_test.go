package client_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"postern/client"
	"postern/client/prompt"
	"postern/tun/hostnet"
)

// lives is a profile with a stored password and short lives.
func lives(ike, esp time.Duration) string {
	return fmt.Sprintf("password = %q\nlifetime = {ike = \"%v\", esp = \"%v\"}\n", password, ike, esp)
}

// 1,000 children and 100 phase 1s, renewed by either end: not a packet is lost,
// doubled or out of order.
func TestRenewalsLoseNothing(t *testing.T) {
	esp, ike := 60*time.Second, 750*time.Second
	children, phase1s := 1000, 100
	if testing.Short() {
		children, phase1s = 100, 10
	}
	inWorld(t, lives(ike, esp), "", nil, func(w *world) {
		f := w.flow(100 * time.Millisecond)
		for n := 0; w.seen("ESP") < children || w.seen("phase 1 renewed") < phase1s; n++ {
			time.Sleep(55 * time.Second)
			var err error
			switch {
			case n%10 == 3:
				err = w.gateway.g.RenewPhase1(w.t.Context(), "alice")
			case n%3 == 0:
				err = w.gateway.g.RenewChildren(w.t.Context(), "alice")
			}
			if err != nil {
				t.Error(err)
			}
		}
		f.end()
		f.perfect(t)
		if st := w.conn.Status(); len(st.SAs) > 4 {
			t.Errorf("%d children are left", len(st.SAs))
		}
	})
}

// Both ends begin at once, or nearly.
func TestRenewalsCollide(t *testing.T) {
	inWorld(t, lives(8*time.Hour, 10*time.Second), "", nil, func(w *world) {
		f := w.flow(5 * time.Millisecond)
		rounds := 150
		if testing.Short() {
			rounds = 30
		}
		for n := range rounds {
			before := w.seen("ESP renewed")
			for w.seen("ESP renewed") == before {
				time.Sleep(time.Millisecond)
			}
			// The next one of the client's comes in 8 to 9 s, give or take.
			time.Sleep(8*time.Second + time.Duration(n%100)*10*time.Millisecond)
			if err := w.gateway.g.RenewChildren(w.t.Context(), "alice"); err != nil {
				t.Error(err)
			}
			if n := len(w.conn.Status().SAs); n == 0 || n > 8 {
				t.Errorf("%d children", n)
			}
		}
		f.end()
		f.perfect(t)
	})
}

// A gateway that begins phase 1 is answered, asks for the user again, and is heard.
func TestGatewayRenewsPhase1(t *testing.T) {
	for _, mode := range []string{"main", "aggressive"} {
		t.Run(mode, func(t *testing.T) {
			inWorld(t, lives(8*time.Hour, time.Hour)+fmt.Sprintf("mode = %q", mode), "", nil, func(w *world) {
				f := w.flow(10 * time.Millisecond)
				for range 20 {
					time.Sleep(20 * time.Second)
					if err := w.gateway.g.RenewPhase1(w.t.Context(), "alice"); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Minute)
				f.end()
				f.perfect(t)
				if n := w.seen("phase 1 renewed"); n != 20 {
					t.Errorf("%d phase 1s taken", n)
				}
				if n := w.seenAt("gateway", "logged in"); n != 21 {
					t.Errorf("%d logins", n)
				}
			})
		})
	}
}

// Who answers for the renewal is asked while traffic flows, and only where nothing
// that was typed before serves.
func TestPersonIsAskedAheadOfTime(t *testing.T) {
	asked := 0
	ask := func(ctx context.Context, p prompt.Prompt) (prompt.Answers, error) {
		if asked++; asked > 1 {
			time.Sleep(90 * time.Second) // a person looks for the token
		}
		return answerAll(p, password), nil
	}
	inWorld(t, "lifetime = {ike = \"1h\"}", "", ask, func(w *world) {
		f := w.flow(100 * time.Millisecond)
		time.Sleep(3 * time.Hour)
		f.end()
		f.perfect(t)
		if asked != 1 {
			t.Errorf("asked %d times for a password that was typed", asked)
		}
	})
}

// answerAll gives the same answer to every hidden field.
func answerAll(p prompt.Prompt, text string) prompt.Answers {
	out := prompt.Answers{}
	for _, f := range p.Fields {
		if f.Kind == prompt.Secret {
			out[f.Name] = prompt.Answer(text)
		}
	}
	return out
}

// A gateway that is started again and says nothing is found out by what it doesn't
// answer, and faster where it hints that it forgot us.
func TestGatewayReboots(t *testing.T) {
	for _, c := range []struct {
		name  string
		hints bool
		limit time.Duration
	}{{"without a hint", false, 15 * time.Second}, {"with a hint", true, 5 * time.Second}} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, lives(8*time.Hour, time.Hour), "", nil, func(w *world) {
				f := w.flow(100 * time.Millisecond)
				time.Sleep(10 * time.Minute)
				f.forgive()
				if !c.hints {
					w.net.SetFault(func(from, _ netip.AddrPort, data []byte) []time.Duration {
						if from.Addr() == gatewayAddr && isClearInformational(data) {
							return nil
						}
						return []time.Duration{0}
					})
				}
				w.gateway.kill()
				w.gateway.start()
				time.Sleep(time.Minute)
				if gap := f.gap(); gap > c.limit {
					t.Errorf("%v without a packet", gap)
				} else {
					t.Log("traffic again after", gap)
				}
				f.end()
				if w.laptop.devices != 1 || w.laptop.restored != 0 {
					t.Errorf("%d devices were opened, put back %d times", w.laptop.devices, w.laptop.restored)
				}
			})
		})
	}
}

func isClearInformational(d []byte) bool {
	if len(d) > 4 && [4]byte(d) == [4]byte{} {
		d = d[4:]
	}
	return len(d) >= 28 && d[17] == 0x10 && d[18] == 5 && d[19]&1 == 0
}

// Another address of ours, or another mapping of the NAT before us: the SAs go on.
func TestRoaming(t *testing.T) {
	inWorld(t, lives(8*time.Hour, time.Hour), "", nil, func(w *world) {
		f := w.flow(20 * time.Millisecond)
		time.Sleep(10 * time.Minute)
		f.forgive()
		for n := range 4 {
			to := otherAddr
			if n%2 == 1 {
				to = laptopAddr
			}
			w.laptop.host.Move(netip.Addr{})
			time.Sleep(500 * time.Millisecond)
			w.laptop.host.Move(to)
			w.laptop.changes <- hostnet.Change{Kind: hostnet.Address}
			time.Sleep(time.Minute)
		}
		if gap := f.gap(); gap > 3*time.Second {
			t.Errorf("%v without a packet after a new address", gap)
		}
		f.forgive()
		port := uint16(1000)
		for range 4 {
			port++
			now := port
			w.net.SetNAT(laptopAddr, func(a netip.AddrPort) netip.AddrPort {
				return netip.AddrPortFrom(netip.MustParseAddr("198.51.100.1"), a.Port()%10+now*10)
			})
			time.Sleep(time.Minute)
		}
		if gap := f.gap(); gap > 3*time.Second {
			t.Errorf("%v without a packet after a new mapping", gap)
		}
		f.end()
		if n := w.seenAt("client", "phase 1"); n != 1 {
			t.Errorf("%d phase 1s", n)
		}
	})
}

// After a long sleep, in which the gateway gave us up, the connection is up within
// 5 s, with interface and address as before.
func TestSleep(t *testing.T) {
	inWorld(t, lives(8*time.Hour, time.Hour), "", nil, func(w *world) {
		time.Sleep(10 * time.Minute)
		before := w.conn.Status().Tunnel.Address
		w.laptop.host.Move(netip.Addr{})
		time.Sleep(2 * time.Hour)
		if n := len(w.gateway.g.Sessions()); n != 0 {
			t.Errorf("%d sessions while we sleep", n)
		}
		w.laptop.host.Move(otherAddr)
		w.laptop.changes <- hostnet.Change{Kind: hostnet.Resume}
		start := time.Now()
		time.Sleep(time.Millisecond) // it hears of it
		w.conn.awaitUp()
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("up %v after the sleep", took)
		}
		if after := w.conn.Status().Tunnel.Address; after != before || w.laptop.devices != 1 || w.laptop.restored != 0 {
			t.Errorf("address %v, then %v, %d devices", before, after, w.laptop.devices)
		}
		f := w.flow(100 * time.Millisecond)
		time.Sleep(time.Minute)
		f.end()
		f.perfect(t)
	})
}

// The gateways of backup are tried where the first doesn't answer; what a gateway
// sends us to is only followed to these.
func TestOtherGateways(t *testing.T) {
	t.Run("silent", func(t *testing.T) {
		inNetwork(t, func(w *world) {
			w.gateway.host.Move(netip.MustParseAddr("203.0.113.99"))
			start := time.Now()
			w.connect(lives(time.Hour, time.Hour)+`backup = ["gw.example"]`, nil)
			w.conn.awaitUp()
			if at := w.conn.Status().Gateway.Address.Addr(); at != backupAddr {
				t.Errorf("at %v", at)
			}
			if took := time.Since(start); took > 25*time.Second {
				t.Errorf("took %v", took)
			}
		})
	})
	t.Run("sent on", func(t *testing.T) {
		inNetwork(t, func(w *world) {
			w.connect(lives(time.Hour, time.Hour)+`backup = ["gw.example"]`, nil)
			w.conn.awaitUp()
			_ = w.gateway.g.Redirect("alice", netip.MustParseAddr("198.51.100.66"))
			time.Sleep(10 * time.Second)
			if st := w.conn.Status(); st.Gateway.Address.Addr() != gatewayAddr || st.State != client.Up {
				t.Errorf("%v at %v after a redirect to nowhere we know", st.State, st.Gateway.Address)
			}
			_ = w.gateway.g.Redirect("alice", backupAddr)
			time.Sleep(10 * time.Second)
			if st := w.conn.Status(); st.Gateway.Address.Addr() != backupAddr || st.State != client.Up {
				t.Errorf("%v at %v after a redirect", st.State, st.Gateway.Address)
			}
			if w.laptop.devices != 1 {
				t.Errorf("%d devices", w.laptop.devices)
			}
		})
	})
}

// A gateway that deletes children gets others at once.
func TestGatewayDeletesChildren(t *testing.T) {
	inWorld(t, lives(8*time.Hour, time.Hour), "", nil, func(w *world) {
		f := w.flow(50 * time.Millisecond)
		time.Sleep(time.Minute)
		f.forgive()
		if err := w.gateway.g.DeleteChildren("alice"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if gap := f.gap(); gap > time.Second {
			t.Errorf("%v without a packet", gap)
		}
		f.end()
	})
}

// A gateway that falls silent at a step that only it can repeat: another phase 1
// is tried beside.
func TestParallelStart(t *testing.T) {
	inNetwork(t, func(w *world) {
		lost := 0
		w.net.SetFault(func(from, _ netip.AddrPort, data []byte) []time.Duration {
			if len(data) > 32 && [4]byte(data) == [4]byte{} && data[4+18] == 6 && from.Addr() == gatewayAddr && time.Since(w.began) < 25*time.Second {
				lost++
				return nil // the gateway's Transactions
			}
			return []time.Duration{0}
		})
		w.connect(lives(time.Hour, time.Hour), nil)
		w.conn.awaitUp()
		if took := time.Since(w.began); took > 40*time.Second || lost == 0 {
			t.Errorf("up after %v, %d lost", took, lost)
		}
	})
}

// A day: children of an hour, phase 1s of eight, two networks, a sleep, a reboot.
func TestDay(t *testing.T) {
	inWorld(t, lives(8*time.Hour, time.Hour), "", nil, func(w *world) {
		f := w.flow(time.Second)
		end := time.Now().Add(24 * time.Hour)
		time.Sleep(5 * time.Hour)
		w.laptop.host.Move(otherAddr)
		w.laptop.changes <- hostnet.Change{Kind: hostnet.Address}
		time.Sleep(3 * time.Hour)
		if gap := f.gap(); gap > 3*time.Second {
			t.Errorf("%v without a packet in the first hours", gap)
		}
		w.laptop.host.Move(netip.Addr{})
		time.Sleep(time.Hour)
		w.laptop.host.Move(laptopAddr)
		f.forgive()
		w.laptop.changes <- hostnet.Change{Kind: hostnet.Resume}
		time.Sleep(4 * time.Hour)
		if gap := f.gap(); gap > 6*time.Second {
			t.Errorf("%v without a packet after the sleep", gap)
		}
		f.forgive()
		w.gateway.kill()
		w.gateway.start()
		time.Sleep(time.Until(end))
		if gap := f.gap(); gap > 15*time.Second {
			t.Errorf("%v without a packet after the reboot", gap)
		}
		f.end()
		if w.laptop.devices != 1 || w.laptop.restored != 0 {
			t.Errorf("%d devices were opened, put back %d times", w.laptop.devices, w.laptop.restored)
		}
	})
}
