package client

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"postern/ike/pki"
)

// knownFile is where they are remembered, in Options.StateDir.
const knownFile = "known_gateways"

// known are the gateways that a person trusted at first sight: a file of lines
//
//	vpn.example.com sha256:…
//
// with the gateway as the profile names it and the fingerprint of its public key. A
// line is added, never changed: that is for a person to do.
type known struct {
	path string // "": only this process remembers

	mu   sync.Mutex
	here map[string]pki.Pin
}

// find is the gateway's pin; nil: there is none.
func (k *known) find(gateway string) (*pki.Pin, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if pin, ok := k.here[gateway]; ok {
		return &pin, nil
	}
	if k.path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		// Whoever can't look up a gateway mustn't take it for a new one.
		return nil, err
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		f := strings.Fields(lines.Text())
		if len(f) < 2 || strings.HasPrefix(f[0], "#") || f[0] != gateway {
			continue
		}
		pin, err := pki.ParsePin(f[1])
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", k.path, n, err)
		}
		return &pin, nil
	}
	return nil, lines.Err()
}

// add remembers a gateway that isn't known yet.
func (k *known) add(gateway string, pin pki.Pin) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.here == nil {
		k.here = make(map[string]pki.Pin)
	}
	k.here[gateway] = pin
	if k.path == "" {
		return errors.New("there is no folder for it")
	}
	if err := os.MkdirAll(filepath.Dir(k.path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(k.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s %v\n", gateway, pin)
	return errors.Join(err, f.Close())
}
