package pki

import (
	"bytes"
	"crypto"
	//lint:ignore SA1019 crypto/x509 knows DSA keys by this package's type
	"crypto/dsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"software.sslmate.com/src/go-pkcs12"
)

// Bundle is what a file holds, in the file's order.
type Bundle struct {
	Certificates []*x509.Certificate
	Revocations  []*x509.RevocationList
	// Key is a private key, nil if there is none.
	Key crypto.Signer
	// DSS is a DSA private key, DER encoded, in PKCS #8 or openssl's own form: no
	// package of the standard library reads it.
	DSS []byte
}

var (
	// ErrPassphraseNeeded says that a private key is encrypted and no passphrase was given.
	ErrPassphraseNeeded = errors.New("the private key wants a passphrase")
	// ErrPassphrase says that the passphrase isn't the right one.
	ErrPassphrase = errors.New("the passphrase is wrong")
)

// maxCertificates bounds what one file or one peer's message may hold. Chosen here.
const maxCertificates = 64

// Parse reads PEM with any text between its blocks, or one DER encoded
// certificate, private key, revocation list, PKCS #7 or PKCS #12 file. The
// errors tell none of a key.
func Parse(data, passphrase []byte) (*Bundle, error) {
	b := new(Bundle)
	if !bytes.Contains(data, []byte("-----BEGIN ")) {
		return b, b.addDER(data, passphrase)
	}
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		err := b.addPEM(block, passphrase)
		if err == nil && len(b.Certificates) > maxCertificates {
			err = fmt.Errorf("more than %d certificates", maxCertificates)
		}
		if err != nil {
			return nil, err
		}
	}
	if b.empty() {
		return nil, errors.New("no PEM block in it can be used")
	}
	return b, nil
}

func (b *Bundle) empty() bool {
	return len(b.Certificates) == 0 && len(b.Revocations) == 0 && !b.hasKey()
}

func (b *Bundle) hasKey() bool { return b.Key != nil || b.DSS != nil }

// addPEM adds a block. What isn't known, as parameters of a curve, is passed over.
func (b *Bundle) addPEM(block *pem.Block, passphrase []byte) error {
	switch block.Type {
	case "CERTIFICATE", "X509 CERTIFICATE":
		return b.addCertificate(block.Bytes)
	case "PKCS7", "CMS":
		return b.addPKCS7(block.Bytes)
	case "X509 CRL":
		return b.addRevocations(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		der, err := decryptPKCS8(block.Bytes, passphrase)
		if err != nil {
			return err
		}
		defer clear(der)
		return b.addKey(der)
	case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY":
		der := block.Bytes
		//lint:ignore SA1019 keys that openssl wrote before PKCS #8 are protected like this
		if x509.IsEncryptedPEMBlock(block) {
			if len(passphrase) == 0 {
				return ErrPassphraseNeeded
			}
			var err error
			//lint:ignore SA1019 as above
			if der, err = x509.DecryptPEMBlock(block, passphrase); err != nil {
				return ErrPassphrase
			}
		}
		defer clear(der)
		return b.addKey(der)
	}
	return nil
}

// addDER adds what isn't PEM, by the first reader that it makes sense to.
func (b *Bundle) addDER(der, passphrase []byte) error {
	switch {
	case IsPKCS12(der):
		return b.addPKCS12(der, passphrase)
	case b.addCertificate(der) == nil, b.addKey(der) == nil, b.addRevocations(der) == nil, b.addPKCS7(der) == nil:
		return nil
	case isEncryptedPKCS8(der):
		plain, err := decryptPKCS8(der, passphrase)
		if err != nil {
			return err
		}
		defer clear(plain)
		return b.addKey(plain)
	}
	return errors.New("is neither PEM nor a certificate, private key, revocation list, PKCS #7 or PKCS #12 in DER")
}

func (b *Bundle) addCertificate(der []byte) error {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("a certificate can't be read: %w", err)
	}
	b.Certificates = append(b.Certificates, c)
	return nil
}

func (b *Bundle) addRevocations(der []byte) error {
	l, err := x509.ParseRevocationList(der)
	if err != nil {
		return fmt.Errorf("a revocation list can't be read: %w", err)
	}
	b.Revocations = append(b.Revocations, l)
	return nil
}

