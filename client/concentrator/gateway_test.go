package concentrator

import (
	"encoding/binary"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postern/ike"
	"postern/ike/iketest"
	"postern/ike/isakmp"
	"postern/tun"
	"postern/xauth"
)

var (
	alice = who{ike.Aggressive, "staff", "staff's key", "alice", "wonderland", false}
	bob   = who{ike.Main, "staff", "staff's key", "bob", "tiger", false}
	carol = who{ike.Main, "staff", "staff's key", "carol", "lion", false}
	dora  = who{ike.Main, "told", "told's key", "dora", "bear", false}
	erin  = who{ike.Aggressive, "erin", "erin's key", "", "", false}

	host = netip.MustParseAddr("10.30.0.9")
)

func TestTwoUsersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, testConf)
		a, atA := l.connected(alice)
		b, atB := l.connected(bob)
		a.carries(atA, host)
		b.carries(atB, host)
		a.carries(atA, addr("10.20.0.1"))
		if got, want := l.online(), "alice 10.20.0.10, bob 10.20.0.11"; got != want {
			t.Errorf("connected: %s, want %s", got, want)
		}
		s := l.g.Sessions()[0]
		if s.In != 2*33 || s.Out != 2*32 || s.ESP != "aes128-sha1" || s.IKE != "aes128-sha1-curve25519" || s.Mode != "aggressive mode" || s.Children != 1 {
			t.Errorf("alice's session: %+v", s)
		}

		// Neither may use the other's address, nor reach what isn't the group's.
		if passes(a.dev, l.dev, packet(atB, host, "as bob")) == nil {
			t.Error("alice sends with bob's address")
		}
		if passes(a.dev, l.dev, packet(atA, addr("10.99.0.1"), "out")) == nil {
			t.Error("alice reaches a network that isn't the group's")
		}

		if err := a.sa.Close(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		time.Sleep(time.Second)
		if got, want := l.online(), "bob 10.20.0.11"; got != want {
			t.Errorf("connected: %s, want %s", got, want)
		}
		b.carries(atB, host)
	})
}

func TestModeConfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, testConf)
		// Pulled.
		d, err := l.logIn(alice)
		if err != nil {
			t.Fatal(err)
		}
		a, err := d.login.Pull(t.Context(), d.sa, xauth.Request{})
		if err != nil {
			t.Fatal(err)
		}
		if a.Address != prefix("10.20.0.10/32") || len(a.Networks) != 2 || len(a.DNS) != 1 || a.DNS[0] != addr("10.30.0.53") {
			t.Errorf("alice is told %+v", a)
		}
		again, err := d.login.Pull(t.Context(), d.sa, xauth.Request{})
		if err != nil || again.Address != a.Address {
			t.Errorf("asked again, alice is told %+v, %v", again, err)
		}
		// Pushed, with an address of the user's own.
		d, err = l.logIn(dora)
		if err != nil {
			t.Fatal(err)
		}
		a, err = d.login.Pushed(t.Context(), d.sa)
		if err != nil || a.Address != prefix("10.21.0.77/32") {
			t.Errorf("dora is told %+v, %v", a, err)
		}
		if _, err := d.quick(addr("10.21.0.77"), anyIPv4); err != nil {
			t.Error(err)
		}
		d.carries(addr("10.21.0.77"), addr("198.51.100.1"))
	})
}

