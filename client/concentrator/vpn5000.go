package concentrator

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"postern/client/concentrator/radius"
	"postern/ike"
	"postern/ike/isakmp"
	"postern/stamp"
)

// vpn5000 is what a client has of package stamp: see there.
type vpn5000 struct {
	step   *stamp.Login  // who the RADIUS step let in; nil: nobody
	nudged chan struct{} // the client repeats Quick Mode's first message
	told   atomic.Bool   // the policy was sent
}

func newVPN5000() vpn5000 { return vpn5000{nudged: make(chan struct{}, 1)} }

// agreed says whether both ends speak this.
func agreed(sa *ike.SA) bool { return stamp.Announced(sa.Info().VendorIDs) }

// prelude is the RADIUS step, before phase 1 is answered: an ike.Config.Prelude. It
// finds the user's group and key. A client that doesn't answer it goes on with the
// keys of the list, as does one whom the list knows by its name.
func (c *client) prelude(ctx context.Context, p *ike.Prelude) error {
	s := c.g.radiusStep(c)
	if s == nil || !stamp.Announced(p.VendorIDs) || c.g.cfg.lists(p.Identity) {
		return nil
	}
	l, err := s.Login(ctx, p)
	if errors.Is(err, stamp.ErrSilent) {
		c.g.log.Info("no RADIUS step", "peer", p.From.Remote, "error", err)
		return nil
	}
	if err != nil {
		return err
	}
	c.g.log.Info("RADIUS step", "user", l.User, "group", l.Group, "peer", p.From.Remote)
	c.vpn5000.step = l
	p.Groups = []ike.Group{{Name: l.Group + "/" + l.User, Secret: l.SharedKey}}
	return nil
}

// radiusStep is how the step is led, nil if there is none: without a PAPAuthSecret
// nothing but a CHAP response may travel.
func (g *Gateway) radiusStep(c *client) *stamp.Server {
	if g.radius == nil || !slices.ContainsFunc(sorted(g.cfg.Groups), func(gr *Group) bool { return gr.authentication(g.cfg) == AuthRADIUS }) {
		return nil
	}
	r := g.cfg.RADIUS
	s := &stamp.Server{Secret: r.PAPAuthSecret, Authenticate: c.judge, Log: g.log}
	switch r.ChallengeType {
	case ChallengeCHAP:
		s.Method = stamp.CHAP
	case ChallengeFirst:
		s.Method = stamp.Challenge
	default:
		s.Method = stamp.PAP
	}
	if s.Secret == nil && s.Method != stamp.CHAP {
		return nil
	}
	return s
}

// lists says whether an identity is of somebody with a key in the file.
func (c *Config) lists(id *isakmp.ID) bool {
	return id != nil && len(c.keys(ike.Hello{Identity: id})) > 0
}

// judge asks RADIUS about a user: a stamp.Authenticate.
func (c *client) judge(ctx context.Context, cr stamp.Credentials) (stamp.Result, error) {
	who := attempt{cr.User, cr.Remote.Addr()}
	if !c.g.failures.allowed(who) {
		c.g.log.Info("refused unheard after failures", "user", who.user, "from", who.from)
		return stamp.Result{}, nil
	}
	r := radius.Request{User: cr.User, Password: cr.Password, Peer: who.from}
	if cr.Method == stamp.CHAP {
		r.CHAP = &radius.CHAP{Identifier: cr.CHAPIdentifier, Challenge: cr.CHAPChallenge, Response: [16]byte(cr.CHAPResponse)}
	}
	if s, ok := cr.State.(radius.State); ok {
		r.State = s
	}
	answer, err := c.g.radius.Authenticate(ctx, r)
	if err != nil {
		return stamp.Result{}, err
	}
	switch a := answer.(type) {
	case radius.Challenge:
		return stamp.Result{Outcome: stamp.Challenged, Message: a.Message, State: a.State}, nil
	case radius.Accept:
		result, err := c.g.cfg.accepted(cr.User, a)
		if err != nil {
			c.g.log.Error("RADIUS step", "user", cr.User, "error", err)
			return stamp.Result{Message: errUnavailable}, nil
		}
		c.g.failures.forget(who)
		c.accept = a
		return result, nil
	case radius.Reject:
		c.g.failures.note(who)
		return stamp.Result{Message: a.Message}, nil
	}
	return stamp.Result{}, errRejected
}

