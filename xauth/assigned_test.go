package xauth_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/ike/isakmp"
	"postern/xauth"
)

// split makes entries of 14 octets, the last cut to what is asked for.
func split(last int, networks ...string) []byte {
	var v []byte
	for i, s := range networks {
		p := netip.MustParsePrefix(s)
		entry := append(p.Addr().AsSlice(), make([]byte, 10)...)
		for bit := range p.Bits() {
			entry[4+bit/8] |= 0x80 >> (bit % 8)
		}
		if i == len(networks)-1 {
			entry = entry[:last]
		}
		v = append(v, entry...)
	}
	return v
}

func TestParseAssigned(t *testing.T) {
	text := func(t uint16, s string) isakmp.Attribute { return isakmp.TLV(t, []byte(s)) }
	tlv := func(t uint16, v ...byte) isakmp.Attribute { return isakmp.TLV(t, v) }
	long := strings.Repeat("a", 63)
	tests := []struct {
		name    string
		as      []isakmp.Attribute
		want    xauth.Assigned
		dropped []string
	}{
		{"nothing", nil, xauth.Assigned{}, nil},
		{"the address alone", []isakmp.Attribute{tlv(1, 10, 0, 0, 1)}, xauth.Assigned{Address: netip.MustParsePrefix("10.0.0.1/32")}, nil},
		{
			"the mask before the address",
			[]isakmp.Attribute{tlv(2, 255, 255, 240, 0), tlv(1, 10, 0, 0, 1)},
			xauth.Assigned{Address: netip.MustParsePrefix("10.0.0.1/20")},
			nil,
		},
		{"a netmask of length 0", []isakmp.Attribute{tlv(1, 10, 0, 0, 1), tlv(2)}, xauth.Assigned{Address: netip.MustParsePrefix("10.0.0.1/32")}, nil},
		{"a netmask of zeros", []isakmp.Attribute{tlv(1, 10, 0, 0, 1), tlv(2, 0, 0, 0, 0)}, xauth.Assigned{Address: netip.MustParsePrefix("10.0.0.1/32")}, nil},
		{
			"a netmask with holes",
			[]isakmp.Attribute{tlv(1, 10, 0, 0, 1), tlv(2, 255, 0, 255, 0)},
			xauth.Assigned{Address: netip.MustParsePrefix("10.0.0.1/32")},
			[]string{"attribute 2: the mask has holes"},
		},
		{
			"addresses of nobody",
			[]isakmp.Attribute{tlv(1, 0, 0, 0, 0), tlv(1, 127, 0, 0, 1), tlv(1, 255, 255, 255, 255), tlv(1, 10, 0, 0), tlv(8, make([]byte, 16)...)},
			xauth.Assigned{},
			[]string{
				"attribute 1: 0.0.0.0 isn't the address of a host", "attribute 1: 127.0.0.1 isn't the address of a host",
				"attribute 1: 255.255.255.255 isn't the address of a host", "attribute 1: an address of 3 octets", "attribute 8: :: isn't the address of a host",
			},
		},
		{
			"DNS repeated, one twice",
			[]isakmp.Attribute{tlv(3, 10, 0, 0, 53), tlv(4, 10, 0, 0, 55), tlv(3, 10, 0, 0, 54), tlv(3, 10, 0, 0, 53), tlv(3, 224, 0, 0, 1)},
			xauth.Assigned{DNS: addrs("10.0.0.53", "10.0.0.54"), NBNS: addrs("10.0.0.55")},
			[]string{"attribute 3: 224.0.0.1 isn't the address of a host"},
		},
		{
			"IPv6",
			[]isakmp.Attribute{
				isakmp.TLV(8, append(netip.MustParseAddr("2001:db8::5").AsSlice(), 64)), isakmp.TLV(10, netip.MustParseAddr("2001:db8::53").AsSlice()),
				isakmp.TLV(15, append(netip.MustParseAddr("2001:db8:1::").AsSlice(), 48)), isakmp.TLV(15, append(netip.MustParseAddr("2001:db8:1::").AsSlice(), 129)),
			},
			xauth.Assigned{Address6: netip.MustParsePrefix("2001:db8::5/64"), DNS: addrs("2001:db8::53"), Networks: prefixes("2001:db8:1::/48")},
			[]string{"attribute 15: a prefix of 129 bits"},
		},
		{
			"IPv6 without a prefix",
			[]isakmp.Attribute{isakmp.TLV(8, netip.MustParseAddr("2001:db8::5").AsSlice())},
			xauth.Assigned{Address6: netip.MustParsePrefix("2001:db8::5/128")},
			nil,
		},
		{
			"split include in several attributes, the last entry short",
			[]isakmp.Attribute{
				isakmp.TLV(28676, split(14, "10.0.0.0/8", "192.168.0.0/16")), isakmp.TLV(28676, split(8, "172.16.0.0/12", "10.0.0.0/8", "203.0.113.5/32")),
				isakmp.TLV(28678, split(14, "192.168.1.0/24")),
			},
			xauth.Assigned{Networks: prefixes("10.0.0.0/8", "192.168.0.0/16", "172.16.0.0/12", "203.0.113.5/32"), Exclude: prefixes("192.168.1.0/24")},
			nil,
		},
		{"split include of one entry of 8 octets", []isakmp.Attribute{isakmp.TLV(28676, split(8, "10.0.0.0/8"))}, xauth.Assigned{Networks: prefixes("10.0.0.0/8")}, nil},
		{"split include of everything", []isakmp.Attribute{isakmp.TLV(28676, split(14, "0.0.0.0/0"))}, xauth.Assigned{Networks: prefixes("0.0.0.0/0")}, nil},
		{"split include with host bits", []isakmp.Attribute{isakmp.TLV(28676, split(14, "10.1.2.3/8"))}, xauth.Assigned{Networks: prefixes("10.0.0.0/8")}, nil},
		{
			"split include, with ports",
			[]isakmp.Attribute{tlv(28676, 10, 0, 0, 0, 255, 0, 0, 0, 0, 6, 0, 0, 0x50, 0)},
			xauth.Assigned{Networks: prefixes("10.0.0.0/8")},
			nil,
		},
		{
			"split include, bad ones",
			[]isakmp.Attribute{
				isakmp.TLV(28676, split(13, "10.0.0.0/8", "192.168.0.0/16")), tlv(28676, 10, 0, 0, 0, 0, 255, 0, 0), isakmp.TLV(28676, split(8, "127.0.0.0/8")),
				isakmp.TLV(28676, split(8, "224.0.0.0/4")),
			},
			xauth.Assigned{Networks: prefixes("10.0.0.0/8")},
			[]string{
				"attribute 28676: 13 octets behind the last entry", "attribute 28676: network 10.0.0.0: the mask has holes",
				"attribute 28676: network 127.0.0.0: not of hosts elsewhere", "attribute 28676: network 224.0.0.0: not of hosts elsewhere",
			},
		},
		{
			"INTERNAL_IP4_SUBNET",
			[]isakmp.Attribute{tlv(13, 10, 0, 0, 0, 255, 0, 0, 0), tlv(13, 10, 0, 0, 0, 255, 0, 0)},
			xauth.Assigned{Networks: prefixes("10.0.0.0/8")},
			[]string{"attribute 13: a network of 7 octets"},
		},
		{
			"numbers short and long",
			[]isakmp.Attribute{isakmp.TV(5, 3600), tlv(28673, 0, 0, 0, 1), isakmp.TV(28679, 5), tlv(28677, 0x27, 0x10)},
			xauth.Assigned{Expiry: time.Hour, SavePassword: true, PFS: 5, NATTPort: 10000},
			nil,
		},
		{
			"numbers too large",
			[]isakmp.Attribute{tlv(5, 1, 0, 0, 0, 0), tlv(28677, 1, 0, 0), tlv(28679, 1, 2, 3, 4, 5, 6, 7, 8, 9)},
			xauth.Assigned{},
			[]string{"attribute 5: 4294967296 is too large", "attribute 28677: 65536 is too large", "attribute 28679: not a number"},
		},
		{
			"text cleaned",
			[]isakmp.Attribute{text(28672, "Wel\x1b[31mcome\r\nto B\xfcro\x00"), text(7, "IOS\n12.4\x00")},
			xauth.Assigned{Banner: "Wel[31mcome\nto Büro", Version: "IOS 12.4"},
			nil,
		},
		{
			"split DNS, liberally",
			[]isakmp.Attribute{text(28675, "corp.example, LAB.example.\x00*.a_b.example"), text(28675, ".local;lab.example")},
			xauth.Assigned{SplitDNS: []string{"corp.example", "lab.example", "a_b.example", "local"}},
			nil,
		},
		{
			"names that are none",
			[]isakmp.Attribute{
				text(28674, "corp example"), text(28674, "x\nnameserver 10.0.0.1"), text(28675, "$(reboot),-a.example,a..b,a-.b,"+long+"a"),
				text(28674, strings.Repeat(long+".", 4)), text(28675, "m\u00fcnchen.example"), text(28674, "."),
			},
			xauth.Assigned{},
			[]string{
				`attribute 28674: "corp example" isn't a domain name`, `attribute 28674: "x nameserver 10.0.0.1" isn't a domain name`,
				`attribute 28675: "$(reboot)" isn't a domain name`, `attribute 28675: "-a.example" isn't a domain name`, `attribute 28675: "a..b" isn't a domain name`,
				`attribute 28675: "a-.b" isn't a domain name`, `attribute 28675: "` + long[:39] + `…" isn't a domain name`,
				`attribute 28674: "` + long[:39] + `…" isn't a domain name`, `attribute 28675: "münchen.example" isn't a domain name`,
				`attribute 28674: "." isn't a domain name`,
			},
		},
		{"default domain with a NUL", []isakmp.Attribute{text(28674, "Corp.example.\x00")}, xauth.Assigned{Domain: "corp.example"}, nil},
		{
			"backup servers",
			[]isakmp.Attribute{text(28681, "203.0.113.9 vpn2.example,2001:db8::1\x00"), text(28681, "127.0.0.1 fe80::1%eth0")},
			xauth.Assigned{BackupServers: []string{"203.0.113.9", "vpn2.example", "2001:db8::1"}},
			[]string{"attribute 28681: 127.0.0.1 isn't the address of a host", `attribute 28681: "fe80::1%eth0" isn't a domain name`},
		},
		{"unknown ones", []isakmp.Attribute{tlv(28683, 1), isakmp.TV(21, 7), tlv(16388, 1, 2), tlv(0), tlv(14, 0, 1)}, xauth.Assigned{}, nil},
		{"the last address counts", []isakmp.Attribute{tlv(1, 10, 0, 0, 1), tlv(1, 10, 0, 0, 2)}, xauth.Assigned{Address: netip.MustParsePrefix("10.0.0.2/32")}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, errs := xauth.ParseAssigned(isakmp.Configuration{Attributes: tt.as})
			if d := cmp.Diff(&tt.want, got, compareAddrs); d != "" {
				t.Error(d)
			}
			var dropped []string
			for _, err := range errs {
				dropped = append(dropped, err.Error())
			}
			if d := cmp.Diff(tt.dropped, dropped); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestLimits: however much comes, little is kept.
func TestLimits(t *testing.T) {
	var as []isakmp.Attribute
	for i := range 300 {
		b := []byte{byte(i >> 8), byte(i)}
		as = append(as, isakmp.TLV(3, append([]byte{10, 0}, b...)), isakmp.TLV(28681, []byte(netip.AddrFrom4([4]byte{10, 1, b[0], b[1]}).String())))
		as = append(as, isakmp.TLV(28675, []byte("a"+netip.AddrFrom4([4]byte{10, 1, b[0], b[1]}).String())), isakmp.TLV(1, []byte{1}))
	}
	var networks []byte
	for i := range 1500 {
		networks = append(networks, 10, byte(i>>8), byte(i), 0, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0)
	}
	as = append(as, isakmp.TLV(28676, networks), isakmp.TLV(28672, []byte(strings.Repeat("x", 5000))))
	a, dropped := xauth.ParseAssigned(isakmp.Configuration{Attributes: as})
	got := []int{len(a.DNS), len(a.BackupServers), len(a.SplitDNS), len(a.Networks), len([]rune(a.Banner)), len(dropped)}
	if d := cmp.Diff([]int{16, 16, 256, 512, 4096, 32}, got); d != "" {
		t.Error(d)
	}
}

// TestAttributes: what a gateway writes, a client reads.
func TestAttributes(t *testing.T) {
	both := whole
	both.NATTPort = 10000
	both.Address6 = netip.MustParsePrefix("2001:db8::5/64")
	both.DNS = append(slices.Clone(both.DNS), netip.MustParseAddr("2001:db8::53"))
	both.NBNS = append(slices.Clone(both.NBNS), netip.MustParseAddr("2001:db8::55"))
	both.Networks = append(slices.Clone(both.Networks), netip.MustParsePrefix("2001:db8:1::/48"))
	for _, a := range []xauth.Assigned{{}, whole, both, *other()} {
		got, dropped := xauth.ParseAssigned(isakmp.Configuration{Attributes: a.Attributes(nil)})
		if d := cmp.Diff(&a, got, compareAddrs); d != "" || dropped != nil {
			t.Error(dropped, d)
		}
	}
	// One network an attribute, for clients that don't speak Unity.
	got, _ := xauth.ParseAssigned(isakmp.Configuration{Attributes: both.Attributes([]isakmp.Attribute{wants(13), wants(15)})})
	if d := cmp.Diff(&xauth.Assigned{Networks: both.Networks}, got, compareAddrs); d != "" {
		t.Error(d)
	}
	if a, dropped := xauth.ParseAssigned(isakmp.Configuration{Attributes: []isakmp.Attribute{isakmp.TLV(28675, make([]byte, 16385))}}); len(dropped) != 1 {
		t.Error(a, dropped)
	}
	var many xauth.Assigned
	for i := range 5000 {
		many.Networks = append(many.Networks, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24))
	}
	if as := many.Attributes([]isakmp.Attribute{wants(28676)}); len(as) != 10 || len(as[9].Value) != 392*14 {
		t.Error(len(as))
	}
}
