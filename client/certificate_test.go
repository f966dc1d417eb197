package client_test

import (
	"context"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"postern/client"
	"postern/client/concentrator"
	"postern/client/profile"
	"postern/client/prompt"
	"postern/ike/pki"
	"postern/ike/pki/pkitest"
)

// office is an authority with a gateway at 127.0.0.1 and a user, and the files of both.
type office struct {
	t                 *testing.T
	dir               string
	root, below       *pkitest.Pair
	gateway, user     *pkitest.Pair
	ecGateway, ecUser *pkitest.Pair
}

func host(c *x509.Certificate) { c.DNSNames = []string{"localhost", "gw.example"} }

func member(c *x509.Certificate) {
	c.Subject = pkix.Name{Organization: []string{"Test"}, OrganizationalUnit: []string{"staff"}, CommonName: "alice"}
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	c.EmailAddresses = []string{"alice@example"}
}

func encrypts(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageKeyEncipherment }

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{t: t, dir: t.TempDir()}
	o.root = pkitest.Root(t, "root", pkitest.ECDSA(t))
	o.below = o.root.Authority(t, "below", pkitest.ECDSA(t))
	o.gateway = o.below.Leaf(t, "gateway", pkitest.RSA(t, 2048, 0), host, encrypts)
	o.user = o.below.Leaf(t, "alice", pkitest.RSA(t, 2048, 1), member, encrypts)
	o.file("root.pem", pkitest.PEM(o.root))
	o.file("gateway.pem", pkitest.PEM(o.gateway, o.below))
	o.file("gateway.key", o.gateway.KeyPEM(t))
	o.file("user.pem", pkitest.PEM(o.user, o.below))
	o.file("user.key", o.user.KeyPEM(t))
	return o
}

// curve gives both ends keys on a curve too.
func (o *office) curve(c elliptic.Curve) {
	o.t.Helper()
	o.ecGateway = o.below.Leaf(o.t, "gateway", pkitest.OnCurve(o.t, c), host)
	o.ecUser = o.below.Leaf(o.t, "alice", pkitest.OnCurve(o.t, c), member)
	o.file("ec-gateway.pem", pkitest.PEM(o.ecGateway, o.below))
	o.file("ec-gateway.key", o.ecGateway.KeyPEM(o.t))
	o.file("ec-user.pem", pkitest.PEM(o.ecUser, o.below))
	o.file("ec-user.key", o.ecUser.KeyPEM(o.t))
}

// dss copies the DSA certificates that openssl made.
func (o *office) dss() {
	o.t.Helper()
	for from, to := range map[string]string{"dsa-ca.crt": "dsa-ca.pem", "dsa-sha1.crt": "dss-gateway.pem", "dsa-sha1.key": "dss-gateway.key", "dsa-sha256.crt": "dss-user.pem", "dsa-sha256.key": "dss-user.key"} {
		data, err := os.ReadFile(filepath.Join("../ike/pki/testdata", from))
		if err != nil {
			o.t.Fatal(err)
		}
		o.file(to, data)
	}
}

func (o *office) file(name string, data []byte) string {
	o.t.Helper()
	path := filepath.Join(o.dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		o.t.Fatal(err)
	}
	return path
}

// concentrator runs one whose group has the lines too.
func (o *office) concentrator(general, group, user string) *concentrator.Gateway {
	o.t.Helper()
	text := fmt.Sprintf(`
[ General ]
InsideAddress = 10.20.0.1/24
%s
[ IKE Policy ]
Protection = aes256-sha256-modp2048
[ VPN Group "staff" ]
Transform = aes128-sha1
StartIPAddress = 10.20.0.10
MaxConnections = 5
IPNet = 10.20.0.0/24
%s
[ VPN Users ]
"alice" Config="staff" %s
`, general, group, user)
	cfg, err := concentrator.ParseConfig([]byte(text), filepath.Join(o.dir, "gateway.conf"))
	if err != nil {
		o.t.Fatal(err)
	}
	return serve(o.t, cfg, "127.0.0.1:0")
}

var profiles atomic.Int32

