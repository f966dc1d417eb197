package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"aead.dev/minisign"

	"postern/client/profile"
)

// Key is a public key that an administrator pinned.
type Key struct {
	From string // the file, or the policy that names it
	minisign.PublicKey
}

// String is the key's number, as minisign shows it.
func (k Key) String() string { return fmt.Sprintf("%016X", k.ID()) }

// ErrNotVouched says that no pinned key vouches for a bundle.
var ErrNotVouched = errors.New("no key that this machine's administrator pinned vouches for the bundle")

// ErrKey says that a secret key isn't one, or that its password is wrong.
var ErrKey = errors.New("the password is wrong, or this isn't a secret key of minisign's")

// GenerateKey makes a pair of keys. The secret one is encrypted with a password, unless
// that is empty; the caller clears it.
func GenerateKey(password string) (public, secret []byte, err error) {
	pub, priv, err := minisign.GenerateKey(nil)
	if err != nil {
		return nil, nil, err
	}
	if public, err = pub.MarshalText(); err != nil {
		return nil, nil, err
	}
	if password == "" {
		secret, err = priv.MarshalText()
	} else {
		secret, err = minisign.EncryptKey(password, priv)
	}
	return append(public, '\n'), append(secret, '\n'), err
}

// Encrypted says whether a secret key wants a password.
func Encrypted(secret []byte) bool { return minisign.IsEncrypted(bytes.TrimSpace(secret)) }

// Sign makes the signature of a bundle, which has to be a sound one. The errors tell
// nothing of the key.
func Sign(data, secret []byte, password string) ([]byte, error) {
	b, err := Parse(data)
	if err != nil {
		return nil, err
	}
	defer b.Clear()
	var key minisign.PrivateKey
	secret = bytes.TrimSpace(secret)
	if minisign.IsEncrypted(secret) {
		if key, err = minisign.DecryptKey(password, secret); err != nil {
			return nil, ErrKey
		}
	} else if err := key.UnmarshalText(secret); err != nil {
		return nil, ErrKey
	}
	r := minisign.NewReader(bytes.NewReader(data))
	if _, err := io.Copy(io.Discard, r); err != nil {
		return nil, err
	}
	comment := fmt.Sprintf("bundle %s, serial %d", b.Name, b.Serial)
	return r.SignWithComments(key, comment, "signature of a bundle of postern profiles"), nil
}

// Verify returns the key among some that vouches for a bundle. Else the error wraps
// ErrNotVouched.
func Verify(data, signature []byte, keys []Key) (Key, error) {
	for _, k := range keys {
		if len(data) <= MaxSize && minisign.Verify(k.PublicKey, data, signature) {
			return k, nil
		}
	}
	var s minisign.Signature
	switch err := s.UnmarshalText(signature); {
	case err != nil:
		return Key{}, fmt.Errorf("%w: the signature isn't one of minisign's", ErrNotVouched)
	case len(keys) == 0:
		return Key{}, fmt.Errorf("%w: none is pinned", ErrNotVouched)
	}
	for _, k := range keys {
		if k.ID() == s.KeyID {
			return Key{}, fmt.Errorf("%w: the signature doesn't fit the bundle, which was changed since", ErrNotVouched)
		}
	}
	return Key{}, fmt.Errorf("%w: it is signed with the key %016X", ErrNotVouched, s.KeyID)
}

// ParseKey reads a public key: minisign's file, or its second line alone.
func ParseKey(text []byte, from string) (Key, error) {
	k := Key{From: from}
	if err := k.UnmarshalText(bytes.TrimSpace(text)); err != nil {
		return Key{}, fmt.Errorf("%s isn't a public key of minisign's", from)
	}
	return k, nil
}

// Pinned returns the keys that an administrator pinned: trusted.d/*.pub in their folder,
// and trusted_keys of the machine's policy. A file that others could have written is an
// error, as is one that isn't a key.
func Pinned() ([]Key, error) {
	machine, err := profile.LoadMachine()
	if err != nil {
		return nil, err
	}
	keys, err := keysIn(filepath.Join(profile.AdminFolder(), "trusted.d"))
	if err != nil || machine == nil {
		return keys, err
	}
	for _, text := range machine.TrustedKeys {
		k, err := ParseKey([]byte(text), "trusted_keys")
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func keysIn(folder string) (keys []Key, err error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := trusted(folder); err != nil {
		return nil, err
	}
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		if !strings.HasSuffix(e.Name(), ".pub") {
			continue
		}
		if err := trusted(path); err != nil {
			return nil, err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		k, err := ParseKey(text, path)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}
