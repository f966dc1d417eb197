package client

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"time"

	"postern/client/profile"
	"postern/ike"
	"postern/stamp"
	"postern/tun"
	"postern/xauth"
)

// configureVPN5000 announces what the profile speaks.
func (s *session) configureVPN5000(one *phase1, cfg *ike.Config, why purpose) {
	p := s.profile
	if p.VPN5000 == profile.Off {
		return
	}
	password := p.Password
	if password == nil && p.RADIUS != "" {
		_, typed, _ := s.client.typed()
		password = typed
	}
	one.vpn5000 = stamp.NewClient(stamp.ClientConfig{
		Title: p.Name + ": log in", Required: p.VPN5000 == profile.Required,
		Method: radiusMethods[p.RADIUS], PAPAuthSecret: p.PAPAuthSecret, SharedKey: p.Secret,
		User: p.User, Password: password, Ask: why.ask, Log: s.log,
	})
	one.vpn5000.Configure(cfg)
}

var radiusMethods = map[string]stamp.Method{
	profile.RADIUSPAP: stamp.PAP, profile.RADIUSCHAP: stamp.CHAP, profile.RADIUSChallenge: stamp.Challenge,
}

// agree finds out whether the gateway speaks it too.
func (s *session) agree(p *phase1, i ike.Info) (err error) {
	if p.vpn5000 == nil {
		return nil
	}
	if p.agreed, err = p.vpn5000.Agreed(i); err != nil {
		return err
	}
	s.log.Info("VPN 5000 extensions", "agreed", p.agreed)
	if s.profile.RADIUS != "" && s.profile.Password == nil {
		s.client.remember(s.profile.User, p.vpn5000.Answered())
	}
	return nil
}

// setUpVPN5000 is SecurID, if the gateway asks, and Quick Mode with the policy, which
// takes Mode Config's place.
func (s *session) setUpVPN5000(ctx context.Context, p *phase1) error {
	ps, err := espProposals(s.profile)
	if err != nil {
		return stageError{stageQuick, err}
	}
	ctx, done := context.WithCancel(ctx)
	defer done()
	said := make(chan error, 1)
	s.tasks.Go(func() {
		err := p.vpn5000.SecurID(ctx, p.sa)
		if err != nil {
			done()
		}
		said <- err
	})
	_, err = s.makeChild(ctx, ps, ike.Selector{}, ike.Selector{})
	done()
	if e := <-said; e != nil {
		return e
	}
	if err != nil {
		return stageError{stageQuick, err}
	}
	return nil
}

// byPolicy makes a Quick Mode one of a connection whose policy says what its
// children are for: it carries no identities, and the first one the policy.
func (s *session) byPolicy(p *phase1, cfg *ike.ChildConfig) {
	install := cfg.Install
	cfg.Local, cfg.Remote = ike.Selector{}, ike.Selector{}
	if !p.told.Load() {
		cfg.Ride = p.vpn5000.Ride(p.sa, func(policy *stamp.Policy) (stamp.Receipt, error) {
			p.told.Store(true)
			return s.applyPolicy(policy)
		})
	}
	cfg.Install = func(c *ike.Child) error {
		c.Local = ike.Selector{Prefix: host(s.assigned.Load().Address.Addr())}
		c.Remote = ike.Selector{Prefix: netip.PrefixFrom(netip.IPv4Unspecified(), 0)}
		return install(c)
	}
}

// behind are the selectors of the gateway's side.
func (s *session) behind(remote ike.Selector) []tun.Selector {
	policy := s.policy.Load()
	if policy == nil {
		return []tun.Selector{tun.Selector(remote)}
	}
	var all []tun.Selector
	for _, n := range union(policy.Routes(), s.profile.Networks) {
		all = append(all, tun.Selector{Prefix: n})
	}
	return all
}

// applyPolicy takes what the gateway tells, before the child is installed.
func (s *session) applyPolicy(p *stamp.Policy) (stamp.Receipt, error) {
	s.policy.Store(p)
	s.assign(&xauth.Assigned{
		Address: host(p.Address.Addr()), DNS: p.DNS, NBNS: p.WINS, Networks: p.Routes(), Domain: p.Domain,
		SplitDNS: p.SplitDNS, Banner: p.Banner, SavePassword: p.SaveSecrets, BackupServers: p.Backup,
	})
	s.log.Info("policy", "address", p.Address, "networks", p.Routes(), "dns", p.DNS)
	s.client.update(func(st *Status) {
		st.VPN5000 = &VPN5000Status{
			RADIUS: s.profile.RADIUS, SaveSecrets: p.SaveSecrets, IPXRefused: p.IPX, ExcludeLAN: p.ExcludeLAN,
			Keepalive: p.Keepalive, Inactivity: p.Inactivity, Backup: p.Backup, LeastVersion: p.LeastVersion,
		}
	})
	if len(p.Networks) == 0 {
		s.client.warn("The gateway names no network to tunnel: nothing but " + p.Address.Masked().String() + " goes into the tunnel.")
	}
	if p.IPX {
		s.client.warn("The gateway wants IPX in the tunnel, which no system of today speaks: refused.")
	}
	if !p.SaveSecrets {
		s.eraseSecrets()
	}
	if err := s.openStack(); err != nil {
		return stamp.Receipt{}, err
	}
	return stamp.Receipt{
		Version: "postern", Platform: runtime.GOOS, Networks: uint16(len(p.Routes())), NoIPX: p.IPX,
	}, nil
}

// eraseSecrets obeys a gateway that doesn't allow secrets to be saved.
func (s *session) eraseSecrets() {
	s.client.warn("The gateway doesn't allow secrets of this connection to be saved.")
	if erase := s.client.options.EraseSecrets; erase != nil {
		if err := erase(); err != nil {
			s.client.warn("What is saved of them couldn't be erased: " + err.Error() + ".")
		}
	}
}

// errIdle ends a connection that the gateway's policy wants ended.
var errIdle = errors.New("the connection was idle for longer than the gateway allows")

// watchIdle ends the connection when nothing was carried for the policy's time.
func (s *session) watchIdle(began time.Time) {
	policy := s.policy.Load()
	if policy != nil && policy.Inactivity > 0 && time.Since(latest(began, s.lastSent(), s.alive())) >= policy.Inactivity {
		s.fail(errIdle)
	}
}

// explainVPN5000 is about these exchanges.
func explainVPN5000(err error) *Reason {
	switch {
	case errors.Is(err, stamp.ErrRefused):
		return &Reason{Code: "login_refused", Exit: ExitCredentials, Message: "The gateway refused the login: " + err.Error() + ".", Try: "Check user name and password, or wait for the token's next code."}
	case errors.Is(err, stamp.ErrNotAnnounced):
		return &Reason{Code: "no_vpn5000", Exit: ExitRefused, Message: "The gateway doesn't announce the VPN 5000's own exchanges, and the profile requires them.", Try: `Set vpn5000 = "auto" if it needn't speak them.`}
	case errors.Is(err, stamp.ErrStripped):
		return &Reason{Code: "tampered", Exit: ExitIdentity, Message: "Somebody on the way changed the first messages: what both ends announced doesn't match.", Try: "Try another network; tell your administrator if it stays so."}
	case errors.Is(err, stamp.ErrUnanswered):
		return &Reason{Code: "unanswered", Exit: ExitTimeout, Message: "The gateway's question wasn't answered in time."}
	case errors.Is(err, errIdle):
		return &Reason{Code: "idle", Exit: ExitOther, Message: "The connection was idle for longer than the gateway allows."}
	}
	return nil
}
