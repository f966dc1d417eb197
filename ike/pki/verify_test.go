package pki_test

import (
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"postern/ike/pki"
	"postern/ike/pki/pkitest"
)

// line is a chain of four: root, two authorities, a gateway.
func line(t testing.TB) (root, above, below, leaf *pkitest.Pair) {
	t.Helper()
	root = pkitest.Root(t, "root", pkitest.ECDSA(t))
	above = root.Authority(t, "above", pkitest.ECDSA(t))
	below = above.Authority(t, "below", pkitest.ECDSA(t))
	leaf = below.Leaf(t, "gw.example", pkitest.ECDSA(t))
	return
}

func bundle(ps ...*pkitest.Pair) *pki.Bundle { return &pki.Bundle{Certificates: certs(ps...)} }

func certs(ps ...*pkitest.Pair) (cs []*x509.Certificate) {
	for _, p := range ps {
		cs = append(cs, p.Certificate)
	}
	return cs
}

// refused ends the test unless err is of that kind, and returns its text.
func refused(t *testing.T, err error, want pki.Problem) string {
	t.Helper()
	var e *pki.Error
	if !errors.As(err, &e) || e.Problem != want {
		t.Fatalf("%v, want %s", err, want)
	}
	return e.Error()
}

func TestVerifyChain(t *testing.T) {
	root, above, below, leaf := line(t)
	v := pki.Verifier{Authorities: certs(root)}
	got, err := v.Verify(bundle(below, leaf, above)) // in any order
	if err != nil {
		t.Fatal(err)
	}
	if got.Certificate != leaf.Certificate || len(got.Chain) != 4 {
		t.Errorf("%s by %d certificates", pki.Owner(got.Certificate), len(got.Chain))
	}
	_, err = v.Verify(bundle(leaf, below))
	if text := refused(t, err, pki.Untrusted); !strings.Contains(text, "CN=above") {
		t.Error(text)
	}
	v.Others = certs(above)
	if _, err = v.Verify(bundle(leaf, below)); err != nil {
		t.Error(err)
	}
	v = pki.Verifier{Authorities: certs(below)} // trusted where it stands
	if _, err = v.Verify(bundle(leaf)); err != nil {
		t.Error(err)
	}
}

