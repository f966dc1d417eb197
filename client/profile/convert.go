package profile

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// connection reads what the connection is called, who answers and who we are.
func (r *reader) connection(p *Profile) {
	in := &r.in
	p.Name = strings.TrimSuffix(filepath.Base(r.name), ".toml")
	set(r, "name", in.Name, &p.Name, func(s string) (string, error) { return s, CheckName(s) })
	if err := CheckName(p.Name); err != nil {
		r.fail("name", fmt.Sprintf("is absent, and the file's name can't serve: %q %v", cutKey(p.Name), err))
	}
	set(r, "gateway", in.Gateway, &p.Gateway, ParseGateway)
	if !r.has("gateway") {
		r.fail("gateway", "is absent; a profile needs at least this key")
	}
	set(r, "backup", in.Backup, &p.Backup, each(ParseGateway))
	set(r, "mode", in.Mode, &p.Mode, oneOf[Mode]("main aggressive", ""))
	set(r, "identity", in.Identity, &p.Identity, plain)
	p.IdentityType = guessType(p.Identity)
	set(r, "identity_type", in.IdentityType, &p.IdentityType, oneOf[IdentityType]("key-id fqdn user-fqdn address dn", ""))
	set(r, "gateway_identity", in.GatewayIdentity, &p.GatewayIdentity, plain)
	set(r, "auth", in.Auth, &p.Auth, oneOf[Auth]("psk rsa dss ecdsa hybrid rsa-encryption rsa-revised", ""))
	set(r, "vendor", in.Vendor, &p.Vendor, oneOf[string]("auto cisco checkpoint netscreen fortigate", "sonicwall nortel fritzbox"))
	set(r, "xauth", in.XAuth, &p.XAuth, parseXAuth)
	set(r, "user", in.User, &p.User, plain)
	set(r, "domain", in.Domain, &p.Domain, plain)
}

// secrets reads the pre-shared key, the password and the secret of one-time codes,
// and where else they are.
func (r *reader) secrets(p *Profile) {
	in := &r.in
	set(r, "secret_encoding", in.SecretEncoding, &p.SecretEncoding, oneOf[Encoding]("text hex base64", ""))
	if !r.private && len(in.Secret) > 0 {
		r.fail("secret", openToOthers(r.name))
	}
	if !r.private && len(in.Password) > 0 {
		r.fail("password", openToOthers(r.name))
	}
	if !r.private && len(in.OTPSecret) > 0 {
		r.fail("otp_secret", openToOthers(r.name))
	}
	decode := func(e Encoding) func(secretText) (Secret, error) {
		return func(s secretText) (Secret, error) {
			if len(s) == 0 {
				return nil, nil // not set
			}
			return e.Decode(s)
		}
	}
	set(r, "secret", in.Secret, &p.Secret, decode(p.SecretEncoding))
	set(r, "secret_file", in.SecretFile, &p.SecretFile, optional(r.path))
	if p.Secret != nil && p.SecretFile != "" {
		r.fail("secret_file", "stands beside secret; one of them has to go")
	}
	set(r, "password", in.Password, &p.Password, decode(EncodingText))
	set(r, "password_file", in.PasswordFile, &p.PasswordFile, optional(r.path))
	if p.Password != nil && p.PasswordFile != "" {
		r.fail("password_file", "stands beside password; one of them has to go")
	}
	set(r, "otp", in.OTP, &p.OTP, optional(oneOf[string]("totp skey otp", "")))
	set(r, "otp_secret", in.OTPSecret, &p.OTPSecret, decode(EncodingText))
	set(r, "otp_secret_file", in.OTPSecretFile, &p.OTPSecretFile, optional(r.path))
	if p.OTPSecret != nil && p.OTPSecretFile != "" {
		r.fail("otp_secret_file", "stands beside otp_secret; one of them has to go")
	}
	if p.OTP == "" && p.OTPSecret != nil {
		r.fail("otp_secret", "stands without otp, which says what it is for")
	}
	if p.OTP == "" && p.OTPSecretFile != "" {
		r.fail("otp_secret_file", "stands without otp, which says what it is for")
	}
}

