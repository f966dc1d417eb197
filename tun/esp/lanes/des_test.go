package lanes

import (
	"bufio"
	"bytes"
	"crypto/cipher"
	"crypto/des"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

// desPair is DES or triple DES, by the length of the key, here and in crypto/des.
func desPair(t testing.TB, key []byte) (CBC, cipher.Block) {
	t.Helper()
	create, reference := NewDES, des.NewCipher
	if len(key) == 24 {
		create, reference = NewTripleDES, des.NewTripleDESCipher
	}
	c, err := create(key)
	if err != nil {
		t.Fatal(err)
	}
	block, err := reference(key)
	if err != nil {
		t.Fatal(err)
	}
	return c, block
}

// desJobs returns n jobs of one block each, so that CBC with an IV of zero is the
// cipher itself, and enough of them for the kernel instead of crypto/des.
func desJobs(n int, plaintext []byte) []Job {
	jobs := make([]Job, n)
	for i := range jobs {
		jobs[i] = Job{IV: make([]byte, 8), Data: bytes.Clone(plaintext)}
	}
	return jobs
}

// desKnown reads the known answers: key, plaintext, ciphertext.
func desKnown(t *testing.T) (known [][3][]byte) {
	file, err := os.Open("testdata/des-known.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if fields[0] == "#" {
			continue
		}
		var values [3][]byte
		for i := range values {
			if values[i], err = hex.DecodeString(fields[i]); err != nil || len(fields) != 3 {
				t.Fatalf("%q: %v", lines.Text(), err)
			}
		}
		known = append(known, values)
	}
	if len(known) != 64+56+32+19 {
		t.Fatalf("%d known answers", len(known))
	}
	return known
}

// The known answers of NIST Special Publication 800-17: each plaintext and each
// key of a single bit, the permutation P and all entries of the boxes. Triple DES
// with one key three times is DES.
func TestDESKnownAnswers(t *testing.T) {
	known := desKnown(t)
	forEachTier(t, func(t *testing.T) {
		for _, k := range known {
			for _, keys := range []int{1, 3} {
				c, _ := desPair(t, bytes.Repeat(k[0], keys))
				jobs := desJobs(64, k[1])
				c.Encrypt(jobs)
				for i, j := range jobs {
					if !bytes.Equal(j.Data, k[2]) {
						t.Fatalf("key %x, plaintext %x, %d keys, lane %d: %x, want %x", k[0], k[1], keys, i, j.Data, k[2])
					}
				}
				c.Decrypt(jobs)
				for i, j := range jobs {
					if !bytes.Equal(j.Data, k[1]) {
						t.Fatalf("key %x, ciphertext %x, %d keys, lane %d: %x, want %x", k[0], k[2], keys, i, j.Data, k[1])
					}
				}
			}
		}
	})
}

// The example of CBC in FIPS 81, appendix C, table C1 ("Now is the time for all ").
func TestDESKnownCBC(t *testing.T) {
	forEachTier(t, func(t *testing.T) {
		c, _ := desPair(t, []byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef})
		jobs := desJobs(20, []byte("Now is the time for all "))
		for i := range jobs {
			jobs[i].IV = []byte{0x12, 0x34, 0x56, 0x78, 0x90, 0xab, 0xcd, 0xef}
		}
		c.Encrypt(jobs)
		for _, j := range jobs {
			if got := hex.EncodeToString(j.Data); got != "e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6" {
				t.Fatal(got)
			}
		}
	})
}

// Each bit of the key counts as with crypto/des, the parity bits not at all.
func TestDESKeyBits(t *testing.T) {
	forEachTier(t, func(t *testing.T) {
		for _, length := range []int{8, 24} {
			none := make([]byte, length)
			for bit := range 8 * length {
				key := bytes.Clone(none)
				key[bit/8] = 0x80 >> (bit % 8)
				c, block := desPair(t, key)
				if bit%8 == 7 {
					_, block = desPair(t, none)
				}
				want := []byte{1, 2, 3, 4, 5, 6, 7, 8}
				jobs := desJobs(16, want)
				block.Encrypt(want, want)
				c.Encrypt(jobs)
				if !bytes.Equal(jobs[7].Data, want) {
					t.Fatalf("key %x: %x, want %x", key, jobs[7].Data, want)
				}
			}
		}
	})
}

