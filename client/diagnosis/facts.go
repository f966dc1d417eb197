package diagnosis

import (
	"net/netip"
	"slices"
	"time"
)

// facts are what the machine shows of itself. What the system doesn't tell, or not to
// us, is absent.
type facts struct {
	system string // "Debian GNU/Linux 12, Linux 6.1.0, amd64"
	now    time.Time
	built  time.Time // when the program was made; zero: unknown
	linux  bool      // what follows is known

	tun      error // why /dev/net/tun can't be opened
	netAdmin bool  // we may make a tunnel
	synced   *bool // the clock is; nil: unknown
	holders  []holder
	links    []link
	routes   []route
	rules    []string
	resolver resolver
	// wayOut is which interface packets to an address leave by.
	wayOut func(netip.Addr) (string, error)
}

// holder is a program that has a UDP port of IKE.
type holder struct {
	port    uint16
	pid     int    // 0: we may not know
	program string // "": we may not know
}

// link is a network interface.
type link struct {
	name, kind string // kind: "tun", "wireguard", … as the kernel says it
	up         bool
	mtu        int
	addresses  []netip.Prefix
}

// route is a route of the main table, or of another one that is named.
type route struct {
	to     netip.Prefix // 0.0.0.0/0 and ::/0 for the default
	via    netip.Addr
	dev    string
	table  int
	metric int
	text   string // all of it
}

// resolver is how the machine finds names.
type resolver struct {
	file    string // what /etc/resolv.conf is in truth, where it is a link
	text    string // its contents
	servers []netip.Addr
	// systemd-resolved's, by interface; nil: it doesn't run, or isn't asked
	links map[string]linkDNS
}

// linkDNS is what systemd-resolved knows of an interface.
type linkDNS struct {
	servers []netip.Addr
	search  []string
	routing []string // domains that go there without completing names; "." is all
}

// defaults are the default routes of one family.
func (f *facts) defaults(bits int) (out []route) {
	for _, r := range f.routes {
		if r.to.IsValid() && r.to.Bits() == 0 && r.to.Addr().BitLen() == bits && r.dev != "lo" {
			out = append(out, r)
		}
	}
	return out
}

// tunnels are interfaces of VPNs that are up, but for ours.
func (f *facts) tunnels(ours []string) (out []link) {
	kinds := []string{"tun", "wireguard", "ppp", "ipip", "gre", "sit", "vti", "vti6", "xfrm", "tap"}
	for _, l := range f.links {
		if l.up && slices.Contains(kinds, l.kind) && !slices.Contains(ours, l.name) {
			out = append(out, l)
		}
	}
	return out
}
