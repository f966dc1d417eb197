package ike_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"postern/ike"
	"postern/ike/isakmp"
)

// inDPDBubble is a puppet whose peer A probes after 30 s.
func inDPDBubble(t *testing.T, f func(t *testing.T, r *rig, a *ike.SA, p *puppet)) {
	inBubbleOf(t, ike.Main, func(t *testing.T, r *rig) {
		r.a.DPD = 30 * time.Second
		a, p := r.puppet()
		f(t, r, a, p)
	})
}

// A silent peer is probed; each probe has the next number.
func TestProbesCountUp(t *testing.T) {
	inDPDBubble(t, func(t *testing.T, r *rig, a *ike.SA, p *puppet) {
		start := time.Now()
		first := p.hearProbe(isakmp.NotifyRUThere)
		if wait := time.Since(start); wait < 29*time.Second || wait > 31*time.Second {
			t.Errorf("probed after %v", wait)
		}
		for i := range uint32(5) {
			p.say(p.Inform(i+1, probe(a, isakmp.NotifyRUThereAck, first+i)))
			start = time.Now()
			if next := p.hearProbe(isakmp.NotifyRUThere); next != first+i+1 {
				t.Errorf("after %d came %d", first+i, next)
			}
			if wait := time.Since(start); wait < 25*time.Second || wait > 35*time.Second {
				t.Errorf("probed again after %v", wait)
			}
		}
	})
}

// Nobody answers: the peer is dead, after nine probes.
func TestSilentPeerIsDead(t *testing.T) {
	inDPDBubble(t, func(t *testing.T, r *rig, a *ike.SA, p *puppet) {
		start := time.Now()
		<-a.Done()
		if a.Err() != ike.ErrDead {
			t.Error(a.Err())
		}
		if n := p.heard(); n != ike.MaxProbes {
			t.Errorf("%d probes", n)
		}
		if took := time.Since(start); took < 60*time.Second || took > 80*time.Second {
			t.Errorf("dead after %v", took)
		}
	})
}

// A short setting finds a dead peer within 15 s.
func TestDeadWithinFifteenSeconds(t *testing.T) {
	inBubbleOf(t, ike.Main, func(t *testing.T, r *rig) {
		r.a.DPD = 5 * time.Second
		a, _ := r.puppet()
		start := time.Now()
		<-a.Done()
		if took := time.Since(start); took > 15*time.Second || a.Err() != ike.ErrDead {
			t.Errorf("%v after %v", a.Err(), took)
		}
	})
}

// One answer to any of the probes on their way is a sign of life.
func TestOneOfManyProbesIsAnswered(t *testing.T) {
	inDPDBubble(t, func(t *testing.T, r *rig, a *ike.SA, p *puppet) {
		first := p.hearProbe(isakmp.NotifyRUThere)
		for range ike.MaxProbes - 1 {
			p.hearProbe(isakmp.NotifyRUThere)
		}
		p.say(p.Inform(1, probe(a, isakmp.NotifyRUThereAck, first)))
		time.Sleep(20 * time.Second)
		if a.Err() != nil {
			t.Error(a.Err())
		}
	})
}

// What else comes from the peer while it is probed is a sign of life too.
func TestTrafficAnswersProbes(t *testing.T) {
	for _, kind := range []string{"ESP", "IKE"} {
		t.Run(kind, func(t *testing.T) {
			inBubbleOf(t, ike.Main, func(t *testing.T, r *rig) {
				r.a.DPD = 30 * time.Second
				var last atomic.Int64
				r.a.Alive = func() time.Time { return time.Unix(0, last.Load()) }
				a, p := r.puppet()
				for i := range uint32(5) {
					for range ike.MaxProbes {
						p.hearProbe(isakmp.NotifyRUThere)
					}
					time.Sleep(10 * time.Millisecond)
					if kind == "ESP" {
						last.Store(time.Now().UnixNano())
					} else {
						p.say(p.Inform(i+1, notify(isakmp.ProtoISAKMP, nil, isakmp.NotifyUnityHeartbeat, nil)))
					}
				}
				time.Sleep(5 * time.Second)
				if a.Err() != nil {
					t.Error(a.Err())
				}
			})
		})
	}
}

