package profile

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// DefaultPort is the UDP port of IKE (RFC 2408, section 2.5.1).
const DefaultPort = 500

// Gateway is a host and the UDP port of its IKE.
type Gateway struct {
	Host string // a host name, or an IP address without brackets
	Port uint16 // DefaultPort unless the profile says otherwise
}

// String gives the gateway as a profile writes it, without the default port.
func (g Gateway) String() string {
	if g.Port == DefaultPort || g.Port == 0 {
		return g.Host
	}
	if strings.Contains(g.Host, ":") {
		return "[" + g.Host + "]:" + strconv.Itoa(int(g.Port))
	}
	return g.Host + ":" + strconv.Itoa(int(g.Port))
}

// ParseGateway reads "host", "host:port", "address", "address:port",
// "[IPv6 address]" or "[IPv6 address]:port".
func ParseGateway(s string) (Gateway, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return gatewayAddress(addr, DefaultPort)
	}
	host, port := s, DefaultPort
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		n, err := strconv.ParseUint(s[i+1:], 10, 16)
		if err != nil || n == 0 {
			return Gateway{}, fmt.Errorf("%q: the port after the colon wants a number from 1 to 65535", s)
		}
		host, port = s[:i], int(n)
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		addr, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		if err != nil || !strings.HasSuffix(inner, "]") || !addr.Is6() {
			return Gateway{}, fmt.Errorf("%q: no IPv6 address in the brackets", s)
		}
		return gatewayAddress(addr, port)
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Is6() {
			return Gateway{}, fmt.Errorf("%q: an IPv6 address with a port stands in brackets", s)
		}
		return gatewayAddress(addr, port)
	}
	if err := checkHost(host); err != nil {
		return Gateway{}, fmt.Errorf("%q: %w", s, err)
	}
	return Gateway{Host: host, Port: uint16(port)}, nil
}

func gatewayAddress(a netip.Addr, port int) (Gateway, error) {
	if a.Zone() != "" && !interfaceName.MatchString(a.Zone()) {
		return Gateway{}, errors.New("names no interface behind the %")
	}
	if a.IsUnspecified() || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return Gateway{}, fmt.Errorf("%s isn't the address of one host", a)
	}
	return Gateway{Host: a.String(), Port: uint16(port)}, nil
}

var (
	hostLabel = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$`)
	digits    = regexp.MustCompile(`^[0-9]+$`)
)

// checkHost checks a domain name (RFC 1123, section 2.1; underscores occur).
func checkHost(s string) error {
	s = strings.TrimSuffix(s, ".")
	if s == "" || len(s) > 253 {
		return errors.New("wants a host name or an address")
	}
	labels := strings.Split(s, ".")
	for _, l := range labels {
		if !hostLabel.MatchString(l) {
			return errors.New("isn't a host name (letters, digits and hyphens between dots)")
		}
	}
	if digits.MatchString(labels[len(labels)-1]) {
		return errors.New("is neither a host name nor an address")
	}
	return nil
}

// parsePrefix reads a network in CIDR, or an address, which is a network of one host.
func parsePrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q: wants a network like 10.0.0.0/8", s)
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("%q: has bits set behind the /%d; the network is %s", s, p.Bits(), p.Masked())
	}
	return p, nil
}

// parseHostAddress reads the address of one host, IPv4 or IPv6.
func parseHostAddress(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() {
		return netip.Addr{}, fmt.Errorf("%q: wants an address like 10.0.0.5", s)
	}
	return a, nil
}

// IdentityType is the form of a phase 1 identity (RFC 2407, section 4.6.2.1).
type IdentityType string

const (
	TypeKeyID    IdentityType = "key-id"    // ID_KEY_ID: octets, such as a group's name
	TypeFQDN     IdentityType = "fqdn"      // ID_FQDN
	TypeUserFQDN IdentityType = "user-fqdn" // ID_USER_FQDN
	TypeAddress  IdentityType = "address"   // ID_IPV4_ADDR or ID_IPV6_ADDR
	TypeDN       IdentityType = "dn"        // ID_DER_ASN1_DN
)

// guessType tells an identity's type where the profile doesn't.
func guessType(identity string) IdentityType {
	if _, err := parseHostAddress(identity); err == nil || identity == "" {
		return TypeAddress
	}
	if strings.Contains(identity, "@") {
		return TypeUserFQDN
	}
	return TypeKeyID
}

// IdentityData returns the data of our identification payload: text as it is,
// 4 or 16 octets of an address, the DER of a name. It is nil when Identity is
// "", which stands for our own address.
func (p *Profile) IdentityData() []byte {
	data, err := identityData(p.Identity, p.IdentityType)
	if err != nil {
		return nil // Parse refuses such a profile
	}
	return data
}

func identityData(identity string, t IdentityType) ([]byte, error) {
	if identity == "" {
		return nil, nil
	}
	switch t {
	case TypeAddress:
		a, err := parseHostAddress(identity)
		if err != nil {
			return nil, err
		}
		return a.AsSlice(), nil
	case TypeDN:
		der, err := hex.DecodeString(identity)
		if err != nil || len(der) < 2 || der[0] != 0x30 {
			return nil, errors.New(`wants the name's DER in hexadecimal (it begins with 30) where identity_type is "dn"`)
		}
		return der, nil
	}
	return []byte(identity), nil
}
