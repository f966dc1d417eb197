package concentrator

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"postern/ike"
	"postern/ike/isakmp"
)

var (
	aes256 = ike.ESPProposal{Encryption: isakmp.ESPAES, KeyBits: 256, Integrity: isakmp.AuthHMACSHA256}
	aes128 = ike.ESPProposal{Encryption: isakmp.ESPAES, KeyBits: 128, Integrity: isakmp.AuthHMACSHA1}
)

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }

func TestParseConfig(t *testing.T) {
	got, err := ParseConfig([]byte(`
; as the VPN 5000 wrote it
[ General ]
DeviceType = "VPN 5002/8 Concentrator"
Address = 203.0.113.1
InsideAddress = 10.20.0.1/24   # behind the tunnel
Identity = vpn.example.com
KeepaliveInterval = 20

[ IKE Policy ]
Protection = MD5_DES_G1
protection = sha_3des_g2
Protection = aes256-sha512-curve25519
Lifetime = 3600
ExchangeMode = aggressive

[VPN Group "staff"]
SharedKey = "a # in it"
Transform = esp(md5,des)
Transform = ESP(SHA, 3DES)
Transform = aes256gcm16
Transform = aes128-sha256_96
PFS = G2
StartIPAddress = 10.20.0.10
MaxConnections = 5
IPNet = 10.30.0.0/16
IPNet = 10.40.1.1
ExcludeIPNet = 10.30.9.0/24
DNSSecondaryServer = 10.30.0.54
DNSPrimaryServer = 10.30.0.53
WINSPrimaryServer = 10.30.0.55
SplitDNS = example.com
DomainName = corp.example.com
Banner = "Welcome, you"
BackupServer = vpn2.example.com
SaveSecrets = on
InactivityTimeout = 10m
Peer = 198.51.100.0/24
ModeConfig = push
SecurIDRequired = off

[ VPN Group "own" ]
LocalIPNet = 10.50.0.0/24
MaxConnections = 300
XAuth = false

[ VPN Users ]
"alice" Config="staff" Password="wonder land"
bob Config=own SharedKey=bobs-key # a comment
"carol jones" Config="staff" Password=tiger Address=10.20.0.9
`), "test.conf")
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Address: []netip.Addr{addr("203.0.113.1")}, Inside: prefix("10.20.0.1/24"),
		Identity: isakmp.ID{Type: isakmp.IDFQDN, Data: []byte("vpn.example.com")},
		Modes:    []ike.Mode{ike.Aggressive}, DPD: 20 * time.Second, Lifetime: time.Hour,
		Protection: []ike.Proposal{
			{Cipher: isakmp.CipherDES, Hash: isakmp.HashMD5, Group: isakmp.GroupMODP768},
			{Cipher: isakmp.Cipher3DES, Hash: isakmp.HashSHA1, Group: isakmp.GroupMODP1024},
			{Cipher: isakmp.CipherAES, KeyBits: 256, Hash: isakmp.HashSHA512, Group: isakmp.GroupCurve25519},
		},
		Groups: map[string]*Group{
			"staff": {
				Name: "staff", SharedKey: []byte("a # in it"), Peers: []netip.Prefix{prefix("198.51.100.0/24")}, XAuth: true,
				Transform: []ike.ESPProposal{
					{Encryption: isakmp.ESPDES, Integrity: isakmp.AuthHMACMD5},
					{Encryption: isakmp.ESP3DES, Integrity: isakmp.AuthHMACSHA1},
					{Encryption: isakmp.ESPAESGCM16, KeyBits: 256},
					{Encryption: isakmp.ESPAES, KeyBits: 128, Integrity: isakmp.AuthHMACSHA256, Truncate96: true},
				},
				PFS: isakmp.GroupMODP1024, Lifetime: time.Hour, Idle: 10 * time.Minute,
				ModeConfig: ModeConfigPush, StartIPAddress: addr("10.20.0.10"), MaxConnections: 5,
				Networks: []netip.Prefix{prefix("10.30.0.0/16"), prefix("10.40.1.1/32")},
				Exclude:  []netip.Prefix{prefix("10.30.9.0/24")},
				DNS:      []netip.Addr{addr("10.30.0.53"), addr("10.30.0.54")}, WINS: []netip.Addr{addr("10.30.0.55")},
				SplitDNS: []string{"example.com"}, Domain: "corp.example.com", Banner: "Welcome, you",
				Backup: []string{"vpn2.example.com"}, SaveSecrets: true,
			},
			"own": {
				Name: "own", Transform: []ike.ESPProposal{aes256, aes128}, Lifetime: time.Hour,
				StartIPAddress: addr("10.50.0.1"), MaxConnections: 254,
			},
		},
		Users: map[string]*User{
			"alice":       {Name: "alice", Group: "staff", Password: []byte("wonder land")},
			"bob":         {Name: "bob", Group: "own", SharedKey: []byte("bobs-key")},
			"carol jones": {Name: "carol jones", Group: "staff", Password: []byte("tiger"), Address: addr("10.20.0.9")},
		},
	}
	if d := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); d != "" {
		t.Error("differs from what is wanted (-) to what was read (+):\n", d)
	}
}

