package concentrator

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"postern/client/concentrator/radius"
	"postern/ike"
	"postern/ike/isakmp"
	"postern/xauth"
)

// client is one phase 1 SA and what is served under it. Its handlers run in
// goroutines of the SA, and may be called before client returns from Accept.
type client struct {
	g   *Gateway
	ctx context.Context // ends with the client; its cause says why
	end context.CancelCauseFunc

	// Closed when the client may have an address and children; what follows is set then.
	admitted chan struct{}
	sa       *ike.SA
	group    *Group
	key      string        // the name of the pre-shared key of phase 1
	accept   radius.Accept // what RADIUS said of the user
	vpn5000  vpn5000
	session  *session
	why      error // it ended

	havoc  *havoc  // nil: we behave
	renews *client // whose phase 1 we renew by one of our own; nil: the peer began

	initialContact atomic.Bool // the peer remembers no other SA
	survived       atomic.Bool // its SA ends before its children

	// work is what handlers that mustn't block leave to serve's goroutine.
	work chan func()
}

// Times that a client has. Chosen here.
const (
	loginTime   = 5 * time.Minute
	settleTime  = 2 * time.Minute // from the login to the first child
	graceful    = time.Second     // for an answer to be sent before the SA goes
	quickEarly  = 2 * time.Second // how long a Quick Mode waits for a login that is nearly done
	idleChecked = 5 * time.Second
)

const workQueue = 64 // what doesn't fit is lost, as its message might have been

// Why a client's SA ends, in the log.
var (
	errNoChild  = errors.New("made no child SA")
	errIdle     = errors.New("was idle too long")
	errLimit    = errors.New("the session's time is over (RADIUS Session-Timeout)")
	errReplaced = errors.New("was replaced by a newer connection")
	errStopping = errors.New("the gateway stops")
)

// client serves one peer, from its first message to goodbye.
func (g *Gateway) client(ctx context.Context, w *ike.Wire) {
	c := g.newClient(ctx)
	defer c.end(nil)
	sa, err := ike.Accept(c.ctx, w, g.phase1(c))
	if err != nil {
		g.log.Info("phase 1 failed", "error", err)
		return
	}
	c.stay(sa)
}

func (g *Gateway) newClient(ctx context.Context) *client {
	c := &client{g: g, admitted: make(chan struct{}), work: make(chan func(), workQueue), vpn5000: newVPN5000()}
	c.ctx, c.end = context.WithCancelCause(ctx)
	return c
}

// stay serves the peer until goodbye.
func (c *client) stay(sa *ike.SA) {
	g := c.g
	info, log := sa.Info(), g.log.With("peer", sa.Path().Remote)
	log.Info("phase 1", "mode", info.Mode, "identity", info.Peer, "key", info.Group, "proposal", info.Proposal, "nat", info.NAT.Encapsulate())
	err := c.serve(sa)
	log.Info("ended", "reason", err)
	if c.survived.Load() {
		c.outlive()
	}
	if c.session != nil && sa.Err() == nil {
		g.farewell(c)
	}
	_ = sa.Close()
	if c.session != nil {
		c.why = err
		g.leave(c)
	}
}

// serve is what follows phase 1. It returns why the SA shall end.
func (c *client) serve(sa *ike.SA) error {
	group, user, name, err := c.recognise(sa)
	if err != nil {
		return err
	}

	if err := c.havoc.beforeLogin(c.ctx, sa); err != nil {
		return err
	}

	// XAuth, or what a VPN 5000 has in its place. A user who has proved a key of
	// their own, and has no password, needs none.
	switch {
	case c.wantsXAuth(sa.Info(), group, user):
		name, err = c.login(sa, group, user)
	case c.wantsPasscode(group):
		name, err = c.passcode(sa, group, name)
	}
	if err != nil {
		return fmt.Errorf("login: %w", err)
	}
	c.sa, c.group, c.key = sa, group, sa.Info().Group
	if c.renews != nil {
		c.key = c.renews.key
	}
	c.g.join(c, name)
	close(c.admitted)
	if sa.Info().InitialContact || c.initialContact.Load() {
		c.g.supersede(c)
	}

	// Mode Config, pushed. A client that pulls is answered by transaction, and
	// Quick Modes by quick.
	if group.ModeConfig == ModeConfigPush && !agreed(sa) {
		a, err := c.assign()
		if err != nil {
			return err
		}
		if err := xauth.Push(c.ctx, sa, a); err != nil {
			return fmt.Errorf("pushing the configuration: %w", err)
		}
	}
	return c.watch()
}

