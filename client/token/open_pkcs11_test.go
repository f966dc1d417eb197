//go:build pkcs11 && cgo

package token

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"postern/ike/pki/pkitest"
)

// soft is a token of SoftHSM's with an RSA key and, if wanted, its certificate.
func soft(t *testing.T, pair *pkitest.Pair) URI {
	t.Helper()
	module := softHSM(t)
	u, err := ParseURI("pkcs11:token=postern-test;object=vpn?module-path=" + module)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "softhsm2.conf")
	write(t, conf, []byte("directories.tokendir = "+dir+"\nlog.level = ERROR\n"))
	t.Setenv("SOFTHSM2_CONF", conf)
	key := filepath.Join(dir, "key.pem")
	write(t, key, pair.KeyPEM(t))
	run(t, "softhsm2-util", "--init-token", "--free", "--label", "postern-test", "--pin", "1234", "--so-pin", "5678")
	run(t, "softhsm2-util", "--import", key, "--token", "postern-test", "--label", "vpn", "--id", "a1", "--pin", "1234")
	return u
}

// softHSM is the path of its library; without it the test is skipped.
func softHSM(t *testing.T) string {
	t.Helper()
	for _, path := range []string{"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	if os.Getenv("POSTERN_REQUIRE_PEERS") == "1" {
		t.Fatal("SoftHSM is missing; remedy: sudo packaging/test-deps")
	}
	t.Skip("SoftHSM is missing; remedy: sudo packaging/test-deps")
	return ""
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

func TestOpen(t *testing.T) {
	pair := pkitest.SelfSigned(t, "alice", pkitest.RSA(t, 2048, 0))
	u := soft(t, pair)
	if _, err := Open(u, "4321"); !errors.Is(err, ErrPIN) {
		t.Errorf("a wrong PIN: %v", err)
	}
	other := u
	other.Token = "nobody's"
	if _, err := Open(other, "1234"); err == nil || errors.Is(err, ErrPIN) {
		t.Errorf("no such token: %v", err)
	}
	other = u
	other.Object = "ssh"
	if _, err := Open(other, "1234"); err == nil {
		t.Error("no such key")
	}
	other = u
	other.Module = "/nowhere.so"
	if _, err := Open(other, "1234"); err == nil {
		t.Error("no such library")
	}

	o, err := Open(u, "1234")
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
	only, err := Open(u, "1234")
	if err != nil {
		t.Fatal(err)
	}
	only.Close()
}
