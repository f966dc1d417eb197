package ike_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"postern/ike"
	"postern/ike/iketest"
	"postern/ike/isakmp"
)

func selector(s string) ike.Selector { return ike.Selector{Prefix: netip.MustParsePrefix(s)} }

// made is what became of a Quick Mode.
type made struct {
	child *ike.Child
	err   error
}

// begin starts a Quick Mode of A's and reads its message 1.
func (p *puppet) begin(sa *ike.SA, c ike.ChildConfig) (*quickMode, chan made) {
	p.r.t.Helper()
	done := make(chan made, 1)
	go func() {
		c, err := sa.Quick(p.r.t.Context(), c)
		done <- made{c, err}
	}()
	return p.hearQuick1(), done
}

// What a gateway answers to the selectors that it was asked for.
func TestQuickModeIDs(t *testing.T) {
	narrow := selector("10.20.0.0/16")
	tests := []struct {
		name          string
		local, remote ike.Selector
		answer        func(asked []isakmp.Payload) []isakmp.Payload
		want          [2]ike.Selector // none: refused
	}{
		{"as asked", inner, all, func(ids []isakmp.Payload) []isakmp.Payload { return ids }, [2]ike.Selector{inner, all}},
		{"missing", inner, all, func([]isakmp.Payload) []isakmp.Payload { return nil }, [2]ike.Selector{inner, all}},
		{"swapped", inner, all, func(ids []isakmp.Payload) []isakmp.Payload { return []isakmp.Payload{ids[1], ids[0]} }, [2]ike.Selector{inner, all}},
		{"narrowed", inner, all, func(ids []isakmp.Payload) []isakmp.Payload { return []isakmp.Payload{ids[0], id(narrow)} }, [2]ike.Selector{inner, narrow}},
		{"narrowed and swapped", inner, all, func(ids []isakmp.Payload) []isakmp.Payload { return []isakmp.Payload{id(narrow), ids[0]} }, [2]ike.Selector{inner, narrow}},
		{"widened", inner, narrow, func(ids []isakmp.Payload) []isakmp.Payload { return []isakmp.Payload{ids[0], id(all)} }, [2]ike.Selector{}},
		{"another network", inner, narrow, func(ids []isakmp.Payload) []isakmp.Payload {
			return []isakmp.Payload{ids[0], id(selector("172.16.0.0/16"))}
		}, [2]ike.Selector{}},
		{"IPv6", inner, all, func(ids []isakmp.Payload) []isakmp.Payload { return []isakmp.Payload{ids[0], id(selector("::/0"))} }, [2]ike.Selector{}},
		{"one", inner, all, func(ids []isakmp.Payload) []isakmp.Payload { return ids[:1] }, [2]ike.Selector{}},
		{"three", inner, all, func(ids []isakmp.Payload) []isakmp.Payload { return append(ids, ids[1]) }, [2]ike.Selector{}},
		{"a name", inner, all, func(ids []isakmp.Payload) []isakmp.Payload {
			return []isakmp.Payload{ids[0], {Type: isakmp.PayloadID, Body: isakmp.ID{Type: isakmp.IDFQDN, Data: []byte("a.example")}.Marshal()}}
		}, [2]ike.Selector{}},
		{"an unknown type", inner, all, func(ids []isakmp.Payload) []isakmp.Payload {
			return []isakmp.Payload{ids[0], {Type: isakmp.PayloadID, Body: []byte{99, 0, 0, 0, 1, 2, 3, 4}}}
		}, [2]ike.Selector{}},
		{"cut", inner, all, func(ids []isakmp.Payload) []isakmp.Payload {
			return []isakmp.Payload{ids[0], {Type: isakmp.PayloadID, Body: []byte{4, 0}}}
		}, [2]ike.Selector{}},
		{"a mask with holes", inner, all, func(ids []isakmp.Payload) []isakmp.Payload {
			return []isakmp.Payload{ids[0], {Type: isakmp.PayloadID, Body: []byte{4, 0, 0, 0, 10, 0, 0, 0, 255, 0, 255, 0}}}
		}, [2]ike.Selector{}},
		{"beside payloads that aren't known", inner, all, func(ids []isakmp.Payload) []isakmp.Payload {
			return []isakmp.Payload{{Type: isakmp.PayloadNATOADraft, Body: make([]byte, 8)}, {Type: 15, Body: []byte{1}}, ids[0], {Type: 200}, ids[1], {Type: isakmp.PayloadNATOA, Body: make([]byte, 8)}}
		}, [2]ike.Selector{inner, all}},
		{"host to host", ike.Selector{}, ike.Selector{}, func([]isakmp.Payload) []isakmp.Payload { return nil }, [2]ike.Selector{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inPuppetBubble(t, func(t *testing.T, r *rig, a *ike.SA, p *puppet) {
				c := child()
				c.Local, c.Remote = test.local, test.remote
				q, done := p.begin(a, c)
				if want := 2; len(q.ids) != want && test.name != "host to host" {
					t.Fatalf("%d IDs asked for", len(q.ids))
				}
				q.answer(0, test.answer(q.ids)...)
				synctest.Wait()
				if test.want == ([2]ike.Selector{}) && test.name != "host to host" {
					select {
					case m := <-done:
						t.Fatalf("taken: %+v, %v", m.child, m.err)
					default:
					}
					q.answer(0, q.ids...) // the true answer still counts
					test.want = [2]ike.Selector{test.local, test.remote}
				}
				m := <-done
				if m.err != nil {
					t.Fatal(m.err)
				}
				if got := [2]ike.Selector{m.child.Local, m.child.Remote}; got != test.want {
					t.Errorf("%v, want %v", got, test.want)
				}
				if m.child.OutboundSPI != 0x2222 {
					t.Errorf("outbound SPI %x", m.child.OutboundSPI)
				}
				q.hear3()
			})
		})
	}
}

