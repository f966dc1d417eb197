//go:build linux

package interop

import (
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postern/ike/pki/pkitest"
)

// Proofs of a swan without a pre-shared key.
const (
	byRSA    = "rsa"
	byChain  = "rsa, chains of three"
	byECDSA  = "ecdsa"
	byP384   = "ecdsa-p384"
	byHybrid = "hybrid"
)

// LocalAuth is how an end proves itself, as swanctl names it.
func (s swan) LocalAuth() string {
	if s.Proof == "" {
		return "psk"
	}
	return "pubkey"
}

// An office has a gateway, somebody who uses it, and an authority for both; above them may be another one.
type office struct {
	root, below     *pkitest.Pair // below is root without a chain
	gateway, client *pkitest.Pair
}

// keys of an office's two ends.
func keys(t *testing.T, proof string) (gateway, client crypto.Signer) {
	switch proof {
	case byECDSA:
		return pkitest.ECDSA(t), pkitest.ECDSA(t)
	case byP384:
		return pkitest.OnCurve(t, elliptic.P384()), pkitest.OnCurve(t, elliptic.P384())
	}
	return pkitest.RSA(t, 2048, 0), pkitest.RSA(t, 2048, 1)
}

// office makes an office, once a lab.
func (l *lab) office(proof string) *office {
	l.t.Helper()
	if l.certificates != nil {
		return l.certificates
	}
	gatewayKey, clientKey := keys(l.t, proof)
	o := &office{root: pkitest.Root(l.t, "lab root", pkitest.RSA(l.t, 2048, 2))}
	o.below = o.root
	if proof == byChain {
		o.below = o.root.Authority(l.t, "lab authority", pkitest.RSA(l.t, 2048, 3))
	}
	o.gateway = o.below.Leaf(l.t, "lab gateway", gatewayKey, func(c *x509.Certificate) {
		c.DNSNames, c.IPAddresses = []string{"gateway.example"}, []net.IP{net.ParseIP(gatewayAddress)}
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	})
	o.client = o.below.Leaf(l.t, "alice", clientKey, func(c *x509.Certificate) {
		c.Subject = pkix.Name{Organization: []string{"lab"}, OrganizationalUnit: []string{"staff"}, CommonName: "alice"}
		c.EmailAddresses, c.ExtKeyUsage = []string{"alice@lab.example"}, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	})
	for name, data := range map[string][]byte{
		"root.pem":    pkitest.PEM(o.root),
		"gateway.pem": pkitest.PEM(o.gateway, o.below), "gateway.key": o.gateway.KeyPEM(l.t),
		"client.pem": pkitest.PEM(o.client, o.below), "client.key": o.client.KeyPEM(l.t),
	} {
		l.write(name, string(data))
	}
	l.certificates = o
	return o
}

// certify makes a profile one for a gateway with a certificate; its files lie beside it.
func (s swan) certify(p settings) {
	delete(p, "secret")
	p["ca"] = "root.pem"
	switch s.Proof {
	case byHybrid:
		p["auth"] = "hybrid"
		return
	case byECDSA, byP384:
		p["auth"] = "ecdsa"
	default:
		p["auth"] = "rsa"
	}
	p["certificate"], p["key"] = "client.pem", "client.key"
	delete(p, "identity")
	delete(p, "identity_type")
}

// swanCertificates fills the folder that swanctl reads certificates and keys from.
func (l *lab) swanCertificates(n *node, s swan, dir string) {
	l.t.Helper()
	if s.Proof == "" {
		return
	}
	o := l.office(s.Proof)
	pair, name := o.client, "client"
	if n == l.gateway {
		pair, name = o.gateway, "gateway"
	}
	for path, data := range map[string][]byte{
		"x509/" + name + ".pem":    pkitest.PEM(pair),
		"private/" + name + ".key": pair.KeyPEM(l.t),
		"x509ca/root.pem":          pkitest.PEM(o.root),
		"x509ca/below.pem":         pkitest.PEM(o.below),
	} {
		if name == "client" && s.Proof == byHybrid && strings.Contains(path, "client") {
			continue
		}
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			l.t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			l.t.Fatal(err)
		}
	}
}

// certified is labSwan without its pre-shared key.
func certified(proof string, aggressive, xauth bool) swan {
	s := labSwan
	s.Proof, s.Aggressive, s.IKE = proof, aggressive, "aes256-sha256-modp2048"
	if !xauth {
		s.User, s.Password = "", ""
	}
	return s
}

var certificateCases = []struct {
	name       string
	proof      string
	aggressive bool
	xauth      bool
	id         string // the gateway's; empty: its subject
	behindNAT  bool
}{
	{"rsa, main mode", byRSA, false, false, "gateway.example", false},
	{"rsa, aggressive mode", byRSA, true, false, "", false},
	{"rsa and XAuth, main mode", byRSA, false, true, "", false},
	{"rsa and XAuth, aggressive mode", byRSA, true, true, "gateway.example", false},
	{"rsa and XAuth, main mode behind a NAT", byRSA, false, true, gatewayAddress, true},
	{"chains of three, main mode", byChain, false, false, "gateway.example", false},
	{"chains of three and XAuth, aggressive mode", byChain, true, true, "gateway.example", false},
	{"hybrid, main mode", byHybrid, false, true, "gateway.example", false},
	{"hybrid, aggressive mode", byHybrid, true, true, "", false},
	{"ECDSA on P-256", byECDSA, false, false, "gateway.example", false},
	{"ECDSA on P-384, aggressive mode", byP384, true, false, "", false},
}

