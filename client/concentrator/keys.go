package concentrator

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"postern/ike/isakmp"
	"postern/ike/pki"
)

// key is a keyword of a section, or of a user's line, whose values make a T.
type key[T any] struct {
	name     string // as it is printed
	repeated bool   // may stand more than once
	set      func(to *T, value string) error
}

// keywords are what may stand in a section, by their names in lower case.
type keywords[T any] map[string]key[T]

func keysOf[T any](keys ...key[T]) keywords[T] {
	m := make(keywords[T])
	for _, k := range keys {
		m[strings.ToLower(k.name)] = k
	}
	return m
}

// assign gives each entry to its keyword. One that isn't a list's stands once.
// where is how errors begin.
func (ks keywords[T]) assign(where string, entries []entry, to *T) error {
	seen := make(map[string]bool)
	for _, e := range entries {
		k, ok := ks[strings.ToLower(e.key)]
		if !ok {
			return &lineError{e.line, fmt.Errorf("%s: %s: no such key; nearest is %s", where, e.key, ks.nearest(e.key))}
		}
		if seen[k.name] && !k.repeated {
			return &lineError{e.line, fmt.Errorf("%s: %s stands twice", where, k.name)}
		}
		seen[k.name] = true
		if err := k.set(to, e.value); err != nil {
			return &lineError{e.line, fmt.Errorf("%s: %s: %w", where, k.name, err)}
		}
	}
	return nil
}

func (ks keywords[T]) nearest(name string) string {
	var all []string
	for _, k := range ks {
		all = append(all, k.name)
	}
	return nearest(name, all)
}

// The keywords are the VPN 5000 concentrator's as far as they are documented;
// those marked "Chosen here" aren't.
var generalKeys = keysOf(
	// Chosen here: the addresses of the gateway.
	key[Config]{"Address", true, func(c *Config, v string) error { return appendAddress(&c.Address, v) }},
	key[Config]{"InsideAddress", false, func(c *Config, v string) (err error) {
		if c.Inside, err = netip.ParsePrefix(v); err != nil {
			err = fmt.Errorf("%q: wants an address with its network, like 10.20.0.1/24", v)
		}
		return err
	}},
	// Chosen here: who the gateway is in phase 1.
	key[Config]{"Identity", false, func(c *Config, v string) (err error) { c.Identity, err = identity(v); return err }},
	// Chosen here.
	key[Config]{"Certificate", true, func(c *Config, v string) error { return appendText(&c.Paths.Certificate, v) }},
	key[Config]{"PrivateKey", true, func(c *Config, v string) error { return appendText(&c.Paths.PrivateKey, v) }},
	key[Config]{"CA", true, func(c *Config, v string) error { return appendText(&c.Paths.CA, v) }},
	key[Config]{"CRL", true, func(c *Config, v string) error { return appendText(&c.Paths.CRL, v) }},
	key[Config]{"AllowSHA1", false, func(c *Config, v string) error { return boolean(&c.Trust.AllowSHA1, v) }},
	key[Config]{"MinRSABits", false, func(c *Config, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < pki.LowestRSABits || n > 16384 {
			return fmt.Errorf("%q: wants %d to 16384", v, pki.LowestRSABits)
		}
		c.Trust.MinRSABits = n
		return nil
	}},
	key[Config]{"Authentication", false, func(c *Config, v string) error { return authentication(&c.Authentication, v) }},
	key[Config]{"KeepaliveInterval", false, func(c *Config, v string) error { return seconds(&c.DPD, v) }},
	// What a concentrator writes down about itself.
	ignored[Config]("DeviceName"), ignored[Config]("DeviceType"), ignored[Config]("EthernetAddress"),
	ignored[Config]("ConfiguredOn"), ignored[Config]("ConfiguredFrom"),
)

var policyKeys = keysOf(
	key[Config]{"Protection", true, func(c *Config, v string) error {
		p, err := parseProtection(v)
		c.Protection = append(c.Protection, p)
		return err
	}},
	// Chosen here.
	key[Config]{"Lifetime", false, func(c *Config, v string) error { return seconds(&c.Lifetime, v) }},
	key[Config]{"ExchangeMode", false, func(c *Config, v string) error {
		m, ok := modes[strings.ToLower(v)]
		if !ok {
			return fmt.Errorf("%q: wants main, aggressive or both", v)
		}
		c.Modes = m
		return nil
	}},
)