// Each way in which a chain can be wrong has a name, and says whose certificate it is.
// crypto/x509 and the small verifier come to the same.
func TestVerifyRefuses(t *testing.T) {
	now := time.Now()
	expired := func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.AddDate(-2, 0, 0), now.AddDate(-1, 0, 0) }
	root := pkitest.Root(t, "root", pkitest.ECDSA(t))
	old := pkitest.Root(t, "old root", pkitest.ECDSA(t), expired)
	oldMiddle := root.Authority(t, "old middle", pkitest.ECDSA(t), expired)
	short := root.Authority(t, "short", pkitest.ECDSA(t), func(c *x509.Certificate) { c.MaxPathLenZero = true })
	tooDeep := short.Authority(t, "too deep", pkitest.ECDSA(t))
	noSigner := root.Authority(t, "no signer", pkitest.ECDSA(t), func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign })
	user := root.Leaf(t, "user", pkitest.ECDSA(t))
	people := root.Authority(t, "people", pkitest.ECDSA(t), func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	bound := root.Authority(t, "bound", pkitest.ECDSA(t), func(c *x509.Certificate) {
		c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"example.org"}, true
		c.ExcludedIPRanges = []*net.IPNet{{IP: net.IPv4(10, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)}}
		c.PermittedEmailAddresses = []string{"example.org"}
	})
	stranger := pkitest.Root(t, "root", pkitest.ECDSA(t)) // of the same name
	dns := func(names ...string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.DNSNames = names }
	}
	weak := root.Leaf(t, "weak", pkitest.RSA(t, 1024, 0))

	for _, c := range []struct {
		name  string
		shown *pki.Bundle
		want  pki.Problem
		text  string
	}{
		{"nothing", &pki.Bundle{}, pki.Missing, "no certificate"},
		{"expired", bundle(root.Leaf(t, "gw", pkitest.ECDSA(t), expired)), pki.Expired, "CN=gw,O=Test ended on"},
		{"not yet valid", bundle(root.Leaf(t, "gw", pkitest.ECDSA(t), func(c *x509.Certificate) { c.NotBefore = now.AddDate(0, 1, 0) })), pki.NotYetValid, "CN=gw,O=Test begins on"},
		{"an expired authority", bundle(oldMiddle.Leaf(t, "gw", pkitest.ECDSA(t)), oldMiddle), pki.Expired, "CN=old middle"},
		{"an expired root", bundle(old.Leaf(t, "gw", pkitest.ECDSA(t))), pki.Expired, "CN=old root"},
		{"self-signed", bundle(pkitest.SelfSigned(t, "gw", pkitest.ECDSA(t))), pki.SelfSigned, "CN=gw"},
		{"a foreign root", bundle(pkitest.Root(t, "foreign", pkitest.ECDSA(t)).Leaf(t, "gw", pkitest.ECDSA(t))), pki.Untrusted, "CN=foreign"},
		{"a foreign root with a known name", bundle(stranger.Leaf(t, "gw", pkitest.ECDSA(t)), stranger), pki.Untrusted, "isn't signed by"},
		{"for people", bundle(root.Leaf(t, "gw", pkitest.ECDSA(t), func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })), pki.WrongUsage, "CN=gw,O=Test isn't one of a VPN gateway"},
		{"by an authority for people", bundle(people.Leaf(t, "gw", pkitest.ECDSA(t)), people), pki.WrongUsage, "CN=people"},
		{"for signing certificates", bundle(root.Leaf(t, "gw", pkitest.ECDSA(t), func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign })), pki.WrongUsage, "key usage"},
		{"by a user", bundle(user.Leaf(t, "gw", pkitest.ECDSA(t)), user), pki.WrongUsage, "CN=user"},
		{"by an authority that mustn't sign", bundle(noSigner.Leaf(t, "gw", pkitest.ECDSA(t)), noSigner), pki.WrongUsage, "CN=no signer"},
		{"too long", bundle(tooDeep.Leaf(t, "gw", pkitest.ECDSA(t)), tooDeep, short), pki.Constrained, "path length"},
		{"another domain", bundle(bound.Leaf(t, "gw", pkitest.ECDSA(t), dns("a.example.org", "gw.example.com")), bound), pki.Constrained, `"gw.example.com"`},
		{"another domain as common name", bundle(bound.Leaf(t, "gw.example.com", pkitest.ECDSA(t)), bound), pki.Constrained, `"gw.example.com"`},
		{"an excluded address", bundle(bound.Leaf(t, "gw", pkitest.ECDSA(t), func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(10, 1, 2, 3)} }), bound), pki.Constrained, `"10.1.2.3"`},
		{"an excluded address as common name", bundle(bound.Leaf(t, "10.1.2.3", pkitest.ECDSA(t)), bound), pki.Constrained, `"10.1.2.3"`},
		{"another mailbox", bundle(bound.Leaf(t, "gw", pkitest.ECDSA(t), func(c *x509.Certificate) { c.EmailAddresses = []string{"a@example.com"} }), bound), pki.Constrained, `"a@example.com"`},
		{"a short RSA key", bundle(weak), pki.Weak, "1024 bits, where 2048"},
		{"a weak curve", bundle(root.Leaf(t, "gw", pkitest.OnCurve(t, elliptic.P224()))), pki.Weak, "P-224"},
		{"an unknown critical extension", bundle(root.Leaf(t, "gw", pkitest.ECDSA(t), func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}
		})), pki.Unsupported, "1.2.3.4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, v := range []pki.Verifier{{}, {AllowSHA1: true, AllowDSA: true}} {
				v.Authorities = certs(root, old)
				got, err := v.Verify(c.shown)
				if err == nil {
					t.Fatalf("%s is accepted", pki.Owner(got.Certificate))
				}
				if text := refused(t, err, c.want); !strings.Contains(text, c.text) {
					t.Errorf("%q lacks %q", text, c.text)
				}
			}
		})
	}
	t.Run("within bounds", func(t *testing.T) {
		leaf := bound.Leaf(t, "gw", pkitest.ECDSA(t), func(c *x509.Certificate) {
			c.DNSNames, c.EmailAddresses, c.IPAddresses = []string{"gw.example.org"}, []string{"a@example.org"}, []net.IP{net.IPv4(11, 0, 0, 1)}
		})
		for _, v := range []pki.Verifier{{}, {AllowSHA1: true}} {
			v.Authorities = certs(root)
			if _, err := v.Verify(bundle(leaf, bound)); err != nil {
				t.Error(err)
			}
		}
	})
}

