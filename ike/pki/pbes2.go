package pki

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"hash"
)

// An encrypted PKCS #8 private key (RFC 5208, section 6), with PBES2 and PBKDF2
// (RFC 8018, sections 6.2 and 5.2): what openssl writes.
type encryptedKey struct {
	Algorithm pkix.AlgorithmIdentifier
	Data      []byte
}

type pbes2Parameters struct {
	KDF, Cipher pkix.AlgorithmIdentifier
}

type pbkdf2Parameters struct {
	Salt       []byte
	Iterations int
	KeyLength  int                      `asn1:"optional"`
	PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
}

var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
)

// pbeCiphers are those of PBES2, all in CBC mode.
var pbeCiphers = map[string]struct {
	keyLength int // octets
	block     func(key []byte) (cipher.Block, error)
}{
	"1.2.840.113549.3.7":      {24, des.NewTripleDESCipher},
	"2.16.840.1.101.3.4.1.2":  {16, aes.NewCipher},
	"2.16.840.1.101.3.4.1.22": {24, aes.NewCipher},
	"2.16.840.1.101.3.4.1.42": {32, aes.NewCipher},
}

// prfs are the hashes of PBKDF2's HMAC; without a name it is SHA-1.
var prfs = map[string]func() hash.Hash{
	"": sha1.New, "1.2.840.113549.2.7": sha1.New, "1.2.840.113549.2.9": sha256.New,
	"1.2.840.113549.2.10": sha512.New384, "1.2.840.113549.2.11": sha512.New,
}

// maxIterations bounds the time that a passphrase takes. Chosen here: seconds.
const maxIterations = 10_000_000

func isEncryptedPKCS8(der []byte) bool {
	var k encryptedKey
	rest, err := asn1.Unmarshal(der, &k)
	return err == nil && len(rest) == 0
}

var errEncryption = errors.New("the private key is encrypted in a way that isn't known here; openssl pkcs8 -topk8 -v2 aes256 makes one that is")

// decryptPKCS8 returns the PKCS #8 private key in an encrypted one.
func decryptPKCS8(der, passphrase []byte) ([]byte, error) {
	var k encryptedKey
	var scheme pbes2Parameters
	var kdf pbkdf2Parameters
	var iv []byte
	if _, err := asn1.Unmarshal(der, &k); err != nil || !k.Algorithm.Algorithm.Equal(oidPBES2) {
		return nil, errEncryption
	}
	if _, err := asn1.Unmarshal(k.Algorithm.Parameters.FullBytes, &scheme); err != nil || !scheme.KDF.Algorithm.Equal(oidPBKDF2) {
		return nil, errEncryption
	}
	if _, err := asn1.Unmarshal(scheme.KDF.Parameters.FullBytes, &kdf); err != nil {
		return nil, errEncryption
	}
	if _, err := asn1.Unmarshal(scheme.Cipher.Parameters.FullBytes, &iv); err != nil {
		return nil, errEncryption
	}
	prf, okPRF := prfs[kdf.PRF.Algorithm.String()]
	with, okCipher := pbeCiphers[scheme.Cipher.Algorithm.String()]
	if !okPRF || !okCipher || kdf.Iterations < 1 || kdf.Iterations > maxIterations {
		return nil, errEncryption
	}
	if len(passphrase) == 0 {
		return nil, ErrPassphraseNeeded
	}
	key, err := pbkdf2.Key(prf, string(passphrase), kdf.Salt, kdf.Iterations, with.keyLength)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	block, err := with.block(key)
	if err != nil {
		return nil, err
	}
	size := block.BlockSize()
	if len(iv) != size || len(k.Data) == 0 || len(k.Data)%size != 0 {
		return nil, errEncryption
	}
	plain := bytes.Clone(k.Data)
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, plain)
	padding := int(plain[len(plain)-1])
	var inside asn1.RawValue
	if padding < 1 || padding > size || padding > len(plain) {
		return nil, ErrPassphrase
	}
	plain = plain[:len(plain)-padding]
	if rest, err := asn1.Unmarshal(plain, &inside); err != nil || len(rest) > 0 {
		return nil, ErrPassphrase
	}
	return plain, nil
}
