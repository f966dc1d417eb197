package ike_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postern/ike"
	"postern/ike/iketest"
	"postern/ike/isakmp"
)

var modes = []ike.Mode{ike.Main, ike.Aggressive}

// The proposals of tests that aren't about proposals.
var (
	proposal = ike.Proposal{Cipher: isakmp.CipherAES, KeyBits: 256, Hash: isakmp.HashSHA256, Group: isakmp.GroupCurve25519}
	esp      = ike.ESPProposal{Encryption: isakmp.ESPAES, KeyBits: 128, Integrity: isakmp.AuthHMACSHA1}
	inner    = ike.Selector{Prefix: netip.MustParsePrefix("10.0.0.1/32")}
	all      = ike.Selector{Prefix: netip.MustParsePrefix("0.0.0.0/0")}
)

// rig is two ends on a pipe: A dials, B accepts whoever comes. It lives in one
// synctest bubble.
type rig struct {
	*iketest.Pipe
	t        *testing.T
	a, b     ike.Config
	accepted chan *ike.SA    // B's SAs
	refused  chan error      // what became of B's failures
	children chan *ike.Child // B's, settled

	mu  sync.Mutex
	sas []*ike.SA
}

// inBubble runs f for both modes, each in a bubble of its own.
func inBubble(t *testing.T, f func(t *testing.T, r *rig)) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) { inBubbleOf(t, mode, f) })
	}
}

func inBubbleOf(t *testing.T, mode ike.Mode, f func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) { f(t, newRig(t, mode)) })
}

func newRig(t *testing.T, mode ike.Mode) *rig {
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	r := &rig{
		Pipe: iketest.NewPipe(), t: t,
		accepted: make(chan *ike.SA, 2000), refused: make(chan error, 2000), children: make(chan *ike.Child, 2000),
	}
	r.a = ike.Config{
		Mode: mode, Proposals: []ike.Proposal{proposal}, Secret: []byte("secret"), Lifetime: 8 * time.Hour,
		Identity: isakmp.ID{Type: isakmp.IDKeyID, Data: []byte("staff")}, Log: log.With("end", "A"),
	}
	r.b = ike.Config{
		Proposals: []ike.Proposal{proposal}, Lifetime: 8 * time.Hour, Log: log.With("end", "B"),
		Groups: func(ike.Hello) []ike.Group { return []ike.Group{{Name: "staff", Secret: []byte("secret")}} },
		Quick: func(_ context.Context, _ *ike.SA, o ike.QuickOffer) (*ike.ChildConfig, error) {
			return &ike.ChildConfig{Proposals: []ike.ESPProposal{esp}, Local: o.Local, Remote: o.Remote, Lifetime: time.Hour, Settled: func(c *ike.Child, err error) {
				if err == nil {
					r.children <- c
				}
			}}, nil
		},
		Transaction: echo,
	}
	r.a.Transaction = echo
	t.Cleanup(r.end)
	return r
}

// echo answers a REQUEST with a REPLY, a SET with an ACK.
func echo(_ context.Context, _ *ike.SA, c isakmp.Configuration) *isakmp.Configuration {
	c.Type++
	return &c
}

func (r *rig) end() {
	r.Pipe.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, sa := range r.sas {
		sa.Abandon()
	}
}

func (r *rig) own(sa *ike.SA) *ike.SA {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sas = append(r.sas, sa)
	return sa
}

// serve accepts at B until the test ends.
func (r *rig) serve() {
	ctx, cancel := context.WithCancel(r.t.Context())
	var tasks sync.WaitGroup
	tasks.Go(func() {
		for {
			w, err := r.B.Next(ctx)
			if err != nil {
				return
			}
			tasks.Go(func() {
				sa, err := ike.Accept(ctx, w, r.b)
				if err != nil {
					r.refused <- err
					return
				}
				r.accepted <- r.own(sa)
			})
		}
	})
	r.t.Cleanup(func() { cancel(); tasks.Wait() })
}

func (r *rig) dial(ctx context.Context) (*ike.SA, error) {
	sa, err := ike.Dial(ctx, r.A, r.ToB, r.a)
	if err == nil {
		r.own(sa)
	}
	return sa, err
}

// connect makes an SA, seen from either end.
func (r *rig) connect() (a, b *ike.SA) {
	r.t.Helper()
	r.serve()
	a, err := r.dial(r.t.Context())
	if err != nil {
		r.t.Fatal("dial: ", err)
	}
	return a, <-r.accepted
}

