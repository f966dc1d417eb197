//go:build pkcs11 && cgo

package token

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/ThalesGroup/crypto11"
	"github.com/miekg/pkcs11"
)

// Supported says whether tokens can be used.
const Supported = true

// Object is a private key in a token, with its certificates there.
type Object struct {
	// Key signs, and with RSA is a crypto.Decrypter too. It may be used concurrently,
	// until Close.
	Key crypto.Signer
	// Certificates are the key's, if the token has it.
	Certificates []*x509.Certificate
	token        *crypto11.Context
}

// sessions is how many a token is asked for at most.
const sessions = 4

// Open logs in to a token and finds a private key: the one that the URI names, or the
// only one. It tries the PIN once.
func Open(u URI, pin string) (*Object, error) {
	t, err := crypto11.Configure(&crypto11.Config{
		Path: u.Module, TokenLabel: u.Token, TokenSerial: u.Serial, SlotNumber: u.Slot, Pin: pin, MaxSessions: sessions,
	})
	if err != nil {
		return nil, explain(u, err)
	}
	o := &Object{token: t}
	if err := o.find(u); err != nil {
		o.Close()
		return nil, fmt.Errorf("the token %s: %w", u.name(), err)
	}
	return o, nil
}

// explain makes a sentence of what the library says.
func explain(u URI, err error) error {
	var code pkcs11.Error
	if !errors.As(err, &code) {
		return fmt.Errorf("the token %s can't be opened through %s: %w", u.name(), u.Module, err)
	}
	switch code {
	case pkcs11.CKR_PIN_INCORRECT, pkcs11.CKR_PIN_INVALID, pkcs11.CKR_PIN_LEN_RANGE:
		return ErrPIN
	case pkcs11.CKR_PIN_LOCKED:
		return fmt.Errorf("the token %s is locked after too many wrong PINs", u.name())
	case pkcs11.CKR_PIN_EXPIRED:
		return fmt.Errorf("the PIN of the token %s has expired", u.name())
	}
	return fmt.Errorf("the token %s: %w", u.name(), err)
}

// find finds the key and its certificate.
func (o *Object) find(u URI) error {
	var keys []crypto11.Signer
	var err error
	if u.Object == "" && u.ID == nil {
		keys, err = o.token.FindAllKeyPairs()
	} else {
		keys, err = o.token.FindKeyPairs(u.ID, []byte(u.Object))
	}
	switch {
	case err != nil:
		return err
	case len(keys) == 0:
		return errors.New("no such private key")
	case len(keys) > 1:
		return errors.New("several private keys fit; name one by object=… or id=…")
	}
	o.Key = keys[0]
	id, err := o.token.GetAttribute(keys[0], crypto11.CkaId)
	if err != nil || id == nil {
		return nil // without an ID nothing says which certificate is the key's
	}
	cert, err := o.token.FindCertificate(id.Value, nil, nil)
	if err == nil && cert != nil {
		o.Certificates = append(o.Certificates, cert)
	}
	return nil
}

// Close logs out. The key can't be used any more.
func (o *Object) Close() {
	if o != nil && o.token != nil {
		_ = o.token.Close()
	}
}