// accepted finds the group and the key of a user whom RADIUS accepts. Documented:
// RADIUS returns both. Chosen here: where it doesn't, the list of users says, and
// then the one group that RADIUS is for.
func (c *Config) accepted(user string, a radius.Accept) (stamp.Result, error) {
	r := stamp.Result{Outcome: stamp.Accepted, Message: a.Message, Group: a.Group, SharedKey: a.SharedKey, Address: a.Address}
	u := c.Users[user]
	if r.Group == "" && u != nil {
		r.Group = u.Group
	}
	if r.Group == "" {
		for _, g := range sorted(c.Groups) {
			switch {
			case g.authentication(c) != AuthRADIUS:
			case r.Group != "":
				return r, fmt.Errorf("RADIUS doesn't say of which group %s is, and there are several", user)
			default:
				r.Group = g.Name
			}
		}
	}
	g := c.Groups[r.Group]
	if g == nil {
		return r, fmt.Errorf("RADIUS says that %s is of group %q, which isn't in the file", user, r.Group)
	}
	if len(r.SharedKey) == 0 && u != nil && u.Group == g.Name {
		r.SharedKey = u.SharedKey
	}
	if len(r.SharedKey) == 0 {
		r.SharedKey = g.SharedKey
	}
	if len(r.SharedKey) == 0 {
		return r, fmt.Errorf("neither RADIUS nor the file has an IKE shared key for %s", user)
	}
	return r, nil
}

// identified holds a client whom the RADIUS step let in to its name: an
// ike.Config.PeerIdentity.
func (c *client) identified(id isakmp.ID) error {
	if s := c.vpn5000.step; s != nil && !names(id, s.User) {
		return fmt.Errorf("RADIUS let %s in, and phase 1 is of %v", s.User, id)
	}
	return nil
}

// recognise finds out who the client is, as far as phase 1 and what came before it
// say.
func (c *client) recognise(sa *ike.SA) (*Group, *User, string, error) {
	info := sa.Info()
	if old := c.renews; old != nil {
		return old.group, c.g.cfg.Users[old.session.user], old.session.user, nil
	}
	if s := c.vpn5000.step; s != nil {
		return c.g.cfg.Groups[s.Group], c.g.cfg.Users[s.User], s.User, nil
	}
	if methodOf(info.Method) != MethodSharedKey {
		return c.g.cfg.recogniseCertificate(info, sa.Path().Remote.Addr())
	}
	group, user, err := c.g.cfg.recognise(info)
	if err != nil || user == nil {
		return group, user, "", err
	}
	return group, user, user.Name, nil
}

// wantsXAuth says whether a client logs in by XAuth.
func (c *client) wantsXAuth(info ike.Info, g *Group, u *User) bool {
	switch {
	case info.XAuth:
		return true
	case c.vpn5000.step != nil, stamp.Announced(info.VendorIDs) && g.authentication(c.g.cfg) == AuthSecurID:
		return false
	}
	return g.XAuth && (u == nil || len(u.Password) > 0)
}

// wantsPasscode says whether a client that doesn't log in by XAuth owes a passcode.
func (c *client) wantsPasscode(g *Group) bool {
	return g.SecurID || g.authentication(c.g.cfg) == AuthSecurID
}

// passcode is the SecurID dialogue under the SA.
func (c *client) passcode(sa *ike.SA, g *Group, name string) (string, error) {
	if !agreed(sa) {
		return name, fmt.Errorf("group %s wants SecurID, and the client announces neither XAuth nor the VPN 5000's extensions", g.Name)
	}
	s := &stamp.Server{Verify: c.passcodeServer(sa.Path().Remote.Addr()), Log: c.g.log}
	name, err := s.SecurID(c.ctx, sa, name, c.vpn5000.nudged)
	if err == nil {
		c.g.log.Info("SecurID", "user", name, "group", g.Name, "peer", sa.Path().Remote)
	}
	if u := c.g.cfg.Users[name]; err == nil && u != nil && u.Group != g.Name {
		err = fmt.Errorf("%s isn't of group %s", name, g.Name)
	}
	return name, err
}

// passcodeServer asks the server behind [ SecurID ] through its RADIUS front.
func (c *client) passcodeServer(from netip.Addr) stamp.Verify {
	return func(ctx context.Context, user string, a stamp.Answer, state any) (stamp.Verdict, error) {
		who := attempt{user, from}
		if !c.g.failures.allowed(who) {
			return stamp.Verdict{}, nil
		}
		r := radius.Request{User: user, Password: answerText(a), Peer: from}
		r.State, _ = state.(radius.State)
		answer, err := c.g.securID.Authenticate(ctx, r)
		clear(r.Password)
		if err != nil {
			return stamp.Verdict{}, err
		}
		switch v := answer.(type) {
		case radius.Challenge:
			return stamp.Verdict{Outcome: stamp.Challenged, Question: questionOf(v.Message), State: v.State}, nil
		case radius.Accept:
			c.g.failures.forget(who)
			return stamp.Verdict{Outcome: stamp.Accepted, Message: v.Message}, nil
		case radius.Reject:
			c.g.failures.note(who)
			return stamp.Verdict{Message: v.Message}, nil
		}
		return stamp.Verdict{}, errRejected
	}
}

