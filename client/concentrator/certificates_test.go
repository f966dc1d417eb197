package concentrator

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/ike"
	"postern/ike/isakmp"
	"postern/ike/pki/pkitest"
)

// folder has an authority for everybody, one for the group "far", and a gateway.
type folder struct {
	t                *testing.T
	dir              string
	root, far        *pkitest.Pair
	gateway, foreign *pkitest.Pair
}

func newFolder(t *testing.T) *folder {
	t.Helper()
	f := &folder{t: t, dir: t.TempDir()}
	f.root, f.far = pkitest.Root(t, "root", pkitest.ECDSA(t)), pkitest.Root(t, "far root", pkitest.ECDSA(t))
	f.gateway = f.root.Leaf(t, "gateway", pkitest.RSA(t, 2048, 0))
	f.foreign = f.root.Leaf(t, "foreign", pkitest.RSA(t, 2048, 1))
	f.write("root.pem", pkitest.PEM(f.root))
	f.write("far.pem", pkitest.PEM(f.far))
	f.write("gateway.pem", pkitest.PEM(f.gateway))
	f.write("gateway.key", f.gateway.KeyPEM(t))
	f.write("foreign.key", f.foreign.KeyPEM(t))
	f.write("nonsense", []byte("nonsense"))
	return f
}

func (f *folder) write(name string, data []byte) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), data, 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f *folder) parse(text string) (*Config, error) {
	return ParseConfig([]byte(text), filepath.Join(f.dir, "test.conf"))
}

const certificateConf = `
[ General ]
Certificate = gateway.pem
PrivateKey = gateway.key
CA = root.pem
[ VPN Group "staff" ]
Method = certificate
LocalIPNet = 10.20.0.0/24
[ VPN Group "far" ]
Method = certificate
CA = far.pem
LocalIPNet = 10.21.0.0/24
[ VPN Group "home" ]
Method = hybrid
LocalIPNet = 10.22.0.0/24
[ VPN Group "old" ]
SharedKey = "a key of old"
Peer = 192.0.2.0/24
LocalIPNet = 10.23.0.0/24
[ VPN Users ]
alice Config=staff Password=wonderland
bob   Config=old   Password=tiger
`

func TestCertificateConfigErrors(t *testing.T) {
	f := newFolder(t)
	f.write("empty.pem", []byte("-----BEGIN X-----\n-----END X-----\n"))
	const group = "\n[ VPN Group \"g\" ]\nLocalIPNet = 10.20.0.0/24\n"
	const own = "[ General ]\nCertificate = gateway.pem\nPrivateKey = gateway.key\n"
	for _, c := range []struct{ text, want string }{
		{own + group + "Method = magic", `"magic": wants shared-key, hybrid`},
		{group + "Method = hybrid", "wants Certificate and PrivateKey"},
		{own + group + "Method = hybrid\nXAuth = off", "hybrid wants XAuth"},
		{own + group + "Method = certificate", "certificate wants CA"},
		{own + group + "Method = rsa-encryption", "wants the Certificate of a user"},
		{own + group + "Method = hybrid\n[ VPN Users ]\nalice Config=g SharedKey=x", "has another Method"},
		{own + group + "SharedKey = x\n[ VPN Users ]\nalice Config=g Certificate=gateway.pem", "no Method = rsa-encryption"},
		{own + group + "Method = rsa-encryption\n[ VPN Users ]\nalice Config=g Certificate=none.pem", "none.pem: can't be read"},
		{own + group + "Method = rsa-encryption\n[ VPN Users ]\nalice Config=g Certificate=gateway.key", "no certificate is in it"},
		{"[ General ]\nCertificate = none.pem" + group + "SharedKey = x", "none.pem: can't be read"},
		{"[ General ]\nCertificate = ." + group + "SharedKey = x", "isn't a regular file"},
		{"[ General ]\nCertificate = nonsense" + group + "SharedKey = x", "neither PEM"},
		{"[ General ]\nCertificate = gateway.pem" + group + "SharedKey = x", "wants PrivateKey"},
		{"[ General ]\nCertificate = gateway.pem\nPrivateKey = foreign.key" + group + "SharedKey = x", "no certificate is the private key's"},
		{"[ General ]\nMinRSABits = 512" + group + "SharedKey = x", "wants 1024"},
		{"[ General ]\nAllowSHA1 = perhaps" + group + "SharedKey = x", "wants true or false"},
	} {
		if _, err := f.parse(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q, of\n%s", err, c.want, c.text)
		}
	}
}

func TestCertificateConfig(t *testing.T) {
	f := newFolder(t)
	c, err := f.parse(certificateConf)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Credentials) != 1 || len(c.Credentials[0].Chain) != 1 || len(c.Trust.Authorities) != 1 || len(c.Groups["far"].CA) != 1 {
		t.Errorf("%+v", c)
	}
	numbers := c.numbers()
	for m, want := range map[isakmp.AuthMethod]bool{
		isakmp.AuthPSK: true, isakmp.AuthHybridInitRSA: true, isakmp.AuthXAuthInitRSA: true, isakmp.AuthECDSA256: true,
		isakmp.AuthRSAEncryption: false, isakmp.AuthXAuthInitRSARevisedEncryption: false,
	} {
		if slices.Contains(numbers, m) != want {
			t.Errorf("%v is taken: %v", m, !want)
		}
	}
	// A pre-shared key opens the groups with one, and no other.
	for _, name := range []string{"staff", "home", "old"} {
		id := isakmp.ID{Type: isakmp.IDKeyID, Data: []byte(name)}
		keys := c.keys(ike.Hello{Identity: &id, Remote: netip.MustParseAddrPort("192.0.2.7:500")})
		if (len(keys) > 0) != (name == "old") {
			t.Errorf("%s has %d keys", name, len(keys))
		}
	}
	if only := (&Config{Groups: map[string]*Group{"g": {Methods: []Method{MethodHybrid}}}}).numbers(); slices.Contains(only, isakmp.AuthPSK) || slices.Contains(only, isakmp.AuthXAuthInitPSK) {
		t.Errorf("hybrid alone takes %v", only)
	}
}