var groupKeys = keysOf(
	key[Group]{"Transform", true, func(g *Group, v string) error {
		p, err := parseTransform(v)
		g.Transform = append(g.Transform, p)
		return err
	}},
	key[Group]{"PFS", false, func(g *Group, v string) (err error) { g.PFS, err = parsePFS(v); return err }},
	key[Group]{"StartIPAddress", false, func(g *Group, v string) error { return pool(g, v, true) }},
	key[Group]{"LocalIPNet", false, func(g *Group, v string) error { return pool(g, v, false) }},
	key[Group]{"MaxConnections", false, func(g *Group, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxPool {
			return fmt.Errorf("%q: wants a number from 1 to %d", v, maxPool)
		}
		if g.MaxConnections != 0 {
			n = min(n, g.MaxConnections)
		}
		g.MaxConnections = n
		return nil
	}},
	key[Group]{"IPNet", true, func(g *Group, v string) error { return network(&g.Networks, v) }},
	key[Group]{"DNSPrimaryServer", false, func(g *Group, v string) error { return primary(&g.DNS, v) }},
	key[Group]{"DNSSecondaryServer", true, func(g *Group, v string) error { return appendAddress(&g.DNS, v) }},
	key[Group]{"WINSPrimaryServer", false, func(g *Group, v string) error { return primary(&g.WINS, v) }},
	key[Group]{"WINSSecondaryServer", true, func(g *Group, v string) error { return appendAddress(&g.WINS, v) }},
	key[Group]{"SplitDNS", true, func(g *Group, v string) error { return appendText(&g.SplitDNS, v) }},
	key[Group]{"DomainName", false, func(g *Group, v string) error { return text(&g.Domain, v) }},
	key[Group]{"BackupServer", true, func(g *Group, v string) error { return appendText(&g.Backup, v) }},
	key[Group]{"SaveSecrets", false, func(g *Group, v string) error { return boolean(&g.SaveSecrets, v) }},
	key[Group]{"InactivityTimeout", false, func(g *Group, v string) error { return seconds(&g.Idle, v) }},

	// Chosen here.
	key[Group]{"SharedKey", false, func(g *Group, v string) error { return secret(&g.SharedKey, v) }},
	key[Group]{"Method", true, func(g *Group, v string) error {
		m, err := parseMethod(v)
		g.Methods = append(g.Methods, m)
		return err
	}},
	key[Group]{"CA", true, func(g *Group, v string) error { return appendText(&g.CAFiles, v) }},
	key[Group]{"Peer", true, func(g *Group, v string) error { return network(&g.Peers, v) }},
	key[Group]{"XAuth", false, func(g *Group, v string) error { return boolean(&g.XAuth, v) }},
	key[Group]{"ExcludeIPNet", true, func(g *Group, v string) error { return network(&g.Exclude, v) }},
	key[Group]{"Banner", false, func(g *Group, v string) error { return text(&g.Banner, v) }},
	key[Group]{"Lifetime", false, func(g *Group, v string) error { return seconds(&g.Lifetime, v) }},
	key[Group]{"LocalIP6Net", false, func(g *Group, v string) error {
		p, err := netip.ParsePrefix(v)
		if err != nil || !p.Addr().Is6() || p.Addr().Is4In6() || p.Bits() > 96 || p != p.Masked() {
			return fmt.Errorf("%q: wants an IPv6 network of /96 or wider", v)
		}
		g.Network6 = p
		return nil
	}},
	key[Group]{"LifeKilobytes", false, func(g *Group, v string) error {
		n, err := strconv.ParseUint(v, 10, 32)
		if err != nil || n == 0 {
			return fmt.Errorf("%q: wants a number of kilobytes (1024 octets)", v)
		}
		g.Octets = n << 10
		return nil
	}},
	key[Group]{"ModeConfig", false, func(g *Group, v string) error {
		for m := ModeConfigPull; m <= ModeConfigOff; m++ {
			if strings.EqualFold(v, m.String()) {
				g.ModeConfig = m
				return nil
			}
		}
		return fmt.Errorf("%q: wants pull, push or off", v)
	}},

	key[Group]{"SecurIDRequired", false, func(g *Group, v string) error { return boolean(&g.SecurID, v) }},
	// Chosen here.
	key[Group]{"Authentication", false, func(g *Group, v string) error {
		g.Authentication = new(Authentication)
		return authentication(g.Authentication, v)
	}},

	// These are told to VPN 5000 clients only.
	key[Group]{"ExcludeLocalLAN", false, func(g *Group, v string) error { return boolean(&g.ExcludeLAN, v) }},
	key[Group]{"MinVersion", false, func(g *Group, v string) error { return text(&g.MinVersion, v) }},
	key[Group]{"KeepaliveInterval", false, func(g *Group, v string) error { return seconds(&g.Keepalive, v) }},
	key[Group]{"LocalIPXNet", false, func(g *Group, v string) error { return text(&g.IPXNet, v) }},
)

var userKeys = keysOf(
	key[User]{"Config", false, func(u *User, v string) error { return text(&u.Group, v) }},
	key[User]{"SharedKey", false, func(u *User, v string) error { return secret(&u.SharedKey, v) }},
	// Chosen here.
	key[User]{"Certificate", false, func(u *User, v string) error { return text(&u.CertificateFile, v) }},
	key[User]{"Password", false, func(u *User, v string) error { return secret(&u.Password, v) }},
	key[User]{"Address", false, func(u *User, v string) (err error) {
		if u.Address, err = address(v); err == nil && !u.Address.Is4() {
			err = fmt.Errorf("%q: inner addresses are IPv4 ones", v)
		}
		return err
	}},
)