// What only a person can allow.
func TestVerifyAntique(t *testing.T) {
	sha1 := func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA }
	key, other := pkitest.RSA(t, 1024, 0), pkitest.RSA(t, 1024, 1)
	root := pkitest.Root(t, "root", key, sha1)
	leaf := root.Leaf(t, "gw", other, sha1)
	v := pki.Verifier{Authorities: certs(root)}
	_, err := v.Verify(bundle(leaf))
	if text := refused(t, err, pki.Weak); !strings.Contains(text, "1024 bits") {
		t.Error(text)
	}
	v.MinRSABits = 1024
	_, err = v.Verify(bundle(leaf))
	if text := refused(t, err, pki.Weak); !strings.Contains(text, "SHA1-RSA") {
		t.Error(text)
	}
	v.AllowSHA1 = true
	if _, err = v.Verify(bundle(leaf)); err != nil {
		t.Error(err)
	}
	forged := root.Leaf(t, "gw", other, sha1)
	raw := append([]byte(nil), forged.Raw...)
	raw[len(raw)-1] ^= 1
	c, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	_, err = v.Verify(&pki.Bundle{Certificates: []*x509.Certificate{c}})
	refused(t, err, pki.Untrusted)
	v.MinRSABits = 512 // means 1024
	if _, err = v.Verify(bundle(leaf)); err != nil {
		t.Error(err)
	}
}