// algorithms reads proposals and what belongs to them.
func (r *reader) algorithms(p *Profile) {
	in := &r.in
	set(r, "ike", in.IKE, &p.IKE, some(each(ParseIKE)))
	set(r, "esp", in.ESP, &p.ESP, some(each(ParseESP)))
	set(r, "pfs", in.PFS, &p.PFS, ParsePFS)
	life := span(10*time.Second, 720*time.Hour, false)
	set(r, "lifetime.ike", in.Lifetime.IKE, &p.Lifetime.IKE, life)
	set(r, "lifetime.esp", in.Lifetime.ESP, &p.Lifetime.ESP, life)
	set(r, "dpd", in.DPD, &p.DPD, span(time.Second, time.Hour, true))
}

// network reads how packets get to the gateway and which of them do.
func (r *reader) network(p *Profile) {
	in := &r.in
	set(r, "selectors", in.Selectors, &p.Selectors, oneOf[string]("auto any each", ""))
	set(r, "nat_traversal", in.NATTraversal, &p.NATTraversal, oneOf[string]("auto force off", ""))
	set(r, "source_port", in.SourcePort, &p.SourcePort, parseSourcePort)
	set(r, "address", in.Address, &p.Address, optional(parseHostAddress))
	set(r, "networks", in.Networks, &p.Networks, each(parsePrefix))
	set(r, "exclude", in.Exclude, &p.Exclude, each(parsePrefix))
	set(r, "default_route", in.DefaultRoute, &p.DefaultRoute, same)
	set(r, "local_lan", in.LocalLAN, &p.LocalLAN, same)
	set(r, "dns", in.DNS, &p.DNS, same)
	set(r, "dns_servers", in.DNSServers, &p.DNSServers, each(parseHostAddress))
	set(r, "search", in.Search, &p.Search, each(parseDomain))
	set(r, "mtu", in.MTU, &p.MTU, parseMTU)
	set(r, "interface", in.Interface, &p.Interface, optional(parseInterface))
	set(r, "autoconnect", in.Autoconnect, &p.Autoconnect, same)
	set(r, "kill_switch", in.KillSwitch, &p.KillSwitch, same)
	set(r, "block_ipv6", in.BlockIPv6, &p.BlockIPv6, same)
}

// vpn5000 reads what is said to a VPN 5000 concentrator beside IKE.
func (r *reader) vpn5000(p *Profile) {
	in := &r.in
	set(r, "vpn5000", in.VPN5000, &p.VPN5000, oneOf[string]("off auto required", ""))
	set(r, "radius", in.RADIUS, &p.RADIUS, optional(oneOf[string]("pap chap challenge", "")))
	if !r.private && len(in.PAPAuthSecret) > 0 {
		r.fail("pap_auth_secret", openToOthers(r.name))
	}
	set(r, "pap_auth_secret", in.PAPAuthSecret, &p.PAPAuthSecret, func(s secretText) (Secret, error) {
		if len(s) == 0 {
			return nil, nil // not set
		}
		return EncodingText.Decode(s)
	})
	if !r.has("xauth") && (p.RADIUS != "" || p.VPN5000 == Required) {
		p.XAuth = XAuthOff
	}
	switch {
	case p.RADIUS == "" && p.PAPAuthSecret != nil:
		r.fail("pap_auth_secret", "stands without radius, which says what it is for")
	case p.RADIUS == "":
	case p.VPN5000 == Off:
		r.fail("radius", `wants vpn5000 = "auto" or "required" beside it`)
	case p.User == "":
		r.fail("radius", "wants user beside it, whose name is the identity of phase 1")
	case p.Identity == "":
		p.Identity = p.User
		if !r.has("identity_type") {
			p.IdentityType = TypeKeyID
		}
		if !r.has("identity_type") && strings.Contains(p.User, "@") {
			p.IdentityType = TypeUserFQDN
		}
	case p.Identity != p.User:
		r.fail("identity", "must be the user's name, or absent, where radius says who the user is")
	}
}