// Traffic is proof of life: nothing is probed while something comes.
func TestNoProbesWhileThereIsTraffic(t *testing.T) {
	for _, kind := range []string{"ESP", "IKE"} {
		t.Run(kind, func(t *testing.T) {
			inBubbleOf(t, ike.Main, func(t *testing.T, r *rig) {
				r.a.DPD = 30 * time.Second
				var last atomic.Int64
				if kind == "ESP" {
					r.a.Alive = func() time.Time { return time.Unix(0, last.Load()) }
				}
				a, p := r.puppet()
				for i := range uint32(20) {
					time.Sleep(20 * time.Second)
					if kind == "ESP" {
						last.Store(time.Now().UnixNano())
					} else {
						p.say(p.Inform(i+1, notify(isakmp.ProtoISAKMP, nil, isakmp.NotifyUnityHeartbeat, nil)))
					}
				}
				if n := p.heard(); n != 0 || a.Err() != nil {
					t.Errorf("%d probes, %v", n, a.Err())
				}
				time.Sleep(35 * time.Second)
				if n := p.heard(); n == 0 {
					t.Error("no probe in the silence")
				}
			})
		})
	}
}

// A peer that didn't announce DPD isn't probed, nor is one that needn't be.
func TestNoProbes(t *testing.T) {
	for _, what := range []string{"not announced", "off"} {
		t.Run(what, func(t *testing.T) {
			inBubbleOf(t, ike.Main, func(t *testing.T, r *rig) {
				if what == "not announced" {
					r.a.DPD = 30 * time.Second
					r.SetFault(nth(1, false, isakmp.ExchangeMain, rewrite(func(ps []isakmp.Payload) []isakmp.Payload {
						return ps[:1]
					})))
				}
				a, p := r.puppet()
				time.Sleep(time.Hour)
				if n := p.heard(); n != 0 || a.Err() != nil || a.Info().DPD != (what == "off") {
					t.Errorf("%d probes, %v", n, a.Err())
				}
			})
		})
	}
}

// INVALID-SPI or INVALID-COOKIE in clear is a hint that the peer was started
// again: it is probed at once and fast, and is dead within 5 s if it doesn't
// answer.
func TestHintHasThePeerProbed(t *testing.T) {
	for _, typ := range []isakmp.NotifyType{isakmp.NotifyInvalidSPI, isakmp.NotifyInvalidCookie} {
		for _, msgID := range []uint32{0, 7} {
			inDPDBubble(t, func(t *testing.T, r *rig, a *ike.SA, p *puppet) {
				time.Sleep(10 * time.Second)
				start := time.Now()
				p.say(p.Clear(isakmp.ExchangeInformational, msgID, notify(isakmp.ProtoISAKMP, nil, typ, nil)))
				p.hearProbe(isakmp.NotifyRUThere)
				if wait := time.Since(start); wait > 10*time.Millisecond {
					t.Errorf("probed after %v", wait)
				}
				<-a.Done()
				if took := time.Since(start); took > 5*time.Second || a.Err() != ike.ErrDead {
					t.Errorf("%v after %v", a.Err(), took)
				}
			})
		}
	}
}

// Forged hints cost a probe now and then, and no more: the peer answers.
func TestForgedHints(t *testing.T) {
	inDPDBubble(t, func(t *testing.T, r *rig, a *ike.SA, p *puppet) {
		probes := uint32(0)
		for range 600 {
			p.say(p.Clear(isakmp.ExchangeInformational, 7, notify(isakmp.ProtoISAKMP, nil, isakmp.NotifyInvalidCookie, nil)))
			p.say(p.Clear(isakmp.ExchangeInformational, 7, del(isakmp.ProtoISAKMP, bothCookies(a))))
			synctest.Wait()
			for len(p.got) > 0 {
				probes++
				p.say(p.Inform(probes, probe(a, isakmp.NotifyRUThereAck, p.hearProbe(isakmp.NotifyRUThere))))
			}
			time.Sleep(100 * time.Millisecond)
		}
		if a.Err() != nil {
			t.Error(a.Err())
		}
		if probes == 0 || probes > 12 {
			t.Errorf("%d probes in a minute", probes)
		}
	})
}

// A flood of hints waits for nobody: the owner of the SA, busy elsewhere, may make them
// itself. They cost one probe.
func TestHintsDontWait(t *testing.T) {
	inBubbleOf(t, ike.Main, func(t *testing.T, r *rig) {
		r.a.DPD = 30 * time.Second
		r.a.Notify = func(sa *ike.SA, _ isakmp.Notify) {
			for range 1000 {
				sa.Suspect()
			}
		}
		a, p := r.puppet()
		time.Sleep(10 * time.Second)
		p.say(p.Inform(1, notify(isakmp.ProtoISAKMP, nil, isakmp.NotifyUnityHeartbeat, nil)))
		sequence := p.hearProbe(isakmp.NotifyRUThere)
		p.say(p.Inform(2, probe(a, isakmp.NotifyRUThereAck, sequence)))
		time.Sleep(3 * time.Second)
		if n := p.heard(); n != 0 || a.Err() != nil {
			t.Errorf("%d probes more, %v", n, a.Err())
		}
	})
}
