package concentrator

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"

	"postern/ike"
)

// ParseConfig reads a configuration file in the VPN 5000 concentrator's manner, and
// the files with certificates and keys that it names, by paths from its own folder.
// Errors begin with the file's name and the line, and name the key.
func ParseConfig(data []byte, file string) (*Config, error) {
	c, err := parse(string(data))
	if err == nil {
		err = c.load(filepath.Dir(file))
	}
	if err != nil {
		var at *lineError
		if errors.As(err, &at) {
			return nil, fmt.Errorf("%s:%d: %w", file, at.line, at.err)
		}
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

func parse(text string) (*Config, error) {
	sections, err := readINI(text)
	if err != nil {
		return nil, err
	}
	c := &Config{
		Lifetime: defaultIKELifetime, DPD: defaultDPD,
		Groups: make(map[string]*Group), Users: make(map[string]*User),
	}
	for _, s := range sections {
		if err := c.section(s); err != nil {
			return nil, err
		}
	}
	if len(c.Protection) == 0 {
		for _, s := range defaultProtection {
			p, err := parseProtection(s)
			if err != nil {
				return nil, err
			}
			c.Protection = append(c.Protection, p)
		}
	}
	return c, c.check(sections)
}

// section reads one section.
func (c *Config) section(s *section) error {
	named := s.name != ""
	switch kind := strings.ToLower(s.kind); kind {
	case "general", "ike policy":
		if named {
			return &lineError{s.line, fmt.Errorf("%v: this section has no name", s)}
		}
		keys := generalKeys
		if kind == "ike policy" {
			keys = policyKeys
		}
		return keys.assign(s.String(), s.entries, c)
	case "vpn group":
		return c.group(s)
	case usersSection:
		if named {
			return &lineError{s.line, fmt.Errorf("%v: this section has no name", s)}
		}
		for _, u := range s.users {
			if err := c.user(u); err != nil {
				return err
			}
		}
		return nil
	case "radius", "securid":
		return c.radiusSection(s)
	case "stamp":
		return &lineError{s.line, fmt.Errorf("%v: not yet possible", s)}
	}
	known := []string{"General", "IKE Policy", "VPN Group", "VPN Users", "RADIUS", "SecurID"}
	return &lineError{s.line, fmt.Errorf("%v: no such section; nearest is [ %s ]", s, nearest(s.kind, known))}
}

// group reads [ VPN Group "name" ].
func (c *Config) group(s *section) error {
	switch {
	case s.name == "":
		return &lineError{s.line, fmt.Errorf(`a group is written [ VPN Group "name" ]`)}
	case len(s.name) > 15 || strings.ContainsAny(s.name, " \t/"):
		return &lineError{s.line, fmt.Errorf("%v: a group's name has up to 15 characters, no blank and no /", s)}
	case c.Groups[s.name] != nil:
		return &lineError{s.line, fmt.Errorf("%v stands twice", s)}
	}
	g := &Group{Name: s.name, XAuth: true, Lifetime: defaultESPLifetime}
	c.Groups[s.name] = g
	if err := groupKeys.assign(s.String(), s.entries, g); err != nil {
		return err
	}
	if len(g.Transform) == 0 {
		for _, s := range defaultTransform {
			p, err := parseTransform(s)
			if err != nil {
				return err
			}
			g.Transform = append(g.Transform, p)
		}
	}
	return nil
}

// user reads a line of [ VPN Users ].
func (c *Config) user(l userLine) error {
	if len(l.name) > 60 {
		return &lineError{l.line, fmt.Errorf("[ VPN Users ]: a name has up to 60 characters")}
	}
	if c.Users[l.name] != nil {
		return &lineError{l.line, fmt.Errorf("[ VPN Users ]: %q stands twice", l.name)}
	}
	u := &User{Name: l.name}
	c.Users[l.name] = u
	if err := userKeys.assign(fmt.Sprintf("[ VPN Users ]: %q", l.name), l.entries, u); err != nil {
		return err
	}
	if u.Group == "" {
		return &lineError{l.line, fmt.Errorf("[ VPN Users ]: %q: Config is missing", l.name)}
	}
	return nil
}

// check finds what no single line shows.
func (c *Config) check(sections []*section) error {
	if len(c.Groups) == 0 {
		return errors.New("no [ VPN Group ]")
	}
	addresses := make(map[netip.Addr]string)
	for _, s := range sections {
		if strings.EqualFold(s.kind, "vpn group") {
			if err := c.checkGroup(c.Groups[s.name]); err != nil {
				return &lineError{s.line, fmt.Errorf("%v: %w", s, err)}
			}
		}
		for _, l := range s.users {
			u := c.Users[l.name]
			if err := c.checkUser(u, addresses); err != nil {
				return &lineError{l.line, fmt.Errorf("[ VPN Users ]: %q: %w", u.Name, err)}
			}
		}
	}
	return nil
}

func (c *Config) checkGroup(g *Group) error {
	if g.MaxConnections > 0 && !g.StartIPAddress.IsValid() {
		return errors.New("MaxConnections: wants StartIPAddress or LocalIPNet beside it")
	}
	if g.StartIPAddress.IsValid() && g.MaxConnections == 0 {
		return errors.New("StartIPAddress: wants MaxConnections beside it")
	}
	if last, ok := plus(g.StartIPAddress, g.MaxConnections-1); g.MaxConnections > 0 && !ok {
		return fmt.Errorf("StartIPAddress: %d addresses from there end beyond %v", g.MaxConnections, last)
	}
	if err := c.checkAuthentication(g); err != nil {
		return err
	}
	if err := c.checkMethods(g); err != nil {
		return err
	}
	// The VPN 5000's users get their keys from RADIUS before phase 1.
	if g.uses(MethodSharedKey) && len(g.SharedKey) == 0 && g.authentication(c) != AuthRADIUS {
		for _, u := range c.Users {
			if u.Group == g.Name && len(u.SharedKey) > 0 {
				return nil
			}
		}
		return errors.New("SharedKey: missing, and no user of the group has one")
	}
	return nil
}

func (c *Config) checkUser(u *User, addresses map[netip.Addr]string) error {
	g := c.Groups[u.Group]
	switch {
	case g == nil:
		var known []string
		for name := range c.Groups {
			known = append(known, name)
		}
		return fmt.Errorf("Config: no group %q; nearest is %q", u.Group, nearest(u.Group, known))
	case len(u.SharedKey) > 0 && !g.uses(MethodSharedKey):
		return fmt.Errorf("SharedKey: group %s has another Method", g.Name)
	case u.CertificateFile != "" && !g.uses(MethodRSAEncryption):
		return fmt.Errorf("%s: group %s has no Method = %v, which alone needs it beforehand", "Certificate", g.Name, MethodRSAEncryption)
	case g.uses(MethodSharedKey) && len(g.Methods) <= 1 && len(u.SharedKey) == 0 && len(g.SharedKey) == 0:
		return errors.New("SharedKey: missing, and its group has none either")
	}
	if u.Address.IsValid() {
		if other := addresses[u.Address]; other != "" {
			return fmt.Errorf("%s: %v is %q's", "Address", u.Address, other)
		}
		addresses[u.Address] = u.Name
	}
	return nil
}

// modes are the words of ExchangeMode.
var modes = map[string][]ike.Mode{
	"main": {ike.Main}, "aggressive": {ike.Aggressive}, "both": nil,
}