// A peer that sets the commit bit wants us to wait until it says CONNECTED; we
// do, but not for long.
func TestCommitBit(t *testing.T) {
	tests := []struct {
		name  string
		flags isakmp.Flags
		then  func(p *puppet, q *quickMode)
		wait  time.Duration
	}{
		{"not set", 0, func(*puppet, *quickMode) {}, 0},
		{"never connected", isakmp.FlagCommit, func(*puppet, *quickMode) {}, 5 * time.Second},
		{"connected", isakmp.FlagCommit, func(p *puppet, q *quickMode) {
			p.say(p.Inform(q.id, notify(isakmp.ProtoESP, []byte{0, 0, 0x22, 0x22}, isakmp.NotifyConnected, nil)))
		}, time.Second},
		{"another is connected", isakmp.FlagCommit, func(p *puppet, q *quickMode) {
			p.say(p.Inform(q.id+1, notify(isakmp.ProtoESP, []byte{0, 0, 0x22, 0x22}, isakmp.NotifyConnected, nil)))
		}, 5 * time.Second},
		{"message 2 again", isakmp.FlagCommit, func(p *puppet, q *quickMode) {
			q.answer(isakmp.FlagCommit, q.ids...)
		}, 5 * time.Second},
		{"a fourth message", isakmp.FlagCommit, func(p *puppet, q *quickMode) {
			n := notify(isakmp.ProtoESP, nil, isakmp.NotifyConnected, nil)
			p.say(p.Seal(isakmp.ExchangeQuick, isakmp.FlagCommit, q.id, &q.iv, p.Hashed(q.id, n)...))
		}, time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inPuppetBubble(t, func(t *testing.T, r *rig, a *ike.SA, p *puppet) {
				installed := make(chan time.Time, 1)
				c := child()
				c.Install = func(*ike.Child) error {
					installed <- time.Now()
					return nil
				}
				q, done := p.begin(a, c)
				q.answer(test.flags, q.ids...)
				q.hear3()
				start := time.Now()
				time.AfterFunc(time.Second, func() { test.then(p, q) })
				if m := <-done; m.err != nil {
					t.Fatal(m.err)
				}
				if wait := time.Since(start); wait != test.wait {
					t.Errorf("waited %v, want %v", wait, test.wait)
				}
				if at := <-installed; at.After(start) {
					t.Error("nothing can be received while it waits")
				}
			})
		})
	}
}

// Windows sends a fourth message: it changes nothing and isn't answered.
func TestFourthQuickModeMessage(t *testing.T) {
	inPuppetBubble(t, func(t *testing.T, r *rig, a *ike.SA, p *puppet) {
		q, done := p.begin(a, child())
		q.answer(0, q.ids...)
		q.hear3()
		if m := <-done; m.err != nil {
			t.Fatal(m.err)
		}
		p.heard()
		n := notify(isakmp.ProtoISAKMP, bothCookies(a), isakmp.NotifyInitialContact, nil)
		p.say(p.Seal(isakmp.ExchangeQuick, 0, q.id, &q.iv, p.Hashed(q.id, n)...))
		time.Sleep(10 * time.Second)
		if n := p.heard(); n != 0 || a.Err() != nil {
			t.Errorf("%d messages, the SA ended: %v", n, a.Err())
		}
		q.answer(0, q.ids...) // message 2 again: message 3 was lost
		q.hear3()
	})
}