func (c *client) login(sa *ike.SA, group *Group, user *User) (string, error) {
	ctx, cancel := context.WithTimeout(c.ctx, loginTime)
	defer cancel()
	l := &login{g: c.g, name: sa.Info().CookieI.String() + sa.Info().CookieR.String(), from: sa.Path().Remote.Addr(), group: group, by: user}
	name, err := l.server().Authenticate(ctx, sa)
	if err == nil {
		c.accept = l.accept
		c.g.log.Info("logged in", "user", name, "group", group.Name, "peer", sa.Path().Remote)
	}
	return name, err
}

// watch waits for the end.
func (c *client) watch() error {
	settle := time.After(settleTime)
	var limit <-chan time.Time
	if c.accept.Limit > 0 {
		limit = time.After(c.accept.Limit)
	}
	tick := time.NewTicker(idleChecked)
	defer tick.Stop()
	for {
		select {
		case <-c.sa.Done():
			return c.sa.Err()
		case <-c.ctx.Done():
			if cause := context.Cause(c.ctx); !errors.Is(cause, context.Canceled) {
				return cause
			}
			return errStopping
		case f := <-c.work:
			f()
		case <-limit:
			return errLimit
		case <-settle:
			if !c.session.settled() {
				return errNoChild
			}
		case <-tick.C:
			if c.group.Idle > 0 && c.session.idle() > c.group.Idle {
				return errIdle
			}
		}
	}
}

// waitAdmitted waits until the client is let in, for a while at most.
func (c *client) waitAdmitted(ctx context.Context, limit time.Duration) error {
	select {
	case <-c.admitted:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(limit):
		return errors.New("the user isn't logged in")
	}
}

// transaction answers the client's Mode Config.
func (c *client) transaction(ctx context.Context, sa *ike.SA, request isakmp.Configuration) *isakmp.Configuration {
	if c.waitAdmitted(ctx, loginTime) != nil {
		return nil
	}
	switch {
	case request.Type == isakmp.CfgSet:
		return &isakmp.Configuration{Type: isakmp.CfgAck, Identifier: request.Identifier}
	case c.group.ModeConfig == ModeConfigOff, agreed(sa):
		return (&xauth.Assigned{}).Reply(request)
	}
	a, err := c.assign()
	if err != nil {
		// An answer without an address is how Mode Config says that there is none.
		time.AfterFunc(graceful, func() { c.end(err) })
		return (&xauth.Assigned{}).Reply(request)
	}
	return a.Reply(request)
}

// assign is what the client is told.
func (c *client) assign() (*xauth.Assigned, error) {
	a, err := c.g.lease(c.session)
	if err != nil {
		return nil, err
	}
	g := c.group
	c.g.log.Info("address", "user", c.session.user, "group", g.Name, "address", a)
	told := &xauth.Assigned{
		Address: netip.PrefixFrom(a, a.BitLen()), DNS: g.DNS, NBNS: g.WINS, Networks: g.Networks, Exclude: g.Exclude,
		Version: "postern concentrator", Banner: g.Banner, Domain: g.Domain, SplitDNS: g.SplitDNS,
		SavePassword: g.SaveSecrets, PFS: g.PFS, BackupServers: g.Backup,
	}
	if a6 := g.beside(a); a6.IsValid() {
		told.Address6 = netip.PrefixFrom(a6, a6.BitLen())
	}
	return told, nil
}

// later leaves f to serve's goroutine; false: too much waits there already.
func (c *client) later(f func()) bool {
	select {
	case c.work <- f:
		return true
	default:
		return false
	}
}

// isAdmitted says whether admitted is closed.
func (c *client) isAdmitted() bool {
	select {
	case <-c.admitted:
		return true
	default:
		return false
	}
}

// notified hears what the peer says.
func (c *client) notified(_ *ike.SA, n isakmp.Notify) {
	if n.Type != isakmp.NotifyInitialContact {
		return
	}
	// Before the client is admitted nobody knows whose older connections to end.
	c.initialContact.Store(true)
	if c.isAdmitted() {
		c.later(func() { c.g.supersede(c) })
	}
}

// deleted hears of SAs that the peer doesn't receive on any more.
func (c *client) deleted(_ *ike.SA, d isakmp.Delete) {
	if d.Protocol == isakmp.ProtoESP && c.isAdmitted() {
		spis := spisOf(d)
		c.later(func() { c.session.removeSPIs(spis) })
	}
}

// alive is when the client's traffic last proved that it lives.
func (c *client) alive() time.Time {
	if !c.isAdmitted() {
		return time.Time{}
	}
	return c.session.lastInbound()
}
