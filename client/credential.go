package client

import (
	"bytes"
	"context"
	"crypto"
	//lint:ignore SA1019 DSS keys have this package's type
	"crypto/dsa"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"

	"postern/client/profile"
	"postern/client/prompt"
	"postern/client/token"
	"postern/ike"
	"postern/ike/isakmp"
	"postern/ike/pki"
)

// credential is who we are by certificate: opened once, for all attempts.
type credential struct {
	key    crypto.Signer
	chain  []*x509.Certificate // ours first
	object *token.Object       // nil: the key is in this process
}

func (c *credential) close() {
	if c != nil {
		c.object.Close()
	}
}

// ike is the credential in the engine's words.
func (c *credential) ike() ike.Credential {
	out := ike.Credential{Key: c.key}
	for _, cert := range c.chain {
		out.Chain = append(out.Chain, cert.Raw)
	}
	return out
}

// openCredential opens the private key and finds its certificates. A person is asked for
// the passphrase or PIN that isn't stored.
func (c *Client) openCredential(ctx context.Context) (*credential, error) {
	c.mu.Lock()
	opened := c.credential
	c.mu.Unlock()
	if opened != nil {
		return opened, nil
	}
	p := c.profile
	cred, certs, err := c.openKey(ctx)
	if err != nil {
		return nil, err
	}
	key, file := "certificate", p.Certificate
	if p.Key != "" {
		key, file = "key", p.Key
	}
	if err = fits(p.Auth, cred.key.Public()); err == nil {
		cred.chain, err = pki.Chain(certs, cred.key.Public())
	}
	if err != nil {
		cred.close()
		return nil, &profile.Error{File: file, Key: key, Problem: err.Error()}
	}
	if warning := pki.Expiring("Your", cred.chain[0]); warning != "" {
		c.warn(warning)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.credential = cred
	return cred, nil
}

// openKey opens the key, in its file or token. certs are those that its certificate
// is among.
func (c *Client) openKey(ctx context.Context) (cred *credential, certs []*x509.Certificate, err error) {
	p := c.profile
	cred = new(credential)
	if profile.InToken(p.Key) || profile.InToken(p.Certificate) {
		if cred.object, err = c.openToken(ctx); err != nil {
			return nil, nil, err
		}
		cred.key, certs = cred.object.Key, cred.object.Certificates
	}
	for _, f := range []struct {
		key, path string
		data      profile.Secret
	}{
		{"certificate", p.Certificate, p.Files.Certificate},
		{"key", p.Key, p.Files.Key},
	} {
		if f.path == "" || profile.InToken(f.path) {
			continue
		}
		b, err := c.openFile(ctx, f.key, f.path, f.data)
		if err != nil {
			cred.close()
			return nil, nil, err
		}
		certs = append(certs, b.Certificates...)
		if p.Key != "" && f.key != "key" {
			continue // its key isn't the one that is wanted
		}
		if cred.key, err = keyOf(b); err != nil {
			return nil, nil, &profile.Error{File: f.path, Key: f.key, Problem: err.Error()}
		}
	}
	return cred, certs, nil
}

// keyOf is the private key in a file.
func keyOf(b *pki.Bundle) (crypto.Signer, error) {
	switch {
	case b.DSS != nil:
		return ike.ParseDSSKey(b.DSS)
	case b.Key != nil:
		return b.Key, nil
	}
	return nil, errors.New("no private key is in it")
}

// Tries at a passphrase that a person types. A token is locked after a few.
const (
	passphraseTries = 3
	pinTries        = 2
)

// openFile reads a file that may be encrypted.
func (c *Client) openFile(ctx context.Context, key, path string, data []byte) (*pki.Bundle, error) {
	passphrase, typed := []byte(c.profile.KeyPassphrase), false
	for try := 1; ; try++ {
		b, err := pki.Parse(data, passphrase)
		if typed {
			clear(passphrase)
		}
		switch {
		case err == nil:
			return b, nil
		case errors.Is(err, pki.ErrPassphrase) && !typed && passphrase != nil, errors.Is(err, pki.ErrPassphrase) && try > passphraseTries:
			return nil, &Reason{Code: "key_passphrase", Exit: ExitCredentials, Message: fmt.Sprintf("The passphrase doesn't open %s.", path), Try: "Check key_passphrase."}
		case !errors.Is(err, pki.ErrPassphrase) && !errors.Is(err, pki.ErrPassphraseNeeded):
			return nil, &profile.Error{File: path, Key: key, Problem: err.Error()}
		}
		message := ""
		if try > 1 {
			message = "That isn't the passphrase."
		}
		if passphrase, err = c.askPassphrase(ctx, "Passphrase of "+path, message); err != nil {
			return nil, err
		}
		typed = true
	}
}

// openToken opens the token with the key. A stored PIN is tried once.
func (c *Client) openToken(ctx context.Context) (*token.Object, error) {
	p := c.profile
	key, text := "key", p.Key
	if !profile.InToken(text) {
		key, text = "certificate", p.Certificate
	}
	fault := func(err error) error { return &profile.Error{File: p.File, Key: key, Problem: err.Error()} }
	if key == "certificate" && p.Key != "" {
		return nil, fault(errors.New("is in a token, and key isn't"))
	}
	uri, err := token.ParseURI(text)
	if err != nil {
		return nil, fault(err)
	}
	if !token.Supported {
		return nil, fault(token.ErrUnsupported)
	}
	pin, typed := string(p.KeyPassphrase), false
	for try := 0; ; try++ {
		if pin == "" {
			message := ""
			if try > 0 {
				message = "The token doesn't take that PIN. Most tokens lock themselves after three wrong ones."
			}
			answer, err := c.askPassphrase(ctx, "PIN of the token", message)
			if err != nil {
				return nil, err
			}
			pin, typed = string(answer), true
			clear(answer)
		}
		o, err := token.Open(uri, pin)
		switch {
		case err == nil:
			return o, nil
		case !errors.Is(err, token.ErrPIN):
			return nil, fault(err)
		case !typed || try+1 >= pinTries:
			return nil, &Reason{Code: "token_pin", Exit: ExitCredentials, Message: "The token doesn't take the PIN.", Try: "Check the PIN before you try again: most tokens lock themselves after three wrong ones."}
		}
		pin = ""
	}
}

const maxLabel = 200 // characters

func (c *Client) askPassphrase(ctx context.Context, label, message string) ([]byte, error) {
	answers, err := c.ask(ctx, prompt.Prompt{
		Title: c.profile.Name + ": private key", Message: message,
		Fields: []prompt.Field{{Name: "key_passphrase", Label: prompt.Clean(label, maxLabel), Kind: prompt.Secret, Min: 1}},
	})
	if err != nil {
		return nil, err
	}
	defer answers.Clear()
	return bytes.Clone(answers["key_passphrase"]), nil
}

// fits says whether a method can use a key.
func fits(a profile.Auth, key crypto.PublicKey) error {
	var kind string
	var ok bool
	switch a {
	case profile.AuthDSS:
		kind = "DSA"
		_, ok = key.(*dsa.PublicKey)
	case profile.AuthECDSA:
		kind = "ECDSA"
		_, ok = key.(*ecdsa.PublicKey)
		ok = ok && ecdsaMethod(key) != 0
	default:
		kind = "RSA"
		_, ok = key.(*rsa.PublicKey)
	}
	if !ok {
		return fmt.Errorf("the private key is no %s key that auth = %q can use", kind, a)
	}
	return nil
}

// ecdsaMethod is the method of a curve; 0: there is none.
func ecdsaMethod(key crypto.PublicKey) isakmp.AuthMethod {
	k, ok := key.(*ecdsa.PublicKey)
	if !ok {
		return 0
	}
	return map[elliptic.Curve]isakmp.AuthMethod{
		elliptic.P256(): isakmp.AuthECDSA256, elliptic.P384(): isakmp.AuthECDSA384, elliptic.P521(): isakmp.AuthECDSA521,
	}[k.Curve]
}

// methods are the numbers of a profile's method: none of another's.
func methods(p *profile.Profile, key crypto.PublicKey) []isakmp.AuthMethod {
	pairs := map[profile.Auth][2]isakmp.AuthMethod{ // without XAuth, with it
		profile.AuthPSK:           {isakmp.AuthPSK, isakmp.AuthXAuthInitPSK},
		profile.AuthRSA:           {isakmp.AuthRSA, isakmp.AuthXAuthInitRSA},
		profile.AuthDSS:           {isakmp.AuthDSS, isakmp.AuthXAuthInitDSS},
		profile.AuthRSAEncryption: {isakmp.AuthRSAEncryption, isakmp.AuthXAuthInitRSAEncryption},
		profile.AuthRSARevised:    {isakmp.AuthRSARevisedEncryption, isakmp.AuthXAuthInitRSARevisedEncryption},
	}
	switch p.Auth {
	case profile.AuthHybrid:
		if p.Certificates.AllowSHA1 { // which every DSS signature rests on
			return []isakmp.AuthMethod{isakmp.AuthHybridInitRSA, isakmp.AuthHybridInitDSS}
		}
		return []isakmp.AuthMethod{isakmp.AuthHybridInitRSA}
	case profile.AuthECDSA:
		return []isakmp.AuthMethod{ecdsaMethod(key)}
	}
	pair := pairs[p.Auth]
	switch p.XAuth {
	case profile.XAuthRequired:
		return []isakmp.AuthMethod{pair[1]}
	case profile.XAuthOptional:
		return []isakmp.AuthMethod{pair[1], pair[0]}
	}
	return []isakmp.AuthMethod{pair[0]}
}