// TestKeysOfPhase1: whose key it was names the group, and in Aggressive Mode the
// identity must.
func TestKeysOfPhase1(t *testing.T) {
	for _, c := range []struct {
		name string
		who  who
		want string // of what is online; empty: refused
	}{
		{"a user's own key", erin, "erin 10.20.0.10"},
		{"the same in main mode", who{ike.Main, "erin", "erin's key", "", "", false}, "erin 10.20.0.10"},
		{"the group by its key alone", who{ike.Main, "whoever", "staff's key", "alice", "wonderland", false}, "alice 10.20.0.10"},
		{"unknown group", who{ike.Aggressive, "nobody", "staff's key", "alice", "wonderland", false}, ""},
		{"wrong key, aggressive", who{ike.Aggressive, "staff", "wrong", "alice", "wonderland", false}, ""},
		{"wrong key, main", who{ike.Main, "staff", "wrong", "alice", "wonderland", false}, ""},
		{"another group's key", who{ike.Main, "told", "staff's key", "alice", "wonderland", false}, ""},
		{"another's name", who{ike.Main, "erin", "staff's key", "alice", "wonderland", false}, ""},
		{"wrong password", who{ike.Main, "staff", "staff's key", "alice", "wrong", false}, ""},
		{"unknown user", who{ike.Main, "staff", "staff's key", "mallory", "wonderland", false}, ""},
		{"a user without a password", who{ike.Main, "staff", "staff's key", "erin", "", false}, ""},
		{"a user of another group", who{ike.Main, "told", "told's key", "alice", "wonderland", false}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, testConf)
				if c.want == "" {
					d, err := l.dial(c.who)
					if err == nil {
						err = d.login.Wait(t.Context(), d.sa)
					}
					if err == nil {
						t.Error("was let in")
					}
					t.Log("refused:", err)
					time.Sleep(2 * time.Minute)
					if got := l.online(); got != "" {
						t.Errorf("connected: %s", got)
					}
					return
				}
				if c.who.user != "" {
					l.connected(c.who)
				} else {
					d, err := l.dial(c.who)
					if err != nil {
						t.Fatal(err)
					}
					a, err := d.login.Pull(t.Context(), d.sa, xauth.Request{})
					if err != nil {
						t.Fatal(err)
					}
					if _, err := d.quick(a.Address.Addr(), anyIPv4); err != nil {
						t.Fatal(err)
					}
				}
				if got := l.online(); got != c.want {
					t.Errorf("connected: %s, want %s", got, c.want)
				}
			})
		})
	}
}

// TestQuickModeBeforeLogin: whoever knows the group's key only gets no child.
func TestQuickModeBeforeLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, testConf)
		d, err := l.dial(who{ike.Main, "staff", "staff's key", unanswered, "", false})
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.quick(addr("10.20.0.10"), anyIPv4)
		var refused *ike.NotifyError
		if !errors.As(err, &refused) || refused.Type != isakmp.NotifyAuthenticationFailed || !refused.Authenticated {
			t.Errorf("quick mode: %v, want AUTHENTICATION-FAILED", err)
		}
		if got := l.online(); got != "" {
			t.Errorf("connected: %s", got)
		}
	})
}

func TestPoolExhausted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, testConf)
		a, _ := l.connected(alice)
		l.connected(bob)
		c, err := l.logIn(carol)
		if err != nil {
			t.Fatal(err)
		}
		told, err := c.login.Pull(t.Context(), c.sa, xauth.Request{})
		if err == nil && told.Address.IsValid() {
			t.Errorf("carol is told %+v", told)
		}
		select {
		case <-c.sa.Done():
		case <-time.After(10 * time.Second):
			t.Error("the SA without an address lives on")
		}
		// What alice gives back is carol's.
		a.sa.Close()
		time.Sleep(time.Second)
		if _, got := l.connected(carol); got != addr("10.20.0.10") {
			t.Errorf("carol is at %v", got)
		}
	})
}

func TestSelectors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, testConf)
		d, inner := l.connected(alice)
		for _, c := range []struct {
			name    string
			inner   netip.Addr
			network string
			want    string // empty: INVALID-ID-INFORMATION
		}{
			{"everything", inner, "0.0.0.0/0", "0.0.0.0/0"},
			{"a network", inner, "10.30.0.0/16", "10.30.0.0/16"},
			{"a part of one", inner, "10.30.7.0/24", "10.30.7.0/24"},
			{"more than one, narrowed", inner, "10.30.0.0/15", "10.30.0.0/16"},
			{"several in one", inner, "10.0.0.0/8", ""},
			{"another network", inner, "10.99.0.0/16", ""},
			{"another's address", addr("10.20.0.11"), "0.0.0.0/0", ""},
			{"an address outside", addr("192.0.2.10"), "0.0.0.0/0", ""},
		} {
			child, err := d.quick(c.inner, prefix(c.network))
			var refused *ike.NotifyError
			switch {
			case c.want == "" && (!errors.As(err, &refused) || refused.Type != isakmp.NotifyInvalidIDInformation):
				t.Errorf("%s: %v, want INVALID-ID-INFORMATION", c.name, err)
			case c.want != "" && err != nil:
				t.Errorf("%s: %v", c.name, err)
			case c.want != "" && child.Remote.Prefix != prefix(c.want):
				t.Errorf("%s: got %v", c.name, child.Remote)
			}
		}
	})
}

