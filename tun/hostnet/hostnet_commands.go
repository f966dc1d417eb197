//go:build darwin || windows

package hostnet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"postern/tun/hostnet/hostcmd"
)

// host is the machine, and what one tunnel has of it.
type host struct {
	hostcmd.Host
	config Config // in force
}

// commandTime is for how long a command of the system's may run.
const commandTime = 30 * time.Second

func open(stateDir string) (*host, error) {
	system, err := commands()
	if err != nil {
		return nil, err
	}
	self, err := process(os.Getpid())
	if err != nil {
		return nil, fmt.Errorf("this process: %w", err)
	}
	return &host{Host: hostcmd.Host{System: system, Run: runCommand, Dir: stateDir, Self: self, Alive: alive}}, nil
}

// alive says whether a process runs that process described so.
func alive(owner string) bool {
	var pid int
	if _, err := fmt.Sscan(owner, &pid); err != nil {
		return false
	}
	now, err := process(pid)
	return err == nil && now == owner
}

// runCommand runs a command of the system's.
func runCommand(ctx context.Context, c hostcmd.Command) (string, error) {
	ctx, stop := context.WithTimeout(ctx, commandTime)
	defer stop()
	cmd := prepared(ctx, c.Argv)
	cmd.Stdin = strings.NewReader(c.Input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		said := strings.Join(strings.Fields(strings.ToValidUTF8(string(out), "?")), " ")
		return "", fmt.Errorf("%s: %w: %.300s", c.Argv[0], err, said)
	}
	return string(out), nil
}

// Apply makes the host's network fit c: all of it, or nothing and an error. The folder stateDir is made if need be; it
// shall outlive the process and, on Windows, the boot. What dead processes left there is put back first.
func Apply(ctx context.Context, c Config, stateDir string) (*Applied, error) {
	h, err := open(stateDir)
	if err != nil {
		return nil, err
	}
	a := &Applied{host: h}
	if err := h.Recover(ctx); err != nil {
		a.warn("what an earlier run left: %v", err)
	}
	t, err := a.tunnel(ctx, c)
	if err != nil {
		return nil, err
	}
	warnings, err := h.Apply(ctx, t)
	if err != nil {
		return nil, err
	}
	a.warnings, a.file = append(a.warnings, warnings...), c.Interface
	return a, nil
}

func (a *Applied) warn(format string, args ...any) {
	a.warnings = append(a.warnings, fmt.Sprintf(format, args...))
}

// tunnel decides what c comes to on this host at present.
func (a *Applied) tunnel(ctx context.Context, c Config) (t hostcmd.Tunnel, err error) {
	c, warnings := c.Clean()
	a.warnings = append(a.warnings, warnings...)
	if _, err := net.InterfaceByName(c.Interface); err != nil {
		return t, fmt.Errorf("interface %q: %w", c.Interface, err)
	}
	lans, err := connected(c.Interface)
	if err != nil {
		return t, err
	}
	install, lost := tunnelRoutes(c.Routes, c.Exclude, lans, c.Prefer, c.LocalLAN)
	a.routes = subtract(subtract(c.Routes, c.Exclude), lost)
	for _, p := range lost {
		a.warn("%s is a network of this host and stays outside the tunnel", p)
	}
	t = hostcmd.Tunnel{
		Interface: c.Interface, MTU: c.MTU, Routes: install, Gateway: c.Gateway.Unmap(), DNS: c.DNS, Search: c.Search, Split: c.SplitDNS,
	}
	for _, p := range c.Addresses {
		address := p.Addr().Unmap()
		if t.Addresses = append(t.Addresses, address); address.Is6() && c.MTU > 0 {
			t.MTU = max(t.MTU, 1280) // no link with less has IPv6 (RFC 8200, section 5)
		}
	}
	full := func(p netip.Prefix) func(netip.Prefix) bool { return func(q netip.Prefix) bool { return q == p } }
	all := join(slices.Concat(c.Routes, c.Exclude))
	t.BlockIPv6 = c.BlockIPv6 && slices.ContainsFunc(all, full(everything)) && !slices.ContainsFunc(all, full(netip.PrefixFrom(netip.IPv6Unspecified(), 0)))
	if t.Gateway.IsValid() {
		if t.Way, err = a.host.Way(ctx, t.Gateway, c.Interface); err != nil {
			return t, fmt.Errorf("the way to %s: %w", t.Gateway, err)
		}
		if t.Way.Dst.IsSingleIP() && !t.Way.Via.IsValid() {
			t.Gateway = netip.Addr{} // this host itself, or one with a route of its own
		}
	}
	if len(c.DNS) > 0 {
		a.resolver = resolverName
	}
	a.host.config = c
	return t, nil
}

