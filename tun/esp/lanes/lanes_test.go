package lanes

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hmac"
	"fmt"
	"math/rand/v2"
	"testing"
)

// forEachTier runs a subtest in every tier; those beyond the CPU are skipped.
func forEachTier(t *testing.T, f func(t *testing.T)) {
	for _, tier := range []Tier{Pure, AVX2, AVX512} {
		t.Run(tier.String(), func(t *testing.T) {
			useTier(t, tier)
			f(t)
		})
	}
}

// useTier sets the tier until the test ends.
func useTier(t testing.TB, tier Tier) {
	t.Helper()
	before := Used()
	if err := SetTier(tier); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { SetTier(before) })
}

// A tier beyond the CPU is refused.
func TestSetTier(t *testing.T) {
	if Used() != Best() {
		t.Errorf("tier %v used, %v is the best", Used(), Best())
	}
	useTier(t, Pure)
	if Used() != Pure {
		t.Errorf("tier %v used", Used())
	}
	if err := SetTier(Best() + 1); err == nil || Used() != Pure {
		t.Errorf("tier %v: %v, now %v", Best()+1, err, Used())
	}
}

// The ciphers, with the standard library's.
var ciphers = []struct {
	name   string
	key    int
	block  func(key []byte) (cipher.Block, error)
	create func(key []byte) (CBC, error)
}{
	{"des", 8, des.NewCipher, NewDES},
	{"3des", 24, des.NewTripleDESCipher, NewTripleDES},
	{"aes128", 16, aes.NewCipher, NewAES},
	{"aes192", 24, aes.NewCipher, NewAES},
	{"aes256", 32, aes.NewCipher, NewAES},
}

var hashes = []crypto.Hash{crypto.MD5, crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512}

// octets returns n random octets at an address with that remainder by 64, and
// without spare capacity.
func octets(random *rand.Rand, n, alignment int) []byte {
	b := make([]byte, n+alignment)[alignment:]
	fill(random, b)
	return b[:n:n]
}

func fill(random *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(random.Uint32())
	}
}

// counts are how many messages there are at once.
var counts = []int{1, 2, 3, 5, 8, 9, 16, 17, 31, 44, 64, 128}

// mostMessages is the largest number of messages at once.
const mostMessages = 128

// CBC equals the standard library's, in place, for any number of messages of
// unequal lengths at any alignment.
func TestCBC(t *testing.T) {
	forEachTier(t, func(t *testing.T) {
		for _, c := range ciphers {
			t.Run(c.name, func(t *testing.T) {
				random := rand.New(rand.NewPCG(1, uint64(c.key)))
				key := octets(random, c.key, 0)
				block, err := c.block(key)
				if err != nil {
					t.Fatal(err)
				}
				lanes, err := c.create(bytes.Clone(key))
				if err != nil {
					t.Fatal(err)
				}
				for n := range mostMessages + 1 {
					checkCBC(t, random, block, lanes, n, func() int { return random.IntN(4) })
				}
				for i, n := range counts {
					longest := []int{8, 96, 200}[i%3]
					checkCBC(t, random, block, lanes, n, func() int { return random.IntN(longest) })
				}
				checkCBC(t, random, block, lanes, 44, func() int { return 1408 / block.BlockSize() })
				checkCBC(t, random, block, lanes, 3, func() int { return 65536 / block.BlockSize() })
			})
		}
	})
}

// checkCBC encrypts and decrypts n messages of random content.
func checkCBC(t *testing.T, random *rand.Rand, block cipher.Block, lanes CBC, n int, blocks func() int) {
	t.Helper()
	size := block.BlockSize()
	jobs := make([]Job, n)
	plain, encrypted, ivs := make([][]byte, n), make([][]byte, n), make([][]byte, n)
	for i := range jobs {
		// the IV directly before the data, or elsewhere
		b := octets(random, size*(1+blocks()), random.IntN(64))
		jobs[i] = Job{IV: b[:size], Data: b[size:]}
		if random.IntN(2) == 0 {
			jobs[i].IV = octets(random, size, random.IntN(64))
		}
		plain[i], ivs[i] = bytes.Clone(jobs[i].Data), bytes.Clone(jobs[i].IV)
		encrypted[i] = bytes.Clone(plain[i])
		cipher.NewCBCEncrypter(block, ivs[i]).CryptBlocks(encrypted[i], encrypted[i])
	}
	lanes.Encrypt(jobs)
	for i := range jobs {
		if !bytes.Equal(jobs[i].Data, encrypted[i]) || !bytes.Equal(jobs[i].IV, ivs[i]) {
			t.Fatalf("message %d of %d, of %d octets: encrypted\n%x, want\n%x", i, n, len(plain[i]), jobs[i].Data, encrypted[i])
		}
	}
	lanes.Decrypt(jobs)
	for i := range jobs {
		if !bytes.Equal(jobs[i].Data, plain[i]) || !bytes.Equal(jobs[i].IV, ivs[i]) {
			t.Fatalf("message %d of %d, of %d octets: decrypted\n%x, want\n%x", i, n, len(plain[i]), jobs[i].Data, plain[i])
		}
	}
}

