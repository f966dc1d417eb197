package xauth

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"postern/client/prompt"
	"postern/ike/isakmp"
)

// everything is what a gateway tells unasked, in this order.
var everything = []uint16{
	isakmp.AttrInternalIP4Address, isakmp.AttrInternalIP4Netmask, isakmp.AttrInternalIP6Address,
	isakmp.AttrInternalIP4DNS, isakmp.AttrInternalIP6DNS, isakmp.AttrInternalIP4NBNS, isakmp.AttrInternalIP6NBNS,
	isakmp.AttrInternalAddressExpiry, isakmp.AttrApplicationVersion,
	isakmp.AttrUnityBanner, isakmp.AttrUnitySavePassword, isakmp.AttrUnityDefDomain, isakmp.AttrUnitySplitDNS,
	isakmp.AttrUnitySplitInclude, isakmp.AttrInternalIP6Subnet, isakmp.AttrUnityLocalLAN,
	isakmp.AttrUnityPFS, isakmp.AttrUnityBackupServers, isakmp.AttrUnityNATTPort,
}

// Attributes are what tells a client of a: those of the types asked for, in
// that order, or all where asked is empty. What a doesn't say is left out.
func (a *Assigned) Attributes(asked []isakmp.Attribute) []isakmp.Attribute {
	types := everything
	if len(asked) > 0 {
		types = nil
		for _, q := range asked {
			if !slices.Contains(types, q.Type) {
				types = append(types, q.Type)
			}
		}
	}
	var as []isakmp.Attribute
	for _, t := range types {
		as = append(as, a.attribute(t)...)
	}
	return as
}

// attribute is what a says under one type: none, one or several attributes.
func (a *Assigned) attribute(t uint16) []isakmp.Attribute {
	switch t {
	case isakmp.AttrInternalIP4Address:
		if a.Address.IsValid() {
			return []isakmp.Attribute{isakmp.TLV(t, a.Address.Addr().AsSlice())}
		}
	case isakmp.AttrInternalIP4Netmask:
		if a.Address.IsValid() {
			return []isakmp.Attribute{isakmp.TLV(t, netmask(a.Address.Bits()))}
		}
	case isakmp.AttrInternalIP6Address:
		if a.Address6.IsValid() {
			return []isakmp.Attribute{isakmp.TLV(t, prefix6(a.Address6))}
		}
	case isakmp.AttrInternalIP4DNS:
		return servers(t, a.DNS, netip.Addr.Is4)
	case isakmp.AttrInternalIP6DNS:
		return servers(t, a.DNS, netip.Addr.Is6)
	case isakmp.AttrInternalIP4NBNS:
		return servers(t, a.NBNS, netip.Addr.Is4)
	case isakmp.AttrInternalIP6NBNS:
		return servers(t, a.NBNS, netip.Addr.Is6)
	case isakmp.AttrInternalAddressExpiry:
		if a.Expiry > 0 {
			return []isakmp.Attribute{isakmp.Number(t, uint32(min(a.Expiry/time.Second, 1<<32-1)))}
		}
	case isakmp.AttrInternalIP4Subnet:
		return subnets(t, only4(a.Networks), func(p netip.Prefix) []byte { return append(p.Addr().AsSlice(), netmask(p.Bits())...) })
	case isakmp.AttrInternalIP6Subnet:
		return subnets(t, only6(a.Networks), prefix6)
	case isakmp.AttrApplicationVersion:
		return text(t, a.Version)
	}
	return a.unityAttribute(t)
}

func (a *Assigned) unityAttribute(t uint16) []isakmp.Attribute {
	switch t {
	case isakmp.AttrUnityBanner:
		return text(t, a.Banner)
	case isakmp.AttrUnitySavePassword:
		if a.SavePassword {
			return []isakmp.Attribute{isakmp.TV(t, 1)}
		}
		return []isakmp.Attribute{isakmp.TV(t, 0)}
	case isakmp.AttrUnityDefDomain:
		return text(t, a.Domain)
	case isakmp.AttrUnitySplitDNS:
		return text(t, strings.Join(a.SplitDNS, ","))
	case isakmp.AttrUnitySplitInclude:
		return splitAttributes(t, a.Networks)
	case isakmp.AttrUnityLocalLAN:
		return splitAttributes(t, a.Exclude)
	case isakmp.AttrUnityPFS:
		return number(t, uint16(a.PFS))
	case isakmp.AttrUnityBackupServers:
		return text(t, strings.Join(a.BackupServers, ","))
	case isakmp.AttrUnityNATTPort:
		return number(t, a.NATTPort)
	}
	return nil
}

func number(t, n uint16) []isakmp.Attribute {
	if n == 0 {
		return nil
	}
	return []isakmp.Attribute{isakmp.TV(t, n)}
}

// text is a string that fits its attribute.
func text(t uint16, s string) []isakmp.Attribute {
	if s == "" {
		return nil
	}
	return []isakmp.Attribute{isakmp.TLV(t, []byte(prompt.CleanText(s, 0xffff/4)))}
}

func servers(t uint16, addrs []netip.Addr, family func(netip.Addr) bool) (as []isakmp.Attribute) {
	for _, s := range addrs {
		if family(s) {
			as = append(as, isakmp.TLV(t, s.AsSlice()))
		}
	}
	return as
}

func subnets(t uint16, networks []netip.Prefix, value func(netip.Prefix) []byte) (as []isakmp.Attribute) {
	for _, p := range networks {
		as = append(as, isakmp.TLV(t, value(p.Masked())))
	}
	return as
}

// prefix6 is an IPv6 address and the length of its prefix.
func prefix6(p netip.Prefix) []byte { return append(p.Addr().AsSlice(), byte(p.Bits())) }
