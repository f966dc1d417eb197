package concentrator

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"postern/ike"
	"postern/ike/isakmp"
	"postern/ike/pki"
)

// Method is how clients of a group prove in phase 1 who they are.
type Method uint8

const (
	MethodSharedKey     Method = iota // a pre-shared key
	MethodHybrid                      // not at all: we sign, and XAuth follows
	MethodCertificate                 // a signature
	MethodRSAEncryption               // they decrypt what is encrypted for them
)

var methodNames = []string{"shared-key", "hybrid", "certificate", "rsa-encryption"}

func (m Method) String() string { return methodNames[m] }

// uses says whether clients of the group may use a method.
func (g *Group) uses(m Method) bool {
	if len(g.Methods) == 0 {
		return m == MethodSharedKey
	}
	return slices.Contains(g.Methods, m)
}

// methodOf is what a negotiated number means here.
func methodOf(m isakmp.AuthMethod) Method {
	switch m {
	case isakmp.AuthPSK, isakmp.AuthXAuthInitPSK:
		return MethodSharedKey
	case isakmp.AuthHybridInitRSA, isakmp.AuthHybridInitDSS:
		return MethodHybrid
	case isakmp.AuthRSAEncryption, isakmp.AuthRSARevisedEncryption, isakmp.AuthXAuthInitRSAEncryption, isakmp.AuthXAuthInitRSARevisedEncryption:
		return MethodRSAEncryption
	}
	return MethodCertificate
}

// numbers are those of the methods that some group uses. Package ike takes none that
// our keys aren't for.
func (c *Config) numbers() (all []isakmp.AuthMethod) {
	for m, ns := range [][]isakmp.AuthMethod{
		MethodSharedKey: {isakmp.AuthXAuthInitPSK, isakmp.AuthPSK},
		MethodHybrid:    {isakmp.AuthHybridInitRSA, isakmp.AuthHybridInitDSS},
		MethodCertificate: {
			isakmp.AuthXAuthInitRSA, isakmp.AuthRSA, isakmp.AuthXAuthInitDSS, isakmp.AuthDSS,
			isakmp.AuthECDSA256, isakmp.AuthECDSA384, isakmp.AuthECDSA521,
		},
		MethodRSAEncryption: {
			isakmp.AuthXAuthInitRSARevisedEncryption, isakmp.AuthRSARevisedEncryption,
			isakmp.AuthXAuthInitRSAEncryption, isakmp.AuthRSAEncryption,
		},
	} {
		if slices.ContainsFunc(sorted(c.Groups), func(g *Group) bool { return g.uses(Method(m)) }) {
			all = append(all, ns...)
		}
	}
	return all
}

// Paths are files that a configuration names.
type Paths struct {
	Certificate, PrivateKey, CA, CRL []string
}

// load reads the files that the configuration names; relative paths start at dir.
func (c *Config) load(dir string) error {
	read := func(key, path string) (*pki.Bundle, error) {
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		b, err := readBundle(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", key, path, err)
		}
		return b, nil
	}
	var ours, keys []*pki.Bundle
	for _, f := range []struct {
		key   string
		paths []string
		take  func(*pki.Bundle)
	}{
		{"Certificate", c.Paths.Certificate, func(b *pki.Bundle) { ours = append(ours, b) }},
		{"PrivateKey", c.Paths.PrivateKey, func(b *pki.Bundle) { keys = append(keys, b) }},
		{"CA", c.Paths.CA, func(b *pki.Bundle) { c.Trust.Authorities = append(c.Trust.Authorities, b.Certificates...) }},
		{"CRL", c.Paths.CRL, func(b *pki.Bundle) { c.Trust.Revocations = append(c.Trust.Revocations, b.Revocations...) }},
	} {
		for _, path := range f.paths {
			b, err := read(f.key, path)
			if err != nil {
				return err
			}
			f.take(b)
		}
	}
	for _, g := range sorted(c.Groups) {
		for _, path := range g.CAFiles {
			b, err := read("CA", path)
			if err != nil {
				return err
			}
			g.CA = append(g.CA, b.Certificates...)
		}
	}
	for _, u := range sorted(c.Users) {
		if u.CertificateFile == "" {
			continue
		}
		b, err := read("Certificate", u.CertificateFile)
		if err != nil {
			return err
		}
		if len(b.Certificates) == 0 {
			return fmt.Errorf("%s: %s: no certificate is in it", "Certificate", u.CertificateFile)
		}
		u.Certificate = b.Certificates[0]
	}
	return c.pair(ours, keys)
}

