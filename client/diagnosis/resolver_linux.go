package diagnosis

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// readResolver reads /etc/resolv.conf, and asks systemd-resolved where it runs.
func readResolver(ctx context.Context) resolver {
	const path = "/etc/resolv.conf"
	var r resolver
	if target, err := filepath.EvalSymlinks(path); err == nil {
		r.file = target
	}
	if text, err := os.ReadFile(path); err == nil {
		r.text = string(text)
	}
	r.servers = nameServers(r.text)
	r.links = askResolved(ctx)
	return r
}

// nameServers are those of a resolv.conf(5).
func nameServers(text string) (servers []netip.Addr) {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "nameserver" {
			if a, err := netip.ParseAddr(f[1]); err == nil {
				servers = append(servers, a)
			}
		}
	}
	return servers
}

// askResolved reads what systemd-resolved knows of each interface
// (org.freedesktop.resolve1(5), properties DNS and Domains of the manager); nil: it
// doesn't answer. It isn't started for that.
func askResolved(ctx context.Context) map[string]linkDNS {
	ctx, cancel := within(ctx, 3*time.Second)
	defer cancel()
	bus, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return nil
	}
	defer bus.Close()
	const name = "org.freedesktop.resolve1"
	var runs bool
	if bus.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, name).Store(&runs) != nil || !runs {
		return nil
	}
	o := bus.Object(name, "/org/freedesktop/resolve1")
	property := func(p string, into any) error {
		var v dbus.Variant
		if err := o.CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, name+".Manager", p).Store(&v); err != nil {
			return err
		}
		return v.Store(into)
	}
	var servers []struct {
		Link, Family int32
		Address      []byte
	}
	var domains []struct {
		Link        int32
		Domain      string
		RoutingOnly bool
	}
	if property("DNS", &servers) != nil || property("Domains", &domains) != nil {
		return nil
	}
	out := map[string]linkDNS{}
	of := func(index int32) string {
		if i, err := net.InterfaceByIndex(int(index)); err == nil {
			return i.Name
		}
		return "" // the whole system's
	}
	for _, s := range servers {
		if a, ok := netip.AddrFromSlice(s.Address); ok {
			l := out[of(s.Link)]
			l.servers = append(l.servers, a.Unmap())
			out[of(s.Link)] = l
		}
	}
	for _, d := range domains {
		l := out[of(d.Link)]
		if d.RoutingOnly {
			l.routing = append(l.routing, d.Domain)
		} else {
			l.search = append(l.search, d.Domain)
		}
		out[of(d.Link)] = l
	}
	return out
}