// child is the ChildConfig of A's side.
func child() ike.ChildConfig {
	return ike.ChildConfig{Proposals: []ike.ESPProposal{esp}, Local: inner, Remote: all, Lifetime: time.Hour}
}

// quick makes a child from A and waits for B's side of it.
func (r *rig) quick(sa *ike.SA) (a, b *ike.Child) {
	r.t.Helper()
	a, err := sa.Quick(r.t.Context(), child())
	if err != nil {
		r.t.Fatal("quick: ", err)
	}
	b = <-r.children
	checkPair(r.t, a, b)
	return a, b
}

// checkPair wants both ends to have the same pair of ESP SAs.
func checkPair(t *testing.T, a, b *ike.Child) {
	t.Helper()
	same := func(what string, x, y any) {
		t.Helper()
		if fmt.Sprint(x) != fmt.Sprint(y) {
			t.Errorf("%s: %v at one end, %v at the other", what, x, y)
		}
	}
	same("SPI to A", a.InboundSPI, b.OutboundSPI)
	same("SPI to B", a.OutboundSPI, b.InboundSPI)
	same("keys to A", a.Inbound, b.Outbound)
	same("keys to B", a.Outbound, b.Inbound)
	same("A's selector", a.Local, b.Remote)
	same("B's selector", a.Remote, b.Local)
	same("proposal", a.Proposal, b.Proposal)
	same("encapsulation", a.Encapsulated, b.Encapsulated)
	same("group", a.Group, b.Group)
	if len(a.Inbound.Encryption) == 0 || string(a.Inbound.Encryption) == string(a.Outbound.Encryption) {
		t.Error("the directions don't have keys of their own")
	}
}

// request is a Transaction exchange of sa's, which the other end echoes.
func request(t *testing.T, sa *ike.SA) {
	t.Helper()
	c := isakmp.Configuration{Type: isakmp.CfgRequest, Attributes: []isakmp.Attribute{isakmp.TLV(isakmp.AttrInternalIP4Address, nil)}}
	if _, err := sa.Transact(t.Context(), c); err != nil {
		t.Error("transaction: ", err)
	}
}

// header is that of a message.
func header(octets []byte) isakmp.Header {
	h, err := isakmp.ParseHeader(octets)
	if err != nil {
		panic(err)
	}
	return h
}

// of selects what one end sent in one type of exchange.
func of(sent []iketest.Datagram, fromA bool, typ isakmp.ExchangeType) (ds []iketest.Datagram) {
	for _, d := range sent {
		if d.FromA == fromA && header(d.Octets).Exchange == typ {
			ds = append(ds, d)
		}
	}
	return ds
}

// nth is a Fault that calls f for the nth datagram, counted from 1, of one
// exchange and direction; all others arrive.
func nth(n int, fromA bool, typ isakmp.ExchangeType, f iketest.Fault) iketest.Fault {
	count := 0
	return func(d iketest.Datagram) []iketest.Delivery {
		if d.FromA == fromA && header(d.Octets).Exchange == typ {
			if count++; count == n {
				return f(d)
			}
		}
		return arrive(d)
	}
}

func arrive(d iketest.Datagram) []iketest.Delivery { return []iketest.Delivery{{Octets: d.Octets}} }

func drop(iketest.Datagram) []iketest.Delivery { return nil }

func late(after time.Duration) iketest.Fault {
	return func(d iketest.Datagram) []iketest.Delivery {
		return []iketest.Delivery{{Octets: d.Octets, After: after}}
	}
}

// rewritten changes the payloads of a message in clear.
func rewritten(octets []byte, f func([]isakmp.Payload) []isakmp.Payload) []byte {
	h := header(octets)
	m, err := isakmp.ParseMessage(h, octets[isakmp.HeaderLen:])
	if err != nil {
		panic(err)
	}
	payloads := f(m.Payloads)
	body := isakmp.AppendPayloads(nil, payloads)
	h.NextPayload, h.Length = payloads[0].Type, uint32(isakmp.HeaderLen+len(body))
	return append(h.Append(nil), body...)
}

// rewrite is a Fault that changes the payloads of a message in clear.
func rewrite(f func([]isakmp.Payload) []isakmp.Payload) iketest.Fault {
	return func(d iketest.Datagram) []iketest.Delivery {
		return []iketest.Delivery{{Octets: rewritten(d.Octets, f)}}
	}
}

func phase1Type(m ike.Mode) isakmp.ExchangeType {
	if m == ike.Aggressive {
		return isakmp.ExchangeAggressive
	}
	return isakmp.ExchangeMain
}

// slogTo logs everything to w.
func slogTo(w io.Writer, end string) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})).With("end", end)
}