// connected are the networks of the host's interfaces, but for one.
func connected(except string) (all []netip.Prefix, err error) {
	links, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("interfaces: %w", err)
	}
	for _, l := range links {
		if l.Name == except || l.Flags&net.FlagUp == 0 || l.Flags&net.FlagLoopback != 0 {
			continue
		}
		for _, p := range addresses(l) {
			if !p.IsSingleIP() {
				all = append(all, p.Masked())
			}
		}
	}
	return all, nil
}

// addresses are those of an interface, with the lengths of their networks; none if it went meanwhile.
func addresses(l net.Interface) (all []netip.Prefix) {
	found, _ := l.Addrs()
	for _, a := range found {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		address, ok := netip.AddrFromSlice(n.IP)
		if bits, _ := n.Mask.Size(); ok {
			all = append(all, netip.PrefixFrom(address.Unmap(), bits))
		}
	}
	return all
}

// again has the host's network fit c, which is the Config in force, changed.
func (a *Applied) again(ctx context.Context, c Config) error {
	if a.file == "" {
		return errors.New("the host's network is restored already")
	}
	next := &Applied{host: a.host, file: a.file}
	before := a.host.config
	t, err := next.tunnel(ctx, c)
	if err != nil {
		a.host.config = before
		return err
	}
	warnings, err := a.host.Change(ctx, t)
	if err != nil {
		return err
	}
	a.warnings, a.routes, a.resolver = append(next.warnings, warnings...), next.routes, next.resolver
	return nil
}

// Update makes the host's network fit another Config of the same Interface, and changes only what differs. After an error
// the host is between the two; Restore puts it back.
func (a *Applied) Update(ctx context.Context, c Config) error {
	if c.Interface != a.host.config.Interface {
		return fmt.Errorf("interface %q: the tunnel has %q", c.Interface, a.host.config.Interface)
	}
	return a.again(ctx, c)
}

// SetGateway moves the way to the gateway: to another gateway, or to the same one over another uplink. Where there is no
// way at present it says so and changes nothing.
func (a *Applied) SetGateway(ctx context.Context, gateway netip.Addr) error {
	c := a.host.config
	c.Gateway = gateway
	return a.again(ctx, c)
}

// SetMTU sets the MTU of the TUN device, in octets. With an IPv6 address of ours it is 1280 at least.
func (a *Applied) SetMTU(mtu int) error {
	c := a.host.config
	c.MTU = mtu
	return a.again(context.Background(), c)
}

// Restore puts everything back as it was. It may be called again: after a success it does nothing, after a failure it
// tries again.
func (a *Applied) Restore() error {
	if a.file == "" {
		return nil
	}
	if err := a.host.Restore(context.Background(), a.file); err != nil {
		return err
	}
	a.file = ""
	return nil
}

// Recover puts back what processes that are dead left behind. It is called at the start, before the first Apply.
func Recover(stateDir string) error {
	if _, err := os.Stat(stateDir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	h, err := open(stateDir)
	if err != nil {
		return err
	}
	return h.Recover(context.Background())
}

// WayTo says how packets to a gateway would leave the host now, if neither the interfaces named nor the way that Apply
// made to it were there.
func WayTo(gateway netip.Addr, except ...string) (Way, error) {
	h, err := open("")
	if err != nil {
		return Way{}, err
	}
	gateway = gateway.Unmap()
	if isLocal(gateway) {
		return Way{Source: gateway, Local: true}, nil
	}
	r, err := h.Way(context.Background(), gateway, except...)
	if err != nil {
		return Way{}, fmt.Errorf("the way to %s: %w", gateway, err)
	}
	w := Way{Interface: r.Interface, Via: r.Via}
	link, err := net.InterfaceByName(r.Interface)
	if err != nil {
		return Way{}, fmt.Errorf("the way to %s: interface %q: %w", gateway, r.Interface, err)
	}
	w.MTU = link.MTU
	next := r.Via
	if !next.IsValid() {
		next = gateway
	}
	for _, p := range addresses(*link) {
		if p.Addr().Is4() != gateway.Is4() || p.Addr().IsLinkLocalUnicast() {
			continue
		}
		if !w.Source.IsValid() || p.Contains(next) {
			w.Source = p.Addr()
		}
	}
	return w, nil
}

// isLocal says whether an address is one of this host's.
func isLocal(a netip.Addr) bool {
	links, _ := net.Interfaces()
	return a.IsLoopback() || slices.ContainsFunc(links, func(l net.Interface) bool {
		return slices.ContainsFunc(addresses(l), func(p netip.Prefix) bool { return p.Addr() == a })
	})
}
