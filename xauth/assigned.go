package xauth

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"postern/client/prompt"
	"postern/ike/isakmp"
)

// Assigned is what a gateway gives to a client. Text in it is cleaned, names
// are names of the DNS, networks are masked.
type Assigned struct {
	Address  netip.Prefix // IPv4, with the netmask's length, 32 without one; zero: none
	Address6 netip.Prefix // IPv6
	DNS      []netip.Addr
	NBNS     []netip.Addr
	Networks []netip.Prefix // to reach through the tunnel; none: everything
	Exclude  []netip.Prefix // not to reach through the tunnel
	Expiry   time.Duration  // of the address; 0: none told
	Version  string         // what the gateway is

	// Cisco Unity
	Banner        string // of several lines
	Domain        string // the default domain
	SplitDNS      []string
	SavePassword  bool         // the client may keep the password
	PFS           isakmp.Group // of phase 2; 0: none told; some gateways mean just "yes" by 1
	BackupServers []string     // addresses or names
	NATTPort      uint16       // of Cisco's own UDP encapsulation; 0: none
}

// Limits on what one gateway assigns. Chosen here.
const (
	maxNetworks = 512
	maxServers  = 16
	maxDomains  = 256
	maxText     = 4096  // characters
	maxVersion  = 255   // characters
	maxList     = 16384 // octets of a list of names
	maxDropped  = 32    // errors that ParseAssigned returns
)

// ParseAssigned reads a REPLY or SET. Attributes may come in any order, repeat
// and be unknown. A value that isn't what it must be is dropped, and an error
// names it, up to the thirty-second. Of two addresses the last counts.
func ParseAssigned(c isakmp.Configuration) (*Assigned, []error) {
	r := reader{a: new(Assigned), mask: 32}
	for _, a := range c.Attributes {
		// Length zero: asked for, not given.
		if len(a.Value) > 0 {
			r.attribute(a)
		}
	}
	if r.address.IsValid() {
		r.a.Address = netip.PrefixFrom(r.address, r.mask)
	}
	return r.a, r.dropped
}

// reader collects an Assigned from attributes.
type reader struct {
	a       *Assigned
	address netip.Addr // its mask may come before or after it
	mask    int
	dropped []error
}

func (r *reader) drop(t uint16, err error) {
	if len(r.dropped) < maxDropped {
		r.dropped = append(r.dropped, fmt.Errorf("attribute %d: %w", t, err))
	}
}

func (r *reader) attribute(a isakmp.Attribute) {
	var err error
	switch a.Type {
	case isakmp.AttrInternalIP4Address:
		err = r.host(a.Value, 4, func(h netip.Addr) { r.address = h })
	case isakmp.AttrInternalIP4Netmask:
		err = r.netmask(a.Value)
	case isakmp.AttrInternalIP6Address:
		err = r.address6(a.Value)
	case isakmp.AttrInternalIP4DNS:
		err = r.server(a.Value, 4, &r.a.DNS)
	case isakmp.AttrInternalIP6DNS:
		err = r.server(a.Value, 16, &r.a.DNS)
	case isakmp.AttrInternalIP4NBNS:
		err = r.server(a.Value, 4, &r.a.NBNS)
	case isakmp.AttrInternalIP6NBNS:
		err = r.server(a.Value, 16, &r.a.NBNS)
	case isakmp.AttrInternalAddressExpiry:
		err = r.number(a, 1<<32-1, func(n uint64) { r.a.Expiry = time.Duration(n) * time.Second })
	case isakmp.AttrInternalIP4Subnet:
		err = r.subnet(a, subnetSize)
	case isakmp.AttrInternalIP6Subnet:
		err = r.subnet(a, subnet6Size)
	case isakmp.AttrApplicationVersion:
		r.a.Version = prompt.Clean(head(a.Value, maxVersion), maxVersion)
	default:
		err = r.unity(a)
	}
	if err != nil {
		r.drop(a.Type, err)
	}
}

