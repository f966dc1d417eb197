package profile

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// diff compares profiles, secrets included, and shows neither.
func diff(want, got *Profile) string {
	prefixes := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	addrs := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	return cmp.Diff(want, got, prefixes, addrs)
}

// minimal is a profile's text with some lines behind the gateway's.
func minimal(lines string) []byte { return []byte("gateway = \"192.0.2.1\"\n" + lines + "\n") }

func TestDefaults(t *testing.T) {
	p, err := Parse(minimal(""), "office.toml")
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Name = "office"
	want.Gateway = Gateway{"192.0.2.1", 500}
	if d := diff(want, p); d != "" {
		t.Error(d)
	}
	if w := p.Weak(); w != nil {
		t.Errorf("the defaults are called weak: %q", w)
	}
}

// TestTable holds the defaults against the text that documents them.
func TestTable(t *testing.T) {
	p, err := Parse([]byte(`
name = "office"
gateway = "192.0.2.1"
backup = []
mode = "main"
identity = ""
identity_type = "key-id"
gateway_identity = ""
auth = "psk"
secret = ""
secret_encoding = "text"
certificate = ""; key = ""
`), "x.toml")
	if err == nil {
		t.Fatalf("two keys in one line are taken: %v", p)
	}
	p, err = Parse([]byte(`
name = "office"
gateway = "192.0.2.1"
backup = []
mode = "main"
identity = ""
identity_type = "key-id"
gateway_identity = ""
auth = "psk"
secret = ""
secret_encoding = "text"
certificate = ""
key = ""
ca = ""
gateway_certificate = ""
gateway_pin = ""
xauth = true
user = ""
password = ""
domain = ""
otp = ""
vpn5000 = "off"
radius = ""
pap_auth_secret = ""
vendor = "auto"
ike = ["aes256-sha256-modp2048", "aes128-sha1-modp2048"]
esp = ["aes256-sha256", "aes128-sha1"]
pfs = "off"
selectors = "auto"
nat_traversal = "auto"
source_port = 0
address = ""
networks = []
exclude = []
default_route = true
local_lan = false
dns = true
dns_servers = []
search = []
mtu = 0
dpd = "30s"
interface = ""
autoconnect = false
kill_switch = false
block_ipv6 = false
[lifetime]
ike = "8h"
esp = "1h"
`), "x.toml")
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Name = "office"
	want.Gateway = Gateway{"192.0.2.1", 500}
	if d := diff(want, p); d != "" {
		t.Error(d)
	}
}

