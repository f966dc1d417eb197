package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"aead.dev/minisign"
)

const checksumsName = "SHA256SUMS"

// checksums writes SHA256SUMS, as sha256sum(1) reads it, and signs it when there is a key.
func (r *release) checksums(string) error {
	entries, err := os.ReadDir(r.out) // in the order of the names
	if err != nil {
		return err
	}
	var sums bytes.Buffer
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		data, err := os.ReadFile(filepath.Join(r.out, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(data), e.Name())
	}
	path := filepath.Join(r.out, checksumsName)
	if err := os.WriteFile(path, sums.Bytes(), 0o644); err != nil {
		return err
	}
	if r.key == "" {
		fmt.Println("left out: the signature; MINISIGN_KEY names no key")
		return nil
	}
	signature, err := r.sign(sums.Bytes())
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	return os.WriteFile(path+".minisig", signature, 0o644)
}

// sign makes a signature that minisign -V takes. Its trusted comment has the version, so that an old list can't pass
// for a new one, and the commit's time.
func (r *release) sign(sums []byte) ([]byte, error) {
	text, err := os.ReadFile(r.key)
	if err != nil {
		return nil, err
	}
	var key minisign.PrivateKey
	if minisign.IsEncrypted(text) {
		if r.password == "" {
			return nil, errors.New("the key has a password; MINISIGN_PASSWORD_FILE names the file with it")
		}
		password, err := os.ReadFile(r.password)
		if err != nil {
			return nil, err
		}
		key, err = minisign.DecryptKey(strings.TrimRight(string(password), "\r\n"), text)
		clear(password)
		if err != nil {
			return nil, err
		}
	} else if err := key.UnmarshalText(text); err != nil {
		return nil, err
	}
	trusted := fmt.Sprintf("timestamp:%d\tfile:%s\tversion:%s", r.epoch, checksumsName, r.full)
	return minisign.SignWithComments(key, sums, trusted, "signature of a release of postern"), nil
}
