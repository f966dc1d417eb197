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
func (s *session) newLogin() (*xauth.Client, error) {
	p := s.profile
	codes, err := s.client.oneTimeCodes()
	if err != nil {
		return nil, err
	}
	cfg := xauth.ClientConfig{
		Title: p.Name + ": log in", User: p.User, Password: p.Password, Domain: p.Domain,
		Codes: codes, Vendor: p.Vendor, Ask: s.client.ask, Optional: p.XAuth == profile.XAuthOptional, Log: s.log,
	}
	user, password := s.client.typed()
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
func (s *session) authenticate(ctx context.Context) error {
	if s.profile.Auth == profile.AuthPSK {
		s.client.warn(groupOnly)
	}
	err := s.login.Wait(ctx, s.sa)
	switch {
	case err == nil:
		s.log.Info("logged in")
		s.client.remember(s.login.Answered())
	case errors.Is(err, xauth.ErrRefused):
		s.client.remember("", nil)
	case errors.Is(err, prompt.ErrCancelled):
	default:
		// Cut short: the next attempt needn't ask again.
		s.client.remember(s.login.Answered())
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

func (c *Client) typed() (user string, password []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.user, c.password
}

// configure asks the gateway for an address and all that goes with it, unless
// the profile brings an address of its own.
func (s *session) configure(ctx context.Context) error {
	if a := s.profile.Address; a.IsValid() {
		s.assign(&xauth.Assigned{Address: host(a)})
		return nil
	}
	assigned, err := s.login.Pull(ctx, s.sa, xauth.Request{Version: "postern"})
	if err != nil {
		return err
	}
	if !assigned.Address.IsValid() {
		return &Reason{
			Code: "no_address", Exit: ExitRefused,
			Message: "The gateway assigned no address to use inside.",
			Try:     "If your administrator gave you one, set address in the profile.",
		}
	}
	assigned.Address = host(assigned.Address.Addr())
	s.assign(assigned)
	s.log.Info("assigned", "address", assigned.Address.Addr(), "networks", prefixes(assigned.Networks), "dns", assigned.DNS)
	return nil
}

// assign sets what the gateway's own exchanges ask for too.
func (s *session) assign(a *xauth.Assigned) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.assigned = a
}

func prefixes(ps []netip.Prefix) any {
	if len(ps) == 0 {
		return "none named"
	}
	return ps
}
