package concentrator

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"postern/client/concentrator/radius"
)

// Authentication is who judges a user's password.
type Authentication uint8

const (
	AuthLocal   Authentication = iota // the list of users
	AuthRADIUS                        // [ RADIUS ]
	AuthSecurID                       // [ SecurID ]: there is no password but the passcode
)

func (a Authentication) String() string { return [...]string{"local", "radius", "securid"}[a] }

// ChallengeType is how RADIUS is asked.
type ChallengeType uint8

const (
	ChallengePAP   ChallengeType = iota
	ChallengeCHAP                // the server never sees the password, and must have it
	ChallengeFirst               // with a null password first, for the server's own question
)

func (c ChallengeType) String() string { return [...]string{"PAP", "CHAP", "Challenge"}[c] }

// RADIUSServers are where to ask, and how.
type RADIUSServers struct {
	Primary, Secondary string // hosts; Secondary may be empty
	Secret             []byte
	AuthPort, AcctPort uint16
	Timeout            time.Duration // until the first repetition
	Retries            int
	Require            radius.Policy // of Message-Authenticator
}

// RADIUS is the section of that name.
type RADIUS struct {
	RADIUSServers
	ChallengeType ChallengeType
	PAPAuthSecret []byte // of the VPN 5000's exchange; empty: none
	NoCHAP        bool
	Accounting    bool
	Interim       time.Duration // between accounting records; 0: as the server says, or none
}

// SecurID is the section of that name. Chosen here: a SecurID server is asked through
// its RADIUS front; its own protocol isn't public.
type SecurID struct {
	RADIUSServers // where empty, those of [ RADIUS ]
	Enabled       bool
}

// What counts where a file is silent. RFC 2865, section 3; RFC 2866, section 3
const (
	radiusAuthPort = 1812
	radiusAcctPort = 1813
	radiusTimeout  = time.Second
	radiusRetries  = 3
)

func defaultServers() RADIUSServers {
	return RADIUSServers{AuthPort: radiusAuthPort, AcctPort: radiusAcctPort, Timeout: radiusTimeout, Retries: radiusRetries}
}

// serverKeys are the keywords that two sections share.
func serverKeys[T any](of func(*T) *RADIUSServers) []key[T] {
	set := func(f func(s *RADIUSServers, v string) error) func(*T, string) error {
		return func(t *T, v string) error { return f(of(t), v) }
	}
	return []key[T]{
		{"PrimAddress", false, set(func(s *RADIUSServers, v string) error { return hostName(&s.Primary, v) })},
		{"SecAddress", false, set(func(s *RADIUSServers, v string) error { return hostName(&s.Secondary, v) })},
		{"Secret", false, set(func(s *RADIUSServers, v string) error { return secret(&s.Secret, v) })},
		{"AuthPort", false, set(func(s *RADIUSServers, v string) error { return portNumber(&s.AuthPort, v) })},
		{"AcctPort", false, set(func(s *RADIUSServers, v string) error { return portNumber(&s.AcctPort, v) })},
		{"Timeout", false, set(func(s *RADIUSServers, v string) error {
			if err := seconds(&s.Timeout, v); err != nil || s.Timeout < time.Second || s.Timeout > time.Minute {
				return fmt.Errorf("%q: wants seconds from 1 to 60", v)
			}
			return nil
		})},
		{"Retries", false, set(func(s *RADIUSServers, v string) (err error) {
			if s.Retries, err = strconv.Atoi(v); err != nil || s.Retries < 0 || s.Retries > 10 {
				return fmt.Errorf("%q: wants a number from 0 to 10", v)
			}
			return nil
		})},
		{"RequireMessageAuthenticator", false, set(func(s *RADIUSServers, v string) (err error) {
			s.Require, err = radius.ParsePolicy(v)
			return err
		})},
	}
}

var radiusKeys = keysOf(append(serverKeys(func(r *RADIUS) *RADIUSServers { return &r.RADIUSServers }),
	key[RADIUS]{"ChallengeType", false, func(r *RADIUS, v string) error {
		for c := ChallengePAP; c <= ChallengeFirst; c++ {
			if strings.EqualFold(v, c.String()) {
				r.ChallengeType = c
				return nil
			}
		}
		return fmt.Errorf("%q: wants PAP, CHAP or Challenge", v)
	}},
	key[RADIUS]{"PAPAuthSecret", false, func(r *RADIUS, v string) error { return secret(&r.PAPAuthSecret, v) }},
	key[RADIUS]{"NoCHAP", false, func(r *RADIUS, v string) error { return boolean(&r.NoCHAP, v) }},
	key[RADIUS]{"Accounting", false, func(r *RADIUS, v string) error { return boolean(&r.Accounting, v) }},
	// Chosen here.
	key[RADIUS]{"AccountingInterval", false, func(r *RADIUS, v string) error {
		if err := seconds(&r.Interim, v); err != nil || r.Interim > 0 && r.Interim < leastInterim {
			return fmt.Errorf("%q: wants seconds from %.0f on, or 0", v, leastInterim.Seconds())
		}
		return nil
	}},
)...)

