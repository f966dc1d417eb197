// Package pkitest makes certificates for tests. What it makes protects nothing.
package pkitest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Pair is a certificate and its key.
type Pair struct {
	*x509.Certificate
	Key crypto.Signer
}

var serial atomic.Int64

// Root is a self-signed authority. change may be made to its certificate before
// that is signed.
func Root(t testing.TB, name string, key crypto.Signer, change ...func(*x509.Certificate)) *Pair {
	t.Helper()
	return sign(t, nil, authority(name), key, change)
}

// Authority is one below p.
func (p *Pair) Authority(t testing.TB, name string, key crypto.Signer, change ...func(*x509.Certificate)) *Pair {
	t.Helper()
	return sign(t, p, authority(name), key, change)
}

// Leaf is a certificate by p that is no authority's.
func (p *Pair) Leaf(t testing.TB, name string, key crypto.Signer, change ...func(*x509.Certificate)) *Pair {
	t.Helper()
	return sign(t, p, leaf(name), key, change)
}

// SelfSigned is a certificate by nobody but its owner.
func SelfSigned(t testing.TB, name string, key crypto.Signer, change ...func(*x509.Certificate)) *Pair {
	t.Helper()
	return sign(t, nil, leaf(name), key, change)
}

func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1000 + serial.Add(1)),
		Subject:      pkix.Name{Organization: []string{"Test"}, CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour),
		BasicConstraintsValid: true,
	}
}

func authority(name string) *x509.Certificate {
	c := template(name)
	c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	return c
}

func leaf(name string) *x509.Certificate {
	c := template(name)
	c.KeyUsage = x509.KeyUsageDigitalSignature
	return c
}

func sign(t testing.TB, by *Pair, c *x509.Certificate, key crypto.Signer, change []func(*x509.Certificate)) *Pair {
	t.Helper()
	for _, f := range change {
		f(c)
	}
	if by == nil {
		by = &Pair{c, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by.Certificate, key.Public(), by.Key)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &Pair{made, key}
}

// CRL is a revocation list of p's.
func (p *Pair) CRL(t testing.TB, next time.Time, revoked ...*Pair) *x509.RevocationList {
	t.Helper()
	l := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: next}
	for _, r := range revoked {
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber: r.SerialNumber, RevocationTime: time.Now().Add(-time.Minute),
		})
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, p.Certificate, p.Key)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// PEM is certificates in a file.
func PEM(ps ...*Pair) []byte {
	var b bytes.Buffer
	for _, p := range ps {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: p.Raw})
	}
	return b.Bytes()
}

// KeyPEM is the private key in a file.
func (p *Pair) KeyPEM(t testing.TB) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(p.Key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// ECDSA is a new key on P-256.
func ECDSA(t testing.TB) crypto.Signer { return OnCurve(t, elliptic.P256()) }

// OnCurve is a new key.
func OnCurve(t testing.TB, c elliptic.Curve) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var (
	rsaKeys = map[[2]int]*rsa.PrivateKey{}
	rsaLock sync.Mutex
)

// RSA is a key of so many bits: always the same for a number, for they take long to make.
func RSA(t testing.TB, bits, number int) crypto.Signer {
	t.Helper()
	rsaLock.Lock()
	defer rsaLock.Unlock()
	k := rsaKeys[[2]int{bits, number}]
	if k == nil {
		var err error
		if k, err = rsa.GenerateKey(rand.Reader, bits); err != nil {
			t.Fatal(err)
		}
		rsaKeys[[2]int{bits, number}] = k
	}
	return k
}
