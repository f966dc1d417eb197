// Package hostnet makes the host's network fit a tunnel and puts it back afterwards: addresses and MTU of the TUN
// device, routes, the way to the gateway, and the resolver.
//
// It is declarative: [Apply] takes the whole [Config] and does all of it or nothing. What it will do is planned first
// and written to a state file, then done step by step; each step knows how to undo itself whether or not it was done.
// So [Applied.Restore] at the end of the tunnel, and [Recover] after the process was killed, are the same loop over the
// same list.
//
//	hostnet.go    what a caller sees
//	names.go      names and addresses that a server sent, cleaned
//	routes.go     which networks go into the tunnel: pure sums over prefixes
//	state_linux.go  the state file
//	apply_linux.go  Apply, Restore, Recover; owner_linux.go: whose state it is
//	update_linux.go Update, SetGateway, SetMTU: the difference between what is and what shall be
//	link_linux.go, route_linux.go                         steps over netlink
//	dns_linux.go, resolved_, resolvconf_, resolvfile_     steps for the resolver
//	hostnet_commands.go, commands_darwin.go, commands_windows.go   macOS and Windows, by package hostcmd
//
// Beside that stand two things with lives of their own. [Protect] is the kill switch, which outlives tunnel and process:
//
//	guard.go, guard_linux.go                  what it is told, and its state file
//	guard_rules_, guard_expr_, guard_names_   its nftables table; neighbours_linux.go: what leads nowhere
//
// [Watch] tells of changes that a tunnel has to follow, [WayTo] of the way to its gateway:
//
//	watch.go, watch_linux.go  when to tell; view_linux.go: what is compared; logind_linux.go: sleep
//	watch_poll.go             systems where nothing tells
//	way.go, way_linux.go      the way as if there were no tunnel
package hostnet

import (
	"errors"
	"net/netip"
)

// Config is what the host's network shall look like while a tunnel is up.
type Config struct {
	// Interface is the TUN device's name. The device exists already.
	Interface string

	// Addresses are our inner addresses. Each is set as a host address (/32 or /128) whatever its length is here: the
	// network around it enters the tunnel only by Routes.
	Addresses []netip.Prefix

	// MTU of the TUN device in octets; 0 leaves it as it is. With an IPv6 address it is 1280 at least, for the kernel
	// takes IPv6 off a link with less.
	MTU int

	// Routes go into the tunnel. 0.0.0.0/0 and ::/0 are installed as two halves, so that the default route that the
	// host has stays in place.
	Routes []netip.Prefix

	// Exclude stays outside and always wins over Routes: it is taken out of them exactly, so that an excluded network
	// keeps whatever way it has, also when the uplink changes.
	Exclude []netip.Prefix

	// Gateway is the concentrator's outer address. It gets a host route along the way it goes now, and behind that one
	// an unreachable route: when the uplink goes away the tunnel's own packets stop, they never enter the tunnel.
	// The zero Addr needs no route (a tunnel over loopback, a test).
	Gateway netip.Addr

	// LocalLAN keeps directly connected networks outside even where Routes names a part of them. Without it the more
	// specific of the two wins, as everywhere in routing: a connected network beats the halves of a default route.
	LocalLAN bool

	// Prefer are networks that a person named for the tunnel. Those that are a connected network, or a part of one, go
	// into the tunnel where Routes hold them, although the connected one is more specific. LocalLAN counts more.
	Prefer []netip.Prefix

	// BlockIPv6 makes IPv6 destinations unreachable that no more specific route leads to (a connected network, an
	// inner network, the gateway), if Routes hold all of IPv4 and not all of IPv6. Programs then fall back to IPv4 at once.
	BlockIPv6 bool

	DNS      []netip.Addr // the tunnel's name servers; empty leaves the servers as they are
	Search   []string     // domains to complete short names with
	SplitDNS []string     // domains that DNS is to be asked for; empty: it is asked for everything
}

// ErrKept is wrapped by what [Applied.Restore] and [Recover] return when something was changed by somebody else while
// the tunnel was up and was left as they made it. Everything else is back, and there is nothing to try again.
var ErrKept = errors.New("changed by somebody else meanwhile, kept as it is")

// Applied is a Config in force. Its methods may be called from any goroutine, one at a time.
type Applied struct {
	host     *host
	file     string // our state file; empty once everything is back
	warnings []string
	routes   []netip.Prefix
	overlaps []Overlap
	resolver string
}

// Warnings are sentences on what was asked for and not done, none of them a failure: names that are no domain names,
// networks that the host has a route for already, domains that the resolver at hand can't split off.
func (a *Applied) Warnings() []string { return a.warnings }

// Routes are the networks that go into the tunnel.
func (a *Applied) Routes() []netip.Prefix { return a.routes }

// Overlaps are the connected networks that the tunnel has addresses of.
func (a *Applied) Overlaps() []Overlap { return a.overlaps }

// Resolver says where the name servers were set: "systemd-resolved", "resolvconf", a file's path, or "" for nowhere.
func (a *Applied) Resolver() string { return a.resolver }