func TestVerifyDSA(t *testing.T) {
	load := func(name string) *pki.Bundle {
		b, err := pki.Parse(read(t, name), nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	ca := load("dsa-ca.crt").Certificates
	for _, c := range []struct {
		file      string
		sha1, dsa bool
		ok        bool
	}{
		{"dsa-sha1.crt", false, false, false},
		{"dsa-sha1.crt", false, true, false},
		{"dsa-sha1.crt", true, false, true},
		{"dsa-sha256.crt", false, false, false},
		{"dsa-sha256.crt", true, false, false},
		{"dsa-sha256.crt", false, true, true},
	} {
		v := pki.Verifier{Authorities: ca, AllowSHA1: c.sha1, AllowDSA: c.dsa}
		if _, err := v.Verify(load(c.file)); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
	key, err := pki.Parse(read(t, "dsa-sha1.key"), nil)
	if err != nil || len(key.DSS) == 0 {
		t.Error(err)
	}
}

func TestVerifyKnownAndPinned(t *testing.T) {
	gw := pkitest.SelfSigned(t, "gw", pkitest.ECDSA(t))
	renewed := pkitest.SelfSigned(t, "gw", gw.Key)
	other := pkitest.SelfSigned(t, "gw", pkitest.ECDSA(t))
	ended := pkitest.SelfSigned(t, "gw", pkitest.ECDSA(t), func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	pin := func(p pki.Pin) pki.Verifier { return pki.Verifier{Pin: &p} }
	for _, c := range []struct {
		name  string
		v     pki.Verifier
		shown *pki.Bundle
		want  pki.Problem // "": accepted
	}{
		{"known", pki.Verifier{Known: certs(gw)}, bundle(gw), ""},
		{"known, and none is sent", pki.Verifier{Known: certs(gw)}, &pki.Bundle{}, ""},
		{"known is another", pki.Verifier{Known: certs(gw)}, bundle(renewed), pki.Changed},
		{"the certificate's pin", pin(pki.Fingerprint(gw.Certificate)), bundle(gw), ""},
		{"the certificate's pin and a renewed one", pin(pki.Fingerprint(gw.Certificate)), bundle(renewed), pki.Changed},
		{"the key's pin and a renewed certificate", pin(pki.KeyFingerprint(gw.Certificate)), bundle(renewed), ""},
		{"another's pin", pin(pki.KeyFingerprint(gw.Certificate)), bundle(other), pki.Changed},
		{"pinned and ended", pin(pki.KeyFingerprint(ended.Certificate)), bundle(ended), pki.Expired},
		{"nothing is known", pki.Verifier{}, bundle(gw), pki.Unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.v.Verify(c.shown)
			if c.want == "" && err != nil {
				t.Error(err)
			} else if c.want != "" {
				refused(t, err, c.want)
			}
		})
	}
	p := pki.KeyFingerprint(gw.Certificate)
	root, _, _, _ := line(t)
	both := pki.Verifier{Pin: &p, Authorities: certs(root)}
	_, err := both.Verify(bundle(gw)) // a pin doesn't stand in for the authority
	refused(t, err, pki.SelfSigned)
}

func TestRevocation(t *testing.T) {
	root := pkitest.Root(t, "root", pkitest.ECDSA(t))
	middle := root.Authority(t, "middle", pkitest.ECDSA(t))
	gw := middle.Leaf(t, "gw", pkitest.ECDSA(t))
	fake := pkitest.Root(t, "middle", pkitest.ECDSA(t)) // of the same name
	later, before := time.Now().Add(time.Hour), time.Now().Add(-time.Minute)
	for _, c := range []struct {
		name    string
		list    *x509.RevocationList
		want    string // of whom; "": accepted
		warning string
	}{
		{"of nobody", middle.CRL(t, later), "", ""},
		{"of the gateway", middle.CRL(t, later, gw), "CN=gw", ""},
		{"of the authority", root.CRL(t, later, middle), "CN=middle", ""},
		{"of the gateway, out of date", middle.CRL(t, before, gw), "CN=gw", ""},
		{"of nobody, out of date", middle.CRL(t, before), "", "out of date"},
		{"by somebody else", fake.CRL(t, later, gw), "", "of no use"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := pki.Verifier{Authorities: certs(root), Others: certs(middle), Revocations: []*x509.RevocationList{c.list}}
			got, err := v.Verify(bundle(gw))
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if text := strings.Join(got.Warnings, " "); (text == "") != (c.warning == "") || !strings.Contains(text, c.warning) {
					t.Errorf("warnings %q, want %q", text, c.warning)
				}
			} else if text := refused(t, err, pki.Revoked); !strings.Contains(text, c.want) {
				t.Error(text)
			}
			// The same list from the gateway itself.
			shown := bundle(gw, middle)
			shown.Revocations = v.Revocations
			v = pki.Verifier{Authorities: certs(root)}
			if _, err := v.Verify(shown); (err == nil) != (c.want == "") {
				t.Error("sent by the peer:", err)
			}
		})
	}
}

// Nothing that stands in a certificate is fetched.
func TestNothingIsFetched(t *testing.T) {
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	defer server.Close()
	urls := func(c *x509.Certificate) {
		c.CRLDistributionPoints = []string{server.URL + "/crl"}
		c.OCSPServer, c.IssuingCertificateURL = []string{server.URL + "/ocsp"}, []string{server.URL + "/ca"}
	}
	root := pkitest.Root(t, "root", pkitest.ECDSA(t), urls)
	middle := root.Authority(t, "middle", pkitest.ECDSA(t), urls)
	gw := middle.Leaf(t, "gw", pkitest.ECDSA(t), urls)
	for _, v := range []pki.Verifier{{}, {AllowSHA1: true}} {
		v.Authorities = certs(root)
		if _, err := v.Verify(bundle(gw, middle)); err != nil {
			t.Error(err)
		}
		_, err := v.Verify(bundle(gw)) // the missing authority's URL stands in it
		refused(t, err, pki.Untrusted)
	}
	if n := requests.Load(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// A peer can't keep us busy: many authorities of one name, each signing the next.
func TestVerifyIsBounded(t *testing.T) {
	root := pkitest.Root(t, "root", pkitest.ECDSA(t))
	shown := &pki.Bundle{}
	key := pkitest.ECDSA(t)
	first := pkitest.Root(t, "loop", key)
	gw := first.Leaf(t, "gw", pkitest.ECDSA(t))
	shown.Certificates = append(shown.Certificates, gw.Certificate)
	for range 60 {
		shown.Certificates = append(shown.Certificates, first.Authority(t, "loop", key).Certificate)
	}
	v := pki.Verifier{Authorities: certs(root)}
	began := time.Now()
	_, err := v.Verify(shown)
	refused(t, err, pki.Untrusted)
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("took %v", d)
	}
}

func TestNames(t *testing.T) {
	root := pkitest.Root(t, "root", pkitest.ECDSA(t))
	full := root.Leaf(t, "common.example", pkitest.ECDSA(t), func(c *x509.Certificate) {
		c.Subject = pkix.Name{Country: []string{"CH"}, Organization: []string{"Example, Inc."}, CommonName: "common.example"}
		c.DNSNames, c.EmailAddresses = []string{"gw.example", "*.wild.example"}, []string{"admin@Example.org"}
		c.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 1), net.ParseIP("2001:db8::1")}
	})
	plain := root.Leaf(t, "old.example", pkitest.ECDSA(t))
	numbered := root.Leaf(t, "192.0.2.9", pkitest.ECDSA(t))
	for _, c := range []struct {
		name string
		cert *pkitest.Pair
		want bool
	}{
		{"gw.example", full, true},
		{"GW.example.", full, true},
		{"a.wild.example", full, true},
		{"a.b.wild.example", full, false},
		{"wild.example", full, false},
		{"common.example", full, false}, // there are alternative names
		{"other.example", full, false},
		{"admin@example.org", full, true},
		{"Admin@example.org", full, false},
		{"admin@example.com", full, false},
		{"192.0.2.1", full, true},
		{"::ffff:192.0.2.1", full, true},
		{"192.0.2.2", full, false},
		{"2001:db8::1", full, true},
		{`C=CH, O=Example\, Inc., CN=common.example`, full, true},
		{`CN=Common.Example,O="example,  inc.",C=ch`, full, true},
		{`/C=CH/O=Example, Inc./CN=common.example`, full, true},
		{`2.5.4.6=CH, O=Example\, Inc., CN=common.example`, full, true},
		{`CN=common.example`, full, false},
		{`C=CH, O=Example, CN=common.example`, full, false},
		{"", full, false},
		{"old.example", plain, true},
		{"old", plain, false},
		{"CN=old.example, O=Test", plain, true},
		{"192.0.2.9", numbered, true},
	} {
		if got := pki.ParseName(c.name).In(c.cert.Certificate); got != c.want {
			t.Errorf("%q in %v: %v", c.name, pki.Names(c.cert.Certificate), got)
		}
	}
	for _, c := range []struct {
		name pki.Name
		want bool
	}{
		{pki.DN(full.RawSubject), true},
		{pki.DN(plain.RawSubject), false},
		{pki.DN([]byte{}), false},
		{pki.DN([]byte{0x30, 0}), false},
		{pki.Address(netip.MustParseAddr("192.0.2.1")), true},
		{pki.Host("gw.example"), true},
		{pki.Name{}, false},
	} {
		if got := c.name.In(full.Certificate); got != c.want {
			t.Errorf("%+v: %v", c.name, got)
		}
	}
}

