package ike_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"postern/ike"
	"postern/ike/iketest"
	"postern/ike/isakmp"
)

// The last message of Main Mode is lost: message 5 is repeated octet for octet,
// and answered by the same message 6.
func TestMainMode6Lost(t *testing.T) {
	inBubbleOf(t, ike.Main, func(t *testing.T, r *rig) {
		r.SetFault(nth(3, false, isakmp.ExchangeMain, drop))
		a, _ := r.connect()
		fives, sixes := of(r.Sent(), true, isakmp.ExchangeMain)[2:], of(r.Sent(), false, isakmp.ExchangeMain)[2:]
		if len(fives) != 2 || len(sixes) != 2 || !bytes.Equal(fives[0].Octets, fives[1].Octets) || !bytes.Equal(sixes[0].Octets, sixes[1].Octets) {
			t.Errorf("message 5 was sent %d times, message 6 %d times, or not alike", len(fives), len(sixes))
		}
		r.quick(a)
	})
}

// The third message of Aggressive Mode is lost and the responder waits in
// silence: the initiator repeats it unasked.
func TestAggressive3LostAndNobodyAsks(t *testing.T) {
	inBubbleOf(t, ike.Aggressive, func(t *testing.T, r *rig) {
		r.SetFault(nth(2, true, isakmp.ExchangeAggressive, drop))
		a, b := r.connect()
		threes := of(r.Sent(), true, isakmp.ExchangeAggressive)[1:]
		if len(threes) < 2 || !bytes.Equal(threes[0].Octets, threes[1].Octets) {
			t.Errorf("message 3 was sent %d times, or not alike", len(threes))
		}
		r.quick(a)
		request(t, b)
		count := len(of(r.Sent(), true, isakmp.ExchangeAggressive))
		time.Sleep(time.Minute)
		if n := len(of(r.Sent(), true, isakmp.ExchangeAggressive)); n != count {
			t.Errorf("message 3 was repeated %d times more after the peer had shown that it got it", n-count)
		}
	})
}

// The third message of Aggressive Mode is lost, and the initiator goes on: the
// responder repeats message 2 to ask for it, and loses nothing of what came.
func TestAggressive3LostAndInitiatorGoesOn(t *testing.T) {
	inBubbleOf(t, ike.Aggressive, func(t *testing.T, r *rig) {
		r.serve()
		r.SetFault(nth(2, true, isakmp.ExchangeAggressive, drop))
		a, err := r.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r.quick(a)
		ones := of(r.Sent(), true, isakmp.ExchangeQuick)
		if bytes.Equal(ones[0].Octets, ones[1].Octets) {
			t.Error("quick mode 1 had to be repeated")
		}
	})
}

// A request of the gateway overtakes message 6: it is kept until that came,
// and need not be sent again.
func TestRequestOvertakesMainMode6(t *testing.T) {
	inBubbleOf(t, ike.Main, func(t *testing.T, r *rig) {
		served := make(chan time.Time, 4)
		r.a.Transaction = func(ctx context.Context, sa *ike.SA, c isakmp.Configuration) *isakmp.Configuration {
			served <- time.Now()
			return echo(ctx, sa, c)
		}
		r.SetFault(nth(3, false, isakmp.ExchangeMain, late(300*time.Millisecond)))
		r.serve()
		done := make(chan bool)
		go func() {
			request(t, <-r.accepted)
			close(done)
		}()
		if _, err := r.dial(t.Context()); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if wait := (<-served).Sub(start); wait > time.Millisecond {
			t.Errorf("served %v after message 6", wait)
		}
		<-done
		if n := len(of(r.Sent(), false, isakmp.ExchangeTransaction)); n != 1 {
			t.Errorf("the request was sent %d times", n)
		}
		if len(served) != 0 {
			t.Error("the request was served twice")
		}
	})
}