// To encrypt twice under a weak key is to do nothing; a semiweak key undoes what
// its partner does (NIST Special Publication 800-67, section 3.4.2).
func TestDESWeakKeys(t *testing.T) {
	pairs := [][2]string{
		{"0101010101010101", "0101010101010101"},
		{"fefefefefefefefe", "fefefefefefefefe"},
		{"e0e0e0e0f1f1f1f1", "e0e0e0e0f1f1f1f1"},
		{"1f1f1f1f0e0e0e0e", "1f1f1f1f0e0e0e0e"},
		{"011f011f010e010e", "1f011f010e010e01"},
		{"01e001e001f101f1", "e001e001f101f101"},
		{"01fe01fe01fe01fe", "fe01fe01fe01fe01"},
		{"1fe01fe00ef10ef1", "e01fe01ff10ef10e"},
		{"1ffe1ffe0efe0efe", "fe1ffe1ffe0efe0e"},
		{"e0fee0fef1fef1fe", "fee0fee0fef1fef1"},
	}
	forEachTier(t, func(t *testing.T) {
		for _, pair := range pairs {
			plaintext := []byte("weakness")
			jobs := desJobs(64, plaintext)
			for _, name := range pair {
				key, err := hex.DecodeString(name)
				if err != nil {
					t.Fatal(err)
				}
				c, _ := desPair(t, key)
				c.Encrypt(jobs)
			}
			for _, j := range jobs {
				if !bytes.Equal(j.Data, plaintext) {
					t.Fatalf("keys %v: %x, want %x", pair, j.Data, plaintext)
				}
			}
		}
	})
}

func TestDESKeyLength(t *testing.T) {
	for _, length := range []int{0, 7, 8, 9, 16, 23, 24, 25} {
		if _, err := NewDES(make([]byte, length)); (err == nil) != (length == 8) {
			t.Errorf("DES with %d octets of key: %v", length, err)
		}
		if _, err := NewTripleDES(make([]byte, length)); (err == nil) != (length == 24) {
			t.Errorf("triple DES with %d octets of key: %v", length, err)
		}
	}
}

// checkDES encrypts and decrypts messages of that many blocks, at any alignment
// and with other octets around them.
func checkDES(t testing.TB, c CBC, block cipher.Block, random *rand.ChaCha8, blocks []int) {
	t.Helper()
	var around, before [][]byte
	checkDESIn(t, c, block, random, blocks, func(n int) []byte {
		b := make([]byte, n+80)
		_, _ = random.Read(b)
		begin := int(random.Uint64() % 64)
		inner := b[begin : begin+n : begin+n]
		clear(inner)
		around, before = append(around, b), append(before, bytes.Clone(b))
		return inner
	})
	for i := range around {
		if !bytes.Equal(around[i], before[i]) {
			t.Fatalf("message %d of %v blocks: what is around it was changed", i, blocks)
		}
	}
}

// checkDESIn encrypts and decrypts messages of that many blocks, where place says,
// each with its IV before it, and compares them with what crypto/des makes of
// them. In the end they are zero again.
func checkDESIn(t testing.TB, c CBC, block cipher.Block, random *rand.ChaCha8, blocks []int, place func(n int) []byte) {
	t.Helper()
	jobs := make([]Job, len(blocks))
	whole, plain, encrypted := make([][]byte, len(blocks)), make([][]byte, len(blocks)), make([][]byte, len(blocks))
	for i, n := range blocks {
		b := place(8 + 8*n)
		_, _ = random.Read(b)
		whole[i], plain[i], encrypted[i] = b, bytes.Clone(b), bytes.Clone(b)
		jobs[i] = Job{IV: b[:8:8], Data: b[8:]}
		cipher.NewCBCEncrypter(block, jobs[i].IV).CryptBlocks(encrypted[i][8:], encrypted[i][8:])
	}
	c.Encrypt(jobs)
	for i := range jobs {
		if !bytes.Equal(whole[i], encrypted[i]) {
			t.Fatalf("message %d of %v blocks: encrypted\n%x, want\n%x", i, blocks, whole[i], encrypted[i])
		}
	}
	c.Decrypt(jobs)
	for i := range jobs {
		if !bytes.Equal(whole[i], plain[i]) {
			t.Fatalf("message %d of %v blocks: decrypted\n%x, want\n%x", i, blocks, whole[i], plain[i])
		}
		clear(whole[i])
	}
}