// HMAC equals the standard library's.
func TestHMAC(t *testing.T) {
	forEachTier(t, func(t *testing.T) {
		for _, h := range hashes {
			t.Run(h.String(), func(t *testing.T) {
				random := rand.New(rand.NewPCG(2, uint64(h)))
				for n := range mostMessages + 1 {
					key := octets(random, []int{16, 20, 32, 64, 65, 128, 200, 0}[n%8], 0)
					mac := NewHMAC(h, bytes.Clone(key))
					checkHMAC(t, random, h, key, mac, n, func() int { return random.IntN(130) })
					checkHMAC(t, random, h, key, mac, n%32, func() int { return n })
				}
				key := octets(random, 20, 0)
				mac := NewHMAC(h, bytes.Clone(key))
				for i, n := range counts {
					longest := []int{1, 500, 3000}[i%3]
					checkHMAC(t, random, h, key, mac, n, func() int { return random.IntN(longest) })
				}
				checkHMAC(t, random, h, key, mac, 44, func() int { return 1432 })
				checkHMAC(t, random, h, key, mac, 5, func() int { return 65536 })
			})
		}
	})
}

func checkHMAC(t *testing.T, random *rand.Rand, h crypto.Hash, key []byte, mac MAC, n int, length func() int) {
	t.Helper()
	messages := make([]Message, n)
	want, data := make([][]byte, n), make([][]byte, n)
	for i := range messages {
		m := &messages[i]
		m.Data = octets(random, length(), random.IntN(64))
		m.Sum = make([]byte, random.IntN(h.Size()+1))
		data[i] = bytes.Clone(m.Data)
		reference := hmac.New(h.New, key)
		reference.Write(m.Data)
		want[i] = reference.Sum(nil)[:len(m.Sum)]
	}
	mac.Sum(messages)
	for i := range messages {
		if !bytes.Equal(messages[i].Sum, want[i]) {
			t.Fatalf("message %d of %d, of %d octets: %x, want %x", i, n, len(data[i]), messages[i].Sum, want[i])
		}
		if !bytes.Equal(messages[i].Data, data[i]) {
			t.Fatalf("message %d of %d, of %d octets was changed", i, n, len(data[i]))
		}
	}
}

// Nothing allocates but the constructors.
func TestAllocations(t *testing.T) {
	forEachTier(t, func(t *testing.T) {
		jobs, messages := make([]Job, 40), make([]Message, 40)
		for i := range jobs {
			jobs[i] = Job{IV: make([]byte, aes.BlockSize), Data: make([]byte, 16*(i+1))}
			messages[i] = Message{Data: make([]byte, 40*i), Sum: make([]byte, 12)}
		}
		cbc, _ := NewAES(make([]byte, 16))
		if n := testing.AllocsPerRun(5, func() { cbc.Encrypt(jobs); cbc.Decrypt(jobs) }); n != 0 {
			t.Errorf("AES: %v", n)
		}
		for _, h := range hashes {
			mac := NewHMAC(h, make([]byte, 20))
			if n := testing.AllocsPerRun(5, func() { mac.Sum(messages) }); n != 0 {
				t.Errorf("%v: %v", h, n)
			}
		}
	})
}

// A key of another length is refused.
func TestAESKeyLength(t *testing.T) {
	for n := range 40 {
		_, err := NewAES(make([]byte, n))
		if ok := n == 16 || n == 24 || n == 32; (err == nil) != ok {
			t.Errorf("key of %d octets: %v", n, err)
		}
	}
}

// benchmarkPackets is a usual batch: what one read of a TUN device gives.
const benchmarkPackets = 44

func BenchmarkCBC(b *testing.B) {
	for _, tier := range []Tier{Pure, AVX2, AVX512} {
		for _, c := range ciphers {
			useTier(b, tier)
			key := make([]byte, c.key)
			block, _ := c.block(key)
			lanes, _ := c.create(key)
			jobs := make([]Job, benchmarkPackets)
			for i := range jobs {
				jobs[i] = Job{IV: make([]byte, block.BlockSize()), Data: make([]byte, 1408)}
			}
			for name, f := range map[string]func([]Job){"encrypt": lanes.Encrypt, "decrypt": lanes.Decrypt} {
				b.Run(fmt.Sprintf("%v/%s/%s", tier, c.name, name), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						f(jobs)
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchmarkPackets, "ns/packet")
				})
			}
		}
	}
}

func BenchmarkHMAC(b *testing.B) {
	for _, tier := range []Tier{Pure, AVX2, AVX512} {
		for _, h := range hashes {
			useTier(b, tier)
			mac := NewHMAC(h, make([]byte, 20))
			messages := make([]Message, benchmarkPackets)
			for i := range messages {
				messages[i] = Message{Data: make([]byte, 1432), Sum: make([]byte, 12)}
			}
			b.Run(fmt.Sprintf("%v/%v", tier, h), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					mac.Sum(messages)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchmarkPackets, "ns/packet")
			})
		}
	}
}
