package xauth

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"

	"postern/ike/isakmp"
)

// A network of SPLIT_INCLUDE or LOCAL_LAN. No RFC: Cisco Unity
//
//	octets  0 to  3  address
//	octets  4 to  7  mask
//	octets  8 to  9  protocol
//	octets 10 to 11  source port
//	octets 12 to 13  destination port
//
// The last six octets are zero but in Cisco's own configurations, where the byte
// order differs from one to the next. They aren't read: what the gateway
// doesn't let through, it drops.
const (
	splitEntry = 14
	subnetSize = 8 // address and mask, all that INTERNAL_IP4_SUBNET has
)

// splitNetworks reads entries of 14 octets; the last may end behind the mask.
func (r *reader) splitNetworks(t uint16, v []byte, into *[]netip.Prefix) {
	*into = slices.Grow(*into, min(len(v)/subnetSize, maxNetworks-len(*into)))
	for len(v) >= splitEntry {
		r.network(t, v[:subnetSize], into)
		v = v[splitEntry:]
	}
	switch len(v) {
	case 0:
	case subnetSize:
		r.network(t, v, into)
	default:
		r.drop(t, fmt.Errorf("%d octets behind the last entry", len(v)))
	}
}

// network reads an address and its mask of the same length.
func (r *reader) network(t uint16, v []byte, into *[]netip.Prefix) {
	a, _ := netip.AddrFromSlice(v[:len(v)/2])
	n, err := maskLength(v[len(v)/2:])
	if err != nil {
		r.dropNetwork(t, a, err)
		return
	}
	r.addNetwork(t, netip.PrefixFrom(a, n), into)
}

func (r *reader) addNetwork(t uint16, p netip.Prefix, into *[]netip.Prefix) {
	p = p.Masked()
	switch a := p.Addr(); {
	case p.Bits() > 0 && (a.IsLoopback() || a.IsMulticast()):
		r.dropNetwork(t, a, errNobody)
	case slices.Contains(*into, p):
	case len(*into) == maxNetworks:
		r.dropNetwork(t, a, errTooMany)
	default:
		*into = append(*into, p)
	}
}

// There may be thousands of networks in a message: an error costs nothing until
// it is kept.
var (
	errHoles   = errors.New("the mask has holes")
	errNobody  = errors.New("not of hosts elsewhere")
	errTooMany = fmt.Errorf("more than %d", maxNetworks)
)

func (r *reader) dropNetwork(t uint16, a netip.Addr, err error) {
	if len(r.dropped) < maxDropped {
		r.drop(t, fmt.Errorf("network %v: %w", a, err))
	}
}

// maskLength is how many bits of a mask are set, which must be the first ones.
func maskLength(mask []byte) (int, error) {
	m := binary.BigEndian.Uint32(mask)
	n := bits.LeadingZeros32(^m)
	if m<<n != 0 {
		return 0, errHoles
	}
	return n, nil
}

// netmask is the mask of an IPv4 prefix.
func netmask(n int) []byte {
	return binary.BigEndian.AppendUint32(nil, uint32(uint64(0xffffffff00000000)>>n))
}

// splitAttributes are the IPv4 networks of a list, in as many attributes as
// they need.
func splitAttributes(t uint16, networks []netip.Prefix) (as []isakmp.Attribute) {
	for some := range slices.Chunk(only4(networks), maxNetworks) {
		var v []byte
		for _, p := range some {
			v = append(v, p.Masked().Addr().AsSlice()...)
			v = append(v, netmask(p.Bits())...)
			v = append(v, make([]byte, splitEntry-subnetSize)...)
		}
		as = append(as, isakmp.TLV(t, v))
	}
	return as
}

func only4(networks []netip.Prefix) []netip.Prefix {
	return slices.DeleteFunc(slices.Clone(networks), func(p netip.Prefix) bool { return !p.Addr().Is4() })
}

func only6(networks []netip.Prefix) []netip.Prefix {
	return slices.DeleteFunc(slices.Clone(networks), func(p netip.Prefix) bool { return !p.Addr().Is6() })
}
