//go:build linux

package main

import (
	"fmt"

	"postern/tun/esp"
)

// suiteOf finds a suite by its short name: "aes256-sha256", "3des-md5", "aes128gcm16"; "null" has neither encryption nor
// integrity.
func suiteOf(name string) (esp.Suite, error) {
	for e := esp.Null; e <= esp.AESGCM16; e++ {
		for i := esp.NoIntegrity; i <= esp.HMACSHA512; i++ {
			for _, bits := range []int{0, 128, 192, 256} {
				if s := (esp.Suite{Encryption: e, KeyBits: bits, Integrity: i}); s.String() == name {
					return s, nil
				}
			}
		}
	}
	return esp.Suite{}, fmt.Errorf("no suite is called %q", name)
}
