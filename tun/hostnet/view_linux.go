package hostnet

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ourAlias is what the links that we set up are called beside their names (ip-link(8), "alias").
const ourAlias = "postern"

// view is what of the host's network matters to a tunnel, as text to be compared.
type view struct{ addresses, routes string }

// look reads it: the addresses of links that are up, and the routes and rules that use them. Left out are loopback, our
// tunnels, our routes, link-local addresses, and what the kernel keeps for itself.
func look(nl *netlink.Handle) (view, error) {
	links, err := linkList(nl)
	if err != nil {
		return view{}, fmt.Errorf("links: %w", err)
	}
	names := map[int]string{}
	for _, l := range links {
		at := l.Attrs()
		down := at.OperState == netlink.OperDown || at.OperState == netlink.OperLowerLayerDown
		if at.Flags&net.FlagUp != 0 && at.Flags&net.FlagLoopback == 0 && !down && at.Alias != ourAlias {
			names[at.Index] = at.Name
		}
	}
	addresses, err := lookAddresses(nl, names)
	if err != nil {
		return view{}, err
	}
	routes, err := lookRoutes(nl, names)
	return view{addresses, routes}, err
}

func lookAddresses(nl *netlink.Handle, names map[int]string) (string, error) {
	all, err := addrList(nl, nil)
	if err != nil {
		return "", fmt.Errorf("addresses: %w", err)
	}
	var out []string
	for _, a := range all {
		usable := a.Flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) == 0 || a.Flags&unix.IFA_F_OPTIMISTIC != 0
		if name := names[a.LinkIndex]; name != "" && usable && !a.IP.IsLinkLocalUnicast() {
			out = append(out, fmt.Sprint(a.LinkIndex, name, a.IPNet))
		}
	}
	return sorted(out), nil
}

func lookRoutes(nl *netlink.Handle, names map[int]string) (string, error) {
	all, err := whole(func() ([]netlink.Route, error) {
		return nl.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	})
	if err != nil {
		return "", fmt.Errorf("routes: %w", err)
	}
	var out []string
	for _, r := range all {
		if r.Table == unix.RT_TABLE_LOCAL || r.Protocol == routeProtocol || r.Type != unix.RTN_UNICAST ||
			r.LinkIndex != 0 && names[r.LinkIndex] == "" || r.Flags&unix.RTM_F_CLONED != 0 || isLinkLocal(r.Dst) {
			continue
		}
		out = append(out, fmt.Sprint(r.Table, r.Dst, r.LinkIndex, r.Gw, r.Via, r.MultiPath, r.Priority, r.Src,
			r.Flags&(unix.RTNH_F_DEAD|unix.RTNH_F_LINKDOWN)))
	}
	rules, err := whole(func() ([]netlink.Rule, error) { return nl.RuleList(netlink.FAMILY_ALL) })
	if err != nil {
		return "", fmt.Errorf("rules: %w", err)
	}
	for _, r := range rules {
		out = append(out, fmt.Sprint(r.Family, r))
	}
	return sorted(out), nil
}

func isLinkLocal(n *net.IPNet) bool { return n != nil && n.IP.IsLinkLocalUnicast() }

func sorted(lines []string) string {
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
