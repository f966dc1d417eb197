//go:build !pkcs11 || !cgo

package token

import (
	"crypto"
	"crypto/x509"
)

// Supported says whether tokens can be used.
const Supported = false

// Object is a private key in a token, with its certificates there.
type Object struct {
	Key          crypto.Signer
	Certificates []*x509.Certificate
}

// Open returns ErrUnsupported.
func Open(URI, string) (*Object, error) { return nil, ErrUnsupported }

// Close does nothing.
func (*Object) Close() {}
