package hostcmd

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Windows is Windows 10 and later; folder is its system folder, C:\Windows\System32. What is made is in the active store
// and ends with the boot, but for the rules of name resolution.
func Windows(folder string) System {
	w := windowsCommands{folder}
	return System{Plan: w.plan, Table: w.table}
}

type windowsCommands struct{ folder string }

func (w windowsCommands) netsh(words ...string) Command {
	return Command{Argv: append([]string{w.folder + `\netsh.exe`, "interface"}, words...)}
}

// powershell is a script for PowerShell; words from elsewhere in it are quoted.
func (w windowsCommands) powershell(script string) Command {
	return Command{Argv: []string{
		w.folder + `\WindowsPowerShell\v1.0\powershell.exe`, "-NoProfile", "-NonInteractive", "-Command",
		"$ErrorActionPreference='Stop';[Console]::OutputEncoding=[Text.Encoding]::UTF8;" + script,
	}}
}

// quoted is a list of PowerShell's literals, in which only the apostrophe means something (about_Quoting_Rules); there are
// four more that it takes for one.
func quoted(words ...string) string {
	var all []string
	for _, word := range words {
		for _, apostrophe := range []string{"'", "\u2018", "\u2019", "\u201a", "\u201b"} {
			word = strings.ReplaceAll(word, apostrophe, apostrophe+apostrophe)
		}
		all = append(all, "'"+word+"'")
	}
	return strings.Join(all, ",")
}

// protocol is how netsh calls an address's.
func protocol(a netip.Addr) string {
	if a.Is4() {
		return "ipv4"
	}
	return "ipv6"
}

func (w windowsCommands) plan(t Tunnel) (steps []Step, warnings []string) {
	six := slices.ContainsFunc(t.Addresses, netip.Addr.Is6)
	if t.MTU > 0 {
		mtu := []Command{w.netsh("ipv4", "set", "subinterface", t.Interface, "mtu="+strconv.Itoa(t.MTU), "store=active")}
		if six {
			mtu = append(mtu, w.netsh("ipv6", "set", "subinterface", t.Interface, "mtu="+strconv.Itoa(t.MTU), "store=active"))
		}
		steps = append(steps, Step{Slot: "device", Do: mtu})
	}
	for _, a := range t.Addresses {
		add := w.netsh("ipv4", "add", "address", "name="+t.Interface, "address="+a.String(), "mask=255.255.255.255", "store=active")
		if a.Is6() {
			add = w.netsh("ipv6", "add", "address", "interface="+t.Interface, "address="+a.String()+"/128", "store=active")
		}
		steps = append(steps, Step{Slot: "address " + a.String(), Do: []Command{add}})
	}
	if t.Gateway.IsValid() {
		p := netip.PrefixFrom(t.Gateway, t.Gateway.BitLen())
		steps = append(steps, w.route(p, strconv.Itoa(t.Way.Index), &Target{Dst: p, Interface: t.Way.Interface, Via: t.Way.Via}))
	}
	for _, p := range t.Routes {
		steps = append(steps, w.route(p, t.Interface, &Target{Dst: p, Interface: t.Interface}))
	}
	if t.BlockIPv6 {
		for _, half := range []string{"::/1", "8000::/1"} {
			// Interface 1 is the loopback: what is sent there for somebody else is dropped.
			p := netip.MustParsePrefix(half)
			steps = append(steps, w.route(p, "1", &Target{Dst: p}))
		}
	}
	if len(t.DNS) > 0 {
		steps = append(steps, w.dns(t))
	}
	if len(t.Search) > 0 {
		steps = append(steps, Step{Slot: "search domain", Do: []Command{w.powershell(
			"Set-DnsClient -InterfaceAlias " + quoted(t.Interface) + " -ConnectionSpecificSuffix " + quoted(t.Search[0]),
		)}})
	}
	for _, domain := range t.Search[min(1, len(t.Search)):] {
		warnings = append(warnings, fmt.Sprintf("Windows completes short names with one domain of a connection: %s is left out", domain))
	}
	return steps, warnings
}

func (w windowsCommands) route(p netip.Prefix, link string, target *Target) Step {
	words := []string{"route", "prefix=" + p.String(), "interface=" + link}
	if target.Via.IsValid() {
		words = append(words, "nexthop="+target.Via.WithZone("").String())
	}
	words = append(words, "store=active")
	return Step{
		Slot: "route to " + p.String(), Route: target,
		Do:   []Command{w.netsh(append([]string{protocol(p.Addr()), "add"}, append(words, "metric=0")...)...)},
		Undo: []Command{w.netsh(append([]string{protocol(p.Addr()), "delete"}, words...)...)},
	}
}

// dns is a rule of the Name Resolution Policy Table: names below these are asked of the tunnel's servers and of no others.
// The rule for "." is about all names.
func (w windowsCommands) dns(t Tunnel) Step {
	spaces := []string{"."}
	if len(t.Split) > 0 {
		spaces = nil
		for _, domain := range t.Split {
			spaces = append(spaces, "."+domain, domain)
		}
	}
	var servers []string
	for _, a := range t.DNS {
		servers = append(servers, a.String())
	}
	mark := quoted("postern " + t.Interface)
	return Step{
		Slot: "name servers",
		Do: []Command{w.powershell("Add-DnsClientNrptRule -Namespace " + quoted(spaces...) + " -NameServers " + quoted(servers...) +
			" -Comment " + mark + ";Clear-DnsClientCache")},
		Undo: []Command{w.powershell("Get-DnsClientNrptRule|Where-Object Comment -eq " + mark + "|Remove-DnsClientNrptRule -Force;Clear-DnsClientCache")},
	}
}

func (w windowsCommands) table(ctx context.Context, run Run) (all []Route, err error) {
	out, err := run(ctx, w.powershell("ConvertTo-Json -Compress @(Get-NetRoute -PolicyStore ActiveStore|"+
		"Select-Object DestinationPrefix,NextHop,InterfaceIndex,InterfaceAlias,RouteMetric,InterfaceMetric)"))
	if err != nil {
		return nil, fmt.Errorf("routes: %w", err)
	}
	var found []struct {
		DestinationPrefix, NextHop, InterfaceAlias   string
		InterfaceIndex, RouteMetric, InterfaceMetric int
	}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(strings.TrimSpace(out), "\ufeff")), &found); err != nil {
		return nil, fmt.Errorf("routes: %w", err)
	}
	for _, f := range found {
		dst, err := netip.ParsePrefix(f.DestinationPrefix)
		if err != nil {
			continue
		}
		r := Route{Dst: dst.Masked(), Interface: f.InterfaceAlias, Index: f.InterfaceIndex, Metric: f.RouteMetric + f.InterfaceMetric}
		if via, err := netip.ParseAddr(f.NextHop); err == nil && !via.IsUnspecified() {
			r.Via = via
		}
		all = append(all, r)
	}
	return all, nil
}