// whole makes a file of which the rest is in order.
func whole(general, group, users string) string {
	return "[ General ]\n" + general + "\n[ VPN Group \"staff\" ]\nSharedKey = k\n" + group + "\n[ VPN Users ]\n" + users + "\n"
}

func TestParseConfigErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "x.conf: no [ VPN Group ]"},
		{"before a section", "Key = value", "x.conf:1: stands before the first [ section ]"},
		{"unknown section", "[ VPN Grup \"a\" ]", `x.conf:1: [ VPN Grup "a" ]: no such section; nearest is [ VPN Group ]`},
		{"section to come", "[ General ]\n[ STAMP ]", "x.conf:2: [ STAMP ]: not yet possible"},
		{"open section", "[ General", "x.conf:1: a section is written [ Name ]"},
		{"unnamed group", "[ VPN Group ]", `x.conf:1: a group is written [ VPN Group "name" ]`},
		{"group's name", `[ VPN Group "a b" ]`, "up to 15 characters"},
		{"group twice", whole("", "", "") + `[ VPN Group "staff" ]`, `[ VPN Group "staff" ] stands twice`},
		{"unknown key", whole("Adress = 1.2.3.4", "", ""), "x.conf:2: [ General ]: Adress: no such key; nearest is Address"},
		{"unknown group key", whole("", "StartIPAdress = 1.2.3.4", ""), `x.conf:5: [ VPN Group "staff" ]: StartIPAdress: no such key; nearest is StartIPAddress`},
		{"no equals sign", whole("Address", "", ""), "x.conf:2: isn't Key = value"},
		{"twice", whole("Identity = a\nidentity = b", "", ""), "x.conf:3: [ General ]: Identity stands twice"},
		{"bad address", whole("Address = 1.2.3", "", ""), `x.conf:2: [ General ]: Address: "1.2.3": wants an address`},
		{"open quotation", whole(`Identity = "abc`, "", ""), "x.conf:2: a quotation mark isn't closed"},
		{"quoted and more", whole(`Identity = "abc" def`, "", ""), "x.conf:2: Identity: something stands beside the quoted value"},
		{"transform", whole("", "Transform = ESP(SHA,RC4)", ""), "Transform: \"ESP(SHA,RC4)\": "},
		{"AH", whole("", "Transform = AH(MD5)", ""), `Transform: "AH(MD5)": AH is not yet possible`},
		{"phase 1 with null", "[ IKE Policy ]\nProtection = null-sha1-modp1024", "x.conf:2: [ IKE Policy ]: Protection: \"null-sha1-modp1024\": is for ESP, not for IKE"},
		{"group in a transform", whole("", "Transform = aes128-sha1-modp1024", ""), "the group stands in PFS"},
		{"host bits", whole("", "IPNet = 10.0.0.1/8", ""), "is an address in the network 10.0.0.0/8"},
		{"pool without size", whole("", "StartIPAddress = 10.0.0.1", ""), "StartIPAddress: wants MaxConnections beside it"},
		{"size without pool", whole("", "MaxConnections = 3", ""), "MaxConnections: wants StartIPAddress"},
		{"pool of none", whole("", "StartIPAddress = 10.0.0.1\nMaxConnections = 0", ""), "wants a number from 1 to"},
		{"pool beyond the end", whole("", "StartIPAddress = 255.255.255.250\nMaxConnections = 100", ""), "end beyond"},
		{"two pools", whole("", "StartIPAddress = 10.0.0.1\nLocalIPNet = 10.0.0.0/24", ""), "has a pool already"},
		{"SecurID without a server", whole("", "SecurIDRequired = true", ""), "x.conf:3: [ VPN Group \"staff\" ]: SecurID wants a section [ SecurID ]"},
		{"control character", whole("", "Banner = \"a\x1b[2J\"", ""), "Banner: wants 1 to 255 octets of text"},
		{"user without group", whole("", "", "alice Password=x"), `x.conf:7: [ VPN Users ]: "alice": Config is missing`},
		{"user of no group", whole("", "", "alice Config=stuff"), `x.conf:7: [ VPN Users ]: "alice": Config: no group "stuff"; nearest is "staff"`},
		{"user twice", whole("", "", "a Config=staff\na Config=staff"), `x.conf:8: [ VPN Users ]: "a" stands twice`},
		{"user's key", whole("", "", "a Config=staff Pasword=x"), `"a": Pasword: no such key; nearest is Password`},
		{"user's line", whole("", "", "a = b"), `isn't "name" Config="group"`},
		{"one address for two", whole("", "", "a Config=staff Address=10.0.0.1\nb Config=staff Address=10.0.0.1"), `x.conf:8: [ VPN Users ]: "b": Address: 10.0.0.1 is "a"'s`},
		{"no key at all", "[ VPN Group \"g\" ]\nXAuth = true", `x.conf:1: [ VPN Group "g" ]: SharedKey: missing`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseConfig([]byte(c.text), "x.conf")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestParseConfigKeepsSecrets: no error shows a key or a password.
func TestParseConfigKeepsSecrets(t *testing.T) {
	for _, text := range []string{
		whole("", "", `alice Config=staff Password="hunter2`),
		whole("", "", `alice Config=staff Password="hunter2" hunter2`),
		whole("", "SharedKey = hunter2", ""),
		whole("", "", "alice Config=staff Password=hunter2 Password=hunter2"),
		whole("", "", "alice Config=staff Password=hunter2 =hunter2"),
		"[ VPN Group \"g\" ]\nSharedKey = \"hunter2\" hunter2",
	} {
		_, err := ParseConfig([]byte(text), "x.conf")
		if err == nil {
			t.Errorf("no error for\n%s", text)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q tells the secret", err)
		}
	}
}

// TestExample: the example is in order and shows every keyword.
func TestExample(t *testing.T) {
	if _, err := ParseConfig([]byte(Example), "example.conf"); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, k := range generalKeys {
		all = append(all, k.name)
	}
	for _, k := range policyKeys {
		all = append(all, k.name)
	}
	for _, k := range groupKeys {
		if k.set(&Group{}, "true") == nil || k.set(&Group{}, "off") != nil { // not one to come
			all = append(all, k.name)
		}
	}
	for _, k := range userKeys {
		all = append(all, k.name)
	}
	for _, k := range radiusKeys {
		all = append(all, k.name)
	}
	for _, k := range securIDKeys {
		all = append(all, k.name)
	}
	of5000 := []string{"DeviceName", "DeviceType", "EthernetAddress", "ConfiguredOn", "ConfiguredFrom"}
	for _, name := range all {
		if !strings.Contains(Example, name) && !slices.Contains(of5000, name) {
			t.Errorf("%s isn't shown", name)
		}
	}
}

func TestSpan(t *testing.T) {
	for _, c := range []struct {
		first, last string
		want        []netip.Prefix
	}{
		{"10.0.0.1", "10.0.0.1", []netip.Prefix{prefix("10.0.0.1/32")}},
		{"10.0.0.0", "10.0.0.255", []netip.Prefix{prefix("10.0.0.0/24")}},
		{"10.0.0.1", "10.0.0.6", []netip.Prefix{prefix("10.0.0.1/32"), prefix("10.0.0.2/31"), prefix("10.0.0.4/31"), prefix("10.0.0.6/32")}},
		{"255.255.255.254", "255.255.255.255", []netip.Prefix{prefix("255.255.255.254/31")}},
		{"0.0.0.0", "255.255.255.255", []netip.Prefix{prefix("0.0.0.0/0")}},
	} {
		got := span(addr(c.first), addr(c.last))
		if !slices.Equal(got, c.want) {
			t.Errorf("%s to %s: got %v, want %v", c.first, c.last, got, c.want)
		}
	}
}

func TestLeases(t *testing.T) {
	c := &Config{Inside: prefix("10.0.0.1/24"), Users: map[string]*User{"a": {Name: "a", Address: addr("10.0.0.3")}}}
	g := &Group{Name: "g", StartIPAddress: addr("10.0.0.1"), MaxConnections: 4}
	l := newLeases(c)
	for _, want := range []string{"10.0.0.2", "10.0.0.4"} { // .1 is the gateway's, .3 the user's
		if a, err := l.fromPool(g); err != nil || a != addr(want) {
			t.Fatalf("got %v, %v, want %s", a, err, want)
		}
	}
	if a, err := l.fromPool(g); err == nil {
		t.Errorf("got %v from a pool that is used up", a)
	}
	l.give(addr("10.0.0.2"))
	if a, err := l.fromPool(g); err != nil || a != addr("10.0.0.2") {
		t.Errorf("what was given back is %v, %v", a, err)
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(Example))
	f.Add([]byte("[ VPN Group \"g\" ]\nSharedKey = x\n[ VPN Users ]\na Config=g Password=\"p w\""))
	f.Add([]byte("[ IKE Policy ]\nProtection = MD5_DES_G1"))
	f.Add([]byte("[\"\"]\n=\n\"=\"="))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseConfig(data, "fuzz.conf")
		if err != nil {
			if c != nil || !strings.HasPrefix(err.Error(), "fuzz.conf:") {
				t.Errorf("an error without its place: %v", err)
			}
			return
		}
		for _, u := range c.Users {
			if c.Groups[u.Group] == nil {
				t.Errorf("user %q is of no group", u.Name)
			}
		}
		for _, g := range c.Groups {
			if len(g.Transform) == 0 || len(c.Protection) == 0 {
				t.Error("no proposal")
			}
		}
	})
}
