package diagnosis

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"postern/tun/hostnet"
)

// gather looks at the machine. It needs no privileges; with them it sees more.
func gather(ctx context.Context) *facts {
	f := &facts{system: systemName(), now: time.Now(), built: builtAt(), linux: true, netAdmin: mayMakeTunnels(), synced: clockSynced()}
	if tun, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0); err != nil {
		f.tun = err
	} else {
		tun.Close()
	}
	f.holders = portHolders("/proc", ikePort, nattPort)
	f.links, f.routes, f.rules = network()
	f.resolver = readResolver(ctx)
	f.wayOut = wayOut
	return f
}

// systemName is the distribution, the kernel and the machine.
func systemName() string {
	name := "Linux"
	if text, err := os.ReadFile("/etc/os-release"); err == nil {
		for line := range strings.Lines(string(text)) {
			if v, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
				name = strings.Trim(v, `"'`)
			}
		}
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		name += ", Linux " + unix.ByteSliceToString(u.Release[:])
	}
	return name + ", " + runtime.GOARCH
}

// mayMakeTunnels says whether we have CAP_NET_ADMIN (capabilities(7)).
func mayMakeTunnels() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_NET_ADMIN) != 0
}

// clockSynced is what the kernel was told by what keeps the time (adjtimex(2)).
func clockSynced() *bool {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return nil
	}
	const timeError = 5
	synced := state != timeError && t.Status&unix.STA_UNSYNC == 0
	return &synced
}

// portHolders finds who has UDP ports, below /proc (proc_net(5)).
func portHolders(proc string, ports ...uint16) (found []holder) {
	inodes := map[string]uint16{}
	for _, file := range []string{"net/udp", "net/udp6"} {
		text, err := os.Open(filepath.Join(proc, file))
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(text); lines.Scan(); {
			fields := strings.Fields(lines.Text())
			if len(fields) < 10 {
				continue
			}
			_, hex, ok := strings.Cut(fields[1], ":")
			port, err := strconv.ParseUint(hex, 16, 16)
			if !ok || err != nil {
				continue
			}
			for _, p := range ports {
				if uint16(port) == p {
					inodes[fields[9]] = p
				}
			}
		}
		text.Close()
	}
	seen := map[holder]bool{}
	for inode, port := range inodes {
		h := holder{port: port}
		h.pid, h.program = socketOwner(proc, inode)
		if !seen[h] {
			seen[h] = true
			found = append(found, h)
		}
	}
	return found
}

// socketOwner is the process that has a socket open, as far as we may see.
func socketOwner(proc, inode string) (pid int, program string) {
	fds, _ := filepath.Glob(filepath.Join(proc, "[0-9]*", "fd", "*"))
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err != nil || to != "socket:["+inode+"]" {
			continue
		}
		process := filepath.Dir(filepath.Dir(fd))
		pid, _ = strconv.Atoi(filepath.Base(process))
		name, _ := os.ReadFile(filepath.Join(process, "comm"))
		return pid, strings.TrimSpace(string(name))
	}
	return 0, ""
}

// network reads links, routes and rules over rtnetlink.
func network() (links []link, routes []route, rules []string) {
	names := map[int]string{}
	all, _ := netlink.LinkList()
	for _, l := range all {
		a := l.Attrs()
		names[a.Index] = a.Name
		out := link{name: a.Name, kind: kindOf(l), up: a.Flags&unix.IFF_UP != 0, mtu: a.MTU}
		addrs, _ := netlink.AddrList(l, netlink.FAMILY_ALL)
		for _, addr := range addrs {
			if ip, ok := netip.AddrFromSlice(addr.IP); ok {
				ones, _ := addr.Mask.Size()
				out.addresses = append(out.addresses, netip.PrefixFrom(ip.Unmap(), ones))
			}
		}
		links = append(links, out)
	}
	got, _ := netlink.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{}, netlink.RT_FILTER_TABLE)
	for _, r := range got {
		if r.Table != unix.RT_TABLE_LOCAL {
			routes = append(routes, readRoute(r, names))
		}
	}
	list, _ := netlink.RuleList(netlink.FAMILY_ALL)
	for _, r := range list {
		rules = append(rules, r.String())
	}
	return links, routes, rules
}

// kindOf is the kernel's word for the kind of a link. A ppp link has none.
func kindOf(l netlink.Link) string {
	kind := l.Type()
	if tuntap, ok := l.(*netlink.Tuntap); ok && tuntap.Mode == netlink.TUNTAP_MODE_TAP {
		return "tap"
	}
	if strings.HasPrefix(l.Attrs().Name, "ppp") {
		return "ppp"
	}
	return kind
}

func readRoute(r netlink.Route, names map[int]string) route {
	out := route{dev: names[r.LinkIndex], table: r.Table, metric: r.Priority}
	zero := netip.IPv4Unspecified()
	if r.Family == unix.AF_INET6 {
		zero = netip.IPv6Unspecified()
	}
	out.to = netip.PrefixFrom(zero, 0)
	if r.Dst != nil {
		if ip, ok := netip.AddrFromSlice(r.Dst.IP); ok {
			ones, _ := r.Dst.Mask.Size()
			out.to = netip.PrefixFrom(ip.Unmap(), ones)
		}
	}
	out.via, _ = netip.AddrFromSlice(r.Gw)
	out.via = out.via.Unmap()
	out.text = out.to.String()
	if out.via.IsValid() {
		out.text += " via " + out.via.String()
	}
	out.text += " dev " + out.dev
	if r.Type != unix.RTN_UNICAST {
		out.text += fmt.Sprintf(" type %d", r.Type)
	}
	if r.Table != unix.RT_TABLE_MAIN {
		out.text += fmt.Sprintf(" table %d", r.Table)
	}
	if r.Priority != 0 {
		out.text += fmt.Sprintf(" metric %d", r.Priority)
	}
	return out
}

// wayOut asks the kernel for its route to an address.
func wayOut(a netip.Addr) (string, error) {
	got, err := netlink.RouteGet(a.AsSlice())
	if err != nil {
		return "", err
	}
	if len(got) == 0 {
		return "", unix.ENETUNREACH
	}
	l, err := netlink.LinkByIndex(got[0].LinkIndex)
	if err != nil {
		return "", err
	}
	return l.Attrs().Name, nil
}

// pathMTU is the largest IP packet that goes to an address, as far as the kernel
// knows: its own interface's, or what a router told before. Nothing is sent.
func pathMTU(a netip.Addr, except ...string) (int, error) {
	w, err := hostnet.WayTo(a, except...)
	return w.MTU, err
}
