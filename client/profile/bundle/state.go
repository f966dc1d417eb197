package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/pelletier/go-toml/v2"

	"postern/client/profile"
)

// installed is what is remembered of a bundle, so that an older one never takes its
// place.
type installed struct {
	Serial int64    `toml:"serial"`
	SHA256 string   `toml:"sha256"` // of the bundle
	Key    string   `toml:"key"`    // that vouched for it
	Files  []string `toml:"files"`  // that are the bundle's, in the folder of profiles
}

// state are the bundles of a machine, by name.
type state map[string]installed

// readState reads the file. One that is damaged is an error: without it an older bundle
// couldn't be told from a newer one.
func readState(path string) (state, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, nil
	}
	if err != nil {
		return nil, err
	}
	s := state{}
	if err := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode((*map[string]installed)(&s)); err != nil {
		return nil, fmt.Errorf("%s is damaged; restore it, or remove it if you know that no older bundle is about", path)
	}
	return s, nil
}

func (s state) write(path string) error {
	data, err := toml.Marshal(map[string]installed(s))
	if err != nil {
		return err
	}
	return profile.WriteFile(path, append([]byte("# The bundles of profiles on this machine. Written by postern.\n"), data...), true)
}

// OlderError says that a bundle is older than what is installed, or another one of the
// same serial.
type OlderError struct {
	Name              string
	Serial, Installed int64
}

func (e *OlderError) Error() string {
	if e.Serial == e.Installed {
		return fmt.Sprintf("another bundle %q of serial %d is installed; a changed one needs a higher serial", e.Name, e.Serial)
	}
	return fmt.Sprintf("the bundle %q of serial %d is older than what is installed, serial %d", e.Name, e.Serial, e.Installed)
}

// accept says whether a bundle may take the place of what is installed.
func (s state) accept(b *Bundle, digest string, key Key, pinned []Key) error {
	was, ok := s[b.Name]
	if !ok {
		return nil
	}
	for _, k := range pinned {
		if k.String() == was.Key && was.Key != key.String() {
			return fmt.Errorf("the bundle %q is signed with the key %s, and was with %s, which is still pinned: two publishers want one name", b.Name, key, was.Key)
		}
	}
	if b.Serial < was.Serial || b.Serial == was.Serial && digest != was.SHA256 {
		return &OlderError{b.Name, b.Serial, was.Serial}
	}
	return nil
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
