package client

import (
	"fmt"
	"net/netip"
	"slices"

	"postern/client/localapi"
	"postern/tun/hostnet"
)

// overlaps is what the status says of networks that are both here and behind the gateway.
// Where the profile doesn't say which of the two counts, a warning names the key that does.
func (s *session) overlaps(found []hostnet.Overlap) (out []localapi.Overlap) {
	p := s.profile
	for _, o := range found {
		named := slices.ContainsFunc(p.Networks, func(n netip.Prefix) bool { return n.Bits() >= o.Local.Bits() && n.Overlaps(o.Local) })
		chosen := p.LocalLAN || named
		out = append(out, localapi.Overlap{Local: o.Local, Tunnel: o.Tunnel, Inside: o.Inside, Chosen: chosen})
		switch {
		case chosen:
		case o.Inside:
			s.client.warn(fmt.Sprintf("%v is a network of this machine's and behind the gateway too: what is here, such as a printer, can't be reached. To keep it: local_lan = true.", o.Local))
		default:
			s.client.warn(fmt.Sprintf("%v is a network of this machine's, and part of %v behind the gateway too: there it can't be reached. To reach it there and not here: networks = [%q].", o.Local, o.Tunnel, o.Local))
		}
	}
	return out
}