// A responder whose life time is shorter says so.
func TestResponderLifetimeInQuickMode(t *testing.T) {
	life := func(as ...isakmp.Attribute) isakmp.Payload {
		return notify(isakmp.ProtoESP, []byte{0, 0, 0x22, 0x22}, isakmp.NotifyResponderLifetime, isakmp.AppendAttributes(nil, as))
	}
	tests := []struct {
		name   string
		notice isakmp.Payload
		want   time.Duration
		octets uint64
	}{
		{"shorter", life(isakmp.TV(1, 1), isakmp.TV(2, 600)), 10 * time.Minute, 0},
		{"longer", life(isakmp.TV(1, 1), isakmp.TLV(2, []byte{0, 1, 0, 0})), time.Hour, 0},
		{"kilobytes", life(isakmp.TV(1, 2), isakmp.TV(2, 5000)), time.Hour, 5000 << 10},
		{"kilobytes in three octets", life(isakmp.TV(1, 2), isakmp.TLV(2, []byte{0x46, 0x50, 0x00})), time.Hour, 4608000 << 10},
		{"both", life(isakmp.TV(1, 2), isakmp.TV(2, 7), isakmp.TV(1, 1), isakmp.TLV(2, []byte{0, 0, 2, 88})), 10 * time.Minute, 7 << 10},
		{"a type without duration", life(isakmp.TV(1, 2)), time.Hour, 0},
		{"broken", notify(isakmp.ProtoESP, nil, isakmp.NotifyResponderLifetime, []byte{0, 1, 0, 9}), time.Hour, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inPuppetBubble(t, func(t *testing.T, r *rig, a *ike.SA, p *puppet) {
				q, done := p.begin(a, child())
				q.answer(0, append(q.ids, test.notice)...)
				m := <-done
				if m.err != nil {
					t.Fatal(m.err)
				}
				if m.child.Lifetime != test.want || m.child.LifeOctets != test.octets {
					t.Errorf("%v, %d octets; want %v, %d", m.child.Lifetime, m.child.LifeOctets, test.want, test.octets)
				}
			})
		})
	}
}

// The shorter life time of a child counts, and both ends know it.
func TestShorterLifetimeOfChild(t *testing.T) {
	for _, test := range [][3]time.Duration{
		{time.Hour, 8 * time.Hour, time.Hour},
		{8 * time.Hour, time.Hour, time.Hour},
		{0, time.Hour, time.Hour},
		{time.Hour, 0, time.Hour},
		{100 * 24 * time.Hour, 24 * time.Hour, 24 * time.Hour},
	} {
		t.Run(fmt.Sprint(test[0], " and ", test[1]), func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				quick := r.b.Quick
				r.b.Quick = func(ctx context.Context, sa *ike.SA, o ike.QuickOffer) (*ike.ChildConfig, error) {
					c, err := quick(ctx, sa, o)
					c.Lifetime = test[1]
					return c, err
				}
				a, _ := r.connect()
				c := child()
				c.Lifetime = test[0]
				ca, err := a.Quick(t.Context(), c)
				if err != nil {
					t.Fatal(err)
				}
				if cb := <-r.children; ca.Lifetime != test[2] || cb.Lifetime != test[2] {
					t.Errorf("%v at A, %v at B; want %v", ca.Lifetime, cb.Lifetime, test[2])
				}
			})
		})
	}
}

// A peer refuses a Quick Mode in an exchange of its own, which names none: it ends
// the only one, and none of several.
func TestRefusedInAnInformational(t *testing.T) {
	refusal := func(p *puppet, msgID uint32) {
		p.say(p.Inform(msgID, notify(isakmp.ProtoESP, []byte{0, 0, 0, 0}, isakmp.NotifyNoProposalChosen, nil)))
	}
	inPuppetBubble(t, func(t *testing.T, r *rig, a *ike.SA, p *puppet) {
		_, done := p.begin(a, child())
		refusal(p, 7)
		m := <-done
		var n *ike.NotifyError
		if !errors.As(m.err, &n) || n.Type != isakmp.NotifyNoProposalChosen || !n.Authenticated {
			t.Error(m.err)
		}
	})
	inPuppetBubble(t, func(t *testing.T, r *rig, a *ike.SA, p *puppet) {
		q1, done1 := p.begin(a, child())
		q2, done2 := p.begin(a, child())
		refusal(p, 7)
		q1.answer(0, q1.ids...)
		q2.answer(0, q2.ids...)
		for _, done := range []chan made{done1, done2} {
			if m := <-done; m.err != nil {
				t.Error(m.err)
			}
		}
	})
	inBubble(t, func(t *testing.T, r *rig) {
		r.b.Quick = func(context.Context, *ike.SA, ike.QuickOffer) (*ike.ChildConfig, error) {
			return nil, &ike.NotifyError{Type: isakmp.NotifyInvalidIDInformation}
		}
		a, _ := r.connect()
		_, err := a.Quick(t.Context(), child())
		var n *ike.NotifyError
		if !errors.As(err, &n) || n.Type != isakmp.NotifyInvalidIDInformation {
			t.Error(err)
		}
	})
}

