package ike

import (
	"crypto"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
)

// FuzzDSSKey reads private keys; one that is taken signs, or says why not.
func FuzzDSSKey(f *testing.F) {
	files, err := filepath.Glob("testdata/auth/*.key")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		if block, _ := pem.Decode(b); block != nil {
			f.Add(block.Bytes)
		}
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		if len(der) > 4096 {
			return
		}
		k, err := ParseDSSKey(der)
		if err != nil {
			return
		}
		if sig, err := k.Sign(nil, make([]byte, 20), crypto.SHA1); err == nil && len(sig) == 0 {
			t.Error("an empty signature")
		}
	})
}
