package ike

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"postern/ike/isakmp"
)

// Credential is a private key of ours with its certificates.
type Credential struct {
	// Chain is the certificate of the key and those of the authorities above it, in
	// that order, DER encoded. They are sent as they stand here: the root had better
	// not be among them.
	Chain [][]byte
	// Key signs, and may live in a token: with RSA it gets HASH and crypto.Hash(0),
	// with DSS and ECDSA it returns the ASN.1 SEQUENCE of r and s that crypto/ecdsa
	// does. Its public key is a *rsa.PublicKey, *ecdsa.PublicKey or *dsa.PublicKey. For
	// the methods of RSA encryption it is a *rsa.PrivateKey, or a crypto.Decrypter
	// that undoes PKCS #1 version 1.5.
	Key crypto.Signer
}

// Evidence is what a peer shows of itself before its signature is checked:
// nothing of it is proved yet.
type Evidence struct {
	Method isakmp.AuthMethod
	Remote netip.AddrPort
	// Identity is what it calls itself. It is nil when an initiator asks, before its
	// peer said anything, for the key to encrypt with: then the certificate is
	// Config.PeerCertificate, and Verify is asked again, with the identity, before the
	// peer counts as authenticated.
	Identity *isakmp.ID
	// Certificates are the CERT payloads as received, in their order; none if the
	// peer takes it that we have its certificate. Encoding says what each holds:
	// X.509 certificates, several in PKCS #7, or a CRL.
	Certificates []isakmp.Cert
}

// ErrCertificate means that Config.Verify didn't accept the peer's certificate.
// The error that wraps it wraps Verify's too.
var ErrCertificate = errors.New("the peer's certificate isn't accepted")

// credential is the first of ours whose key a scheme can sign with.
func (c *Config) credential(s signatureScheme) *Credential {
	i := slices.IndexFunc(c.Credentials, func(c Credential) bool { return s.fits(c.Key.Public()) })
	if i < 0 {
		return nil
	}
	return &c.Credentials[i]
}

// decrypter is the first of ours whose key decrypts.
func (c *Config) decrypter() *Credential {
	i := slices.IndexFunc(c.Credentials, Credential.decrypts)
	if i < 0 {
		return nil
	}
	return &c.Credentials[i]
}

func (c Credential) decrypts() bool {
	_, rsa := c.Key.Public().(*rsa.PublicKey)
	_, does := c.Key.(crypto.Decrypter)
	return rsa && does
}

// peerCertificate is the one that we have of the responder.
func (c *Config) peerCertificate() []isakmp.Cert {
	return []isakmp.Cert{{Encoding: isakmp.CertX509Signature, Data: c.PeerCertificate}}
}

func (c *Config) minKeyBits() int {
	if c.MinKeyBits == 0 {
		return defaultMinBits
	}
	return c.MinKeyBits
}

// certificateRequests ask for the peer's certificate if it is going to sign,
// under any of the methods (RFC 2408, section 3.10).
func (p *phase1) certificateRequests(methods ...isakmp.AuthMethod) []isakmp.Payload {
	if !slices.ContainsFunc(methods, func(m isakmp.AuthMethod) bool {
		i, r := signs(m)
		return p.initiator && r || !p.initiator && i
	}) {
		return nil
	}
	names := p.cfg.Authorities
	if len(names) == 0 {
		names = [][]byte{nil} // "any"
	}
	var requests []isakmp.Payload
	for _, dn := range names {
		c := isakmp.Cert{Encoding: isakmp.CertX509Signature, Data: dn}
		requests = append(requests, isakmp.Payload{Type: isakmp.PayloadCertReq, Body: c.Marshal()})
	}
	return requests
}

// noteRequests notes that the peer asks for our certificate. Which authorities it
// names doesn't matter: a wrong certificate tells its user more than none.
func (p *phase1) noteRequests(m *isakmp.Message) {
	for _, body := range m.All(isakmp.PayloadCertReq) {
		c, err := isakmp.ParseCert(body)
		if err == nil && (c.Encoding == isakmp.CertX509Signature || c.Encoding == isakmp.CertPKCS7 || c.Encoding == 0) {
			p.asked = true
		}
	}
}

// certificates is our chain, if the peer wants it.
func (p *phase1) certificates(c *Credential) (payloads []isakmp.Payload) {
	if !p.asked && !p.cfg.AlwaysSendCertificate {
		return nil
	}
	for _, der := range c.Chain {
		cert := isakmp.Cert{Encoding: isakmp.CertX509Signature, Data: der}
		payloads = append(payloads, isakmp.Payload{Type: isakmp.PayloadCert, Body: cert.Marshal()})
	}
	return payloads
}

// verifyPeer shows the certificates of a message to whoever judges them, and
// returns the key that the peer must sign with.
func (p *phase1) verifyPeer(m *isakmp.Message, id isakmp.ID) (crypto.PublicKey, error) {
	certs, err := certificatesIn(m)
	if err != nil {
		return nil, err
	}
	return p.judge(certs, &id)
}

func certificatesIn(m *isakmp.Message) (certs []isakmp.Cert, err error) {
	for _, body := range m.All(isakmp.PayloadCert) {
		c, err := isakmp.ParseCert(body)
		if err != nil {
			return nil, err
		}
		certs = append(certs, c)
	}
	return certs, nil
}

func (p *phase1) judge(certs []isakmp.Cert, id *isakmp.ID) (crypto.PublicKey, error) {
	key, err := p.cfg.Verify(Evidence{
		Method: p.chosen.method, Remote: p.link.path.Load().Remote, Identity: id, Certificates: certs,
	})
	if err == nil {
		p.peerCerts = certs
		return key, nil
	}
	err = fmt.Errorf("%w: %w", ErrCertificate, err)
	// Under keys of the exchange nobody else can have sent it. But no SIG covers them
	// yet, and a bit that turned on the way makes others of them: what comes once more
	// with the next repeat is what the peer has.
	again := slices.EqualFunc(certs, p.refusedCerts, func(a, b isakmp.Cert) bool {
		return a.Encoding == b.Encoding && bytes.Equal(a.Data, b.Data)
	})
	if p.initiator && p.x.keys != nil && again {
		return nil, errFinal{fmt.Errorf("%s: %w", p.x.stage, err)}
	}
	p.refusedCerts = certs
	return nil, errHopeless{err}
}
