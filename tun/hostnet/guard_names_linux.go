package hostnet

import (
	"strings"

	"github.com/google/nftables"
)

// Where a query's name ends is nowhere said, so that each place is looked at where the octets of a domain may stand, the
// closing one included: behind the headers of UDP (8 octets) and DNS (12), or of TCP (20 to 60), the length of the message
// (2) and DNS, and at most 127 octets of the labels before (RFC 1035, sections 4.1 and 4.2.2).
const (
	firstName = 8 + 12
	lastName  = 60 + 2 + 12 + 127
)

// maxDomain is how many octets of a domain are compared, from its end: nftables counts offsets in one octet.
const maxDomain = 255 - lastName

// buildNames makes a chain that drops DNS messages with a name in one of the split domains; nil: there are none.
func (t *ruleset) buildNames(c *GuardConfig) *nftables.Chain {
	if len(c.SplitDNS) == 0 {
		return nil
	}
	t.chain = t.conn.AddChain(&nftables.Chain{Name: "names", Table: t.table})
	for _, d := range c.SplitDNS {
		name := wireName(d)
		name = name[max(0, len(name)-maxDomain):]
		for offset := uint32(firstName); offset <= lastName; offset++ {
			t.rule(transportFold(offset, name), drop)
		}
	}
	return t.chain
}

// wireName is a domain name as messages have it (RFC 1035, section 3.1).
func wireName(domain string) []byte {
	var b []byte
	for label := range strings.SplitSeq(domain, ".") {
		b = append(append(b, byte(len(label))), label...)
	}
	return append(b, 0)
}
