package ike_test

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"postern/ike"
	"postern/ike/iketest"
	"postern/ike/isakmp"
)

var aes = ike.Proposal{Cipher: isakmp.CipherAES, KeyBits: 256, Hash: isakmp.HashSHA256, Group: isakmp.GroupCurve25519}

func configs(t *testing.T, mode ike.Mode) (ike.Config, ike.Config) {
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	a := ike.Config{
		Mode: mode, Proposals: []ike.Proposal{aes}, Secret: []byte("secret"), Lifetime: time.Hour,
		Identity: isakmp.ID{Type: isakmp.IDKeyID, Data: []byte("staff")}, Log: log.With("end", "A"),
	}
	b := ike.Config{
		Proposals: []ike.Proposal{aes}, Lifetime: 8 * time.Hour, Log: log.With("end", "B"),
		Groups: func(ike.Hello) []ike.Group { return []ike.Group{{Name: "staff", Secret: []byte("secret")}} },
	}
	return a, b
}

// connect makes an SA between the ends of p.
func connect(t *testing.T, p *iketest.Pipe, a, b ike.Config) (*ike.SA, *ike.SA) {
	t.Helper()
	type result struct {
		sa  *ike.SA
		err error
	}
	accepted := make(chan result, 1)
	go func() {
		w, err := p.B.Next(t.Context())
		if err != nil {
			accepted <- result{nil, err}
			return
		}
		sa, err := ike.Accept(t.Context(), w, b)
		accepted <- result{sa, err}
	}()
	saA, err := ike.Dial(t.Context(), p.A, p.ToB, a)
	if err != nil {
		t.Fatal("dial:", err)
	}
	r := <-accepted
	if r.err != nil {
		t.Fatal("accept:", r.err)
	}
	return saA, r.sa
}

func TestPhase1AndQuick(t *testing.T) {
	for _, mode := range []ike.Mode{ike.Main, ike.Aggressive} {
		t.Run(mode.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := iketest.NewPipe()
				a, b := configs(t, mode)
				child := ike.ChildConfig{
					Proposals: []ike.ESPProposal{{Encryption: isakmp.ESPAES, KeyBits: 128, Integrity: isakmp.AuthHMACSHA1}},
					Local:     ike.Selector{Prefix: netip.MustParsePrefix("10.0.0.1/32")},
					Remote:    ike.Selector{Prefix: netip.MustParsePrefix("0.0.0.0/0")},
					Group:     isakmp.GroupCurve25519,
				}
				got := make(chan *ike.Child, 1)
				b.Quick = func(_ context.Context, _ *ike.SA, o ike.QuickOffer) (*ike.ChildConfig, error) {
					c := child
					c.Group = 0
					c.Local, c.Remote = o.Local, o.Remote
					c.Settled = func(c *ike.Child, err error) { got <- c }
					return &c, nil
				}
				saA, saB := connect(t, p, a, b)
				c, err := saA.Quick(t.Context(), child)
				if err != nil {
					t.Fatal(err)
				}
				d := <-got
				if string(c.Inbound.Encryption) != string(d.Outbound.Encryption) || c.InboundSPI != d.OutboundSPI {
					t.Error("the ends have different keys")
				}
				t.Logf("%+v", saA.Info())
				saA.Close()
				<-saB.Done()
				t.Log(saB.Err())
				saB.Close()
				p.Close()
			})
		})
	}
}