// answerText is an answer as it is typed at a prompt of SecurID's.
func answerText(a stamp.Answer) []byte {
	switch {
	case a.Ask == stamp.AskNewPIN:
		return slices.Clone(a.NewPIN)
	case a.Ask != stamp.AskAcceptPIN && a.Ask != stamp.AskWhoChooses:
		return slices.Clone(a.Passcode)
	case a.Yes:
		return []byte("y")
	}
	return []byte("n")
}

// questionOf is what a prompt of SecurID's asks for. RADIUS carries nothing but the
// text: what isn't recognised is asked for as a passcode, under the same text.
func questionOf(message string) stamp.Question {
	m := strings.ToLower(message)
	q := stamp.Question{Ask: stamp.AskPasscode, Message: message}
	switch {
	case strings.Contains(m, "y/n") && strings.Contains(m, "choose"):
		q.Ask = stamp.AskWhoChooses
	case strings.Contains(m, "y/n"):
		q.Ask = stamp.AskAcceptPIN
	case strings.Contains(m, "next") || strings.Contains(m, "new tokencode"):
		q.Ask = stamp.AskNextCode
	case strings.Contains(m, "new pin"), strings.Contains(m, "re-enter"):
		q.Ask, q.Alphanumeric = stamp.AskNewPIN, true
	}
	return q
}

// mayQuick waits until the client is let in. One whose user is asked for a passcode
// sends Quick Mode's first message before that is over, and its repeats make the
// gateway repeat what it asks.
func (c *client) mayQuick(ctx context.Context, sa *ike.SA, o ike.QuickOffer) error {
	if !agreed(sa) {
		return c.waitAdmitted(ctx, quickEarly)
	}
	if !o.NoIDs {
		return errors.New("identity payloads, where the policy says what the child is for")
	}
	limit := time.After(loginTime)
	for {
		select {
		case <-c.admitted:
			return nil
		case <-o.Repeated:
			select {
			case c.vpn5000.nudged <- struct{}{}:
			default:
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-limit:
			return errors.New("the user isn't logged in")
		}
	}
}

// ride is what the last two messages of the connection's first Quick Mode carry.
func (c *client) ride(sa *ike.SA) *ike.Ride {
	if !agreed(sa) || c.vpn5000.told.Load() {
		return nil
	}
	ride := stamp.Ride(sa, c.policy, func(r *stamp.Receipt) {
		c.vpn5000.told.Store(true)
		c.g.log.Info("policy accepted", "user", c.session.user, "client", r.Version, "platform", r.Platform, "networks", r.Networks)
		if r.NoIPX {
			c.g.log.Warn("the client refuses to tunnel IPX", "user", c.session.user)
		}
	})
	// Of two Quick Modes at once the client answers the policy in one.
	settle := ride.Settle
	ride.Settle = func(b *ike.QuickBinding, found []isakmp.Payload) error {
		if len(found) == 0 && c.vpn5000.told.Load() {
			return nil
		}
		return settle(b, found)
	}
	return ride
}

// rode hears how a Quick Mode ended. A receipt that is wrong or missing ends the
// SA: somebody may have changed the first messages.
func (c *client) rode(err error) {
	var late *ike.TimeoutError
	silent := errors.As(err, &late) && !errors.Is(err, stamp.ErrReceipt)
	if err != nil && !silent && !c.vpn5000.told.Load() && stamp.Announced(c.sa.Info().VendorIDs) && c.sa.Err() == nil {
		c.end(err)
	}
}

// policy is what the client is told.
func (c *client) policy() (*stamp.Policy, error) {
	a, err := c.g.lease(c.session)
	if err != nil {
		return nil, err
	}
	g := c.group
	c.g.log.Info("address", "user", c.session.user, "group", g.Name, "address", a)
	p := &stamp.Policy{
		Address: netip.PrefixFrom(a, a.BitLen()), Networks: only4(g.Networks), SaveSecrets: g.SaveSecrets, IPX: g.IPXNet != "",
		ExcludeLAN: g.ExcludeLAN, Keepalive: g.Keepalive, Inactivity: g.Idle, DNS: g.DNS, WINS: g.WINS,
		SplitDNS: g.SplitDNS, Domain: g.Domain, Backup: g.Backup, Banner: g.Banner, LeastVersion: g.MinVersion,
	}
	if len(p.Networks) == 0 {
		p.Networks = []netip.Prefix{anyIPv4}
	}
	if in := c.g.cfg.Inside; in.IsValid() && in.Contains(a) {
		p.Address = netip.PrefixFrom(a, in.Bits())
	}
	return p, nil
}

// only4 are the IPv4 networks of a list: the policy knows no others.
func only4(ps []netip.Prefix) []netip.Prefix {
	return slices.DeleteFunc(slices.Clone(ps), func(p netip.Prefix) bool { return !p.Addr().Is4() })
}