// TestNoModeConfig: a client brings an address of the pool; two can't have one.
func TestNoModeConfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, testConf)
		plain := func(id string) *dialer {
			d, err := l.dial(who{ike.Main, id, "plain key", "", "", false})
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		one, two := plain("one"), plain("two")
		inner := addr("10.22.0.5")
		if _, err := one.quick(inner, prefix("10.30.0.0/16")); err != nil {
			t.Fatal(err)
		}
		one.carries(inner, host)
		if _, err := two.quick(inner, prefix("10.30.0.0/16")); err == nil {
			t.Error("two clients have one address")
		}
		if _, err := two.quick(addr("10.23.0.5"), prefix("10.30.0.0/16")); err == nil {
			t.Error("an address that isn't the group's is taken")
		}
		if _, err := two.quick(addr("10.22.0.6"), prefix("10.30.0.0/16")); err != nil {
			t.Error(err)
		}
		if got, want := l.online(), " 10.22.0.5,  10.22.0.6"; got != want {
			t.Errorf("connected: %q, want %q", got, want)
		}
	})
}

// TestRekey: a new child takes the traffic over, and the old one goes.
func TestRekey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, testConf)
		d, inner := l.connected(alice)
		d.carries(inner, host)
		if _, err := d.quick(inner, anyIPv4); err != nil {
			t.Fatal(err)
		}
		d.carries(inner, host)
		if n := l.g.Sessions()[0].Children; n != 2 {
			t.Errorf("%d children at once, want 2", n)
		}
		time.Sleep(replacedLives + time.Second)
		if n := l.g.Sessions()[0].Children; n != 1 {
			t.Errorf("%d children after a while, want 1", n)
		}
		if len(d.gone) != 1 {
			t.Errorf("%d Deletes, want 1", len(d.gone))
		}
		d.carries(inner, host)
		if s := l.g.Sessions()[0]; s.In != 3*33 {
			t.Errorf("%d octets in, want %d: the old child's count too", s.In, 3*33)
		}
		// The client deletes its child.
		if err := d.sa.DeleteChild(l.children()[0].outbound); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if n := l.g.Sessions()[0].Children; n != 0 {
			t.Errorf("%d children after the Delete", n)
		}
	})
}

// children are those of all sessions.
func (l *lab) children() []*child {
	l.g.mu.Lock()
	defer l.g.mu.Unlock()
	var all []*child
	for _, s := range l.g.sessions {
		all = slices.AppendSeq(all, maps.Values(s.children))
	}
	return all
}

// TestSameUserAgain: the newer connection keeps the address; the older one ends,
// at once if the peer says that it remembers none.
func TestSameUserAgain(t *testing.T) {
	for _, contact := range []bool{false, true} {
		name := map[bool]string{false: "without INITIAL-CONTACT", true: "with INITIAL-CONTACT"}[contact]
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, testConf)
				old, inner := l.connected(alice)
				old.carries(inner, host)
				again := alice
				again.contact = contact
				d, at := l.connected(again)
				if at != inner {
					t.Errorf("alice moved from %v to %v", inner, at)
				}
				d.carries(inner, host)
				limit := 5 * time.Second
				if !contact {
					// What is on its way under the old SA still arrives.
					if err := passes(old.dev, l.dev, packet(inner, host, "late")); err != nil {
						t.Error(err)
					}
					limit = replacedLives + 5*time.Second
				}
				select {
				case <-old.sa.Done():
				case <-time.After(limit):
					t.Errorf("the old SA lives after %v", limit)
				}
				time.Sleep(time.Second)
				d.carries(inner, host)
				if got, want := l.online(), "alice 10.20.0.10"; got != want {
					t.Errorf("connected: %s, want %s", got, want)
				}
				if n := l.g.Sessions()[0].Children; n != 1 {
					t.Errorf("%d children, want 1", n)
				}
			})
		})
	}
}

// TestChildrenOutliveTheirSA: a client that makes a new phase 1 and gives up the
// old one keeps its children.
func TestChildrenOutliveTheirSA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, testConf)
		old, inner := l.connected(alice)
		d, err := l.logIn(alice)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		old.sa.Close()
		time.Sleep(time.Second)
		old.carries(inner, host)
		if got, want := l.online(), "alice 10.20.0.10"; got != want {
			t.Errorf("connected: %s, want %s", got, want)
		}
		d.sa.Close()
		time.Sleep(time.Second)
		if got := l.online(); got != "" {
			t.Errorf("connected: %s", got)
		}
	})
}

func TestFailuresAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, testConf)
		wrong := alice
		wrong.password = "wrong"
		for range freeFailures {
			began := time.Now()
			if _, err := l.logIn(wrong); !errors.Is(err, xauth.ErrRefused) {
				t.Fatalf("%v, want ErrRefused", err)
			}
			if took := time.Since(began); took < failureDelay {
				t.Errorf("refused after %v", took)
			}
		}
		if _, err := l.logIn(alice); err == nil {
			t.Error("the right password is heard after too many wrong ones")
		}
		l.connected(bob) // others are
		time.Sleep(failureMemory + time.Second)
		l.connected(alice)
	})
}

// TestLostThirdMessage: the first packet shows that the client has the child.
func TestLostThirdMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, testConf)
		d, err := l.logIn(alice)
		if err != nil {
			t.Fatal(err)
		}
		a, err := d.login.Pull(t.Context(), d.sa, xauth.Request{})
		if err != nil {
			t.Fatal(err)
		}
		inner := a.Address.Addr()
		sent := 0
		l.pipe.SetFault(func(m iketest.Datagram) []iketest.Delivery {
			if h, err := isakmp.ParseHeader(m.Octets); err == nil && m.FromA && h.Exchange == isakmp.ExchangeQuick {
				if sent++; sent > 1 {
					return nil
				}
			}
			return []iketest.Delivery{{Octets: m.Octets}}
		})
		if _, err := d.quick(inner, anyIPv4); err != nil {
			t.Fatal(err)
		}
		d.carries(inner, host)
		l.pipe.SetFault(nil)
		time.Sleep(time.Minute)
		d.carries(inner, host)
	})
}

// TestNATRebinding: the gateway follows its client to where authentic packets come
// from, and nowhere else.
func TestNATRebinding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, testConf)
		outside := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(addr("203.0.113.5"), port) }
		l.pipe.SetNAT(func(netip.AddrPort) netip.AddrPort { return outside(40000) })
		d, inner := l.connected(alice)
		at := outside(40000)
		d.seenAs.Store(&at)
		d.carries(inner, host)
		if s := l.g.Sessions()[0]; s.Peer != at || !s.UDP {
			t.Fatalf("alice is at %v, in UDP: %v", s.Peer, s.UDP)
		}
		forged := binary.BigEndian.AppendUint32(nil, l.children()[0].inbound)
		forged = append(forged, make([]byte, 96)...)
		forged[7] = 200 // the sequence number
		l.g.tunnel.Deliver([]tun.Datagram{{Data: forged, From: tun.Path{Remote: outside(6666), Marker: true}}})
		if s := l.g.Sessions()[0]; s.Peer != at {
			t.Errorf("alice is at %v after a forged packet", s.Peer)
		}
		at = outside(50000)
		d.seenAs.Store(&at)
		d.carries(inner, host)
		if s := l.g.Sessions()[0]; s.Peer != at {
			t.Errorf("alice is at %v, want %v", s.Peer, at)
		}
		if to := l.sent.Load().Remote; to != at {
			t.Errorf("ESP went to %v, want %v", to, at)
		}
	})
}

// TestGoodbye: a gateway that stops tells its clients.
func TestGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, testConf)
		d, _ := l.connected(alice)
		before := len(l.pipe.Sent())
		l.g.Close()
		select {
		case <-d.sa.Done():
			if !errors.Is(d.sa.Err(), ike.ErrDeleted) {
				t.Error(d.sa.Err())
			}
		case <-time.After(time.Second):
			t.Error("the client isn't told")
		}
		if n := len(l.pipe.Sent()) - before; n != 2 {
			t.Errorf("%d messages, want a Delete of the child and one of the SA", n)
		}
	})
}

// TestIdle: a connection without traffic ends.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, strings.Replace(testConf, "MaxConnections = 2", "MaxConnections = 2\nInactivityTimeout = 60", 1))
		d, inner := l.connected(alice)
		for range 4 {
			time.Sleep(50 * time.Second)
			d.carries(inner, host)
		}
		time.Sleep(70 * time.Second)
		if got := l.online(); got != "" {
			t.Errorf("connected: %s", got)
		}
	})
}

// TestNoChild: who logs in and does nothing more doesn't stay.
func TestNoChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, testConf)
		d, err := l.logIn(alice)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(settleTime + time.Second)
		if d.sa.Err() == nil || l.online() != "" {
			t.Error("connected:", l.online())
		}
	})
}