var securIDKeys = keysOf(append(serverKeys(func(s *SecurID) *RADIUSServers { return &s.RADIUSServers }),
	key[SecurID]{"Enabled", false, func(s *SecurID, v string) error { return boolean(&s.Enabled, v) }},
)...)

// radiusSection reads [ RADIUS ] or [ SecurID ].
func (c *Config) radiusSection(s *section) error {
	if s.name != "" {
		return &lineError{s.line, fmt.Errorf("%v: this section has no name", s)}
	}
	if strings.EqualFold(s.kind, "radius") {
		if c.RADIUS != nil {
			return &lineError{s.line, fmt.Errorf("%v stands twice", s)}
		}
		c.RADIUS = &RADIUS{RADIUSServers: defaultServers()}
		if err := radiusKeys.assign(s.String(), s.entries, c.RADIUS); err != nil {
			return err
		}
		return c.RADIUS.check(s)
	}
	if c.SecurID != nil {
		return &lineError{s.line, fmt.Errorf("%v stands twice", s)}
	}
	c.SecurID = &SecurID{RADIUSServers: defaultServers(), Enabled: true}
	if err := securIDKeys.assign(s.String(), s.entries, c.SecurID); err != nil {
		return err
	}
	if c.SecurID.Primary == "" {
		return nil
	}
	return c.SecurID.checkServers(s)
}

func (r *RADIUS) check(s *section) error {
	if r.NoCHAP && r.ChallengeType == ChallengeCHAP {
		return &lineError{s.line, fmt.Errorf("%v: ChallengeType = CHAP and NoCHAP exclude each other", s)}
	}
	return r.checkServers(s)
}

func (r *RADIUSServers) checkServers(s *section) error {
	switch {
	case r.Primary == "":
		return &lineError{s.line, fmt.Errorf("%v: PrimAddress is missing", s)}
	case len(r.Secret) == 0:
		return &lineError{s.line, fmt.Errorf("%v: Secret is missing", s)}
	}
	return nil
}

// checkAuthentication says whether what a group wants is there. [ SecurID ] without a
// server of its own asks that of [ RADIUS ].
func (c *Config) checkAuthentication(g *Group) error {
	if g.authentication(c) == AuthRADIUS && c.RADIUS == nil {
		return errors.New("Authentication: radius wants a section [ RADIUS ]")
	}
	if g.authentication(c) != AuthSecurID && !g.SecurID {
		return nil
	}
	switch {
	case c.SecurID == nil || !c.SecurID.Enabled:
		return errors.New("SecurID wants a section [ SecurID ]")
	case c.SecurID.Primary == "" && c.RADIUS == nil:
		return errors.New("SecurID wants PrimAddress in [ SecurID ] or [ RADIUS ]")
	}
	return nil
}

// authentication is the group's own, or the general one.
func (g *Group) authentication(c *Config) Authentication {
	if g.Authentication != nil {
		return *g.Authentication
	}
	return c.Authentication
}

func authentication(a *Authentication, v string) error {
	for w := AuthLocal; w <= AuthSecurID; w++ {
		if strings.EqualFold(v, w.String()) {
			*a = w
			return nil
		}
	}
	return fmt.Errorf("%q: wants local, radius or securid", v)
}

// radiusClients are what asks for passwords and for passcodes.
func (c *Config) radiusClients() (passwords, passcodes *radius.Client) {
	if c.RADIUS != nil {
		passwords = c.RADIUS.client()
	}
	switch {
	case c.SecurID == nil || !c.SecurID.Enabled:
		return passwords, nil
	case c.SecurID.Primary == "":
		return passwords, passwords
	}
	return passwords, c.SecurID.client()
}

// client is what asks those servers.
func (r *RADIUSServers) client() *radius.Client {
	cfg := radius.Config{Name: "postern concentrator", Timeout: r.Timeout, Retries: r.Retries, Require: r.Require}
	if r.Retries == 0 {
		cfg.Retries = -1
	}
	at := func(host string, port uint16) string { return net.JoinHostPort(host, strconv.Itoa(int(port))) }
	for _, h := range []string{r.Primary, r.Secondary} {
		if h != "" {
			cfg.Servers = append(cfg.Servers, radius.Server{Auth: at(h, r.AuthPort), Acct: at(h, r.AcctPort), Secret: r.Secret})
		}
	}
	return radius.New(cfg)
}

// hostName reads an address or a host name.
func hostName(to *string, v string) error {
	if _, err := netip.ParseAddr(v); err != nil && (v == "" || strings.Trim(strings.ToLower(v), "abcdefghijklmnopqrstuvwxyz0123456789.-") != "") {
		return fmt.Errorf("%q: wants an address or a host name", v)
	}
	*to = v
	return nil
}

func portNumber(to *uint16, v string) error {
	n, err := strconv.ParseUint(v, 10, 16)
	if err != nil || n == 0 {
		return fmt.Errorf("%q: wants a number from 1 to 65535", v)
	}
	*to = uint16(n)
	return nil
}
