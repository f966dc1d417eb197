package formats

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// networks sets the networks behind the gateway. 0.0.0.0/0 is what a profile without
// networks does.
func (d *draft) networks(a at, list []string) {
	var out []string
	for _, written := range list {
		network, ports, _ := strings.Cut(written, "[")
		p, err := parseNetwork(network)
		switch {
		case strings.HasPrefix(written, "%"), written == "dynamic":
			d.ignored(a, quoted(written)+" has no place in a profile")
			continue
		case err != nil:
			d.warn(a, err.Error())
			continue
		case ports != "" && ports != "any]" && ports != "any/any]":
			d.warn(a, quoted(written)+" is limited to some protocol or port, which can't be had: the whole network is taken")
		}
		if p.Bits() == 0 {
			delete(d.values, "networks")
			return
		}
		out = append(out, p.String())
	}
	if len(out) > 0 {
		d.set(a, "networks", out)
	}
}

// parseNetwork reads "10.0.0.0/8", "10.0.0.0/255.0.0.0" or an address.
func parseNetwork(s string) (netip.Prefix, error) {
	network, mask, ok := strings.Cut(strings.TrimSpace(s), "/")
	addr, err := netip.ParseAddr(strings.TrimSpace(network))
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%s isn't a network", quoted(s))
	}
	if !ok {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	return withMask(addr, strings.TrimSpace(mask))
}

// withMask is a network whose mask is written as a length or as an address.
func withMask(addr netip.Addr, mask string) (netip.Prefix, error) {
	if m, err := netip.ParseAddr(mask); err == nil && m.BitLen() == addr.BitLen() {
		bits, ended := 0, false
		for _, b := range m.AsSlice() {
			for i := 7; i >= 0; i-- {
				set := b>>i&1 == 1
				if set && ended {
					return netip.Prefix{}, fmt.Errorf("%s is no mask", quoted(mask))
				}
				ended = ended || !set
				if set {
					bits++
				}
			}
		}
		return netip.PrefixFrom(addr, bits).Masked(), nil
	}
	n, err := strconv.Atoi(mask)
	if err != nil || n < 0 || n > addr.BitLen() {
		return netip.Prefix{}, fmt.Errorf("%s is no mask", quoted(mask))
	}
	return netip.PrefixFrom(addr, n).Masked(), nil
}
