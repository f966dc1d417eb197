package concentrator

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"postern/ike"
	"postern/ike/isakmp"
)

// An Impairment is a way to misbehave on purpose, for whoever writes clients. Chosen
// here, after the list that libreswan has.
type Impairment struct {
	Name   string // "lose=N" takes a number
	Effect string
	impair func(h *havoc, n int)
}

// Impairments are all that there are, by subject.
func Impairments() []Impairment { return slices.Clone(impairments) }

// havoc is what the impairments in force do to one client.
type havoc struct {
	names []string
	alter []func(*ike.Outgoing)
	meet  []func(*ike.Config)                      // before phase 1
	login []func(context.Context, *ike.SA) error   // after it, before the question for a user
	up    []func(context.Context, *client, *child) // once there is a child, in a goroutine of its own
}

// Impair puts impairments into force for clients that come from now on, in the place of
// those that were. No names: it behaves.
func (g *Gateway) Impair(names ...string) error {
	havoc, err := impairing(names)
	if err == nil {
		g.impaired.Store(&havoc)
	}
	return err
}

// impairing is what makes each client's havoc.
func impairing(names []string) (func() *havoc, error) {
	if _, err := newHavoc(names); err != nil {
		return nil, err
	}
	return func() *havoc {
		h, _ := newHavoc(names)
		return h
	}, nil
}

// newHavoc makes the state that a client's impairments need.
func newHavoc(names []string) (*havoc, error) {
	h := &havoc{names: names}
	for _, name := range names {
		known := slices.IndexFunc(impairments, func(i Impairment) bool {
			_, takes := strings.CutSuffix(i.Name, "N")
			return i.Name == name || takes && strings.HasPrefix(name, strings.TrimSuffix(i.Name, "N"))
		})
		if known < 0 {
			return nil, fmt.Errorf("no impairment is called %q", name)
		}
		n := 0
		if _, number, takes := strings.Cut(name, "="); takes {
			var err error
			if n, err = strconv.Atoi(number); err != nil || n < 1 {
				return nil, fmt.Errorf("impairment %q: wants the number of a message, from 1", name)
			}
		}
		impairments[known].impair(h, n)
	}
	return h, nil
}

// impair makes a client's phase 1 what it shall be.
func (c *client) impair(cfg *ike.Config) {
	havoc := c.g.impaired.Load()
	if havoc == nil {
		return
	}
	h := (*havoc)()
	c.havoc = h
	if len(h.names) > 0 {
		c.g.log.Warn("misbehaving on purpose", "impairments", strings.Join(h.names, ", "))
	}
	for _, meet := range h.meet {
		meet(cfg)
	}
	if len(h.alter) > 0 {
		cfg.Alter = func(o *ike.Outgoing) {
			for _, alter := range h.alter {
				alter(o)
			}
		}
	}
}

// beforeLogin is what goes wrong between phase 1 and the login.
func (h *havoc) beforeLogin(ctx context.Context, sa *ike.SA) error {
	if h == nil {
		return nil
	}
	for _, f := range h.login {
		if err := f(ctx, sa); err != nil {
			return err
		}
	}
	return nil
}

// begin is what goes wrong once there is a child.
func (h *havoc) begin(c *client, ch *child) {
	if h == nil {
		return
	}
	for _, up := range h.up {
		go func() {
			select {
			case <-time.After(graceful):
				up(c.ctx, c, ch)
			case <-c.ctx.Done():
			}
		}()
	}
}

// Where impairments point to: of TEST-NET-3 (RFC 5737).
var elsewhere = netip.MustParseAddr("203.0.113.99")

// phase1Only and phase2Only narrow what an impairment alters; the HASH of what is left
// is right.
func phase1Only(f func(*ike.Outgoing)) func(*havoc, int) {
	return func(h *havoc, _ int) {
		h.alter = append(h.alter, func(o *ike.Outgoing) {
			if o.MessageID == 0 {
				f(o)
			}
		})
	}
}

func quickOnly(f func(*ike.Outgoing)) func(*havoc, int) {
	return func(h *havoc, _ int) {
		h.alter = append(h.alter, func(o *ike.Outgoing) {
			if o.Exchange == isakmp.ExchangeQuick {
				f(o)
				o.Rehash()
			}
		})
	}
}

func always(f func(*ike.Outgoing)) func(*havoc, int) {
	return func(h *havoc, _ int) { h.alter = append(h.alter, f) }
}

// without leaves out the payloads of a type.
func without(t isakmp.PayloadType) func(*ike.Outgoing) {
	return func(o *ike.Outgoing) {
		o.Payloads = slices.DeleteFunc(o.Payloads, func(p isakmp.Payload) bool { return p.Type == t })
	}
}

// with replaces the bodies of the payloads of a type.
func with(t isakmp.PayloadType, f func([]byte) []byte) func(*ike.Outgoing) {
	return func(o *ike.Outgoing) {
		for i, p := range o.Payloads {
			if p.Type == t {
				o.Payloads[i].Body = f(p.Body)
			}
		}
	}
}

// choosing alters what we choose of the client's offer.
func choosing(f func(*isakmp.Proposal, *isakmp.Transform)) func(*ike.Outgoing) {
	return with(isakmp.PayloadSA, func(body []byte) []byte {
		sa, err := isakmp.ParseSA(body)
		if err != nil {
			return body
		}
		for i := range sa.Proposals {
			for j := range sa.Proposals[i].Transforms {
				f(&sa.Proposals[i], &sa.Proposals[i].Transforms[j])
			}
		}
		return sa.Marshal()
	})
}

// attribute makes something else of an attribute: none, or several.
func attribute(number uint16, f func(isakmp.Attribute) []isakmp.Attribute) func(*ike.Outgoing) {
	return choosing(func(_ *isakmp.Proposal, t *isakmp.Transform) {
		var all []isakmp.Attribute
		for _, a := range t.Attributes {
			if a.Type == number {
				all = append(all, f(a)...)
			} else {
				all = append(all, a)
			}
		}
		t.Attributes = all
	})
}

func omitted(isakmp.Attribute) []isakmp.Attribute { return nil }
func twice(a isakmp.Attribute) []isakmp.Attribute { return []isakmp.Attribute{a, a} }
func zero(a isakmp.Attribute) []isakmp.Attribute  { return []isakmp.Attribute{isakmp.TV(a.Type, 0)} }
func valued(v uint16) func(isakmp.Attribute) []isakmp.Attribute {
	return func(a isakmp.Attribute) []isakmp.Attribute { return []isakmp.Attribute{isakmp.TV(a.Type, v)} }
}
