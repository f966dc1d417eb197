package hostcmd

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// said writes steps as a person would type them.
func said(steps []Step) string {
	var b strings.Builder
	line := func(mark string, all []Command) {
		for _, c := range all {
			fmt.Fprintf(&b, "%s %s\n", mark, strings.Join(c.Argv, " "))
			for in := range strings.Lines(c.Input) {
				fmt.Fprintf(&b, "    < %s", in)
			}
		}
	}
	for _, s := range steps {
		line("+", s.Do)
		line("-", s.Undo)
	}
	return b.String()
}

func addrs(all ...string) (out []netip.Addr) {
	for _, s := range all {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func nets(all ...string) (out []netip.Prefix) {
	for _, s := range all {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// office is a tunnel with everything that one can have.
var office = Tunnel{
	Interface: "vpn5", Addresses: addrs("10.20.0.10", "fd00:20::a"), MTU: 1380, Routes: nets("0.0.0.0/1", "128.0.0.0/1", "fd00:20::/64"),
	Gateway: netip.MustParseAddr("203.0.113.1"), Way: Route{Via: netip.MustParseAddr("192.168.1.1"), Interface: "en0", Index: 12},
	BlockIPv6: true, DNS: addrs("10.20.0.53", "10.20.0.54"), Search: []string{"office.example", "plant.example"},
}

func TestMacPlan(t *testing.T) {
	split := Tunnel{
		Interface: "utun5", Gateway: netip.MustParseAddr("192.168.1.9"), Way: Route{Interface: "en0"},
		DNS: addrs("10.20.0.53"), Split: []string{"office.example", "plant.example"},
	}
	for name, test := range map[string]struct {
		tunnel Tunnel
		want   string
	}{
		"all": {office, `+ /sbin/ifconfig vpn5 mtu 1380 up
+ /sbin/ifconfig vpn5 inet 10.20.0.10 10.20.0.10 netmask 255.255.255.255 alias
+ /sbin/ifconfig vpn5 inet6 fd00:20::a prefixlen 128 alias
+ /sbin/route -q -n add -inet 203.0.113.1/32 -gateway 192.168.1.1
- /sbin/route -q -n delete -inet 203.0.113.1/32 -gateway 192.168.1.1
+ /sbin/route -q -n add -inet 0.0.0.0/1 -interface vpn5
- /sbin/route -q -n delete -inet 0.0.0.0/1 -interface vpn5
+ /sbin/route -q -n add -inet 128.0.0.0/1 -interface vpn5
- /sbin/route -q -n delete -inet 128.0.0.0/1 -interface vpn5
+ /sbin/route -q -n add -inet6 fd00:20::/64 -interface vpn5
- /sbin/route -q -n delete -inet6 fd00:20::/64 -interface vpn5
+ /sbin/route -q -n add -inet6 ::/1 ::1 -reject
- /sbin/route -q -n delete -inet6 ::/1 ::1 -reject
+ /sbin/route -q -n add -inet6 8000::/1 ::1 -reject
- /sbin/route -q -n delete -inet6 8000::/1 ::1 -reject
+ /usr/sbin/scutil
    < d.init
    < d.add ServerAddresses * 10.20.0.53 10.20.0.54
    < d.add SearchDomains * office.example plant.example
    < d.add SupplementalMatchDomains * ""
    < set State:/Network/Service/postern-vpn5/DNS
    < quit
- /usr/sbin/scutil
    < remove State:/Network/Service/postern-vpn5/DNS
    < quit
`},
		"split DNS, gateway on the link": {split, `+ /sbin/ifconfig utun5 up
+ /sbin/route -q -n add -inet 192.168.1.9/32 -interface en0
- /sbin/route -q -n delete -inet 192.168.1.9/32 -interface en0
+ /usr/sbin/scutil
    < d.init
    < d.add ServerAddresses * 10.20.0.53
    < d.add SupplementalMatchDomains * office.example plant.example
    < d.add SupplementalMatchDomainsNoSearch # 1
    < set State:/Network/Service/postern-utun5/DNS
    < quit
- /usr/sbin/scutil
    < remove State:/Network/Service/postern-utun5/DNS
    < quit
`},
	} {
		steps, warnings := Mac.Plan(test.tunnel)
		if diff := cmp.Diff(test.want, said(steps)); diff != "" || len(warnings) > 0 {
			t.Errorf("%s: %s%v", name, diff, warnings)
		}
	}
}

func TestWindowsPlan(t *testing.T) {
	steps, warnings := Windows(`S:`).Plan(office)
	got := strings.NewReplacer(
		`S:\netsh.exe interface`, "netsh", `S:\WindowsPowerShell\v1.0\powershell.exe -NoProfile -NonInteractive -Command $ErrorActionPreference='Stop';[Console]::OutputEncoding=[Text.Encoding]::UTF8;`, "powershell ",
	).Replace(said(steps))
	want := `+ netsh ipv4 set subinterface vpn5 mtu=1380 store=active
+ netsh ipv6 set subinterface vpn5 mtu=1380 store=active
+ netsh ipv4 add address name=vpn5 address=10.20.0.10 mask=255.255.255.255 store=active
+ netsh ipv6 add address interface=vpn5 address=fd00:20::a/128 store=active
+ netsh ipv4 add route prefix=203.0.113.1/32 interface=12 nexthop=192.168.1.1 store=active metric=0
- netsh ipv4 delete route prefix=203.0.113.1/32 interface=12 nexthop=192.168.1.1 store=active
+ netsh ipv4 add route prefix=0.0.0.0/1 interface=vpn5 store=active metric=0
- netsh ipv4 delete route prefix=0.0.0.0/1 interface=vpn5 store=active
+ netsh ipv4 add route prefix=128.0.0.0/1 interface=vpn5 store=active metric=0
- netsh ipv4 delete route prefix=128.0.0.0/1 interface=vpn5 store=active
+ netsh ipv6 add route prefix=fd00:20::/64 interface=vpn5 store=active metric=0
- netsh ipv6 delete route prefix=fd00:20::/64 interface=vpn5 store=active
+ netsh ipv6 add route prefix=::/1 interface=1 store=active metric=0
- netsh ipv6 delete route prefix=::/1 interface=1 store=active
+ netsh ipv6 add route prefix=8000::/1 interface=1 store=active metric=0
- netsh ipv6 delete route prefix=8000::/1 interface=1 store=active
+ powershell Add-DnsClientNrptRule -Namespace '.' -NameServers '10.20.0.53','10.20.0.54' -Comment 'postern vpn5';Clear-DnsClientCache
- powershell Get-DnsClientNrptRule|Where-Object Comment -eq 'postern vpn5'|Remove-DnsClientNrptRule -Force;Clear-DnsClientCache
+ powershell Set-DnsClient -InterfaceAlias 'vpn5' -ConnectionSpecificSuffix 'office.example'
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Windows completes short names with one domain of a connection: plant.example is left out"}, warnings); diff != "" {
		t.Error(diff)
	}
	split := office
	split.Split = []string{"office.example"}
	if steps, _ := Windows(`S:`).Plan(split); !strings.Contains(said(steps), "-Namespace '.office.example','office.example' -NameServers") {
		t.Errorf("split DNS: %s", said(steps))
	}
}

func TestQuoted(t *testing.T) {
	if got, want := quoted("a", "b' ; calc", "c\u2019"), "'a','b'' ; calc','c\u2019\u2019'"; got != want {
		t.Errorf("%s, not %s", got, want)
	}
}

// printed is a Run that says always the same.
func printed(text ...string) Run {
	return func(context.Context, Command) (string, error) {
		out := text[0]
		text = text[1:]
		return out, nil
	}
}

func TestMacTable(t *testing.T) {
	got, err := Mac.Table(t.Context(), printed(`Routing tables

Internet:
Destination        Gateway            Flags           Netif Expire
default            192.168.1.1        UGScg             en0
default            link#20            UCSIg         bridge0      !
0/1                utun5              USc             utun5
10.20/16           utun5              USc             utun5
127                127.0.0.1          UCS               lo0
127.0.0.1          127.0.0.1          UH                lo0
169.254            link#4             UCS               en0      !
192.168.1          link#4             UCS               en0      !
192.168.1.7        a4:5e:60:0:1:2     UHLWIi            en0   1170
203.0.113.1/32     192.168.1.1        UGSc              en0
`, `Routing tables

Internet6:
Destination                             Gateway                         Flags           Netif Expire
default                                 fe80::1%en0                     UGcg              en0
::1                                     ::1                             UHL               lo0
fe80::%lo0/64                           fe80::1%lo0                     UcI               lo0
2001:db8:1::/64                         link#4                          UC                en0
`))
	want := []Route{
		{Dst: nets("0.0.0.0/0")[0], Via: addrs("192.168.1.1")[0], Interface: "en0"},
		{Dst: nets("0.0.0.0/1")[0], Interface: "utun5"},
		{Dst: nets("10.20.0.0/16")[0], Interface: "utun5"},
		{Dst: nets("127.0.0.0/8")[0], Interface: "lo0"},
		{Dst: nets("127.0.0.1/32")[0], Interface: "lo0"},
		{Dst: nets("169.254.0.0/16")[0], Interface: "en0"},
		{Dst: nets("192.168.1.0/24")[0], Interface: "en0"},
		{Dst: nets("203.0.113.1/32")[0], Via: addrs("192.168.1.1")[0], Interface: "en0"},
		{Dst: nets("::/0")[0], Via: addrs("fe80::1%en0")[0], Interface: "en0"},
		{Dst: nets("::1/128")[0], Interface: "lo0"},
		{Dst: nets("2001:db8:1::/64")[0], Interface: "en0"},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestWindowsTable(t *testing.T) {
	got, err := Windows(`S:`).Table(t.Context(), printed("\ufeff"+`[{"DestinationPrefix":"0.0.0.0/0","NextHop":"192.168.1.1","InterfaceIndex":12,"InterfaceAlias":"Büro-LAN","RouteMetric":0,"InterfaceMetric":25},
		{"DestinationPrefix":"192.168.1.0/24","NextHop":"0.0.0.0","InterfaceIndex":12,"InterfaceAlias":"Büro-LAN","RouteMetric":256,"InterfaceMetric":25},
		{"DestinationPrefix":"fe80::/64","NextHop":"::","InterfaceIndex":12,"InterfaceAlias":"Büro-LAN","RouteMetric":256,"InterfaceMetric":25}]`))
	want := []Route{
		{Dst: nets("0.0.0.0/0")[0], Via: addrs("192.168.1.1")[0], Interface: "Büro-LAN", Index: 12, Metric: 25},
		{Dst: nets("192.168.1.0/24")[0], Interface: "Büro-LAN", Index: 12, Metric: 281},
		{Dst: nets("fe80::/64")[0], Interface: "Büro-LAN", Index: 12, Metric: 281},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if _, err := Windows(`S:`).Table(t.Context(), printed("Get-NetRoute : Zugriff verweigert")); err == nil {
		t.Error("what is no list is one")
	}
}
