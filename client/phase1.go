package client

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"

	"postern/client/profile"
	"postern/client/prompt"
	"postern/ike"
	"postern/ike/isakmp"
	"postern/ike/pki"
	"postern/stamp"
	"postern/xauth"
)

// phase1 is an ISAKMP SA and what is said under it. Its fields don't change once
// there is an SA.
type phase1 struct {
	sa      *ike.SA
	login   *xauth.Client
	trust   *trust        // nil without certificates
	vpn5000 *stamp.Client // nil: not spoken
	agreed  bool          // the gateway speaks it too
	told    atomic.Bool   // the policy was asked for under this SA
	used    atomic.Bool   // the user is logged in, it is or was the session's phase 1

	part    float64      // of its life after which it is renewed
	shorter atomic.Int64 // a life time that the gateway named later; 0: none
}

func newPhase1() *phase1 {
	return &phase1{part: renewFrom + (renewTo-renewFrom)*rand.Float64()}
}

// close says goodbye. It does nothing where phase 1 was never made.
func (p *phase1) close() {
	if p.sa != nil {
		_ = p.sa.Close()
	}
	p.login.Close()
	if p.vpn5000 != nil {
		p.vpn5000.Close()
	}
}

// purpose is what a phase 1 is made for.
type purpose struct {
	again bool        // another one exists or existed in this session
	ask   prompt.Func // the person; prompt.Nobody where it isn't the time to ask
}

