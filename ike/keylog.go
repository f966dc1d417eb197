package ike

import (
	"fmt"
	"io"
	"sync"

	"postern/ike/isakmp"
)

// KeyLog tells keys to a file, so that a capture can be read: Wireshark's
// ikev1_decryption_table (initiator's cookie, encryption key, in hex). A nil
// *KeyLog tells nobody. Safe for concurrent use.
type KeyLog struct {
	mu sync.Mutex
	w  io.Writer
}

// NewKeyLog writes to w, which only its owner should be able to read.
func NewKeyLog(w io.Writer) *KeyLog { return &KeyLog{w: w} }

func (l *KeyLog) phase1(ckyI isakmp.Cookie, key []byte) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.w, "%x,%x\n", ckyI[:], key)
}