// The third message of Aggressive Mode comes in clear, as RFC 2409 draws it:
// no cipher block of phase 1 exists, so that phase 2 begins at the first IV.
func TestPhase2IVAfterAggressive3InClear(t *testing.T) {
	inBubbleOf(t, ike.Aggressive, func(t *testing.T, r *rig) {
		r.serve()
		var third []byte
		r.SetFault(nth(2, true, isakmp.ExchangeAggressive, func(d iketest.Datagram) []iketest.Delivery {
			third = d.Octets
			return nil
		}))
		a, err := r.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		v := ike.VoiceOf(a)
		iv := v.Phase1IV()
		m, err := v.Open(third, &iv)
		if err != nil {
			t.Fatal(err)
		}
		ike.ForgetLastBlock(a)
		if bytes.Equal(ike.VoiceOf(a).Base(1), v.Base(1)) {
			t.Error("the third message, encrypted, doesn't count for the IV")
		}
		r.Inject(false, v.Clear(isakmp.ExchangeAggressive, 0, m.Payloads...))
		b := <-r.accepted
		r.quick(a)
		request(t, b)
	})
}

// With wrong keys neither end hears what it must; the error says what was the matter.
func TestWrongPresharedKey(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.a.Secret = []byte("wrong")
		r.serve()
		start := time.Now()
		_, err := r.dial(t.Context())
		var late *ike.TimeoutError
		if !errors.As(err, &late) || late.Refused == nil {
			t.Fatalf("error %v", err)
		}
		if wait := time.Since(start); wait > 15*time.Second {
			t.Errorf("it took %v", wait)
		}
		if r.a.Mode == ike.Aggressive && (!errors.Is(err, ike.ErrAuthentication) || late.Message != 1) {
			t.Errorf("error %v", err)
		}
		var notify *ike.NotifyError
		if r.a.Mode == ike.Main && (!errors.As(err, &notify) || late.Message != 5) {
			t.Errorf("error %v", err)
		}
		if s := err.Error(); strings.Contains(s, "wrong") || strings.Contains(s, "secret") {
			t.Errorf("the error tells a secret: %s", s)
		}
	})
}

// Somebody who proves to be another than wanted is refused at once, by either end.
func TestAnotherIdentityIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		refuse := func(id isakmp.ID) error { return fmt.Errorf("%v isn't wanted", id) }
		r.a.PeerIdentity = refuse
		r.serve()
		start := time.Now()
		if _, err := r.dial(t.Context()); !errors.Is(err, ike.ErrIdentity) {
			t.Error("initiator: ", err)
		}
		if wait := time.Since(start); wait > time.Second {
			t.Errorf("the initiator waits %v", wait)
		}
	})
	inBubble(t, func(t *testing.T, r *rig) {
		r.b.PeerIdentity = func(id isakmp.ID) error { return fmt.Errorf("%v isn't wanted", id) }
		secret := []byte("secret")
		r.b.Groups = func(ike.Hello) []ike.Group {
			return []ike.Group{{Name: "staff", Secret: secret}, {Name: "other", Secret: []byte("other")}}
		}
		r.serve()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, _ = r.dial(ctx)
		if err := <-r.refused; !errors.Is(err, ike.ErrIdentity) {
			t.Error("responder: ", err)
		}
	})
}

// In Main Mode the key alone tells who it is: sixteen are tried.
func TestGroupIsFoundByItsKey(t *testing.T) {
	groups := func(n int) func(ike.Hello) []ike.Group {
		return func(h ike.Hello) (gs []ike.Group) {
			if h.Identity != nil {
				t.Errorf("Main Mode knows %v", h.Identity)
			}
			for i := range n {
				gs = append(gs, ike.Group{Name: fmt.Sprint("group ", i+1), Secret: fmt.Appendf(nil, "key %d", i+1)})
			}
			return gs
		}
	}
	inBubbleOf(t, ike.Main, func(t *testing.T, r *rig) {
		r.b.Groups = groups(20)
		r.a.Secret = []byte("key 16")
		a, b := r.connect()
		if g := b.Info().Group; g != "group 16" {
			t.Error("found ", g)
		}
		r.quick(a)
	})
	inBubbleOf(t, ike.Main, func(t *testing.T, r *rig) {
		r.b.Groups = groups(20)
		r.a.Secret = []byte("key 17")
		r.serve()
		if _, err := r.dial(t.Context()); err == nil {
			t.Error("the seventeenth key was tried")
		}
	})
}

