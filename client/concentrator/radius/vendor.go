package radius

import (
	"net/netip"
	"strings"

	codec "layeh.com/radius"
	"layeh.com/radius/rfc2865"
)

// VendorVPN5000 is the vendor of Compatible Systems, later Cisco's VPN 5000. It is
// what FreeRADIUS's dictionary.cisco.vpn5000 has.
const VendorVPN5000 = 255

// Attributes of that vendor: one octet type, one octet length, a value (RFC 2865,
// section 5.26).
const (
	ClientAssignedIP = 2 // text, or 4 octets
	ClientRealIP     = 3 // text, or 4 octets
	VPNGroupInfo     = 4 // text: the user's group
	VPNPassword      = 5 // text: the user's IKE shared key, in clear
)

// AddVendor adds one of the VPN 5000's attributes; a value of more than 247 octets
// doesn't fit and is left out.
func AddVendor(p *codec.Packet, t byte, value []byte) {
	if v, err := codec.NewVendorSpecific(VendorVPN5000, append([]byte{t, byte(2 + len(value))}, value...)); err == nil {
		p.Add(rfc2865.VendorSpecific_Type, v)
	}
}

// Vendor is the value of the first of the VPN 5000's attributes of that type. What
// stands in one Vendor-Specific attribute behind a part that is malformed isn't read.
func Vendor(p *codec.Packet, t byte) ([]byte, bool) {
	for _, a := range p.Attributes {
		if a.Type != rfc2865.VendorSpecific_Type {
			continue
		}
		id, rest, err := codec.VendorSpecific(a.Attribute)
		if err != nil || id != VendorVPN5000 {
			continue
		}
		for len(rest) >= 2 && rest[1] >= 2 && int(rest[1]) <= len(rest) {
			if rest[0] == t {
				return rest[2:rest[1]], true
			}
			rest = rest[rest[1]:]
		}
	}
	return nil, false
}

// address reads an IPv4 address in either form: servers disagree on which it is.
func address(v []byte) (netip.Addr, bool) {
	if len(v) == 4 {
		return netip.AddrFrom4([4]byte(v)), true
	}
	a, err := netip.ParseAddr(strings.TrimRight(string(v), "\x00"))
	return a, err == nil && a.Is4()
}
