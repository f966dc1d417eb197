package tun

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// country is a row of hosts, each in a network namespace of its own: a client, two
// routers and a gateway. The link between the routers is narrower than the others:
//
//	client 192.0.2.2 -- 192.0.2.1 a 10.0.0.1 -- 10.0.0.2 b 198.51.100.1 -- 198.51.100.2 gateway
//
// and 2001:db8:1::2 … 2001:db8:2::2. The calling goroutine keeps its thread.
type country struct{ client, a, b, gateway netns.NsHandle }

// newCountry makes the hosts. quiet: the ends don't hear routers that say a packet was
// too large, as behind a firewall.
func newCountry(t *testing.T, link, narrow int, quiet bool) *country {
	t.Helper()
	if os.Geteuid() != 0 {
		cannot(t, "network namespaces take root")
	}
	runtime.LockOSThread() // and never unlocked: the thread isn't to be used again
	c := &country{}
	for _, ns := range []*netns.NsHandle{&c.client, &c.a, &c.b, &c.gateway} {
		var err error
		if *ns, err = netns.New(); err != nil {
			cannot(t, "no network namespace: %v", err)
		}
		t.Cleanup(func() { ns.Close() })
		check(t, up("lo"))
		for _, name := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
			check(t, os.WriteFile("/proc/sys/net/"+name, []byte("1"), 0))
		}
	}
	c.cable(t, c.client, c.a, link, "192.0.2.2/24 2001:db8:1::2/64", "192.0.2.1/24 2001:db8:1::1/64")
	c.cable(t, c.a, c.b, narrow, "10.0.0.1/24 fd00:0:0:1::1/64", "10.0.0.2/24 fd00:0:0:1::2/64")
	c.cable(t, c.b, c.gateway, link, "198.51.100.1/24 2001:db8:2::1/64", "198.51.100.2/24 2001:db8:2::2/64")
	for _, r := range []struct {
		host netns.NsHandle
		via  string
	}{{c.client, "192.0.2.1"}, {c.client, "2001:db8:1::1"}, {c.a, "10.0.0.2"}, {c.a, "fd00:0:0:1::2"}, {c.b, "10.0.0.1"}, {c.b, "fd00:0:0:1::1"}, {c.gateway, "198.51.100.1"}, {c.gateway, "2001:db8:2::1"}} {
		c.at(t, r.host, func() { check(t, netlink.RouteAdd(&netlink.Route{Gw: net.ParseIP(r.via)})) })
	}
	if quiet {
		for _, host := range []netns.NsHandle{c.client, c.gateway} {
			c.at(t, host, func() {
				rules := "add table inet quiet; add chain inet quiet in { type filter hook input priority 0; };" +
					"add rule inet quiet in icmp type destination-unreachable drop; add rule inet quiet in icmpv6 type packet-too-big drop"
				if out, err := exec.CommandContext(t.Context(), "nft", rules).CombinedOutput(); err != nil {
					cannot(t, "nft: %v %s", err, out)
				}
			})
		}
	}
	check(t, netns.Set(c.client))
	return c
}

// at does something on one of the hosts.
func (c *country) at(t *testing.T, host netns.NsHandle, do func()) {
	t.Helper()
	back, err := netns.Get()
	check(t, err)
	defer back.Close()
	check(t, netns.Set(host))
	do()
	check(t, netns.Set(back))
}

// cable joins two hosts.
func (c *country) cable(t *testing.T, one, other netns.NsHandle, mtu int, addresses, others string) {
	t.Helper()
	c.at(t, one, func() {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU = fmt.Sprintf("to%d", int(other)), mtu
		peer := fmt.Sprintf("to%d", int(one))
		check(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: peer, PeerMTU: uint32(mtu), PeerNamespace: netlink.NsFd(int(other))}))
		check(t, up(attrs.Name, strings.Fields(addresses)...))
		c.at(t, other, func() { check(t, up(peer, strings.Fields(others)...)) })
	})
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// crossing is a tunnel across the country: a device of the system at the client, a
// netstack behind the gateway.
type crossing struct {
	client, behind *Tunnel
	stack          *Net
	path           *PathMTU
	ipv6           bool
}

var clientInside, behindInside = netip.MustParseAddr("10.9.0.2"), netip.MustParseAddr("10.20.0.1")

// inner is what fits an outer packet.
func (x *crossing) inner(outer int) int {
	ip := ipv4HeaderLen
	if x.ipv6 {
		ip = ipv6HeaderLen
	}
	return suite.MaxInner(outer - ip - 8)
}