// unity reads the attributes of Cisco Unity; what is none is skipped.
func (r *reader) unity(a isakmp.Attribute) (err error) {
	switch a.Type {
	case isakmp.AttrUnityBanner:
		r.a.Banner = prompt.CleanText(head(a.Value, maxText), maxText)
	case isakmp.AttrUnitySavePassword:
		err = r.number(a, 0xffff, func(n uint64) { r.a.SavePassword = n != 0 })
	case isakmp.AttrUnityDefDomain:
		var name string
		if name, err = domainName(strings.Trim(head(a.Value, maxName), " \x00")); err == nil {
			r.a.Domain = name
		}
	case isakmp.AttrUnitySplitDNS:
		r.names(a, &r.a.SplitDNS, maxDomains, domainName)
	case isakmp.AttrUnitySplitInclude:
		r.splitNetworks(a.Type, a.Value, &r.a.Networks)
	case isakmp.AttrUnityLocalLAN:
		r.splitNetworks(a.Type, a.Value, &r.a.Exclude)
	case isakmp.AttrUnityNATTPort:
		err = r.number(a, 0xffff, func(n uint64) { r.a.NATTPort = uint16(n) })
	case isakmp.AttrUnityPFS:
		err = r.number(a, 0xffff, func(n uint64) { r.a.PFS = isakmp.Group(n) })
	case isakmp.AttrUnityBackupServers:
		r.names(a, &r.a.BackupServers, maxServers, hostName)
	}
	return err
}

func (r *reader) number(a isakmp.Attribute, limit uint64, take func(uint64)) error {
	n, err := a.Uint()
	if err != nil {
		return errors.New("not a number")
	}
	if n > limit {
		return fmt.Errorf("%d is too large", n)
	}
	take(n)
	return nil
}

func (r *reader) host(v []byte, size int, take func(netip.Addr)) error {
	if len(v) != size {
		return fmt.Errorf("an address of %d octets", len(v))
	}
	h, _ := netip.AddrFromSlice(v)
	if !isHost(h) {
		return notAHost(h)
	}
	take(h)
	return nil
}

func (r *reader) server(v []byte, size int, into *[]netip.Addr) error {
	return r.host(v, size, func(h netip.Addr) {
		if !slices.Contains(*into, h) && len(*into) < maxServers {
			*into = append(*into, h)
		}
	})
}

func (r *reader) netmask(v []byte) error {
	if len(v) != 4 {
		return fmt.Errorf("a netmask of %d octets", len(v))
	}
	n, err := maskLength(v)
	if err == nil && n > 0 {
		r.mask = n
	}
	return err
}

// address6 reads an address, alone (draft-dukes-ike-mode-cfg-02, section 3.4) or
// with the length of its prefix behind it, as IKEv2 has it.
func (r *reader) address6(v []byte) error {
	n := 128
	if len(v) == subnet6Size && v[16] <= 128 {
		v, n = v[:16], int(v[16])
	}
	return r.host(v, 16, func(h netip.Addr) { r.a.Address6 = netip.PrefixFrom(h, n) })
}

// subnet6Size is that of an IPv6 address and the length of a prefix.
const subnet6Size = 17

// subnet reads one network: IPv4 with its mask, IPv6 with the prefix's length.
func (r *reader) subnet(a isakmp.Attribute, size int) error {
	switch {
	case len(a.Value) != size:
		return fmt.Errorf("a network of %d octets", len(a.Value))
	case size == subnetSize:
		r.network(a.Type, a.Value, &r.a.Networks)
	case a.Value[16] > 128:
		return fmt.Errorf("a prefix of %d bits", a.Value[16])
	default:
		h, _ := netip.AddrFromSlice(a.Value[:16])
		r.addNetwork(a.Type, netip.PrefixFrom(h, int(a.Value[16])), &r.a.Networks)
	}
	return nil
}

// names reads a list, keeps what check lets pass, and none twice.
func (r *reader) names(a isakmp.Attribute, into *[]string, limit int, check func(string) (string, error)) {
	if len(a.Value) > maxList {
		r.drop(a.Type, fmt.Errorf("a list of %d octets", len(a.Value)))
		return
	}
	for w := range words(a.Value) {
		name, err := check(w)
		switch {
		case err != nil && len(r.dropped) == maxDropped:
			return
		case err != nil:
			r.drop(a.Type, err)
		case slices.Contains(*into, name):
		case len(*into) == limit:
			r.drop(a.Type, fmt.Errorf("%s: more than %d", name, limit))
			return
		default:
			*into = append(*into, name)
		}
	}
}