// Whose certificate counts, and which group and user it makes a client of.
func TestRecogniseCertificate(t *testing.T) {
	f := newFolder(t)
	c, err := f.parse(certificateConf)
	if err != nil {
		t.Fatal(err)
	}
	person := func(by *pkitest.Pair, unit, name string, change ...func(*x509.Certificate)) *pkitest.Pair {
		return by.Leaf(t, name, pkitest.ECDSA(t), append([]func(*x509.Certificate){func(c *x509.Certificate) {
			c.Subject = pkix.Name{CommonName: name}
			if unit != "" {
				c.Subject.OrganizationalUnit = []string{unit}
			}
			c.DNSNames = []string{name + ".example"}
		}}, change...)...)
	}
	alice := person(f.root, "staff", "alice")
	revoked := person(f.root, "staff", "carol")
	c.Trust.Revocations = append(c.Trust.Revocations, f.root.CRL(t, time.Now().Add(time.Hour), revoked))
	dn := func(p *pkitest.Pair) isakmp.ID { return isakmp.ID{Type: isakmp.IDDERASN1DN, Data: p.RawSubject} }
	server := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }
	for _, tt := range []struct {
		name  string
		cert  *pkitest.Pair
		id    isakmp.ID
		group string // "": refused
		user  string
	}{
		{"by OU", alice, dn(alice), "staff", "alice"},
		{"by OU, named by host", alice, isakmp.ID{Type: isakmp.IDFQDN, Data: []byte("alice.example")}, "staff", "alice"},
		{"by OU, named by address", alice, isakmp.AddressID(netip.MustParseAddr("198.51.100.1")), "staff", "alice"},
		{"somebody else's name", alice, isakmp.ID{Type: isakmp.IDFQDN, Data: []byte("carol.example")}, "", ""},
		{"a group's name for one's own", alice, isakmp.ID{Type: isakmp.IDKeyID, Data: []byte("staff")}, "", ""},
		{"the only group of its authority", person(f.far, "", "dave"), isakmp.ID{}, "far", "dave"},
		{"the only group of its authority, in spite of an OU", person(f.far, "sales", "dave"), isakmp.ID{}, "far", "dave"},
		{"another authority's group", person(f.far, "staff", "dave"), isakmp.ID{}, "", ""},
		{"a group of another authority", person(f.root, "far", "erin"), isakmp.ID{}, "", ""},
		{"a group without certificates", person(f.root, "home", "frank"), isakmp.ID{}, "", ""},
		{"another group's user", person(f.root, "staff", "bob"), isakmp.ID{}, "", ""},
		{"revoked", revoked, isakmp.ID{}, "", ""},
		{"a gateway's", person(f.root, "staff", "gina", server), isakmp.ID{}, "", ""},
		{"by itself", pkitest.SelfSigned(t, "alice", pkitest.ECDSA(t)), isakmp.ID{}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.id.Data == nil {
				tt.id = dn(tt.cert)
			}
			sent := []isakmp.Cert{{Encoding: isakmp.CertX509Signature, Data: tt.cert.Raw}}
			key, err := c.judge(ike.Evidence{Method: isakmp.AuthECDSA256, Identity: &tt.id, Certificates: sent})
			var g *Group
			var name string
			if err == nil {
				if key == nil {
					t.Fatal("no key")
				}
				g, _, name, err = c.recogniseCertificate(ike.Info{Method: isakmp.AuthECDSA256, Peer: tt.id, Certificates: sent}, netip.MustParseAddr("198.51.100.1"))
			}
			switch {
			case tt.group == "" && err == nil:
				t.Errorf("became %s of %s", name, g.Name)
			case tt.group != "" && (err != nil || g.Name != tt.group || name != tt.user):
				t.Errorf("%v, %q, %v", g, name, err)
			}
		})
	}
}

// A client that shows nothing is of the group that it names, or of the only one.
func TestRecogniseHybrid(t *testing.T) {
	two := &Config{Groups: map[string]*Group{
		"a": {Name: "a", Methods: []Method{MethodHybrid}}, "b": {Name: "b", Methods: []Method{MethodHybrid}, Peers: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}},
		"c": {Name: "c"},
	}}
	for _, tt := range []struct{ id, from, want string }{
		{"a", "198.51.100.1", "a"},
		{"b", "192.0.2.1", "b"},
		{"b", "198.51.100.1", "a"}, // not from there: the only one that is left
		{"c", "192.0.2.1", ""},
		{"d", "192.0.2.1", ""},
	} {
		info := ike.Info{Method: isakmp.AuthHybridInitRSA, Peer: isakmp.ID{Type: isakmp.IDKeyID, Data: []byte(tt.id)}}
		g, u, name, err := two.recogniseCertificate(info, netip.MustParseAddr(tt.from))
		if got := fmt.Sprint(g != nil && g.Name == tt.want); err == nil && got != "true" || (err == nil) != (tt.want != "") || u != nil || name != "" {
			t.Errorf("%+v: %v, %v", tt, g, err)
		}
	}
}