func (c *country) cross(t *testing.T, link int, ipv6 bool) *crossing {
	t.Helper()
	x := &crossing{path: NewPathMTU(link, ipv6), ipv6: ipv6}
	ends := [2]netip.AddrPort{netip.MustParseAddrPort("192.0.2.2:40000"), netip.MustParseAddrPort("198.51.100.2:4500")}
	if ipv6 {
		ends = [2]netip.AddrPort{netip.MustParseAddrPort("[2001:db8:1::2]:40000"), netip.MustParseAddrPort("[2001:db8:2::2]:4500")}
	}
	dev, err := OpenTUN("ptun0", x.inner(link))
	check(t, err)
	other, stack, err := OpenNetstack([]netip.Addr{behindInside}, nil, 8900)
	check(t, err)
	x.client, x.behind, x.stack = New(dev), New(other), stack
	check(t, up("ptun0", clientInside.String()+"/16"))
	tunnel, err := netlink.LinkByName("ptun0")
	check(t, err)
	check(t, netlink.RouteAdd(&netlink.Route{LinkIndex: tunnel.Attrs().Index, Dst: &net.IPNet{IP: behindInside.AsSlice(), Mask: net.CIDRMask(32, 32)}}))
	host, err := netlink.NewHandle()
	check(t, err)

	near, err := ListenUDP(ends[0], ByRemotePort)
	check(t, err)
	var far *Carrier
	c.at(t, c.gateway, func() { far, err = ListenUDP(ends[1], Encapsulated) })
	check(t, err)
	near.OnPathMTU(func(remote netip.Addr, mtu int) {
		if remote == ends[1].Addr() {
			x.path.Reported(mtu)
		}
	})
	x.client.OnBlackHole(x.path.BlackHole)
	near.Attach(x.client)
	far.Attach(x.behind)
	here, there := selectors(clientInside.String()+"/32"), selectors(behindInside.String()+"/32")
	check(t, x.client.Add(newPair(t, 1, 2, here, there, func(p [][]byte) error { return near.SendESP(p, Path{Remote: ends[1], Marker: true}) })))
	check(t, x.behind.Add(newPair(t, 2, 1, there, here, func(p [][]byte) error { return far.SendESP(p, Path{Remote: ends[0], Marker: true}) })))

	var serving sync.WaitGroup
	for _, serve := range []func() error{
		x.client.Serve, x.behind.Serve,
		func() error { return near.Serve(func([]byte, Path) {}) }, func() error { return far.Serve(func([]byte, Path) {}) },
		func() error {
			for outer := range x.path.Changed() {
				x.client.SetMTU(x.inner(outer))
				if err := host.LinkSetMTU(tunnel, x.inner(outer)); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		serving.Go(func() {
			if err := serve(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() {
		x.path.Close()
		x.client.Close()
		x.behind.Close()
		near.Close()
		far.Close()
		serving.Wait()
		host.Close()
	})
	for tries := 0; !x.client.Echo(t.Context(), clientInside, behindInside, 100); tries++ { // IPv6 takes its time
		if tries == 10 {
			t.Fatal("nothing passes")
		}
	}
	return x
}

// TestPathMTUOutside sends TCP both ways across paths of all sizes, over IPv4 and IPv6,
// with routers that say what is too large and without.
func TestPathMTUOutside(t *testing.T) {
	for _, test := range []struct {
		link, narrow int
		ipv6, quiet  bool
		want         int // what is known in the end
		short        bool
	}{
		{1500, 1500, false, false, 1500, true},
		{1500, 1500, true, false, 1500, false},
		{1500, 1480, false, false, 1480, false},
		{1500, 1400, true, false, 1400, false},
		{1500, 1280, false, false, 1280, true},
		{1500, 1280, true, false, 1280, true},
		{9000, 9000, false, false, 9000, true},
		{9000, 9000, true, false, 9000, false},
		{9000, 1500, false, false, 1500, false},
		{1500, 1450, false, true, 1280, true},
		{1500, 1400, true, true, 1280, false},
		{1500, 1280, false, true, 1280, false},
		{1500, 1280, true, true, 1280, false},
		{9000, 1500, false, true, 1280, false},
	} {
		name := fmt.Sprintf("%d over %d, IPv6 %t, quiet %t", test.narrow, test.link, test.ipv6, test.quiet)
		t.Run(name, func(t *testing.T) {
			if testing.Short() && !test.short {
				t.Skip("one of many")
			}
			t.Parallel()
			c := newCountry(t, test.link, test.narrow, test.quiet)
			x := c.cross(t, test.link, test.ipv6)
			ctx, cancel := context.WithCancel(t.Context())
			var small sync.WaitGroup
			small.Go(func() { // something small goes to and fro all the time
				for ctx.Err() == nil {
					x.client.Echo(ctx, clientInside, behindInside, 100)
					time.Sleep(100 * time.Millisecond)
				}
			})
			defer small.Wait()
			defer cancel()
			x.upload(t, 300_000)
			x.download(t, 300_000)
			if got := x.path.MTU(); got != test.want {
				t.Errorf("the path is found to carry %d octets, want %d", got, test.want)
			}
			drops := x.client.Stats().Out.Drops
			drops.TooBig = 0 // until the sender heard
			if drops.Send+drops.Malformed+drops.Exhausted > 0 {
				t.Errorf("dropped %+v", drops)
			}
		})
	}
}

// upload sends to the stack behind the gateway.
func (x *crossing) upload(t *testing.T, size int) {
	t.Helper()
	x.connect(t, 80, func(client, behind net.Conn) (from, to net.Conn) { return client, behind }, size)
}

// download has it send to us, on a connection of its own.
func (x *crossing) download(t *testing.T, size int) {
	t.Helper()
	x.connect(t, 81, func(client, behind net.Conn) (from, to net.Conn) { return behind, client }, size)
}

func (x *crossing) connect(t *testing.T, port int, order func(client, behind net.Conn) (from, to net.Conn), size int) {
	t.Helper()
	address := fmt.Sprintf("%v:%d", behindInside, port)
	l, err := x.stack.Listen("tcp", address)
	check(t, err)
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			accepted <- conn
		}
	}()
	client, err := dialHere(address)
	check(t, err)
	defer client.Close()
	behind := <-accepted
	defer behind.Close()
	from, to := order(client, behind)
	limit := time.Now().Add(2 * time.Minute)
	_, _ = from.SetDeadline(limit), to.SetDeadline(limit)
	sent := make(chan error, 1)
	go func() {
		_, err := from.Write(make([]byte, size))
		sent <- err
	}()
	if n, err := io.CopyN(io.Discard, to, int64(size)); err != nil {
		t.Errorf("%d octets of %d arrived: %v", n, size, err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// TestPathMTUSearched asks before anybody sends something large, so that what comes
// from behind the gateway arrives as well.
func TestPathMTUSearched(t *testing.T) {
	for _, ipv6 := range []bool{false, true} {
		t.Run(fmt.Sprintf("IPv6 %t", ipv6), func(t *testing.T) {
			if testing.Short() {
				t.Skip("waits for answers that don't come")
			}
			t.Parallel()
			c := newCountry(t, 1500, 1300, true)
			x := c.cross(t, 1500, ipv6)
			x.path.Search(t.Context(), func(ctx context.Context, outer int) bool {
				return x.client.Echo(ctx, clientInside, behindInside, x.inner(outer))
			})
			if got := x.path.MTU(); got != 1280 {
				t.Fatalf("the path is found to carry %d octets, want 1280", got)
			}
			for end := time.Now().Add(time.Minute); int(x.client.mtu.Load()) != x.inner(1280); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the tunnel isn't told")
				}
			}
			x.download(t, 300_000)
		})
	}
}

// TestRawESPPathMTU hears of it for IP protocol 50.
func TestRawESPPathMTU(t *testing.T) {
	newCountry(t, 1500, 1300, false)
	for _, test := range []struct{ local, remote string }{{"192.0.2.2", "198.51.100.2"}, {"2001:db8:1::2", "2001:db8:2::2"}} {
		raw, err := ListenRawESP(netip.MustParseAddr(test.local))
		check(t, err)
		reports := make(chan int, 16)
		raw.OnPathMTU(func(remote netip.Addr, mtu int) {
			if remote == netip.MustParseAddr(test.remote) {
				reports <- mtu
			}
		})
		var serving sync.WaitGroup
		serving.Go(func() {
			if err := raw.Serve(); err != nil {
				t.Error(err)
			}
		})
		packet := make([]byte, 1400)
		packet[3] = 1
		for end := time.Now().Add(time.Minute); ; {
			check(t, raw.SendESP([][]byte{packet}, Path{Remote: netip.AddrPortFrom(netip.MustParseAddr(test.remote), 0)}))
			select {
			case mtu := <-reports:
				if mtu != 1300 {
					t.Errorf("%s: told of %d, want 1300", test.remote, mtu)
				}
			case <-time.After(100 * time.Millisecond):
				if time.Now().Before(end) {
					continue
				}
				t.Errorf("%s: told of nothing", test.remote)
			}
			break
		}
		if err := raw.LastError(); err != nil {
			t.Errorf("%s: taken for an error: %v", test.remote, err)
		}
		check(t, raw.Close())
		serving.Wait()
	}
}