// ignored is a keyword that says nothing to us and does no harm.
func ignored[T any](name string) key[T] {
	return key[T]{name, true, func(*T, string) error { return nil }}
}

func boolean(b *bool, v string) error {
	switch strings.ToLower(v) {
	case "true", "on", "yes", "1":
		*b = true
	case "false", "off", "no", "0":
		*b = false
	default:
		return fmt.Errorf("%q: wants true or false", v)
	}
	return nil
}

// seconds reads a number of seconds, or a duration with its unit.
func seconds(d *time.Duration, v string) (err error) {
	const most = 10 * 365 * 24 * time.Hour
	if n, atoi := strconv.Atoi(v); atoi == nil && n <= int(most/time.Second) {
		*d = time.Duration(n) * time.Second
	} else {
		*d, err = time.ParseDuration(v)
	}
	if err != nil || *d < 0 || *d > most || *d%time.Second != 0 {
		return fmt.Errorf("%q: wants whole seconds, or a time like 8h", v)
	}
	return nil
}

func address(v string) (netip.Addr, error) {
	a, err := netip.ParseAddr(v)
	if err != nil {
		return a, fmt.Errorf("%q: wants an address", v)
	}
	return a.Unmap(), nil
}

func appendAddress(as *[]netip.Addr, v string) error {
	a, err := address(v)
	*as = append(*as, a)
	return err
}

// primary puts an address before the others.
func primary(as *[]netip.Addr, v string) error {
	a, err := address(v)
	*as = slices.Insert(*as, 0, a)
	return err
}

// network reads 10.0.0.0/8, or a single address.
func network(ps *[]netip.Prefix, v string) error {
	p, err := netip.ParsePrefix(v)
	if err != nil {
		a, err := netip.ParseAddr(v)
		if err != nil {
			return fmt.Errorf("%q: wants a network like 10.0.0.0/8", v)
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if p != p.Masked() {
		return fmt.Errorf("%q: is an address in the network %v; write the network", v, p.Masked())
	}
	*ps = append(*ps, p)
	return nil
}

// pool reads where a group's addresses come from: the first of MaxConnections,
// or all hosts of a network.
func pool(g *Group, v string, first bool) error {
	if g.StartIPAddress.IsValid() {
		return errors.New("the group has a pool already")
	}
	if a, err := netip.ParseAddr(v); err == nil && first {
		if !a.Is4() {
			return fmt.Errorf("%q: inner addresses are IPv4 ones", v)
		}
		g.StartIPAddress = a
		return nil
	}
	p, err := netip.ParsePrefix(v)
	if err != nil || !p.Addr().Is4() || p.Bits() < 16 || p.Bits() > 30 {
		return fmt.Errorf("%q: wants an address, or a network from /16 to /30", v)
	}
	g.StartIPAddress = p.Masked().Addr().Next()
	hosts := 1<<(32-p.Bits()) - 2
	if g.MaxConnections == 0 || g.MaxConnections > hosts {
		g.MaxConnections = hosts
	}
	return nil
}

// text takes what may be shown and sent.
func text(s *string, v string) error {
	if v == "" || len(v) > 255 || !utf8.ValidString(v) || strings.ContainsFunc(v, unicode.IsControl) {
		return errors.New("wants 1 to 255 octets of text")
	}
	*s = v
	return nil
}

func appendText(ss *[]string, v string) error {
	var s string
	err := text(&s, v)
	*ss = append(*ss, s)
	return err
}

func secret(b *[]byte, v string) error {
	if v == "" {
		return errors.New("is empty")
	}
	*b = []byte(v)
	return nil
}

// identity reads who the gateway is: an address, a@b, keyid:name, or a domain name.
func identity(v string) (isakmp.ID, error) {
	if a, err := netip.ParseAddr(v); err == nil {
		return isakmp.AddressID(a), nil
	}
	var s string
	if err := text(&s, v); err != nil {
		return isakmp.ID{}, err
	}
	if name, ok := strings.CutPrefix(s, "keyid:"); ok {
		return isakmp.ID{Type: isakmp.IDKeyID, Data: []byte(name)}, nil
	}
	if strings.Contains(s, "@") {
		return isakmp.ID{Type: isakmp.IDUserFQDN, Data: []byte(s)}, nil
	}
	return isakmp.ID{Type: isakmp.IDFQDN, Data: []byte(s)}, nil
}

// nearest is the word that takes the fewest changes to make of s.
func nearest(s string, words []string) string {
	slices.Sort(words)
	return slices.MinFunc(words, func(a, b string) int { return distance(s, a) - distance(s, b) })
}

// distance counts the letters to insert, delete or replace (Levenshtein), in any case.
func distance(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
