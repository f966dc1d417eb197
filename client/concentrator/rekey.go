package concentrator

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"postern/ike"
	"postern/ike/isakmp"
	"postern/tun"
)

// A gateway may renew SAs as well as its clients.

var errNobody = errors.New("nobody of that name is connected")

// client is the newest of a user's.
func (g *Gateway) clientOf(user string) (*client, []*child) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.sessions {
		if s.user != user || len(s.clients) == 0 {
			continue
		}
		var children []*child
		for _, ch := range s.children {
			if ch.active && !ch.replaced {
				children = append(children, ch)
			}
		}
		return s.clients[len(s.clients)-1], children
	}
	return nil, nil
}

// RenewChildren makes new children in place of those that a user has in use, by
// Quick Modes of the gateway's.
func (g *Gateway) RenewChildren(ctx context.Context, user string) error {
	c, children := g.clientOf(user)
	if c == nil {
		return errNobody
	}
	for _, old := range children {
		if err := c.renew(ctx, old); err != nil {
			return err
		}
	}
	return nil
}

// DeleteChildren ends the children that a user has, and tells the client.
func (g *Gateway) DeleteChildren(user string) error {
	c, _ := g.clientOf(user)
	if c == nil {
		return errNobody
	}
	g.mu.Lock()
	var children []*child
	for _, ch := range c.session.children {
		children = append(children, ch)
	}
	g.mu.Unlock()
	for _, ch := range children {
		ch.end("deleted")
	}
	return nil
}

// DropPhase1 ends the SA that a user has, and keeps its children, as some gateways do
// when its life time is over.
func (g *Gateway) DropPhase1(user string) error {
	c, _ := g.clientOf(user)
	if c == nil {
		return errNobody
	}
	c.survived.Store(true)
	return c.sa.Close()
}

// outlive waits, without an SA, until the children are gone or belong to another.
func (c *client) outlive() {
	tick := time.NewTicker(idleChecked)
	defer tick.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case f := <-c.work:
			f()
		case <-tick.C:
			c.g.mu.Lock()
			bears := len(c.session.clients) == 1 && len(c.session.children) > 0
			c.g.mu.Unlock()
			if !bears {
				return
			}
		}
	}
}

func (c *client) renew(ctx context.Context, old *child) error {
	var made *child
	ours := agreed(c.sa)
	cfg := ike.ChildConfig{
		Proposals: c.group.Transform, Group: c.group.PFS, Lifetime: c.group.Lifetime, LifeOctets: c.group.Octets,
		Local: old.local, Remote: old.remote,
		Install: func(k *ike.Child) (err error) {
			if ours {
				k.Local, k.Remote = old.local, old.remote
			}
			made, err = c.install(k)
			k.Forget()
			return err
		},
	}
	if ours { // the VPN 5000's carry no identities: the policy says what its children are for
		cfg.Local, cfg.Remote = ike.Selector{}, ike.Selector{}
	}
	_, err := c.sa.Quick(ctx, cfg)
	switch {
	case made == nil:
	case err != nil:
		made.settle(err)
	default:
		// It sends when the client has sent on it, or has had the time for our last message.
		time.AfterFunc(2*time.Second, func() { made.settle(nil) })
	}
	return err
}

// RenewPhase1 begins a phase 1 with a user's client, which is served like one that
// the client began: login and configuration again, children kept. It returns when
// the peer is authenticated.
func (g *Gateway) RenewPhase1(ctx context.Context, user string) error {
	old, _ := g.clientOf(user)
	if old == nil {
		return errNobody
	}
	g.mu.Lock()
	running := g.running
	g.mu.Unlock()
	info := old.sa.Info()
	c := g.newClient(running)
	c.renews = old
	cfg := g.phase1(c)
	cfg.Mode, cfg.Prelude, cfg.Methods = info.Mode, nil, []isakmp.AuthMethod{info.Method}
	if info.Mode == ike.Aggressive {
		cfg.Proposals = []ike.Proposal{info.Proposal}
	}
	if info.XAuth && !info.Initiator {
		cfg.Methods[0]++ // it is the responder who logs in
	}
	group, own := g.cfg.keyOwner(old.key)
	if group == nil {
		c.end(nil)
		return fmt.Errorf("%v knows no key of group %q", info.Method, old.key)
	}
	cfg.Secret = g.cfg.secret(group, own)
	sa, err := ike.Dial(ctx, g.router, old.sa.Path(), cfg)
	if err != nil {
		c.end(nil)
		return err
	}
	g.clients.Go(func() {
		defer c.end(nil)
		c.stay(sa)
	})
	return nil
}

// Redirect sends a user's client to another gateway, as the members of a cluster do:
// a notify with its IPv4 address, under the SA's protection.
func (g *Gateway) Redirect(user string, to netip.Addr) error {
	c, _ := g.clientOf(user)
	if c == nil {
		return errNobody
	}
	return c.sa.SendNotify(isakmp.Notify{
		DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, Type: isakmp.NotifyUnityLoadBalance, Data: to.AsSlice(),
	})
}

// hintPause is between two hints. Chosen here.
const hintPause = 50 * time.Millisecond

// hint tells a peer in clear that it speaks of something that we don't know: we may
// have been started again.
func (g *Gateway) hint(to ike.Path, i, r isakmp.Cookie, n isakmp.Notify) {
	now := time.Now().UnixNano()
	if last := g.hinted.Load(); now-last < int64(hintPause) || !g.hinted.CompareAndSwap(last, now) {
		return
	}
	_ = g.router.Hint(to, i, r, n)
}

// strayMessage hears of IKE messages under an SA that we don't have.
func (g *Gateway) strayMessage(d ike.Datagram) {
	h, err := isakmp.ParseHeader(d.Octets)
	if err != nil || h.Flags&isakmp.FlagEncryption == 0 || h.ResponderCookie == (isakmp.Cookie{}) {
		return
	}
	g.hint(d.From, h.InitiatorCookie, h.ResponderCookie, isakmp.Notify{
		DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, Type: isakmp.NotifyInvalidCookie,
	})
}

// strayESP hears of ESP packets whose SPI is none of ours.
func (g *Gateway) strayESP(spi uint32, from tun.Path) {
	g.hint(ike.Path(from), isakmp.Cookie{}, isakmp.Cookie{}, isakmp.Notify{
		DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoESP, Type: isakmp.NotifyInvalidSPI,
		SPI: []byte{byte(spi >> 24), byte(spi >> 16), byte(spi >> 8), byte(spi)},
	})
}
