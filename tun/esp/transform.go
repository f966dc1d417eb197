package esp

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hmac"
	"crypto/sha512"
	"crypto/subtle"
	"fmt"
	"hash"
)

// association is what both directions of a security association are made of.
type association struct {
	layout
	suite Suite
	spi   uint32

	cbc  cbcMode     // nil with Null and AESGCM16
	mac  *mac        // nil with NoIntegrity
	aead cipher.AEAD // nil unless AESGCM16
	// nonce is AES-GCM's: salt | IV (RFC 4106, section 4).
	nonce [saltLen + 8]byte

	batch batch
}

// cbcMode is a CBC mode of crypto/cipher. All of them can be given a new IV, so
// that one value serves every packet without an allocation.
type cbcMode interface {
	cipher.BlockMode
	SetIV(iv []byte)
}

// newAssociation checks suite and keys and sets up the transforms; newCBC is
// cipher.NewCBCEncrypter or cipher.NewCBCDecrypter.
func newAssociation(s Suite, spi uint32, encryptionKey, integrityKey []byte,
	newCBC func(cipher.Block, []byte) cipher.BlockMode,
) (*association, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	encryption, integrity := s.KeyLengths()
	if len(encryptionKey) != encryption {
		return nil, fmt.Errorf("esp: %v: encryption key of %d octets, %d wanted", s, len(encryptionKey), encryption)
	}
	if len(integrityKey) != integrity {
		return nil, fmt.Errorf("esp: %v: integrity key of %d octets, %d wanted", s, len(integrityKey), integrity)
	}
	a := &association{layout: s.layout(), suite: s, spi: spi}
	if s.Encryption == AESGCM16 {
		return a, a.setGCM(encryptionKey)
	}
	batch, err := newBatch(s, encryptionKey, integrityKey)
	if err != nil {
		return nil, fmt.Errorf("esp: %v: %w", s, err)
	}
	a.batch = batch
	if s.Integrity != NoIntegrity {
		a.mac = newMAC(s.Integrity, integrityKey, a.icv)
	}
	if s.Encryption == Null {
		return a, nil
	}
	block, err := newBlock(s.Encryption, encryptionKey)
	if err != nil {
		return nil, fmt.Errorf("esp: %v: %w", s, err)
	}
	cbc, ok := newCBC(block, make([]byte, a.iv)).(cbcMode)
	if !ok {
		return nil, fmt.Errorf("esp: %v: this CBC mode takes no new IV", s)
	}
	a.cbc = cbc
	return a, nil
}

// setGCM sets up AES-GCM. The key is an AES key with four octets of salt behind
// it (RFC 4106, section 8.1).
func (a *association) setGCM(key []byte) error {
	split := len(key) - saltLen
	block, err := aes.NewCipher(key[:split])
	if err != nil {
		return fmt.Errorf("esp: %v: %w", a.suite, err)
	}
	a.aead, err = cipher.NewGCM(block)
	if err != nil {
		return fmt.Errorf("esp: %v: %w", a.suite, err)
	}
	copy(a.nonce[:], key[split:])
	return nil
}

// gcmNonce returns the nonce for a packet's IV, valid until the next call.
func (a *association) gcmNonce(iv []byte) []byte {
	copy(a.nonce[saltLen:], iv)
	return a.nonce[:]
}

// sign writes the ICV over b to icv.
func (a *association) sign(b, icv []byte) {
	if a.mac != nil {
		copy(icv, a.mac.of(b))
	}
}

// verify reports in constant time whether icv is the one over b.
func (a *association) verify(b, icv []byte) bool {
	if a.mac == nil {
		return unprotected
	}
	return a.mac.verify(b, icv)
}

// newBlock returns the block cipher of a CBC suite.
func newBlock(e Encryption, key []byte) (cipher.Block, error) {
	switch e {
	case DES:
		return des.NewCipher(key)
	case TripleDES:
		return des.NewTripleDESCipher(key)
	default:
		return aes.NewCipher(key)
	}
}

// mac is a keyed hash cut to its first n octets.
type mac struct {
	hash hash.Hash
	n    int
	sum  [sha512.Size]byte // the latest value, whole
}

// hashes are those of the MACs; package lanes links them.
var hashes = map[Integrity]crypto.Hash{
	HMACMD5: crypto.MD5, HMACSHA1: crypto.SHA1, HMACSHA256: crypto.SHA256, HMACSHA256Trunc96: crypto.SHA256,
	HMACSHA384: crypto.SHA384, HMACSHA512: crypto.SHA512,
}

// newMAC returns the MAC of that name, cut to n octets.
func newMAC(i Integrity, key []byte, n int) *mac {
	return &mac{hash: hmac.New(hashes[i].New, key), n: n}
}

// of returns the ICV over b, valid until the next call.
func (m *mac) of(b []byte) []byte {
	m.hash.Reset()
	m.hash.Write(b)
	return m.hash.Sum(m.sum[:0])[:m.n]
}

// verify reports in constant time whether icv is the one over b.
func (m *mac) verify(b, icv []byte) bool {
	return subtle.ConstantTimeCompare(m.of(b), icv) == 1
}