// profile is one of the office's folder, with its files read.
func (o *office) profile(gateway netip.AddrPort, lines string) *profile.Profile {
	o.t.Helper()
	path := o.file(fmt.Sprintf("office-%d.toml", profiles.Add(1)), fmt.Appendf(nil, "gateway = \"localhost:%d\"\nike = [\"aes256-sha256-modp2048\"]\nesp = [\"aes128-sha1\"]\n%s", gateway.Port(), lines))
	p, err := profile.Load(path)
	if err != nil {
		o.t.Fatal(err)
	}
	if err := (profile.Sources{FD: profile.NoFD}).Resolve(p); err != nil {
		o.t.Fatal(err)
	}
	return p
}

const (
	ourFiles  = "certificate = 'user.pem'\nkey = 'user.key'\nca = 'root.pem'\n"
	xauthOff  = "xauth = false\n"
	xauthUser = "user = 'alice'\npassword = '" + password + "'\n"
	general   = "Certificate = gateway.pem\nPrivateKey = gateway.key\nCA = root.pem"
)

// Every method, in both modes, as far as a page behind the gateway.
func TestEveryMethod(t *testing.T) {
	o := newOffice(t)
	o.dss()
	signs, hybrid, encryption := "Method = certificate\n", "Method = hybrid\n", "Method = rsa-encryption\n"
	known := "Certificate = user.pem"
	dss := strings.NewReplacer("gateway.", "dss-gateway.", "root.pem", "dsa-ca.pem").Replace(general) + "\nAllowSHA1 = on"
	dssFiles := "auth = 'dss'\ncertificate = 'dss-user.pem'\nkey = 'dss-user.key'\nca = 'dsa-ca.pem'\ngateway_identity = 'gw.example'\ncertificates = { allow_sha1 = true }\n"
	type test struct{ name, general, group, user, profile, method string }
	tests := []test{
		{"rsa", general, signs + "XAuth = off", "", "auth = 'rsa'\n" + ourFiles + xauthOff, "RSA signatures"},
		{"rsa and XAuth", general, signs, "Password=" + password, "auth = 'rsa'\n" + ourFiles + xauthUser, "XAUTHInitRSA"},
		{"rsa by e-mail address", general, signs + "XAuth = off", "", "auth = 'rsa'\nidentity = 'alice@example'\n" + ourFiles + xauthOff, ""},
		{"rsa, the gateway's certificate is known", general, signs + "XAuth = off", "", "auth = 'rsa'\ncertificate = 'user.pem'\nkey = 'user.key'\ngateway_certificate = 'gateway.pem'\n" + xauthOff, ""},
		{"hybrid", general, hybrid, "Password=" + password, "auth = 'hybrid'\nidentity = 'staff'\nca = 'root.pem'\n" + xauthUser, ""},
		{"dss", dss, signs + "XAuth = off", "", dssFiles + xauthOff, ""},
		{"dss and XAuth", dss, signs, "Password=" + password, dssFiles + xauthUser, ""},
		{"hybrid with dss", dss, hybrid, "Password=" + password, "auth = 'hybrid'\nidentity = 'staff'\nca = 'dsa-ca.pem'\ngateway_identity = 'gw.example'\ncertificates = { allow_sha1 = true }\n" + xauthUser, ""},
		{"rsa-encryption", general, encryption + "XAuth = off", known, "auth = 'rsa-encryption'\ngateway_certificate = 'gateway.pem'\n" + ourFiles + xauthOff, ""},
		{"rsa-encryption and XAuth", general, encryption, known + " Password=" + password, "auth = 'rsa-encryption'\ngateway_certificate = 'gateway.pem'\n" + ourFiles + xauthUser, ""},
		{"rsa-revised", general, encryption + "XAuth = off", known, "auth = 'rsa-revised'\ngateway_certificate = 'gateway.pem'\n" + ourFiles + xauthOff, ""},
		{"rsa-revised and XAuth", general, encryption, known + " Password=" + password, "auth = 'rsa-revised'\ngateway_certificate = 'gateway.pem'\n" + ourFiles + xauthUser, ""},
	}
	for _, mode := range []string{"main", "aggressive"} {
		for _, c := range tests {
			t.Run(c.name+" "+mode, func(t *testing.T) {
				o := *o
				o.t = t
				g := o.concentrator(c.general, c.group, c.user)
				conn := connect(t, o.profile(g.Addr(), c.profile+fmt.Sprintf("mode = %q\n", mode)), nil)
				st := conn.await(client.Up)
				if st.IKE.Certificate == nil || !strings.Contains(st.IKE.Certificate.Subject, "CN=gateway") || !strings.HasPrefix(st.IKE.Certificate.Fingerprint, "sha256:") {
					t.Errorf("certificate %+v", st.IKE.Certificate)
				}
				for _, w := range st.Warnings {
					if strings.Contains(w, "pre-shared") {
						t.Errorf("warning %q", w)
					}
				}
				if body := conn.page(); !strings.Contains(body, "alice") && !strings.HasPrefix(c.name, "dss") {
					t.Errorf("the page doesn't know us: %s", body)
				}
				if err := conn.end(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestECDSA(t *testing.T) {
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		t.Run(curve.Params().Name, func(t *testing.T) {
			o := newOffice(t)
			o.curve(curve)
			g := o.concentrator(strings.ReplaceAll(general, "gateway.", "ec-gateway."), "Method = certificate\nXAuth = off", "")
			c := connect(t, o.profile(g.Addr(), "auth = 'ecdsa'\n"+strings.ReplaceAll(ourFiles, "user.", "ec-user.")), nil)
			c.await(client.Up)
			if err := c.end(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A key in PKCS #12, or with a passphrase that a person types.
func TestKeyPassphrase(t *testing.T) {
	o := newOffice(t)
	for _, name := range []string{"rsa.crt", "rsa-aes256.key", "modern.p12"} {
		data, err := os.ReadFile("../ike/pki/testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		o.file(name, data)
	}
	g := o.concentrator(general+"\nCA = rsa.crt", "Method = certificate\nXAuth = off", "")
	for _, c := range []struct {
		name, lines string
		answers     []string
		code        string // "": it connects
	}{
		{"stored", "certificate = 'rsa.crt'\nkey = 'rsa-aes256.key'\nkey_passphrase = 'open'", nil, ""},
		{"PKCS #12", "certificate = 'modern.p12'\nkey_passphrase = 'open'", nil, ""},
		{"typed", "certificate = 'rsa.crt'\nkey = 'rsa-aes256.key'", []string{"open"}, ""},
		{"mistyped", "certificate = 'modern.p12'", []string{"opne", "open"}, ""},
		{"stored and wrong", "certificate = 'rsa.crt'\nkey = 'rsa-aes256.key'\nkey_passphrase = 'no'", []string{"open"}, "key_passphrase"},
		{"forgotten", "certificate = 'modern.p12'", []string{"a", "b", "c", "d"}, "key_passphrase"},
		{"nobody there", "certificate = 'modern.p12'", nil, "input_needed"},
		{"no key", "certificate = 'rsa.crt'", nil, "profile"},
		{"another's key", "certificate = 'rsa.crt'\nkey = 'user.key'", nil, "profile"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := *o
			o.t = t
			var ask prompt.Func
			asked := 0
			if c.answers != nil {
				ask = func(_ context.Context, p prompt.Prompt) (prompt.Answers, error) {
					asked++
					return prompt.Answers{p.Fields[0].Name: prompt.Answer(c.answers[asked-1])}, nil
				}
			}
			conn := connect(t, o.profile(g.Addr(), "auth = 'rsa'\nca = 'root.pem'\nxauth = false\n"+c.lines), ask)
			if c.code == "" {
				conn.await(client.Up)
				if asked != len(c.answers) {
					t.Errorf("asked %d times", asked)
				}
				if err := conn.end(); err != nil {
					t.Error(err)
				}
				return
			}
			var r *client.Reason
			if err := <-conn.ended; !errors.As(err, &r) || r.Code != c.code {
				t.Errorf("%v, want %s", err, c.code)
			}
		})
	}
}

// A gateway of which nothing is known is shown once; the answer is kept, and what is
// kept doesn't change by itself.
func TestFirstSight(t *testing.T) {
	o := newOffice(t)
	o.file("alone.pem", pkitest.PEM(o.gateway))
	const lines = "auth = 'hybrid'\nidentity = 'staff'\n" + xauthUser
	start := func(t *testing.T, address, general string) *concentrator.Gateway {
		cfg, err := concentrator.ParseConfig(fmt.Appendf(nil, "[ General ]\nInsideAddress = 10.20.0.1/24\n%s\n[ IKE Policy ]\nProtection = aes256-sha256-modp2048\n[ VPN Group \"staff\" ]\nMethod = hybrid\nTransform = aes128-sha1\nLocalIPNet = 10.20.0.0/24\n[ VPN Users ]\nalice Config=staff Password=%s\n", general, password), filepath.Join(o.dir, "gateway.conf"))
		if err != nil {
			t.Fatal(err)
		}
		return serve(t, cfg, address)
	}
	var asked atomic.Int32
	says := func(answer string) prompt.Func {
		return func(_ context.Context, p prompt.Prompt) (prompt.Answers, error) {
			asked.Add(1)
			if pin := pki.KeyFingerprint(o.gateway.Certificate).String(); p.Fields[0].Kind != prompt.YesNo || !strings.Contains(p.Message, pin) || !strings.Contains(p.Message, "CN=gateway") {
				t.Errorf("asked %+v", p)
			}
			return prompt.Answers{p.Fields[0].Name: prompt.Answer(answer)}, nil
		}
	}
	refused := func(t *testing.T, c *connection, code string, exit int) {
		t.Helper()
		var r *client.Reason
		if err := <-c.ended; !errors.As(err, &r) || r.Code != code || r.Exit != exit {
			t.Errorf("%v (%+v), want %s", err, r, code)
		}
	}
	for _, mode := range []string{"main", "aggressive"} {
		t.Run(mode, func(t *testing.T) {
			o := *o
			o.t = t
			asked.Store(0)
			state := t.TempDir()
			g := start(t, "127.0.0.1:0", "Certificate = alone.pem\nPrivateKey = gateway.key")
			address := g.Addr()
			fresh := func() *profile.Profile {
				return o.profile(address, lines+fmt.Sprintf("mode = %q\n", mode))
			}
			refused(t, connectIn(t, state, fresh(), nil), "gateway_unknown", client.ExitInput)
			refused(t, connectIn(t, state, fresh(), says("no")), "gateway_declined", client.ExitIdentity)
			c := connectIn(t, state, fresh(), says("yes"))
			c.await(client.Up)
			c.page()
			if err := c.end(); err != nil {
				t.Error(err)
			}
			if n := asked.Load(); n != 2 {
				t.Errorf("asked %d times, want 2", n)
			}
			c = connectIn(t, state, fresh(), says("no")) // known by now
			c.await(client.Up)
			if err := c.end(); err != nil {
				t.Error(err)
			}
			g.Close()

			other := pkitest.SelfSigned(t, "gateway", pkitest.RSA(t, 2048, 2), host)
			o.file("other.pem", pkitest.PEM(other))
			o.file("other.key", other.KeyPEM(t))
			start(t, address.String(), "Certificate = other.pem\nPrivateKey = other.key")
			before, err := os.ReadFile(filepath.Join(state, "known_gateways"))
			if err != nil {
				t.Fatal(err)
			}
			refused(t, connectIn(t, state, fresh(), says("yes")), "certificate_changed", client.ExitIdentity)
			after, err := os.ReadFile(filepath.Join(state, "known_gateways"))
			if err != nil || string(before) != string(after) {
				t.Errorf("%q became %q, %v", before, after, err)
			}
			if n := asked.Load(); n != 2 {
				t.Errorf("asked about another gateway in the known one's place")
			}
		})
	}
}

// Certificates that end soon are worth a word.
func TestExpiryWarning(t *testing.T) {
	o := newOffice(t)
	soon := func(c *x509.Certificate) { c.NotAfter = time.Now().Add(10*24*time.Hour + time.Hour) }
	o.file("gateway.pem", pkitest.PEM(o.below.Leaf(t, "gateway", o.gateway.Key, host, soon), o.below))
	o.file("user.pem", pkitest.PEM(o.below.Leaf(t, "alice", o.user.Key, member, soon), o.below))
	g := o.concentrator(general, "Method = certificate\nXAuth = off", "")
	c := connect(t, o.profile(g.Addr(), "auth = 'rsa'\n"+ourFiles+xauthOff), nil)
	text := strings.Join(c.await(client.Up).Warnings, "\n")
	for _, want := range []string{"Your certificate (", "The gateway's certificate (", "ends in 10 days"} {
		if !strings.Contains(text, want) {
			t.Errorf("warnings lack %q:\n%s", want, text)
		}
	}
	if err := c.end(); err != nil {
		t.Error(err)
	}
}