// In Aggressive Mode the identity tells who it is.
func TestGroupIsFoundByItsName(t *testing.T) {
	inBubbleOf(t, ike.Aggressive, func(t *testing.T, r *rig) {
		r.b.Groups = func(h ike.Hello) []ike.Group {
			if string(h.Identity.Data) != "staff" {
				return nil
			}
			return []ike.Group{{Name: "staff", Secret: []byte("secret")}}
		}
		if _, b := r.connect(); b.Info().Group != "staff" {
			t.Error("found ", b.Info().Group)
		}
		r.a.Identity.Data = []byte("nobody")
		_, err := r.dial(t.Context())
		var n *ike.NotifyError
		if !errors.As(err, &n) || n.Type != isakmp.NotifyInvalidIDInformation || n.Authenticated {
			t.Error("unknown group: ", err)
		}
	})
}

func TestNobodyIsAccepted(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.b.Groups = nil
		r.serve()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.dial(ctx); err == nil {
			t.Error("connected without a key")
		}
		if err := <-r.refused; err == nil || r.B.Wires() != 0 {
			t.Errorf("%v, %d wires", err, r.B.Wires())
		}
	})
}

// HASH covers the identity as it came: whatever protocol and port it has, and
// of any type.
func TestIdentityOfAnyForm(t *testing.T) {
	ids := map[string]isakmp.ID{
		"17/500":    {Type: isakmp.IDKeyID, Protocol: 17, Port: 500, Data: []byte("staff")},
		"0/0":       {Type: isakmp.IDKeyID, Data: []byte("staff")},
		"17/4500":   {Type: isakmp.IDFQDN, Protocol: 17, Port: 4500, Data: []byte("host.example")},
		"17/0":      {Type: isakmp.IDUserFQDN, Protocol: 17, Data: []byte("a@host.example")},
		"address":   isakmp.AddressID(iketest.AddrA),
		"IPv6":      {Type: isakmp.IDIPv6Addr, Data: make([]byte, 16)},
		"DN":        {Type: isakmp.IDDERASN1DN, Data: []byte{0x30, 0}},
		"unnamed":   {},
		"no octets": {Type: isakmp.IDKeyID},
		"type 200":  {Type: 200, Data: []byte{0, 0xff}},
	}
	for name, id := range ids {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.a.Identity, r.b.Identity = id, id
				a, b := r.connect()
				if id.Type == 0 { // the address spoken from
					if string(b.Info().Peer.Data) != string(iketest.AddrA.AsSlice()) || string(a.Info().Peer.Data) != string(iketest.AddrB.AsSlice()) {
						t.Errorf("B hears %v, A %v", b.Info().Peer, a.Info().Peer)
					}
					return
				}
				if a.Info().Peer.String() != id.String() || b.Info().Peer.String() != id.String() {
					t.Errorf("B hears %v, A %v", b.Info().Peer, a.Info().Peer)
				}
			})
		})
	}
}

// A pre-shared key of more octets than the hash's block.
func TestPresharedKeyOf65Octets(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		long := bytes.Repeat([]byte("k"), 65)
		r.a.Secret = long
		r.b.Groups = func(ike.Hello) []ike.Group { return []ike.Group{{Name: "long", Secret: bytes.Clone(long)}} }
		a, _ := r.connect()
		r.quick(a)
	})
}

// Some peers send their vendor IDs with the later messages of Main Mode.
func TestVendorIDsInLaterMessages(t *testing.T) {
	inBubbleOf(t, ike.Main, func(t *testing.T, r *rig) {
		r.a.NATTraversal, r.b.NATTraversal = ike.NATOff, ike.NATOff
		moved := map[bool][]isakmp.Payload{}
		r.SetFault(func(d iketest.Datagram) []iketest.Delivery {
			if header(d.Octets).Flags&isakmp.FlagEncryption != 0 {
				return arrive(d)
			}
			return rewrite(func(ps []isakmp.Payload) (kept []isakmp.Payload) {
				if d.Number > 1 {
					return append(ps, moved[d.FromA]...)
				}
				for _, p := range ps {
					if p.Type == isakmp.PayloadVendorID {
						moved[d.FromA] = append(moved[d.FromA], p, p)
					} else {
						kept = append(kept, p)
					}
				}
				return kept
			})(d)
		})
		r.a.VendorIDs, r.b.VendorIDs = [][]byte{[]byte("BNES\x00\x00\x00\x09")}, [][]byte{[]byte("an unknown one")}
		a, b := r.connect()
		// B announced Unity only where A had, which was too late.
		if !a.Info().DPD || a.Info().Unity || !b.Info().DPD || !b.Info().Unity {
			t.Errorf("A: %+v, B: %+v", a.Info(), b.Info())
		}
		if got := fmt.Sprint(b.Info().Vendors); got != "[Cisco Unity Nortel Contivity]" {
			t.Error("vendors ", got)
		}
	})
}