// Any number of messages, of equal and of any lengths, with none among them.
func TestDESAgainstStandard(t *testing.T) {
	forEachTier(t, func(t *testing.T) {
		random := rand.NewChaCha8([32]byte{1})
		for _, n := range []int{0, 1, 2, 3, 7, 8, 9, 20, 31, 32, 33, 44, 63, 64, 65, 128, 129, 140} {
			key := make([]byte, 8+n%2*16)
			_, _ = random.Read(key)
			c, block := desPair(t, key)
			for _, longest := range []uint64{1, 3, 40} {
				blocks := make([]int, n)
				for i := range blocks {
					blocks[i] = int(random.Uint64() % (longest + 1))
				}
				checkDES(t, c, block, random, blocks)
				for i := range blocks {
					blocks[i] = n % 12
				}
				checkDES(t, c, block, random, blocks)
			}
		}
		c, block := desPair(t, bytes.Repeat([]byte("3 keys: "), 3))
		checkDES(t, c, block, random, []int{8192, 1, 0, 176, 8, 9})
	})
}

func FuzzDES(f *testing.F) {
	f.Fuzz(func(t *testing.T, seed uint64, key, lengths []byte) {
		key = append(key, make([]byte, 24)...)[:8+seed%2*16]
		lengths = lengths[:min(len(lengths), 300)]
		blocks := make([]int, len(lengths))
		for i, n := range lengths {
			blocks[i] = int(n)
		}
		for tier := range Best() + 1 {
			useTier(t, tier)
			c, block := desPair(t, key)
			checkDES(t, c, block, rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}), blocks)
		}
	})
}

func TestDESAllocations(t *testing.T) {
	forEachTier(t, func(t *testing.T) {
		for _, length := range []int{8, 24} {
			c, _ := desPair(t, make([]byte, length))
			for _, n := range []int{1, 8, 44, 128} {
				jobs := desJobs(n, make([]byte, 256))
				jobs[0].Data = jobs[0].Data[:8]
				if a := testing.AllocsPerRun(10, func() { c.Encrypt(jobs); c.Decrypt(jobs) }); a != 0 {
					t.Errorf("%d octets of key, %d jobs: %v allocations", length, n, a)
				}
			}
		}
	})
}

// BenchmarkDES is a batch of 44 packets of 1408 octets, in each tier and with
// crypto/des: both the mean and the least time a packet, which other work on the
// machine doesn't raise.
func BenchmarkDES(b *testing.B) {
	const packets, size = 44, 1408
	run := func(b *testing.B, f func([]Job)) {
		jobs := desJobs(packets, make([]byte, size))
		least := time.Hour
		for b.Loop() {
			begin := time.Now()
			f(jobs)
			least = min(least, time.Since(begin))
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/packets, "ns/packet")
		b.ReportMetric(float64(least.Nanoseconds())/packets, "least-ns/packet")
	}
	for _, length := range []int{8, 24} {
		key := bytes.Repeat([]byte("a key..."), length/8)
		name := fmt.Sprintf("%ddes", length/8)
		for _, tier := range []Tier{Pure, AVX2, AVX512} {
			for _, direction := range []string{"encrypt", "decrypt"} {
				b.Run(fmt.Sprintf("%s/%s/%v", name, direction, tier), func(b *testing.B) {
					useTier(b, tier)
					c, _ := desPair(b, key)
					run(b, map[string]func([]Job){"encrypt": c.Encrypt, "decrypt": c.Decrypt}[direction])
				})
			}
		}
		b.Run(name+"/encrypt/standard", func(b *testing.B) {
			_, block := desPair(b, key)
			run(b, newScalarCBC(block).Encrypt)
		})
	}
}

// A part of a block at the end of a message stays as it is.
func TestDESPartOfBlock(t *testing.T) {
	forEachTier(t, func(t *testing.T) {
		c, _ := desPair(t, make([]byte, 24))
		for length := range 90 {
			want := bytes.Repeat([]byte{7}, length)
			jobs := desJobs(20, want)
			c.Encrypt(jobs)
			if end := jobs[3].Data[length&^7:]; !bytes.Equal(end, want[length&^7:]) {
				t.Fatalf("%d octets: %x at the end", length, end)
			}
			c.Decrypt(jobs)
			if !bytes.Equal(jobs[3].Data, want) {
				t.Fatalf("%d octets: %x", length, jobs[3].Data)
			}
		}
	})
}
