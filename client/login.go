package client

import (
	"context"
	"errors"
	"net/netip"

	"postern/client/profile"
	"postern/client/prompt"
	"postern/xauth"
)

// newLogin prepares for the gateway's questions under one SA.
func (s *session) newLogin(why purpose) (*xauth.Client, error) {
	p := s.profile
	codes, err := s.client.oneTimeCodes()
	if err != nil {
		return nil, err
	}
	cfg := xauth.ClientConfig{
		Title: p.Name + ": log in", User: p.User, Password: p.Password, Domain: p.Domain,
		Codes: codes, Vendor: p.Vendor, Ask: why.ask, Again: why.again, Optional: p.XAuth == profile.XAuthOptional, Log: s.log,
	}
	if why.again {
		cfg.Title = p.Name + ": log in again, the connection goes on meanwhile"
	}
	user, password, distrusted := s.client.typed()
	if distrusted {
		cfg.Password = nil
	}
	if cfg.User == "" {
		cfg.User = user
	}
	if cfg.Password == nil {
		cfg.Password = password
	}
	return xauth.NewClient(cfg), nil
}

// oneTimeCodes are what the profile has them made of: the same for every login,
// so that none is sent twice; nil where the person types them.
func (c *Client) oneTimeCodes() (*xauth.Codes, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.profile
	switch {
	case p.OTP == "" || c.codes != nil:
	case p.OTP != profile.OTPTime:
		c.codes = xauth.NewOTP(p.OTPSecret)
	case p.OTPSecret == nil:
		return nil, &profile.Error{File: p.File, Key: "otp_secret", Problem: "is absent, and one-time codes are made of it"}
	default:
		var err error
		if c.codes, err = xauth.NewTOTP(p.OTPSecret); err != nil {
			return nil, &profile.Error{File: p.File, Key: "otp_secret", Problem: err.Error()}
		}
	}
	return c.codes, nil
}

// authenticate waits until the gateway lets the user in.
func (s *session) authenticate(ctx context.Context, p *phase1) error {
	if s.profile.Auth == profile.AuthPSK {
		s.client.warn(groupOnly)
	}
	err := p.login.Wait(ctx, p.sa)
	switch {
	case err == nil:
		s.log.Info("logged in")
		s.client.remember(p.login.Answered())
	case errors.Is(err, xauth.ErrRefused):
		s.client.refused()
	case errors.Is(err, prompt.ErrCancelled):
	default:
		// Cut short: the next attempt needn't ask again.
		if user, password := p.login.Answered(); password != nil {
			s.client.remember(user, password)
		}
	}
	return err
}

const groupOnly = "The gateway is known by the group's pre-shared key only: every member of the group could play it and collect passwords."

// remember keeps what a person typed, for when the connection must be made anew.
func (c *Client) remember(user string, password []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.password.Clear()
	c.user, c.password = user, password
}

// refused forgets it, and has the person asked where the stored password was used:
// to send it over and over would lock the account.
func (c *Client) refused() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.password.Clear()
	c.user, c.password = "", nil
	c.distrusted = c.profile.OTP == ""
}

// typed is what a person typed. distrusted: the stored password was refused.
func (c *Client) typed() (user string, password []byte, distrusted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.user, c.password, c.distrusted
}

// configure asks the gateway for an address and all that goes with it, unless
// the profile brings an address of its own.
func (s *session) configure(ctx context.Context, p *phase1) error {
	if a := s.profile.Address; a.IsValid() {
		s.assigned.Store(&xauth.Assigned{Address: host(a)})
		return nil
	}
	assigned, err := p.login.Pull(ctx, p.sa, s.request(s.client.lastAddress()))
	if err != nil {
		return err
	}
	if !located(assigned) {
		return &Reason{
			Code: "no_address", Exit: ExitRefused,
			Message: "The gateway assigned no address to use inside.",
			Try:     "If your administrator gave you one, set address in the profile.",
		}
	}
	s.assign(assigned)
	return nil
}

// request is what a gateway is asked for. Not RFC: IPv6 only where the profile names
// such a network, for old gateways may not like to be asked.
func (s *session) request(keep netip.Addr) xauth.Request {
	r := xauth.Request{Version: "postern", Address: keep}
	for _, n := range s.profile.Networks {
		r.IPv6 = r.IPv6 || n.Addr().Is6()
	}
	return r
}

// located says whether there is an address in what a gateway assigns, and makes it,
// or both, those of single hosts. One of IPv6 alone counts as the address.
func located(a *xauth.Assigned) bool {
	if a.Address6.IsValid() {
		a.Address6 = host(a.Address6.Addr())
	}
	if !a.Address.IsValid() {
		a.Address, a.Address6 = a.Address6, netip.Prefix{}
	}
	if a.Address.IsValid() {
		a.Address = host(a.Address.Addr())
	}
	return a.Address.IsValid()
}

// inner are our addresses inside.
func inner(a *xauth.Assigned) []netip.Prefix {
	if a.Address6.IsValid() {
		return []netip.Prefix{a.Address, a.Address6}
	}
	return []netip.Prefix{a.Address}
}

// innerFor is our address for traffic with a network.
func innerFor(a *xauth.Assigned, n netip.Prefix) (netip.Prefix, bool) {
	for _, own := range inner(a) {
		if own.Addr().Is4() == n.Addr().Is4() {
			return own, true
		}
	}
	return netip.Prefix{}, false
}

func (s *session) assign(a *xauth.Assigned) {
	s.assigned.Store(a)
	s.log.Info("assigned", "address", a.Address.Addr(), "networks", prefixes(a.Networks), "dns", a.DNS)
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	c.address = a.Address.Addr()
}

// lastAddress is the inner address that we had last and would like to keep.
func (c *Client) lastAddress() netip.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.address
}

func prefixes(ps []netip.Prefix) any {
	if len(ps) == 0 {
		return "none named"
	}
	return ps
}