func TestEverything(t *testing.T) {
	data, err := os.ReadFile("testdata/everything.toml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Parse(data, "testdata/everything.toml")
	if err != nil {
		t.Fatal(err)
	}
	want := &Profile{
		Name: "head office", Gateway: Gateway{"2001:db8::1", 4500}, Mode: MainMode,
		Identity: "alice@example.com", IdentityType: TypeUserFQDN, GatewayIdentity: "vpn.example.com",
		Auth: AuthPSK, Secret: Secret("secret"), SecretEncoding: EncodingHex,
		XAuth: XAuthOptional, User: "alice", Password: Secret(`hunter2 "and" \more`), Domain: "EXAMPLE",
		OTP: "skey", OTPSecret: Secret("a pass phrase"),
		Certificates: Certificates{MinRSABits: 2048},
		VPN5000:      Off, Vendor: VendorCisco,
		IKE: []IKEProposal{
			{"aes", 256, "sha256", "modp2048"},
			{"aes", 128, "sha1", "curve25519"},
			{"3des", 0, "sha1", "modp1024"},
		},
		ESP: []ESPProposal{
			{"aes-gcm16", 128, "", "modp2048"},
			{"aes", 256, "sha256_96", "modp2048"},
		},
		PFS: "modp2048", Selectors: SelectorsEach, NATTraversal: NATTraversalForced, SourcePort: 500,
		Address: netip.MustParseAddr("10.9.8.7"),
		Networks: []netip.Prefix{
			netip.MustParsePrefix("10.0.0.0/8"),
			netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("2001:db8:1::/48"),
		},
		Exclude:  []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")},
		LocalLAN: true, DNSServers: []netip.Addr{netip.MustParseAddr("10.0.0.53")}, Search: []string{"example.com"},
		MTU: 1400, DPD: 0, Interface: "office0", Autoconnect: true, KillSwitch: true, BlockIPv6: true,
		Lifetime: Lifetime{24 * time.Hour, 30 * time.Minute},
		Policy: &Policy{
			Locked: []string{"all", "user"}, Preset: []string{"dns", "lifetime"},
			SaveSecrets: SaveAsGatewaySays, MinimumStrength: StrengthAny,
			AllowedGateways: []string{"*.example.com", "192.0.2.0/24", "2001:db8::/32", "vpn.example.com"},
			Expires:         time.Date(2099, 12, 31, 0, 0, 0, 0, time.UTC),
		},
	}
	want.Policies = Policies{want.Policy}
	if d := diff(want, p); d != "" {
		t.Error(d)
	}
	for key := range keys {
		line := key[strings.LastIndexByte(key, '.')+1:] + " = "
		if keys[key] == table {
			line = "[" + key + "]"
		}
		if !strings.Contains(string(data), line) {
			t.Errorf("testdata/everything.toml lacks %s", key)
		}
	}
}

// TestKeys holds the list of keys against the struct that the decoder fills.
func TestKeys(t *testing.T) {
	wanted := map[reflect.Kind]want{
		reflect.String: text, reflect.Slice: texts, reflect.Int64: number,
		reflect.Bool: truth, reflect.Interface: maybe, reflect.Struct: table,
	}
	got := map[string]want{}
	var add func(prefix string, s reflect.Type)
	add = func(prefix string, s reflect.Type) {
		for f := range s.Fields() {
			key := prefix + f.Tag.Get("toml")
			got[key] = wanted[f.Type.Kind()]
			if f.Type == reflect.TypeFor[secretText]() {
				got[key] = text
			}
			if key == "policy.save_secrets" {
				got[key] = perhaps
			}
			if f.Type.Kind() == reflect.Struct {
				add(key+".", f.Type)
			}
		}
	}
	add("", reflect.TypeFor[file]())
	if d := cmp.Diff(keys, got); d != "" {
		t.Error(d)
	}
}

func TestGood(t *testing.T) {
	tests := []struct {
		lines string
		want  func(p *Profile)
	}{
		{`name = "Büro 2"`, func(p *Profile) { p.Name = "Büro 2" }},
		{`mode = "aggressive"`, func(p *Profile) { p.Mode = AggressiveMode }},
		{`identity = "staff"`, func(p *Profile) { p.Identity, p.IdentityType = "staff", TypeKeyID }},
		{`identity = "192.0.2.9"`, func(p *Profile) { p.Identity, p.IdentityType = "192.0.2.9", TypeAddress }},
		{`identity = "2001:db8::9"`, func(p *Profile) { p.Identity, p.IdentityType = "2001:db8::9", TypeAddress }},
		{`identity = "a@b"`, func(p *Profile) { p.Identity, p.IdentityType = "a@b", TypeUserFQDN }},
		{"identity = \"a@b\"\nidentity_type = \"key-id\"", func(p *Profile) { p.Identity, p.IdentityType = "a@b", TypeKeyID }},
		{"identity_type = \"fqdn\"\nidentity = \"vpn.example.com\"", func(p *Profile) { p.Identity, p.IdentityType = "vpn.example.com", TypeFQDN }},
		{"identity = \"3000\"\nidentity_type = \"dn\"", func(p *Profile) { p.Identity, p.IdentityType = "3000", TypeDN }},
		{`identity_type = "address"`, func(p *Profile) {}},
		{`secret = "as typed "`, func(p *Profile) { p.Secret = Secret("as typed ") }},
		{"secret = \"00fF\"\nsecret_encoding = \"hex\"", func(p *Profile) { p.Secret, p.SecretEncoding = Secret{0, 255}, EncodingHex }},
		{"secret_encoding = \"hex\"\nsecret = \"0x00fF\"", func(p *Profile) { p.Secret, p.SecretEncoding = Secret{0, 255}, EncodingHex }},
		{"secret = \"0sAP8=\"\nsecret_encoding = \"base64\"", func(p *Profile) { p.Secret, p.SecretEncoding = Secret{0, 255}, EncodingBase64 }},
		{`secret_file = "s"`, func(p *Profile) { p.SecretFile = "profiles/s" }},
		{`password_file = "/etc/p"`, func(p *Profile) { p.PasswordFile = "/etc/p" }},
		{"otp_secret = \"GEZDGNBV\"\notp = \"totp\"", func(p *Profile) { p.OTP, p.OTPSecret = OTPTime, Secret("GEZDGNBV") }},
		{"otp = \"skey\"\notp_secret_file = \"s\"", func(p *Profile) { p.OTP, p.OTPSecretFile = "skey", "profiles/s" }},
		{`otp = "otp"`, func(p *Profile) { p.OTP = "otp" }},
		{`vendor = "checkpoint"`, func(p *Profile) { p.Vendor = "checkpoint" }},
		{`vendor = "netscreen"`, func(p *Profile) { p.Vendor = "netscreen" }},
		{`vendor = "fortigate"`, func(p *Profile) { p.Vendor = "fortigate" }},
		{`xauth = false`, func(p *Profile) { p.XAuth = XAuthOff }},
		{`xauth = true`, func(p *Profile) {}},
		{`xauth = "optional"`, func(p *Profile) { p.XAuth = XAuthOptional }},
		{`domain = "EXAMPLE"`, func(p *Profile) { p.Domain = "EXAMPLE" }},
		{`vendor = "cisco"`, func(p *Profile) { p.Vendor = VendorCisco }},
		{`ike = ["3des-md5-modp1024"]`, func(p *Profile) { p.IKE = []IKEProposal{{"3des", 0, "md5", "modp1024"}} }},
		{`esp = ["null-sha1"]`, func(p *Profile) { p.ESP = []ESPProposal{{"null", 0, "sha1", ""}} }},
		{`esp = ["aes256-sha1-modp1024"]`, func(p *Profile) {
			p.ESP = []ESPProposal{{"aes", 256, "sha1", "modp1024"}}
			p.PFS = "modp1024"
		}},
		{`pfs = "auto"`, func(p *Profile) { p.PFS = Auto }},
		{`pfs = "MODP1024"`, func(p *Profile) { p.PFS = "modp1024" }},
		{`dpd = "0"`, func(p *Profile) { p.DPD = 0 }},
		{`dpd = "off"`, func(p *Profile) { p.DPD = 0 }},
		{`dpd = "1h"`, func(p *Profile) { p.DPD = time.Hour }},
		{`lifetime = { ike = "10s", esp = "720h" }`, func(p *Profile) { p.Lifetime = Lifetime{10 * time.Second, 720 * time.Hour} }},
		{`lifetime.esp = "90m"`, func(p *Profile) { p.Lifetime.ESP = 90 * time.Minute }},
		{`mtu = 576`, func(p *Profile) { p.MTU = 576 }},
		{`mtu = 9000`, func(p *Profile) { p.MTU = 9000 }},
		{`networks = ["0.0.0.0/0"]`, func(p *Profile) { p.Networks = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")} }},
	}
	for _, tt := range tests {
		t.Run(tt.lines, func(t *testing.T) {
			got, err := Parse(minimal(tt.lines), "profiles/office.toml")
			if err != nil {
				t.Fatal(err)
			}
			want := Default()
			want.Name, want.Gateway = "office", Gateway{"192.0.2.1", 500}
			tt.want(want)
			if d := diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestBad has lines whose last one is at fault; key is what the error names,
// and problem a part of what it says.
func TestBad(t *testing.T) {
	tests := []struct{ lines, key, problem string }{
		{`name = ""`, "name", "1 to 64 characters"},
		{`name = "../etc"`, "name", "letter or digit first"},
		{`name = "a/b"`, "name", "letters, digits"},
		{`name = "-a"`, "name", "letter or digit first"},
		{`name = "a "`, "name", "ends with a blank"},
		{`name = "a\u001b"`, "name", "letters, digits"},
		{`name = 1`, "name", "wants text in quotes, not a number"},
		{`name = ["a"]`, "name", "wants text in quotes, not a list"},
		{`name = 2026-01-01`, "name", "wants text in quotes, not a date or time"},
		{`name = { a = "b" }`, "name", "wants text in quotes, not a table"},
		{`gateway = "192.0.2.2"`, "gateway", "stands in line 1 already"},
		{`backup = ["192.0.2.2", "a b"]`, "backup", "isn't a host name"},
		{`backup = "192.0.2.2"`, "backup", "wants a list of texts"},
		{`backup = [1]`, "backup", "a number stands in it"},
		{`mode = "fast"`, "mode", `wants "main" or "aggressive", not "fast"`},
		{`mode = ""`, "mode", `wants "main" or "aggressive"`},
		{`mode = true`, "mode", "wants text in quotes, not true or false"},
		{`identity = "a\u0000b"`, "identity", "control character"},
		{`identity = "` + strings.Repeat("a", 256) + `"`, "identity", "more than 255"},
		{`identity_type = "email"`, "identity_type", `wants "key-id", "fqdn", "user-fqdn", "address" or "dn"`},
		{`identity_type = "fqdn"`, "identity_type", "needs an identity"},
		{"identity_type = \"address\"\nidentity = \"staff\"", "identity", "wants an address"},
		{"identity_type = \"dn\"\nidentity = \"CN=alice\"", "identity", "DER in hexadecimal"},
		{"gateway_identity = \"\"\"a\nb\"\"\"", "gateway_identity", "control character"},
		{`auth = "rsa"`, "auth", `"rsa" wants certificate`},
		{"key = \"k.pem\"\nauth = \"rsa\"", "auth", "wants certificate"},
		{"auth = \"rsa\"\ncertificate = \"c.pem\"\nsecret = \"x\"", "secret", "never takes a certificate's place"},
		{"auth = \"dss\"\ncertificate = \"c.pem\"\nsecret_file = \"x\"", "secret_file", "never takes a certificate's place"},
		{"certificate = \"c.pem\"\nauth = \"rsa-encryption\"", "auth", "wants gateway_certificate"},
		{"certificate = \"c.pem\"\nauth = \"rsa-revised\"", "auth", "wants gateway_certificate"},
		{"auth = \"ecdsa\"\ncertificate = \"c.pem\"\nxauth = true", "xauth", "no number beside ECDSA's"},
		{"auth = \"hybrid\"\nxauth = false", "xauth", "nothing else says who the user is"},
		{"auth = \"hybrid\"\ncertificate = \"c.pem\"", "certificate", "only the gateway has one"},
		{"auth = \"hybrid\"\nkey = \"c.pem\"", "key", "only the gateway has one"},
		{"auth = \"rsa\"\ncertificate = \"c.pem\"\nkey_passphrase = \"x\"\nkey_passphrase_file = \"y\"", "key_passphrase_file", "stands beside key_passphrase"},
		{"auth = \"hybrid\"\ncertificates = { allow_md5 = true }", "certificates.allow_md5", "unknown key"},
		{"auth = \"hybrid\"\ncertificates = { allow_sha1 = 1 }", "certificates.allow_sha1", "wants true or false"},
		{"auth = \"hybrid\"\ncertificates = { min_rsa_bits = 512 }", "certificates.min_rsa_bits", "1024 to 16384"},
		{"auth = \"hybrid\"\ncertificates = true", "certificates", "wants a table"},
		{"auth = \"hybrid\"\ncrl = \"a\"", "crl", "wants a list"},
		{`auth = "kerberos"`, "auth", `wants "psk", "rsa", "dss"`},
		{`secret = 12345678`, "secret", "wants text in quotes, not a number"},
		{`secret = "a\u0000b"`, "secret", "NUL"},
		{"secret_encoding = \"hex\"\nsecret = \"0fx\"", "secret", "hexadecimal"},
		{"secret_encoding = \"base64\"\nsecret = \"a\"", "secret", "isn't base64"},
		{"secret_encoding = \"hex\"\nsecret = \"0x\"", "secret", "is empty"},
		{`secret = "` + strings.Repeat("a", 4097) + `"`, "secret", "longer than 4096"},
		{`secret_encoding = "rot13"`, "secret_encoding", `wants "text", "hex" or "base64"`},
		{"secret = \"x\"\nsecret_file = \"y\"", "secret_file", "stands beside secret"},
		{"password = \"x\"\npassword_file = \"y\"", "password_file", "stands beside password"},
		{`certificate = "a.pem"`, "certificate", "of no use"},
		{`key = "a.pem"`, "key", "of no use"},
		{`key_passphrase = "a"`, "key_passphrase", "of no use"},
		{`key_passphrase_file = "a"`, "key_passphrase_file", "of no use"},
		{`ca = "a.pem"`, "ca", "of no use"},
		{`crl = ["a.pem"]`, "crl", "of no use"},
		{`gateway_certificate = "a.pem"`, "gateway_certificate", "of no use"},
		{`gateway_pin = "a"`, "gateway_pin", "of no use"},
		{`certificates = { allow_sha1 = true }`, "certificates.allow_sha1", "of no use"},
		{`certificates.min_rsa_bits = 1024`, "certificates.min_rsa_bits", "of no use"},
		{`xauth = "yes"`, "xauth", `wants true, false or "optional", not "yes"`},
		{`xauth = 1`, "xauth", `wants true, false or "optional", not a number`},
		{`user = "a\nb"`, "user", "control character"},
		{`password = 1`, "password", "wants text in quotes"},
		{`domain = "a\tb"`, "domain", "control character"},
		{`otp_secret = "x"`, "otp_secret", "without otp"},
		{`otp_secret_file = "x"`, "otp_secret_file", "without otp"},
		{"otp = \"totp\"\notp_secret = \"x\"\notp_secret_file = \"y\"", "otp_secret_file", "stands beside otp_secret"},
		{"otp = \"otp\"\notp_secret = \"a\\u0000b\"", "otp_secret", "NUL"},
		{`otp = "sms"`, "otp", `wants "totp", "skey" or "otp"`},
		{`vpn5000 = "on"`, "vpn5000", `wants "off", "auto" or "required"`},
		{`radius = "chap"`, "radius", `wants vpn5000 = "auto"`},
		{`radius = "eap"`, "radius", `wants "pap", "chap" or "challenge"`},
		{`pap_auth_secret = "x"`, "pap_auth_secret", "without radius"},
		{"vpn5000 = \"auto\"\nradius = \"chap\"", "radius", "wants user"},
		{"vpn5000 = \"auto\"\nuser = \"alice\"\nradius = \"chap\"\nidentity = \"staff\"", "identity", "the user's name"},
		{`vendor = "nortel"`, "vendor", "not yet"},
		{`vendor = "acme"`, "vendor", `wants "auto", "cisco"`},
		{`ike = []`, "ike", "at least one"},
		{`ike = "aes256-sha256-modp2048"`, "ike", "wants a list of texts"},
		{`ike = ["aes256-sha256"]`, "ike", `"aes256-sha256": wants cipher-hash-group`},
		{`ike = ["aes257-sha256-modp2048"]`, "ike", `"aes257" is no algorithm known here`},
		{"mode = \"aggressive\"\nike = [\"aes256-sha256-modp2048\", \"3des-sha1-modp1024\"]", "ike", "names the groups modp2048 and modp1024"},
		{`esp = []`, "esp", "at least one"},
		{`esp = ["aes256"]`, "esp", "names no integrity"},
		{`esp = ["AH(MD5)"]`, "esp", `"AH(MD5)": AH is not yet possible`},
		{`esp = ["aes256-sha1-modp1024", "aes128-sha1"]`, "esp", "different groups"},
		{"esp = [\"aes256-sha1-modp1024\"]\npfs = \"off\"", "pfs", `says "off", and esp names modp1024`},
		{`pfs = "on"`, "pfs", `wants "off", "auto" or a group`},
		{`selectors = "all"`, "selectors", `wants "auto", "any" or "each"`},
		{`nat_traversal = "on"`, "nat_traversal", `wants "auto", "force" or "off"`},
		{`source_port = 4500`, "source_port", "wants 0 (a random port) or 500"},
		{`source_port = -1`, "source_port", "wants 0"},
		{`source_port = "500"`, "source_port", "wants a whole number, not text"},
		{`source_port = 1.5`, "source_port", "wants a whole number, not a number"},
		{`address = "10.0.0.0/24"`, "address", "wants an address"},
		{`networks = ["10.0.0.1/24"]`, "networks", "the network is 10.0.0.0/24"},
		{`networks = ["10.0.0"]`, "networks", "wants a network"},
		{`exclude = ["all"]`, "exclude", "wants a network"},
		{`default_route = "yes"`, "default_route", "wants true or false, not text"},
		{`local_lan = 1`, "local_lan", "wants true or false, not a number"},
		{`dns = ["10.0.0.1"]`, "dns", "wants true or false, not a list"},
		{`dns_servers = ["dns.example.com"]`, "dns_servers", "wants an address"},
		{`search = ["a b"]`, "search", "wants a domain"},
		{`search = ["."]`, "search", "wants a domain"},
		{`mtu = 575`, "mtu", "576 to 9000"},
		{`mtu = 9001`, "mtu", "576 to 9000"},
		{`mtu = 99999999999999999999`, "mtu", ""},
		{`dpd = "30"`, "dpd", `wants whole seconds from "1s" to "1h"`},
		{`dpd = 30`, "dpd", "wants text in quotes"},
		{`dpd = "1.5s"`, "dpd", "whole seconds"},
		{`dpd = "2h"`, "dpd", `to "1h"`},
		{`interface = "../tun0"`, "interface", "up to 15 letters"},
		{`interface = "tun0123456789abc"`, "interface", "up to 15 letters"},
		{`interface = ".."`, "interface", "up to 15 letters"},
		{`kill_switch = "yes"`, "kill_switch", "wants true or false"},
		{`block_ipv6 = 1`, "block_ipv6", "wants true or false"},
		{`lifetime = "8h"`, "lifetime", "wants a table"},
		{`[[lifetime]]`, "lifetime", "wants a table, like [lifetime], not a list of tables"},
		{"[lifetime]\nike = \"0s\"", "lifetime.ike", `from "10s" to "720h"`},
		{"[lifetime]\nesp = \"1d\"", "lifetime.esp", `from "10s" to "720h"`},
		{"[lifetime]\nesp = 3600", "lifetime.esp", "wants text in quotes"},
		{"[lifetime]\nesp = \"1h\"\nesp = \"2h\"", "lifetime.esp", "stands in line 3 already"},
		{"[lifetime]\nesp = \"1h\"\n[lifetime]", "lifetime", "stands in line 2 already"},
		{"lifetime.esp = \"1h\"\n[lifetime]\nesp = \"2h\"", "lifetime.esp", "stands in line 2 already"},

		{`gatway = "x"`, "gatway", `unknown key; the nearest known one is "gateway"`},
		{`Mode = "main"`, "Mode", `nearest known one is "mode"`},
		{`network = []`, "network", `"networks"`},
		{`passwd = "hunter2"`, "passwd", `"password"`},
		{`pre_shared_secret = "hunter2"`, "pre_shared_secret", `unknown key`},
		{`lifetime = { ikee = "8h" }`, "lifetime.ikee", `"lifetime.ike"`},
		{"[life]\nike = \"8h\"", "", `unknown key`},
		{`mode.x = 1`, "mode.x", `"mode"`},
		{`"lifetime.ike" = "8h"`, "lifetime.ike", "unknown key"},
		{`"a\nb" = 1`, "a?b", "unknown key"},

		{`mode = main`, "mode", "text stands in quotes"},
		{`mode = "main`, "mode", "isn't TOML"},
		{`mode`, "", "isn't TOML"},
		{`mode = "main"; identity = "a"`, "mode", "isn't TOML"},
		{"secret = \"hunter2\"hunter3", "secret", "isn't TOML"},
	}
	for _, tt := range tests {
		t.Run(tt.lines, func(t *testing.T) {
			p, err := Parse(minimal(tt.lines), "office.toml")
			e, ok := errors.AsType[*Error](err)
			if !ok {
				t.Fatalf("profile %v, error %v", p, err)
			}
			line := 2 + strings.Count(tt.lines, "\n")
			if tt.key == "" || strings.Contains(tt.lines, `"""`) {
				line = 2 // where the unknown table or the long text begins
			}
			if e.File != "office.toml" || e.Line != line || e.Key != tt.key && tt.key != "" {
				t.Errorf("%v: file %q, line %d, key %q; want line %d, key %q", e, e.File, e.Line, e.Key, line, tt.key)
			}
			if !strings.Contains(e.Problem, tt.problem) {
				t.Errorf("%q doesn't say %q", e.Problem, tt.problem)
			}
			if strings.Contains(err.Error(), "hunter") || strings.Contains(err.Error(), "U+") {
				t.Errorf("%q shows part of a value", err)
			}
		})
	}
}

func TestGateway(t *testing.T) {
	tests := []struct {
		in, host string
		port     uint16
		out      string
		problem  string
	}{
		{in: "vpn.example.com", host: "vpn.example.com", port: 500, out: "vpn.example.com"},
		{in: "vpn", host: "vpn", port: 500, out: "vpn"},
		{in: "vpn.example.com:4500", host: "vpn.example.com", port: 4500, out: "vpn.example.com:4500"},
		{in: "vpn.example.com:500", host: "vpn.example.com", port: 500, out: "vpn.example.com"},
		{in: "203.0.113.1", host: "203.0.113.1", port: 500, out: "203.0.113.1"},
		{in: "203.0.113.1:1500", host: "203.0.113.1", port: 1500, out: "203.0.113.1:1500"},
		{in: "2001:db8::1", host: "2001:db8::1", port: 500, out: "2001:db8::1"},
		{in: "[2001:db8::1]", host: "2001:db8::1", port: 500, out: "2001:db8::1"},
		{in: "[2001:db8::1]:4500", host: "2001:db8::1", port: 4500, out: "[2001:db8::1]:4500"},
		{in: "fe80::1%eth0", host: "fe80::1%eth0", port: 500, out: "fe80::1%eth0"},
		{in: "", problem: "wants a host name"},
		{in: ":500", problem: "wants a host name"},
		{in: "vpn:", problem: "from 1 to 65535"},
		{in: "vpn:0", problem: "from 1 to 65535"},
		{in: "vpn:65536", problem: "from 1 to 65535"},
		{in: "vpn:ike", problem: "from 1 to 65535"},
		{in: "203.0.113.300", problem: "neither a host name nor an address"},
		{in: "203.0.113", problem: "neither a host name nor an address"},
		{in: "0.0.0.0", problem: "the address of one host"},
		{in: "224.0.0.1", problem: "the address of one host"},
		{in: "[203.0.113.1]:500", problem: "no IPv6 address in the brackets"},
		{in: "[2001:db8::1:500", problem: "no IPv6 address in the brackets"},
		{in: "2001:db8::1:2:3:4:5:6:500", problem: "isn't a host name"},
		{in: "a b", problem: "isn't a host name"},
		{in: "-a", problem: "isn't a host name"},
		{in: "a..b", problem: "isn't a host name"},
		{in: "$(id).example.com", problem: "isn't a host name"},
		{in: "büro.example.com", problem: "isn't a host name"},
		{in: strings.Repeat("a", 64), problem: "isn't a host name"},
		{in: strings.Repeat("a.", 127) + "a", problem: "wants a host name"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, err := ParseGateway(tt.in)
			if tt.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tt.problem) {
					t.Errorf("%v, error %v, want %q", got, err, tt.problem)
				}
				return
			}
			if err != nil || got != (Gateway{tt.host, tt.port}) || got.String() != tt.out {
				t.Errorf("%+v, %q, error %v", got, got, err)
			}
			again, err := ParseGateway(got.String())
			if err != nil || again != got {
				t.Errorf("%q reads as %+v, error %v", got, again, err)
			}
		})
	}
}

func TestIdentityData(t *testing.T) {
	tests := []struct {
		identity string
		t        IdentityType
		want     []byte
	}{
		{"", TypeAddress, nil},
		{"staff", TypeKeyID, []byte("staff")},
		{"192.0.2.9", TypeKeyID, []byte("192.0.2.9")},
		{"192.0.2.9", TypeAddress, []byte{192, 0, 2, 9}},
		{"2001:db8::9", TypeAddress, []byte{0x20, 1, 0xd, 0xb8, 11: 0, 15: 9}},
		{"3000", TypeDN, []byte{0x30, 0}},
		{"a@b", TypeUserFQDN, []byte("a@b")},
	}
	for _, tt := range tests {
		p := &Profile{Identity: tt.identity, IdentityType: tt.t}
		if d := cmp.Diff(tt.want, p.IdentityData()); d != "" {
			t.Errorf("%s %q: %s", tt.t, tt.identity, d)
		}
	}
}

func TestFileName(t *testing.T) {
	tests := []struct{ file, name, problem string }{
		{"office.toml", "office", ""},
		{"/a/b/office.toml", "office", ""},
		{"office", "office", ""},
		{".toml", "", "the file's name can't serve"},
		{"my(1).toml", "", `"my(1)" wants letters`},
	}
	for _, tt := range tests {
		p, err := Parse(minimal(""), tt.file)
		if tt.problem == "" && (err != nil || p.Name != tt.name) || tt.problem != "" && (err == nil || !strings.Contains(err.Error(), tt.problem)) {
			t.Errorf("%s: %v, error %v", tt.file, p, err)
		}
	}
}

func TestDocument(t *testing.T) {
	tests := []struct{ name, data, problem string }{
		{"byte order mark and CRLF", "\ufeffgateway = \"vpn\"\r\nmode = \"main\"\r\n", ""},
		{"empty", "", "x.toml: gateway: is absent"},
		{"UTF-16", "\xff\xfeg\x00", "x.toml:1: isn't TOML"},
		{"not UTF-8", "gateway = \"vpn\"\nuser = \"\xe4\"\n", "x.toml:2: user: isn't TOML"},
		{"too large", strings.Repeat("#\n", 1<<19) + "\n", "x.toml: a profile has at most"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.data), "x.toml")
			if tt.problem == "" && err != nil || tt.problem != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.problem)) {
				t.Errorf("error %v, want %q", err, tt.problem)
			}
		})
	}
}

func TestDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"kitten", "sitting", 3},
		{"gatway", "gateway", 1},
		{"ä", "a", 1},
	}
	for _, tt := range tests {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("%q to %q: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	examples, err := filepath.Glob("testdata/*.toml")
	if err != nil || len(examples) == 0 {
		f.Fatal(examples, err)
	}
	for _, name := range examples {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("gateway = \"a\"\nlifetime = { ike = \"8h\", esp = \"1h\" }"))
	f.Add([]byte("gateway = '[::1]:5'\nesp = ['ESP(MD5,DES)', \"aes-sha\"]\nxauth = 'optional'"))
	f.Add([]byte("[[lifetime]]\n\"a.b\".c = 0x1_0"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse(data, "fuzz.toml")
		if err != nil {
			if _, ok := errors.AsType[*Error](err); !ok || p != nil {
				t.Fatalf("profile %v, error of type %T", p, err)
			}
			return
		}
		if p.Name == "" || p.Gateway.Host == "" || len(p.IKE) == 0 || len(p.ESP) == 0 || p.Lifetime.ESP < time.Second {
			t.Fatalf("incomplete: %+v", p)
		}
		for _, proposal := range p.IKE {
			if again, err := ParseIKE(proposal.String()); err != nil || again != proposal {
				t.Fatalf("%v reads as %v, error %v", proposal, again, err)
			}
		}
		for _, proposal := range p.ESP {
			if again, err := ParseESP(proposal.String()); err != nil || again != proposal {
				t.Fatalf("%v reads as %v, error %v", proposal, again, err)
			}
		}
		if again, err := ParseGateway(p.Gateway.String()); err != nil || again != p.Gateway {
			t.Fatalf("%v reads as %v, error %v", p.Gateway, again, err)
		}
		p.Weak()
		p.IdentityData()
	})
}