// together checks what several keys have to agree on.
func (r *reader) together(p *Profile) {
	r.identity(p)
	if p.Mode == AggressiveMode {
		// "the group in which the Diffie-Hellman exchange is performed cannot be
		// negotiated" (RFC 2409, section 5).
		for _, proposal := range p.IKE {
			if proposal.Group != p.IKE[0].Group {
				r.fail("ike", fmt.Sprintf("names the groups %s and %s; aggressive mode can offer one only", p.IKE[0].Group, proposal.Group))
			}
		}
	}
	// "all offers made during a Quick Mode MUST specify the same group"
	// (RFC 2409, section 5.5).
	group := p.ESP[0].Group
	for _, proposal := range p.ESP {
		if proposal.Group != group {
			r.fail("esp", "names different groups; Quick Mode wants the same one, or none, in every proposal")
		}
	}
	if group == "" {
		return
	}
	if r.has("pfs") && p.PFS != group {
		r.fail("pfs", fmt.Sprintf("says %q, and esp names %s", p.PFS, group))
	}
	p.PFS = group
}

// identity checks that the identity has its type's form.
func (r *reader) identity(p *Profile) {
	if _, err := identityData(p.Identity, p.IdentityType); err != nil {
		r.fail("identity", err.Error())
	}
	if p.Identity != "" {
		return
	}
	dn := p.Auth.WantsKey() && (p.IdentityType == TypeDN || !r.has("identity_type"))
	switch {
	case dn:
	case p.IdentityType == TypeFQDN, p.IdentityType == TypeUserFQDN, p.IdentityType == TypeDN:
		r.fail("identity_type", fmt.Sprintf("%q needs an identity", p.IdentityType))
	}
	p.IdentityType = TypeAddress
	if dn {
		p.IdentityType = TypeDN // of our certificate's subject
	}
}

// CheckName says what is wrong with a profile's name, or nil. A good name is
// safe as part of a file name, and can't be taken for an option.
func CheckName(s string) error {
	if n := utf8.RuneCountInString(s); n == 0 || n > 64 || !utf8.ValidString(s) {
		return errors.New("wants 1 to 64 characters")
	}
	for i, r := range s {
		letter := unicode.IsLetter(r) || unicode.IsDigit(r)
		if !letter && (i == 0 || !unicode.IsMark(r) && !strings.ContainsRune(" ._-@+", r)) {
			return errors.New(`wants letters, digits, blanks and "._-@+", a letter or digit first`)
		}
	}
	if strings.HasSuffix(s, " ") {
		return errors.New("ends with a blank")
	}
	return nil
}

func parseXAuth(v any) (XAuth, error) {
	switch v {
	case true:
		return XAuthRequired, nil
	case false:
		return XAuthOff, nil
	case string(XAuthOptional):
		return XAuthOptional, nil
	}
	return "", fmt.Errorf("wants %s, not %q", maybe, v)
}

func parseSourcePort(n int64) (uint16, error) {
	if n != 0 && n != DefaultPort {
		return 0, fmt.Errorf("wants 0 (a random port) or 500, not %d", n)
	}
	return uint16(n), nil
}

func parseMTU(n int64) (int, error) {
	if n != 0 && (n < 576 || n > 9000) {
		return 0, fmt.Errorf("wants 0 (worked out) or 576 to 9000 octets, not %d", n)
	}
	return int(n), nil
}

// parseDomain takes a DNS domain, without its final dot.
func parseDomain(s string) (string, error) {
	if err := checkHost(s); err != nil {
		return "", fmt.Errorf("%q: wants a domain like example.com", s)
	}
	return strings.TrimSuffix(s, "."), nil
}

var interfaceName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,15}$`)

// parseInterface takes a name that Linux would (IFNAMSIZ, 15 octets).
func parseInterface(s string) (string, error) {
	if !interfaceName.MatchString(s) || slices.Contains([]string{".", ".."}, s) {
		return "", fmt.Errorf("%q: wants up to 15 letters, digits and \"._-\"", s)
	}
	return s, nil
}

func same(b bool) (bool, error) { return b, nil }
