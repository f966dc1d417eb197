package ike_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"postern/ike"
	"postern/ike/iketest"
	"postern/ike/isakmp"
)

// word is a private payload.
func word(s string) isakmp.Payload { return isakmp.Payload{Type: 222, Body: []byte(s)} }

// says is an accept of a message that holds the word.
func says(s string) func(ike.PreludeMessage) error {
	return func(m ike.PreludeMessage) error {
		for _, p := range m.Payloads {
			if p.Type == 222 && string(p.Body) == s {
				return nil
			}
		}
		return errors.New("another word")
	}
}

// talk makes both ends of a rig exchange two pairs of words before message 1 is
// answered. slow is how long each person thinks.
func talk(r *rig, slow time.Duration) (heard *[]string) {
	heard = new([]string)
	r.a.Prelude = func(ctx context.Context, p *ike.Prelude) error {
		m, err := p.Receive(ctx, says("who?"))
		if err != nil {
			return nil
		}
		p.Hold(slow + time.Second)
		time.Sleep(slow)
		m, err = p.RoundTrip(ctx, ike.PreludeMessage{CookieR: m.CookieR, MessageID: p.NewMessageID(), Payloads: []isakmp.Payload{word("me")}}, says("which?"))
		if err != nil {
			return err
		}
		p.Hold(slow + time.Second)
		time.Sleep(slow)
		_, err = p.RoundTrip(ctx, ike.PreludeMessage{CookieR: m.CookieR, MessageID: p.NewMessageID(), Payloads: []isakmp.Payload{word("I")}}, says("welcome"))
		p.Release()
		return err
	}
	r.b.Prelude = func(ctx context.Context, p *ike.Prelude) error {
		say := func(s string) error {
			return p.Send(ike.PreludeMessage{CookieR: p.CookieR, MessageID: p.NewMessageID(), Payloads: []isakmp.Payload{word(s)}})
		}
		for _, q := range [][2]string{{"who?", "me"}, {"which?", "I"}} {
			if err := say(q[0]); err != nil {
				return err
			}
			if _, err := p.Receive(ctx, says(q[1])); err != nil {
				return err
			}
			*heard = append(*heard, q[1])
		}
		return say("welcome")
	}
	return heard
}

// TestPrelude: every single fault, with an initiator who thinks longer than any
// clock of phase 1 runs.
func TestPrelude(t *testing.T) {
	for _, mode := range modes {
		for _, fromA := range []bool{true, false} {
			for n := range 7 {
				for name, f := range map[string]iketest.Fault{
					"lost": func(iketest.Datagram) []iketest.Delivery { return nil },
					"doubled": func(d iketest.Datagram) []iketest.Delivery {
						return []iketest.Delivery{{Octets: d.Octets}, {Octets: d.Octets}}
					},
					"late": func(d iketest.Datagram) []iketest.Delivery {
						return []iketest.Delivery{{Octets: d.Octets, After: 700 * time.Millisecond}}
					},
				} {
					t.Run(fmt.Sprintf("%v %v %d %s", mode, fromA, n, name), func(t *testing.T) {
						inBubbleOf(t, mode, func(t *testing.T, r *rig) {
							heard := talk(r, 40*time.Second)
							r.SetFault(func(d iketest.Datagram) []iketest.Delivery {
								if d.FromA == fromA && d.Number == n {
									return f(d)
								}
								return []iketest.Delivery{{Octets: d.Octets}}
							})
							r.serve()
							if _, err := r.dial(t.Context()); err != nil {
								t.Fatal(err)
							}
							if len(*heard) != 2 {
								t.Errorf("heard %q", *heard)
							}
						})
					})
				}
			}
		}
	}
}

// TestPreludeSpeaksWhenSpokenTo: until the initiator has echoed CKY-R, a responder
// sends in answer to a datagram only, and no more than three times its octets.
func TestPreludeSpeaksWhenSpokenTo(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		talk(r, time.Second)
		r.SetFault(func(d iketest.Datagram) []iketest.Delivery {
			if d.FromA {
				return []iketest.Delivery{{Octets: d.Octets}}
			}
			return nil // whoever wears the initiator's address gets it
		})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		r.serve()
		if _, err := r.dial(ctx); err == nil {
			t.Fatal("an SA")
		}
		in, out, questions, answers := 0, 0, 0, 0
		for _, d := range r.Sent() {
			if d.FromA {
				in, questions = in+len(d.Octets), questions+1
			} else {
				out, answers = out+len(d.Octets), answers+1
			}
		}
		if answers == 0 || answers > questions || out > 3*in {
			t.Errorf("%d datagrams of %d octets in answer to %d of %d", answers, out, questions, in)
		}
	})
}

