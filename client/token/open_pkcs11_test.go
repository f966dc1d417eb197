//go:build pkcs11 && cgo

package token

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"testing"

	"postern/client/token/tokentest"
	"postern/ike/pki/pkitest"
)

func TestOpen(t *testing.T) {
	pair := pkitest.SelfSigned(t, "alice", pkitest.RSA(t, 2048, 0))
	u, err := ParseURI(tokentest.Soft(t, pair))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(u, "4321"); !errors.Is(err, ErrPIN) {
		t.Errorf("a wrong PIN: %v", err)
	}
	other := u
	other.Token = "nobody's"
	if _, err := Open(other, tokentest.PIN); err == nil || errors.Is(err, ErrPIN) {
		t.Errorf("no such token: %v", err)
	}
	other = u
	other.Object = "ssh"
	if _, err := Open(other, tokentest.PIN); err == nil {
		t.Error("no such key")
	}
	other = u
	other.Module = "/nowhere.so"
	if _, err := Open(other, tokentest.PIN); err == nil {
		t.Error("no such library")
	}

	o, err := Open(u, tokentest.PIN)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	// What phase 1 signs: HASH as it is (RFC 2409, section 5.1).
	hash := make([]byte, 20)
	hash[0] = 7
	sig, err := o.Key.Sign(rand.Reader, hash, crypto.Hash(0))
	if err != nil {
		t.Fatal(err)
	}
	public := pair.PublicKey.(*rsa.PublicKey)
	if err := rsa.VerifyPKCS1v15(public, crypto.Hash(0), hash, sig); err != nil {
		t.Error(err)
	}
	if !public.Equal(o.Key.Public()) {
		t.Error("another public key")
	}
	// What RSA encryption decrypts.
	secret, err := rsa.EncryptPKCS1v15(rand.Reader, public, []byte("nonce"))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := o.Key.(crypto.Decrypter).Decrypt(rand.Reader, secret, nil)
	if err != nil || string(plain) != "nonce" {
		t.Errorf("%q, %v", plain, err)
	}
	// The private key is the token's alone.
	if der, err := x509.MarshalPKCS8PrivateKey(o.Key); err == nil {
		t.Errorf("the key left its token: %s", pem.EncodeToMemory(&pem.Block{Bytes: der}))
	}
	u.Object = ""
	only, err := Open(u, tokentest.PIN)
	if err != nil {
		t.Fatal(err)
	}
	only.Close()
}
