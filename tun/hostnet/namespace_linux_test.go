package hostnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// cannot skips the test, or fails it where POSTERN_REQUIRE_PEERS=1 asks for all that need more than a person has.
func cannot(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("POSTERN_REQUIRE_PEERS") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// isolate moves the calling test, alone on its thread, to network and mount namespaces of its own. The thread ends with
// the test. There are an uplink with the default route and a local network:
//
//	up0   192.0.2.10/24, 2001:db8::10/64; default via 192.0.2.1 and 2001:db8::1
//	lan0  192.168.1.5/24
func isolate(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		cannot(t, "needs root, to make a network namespace")
	}
	if _, err := os.Stat("/proc/sys/net/ipv6"); err != nil {
		t.Skip("needs a kernel with IPv6")
	}
	runtime.LockOSThread() // and never unlocked: the thread isn't to be used again
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS); err != nil {
		cannot(t, "can't make a network namespace: %v", err)
	}
	check(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	lo, err := netlink.LinkByName("lo")
	check(t, err)
	check(t, netlink.LinkSetUp(lo))
	uplink(t, "up0", "192.0.2.10/24", "2001:db8::10/64")
	uplink(t, "lan0", "192.168.1.5/24")
	defaultRoute(t, "up0", "192.0.2.1")
	defaultRoute(t, "up0", "2001:db8::1")
	kernelsRoutes(t, "up0", "up0-far", "lan0", "lan0-far")
}

// kernelsRoutes waits for what the kernel adds some time after it said that all is done: each device's multicast route, and
// our own address.
func kernelsRoutes(t *testing.T, devices ...string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		local, err := netlink.RouteListFiltered(netlink.FAMILY_V6, &netlink.Route{Table: unix.RT_TABLE_LOCAL}, netlink.RT_FILTER_TABLE)
		check(t, err)
		multicast, own := map[int]bool{}, false
		for _, r := range local {
			if r.Dst.String() == "ff00::/8" {
				multicast[r.LinkIndex] = true
			}
			own = own || r.Dst.String() == "2001:db8::10/128"
		}
		missing := slices.ContainsFunc(devices, func(name string) bool {
			link, err := netlink.LinkByName(name)
			check(t, err)
			return !multicast[link.Attrs().Index]
		})
		if own && !missing {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the namespace doesn't get its IPv6 routes")
		}
	}
}

// uplink makes a veth pair, both ends here and up, and gives the first one the addresses.
func uplink(t *testing.T, name string, addresses ...string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	check(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: name + "-far"}))
	for _, n := range []string{name, name + "-far"} {
		// No link-local addresses, which appear when they like.
		check(t, os.WriteFile("/proc/sys/net/ipv6/conf/"+n+"/addr_gen_mode", []byte("1"), 0))
		link, err := netlink.LinkByName(n)
		check(t, err)
		check(t, netlink.LinkSetUp(link))
		for _, a := range addresses {
			if n == name {
				check(t, netlink.AddrAdd(link, &netlink.Addr{IPNet: ipNetOf(a), Flags: unix.IFA_F_NODAD}))
			}
		}
	}
}

// ipNetOf keeps the host part.
func ipNetOf(s string) *net.IPNet { return ipNet(netip.MustParsePrefix(s)) }

func defaultRoute(t *testing.T, device, via string) {
	t.Helper()
	link, err := netlink.LinkByName(device)
	check(t, err)
	check(t, netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: net.ParseIP(via)}))
}

// openTUN makes a TUN device that lives until the returned file is closed, or the process dies.
func openTUN(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := tunDevice(name)
	if errors.Is(err, os.ErrNotExist) {
		cannot(t, "no /dev/net/tun")
	}
	check(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func tunDevice(name string) (*os.File, error) {
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	req, err := unix.NewIfreq(name)
	if err != nil {
		return nil, err
	}
	req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(int(f.Fd()), unix.TUNSETIFF, req); err != nil {
		return f, err
	}
	return f, os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/addr_gen_mode", []byte("1"), 0) // as with the uplinks
}

// testHost is this namespace with a resolv.conf of its own in a temporary folder and neither resolvconf nor a bus.
func testHost(t *testing.T, resolvConf string) *host {
	t.Helper()
	h, err := open(filepath.Join(t.TempDir(), "state"))
	check(t, err)
	h.resolvConf = filepath.Join(t.TempDir(), "resolv.conf")
	check(t, os.WriteFile(h.resolvConf, []byte(resolvConf), 0o640))
	check(t, os.Chmod(h.resolvConf, 0o755)) // as odd as they come
	h.resolvconf, h.bus = "", noBus
	return h
}

func noBus(context.Context) (*dbus.Conn, error) { return nil, errors.New("no bus here") }

// snapshot is all of the network that a tunnel may change: links, addresses, routes of all tables, rules, the folder of
// resolv.conf. Two of them are compared.
func snapshot(t *testing.T, h *host) string {
	t.Helper()
	var out []string
	links, err := netlink.LinkList()
	check(t, err)
	names := map[int]string{}
	for _, l := range links {
		at := l.Attrs()
		names[at.Index] = at.Name
		out = append(out, fmt.Sprintf("link %s mtu %d up %t", at.Name, at.MTU, at.Flags&net.FlagUp != 0))
	}
	addresses, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	check(t, err)
	for _, a := range addresses {
		out = append(out, fmt.Sprintf("address %s %s", names[a.LinkIndex], a.IPNet))
	}
	all := &netlink.Route{Table: unix.RT_TABLE_UNSPEC}
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_ALL, all, netlink.RT_FILTER_TABLE)
	check(t, err)
	for _, r := range routes {
		out = append(out, fmt.Sprintf("route %s table %d dev %s via %s src %s metric %d proto %d type %d scope %d",
			r.Dst, r.Table, names[r.LinkIndex], r.Gw, r.Src, r.Priority, r.Protocol, r.Type, r.Scope))
	}
	rules, err := netlink.RuleList(netlink.FAMILY_ALL)
	check(t, err)
	for _, r := range rules {
		out = append(out, "rule "+r.String())
	}
	slices.Sort(out)
	folder := filepath.Dir(h.resolvConf)
	entries, err := os.ReadDir(folder)
	check(t, err)
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(folder, e.Name()))
		check(t, err)
		st, err := os.Lstat(filepath.Join(folder, e.Name()))
		check(t, err)
		out = append(out, fmt.Sprintf("file %s %s %q", e.Name(), st.Mode(), b))
	}
	return strings.Join(out, "\n")
}

// device is the name of the device that a packet to the address leaves by, or the error's text.
func device(t *testing.T, to string) string {
	t.Helper()
	routes, err := netlink.RouteGet(net.ParseIP(to))
	if err != nil {
		return err.Error()
	}
	link, err := netlink.LinkByIndex(routes[0].LinkIndex)
	check(t, err)
	return link.Attrs().Name
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