// INITIAL-CONTACT is told to the responder if the initiator says so.
func TestInitialContact(t *testing.T) {
	for _, says := range []bool{true, false} {
		inBubble(t, func(t *testing.T, r *rig) {
			r.a.InitialContact = says
			if _, b := r.connect(); b.Info().InitialContact != says {
				t.Errorf("said %v, heard %v", says, b.Info().InitialContact)
			}
		})
	}
}

// The shorter life time counts; no difference refuses an offer.
func TestShorterLifetimeOfPhase1(t *testing.T) {
	tests := []struct{ a, b, atA, atB time.Duration }{
		{time.Hour, 8 * time.Hour, time.Hour, time.Hour},
		{8 * time.Hour, time.Hour, time.Hour, time.Hour},
		{0, time.Hour, time.Hour, time.Hour},
		{time.Hour, 0, time.Hour, time.Hour},
		{2147483 * time.Second, 24 * time.Hour, 24 * time.Hour, 24 * time.Hour},
		{0, 0, 0, 0},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.a, " and ", test.b), func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.a.Lifetime, r.b.Lifetime = test.a, test.b
				a, b := r.connect()
				if r.a.Mode == ike.Aggressive {
					test.atA = test.a // there is no message of the responder's to tell it
				}
				if a.Info().Lifetime != test.atA || b.Info().Lifetime != test.atB {
					t.Errorf("%v at A, %v at B; want %v and %v", a.Info().Lifetime, b.Info().Lifetime, test.atA, test.atB)
				}
			})
		})
	}
}

// At the end of its life time an SA says goodbye.
func TestPhase1Expires(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.a.Lifetime = 10 * time.Minute
		a, b := r.connect()
		start := time.Now()
		<-a.Done()
		if a.Err() != ike.ErrExpired && a.Err() != ike.ErrDeleted {
			t.Error(a.Err())
		}
		if life := time.Since(start); life < 9*time.Minute || life > 10*time.Minute+time.Second {
			t.Errorf("it lived %v", life)
		}
		<-b.Done()
	})
}

// A peer that takes nothing of what is offered says so, in clear: a hint, which
// shortens the wait.
func TestNoCommonProposal(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.b.Proposals = []ike.Proposal{{Cipher: isakmp.Cipher3DES, Hash: isakmp.HashSHA1, Group: isakmp.GroupMODP1024}}
		r.serve()
		start := time.Now()
		_, err := r.dial(t.Context())
		var n *ike.NotifyError
		if !errors.As(err, &n) || n.Type != isakmp.NotifyNoProposalChosen || n.Authenticated {
			t.Error(err)
		}
		if wait := time.Since(start); wait > 7*time.Second {
			t.Errorf("it took %v", wait)
		}
	})
}

// What couldn't be kept isn't offered.
func TestImpossibleOffers(t *testing.T) {
	other := proposal
	other.Group = isakmp.GroupMODP1024
	offer := func(change func(*ike.Config)) error {
		c := ike.Config{Proposals: []ike.Proposal{proposal}, Secret: []byte("secret")}
		change(&c)
		_, err := ike.Dial(t.Context(), ike.NewRouter(func([]byte, ike.Path) error { return errors.New("sent") }), ike.Path{}, c)
		return err
	}
	tests := map[string]func(*ike.Config){
		"nothing":                       func(c *ike.Config) { c.Proposals = nil },
		"two groups in aggressive mode": func(c *ike.Config) { c.Mode = ike.Aggressive; c.Proposals = []ike.Proposal{proposal, other} },
		"an unknown cipher":             func(c *ike.Config) { c.Proposals = []ike.Proposal{{Cipher: 99, Hash: isakmp.HashMD5, Group: 2}} },
		"a key length for 3DES": func(c *ike.Config) {
			c.Proposals = []ike.Proposal{{Cipher: isakmp.Cipher3DES, KeyBits: 192, Hash: isakmp.HashMD5, Group: 2}}
		},
		"an unknown hash":  func(c *ike.Config) { c.Proposals = []ike.Proposal{{Cipher: isakmp.CipherDES, Hash: 99, Group: 2}} },
		"an unknown group": func(c *ike.Config) { c.Proposals = []ike.Proposal{{Cipher: isakmp.CipherDES, Hash: 1, Group: 24}} },
		"more than is read": func(c *ike.Config) {
			for range 65 {
				c.Proposals = append(c.Proposals, proposal)
			}
		},
	}
	for name, change := range tests {
		if err := offer(change); err == nil || strings.Contains(err.Error(), "sent") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := offer(func(c *ike.Config) { c.Proposals = append(c.Proposals, other) }); err == nil || !strings.Contains(err.Error(), "sent") {
		t.Error("two groups in main mode: ", err)
	}
}

// Each mode is taken only where it is allowed.
func TestModeIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.b.Modes = []ike.Mode{ike.Main + ike.Aggressive - r.a.Mode}
		r.serve()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.dial(ctx); err == nil {
			t.Error("connected")
		}
		if sent := of(r.Sent(), false, phase1Type(r.a.Mode)); len(sent) != 0 {
			t.Errorf("%d answers", len(sent))
		}
	})
}

