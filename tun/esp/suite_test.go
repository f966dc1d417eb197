package esp

import (
	"strings"
	"testing"
)

// suites are all there are.
var suites = allSuites()

func allSuites() []Suite {
	var all []Suite
	for _, bits := range []int{128, 192, 256} {
		all = append(all, Suite{AESGCM16, bits, NoIntegrity})
	}
	for i := HMACMD5; i <= HMACSHA512; i++ {
		all = append(all, Suite{Null, 0, i}, Suite{DES, 0, i}, Suite{TripleDES, 0, i})
		for _, bits := range []int{128, 192, 256} {
			all = append(all, Suite{AES, bits, i})
		}
	}
	return all
}

func TestSuite(t *testing.T) {
	tests := []struct {
		suite                 Suite
		name                  string
		encryption, integrity int
		overhead              int // of an inner packet of 84 octets
		maxInner              int // in 1400 octets of ESP
	}{
		{Suite{Null, 0, HMACMD5}, "null-md5", 0, 16, 8 + 2 + 2 + 12, 1378},
		{Suite{DES, 0, HMACMD5}, "des-md5", 8, 16, 8 + 8 + 2 + 2 + 12, 1366},
		{Suite{TripleDES, 0, HMACMD5}, "3des-md5", 24, 16, 8 + 8 + 2 + 2 + 12, 1366},
		{Suite{TripleDES, 0, HMACSHA1}, "3des-sha1", 24, 20, 8 + 8 + 2 + 2 + 12, 1366},
		{Suite{AES, 128, HMACSHA1}, "aes128-sha1", 16, 20, 8 + 16 + 10 + 2 + 12, 1358},
		{Suite{AES, 192, HMACSHA256Trunc96}, "aes192-sha256_96", 24, 32, 8 + 16 + 10 + 2 + 12, 1358},
		{Suite{AES, 256, HMACSHA256}, "aes256-sha256", 32, 32, 8 + 16 + 10 + 2 + 16, 1358},
		{Suite{AES, 256, HMACSHA384}, "aes256-sha384", 32, 48, 8 + 16 + 10 + 2 + 24, 1342},
		{Suite{AES, 256, HMACSHA512}, "aes256-sha512", 32, 64, 8 + 16 + 10 + 2 + 32, 1342},
		{Suite{AESGCM16, 128, NoIntegrity}, "aes128gcm16", 20, 0, 8 + 8 + 2 + 2 + 16, 1366},
		{Suite{AESGCM16, 192, NoIntegrity}, "aes192gcm16", 28, 0, 8 + 8 + 2 + 2 + 16, 1366},
		{Suite{AESGCM16, 256, NoIntegrity}, "aes256gcm16", 36, 0, 8 + 8 + 2 + 2 + 16, 1366},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.suite.String(); got != test.name {
				t.Errorf("String() = %q", got)
			}
			encryption, integrity := test.suite.KeyLengths()
			if encryption != test.encryption || integrity != test.integrity {
				t.Errorf("KeyLengths() = %d, %d; want %d, %d", encryption, integrity, test.encryption, test.integrity)
			}
			if got := test.suite.Overhead(84); got != test.overhead {
				t.Errorf("Overhead(84) = %d, want %d", got, test.overhead)
			}
			if got := test.suite.MaxInner(1400); got != test.maxInner {
				t.Errorf("MaxInner(1400) = %d, want %d", got, test.maxInner)
			}
		})
	}
}

// The longest inner packet fits, and one octet more doesn't.
func TestMaxInner(t *testing.T) {
	for _, s := range suites {
		least := s.Overhead(0)
		for outer := range 300 {
			n := s.MaxInner(outer)
			if outer < least {
				if n != 0 {
					t.Errorf("%v: MaxInner(%d) = %d, though the smallest packet has %d octets", s, outer, n, least)
				}
				continue
			}
			if n+s.Overhead(n) > outer {
				t.Errorf("%v: MaxInner(%d) = %d, which makes %d octets", s, outer, n, n+s.Overhead(n))
			}
			if n+1+s.Overhead(n+1) <= outer {
				t.Errorf("%v: MaxInner(%d) = %d, but %d octets fit too", s, outer, n, n+1)
			}
		}
	}
}

func TestBadSuites(t *testing.T) {
	tests := []struct {
		name                  string
		suite                 Suite
		encryption, integrity int // lengths of the keys
		want                  string
	}{
		{"unknown encryption", Suite{AESGCM16 + 1, 0, HMACSHA1}, 0, 20, "unknown suite encryption(5)-sha1"},
		{"unknown integrity", Suite{DES, 0, HMACSHA512 + 1}, 8, 0, "unknown suite des-integrity(7)"},
		{"AES without key length", Suite{AES, 0, HMACSHA1}, 0, 20, "AES key of 0 bits"},
		{"AES of 512 bits", Suite{AES, 512, HMACSHA1}, 64, 20, "AES key of 512 bits"},
		{"3DES with key length", Suite{TripleDES, 192, HMACSHA1}, 24, 20, "192 bits wanted"},
		{"GCM with a MAC", Suite{AESGCM16, 128, HMACSHA1}, 20, 20, "together with a MAC"},
		{"AES without integrity", Suite{AES, 128, NoIntegrity}, 16, 0, "aes128 has no integrity"},
		{"nothing at all", Suite{}, 0, 0, "null has no integrity"},
		{"short encryption key", Suite{AES, 256, HMACSHA1}, 16, 20, "encryption key of 16 octets, 32 wanted"},
		{"GCM key without salt", Suite{AESGCM16, 128, NoIntegrity}, 16, 0, "encryption key of 16 octets, 20 wanted"},
		{"long integrity key", Suite{AES, 128, HMACSHA1}, 16, 21, "integrity key of 21 octets, 20 wanted"},
		{"integrity key for GCM", Suite{AESGCM16, 128, NoIntegrity}, 20, 20, "integrity key of 20 octets, 0 wanted"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if unprotected && test.suite == (Suite{}) {
				t.Skip("allowed by the build tag bench")
			}
			_, err := NewOutbound(test.suite, 1, make([]byte, test.encryption), make([]byte, test.integrity))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("NewOutbound: %v; want %q", err, test.want)
			}
			_, err = NewInbound(test.suite, 1, make([]byte, test.encryption), make([]byte, test.integrity))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("NewInbound: %v; want %q", err, test.want)
			}
			test.suite.Overhead(100) // must not panic
			test.suite.MaxInner(100)
		})
	}
}