// addKey adds a private key in PKCS #8, PKCS #1 or SEC 1, or a DSA key.
func (b *Bundle) addKey(der []byte) error {
	if b.hasKey() {
		return errors.New("a second private key")
	}
	if isDSS(der) {
		b.DSS = bytes.Clone(der)
		return nil
	}
	var key any
	var err error
	if key, err = x509.ParsePKCS8PrivateKey(der); err != nil {
		if key, err = x509.ParsePKCS1PrivateKey(der); err != nil {
			key, err = x509.ParseECPrivateKey(der)
		}
	}
	signer, ok := key.(crypto.Signer)
	if err != nil || !ok {
		return errors.New("a private key can't be read, or is of no kind that is known here")
	}
	b.Key = signer
	return nil
}

var oidDSA = asn1.ObjectIdentifier{1, 2, 840, 10040, 4, 1}

// isDSS says whether der looks like a DSA private key: PKCS #8 of that algorithm,
// or a SEQUENCE of six INTEGERs, the first of them 0.
func isDSS(der []byte) bool {
	var pkcs8 struct {
		Version    int
		Algorithm  pkix.AlgorithmIdentifier
		PrivateKey []byte
	}
	if _, err := asn1.Unmarshal(der, &pkcs8); err == nil {
		return pkcs8.Algorithm.Algorithm.Equal(oidDSA)
	}
	var own []asn1.RawValue
	if _, err := asn1.Unmarshal(der, &own); err != nil || len(own) != 6 {
		return false
	}
	return !slices.ContainsFunc(own, func(v asn1.RawValue) bool { return v.Tag != asn1.TagInteger || v.Class != 0 })
}

// IsPKCS12 says whether der begins as a PKCS #12 file does: version 3, and a
// ContentInfo (RFC 7292, section 4).
func IsPKCS12(der []byte) bool {
	var pfx struct {
		Version  int
		AuthSafe struct {
			Type    asn1.ObjectIdentifier
			Content asn1.RawValue `asn1:"optional"`
		}
		MAC asn1.RawValue `asn1:"optional"`
	}
	_, err := asn1.Unmarshal(der, &pfx)
	return err == nil && pfx.Version == 3
}

// addPKCS12 adds the key and the certificates of a PKCS #12 file.
func (b *Bundle) addPKCS12(der, passphrase []byte) error {
	key, cert, above, err := pkcs12.DecodeChain(der, string(passphrase))
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword) && len(passphrase) == 0:
		return ErrPassphraseNeeded
	case errors.Is(err, pkcs12.ErrIncorrectPassword), errors.Is(err, pkcs12.ErrDecryption):
		return ErrPassphrase
	case err != nil:
		return fmt.Errorf("PKCS #12: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return errors.New("PKCS #12: a private key of no kind that is known here")
	}
	b.Key = signer
	b.Certificates = append(append(b.Certificates, cert), above...)
	return nil
}

// Chain is the certificate of a public key and those above it, as far as they are
// among certs, without the root at the end, which every peer has or doesn't trust.
func Chain(certs []*x509.Certificate, key crypto.PublicKey) ([]*x509.Certificate, error) {
	i := slices.IndexFunc(certs, func(c *x509.Certificate) bool { return SameKey(c.PublicKey, key) })
	if i < 0 {
		return nil, errors.New("no certificate is the private key's")
	}
	chain := []*x509.Certificate{certs[i]}
	for last := certs[i]; !selfIssued(last) && len(chain) < maxDepth; {
		i := slices.IndexFunc(certs, func(c *x509.Certificate) bool {
			return bytes.Equal(c.RawSubject, last.RawIssuer) && !slices.Contains(chain, c) && signedBy(last, c)
		})
		if i < 0 || selfIssued(certs[i]) {
			break
		}
		last = certs[i]
		chain = append(chain, last)
	}
	return chain, nil
}

// selfIssued says whether a certificate names itself as its issuer.
func selfIssued(c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, c.RawIssuer) }

// SameKey compares public keys.
func SameKey(a, b crypto.PublicKey) bool {
	if x, ok := a.(*dsa.PublicKey); ok {
		y, ok := b.(*dsa.PublicKey)
		return ok && x.P.Cmp(y.P) == 0 && x.Q.Cmp(y.Q) == 0 && x.G.Cmp(y.G) == 0 && x.Y.Cmp(y.Y) == 0
	}
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}
