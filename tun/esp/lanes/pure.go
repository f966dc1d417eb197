package lanes

import (
	"crypto"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha512"
	"hash"

	_ "crypto/md5" // each for crypto.Hash.New
	_ "crypto/sha1"
	_ "crypto/sha256"
)

// scalarCBC is the standard library's CBC mode, one job after the other.
type scalarCBC struct {
	encrypter, decrypter cbcMode
}

// cbcMode is a CBC mode of crypto/cipher that can be given a new IV.
type cbcMode interface {
	cipher.BlockMode
	SetIV(iv []byte)
}

func newScalarCBC(block cipher.Block) *scalarCBC {
	iv := make([]byte, block.BlockSize())
	return &scalarCBC{
		encrypter: cipher.NewCBCEncrypter(block, iv).(cbcMode),
		decrypter: cipher.NewCBCDecrypter(block, iv).(cbcMode),
	}
}

func (c *scalarCBC) Encrypt(jobs []Job) { each(c.encrypter, jobs) }
func (c *scalarCBC) Decrypt(jobs []Job) { each(c.decrypter, jobs) }

func each(mode cbcMode, jobs []Job) {
	for i := range jobs {
		mode.SetIV(jobs[i].IV)
		mode.CryptBlocks(jobs[i].Data, jobs[i].Data)
	}
}

// scalarHMAC is the standard library's HMAC, one message after the other.
type scalarHMAC struct {
	hash hash.Hash
	sum  [sha512.Size]byte
}

func newScalarHMAC(h crypto.Hash, key []byte) *scalarHMAC {
	return &scalarHMAC{hash: hmac.New(h.New, key)}
}

func (m *scalarHMAC) Sum(messages []Message) {
	for i := range messages {
		m.hash.Reset()
		m.hash.Write(messages[i].Data)
		copy(messages[i].Sum, m.hash.Sum(m.sum[:0]))
	}
}