// TestPreludeRefuses: an error of either end's ends phase 1, and the initiator
// hears of the responder's.
func TestPreludeRefuses(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		mine := errors.New("mine")
		r.b.Prelude = func(context.Context, *ike.Prelude) error { return mine }
		r.serve()
		var n *ike.NotifyError
		if _, err := r.dial(t.Context()); !errors.As(err, &n) || n.Type != isakmp.NotifyAuthenticationFailed {
			t.Error(err)
		}
		r.a.Prelude = func(context.Context, *ike.Prelude) error { return mine }
		if _, err := r.dial(t.Context()); !errors.Is(err, mine) {
			t.Error(err)
		}
	})
}

// TestPreludeGroups: what the prelude finds takes the place of Config.Groups.
func TestPreludeGroups(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.b.Prelude = func(_ context.Context, p *ike.Prelude) error {
			if len(p.VendorIDs) == 0 || len(p.First) == 0 || p.CookieI == (isakmp.Cookie{}) || p.CookieR == (isakmp.Cookie{}) {
				t.Errorf("prelude %+v", p)
			}
			p.Groups = []ike.Group{{Name: "found", Secret: []byte("another key")}}
			return nil
		}
		r.a.Secret = []byte("another key")
		r.serve()
		if _, err := r.dial(t.Context()); err != nil {
			t.Fatal(err)
		}
		if b := <-r.accepted; b.Info().Group != "found" {
			t.Errorf("group %q", b.Info().Group)
		}
	})
}

// TestRide: what rides on the last two messages arrives, bound to its Quick Mode,
// and an error of any of the three hooks leaves no child.
func TestRide(t *testing.T) {
	for _, c := range []struct{ name, fails string }{{"all well", ""}, {"answer", "answer"}, {"confirm", "confirm"}, {"settle", "settle"}} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				failed := errors.New("not so")
				fail := func(where string) error {
					if c.fails == where {
						return failed
					}
					return nil
				}
				quick := r.b.Quick
				settled := make(chan error, 1)
				r.b.Quick = func(ctx context.Context, sa *ike.SA, o ike.QuickOffer) (*ike.ChildConfig, error) {
					cfg, err := quick(ctx, sa, o)
					if err != nil {
						return nil, err
					}
					cfg.Ride = &ike.Ride{
						Answer: func() ([]isakmp.Payload, error) { return []isakmp.Payload{word("there")}, fail("answer") },
						Settle: func(b *ike.QuickBinding, found []isakmp.Payload) error {
							if len(found) != 1 || !bytes.Equal(found[0].Body, b.Prove("label", []byte("body"))) {
								t.Errorf("found %v", found)
							}
							return fail("settle")
						},
					}
					cfg.Settled = func(_ *ike.Child, err error) { settled <- err }
					return cfg, nil
				}
				r.serve()
				sa, err := r.dial(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				_, err = sa.Quick(t.Context(), ike.ChildConfig{
					Proposals: []ike.ESPProposal{esp}, Local: inner, Remote: all,
					Ride: &ike.Ride{Confirm: func(b *ike.QuickBinding, found []isakmp.Payload) ([]isakmp.Payload, error) {
						if len(found) != 1 || string(found[0].Body) != "there" {
							t.Errorf("found %v", found)
						}
						return []isakmp.Payload{{Type: 222, Body: b.Prove("label", []byte("body"))}}, fail("confirm")
					}},
				})
				if (err == nil) != (c.fails == "" || c.fails == "settle") {
					t.Errorf("initiator: %v", err)
				}
				if c.fails == "settle" {
					if err := <-settled; !errors.Is(err, failed) {
						t.Errorf("responder: %v", err)
					}
				}
			})
		})
	}
}

// TestInform: private payloads under the SA, and their repetition as the same octets.
func TestInform(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		a, b := r.connect()
		again, err := a.Inform(word("hello"))
		if err != nil {
			t.Fatal(err)
		}
		if p := <-b.Private(); p.Type != 222 || string(p.Body) != "hello" {
			t.Errorf("%+v", p)
		}
		before := len(r.Sent())
		again()
		synctest.Wait()
		if sent := r.Sent(); len(sent) != before+1 || !bytes.Equal(sent[before].Octets, sent[before-1].Octets) {
			t.Error("not repeated as it was")
		}
		if p := <-b.Private(); string(p.Body) != "hello" {
			t.Errorf("%+v", p)
		}
	})
}
