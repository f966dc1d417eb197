package ike_test

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"postern/ike"
	"postern/ike/iketest"
	"postern/ike/isakmp"
)

// sendTimes notes when A sends.
func sendTimes(r *rig) *[]time.Time {
	var times []time.Time
	r.SetFault(func(d iketest.Datagram) []iketest.Delivery {
		if d.FromA {
			times = append(times, time.Now())
		}
		return nil
	})
	return &times
}

// A question is sent at least 24 times, at first within seconds, always the same.
func TestScheduleOfRepeats(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		times := sendTimes(r)
		start := time.Now()
		_, err := r.dial(t.Context())
		var late *ike.TimeoutError
		if !errors.As(err, &late) || late.Message != 1 || late.Refused != nil {
			t.Errorf("error %v", err)
		}
		if took := time.Since(start); took != ike.Patience {
			t.Errorf("gave up after %v", took)
		}
		if n := len(*times); n < 23 || n > 32 {
			t.Errorf("sent %d times", n)
		}
		for i, at := range (*times)[1:] {
			pause, limit := at.Sub((*times)[i]), 1100*time.Millisecond
			if i == 0 {
				limit = 550 * time.Millisecond
			}
			if at.Sub(start) > 22*time.Second {
				limit = 5500 * time.Millisecond
			}
			if pause > limit || pause < 400*time.Millisecond {
				t.Errorf("repeat %d came after %v", i+1, pause)
			}
		}
		sent := r.Sent()
		for _, d := range sent {
			if !bytes.Equal(d.Octets, sent[0].Octets) {
				t.Fatal("a repeat has other octets")
			}
		}
	})
}

// Whoever doesn't wait for an answer repeats nothing: a responder sends once for
// each time that the question comes.
func TestResponderRepeatsOnlyOnRequest(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.serve()
		arrived := 0
		r.SetFault(func(d iketest.Datagram) []iketest.Delivery {
			if d.FromA {
				if arrived++; arrived <= 3 {
					return arrive(d)
				}
			}
			return nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_, _ = r.dial(ctx)
		answers := of(r.Sent(), false, phase1Type(r.a.Mode))
		if len(answers) != 3 {
			t.Errorf("%d answers to 3 questions", len(answers))
		}
		for _, d := range answers {
			if !bytes.Equal(d.Octets, answers[0].Octets) {
				t.Error("an answer has other octets")
			}
		}
	})
}

// The last message of Quick Mode is lost: the responder repeats message 2, and the
// initiator answers each with the message 3 that it stored.
func TestQuickMode3Lost(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		a, _ := r.connect()
		r.SetFault(nth(2, true, isakmp.ExchangeQuick, drop))
		start := time.Now()
		r.quick(a)
		if wait := time.Since(start); wait < 400*time.Millisecond || wait > time.Second {
			t.Errorf("B's child is settled after %v", wait)
		}
		twos, threes := of(r.Sent(), false, isakmp.ExchangeQuick), of(r.Sent(), true, isakmp.ExchangeQuick)[1:]
		if len(twos) != 2 || len(threes) != 2 || !bytes.Equal(twos[0].Octets, twos[1].Octets) || !bytes.Equal(threes[0].Octets, threes[1].Octets) {
			t.Errorf("message 2 was sent %d times, message 3 %d times, or not alike", len(twos), len(threes))
		}
	})
}

// A repeated message 2 is answered for a minute, however often it comes.
func TestRepeatedQuickMode2IsAnsweredForAMinute(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		a, _ := r.connect()
		r.quick(a)
		two := of(r.Sent(), false, isakmp.ExchangeQuick)[0].Octets
		three := of(r.Sent(), true, isakmp.ExchangeQuick)[1].Octets
		threes := func() int {
			n := 0
			for _, d := range of(r.Sent(), true, isakmp.ExchangeQuick)[1:] {
				if !bytes.Equal(d.Octets, three) {
					t.Error("another message 3")
				}
				n++
			}
			return n
		}
		time.Sleep(time.Second)
		for i := range 6 {
			before := threes()
			r.Inject(true, two)
			time.Sleep(time.Second)
			if threes() != before+1 {
				t.Errorf("%d s after the quick mode message 2 isn't answered once", 10*i)
			}
			time.Sleep(9*time.Second - 100*time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		before := threes()
		r.Inject(true, two)
		time.Sleep(time.Second)
		if threes() != before {
			t.Error("it is still answered after a minute")
		}
	})
}

// Each message of Quick Mode comes twice: the ends don't repeat at each other.
func TestDoubledMessagesDontEcho(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.SetFault(func(d iketest.Datagram) []iketest.Delivery {
			return []iketest.Delivery{{Octets: d.Octets}, {Octets: d.Octets, After: 3 * time.Millisecond}}
		})
		a, b := r.connect()
		r.quick(a)
		request(t, b)
		request(t, a)
		time.Sleep(2 * time.Minute)
		if n := len(r.Sent()); n > 30 {
			t.Errorf("%d datagrams", n)
		}
	})
}