// negotiate makes the ISAKMP SA.
func (s *session) negotiate(ctx context.Context, why purpose) (*phase1, error) {
	p := newPhase1()
	cfg, err := s.ikeConfig(ctx, p, why)
	if err != nil {
		return nil, err
	}
	source := s.carrier.SourceFor(s.gateway.Addr())
	if !source.IsValid() {
		p.close()
		return nil, stageError{stageSocket, fmt.Errorf("there is no route to %v", s.gateway.Addr())}
	}
	path := ike.Path{
		Local:  netip.AddrPortFrom(source, s.carrier.LocalAddr().Port()),
		Remote: s.gateway,
		// Chosen here: a port of the gateway's own means RFC 3948 framing from the
		// first message, and no float.
		Marker: s.gateway.Port() != profile.DefaultPort,
	}
	if p.sa, err = s.dialIKE(ctx, p.trust, path, cfg); err != nil {
		p.close()
		if hint := s.carrier.LastError(); hint != nil {
			return nil, fmt.Errorf("%w (the network reports: %v)", err, hint)
		}
		return nil, err
	}
	if err := s.met(p); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// met judges the phase 1 that was just made.
func (s *session) met(p *phase1) error {
	s.enlist(p)
	i := p.sa.Info()
	s.log.Info("phase 1", "mode", i.Mode, "proposal", i.Proposal, "authentication", i.Method, "peer", i.Peer, "nat", natName(i.NAT))
	if err := s.agree(p, i); err != nil {
		return err
	}
	if s.raw == nil && !i.NAT.Encapsulate() {
		return &Reason{
			Code: noNATTraversal, Exit: ExitRefused,
			Message: "The gateway doesn't take ESP in UDP, and ESP without UDP needs privileges that this process hasn't.",
			Try:     "Run it as root and without --rootless.",
		}
	}
	return nil
}

const noNATTraversal = "no_nat_traversal"

// show puts a phase 1 into the status.
func (s *session) show(p *phase1) {
	s.client.update(func(st *Status) { st.IKE = ikeStatus(p.sa.Info(), p.trust.verified()) })
	for _, w := range p.trust.warnings() {
		s.client.warn(w)
	}
}

func ikeStatus(i ike.Info, v *pki.Verified) *IKEStatus {
	st := &IKEStatus{
		Mode: i.Mode.String(), Proposal: i.Proposal.String(), Authentication: i.Method.String(),
		Peer: i.Peer.String(), Vendors: i.Vendors, NAT: natName(i.NAT), Since: i.Since,
	}
	if i.Lifetime > 0 {
		st.Expires = i.Since.Add(i.Lifetime)
	}
	if v != nil {
		c := certificateStatus(v.Certificate)
		st.Certificate = &c
	}
	return st
}

func natName(n ike.NAT) string {
	switch {
	case n.Us && n.Peer:
		return "both"
	case n.Us:
		return "us"
	case n.Peer:
		return "gateway"
	}
	return "none"
}

// ikeConfig is the profile in the engine's words.
func (s *session) ikeConfig(ctx context.Context, one *phase1, why purpose) (ike.Config, error) {
	p := s.profile
	proposals, err := phase1Proposals(p)
	if err != nil {
		return ike.Config{}, err
	}
	if p.Secret == nil && p.Auth == profile.AuthPSK {
		if err := s.askSecret(ctx); err != nil {
			return ike.Config{}, err
		}
	}
	if one.login, err = s.newLogin(why); err != nil {
		return ike.Config{}, err
	}
	cfg := ike.Config{
		Proposals: proposals, Lifetime: p.Lifetime.IKE,
		Identity: identity(p), InitialContact: !why.again && !s.client.options.Accompanied, Patience: s.patience, DPD: p.DPD, Alive: s.alive, Insist: true,
		Transaction: one.login.Handle, Quick: s.quickOffered, Deleted: s.childDeleted, Notify: s.notified,
		Suspect: s.suspect, Unsettled: func() bool { return !one.used.Load() },
		Log: s.log.WithGroup("ike"), KeyLog: s.client.options.KeyLog.phase1(),
	}
	if p.Mode == profile.AggressiveMode {
		cfg.Mode = ike.Aggressive
	}
	if err := s.authentication(ctx, one, &cfg); err != nil {
		return ike.Config{}, err
	}
	switch {
	case p.NATTraversal == profile.Off:
		cfg.NATTraversal = ike.NATOff
	case p.NATTraversal == profile.NATTraversalForced || s.raw == nil:
		cfg.NATTraversal = ike.NATForce
	}
	s.configureVPN5000(one, &cfg, why)
	if p.GatewayIdentity != "" && p.Auth == profile.AuthPSK {
		cfg.PeerIdentity = func(id isakmp.ID) error { return isCalled(id, p.GatewayIdentity) }
	}
	return cfg, nil
}

// authentication is how both ends prove who they are: by the pre-shared key, or by
// certificates and never by that key.
func (s *session) authentication(ctx context.Context, one *phase1, cfg *ike.Config) error {
	p := s.profile
	if p.Auth == profile.AuthPSK {
		cfg.Methods, cfg.Secret = methods(p, nil), p.Secret
		return nil
	}
	var err error
	if one.trust, err = s.newTrust(); err != nil {
		return err
	}
	cfg.Verify, cfg.Authorities = one.trust.judge, one.trust.authorities()
	if known := one.trust.verifier.Known; len(known) > 0 {
		cfg.PeerCertificate = known[0].Raw
	}
	if !p.Auth.WantsKey() {
		cfg.Methods = methods(p, nil)
		return nil
	}
	c, err := s.client.openCredential(ctx)
	if err != nil {
		return err
	}
	cfg.Methods = methods(p, c.key.Public())
	cfg.Credentials, cfg.AlwaysSendCertificate = []ike.Credential{c.ike()}, true
	if p.Identity == "" && p.IdentityType == profile.TypeDN {
		cfg.Identity = isakmp.ID{Type: isakmp.IDDERASN1DN, Data: c.chain[0].RawSubject}
	}
	return nil
}

// dialIKE makes phase 1, and makes it again when a person has said that the gateway,
// of which nothing was known, is the right one.
func (s *session) dialIKE(ctx context.Context, t *trust, path ike.Path, cfg ike.Config) (*ike.SA, error) {
	if t == nil {
		return ike.Dial(ctx, s.router, path, cfg)
	}
	for {
		attempt, stop := context.WithCancel(ctx)
		t.begin(stop)
		sa, err := ike.Dial(attempt, s.router, path, cfg)
		stop()
		c := t.stranger()
		if err == nil || c == nil || ctx.Err() != nil {
			return sa, certified(err)
		}
		if err := s.introduce(ctx, t, c); err != nil {
			return nil, err
		}
	}
}

func identity(p *profile.Profile) isakmp.ID {
	types := map[profile.IdentityType]isakmp.IDType{
		profile.TypeKeyID: isakmp.IDKeyID, profile.TypeFQDN: isakmp.IDFQDN,
		profile.TypeUserFQDN: isakmp.IDUserFQDN, profile.TypeDN: isakmp.IDDERASN1DN,
	}
	data := p.IdentityData()
	if data == nil {
		return isakmp.ID{} // our address
	}
	if p.IdentityType == profile.TypeAddress {
		a, _ := netip.AddrFromSlice(data)
		return isakmp.AddressID(a)
	}
	return isakmp.ID{Type: types[p.IdentityType], Data: data}
}

// isCalled compares a gateway's identity with the name it must have.
func isCalled(id isakmp.ID, name string) error {
	if a, err := netip.ParseAddr(name); err == nil {
		if bytes.Equal(isakmp.AddressID(a.Unmap()).Data, id.Data) {
			return nil
		}
	}
	if string(id.Data) == name {
		return nil
	}
	return fmt.Errorf("it calls itself %v, not %q", id, name)
}

func (s *session) askSecret(ctx context.Context) error {
	answers, err := s.client.ask(ctx, prompt.Prompt{
		Title:  s.profile.Name + ": pre-shared key",
		Fields: []prompt.Field{{Name: "secret", Label: "Pre-shared key", Kind: prompt.Secret, Min: 1}},
	})
	if err != nil {
		return err
	}
	defer answers.Clear()
	secret, err := s.profile.SecretEncoding.Decode(answers["secret"])
	s.profile.Secret = secret
	return err
}
