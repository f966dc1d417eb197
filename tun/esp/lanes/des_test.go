package lanes

import (
	"bytes"
	"crypto/cipher"
	"crypto/des"
	"math/rand/v2"
	"testing"
	"time"
)

func TestQuickDES(t *testing.T) {
	rnd := rand.NewChaCha8([32]byte{1})
	for i := range 300 {
		key := make([]byte, 24)
		rnd.Read(key)
		c, _ := NewTripleDES(key)
		block, _ := des.NewTripleDESCipher(key)
		if i%2 == 0 {
			c, _ = NewDES(key[:8])
			block, _ = des.NewCipher(key[:8])
		}
		jobs := make([]Job, rnd.Uint64()%129)
		want := make([][]byte, len(jobs))
		plain := make([][]byte, len(jobs))
		for j := range jobs {
			iv := make([]byte, 8)
			rnd.Read(iv)
			n := 8 * (rnd.Uint64() % 30)
			d := make([]byte, n)
			rnd.Read(d)
			plain[j] = bytes.Clone(d)
			jobs[j] = Job{iv, d}
			want[j] = make([]byte, n)
			cipher.NewCBCEncrypter(block, iv).CryptBlocks(want[j], d)
		}
		c.Encrypt(jobs)
		for j := range jobs {
			if !bytes.Equal(jobs[j].Data, want[j]) {
				t.Fatalf("encrypt %d jobs %d len %d", len(jobs), j, len(want[j]))
			}
		}
		c.Decrypt(jobs)
		for j := range jobs {
			if !bytes.Equal(jobs[j].Data, plain[j]) {
				t.Fatalf("decrypt %d jobs %d", len(jobs), j)
			}
		}
	}
}

func least(f func()) time.Duration {
	m := time.Hour
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		t := time.Now()
		f()
		m = min(m, time.Since(t))
	}
	return m
}

func TestQuickSpeed(t *testing.T) {
	c, _ := NewTripleDES(make([]byte, 24))
	jobs := make([]Job, 44)
	for i := range jobs {
		jobs[i] = Job{make([]byte, 8), make([]byte, 1408)}
	}
	block, _ := des.NewTripleDESCipher(make([]byte, 24))
	e := cipher.NewCBCEncrypter(block, make([]byte, 8))
	t.Log("enc", least(func() { c.Encrypt(jobs) })/44, "dec", least(func() { c.Decrypt(jobs) })/44, "std", least(func() { e.CryptBlocks(jobs[0].Data, jobs[0].Data) }))
}