func TestPosternReachesStrongSwanByCertificate(t *testing.T) {
	needStrongSwan(t)
	t.Parallel()
	for _, c := range certificateCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, c.behindNAT)
			l.serve()
			s := certified(c.proof, c.aggressive, c.xauth)
			s.GatewayID = c.id
			gateway := l.swanGateway(s)
			before := l.client.network()
			client := l.postern(s.profile())
			client.up()
			l.carries(firstOfPool, host1)
			l.carries(firstOfPool, host2)
			l.staysOutside(host3)
			client.quit(before)
			gateway.forgets()
		})
	}
}

// What is wrong with a certificate ends postern with the code that scripts know.
func TestPosternIsRefusedByCertificate(t *testing.T) {
	needStrongSwan(t)
	t.Parallel()
	for _, c := range []struct {
		name    string
		proof   string
		profile settings
		want    int
		reason  string
	}{
		{"another name is demanded", byHybrid, settings{"gateway_identity": "other.example"}, 11, "certificate_wrong_name"},
		{"another authority is trusted", byHybrid, settings{"ca": "other.pem"}, 11, "certificate_untrusted"},
		{"another key is pinned", byHybrid, settings{"gateway_pin": strings.Repeat("00", 32)}, 11, "certificate_changed"},
		{"nothing is known", byHybrid, settings{"ca": ""}, 6, "gateway_unknown"},
		{"wrong password", byHybrid, settings{"password": "wrong"}, 2, "login_refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, false)
			s := certified(c.proof, false, c.proof == byHybrid)
			s.GatewayID = "gateway.example"
			gateway := l.swanGateway(s)
			l.write("other.pem", string(pkitest.PEM(pkitest.Root(t, "other root", pkitest.ECDSA(t)))))
			client := l.postern(s.profile().with(c.profile))
			code, last := client.refused()
			if code != c.want || last.State != "failed" || last.Reason.Code != c.reason {
				t.Errorf("exit code %d, last status %+v; want %d for %s", code, last, c.want, c.reason)
			}
			heard := func() bool { return strings.Contains(gateway.said.String(), "XAuth authentication of 'alice'") }
			if c.want == 2 {
				l.eventually("the gateway's word of the user", heard)
			} else if heard() {
				t.Error("the gateway heard of the user")
			}
		})
	}
}

// A concentrator that knows certificates.
const certifiedConf = `[ General ]
Address = ` + gatewayAddress + `
InsideAddress = 10.20.0.254/24
Identity = gateway.example
Certificate = gateway.pem
PrivateKey = gateway.key
CA = root.pem

[ IKE Policy ]
Protection = aes256-sha256-modp2048
Protection = aes128-sha1-modp1024

[ VPN Group "staff" ]
Transform = aes128-sha1
StartIPAddress = 10.20.0.1
MaxConnections = 16
IPNet = ` + network1 + `
IPNet = ` + network2 + `
`

// certifiedConcentrator starts our gateway whose group has the lines too.
func (l *lab) certifiedConcentrator(proof, group, users string) *process {
	l.t.Helper()
	l.office(proof)
	return l.concentratorWith(certifiedConf + group + "\n[ VPN Users ]\n" + users + "\n")
}

func TestStrongSwanReachesConcentratorByCertificate(t *testing.T) {
	needStrongSwan(t)
	t.Parallel()
	for _, c := range certificateCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, c.behindNAT)
			l.serve()
			group, user := "Method = certificate\nXAuth = off", ""
			switch {
			case c.proof == byHybrid:
				group, user = "Method = hybrid", `"alice" Config="staff" Password="wonderland"`
			case c.xauth:
				group, user = "Method = certificate", `"alice" Config="staff" Password="wonderland"`
			}
			gateway := l.certifiedConcentrator(c.proof, group, user)
			client := l.swanClient(certified(c.proof, c.aggressive, c.xauth))
			client.connect()
			l.carries(firstOfPool, host1)
			l.carries(firstOfPool, host2)
			l.staysOutside(host3)
			client.disconnect()
			gateway.running()
		})
	}
}

func TestVPNCReachesConcentratorByHybrid(t *testing.T) {
	needVPNC(t)
	t.Parallel()
	l := newLab(t, false)
	l.serve()
	gateway := l.certifiedConcentrator(byHybrid, "Method = hybrid", `"alice" Config="staff" Password="wonderland"`)
	how := vpnc{Group: "staff", Secret: "the group's key", User: "alice", Password: "wonderland", NATT: "force-natt", CA: filepath.Join(l.dir, "root.pem")}
	client := l.vpnc(how)
	inner := l.vpncUp(client)
	l.carries(inner, host1)
	l.carries(inner, host2)
	l.staysOutside(host3)
	if code := client.stop(); code != 0 {
		t.Errorf("vpnc ended with %d", code)
	}
	gateway.running()
}
