package tun

import (
	"fmt"
	"net/netip"
)

// Selector is one end of a traffic selector: which addresses, and if not all of
// them, which protocol and port (RFC 4301, section 4.4.1.1). Fragments that
// don't carry the port match no selector that names one.
type Selector struct {
	Prefix   netip.Prefix // must be valid; 0.0.0.0/0 is every IPv4 address
	Protocol uint8        // 0: any
	Port     uint16       // 0: any
}

// String is "10.0.0.0/8", or "10.0.0.0/8 protocol 17 port 53".
func (s Selector) String() string {
	switch {
	case s.Port != 0:
		return fmt.Sprintf("%v protocol %d port %d", s.Prefix, s.Protocol, s.Port)
	case s.Protocol != 0:
		return fmt.Sprintf("%v protocol %d", s.Prefix, s.Protocol)
	default:
		return s.Prefix.String()
	}
}

func (s *Selector) matches(addr netip.Addr, protocol uint8, port uint16) bool {
	return s.Prefix.Contains(addr) &&
		(s.Protocol == 0 || s.Protocol == protocol) &&
		(s.Port == 0 || s.Port == port)
}

// anyMatches reports whether one of the selectors holds the end of a flow.
func anyMatches(ss []Selector, addr netip.Addr, protocol uint8, port uint16) bool {
	for i := range ss {
		if ss[i].matches(addr, protocol, port) {
			return true
		}
	}
	return false
}

// checkSelectors refuses lists that can't match anything.
func checkSelectors(side string, ss []Selector) error {
	if len(ss) == 0 {
		return fmt.Errorf("no %s selector", side)
	}
	for _, s := range ss {
		if !s.Prefix.IsValid() {
			return fmt.Errorf("%s selector without a prefix", side)
		}
	}
	return nil
}
