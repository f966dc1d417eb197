package formats

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"postern/client/profile"
)

// random makes profiles that a format can hold, the same ones for the same seed.
type random struct{ *rand.Rand }

func (r random) one(words ...string) string { return words[r.IntN(len(words))] }

func (r random) yes() bool { return r.IntN(2) == 0 }

// text has what formats escape, quote or begin comments with.
func (r random) text() string {
	parts := []string{"alice", "Ü", " ", `"`, `\`, "#", ";", "=", "'", "!", "€", `\n`, `\s`, "$x", "%s", "[main]", ":", ",", "😀", "x"}
	var b strings.Builder
	for range 1 + r.IntN(8) {
		b.WriteString(r.one(parts...))
	}
	return b.String()
}

// plain has no blanks at its ends, which some formats can't write.
func (r random) plain() string { return "u" + r.text() + "v" }

func (r random) host() string {
	return r.one("vpn.example", "192.0.2.7", "2001:db8::7", "a-b.c-d.example")
}

func (r random) networks() []netip.Prefix {
	var out []netip.Prefix
	for range r.IntN(4) {
		out = append(out, netip.MustParsePrefix(r.one("10.0.0.0/8", "192.0.2.7/32", "172.16.0.0/12", "203.0.113.64/26")))
	}
	return out
}

func (r random) addresses() []netip.Addr {
	var out []netip.Addr
	for range r.IntN(3) {
		out = append(out, netip.MustParseAddr(r.one("10.0.0.53", "10.1.0.53")))
	}
	return out
}

func (r random) group() string {
	return r.one("modp768", "modp1024", "modp1536", "modp2048", "modp3072", "modp4096", "modp6144", "modp8192")
}

// client is what all three formats of IKEv1's clients hold.
func (r random) client() *profile.Profile {
	p := profile.Default()
	p.Name = r.one("Office", "Büro 2", "a.b-c_d@e+f", strings.Repeat("n", 64), "two  blanks")
	p.Gateway = profile.Gateway{Host: r.host(), Port: profile.DefaultPort}
	p.Mode = profile.AggressiveMode
	p.Identity, p.IdentityType = r.plain(), profile.TypeKeyID
	p.Auth = profile.Auth(r.one("psk", "psk", "hybrid"))
	p.Secret = profile.Secret(r.text())
	if r.yes() {
		p.Password = profile.Secret(r.text())
	}
	if r.yes() {
		p.User, p.Domain = r.plain(), r.plain()
	}
	p.NATTraversal = r.one(profile.Auto, profile.Off, profile.NATTraversalForced)
	p.SourcePort = []uint16{0, 500}[r.IntN(2)]
	p.PFS = profile.Auto
	p.DPD = time.Duration([]int{0, 30, 90, 480}[r.IntN(4)]) * time.Second
	if r.yes() {
		p.Interface = "vpn0"
	}
	return p
}

// algorithms sets what a client offers that lets nobody choose.
func algorithms(p *profile.Profile, ciphers, hashes []string, group string) {
	p.IKE, p.ESP = nil, nil
	for _, c := range ciphers {
		for _, h := range hashes {
			if i, err := profile.ParseIKE(c + "-" + h + "-" + group); err == nil {
				p.IKE = append(p.IKE, i)
			}
			e, err := profile.ParseESP(c + "-" + h)
			if err != nil {
				panic(err)
			}
			p.ESP = append(p.ESP, e)
		}
	}
}

func (r random) pcf() *profile.Profile {
	p := r.client()
	ciphers := []string{"aes256", "aes128", "3des"}
	if r.yes() {
		ciphers = append(ciphers, "des")
	}
	algorithms(p, ciphers, []string{"sha1", "md5"}, r.group())
	p.LocalLAN, p.Networks = r.yes(), r.networks()
	if r.yes() {
		p.Backup = []profile.Gateway{{Host: "vpn2.example", Port: 500}, {Host: "192.0.2.8", Port: 500}}
	}
	return p
}

// vpnc is what vpnc and NetworkManager's plugin for it hold.
func (r random) vpnc() *profile.Profile {
	p := r.client()
	p.PFS = r.one(profile.Auto, profile.Off, r.group())
	p.Vendor = r.one("auto", "cisco", "netscreen", "fortigate")
	if r.yes() {
		p.MTU = 1200 + r.IntN(300)
	}
	if p.Auth == profile.AuthHybrid {
		p.CA = r.one("", "/etc/ssl/ca.pem", "/home/alice/my ca #1.pem")
	}
	ciphers := []string{"aes256", "aes192", "aes128", "3des"}
	if r.yes() {
		ciphers = append(ciphers, "des")
	}
	if r.yes() {
		ciphers = append(ciphers, "null")
	}
	algorithms(p, ciphers, []string{"sha1", "md5"}, r.group())
	if r.yes() {
		p.Networks, p.Selectors = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, profile.SelectorsEach
	}
	return p
}

func (r random) networkManager() *profile.Profile {
	p := r.vpnc()
	ciphers, hashes := []string{"aes256", "aes192", "aes128"}, []string{"sha1"}
	if r.yes() {
		ciphers = append(ciphers, "3des")
		if r.yes() {
			ciphers = append(ciphers, "des")
		}
	}
	if r.yes() {
		hashes = append(hashes, "md5")
	}
	algorithms(p, ciphers, hashes, r.group())
	p.Networks, p.Selectors, p.DefaultRoute = r.networks(), profile.Auto, r.yes()
	p.DNSServers = r.addresses()
	p.DNS = len(p.DNSServers) > 0 || r.yes()
	for range r.IntN(3) {
		p.Search = append(p.Search, r.one("acme.example", "plant.acme.example"))
	}
	p.Autoconnect = r.yes()
	return p
}

// ours is what no other format holds, too.
func (r random) ours() *profile.Profile {
	p := r.networkManager()
	p.Gateway.Port = 4500
	p.Mode = profile.MainMode
	p.IKE = append(p.IKE, profile.IKEProposal{Cipher: "aes", KeyBits: 128, Hash: "sha512", Group: "curve25519"})
	p.Exclude, p.LocalLAN = r.networks(), r.yes()
	p.OTP, p.OTPSecret = "otp", profile.Secret(r.text())
	if p.Auth == profile.AuthPSK {
		p.Secret, p.SecretEncoding = profile.Secret("\x00\xff binary"), profile.EncodingHex
	}
	p.Lifetime.IKE = time.Hour
	return p
}

func TestExportImport(t *testing.T) {
	for format, makes := range map[string]func(random) *profile.Profile{
		"toml": random.ours, "pcf": random.pcf, "vpnc": random.vpnc, "networkmanager": random.networkManager,
	} {
		t.Run(format, func(t *testing.T) {
			for seed := range uint64(150) {
				p := makes(random{rand.New(rand.NewPCG(seed, 0))})
				if _, err := profile.Parse(p.MarshalWithSecrets(), p.Name+".toml"); err != nil {
					t.Fatalf("the test's own profile: %v\n%s", err, p.MarshalWithSecrets())
				}
				for _, secrets := range []bool{false, true} {
					data, notes, err := Export(p, format, secrets)
					if err != nil {
						t.Fatalf("seed %d: %v\n%s", seed, err, p.Marshal())
					}
					for _, n := range notes {
						if n.Key != "" {
							t.Errorf("seed %d: %v", seed, n)
						}
					}
					want := *p
					if !secrets {
						want.Secret, want.Password, want.OTPSecret = nil, nil, nil
					}
					r, err := Import([]File{{Name: p.Name + Suffix(format), Data: data}})
					if err != nil || len(r.Profiles) != 1 || len(r.Warnings) > 0 {
						t.Fatalf("seed %d: %v, %v\n%s", seed, r, err, data)
					}
					secret := cmp.Transformer("octets", func(s profile.Secret) string { return fmt.Sprintf("%x", []byte(s)) })
					if diff := cmp.Diff(&want, r.Profiles[0].Profile, secret, cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})); diff != "" {
						t.Fatalf("seed %d (-want +got):\n%s\n%s", seed, diff, data)
					}
					if !secrets && (len(p.Secret) > 6 && strings.Contains(string(data), string(p.Secret)) || strings.Contains(string(data), "enc_GroupPwd=1")) {
						t.Errorf("seed %d: the secret is written:\n%s", seed, data)
					}
				}
			}
		})
	}
}

// What a format has no place for is told, or refused where it would be another
// connection.
func TestExportTellsWhatIsLost(t *testing.T) {
	base := func(change func(p *profile.Profile)) *profile.Profile {
		p := random{rand.New(rand.NewPCG(1, 1))}.client()
		algorithms(p, vpncCiphers, shaOrMD5, "modp1024")
		p.Auth, p.Selectors = profile.AuthPSK, profile.Auto
		change(p)
		return p
	}
	for _, c := range []struct {
		name, format string
		profile      *profile.Profile
		note, err    string
	}{
		{"algorithms", "vpnc", base(func(p *profile.Profile) { p.IKE = p.IKE[:1] }), "ike", ""},
		{"algorithms", "pcf", base(func(*profile.Profile) {}), "esp", ""},
		{"a group without a number", "pcf", base(func(p *profile.Profile) { algorithms(p, vpncCiphers, shaOrMD5, "curve25519") }), "", "curve25519"},
		{"lifetimes", "networkmanager", base(func(p *profile.Profile) { p.Lifetime.ESP = 5 * time.Minute }), "lifetime.esp", ""},
		{"a short silence", "vpnc", base(func(p *profile.Profile) { p.DPD = 5 * time.Second }), "dpd", ""},
		{"main mode", "vpnc", base(func(p *profile.Profile) { p.Mode = profile.MainMode }), "", `mode = "main"`},
		{"no XAuth", "pcf", base(func(p *profile.Profile) { p.XAuth = profile.XAuthOff }), "", "xauth = false"},
		{"a port", "networkmanager", base(func(p *profile.Profile) { p.Gateway.Port = 4500 }), "", "gateway"},
		{"blanks at an end", "pcf", base(func(p *profile.Profile) { p.User = "alice " }), "user", ""},
		{"a blank at the group's end", "pcf", base(func(p *profile.Profile) { p.Identity = "staff " }), "", "identity"},
		{"a secret that isn't text", "pcf", base(func(p *profile.Profile) { p.Secret = profile.Secret("\xff\x00") }), "secret", ""},
		{"a secret of two lines", "vpnc", base(func(p *profile.Profile) { p.Secret = profile.Secret(strings.Repeat("a\n", 60)) }), "secret", ""},
		{"a long password", "vpnc", base(func(p *profile.Profile) { p.Password = profile.Secret(strings.Repeat("a", 400)) }), "password", ""},
		{"another format", "winword", base(func(*profile.Profile) {}), "", "toml, pcf, vpnc"},
	} {
		t.Run(c.format+", "+c.name, func(t *testing.T) {
			data, notes, err := Export(c.profile, c.format, true)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || data != nil {
					t.Errorf("%s, %v", data, err)
				}
				return
			}
			if err != nil || !noted(notes, c.note) {
				t.Errorf("%v, %v", notes, err)
			}
			if strings.Contains(fmt.Sprint(notes), string(c.profile.Secret)) {
				t.Errorf("a secret in %v", notes)
			}
		})
	}
}

// A pre-shared key of certificates isn't written anywhere.
func TestExportCertificates(t *testing.T) {
	p := profile.Default()
	p.Name, p.Gateway.Host = "x", "vpn.example"
	p.Auth, p.IdentityType, p.Certificate = profile.AuthRSA, profile.TypeDN, "/home/alice/me.p12"
	if _, _, err := Export(p, "pcf", true); err == nil || !strings.Contains(err.Error(), "store") {
		t.Error(err)
	}
	if _, _, err := Export(p, "vpnc", true); err == nil {
		t.Error("vpnc knows no certificates")
	}
}