// The answer to a request is lost: the request is repeated, answered by the
// same octets, and served once.
func TestTransactionAnswerLost(t *testing.T) {
	for _, typ := range []isakmp.CfgType{isakmp.CfgRequest, isakmp.CfgSet} {
		inBubble(t, func(t *testing.T, r *rig) {
			var served atomic.Int32
			r.a.Transaction = func(ctx context.Context, sa *ike.SA, c isakmp.Configuration) *isakmp.Configuration {
				served.Add(1)
				return echo(ctx, sa, c)
			}
			_, b := r.connect()
			r.SetFault(nth(1, true, isakmp.ExchangeTransaction, drop))
			answer, err := b.Transact(t.Context(), isakmp.Configuration{Type: typ, Identifier: 77})
			if err != nil || answer.Type != typ+1 || answer.Identifier != 77 {
				t.Errorf("%v, %v", answer, err)
			}
			answers := of(r.Sent(), true, isakmp.ExchangeTransaction)
			if len(answers) != 2 || !bytes.Equal(answers[0].Octets, answers[1].Octets) || served.Load() != 1 {
				t.Errorf("%d answers, served %d times", len(answers), served.Load())
			}
		})
	}
}

// Only the gateway can repeat a request that was lost; the client waits, and
// answers what comes.
func TestRequestOfGatewayLost(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		_, b := r.connect()
		before := len(r.Sent())
		lost := 0
		r.SetFault(func(d iketest.Datagram) []iketest.Delivery {
			if lost++; lost <= 10 {
				return nil
			}
			return arrive(d)
		})
		request(t, b)
		if own := of(r.Sent()[before:], true, isakmp.ExchangeTransaction); len(own) != 1 {
			t.Errorf("A sent %d messages", len(own))
		}
	})
}

// While a person thinks, repeats of the question reach nobody; when the answer
// comes, it is sent once.
func TestQuestionRepeatedWhileAPersonThinks(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		var asked atomic.Int32
		r.a.Transaction = func(ctx context.Context, sa *ike.SA, c isakmp.Configuration) *isakmp.Configuration {
			asked.Add(1)
			time.Sleep(20 * time.Second)
			return echo(ctx, sa, c)
		}
		a, b := r.connect()
		r.quickLater(a)
		request(t, b)
		time.Sleep(10 * time.Second)
		if n := asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
		// One more at most: to a repeat that crossed the answer.
		if n := len(of(r.Sent(), true, isakmp.ExchangeTransaction)); n == 0 || n > 2 {
			t.Errorf("answered %d times", n)
		}
	})
}

// quickLater makes a child while other things are under way.
func (r *rig) quickLater(sa *ike.SA) {
	go func() {
		time.Sleep(time.Second)
		if _, err := sa.Quick(r.t.Context(), child()); err != nil {
			r.t.Error("quick: ", err)
		}
	}()
}

// The SA's end ends what is under way under it, at once, with the reason.
func TestEndOfSAEndsExchanges(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		thinking := make(chan error, 1)
		r.a.Transaction = func(ctx context.Context, _ *ike.SA, _ isakmp.Configuration) *isakmp.Configuration {
			<-ctx.Done()
			thinking <- context.Cause(ctx)
			return nil
		}
		a, b := r.connect()
		asked := make(chan error, 1)
		go func() {
			_, err := b.Transact(t.Context(), isakmp.Configuration{Type: isakmp.CfgRequest})
			asked <- err
		}()
		time.Sleep(5 * time.Second)
		r.SetFault(drop) // the Delete is lost
		start := time.Now()
		a.Close()
		b.Close()
		if err := <-asked; err == nil {
			t.Error("B's request succeeded")
		}
		if err := <-thinking; err == nil {
			t.Error("A's handler wasn't told")
		}
		if time.Since(start) > time.Millisecond {
			t.Error("the end took ", time.Since(start))
		}
		if _, err := a.Quick(t.Context(), child()); err == nil {
			t.Error("quick mode under an SA that has ended")
		}
		if err := a.DeleteChild(0x1000); err == nil {
			t.Error("delete under an SA that has ended")
		}
		a.Close()
		a.Abandon()
	})
}

// A first message that can't be sent is the caller's to know; a later one is as
// good as lost.
func TestSendErrors(t *testing.T) {
	unreachable := errors.New("network is unreachable")
	router := ike.NewRouter(func([]byte, ike.Path) error { return unreachable })
	_, err := ike.Dial(t.Context(), router, ike.Path{}, ike.Config{Proposals: []ike.Proposal{proposal}})
	if !errors.Is(err, unreachable) {
		t.Error(err)
	}
	inBubble(t, func(t *testing.T, r *rig) {
		r.serve()
		sent := 0
		unsteady := ike.NewRouter(func(msg []byte, to ike.Path) error {
			if sent++; sent == 2 {
				return unreachable
			}
			r.B.Deliver(bytes.Clone(msg), ike.Path{Local: to.Remote, Remote: to.Local, Marker: to.Marker})
			return nil
		})
		r.A = unsteady
		r.SetFault(func(d iketest.Datagram) []iketest.Delivery {
			time.AfterFunc(time.Millisecond, func() { unsteady.Deliver(bytes.Clone(d.Octets), r.ToB) })
			return nil
		})
		if _, err := r.dial(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