// What can't be installed isn't left half made.
func TestChildThatCannotBeInstalled(t *testing.T) {
	full := errors.New("no room")
	inBubble(t, func(t *testing.T, r *rig) {
		a, _ := r.connect()
		c := child()
		c.Install = func(*ike.Child) error { return full }
		if _, err := a.Quick(t.Context(), c); !errors.Is(err, full) {
			t.Error("A: ", err)
		}
	})
	inBubble(t, func(t *testing.T, r *rig) {
		quick := r.b.Quick
		r.b.Quick = func(ctx context.Context, sa *ike.SA, o ike.QuickOffer) (*ike.ChildConfig, error) {
			c, err := quick(ctx, sa, o)
			c.Install = func(*ike.Child) error { return full }
			return c, err
		}
		a, _ := r.connect()
		_, err := a.Quick(t.Context(), child())
		var n *ike.NotifyError
		if !errors.As(err, &n) {
			t.Error("B: ", err)
		}
	})
}

// Message 3 never comes: B hears that the child isn't to be used.
func TestQuickModeNeverSettled(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		settled := make(chan error, 1)
		quick := r.b.Quick
		r.b.Quick = func(ctx context.Context, sa *ike.SA, o ike.QuickOffer) (*ike.ChildConfig, error) {
			c, err := quick(ctx, sa, o)
			c.Settled = func(_ *ike.Child, err error) { settled <- err }
			return c, err
		}
		a, _ := r.connect()
		fromA := 0
		r.SetFault(func(d iketest.Datagram) []iketest.Delivery {
			if d.FromA {
				if fromA++; fromA > 1 {
					return nil
				}
			}
			return arrive(d)
		})
		if _, err := a.Quick(t.Context(), child()); err != nil {
			t.Error(err)
		}
		var late *ike.TimeoutError
		if err := <-settled; !errors.As(err, &late) || late.Message != 2 {
			t.Error(err)
		}
	})
}

// Perfect forward secrecy: who insists gets it or nothing, who doesn't takes it.
func TestPFS(t *testing.T) {
	group := isakmp.Group(isakmp.GroupCurve25519)
	tests := []struct {
		a, b, want isakmp.Group
		refused    bool
	}{
		{group, 0, group, false},
		{group, group, group, false},
		{0, 0, 0, false},
		{0, group, 0, true},
		{group, isakmp.GroupECP256, 0, true},
		{99, 0, 0, true},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%d and %d", test.a, test.b), func(t *testing.T) {
			inBubbleOf(t, ike.Main, func(t *testing.T, r *rig) {
				quick := r.b.Quick
				r.b.Quick = func(ctx context.Context, sa *ike.SA, o ike.QuickOffer) (*ike.ChildConfig, error) {
					c, err := quick(ctx, sa, o)
					c.Group = test.b
					return c, err
				}
				a, _ := r.connect()
				c := child()
				c.Group = test.a
				ca, err := a.Quick(t.Context(), c)
				if test.refused {
					if err == nil {
						t.Errorf("agreed on %d", ca.Group)
					}
					return
				}
				if err != nil || ca.Group != test.want {
					t.Fatalf("%+v, %v", ca, err)
				}
				checkPair(t, ca, <-r.children)
			})
		})
	}
}

// A Quick Mode message 1 that comes again begins nothing, even when its exchange
// is long over.
func TestReplayedQuickMode1(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		served := 0
		quick := r.b.Quick
		r.b.Quick = func(ctx context.Context, sa *ike.SA, o ike.QuickOffer) (*ike.ChildConfig, error) {
			served++
			return quick(ctx, sa, o)
		}
		a, _ := r.connect()
		r.quick(a)
		one := of(r.Sent(), true, isakmp.ExchangeQuick)[0].Octets
		for range 3 {
			time.Sleep(time.Minute)
			r.Inject(false, one)
			r.Inject(true, one) // and ours that comes back to us
		}
		time.Sleep(time.Second)
		if served != 1 {
			t.Errorf("served %d times", served)
		}
	})
}

// An end that serves no Quick Mode says nothing and lives on.
func TestNoQuickModeServed(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		a, b := r.connect()
		c := child()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := b.Quick(ctx, c); err == nil {
			t.Error("A took a child")
		}
		request(t, a)
		request(t, b)
	})
}

// Many children of one peer at once.
func TestManyChildren(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		a, _ := r.connect()
		const n = 50
		done := make(chan error, n)
		for range n {
			go func() {
				_, err := a.Quick(t.Context(), child())
				done <- err
			}()
		}
		spis := map[uint32]bool{}
		for range n {
			if err := <-done; err != nil {
				t.Error(err)
			}
			c := <-r.children
			spis[c.InboundSPI], spis[c.OutboundSPI] = true, true
		}
		if len(spis) != 2*n {
			t.Errorf("%d SPIs", len(spis))
		}
	})
}
