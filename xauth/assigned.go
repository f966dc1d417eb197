package xauth

import (
	"net/netip"
	"time"

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
	PFS           isakmp.Group // of phase 2; 0: none told; some mean just "yes" by 1
	BackupServers []string     // addresses or names
	NATTPort      uint16       // of Cisco's own UDP encapsulation; 0: none
}

// ParseAssigned reads a REPLY or SET. Attributes may come in any order, repeat
// and be unknown. A value that isn't what it must be is dropped, and an error
// names it.
func ParseAssigned(c isakmp.Configuration) (*Assigned, []error) { return &Assigned{}, nil }

// Attributes are what tells a client of a: those of the types asked for, or all
// where asked is empty. What a doesn't say is left out.
func (a *Assigned) Attributes(asked []isakmp.Attribute) []isakmp.Attribute { return nil }