// Names in a certificate can't draw on a terminal.
func TestNamesAreClean(t *testing.T) {
	evil := pkitest.SelfSigned(t, "\x1b[2Jgw\u202e\r\n"+strings.Repeat("x", 1000), pkitest.ECDSA(t))
	for _, s := range append(pki.Names(evil.Certificate), pki.Owner(evil.Certificate), pki.Issuer(evil.Certificate)) {
		if strings.ContainsAny(s, "\x1b\u202e\r\n") || len(s) > 600 {
			t.Errorf("%q", s)
		}
	}
}

func TestPin(t *testing.T) {
	c := pkitest.SelfSigned(t, "gw", pkitest.ECDSA(t)).Certificate
	p := pki.Fingerprint(c)
	hex := strings.TrimPrefix(p.String(), "sha256:")
	var colons []string
	for i := 0; i < len(hex); i += 2 {
		colons = append(colons, strings.ToUpper(hex[i:i+2]))
	}
	for _, s := range []string{p.String(), hex, strings.Join(colons, ":"), "sha256:" + strings.Join(colons, ":")} {
		if got, err := pki.ParsePin(s); err != nil || got != p {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "sha256:", hex[2:], hex + "00", "sha1:" + hex, strings.Repeat("zz", 32)} {
		if _, err := pki.ParsePin(s); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
	if got, err := pki.ParsePin("sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="); err != nil || got.String() != "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" {
		t.Error(got, err)
	}
}

func TestExpiring(t *testing.T) {
	for _, c := range []struct {
		left time.Duration
		want string
	}{
		{31 * 24 * time.Hour, ""},
		{29*24*time.Hour + time.Hour, "Your certificate (CN=me,O=Test) ends in 29 days"},
		{25 * time.Hour, "in 1 day,"},
		{time.Hour, "within a day"},
		{-time.Hour, "ended on"},
	} {
		p := pkitest.SelfSigned(t, "me", pkitest.ECDSA(t), func(x *x509.Certificate) {
			x.NotBefore, x.NotAfter = time.Now().AddDate(-1, 0, 0), time.Now().Add(c.left)
		})
		if got := pki.Expiring("Your", p.Certificate); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%v: %q, want %q", c.left, got, c.want)
		}
	}
}
