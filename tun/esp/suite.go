package esp

import (
	"errors"
	"fmt"
)

// Encryption names a cipher with its mode.
type Encryption uint8

// The ciphers, each with its source.
const (
	Null      Encryption = iota // RFC 2410: no secrecy, integrity only
	DES                         // DES-CBC, RFC 2405: broken, for gateways that know nothing else
	TripleDES                   // 3DES-CBC, RFC 2451
	AES                         // AES-CBC with 128, 192 or 256 bits, RFC 3602
	AESGCM16                    // AES-GCM with an ICV of 16 octets, RFC 4106; brings its own integrity
)

// Integrity names a MAC with the length it is cut to.
type Integrity uint8

// The MACs, each with its source.
const (
	NoIntegrity       Integrity = iota // with AESGCM16 only
	HMACMD5                            // HMAC-MD5-96, RFC 2403
	HMACSHA1                           // HMAC-SHA-1-96, RFC 2404
	HMACSHA256                         // HMAC-SHA-256-128, RFC 4868
	HMACSHA256Trunc96                  // HMAC-SHA-256 cut to 96 bits. Not RFC: what gateways did before RFC 4868
	HMACSHA384                         // HMAC-SHA-384-192, RFC 4868
	HMACSHA512                         // HMAC-SHA-512-256, RFC 4868
)

// Suite is the pair of algorithms of a security association.
type Suite struct {
	Encryption Encryption
	KeyBits    int // of AES and AESGCM16: 128, 192 or 256, without GCM's salt; else 0
	Integrity  Integrity
}

// String is the suite's short name: "aes256-sha256", "3des-md5", "null-sha1",
// "aes128gcm16".
func (s Suite) String() string {
	var name string
	switch s.Encryption {
	case Null:
		name = "null"
	case DES:
		name = "des"
	case TripleDES:
		name = "3des"
	case AES:
		name = fmt.Sprintf("aes%d", s.KeyBits)
	case AESGCM16:
		name = fmt.Sprintf("aes%dgcm16", s.KeyBits)
	default:
		name = fmt.Sprintf("encryption(%d)", s.Encryption)
	}
	switch s.Integrity {
	case NoIntegrity:
		return name
	case HMACMD5:
		return name + "-md5"
	case HMACSHA1:
		return name + "-sha1"
	case HMACSHA256:
		return name + "-sha256"
	case HMACSHA256Trunc96:
		return name + "-sha256_96"
	case HMACSHA384:
		return name + "-sha384"
	case HMACSHA512:
		return name + "-sha512"
	default:
		return fmt.Sprintf("%s-integrity(%d)", name, s.Integrity)
	}
}

// KeyLengths returns how many octets of key each direction needs. The
// encryption key of AESGCM16 ends with 4 octets of salt, and there is no
// integrity key (RFC 4106, section 8.1).
func (s Suite) KeyLengths() (encryption, integrity int) {
	switch s.Encryption {
	case DES:
		encryption = 8
	case TripleDES:
		encryption = 24
	case AES:
		encryption = s.KeyBits / 8
	case AESGCM16:
		encryption = s.KeyBits/8 + saltLen
	}
	switch s.Integrity {
	case HMACMD5:
		integrity = 16
	case HMACSHA1:
		integrity = 20
	case HMACSHA256, HMACSHA256Trunc96:
		integrity = 32
	case HMACSHA384:
		integrity = 48
	case HMACSHA512:
		integrity = 64
	}
	return encryption, integrity
}

// Overhead returns how many octets ESP adds to an inner packet of that many
// octets: header, IV, padding, trailer and ICV, without IP and UDP headers.
func (s Suite) Overhead(inner int) int {
	l := s.layout()
	return l.body() + l.padding(inner) + trailerLen + l.icv
}

// MaxInner returns the longest inner packet whose ESP packet has at most outer
// octets, IP and UDP headers not counted; 0 when there is none.
func (s Suite) MaxInner(outer int) int {
	l := s.layout()
	encrypted := outer - l.body() - l.icv
	return max(0, encrypted-encrypted%l.block-trailerLen)
}

const (
	headerLen  = 8 // SPI, sequence number
	trailerLen = 2 // pad length, next header
	saltLen    = 4 // of AES-GCM
)

// layout is where the parts of a suite's packets lie, in octets.
type layout struct {
	iv    int // length of the IV
	block int // what the encrypted part is a multiple of
	icv   int // length of the ICV
}

// body returns where the encrypted part begins.
func (l layout) body() int { return headerLen + l.iv }

// padding returns how many octets of padding an inner packet needs.
func (l layout) padding(inner int) int {
	return (l.block - (inner+trailerLen)%l.block) % l.block
}

// layout returns the sizes of the suite's packets. Pad length and next header
// are right aligned in a word of 4 octets, whatever the cipher's block is
// (RFC 4303, section 2.4).
func (s Suite) layout() layout {
	l := layout{block: 4}
	switch s.Encryption {
	case DES, TripleDES:
		l.iv, l.block = 8, 8
	case AES:
		l.iv, l.block = 16, 16
	case AESGCM16:
		l.iv, l.icv = 8, 16
	}
	switch s.Integrity {
	case HMACMD5, HMACSHA1, HMACSHA256Trunc96:
		l.icv = 12
	case HMACSHA256:
		l.icv = 16
	case HMACSHA384:
		l.icv = 24
	case HMACSHA512:
		l.icv = 32
	}
	return l
}

// validate refuses suites that don't exist or leave packets unauthenticated.
func (s Suite) validate() error {
	if s.Encryption > AESGCM16 || s.Integrity > HMACSHA512 {
		return fmt.Errorf("esp: unknown suite %v", s)
	}
	switch s.Encryption {
	case AES, AESGCM16:
		if s.KeyBits != 128 && s.KeyBits != 192 && s.KeyBits != 256 {
			return fmt.Errorf("esp: AES key of %d bits", s.KeyBits)
		}
	default:
		if s.KeyBits != 0 {
			return fmt.Errorf("esp: suite %v has no variable key length, %d bits wanted", s, s.KeyBits)
		}
	}
	if s.Encryption == AESGCM16 && s.Integrity != NoIntegrity {
		return errors.New("esp: AES-GCM together with a MAC")
	}
	if s.Encryption != AESGCM16 && s.Integrity == NoIntegrity && !(unprotected && s.Encryption == Null) {
		return fmt.Errorf("esp: suite %v has no integrity", s)
	}
	return nil
}
