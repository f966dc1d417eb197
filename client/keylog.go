package client

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"postern/ike"
	"postern/ike/isakmp"
)

// KeyLog writes the keys of a connection for Wireshark, into the two files that
// it reads from its configuration folder: ikev1_decryption_table and esp_sa. A nil
// *KeyLog writes nothing. Safe for concurrent use.
type KeyLog struct {
	table *ike.KeyLog
	mu    sync.Mutex
	esp   io.WriteCloser
	ike   io.Closer
}

// OpenKeyLog appends to the files in folder, which only their owner can read.
func OpenKeyLog(folder string) (*KeyLog, error) {
	open := func(name string) (*os.File, error) {
		f, err := os.OpenFile(filepath.Join(folder, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, fmt.Errorf("key log: %w", err)
		}
		if err := f.Chmod(0o600); err != nil {
			f.Close()
			return nil, fmt.Errorf("key log: %w", err)
		}
		return f, nil
	}
	table, err := open("ikev1_decryption_table")
	if err != nil {
		return nil, err
	}
	sas, err := open("esp_sa")
	if err != nil {
		table.Close()
		return nil, err
	}
	return &KeyLog{table: ike.NewKeyLog(table), ike: table, esp: sas}, nil
}

// Close closes the files.
func (l *KeyLog) Close() error {
	if l == nil {
		return nil
	}
	return errors.Join(l.ike.Close(), l.esp.Close())
}

func (l *KeyLog) phase1() *ike.KeyLog {
	if l == nil {
		return nil
	}
	return l.table
}

// Wireshark's names of ESP algorithms.
var (
	wiresharkCiphers = map[isakmp.ESPTransform]string{
		isakmp.ESPNull: "NULL", isakmp.ESPDES: "DES-CBC [RFC2405]", isakmp.ESP3DES: "TripleDES-CBC [RFC2451]",
		isakmp.ESPAES: "AES-CBC [RFC3602]", isakmp.ESPAESGCM16: "AES-GCM with 16 octet ICV [RFC4106]",
	}
	wiresharkAuth = map[isakmp.AuthAlgorithm]string{
		0: "NULL", isakmp.AuthHMACMD5: "HMAC-MD5-96 [RFC2403]", isakmp.AuthHMACSHA1: "HMAC-SHA-1-96 [RFC2404]",
		isakmp.AuthHMACSHA256: "HMAC-SHA-256-128 [RFC4868]", isakmp.AuthHMACSHA384: "HMAC-SHA-384-192 [RFC4868]",
		isakmp.AuthHMACSHA512: "HMAC-SHA-512-256 [RFC4868]",
	}
)

// child writes both directions of a child SA.
func (l *KeyLog) child(c *ike.Child, path ike.Path) {
	if l == nil {
		return
	}
	auth := wiresharkAuth[c.Proposal.Integrity]
	if c.Proposal.Truncate96 {
		auth = "HMAC-SHA-256-96 [draft-ietf-ipsec-ciph-sha-256-00]"
	}
	family := "IPv4"
	if path.Remote.Addr().Is6() {
		family = "IPv6"
	}
	line := func(from, to fmt.Stringer, spi uint32, k ike.ChildKeys) {
		fmt.Fprintf(l.esp, "%q,%q,%q,\"0x%08x\",%q,\"0x%x\",%q,\"0x%x\"\n",
			family, from, to, spi, wiresharkCiphers[c.Proposal.Encryption], k.Encryption, auth, k.Integrity)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	us, gateway := path.Local.Addr(), path.Remote.Addr()
	line(us, gateway, c.OutboundSPI, c.Outbound)
	line(gateway, us, c.InboundSPI, c.Inbound)
}