// Where the answers stop coming late, an early one may have been forged: phase 1
// begins once more, with a new cookie, and on port 500 even if the first had
// moved to 4500.
func TestSecondAttemptBeginsAnew(t *testing.T) {
	inBubbleOf(t, ike.Main, func(t *testing.T, r *rig) {
		r.SetNAT(natAt(31000))
		var first isakmp.Cookie
		r.SetFault(func(d iketest.Datagram) []iketest.Delivery {
			h := header(d.Octets)
			if first == (isakmp.Cookie{}) {
				first = h.InitiatorCookie
			}
			if h.InitiatorCookie == first && h.Flags&isakmp.FlagEncryption != 0 {
				return nil
			}
			return arrive(d)
		})
		a, _ := r.connect()
		if took := time.Since(a.Info().Since); took > time.Second {
			t.Errorf("the SA is %v old", took)
		}
		var cookies []isakmp.Cookie
		for _, d := range of(r.Sent(), true, isakmp.ExchangeMain) {
			h := header(d.Octets)
			if h.ResponderCookie != (isakmp.Cookie{}) {
				continue
			}
			cookies = append(cookies, h.InitiatorCookie)
			if d.From.Marker || d.From.Local.Port() != 500 {
				t.Errorf("message 1 goes to %v, marker %v", d.From.Local, d.From.Marker)
			}
		}
		if len(cookies) != 2 || cookies[0] == cookies[1] {
			t.Errorf("first messages with cookies %v", cookies)
		}
	})
}

// A gateway that answers nothing is asked in one attempt.
func TestSilenceIsNoReasonForASecondAttempt(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		start := time.Now()
		if _, err := r.dial(t.Context()); err == nil {
			t.Error("connected")
		}
		if took := time.Since(start); took != ike.Patience {
			t.Errorf("it took %v", took)
		}
	})
}

// Accept and Next end with their context.
func TestAcceptIsCancelled(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.B.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		r.B.Deliver(firstMessage(t, r), r.ToA)
		w, err := r.B.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		why := errors.New("the gateway stops")
		ctx, stop := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { stop(why) })
		if _, err := ike.Accept(ctx, w, r.b); !errors.Is(err, why) {
			t.Error(err)
		}
		r.B.Close()
		if _, err := r.B.Next(t.Context()); !errors.Is(err, ike.ErrClosed) {
			t.Error(err)
		}
		if n := r.B.Wires(); n != 0 {
			t.Errorf("%d wires", n)
		}
	})
}

// Dial ends with its context, and leaves nothing behind.
func TestDialIsCancelled(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("a person pressed the button")
		time.AfterFunc(5*time.Second, func() { cancel(why) })
		if _, err := r.dial(ctx); !errors.Is(err, why) {
			t.Error(err)
		}
		if r.A.Wires() != 0 {
			t.Error("the wire is left")
		}
		timeout, cancelTimeout := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancelTimeout()
		var late *ike.TimeoutError
		if _, err := r.dial(timeout); !errors.As(err, &late) || late.Message != 1 {
			t.Error(err)
		}
	})
}