// readBundle reads a regular file of certificates and keys.
func readBundle(path string) (*pki.Bundle, error) {
	const most = 1 << 20
	info, err := os.Stat(path) // opening a FIFO would wait
	if err != nil {
		return nil, errors.New("can't be read")
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("isn't a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, errors.New("can't be read")
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return nil, errors.New("can't be read")
	}
	defer clear(data)
	return pki.Parse(data, nil)
}

// pair makes credentials of the keys and the certificates.
func (c *Config) pair(ours, keys []*pki.Bundle) error {
	var certs []*x509.Certificate
	for _, b := range ours {
		certs = append(certs, b.Certificates...)
	}
	for _, b := range append(ours, keys...) {
		key := b.Key
		if b.DSS != nil {
			dss, err := ike.ParseDSSKey(b.DSS)
			if err != nil {
				return fmt.Errorf("PrivateKey: %w", err)
			}
			key = dss
		}
		if key == nil {
			continue
		}
		chain, err := pki.Chain(certs, key.Public())
		if err != nil {
			return fmt.Errorf("PrivateKey: %w", err)
		}
		cred := ike.Credential{Key: key}
		for _, cert := range chain {
			cred.Chain = append(cred.Chain, cert.Raw)
		}
		c.Credentials = append(c.Credentials, cred)
	}
	if len(certs) > 0 && len(c.Credentials) == 0 {
		return fmt.Errorf("%s: wants PrivateKey beside it", "Certificate")
	}
	return nil
}

// checkMethods finds what a group's methods lack.
func (c *Config) checkMethods(g *Group) error {
	own := len(c.Paths.Certificate) > 0
	for _, m := range g.Methods {
		switch {
		case m != MethodSharedKey && !own:
			return fmt.Errorf("Method: %v wants Certificate and PrivateKey in [ General ]", m)
		case m == MethodHybrid && !g.XAuth:
			return fmt.Errorf("Method: %v wants XAuth, for nothing else says who the user is", m)
		case m == MethodCertificate && len(c.Paths.CA)+len(g.CAFiles) == 0:
			return fmt.Errorf("Method: %v wants CA, here or in [ General ]", m)
		case m == MethodRSAEncryption && !slices.ContainsFunc(sorted(c.Users), func(u *User) bool { return u.Group == g.Name && u.CertificateFile != "" }):
			return fmt.Errorf("Method: %v wants the Certificate of a user, who has to be known beforehand", m)
		}
	}
	return nil
}

// verifier judges clients' certificates; groups' authorities count beside ours.
func (c *Config) verifier(authorities []*x509.Certificate) *pki.Verifier {
	v := c.Trust
	v.Role, v.AllowDSA = pki.Person, v.AllowSHA1
	v.Authorities = authorities
	return &v
}

// authorities are all that may stand above a client.
func (c *Config) authorities() []*x509.Certificate {
	all := c.Trust.Authorities
	for _, g := range sorted(c.Groups) {
		all = append(all[:len(all):len(all)], g.CA...)
	}
	return all
}

// authorityNames are those that clients are asked for a certificate of.
func (c *Config) authorityNames() (names [][]byte) {
	const most = 8
	for _, a := range c.authorities() {
		if len(names) < most {
			names = append(names, a.RawSubject)
		}
	}
	return names
}

// judge is an ike.Config.Verify.
func (c *Config) judge(e ike.Evidence) (crypto.PublicKey, error) {
	if methodOf(e.Method) == MethodRSAEncryption {
		return c.judgeEncryption(e)
	}
	shown, err := bundleOf(e.Certificates)
	if err != nil {
		return nil, err
	}
	authorities := c.authorities()
	if len(authorities) == 0 {
		return nil, errors.New("no CA to judge a client's certificate by")
	}
	v, err := c.verifier(authorities).Verify(shown)
	if err != nil {
		return nil, err
	}
	if err := ownName(v.Certificate, e.Identity); err != nil {
		return nil, err
	}
	return v.Certificate.PublicKey, nil
}

// judgeEncryption finds the key of a user with a certificate in the list, by the
// identity.
func (c *Config) judgeEncryption(e ike.Evidence) (crypto.PublicKey, error) {
	if e.Identity == nil {
		return nil, errors.New("nobody says who it is")
	}
	for _, u := range sorted(c.Users) {
		if u.Certificate == nil || ownName(u.Certificate, e.Identity) != nil {
			continue
		}
		v := c.verifier(nil)
		v.Known, v.Encrypts = []*x509.Certificate{u.Certificate}, true
		if _, err := v.Verify(&pki.Bundle{}); err != nil {
			return nil, err
		}
		return u.Certificate.PublicKey, nil
	}
	return nil, fmt.Errorf("no user with a certificate is called %v", e.Identity)
}

// bundleOf reads what a client sends.
func bundleOf(certs []isakmp.Cert) (*pki.Bundle, error) {
	var b pki.Bundle
	for _, c := range certs {
		if err := b.AddPayload(uint8(c.Encoding), c.Data); err != nil {
			return nil, err
		}
	}
	return &b, nil
}

// ownName says whether a certificate vouches for the name that a client gives itself.
// An address says where it is and not who.
func ownName(c *x509.Certificate, id *isakmp.ID) error {
	if id == nil {
		return errors.New("no identity")
	}
	var n pki.Name
	switch id.Type {
	case isakmp.IDIPv4Addr, isakmp.IDIPv6Addr:
		return nil
	case isakmp.IDFQDN, isakmp.IDUserFQDN:
		n = pki.Host(string(id.Data))
	case isakmp.IDDERASN1DN:
		n = pki.DN(id.Data)
	}
	if !n.In(c) {
		return fmt.Errorf("the certificate of %s isn't that of %v", pki.Owner(c), *id)
	}
	return nil
}

// recogniseCertificate finds the group of a client that proved itself without a
// pre-shared key, and whose certificate it is. The group is the one that the
// subject's OU names, or the identity, or the only one with that method and authority.
func (c *Config) recogniseCertificate(info ike.Info, from netip.Addr) (*Group, *User, string, error) {
	method := methodOf(info.Method)
	var candidates []*Group
	for _, g := range sorted(c.Groups) {
		if g.uses(method) && g.from(from) {
			candidates = append(candidates, g)
		}
	}
	var cert *x509.Certificate
	var user *User
	switch method {
	case MethodCertificate:
		shown, err := bundleOf(info.Certificates)
		if err != nil {
			return nil, nil, "", err
		}
		v, err := c.verifier(c.authorities()).Verify(shown)
		if err != nil {
			return nil, nil, "", err
		}
		cert = v.Certificate
		candidates = slices.DeleteFunc(candidates, func(g *Group) bool {
			above := g.CA
			if len(above) == 0 {
				above = c.Trust.Authorities
			}
			_, err := c.verifier(above).Verify(shown)
			return err != nil
		})
	case MethodRSAEncryption:
		for _, u := range sorted(c.Users) {
			if u.Certificate != nil && ownName(u.Certificate, &info.Peer) == nil {
				user, cert = u, u.Certificate
				break
			}
		}
		if user == nil {
			return nil, nil, "", fmt.Errorf("no user with a certificate is called %v", info.Peer)
		}
	}
	g, err := c.choose(candidates, cert, user, info.Peer)
	if err != nil || cert == nil {
		return g, nil, "", err
	}
	if user == nil {
		user = c.Users[cert.Subject.CommonName]
	}
	if user != nil && user.Group != g.Name {
		return nil, nil, "", fmt.Errorf("user %q isn't of group %s", user.Name, g.Name)
	}
	return g, user, cert.Subject.CommonName, nil
}

// choose is the group of a client among those that it may belong to. Whose OU names a
// group is never taken for another's.
func (c *Config) choose(candidates []*Group, cert *x509.Certificate, user *User, id isakmp.ID) (*Group, error) {
	for _, g := range candidates {
		switch {
		case user != nil && user.Group == g.Name,
			user == nil && cert != nil && slices.Contains(cert.Subject.OrganizationalUnit, g.Name):
			return g, nil
		}
	}
	for _, g := range candidates {
		if user == nil && names(id, g.Name) {
			return g, nil
		}
	}
	elsewhere := cert != nil && slices.ContainsFunc(cert.Subject.OrganizationalUnit, func(ou string) bool { return c.Groups[ou] != nil })
	if len(candidates) == 1 && user == nil && !elsewhere {
		return candidates[0], nil
	}
	return nil, fmt.Errorf("no group for %v", id)
}

// parseMethod reads a Method.
func parseMethod(v string) (Method, error) {
	if i := slices.IndexFunc(methodNames, func(n string) bool { return strings.EqualFold(n, v) }); i >= 0 {
		return Method(i), nil
	}
	return 0, fmt.Errorf("%q: wants %s or %s", v, strings.Join(methodNames[:len(methodNames)-1], ", "), methodNames[len(methodNames)-1])
}

// from says whether a client may come from an address.
func (g *Group) from(a netip.Addr) bool {
	return len(g.Peers) == 0 || slices.ContainsFunc(g.Peers, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
}
