package esp

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/tun/esp/lanes"
)

// octets are hex in JSON.
type octets []byte

func (o *octets) UnmarshalText(text []byte) (err error) {
	*o, err = hex.DecodeString(string(text))
	return err
}

// readVectors reads a JSON file; the test is skipped when there is none.
func readVectors(t *testing.T, file string, into any) {
	t.Helper()
	b, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		t.Skipf("no test vectors: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// be32 reads 4 octets.
func be32(b []byte) uint32 {
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

// RFC 3602, section 4, cases 5 to 8: whole ESP packets with AES-128-CBC. They
// carry no ICV, so the test appends one of its own.
func TestRFC3602(t *testing.T) {
	var vectors struct {
		ESP []struct {
			Case                 string
			Key, Packet, Payload octets
			Next                 uint8 `json:"next_header"`
		}
	}
	readVectors(t, "testdata/rfc/rfc3602-aes-cbc-esp.json", &vectors)
	if len(vectors.ESP) != 4 {
		t.Fatalf("%d cases", len(vectors.ESP))
	}
	s := Suite{AES, 128, HMACSHA256}
	for _, v := range vectors.ESP {
		t.Run("case "+v.Case, func(t *testing.T) {
			forEachTier(t, func(t *testing.T) {
				_, integrity := testKeys(s)
				o, err := NewOutbound(s, be32(v.Packet), v.Key, integrity)
				if err != nil {
					t.Fatal(err)
				}
				o.seq = be32(v.Packet[4:]) - 1
				o.iv = func(iv []byte, _ uint32) { copy(iv, v.Packet[8:24]) }
				packet := seal(t, o, v.Payload, v.Next)
				if diff := cmp.Diff([]byte(v.Packet), packet[:len(packet)-o.icv]); diff != "" {
					t.Errorf("sealed (-want +got):\n%s", diff)
				}

				in, err := NewInbound(s, be32(v.Packet), v.Key, integrity)
				if err != nil {
					t.Fatal(err)
				}
				inner, next, err := in.Open(append(bytes.Clone(v.Packet), o.mac.of(v.Packet)...))
				if err != nil || next != v.Next || !bytes.Equal(inner, v.Payload) {
					t.Errorf("opened: %x, next %d, error %v; want %x, %d", inner, next, err, v.Payload, v.Next)
				}
				checkBatch(t, o, in, v.Packet, v.Payload, v.Next)
			})
		})
	}
}

// checkBatch seals and opens packets at once that differ from a vector in the
// number only: the ones after the vector's.
func checkBatch(t *testing.T, o *Outbound, in *Inbound, vector, inner []byte, next uint8) {
	t.Helper()
	const n = 4
	want, packets := make([][]byte, n), make([][]byte, n)
	for i := range n {
		want[i] = bytes.Clone(vector)
		binary.BigEndian.PutUint32(want[i][4:], be32(vector[4:])+1+uint32(i))
		packets[i] = append(make([]byte, o.Offset()), inner...)
	}
	if next == NextIPv4 { // SealBatch knows the tunnel mode only
		if sealed, err := o.SealBatch(packets); sealed != n || err != nil {
			t.Fatal(sealed, err)
		}
		for i, p := range packets {
			if diff := cmp.Diff(want[i], p[:len(p)-o.icv]); diff != "" {
				t.Errorf("packet %d of a batch: sealed (-want +got):\n%s", i, diff)
			}
		}
	}
	opened := make([]Opened, n)
	for i := range want {
		want[i] = append(want[i], o.mac.of(want[i])...)
	}
	in.OpenBatch(want, opened)
	for i, o := range opened {
		if o.Err != nil || o.Next != next || !bytes.Equal(o.Inner, inner) {
			t.Errorf("packet %d of a batch: opened: %x, next %d, error %v; want %x, %d", i, o.Inner, o.Next, o.Err, inner, next)
		}
	}
}

// The packets of draft-mcgrew-gcm-test-01, section 4, for RFC 4106. Those with
// extended sequence numbers prove key, salt and padding only.
func TestRFC4106(t *testing.T) {
	var vectors struct {
		Cases []struct {
			Key, Salt, IV, SPI, Seq, Plaintext, CT, ICV, Packet octets
			ESN                                                 bool
		}
	}
	readVectors(t, "testdata/rfc/rfc4106-gcm-esp.json", &vectors)
	if len(vectors.Cases) != 14 {
		t.Fatalf("%d cases", len(vectors.Cases))
	}
	for i, v := range vectors.Cases {
		s := Suite{AESGCM16, len(v.Key) * 8, NoIntegrity}
		key := append(bytes.Clone(v.Key), v.Salt...)
		in, err := NewInbound(s, be32(v.SPI), key, nil)
		if err != nil {
			t.Fatal(err)
		}
		wantInner, wantNext, err := stripTrailer(v.Plaintext)
		if err != nil {
			t.Fatalf("case %d: trailer of the vector: %v", i+1, err)
		}
		if v.ESN {
			aad := append(bytes.Clone(v.SPI), v.Seq...)
			body, err := in.aead.Open(nil, in.gcmNonce(v.IV), append(bytes.Clone(v.CT), v.ICV...), aad)
			if err != nil || !bytes.Equal(body, v.Plaintext) {
				t.Errorf("case %d, extended sequence number: %x, %v; want %x", i+1, body, err, v.Plaintext)
			}
			continue
		}

		inner, next, err := in.Open(bytes.Clone(v.Packet))
		if err != nil || next != wantNext || !bytes.Equal(inner, wantInner) {
			t.Errorf("case %d: opened: %x, next %d, error %v; want %x, %d", i+1, inner, next, err, wantInner, wantNext)
		}
		forEachTier(t, func(t *testing.T) {
			in, err := NewInbound(s, be32(v.SPI), key, nil)
			if err != nil {
				t.Fatal(err)
			}
			opened := make([]Opened, 2)
			in.OpenBatch([][]byte{bytes.Clone(v.Packet), bytes.Clone(v.Packet)}, opened)
			if o := opened[0]; o.Err != nil || o.Next != wantNext || !bytes.Equal(o.Inner, wantInner) {
				t.Errorf("case %d: opened in a batch: %x, next %d, error %v; want %x, %d", i+1, o.Inner, o.Next, o.Err, wantInner, wantNext)
			}
			if opened[1].Err != ErrReplay {
				t.Errorf("case %d: the second time: %v", i+1, opened[1].Err)
			}
		})
		o, err := NewOutbound(s, be32(v.SPI), key, nil)
		if err != nil {
			t.Fatal(err)
		}
		o.seq = be32(v.Seq) - 1
		o.iv = func(iv []byte, _ uint32) { copy(iv, v.IV) }
		if diff := cmp.Diff([]byte(v.Packet), seal(t, o, wantInner, wantNext)); diff != "" {
			t.Errorf("case %d: sealed (-want +got):\n%s", i+1, diff)
		}
	}
}

// RFC 2202 and RFC 4231: the MACs, cut to the lengths of ESP.
func TestHMAC(t *testing.T) {
	check := func(name string, i Integrity, key, data, want []byte) {
		t.Helper()
		n := Suite{Null, 0, i}.layout().icv
		m := newMAC(i, key, n)
		for range 2 { // the second time from saved state
			if got := m.of(data); !bytes.Equal(got, want[:n]) {
				t.Errorf("%s, key of %d octets: %x, want %x", name, len(key), got, want[:n])
			}
		}
		if !m.verify(data, want[:n]) || m.verify(data, want[:n-1]) {
			t.Errorf("%s, key of %d octets: verify is wrong", name, len(key))
		}
		forEachTier(t, func(t *testing.T) {
			messages := make([]lanes.Message, 18)
			for i := range messages {
				messages[i] = lanes.Message{Data: data, Sum: make([]byte, n)}
			}
			lanes.NewHMAC(hashes[i], key).Sum(messages)
			for _, m := range messages {
				if !bytes.Equal(m.Sum, want[:n]) {
					t.Errorf("%s, key of %d octets: %x, want %x", name, len(key), m.Sum, want[:n])
				}
			}
		})
	}

	type vector struct{ Key, Data, MAC, SHA256, SHA384, SHA512 octets }
	var rfc2202 struct{ MD5, SHA1 []vector }
	readVectors(t, "testdata/rfc/rfc2202-hmac.json", &rfc2202)
	var rfc4231 struct{ Cases []vector }
	readVectors(t, "testdata/rfc/rfc4231-hmac.json", &rfc4231)
	if len(rfc2202.MD5) != 7 || len(rfc2202.SHA1) != 7 || len(rfc4231.Cases) != 6 {
		t.Fatalf("%d, %d and %d cases", len(rfc2202.MD5), len(rfc2202.SHA1), len(rfc4231.Cases))
	}
	for _, v := range rfc2202.MD5 {
		check("HMAC-MD5-96", HMACMD5, v.Key, v.Data, v.MAC)
	}
	for _, v := range rfc2202.SHA1 {
		check("HMAC-SHA-1-96", HMACSHA1, v.Key, v.Data, v.MAC)
	}
	for _, v := range rfc4231.Cases {
		check("HMAC-SHA-256-128", HMACSHA256, v.Key, v.Data, v.SHA256)
		check("HMAC-SHA-256-96", HMACSHA256Trunc96, v.Key, v.Data, v.SHA256)
		check("HMAC-SHA-384-192", HMACSHA384, v.Key, v.Data, v.SHA384)
		check("HMAC-SHA-512-256", HMACSHA512, v.Key, v.Data, v.SHA512)
	}
}

// The ESP packets of recorded sessions open with the keys that both ends logged,
// and what they hold, sealed again, opens again.
func TestRecordedSessions(t *testing.T) {
	const dir = "../../ike/iketest/testdata/strongswan-lab"
	for file, suite := range map[string]Suite{
		"main-aes256.json": {AES, 256, HMACSHA256},
		"aggr-3des.json":   {TripleDES, 0, HMACMD5},
	} {
		t.Run(strings.TrimSuffix(file, ".json"), func(t *testing.T) {
			var session struct {
				Children []struct{ SPI, Enc, Auth octets } `json:"child_sas"`
				ESP      []struct {
					ESP, Inner octets
					PadLen     int `json:"pad_len"`
				}
			}
			readVectors(t, filepath.Join(dir, file), &session)
			if len(session.Children) != 4 || len(session.ESP) != 8 {
				t.Fatalf("%d children, %d packets", len(session.Children), len(session.ESP))
			}
			opened := 0
			for _, child := range session.Children {
				spi := be32(child.SPI)
				in, err := NewInbound(suite, spi, child.Enc, child.Auth)
				if err != nil {
					t.Fatal(err)
				}
				o, err := NewOutbound(suite, spi, child.Enc, child.Auth)
				if err != nil {
					t.Fatal(err)
				}
				again, err := NewInbound(suite, spi, child.Enc, child.Auth)
				if err != nil {
					t.Fatal(err)
				}
				for _, packet := range session.ESP {
					if be32(packet.ESP) != spi {
						continue
					}
					inner, next, err := in.Open(bytes.Clone(packet.ESP))
					if err != nil || next != NextIPv4 || !bytes.Equal(inner, packet.Inner) {
						t.Errorf("%08x: %x, next %d, error %v; want %x", spi, inner, next, err, packet.Inner)
						continue
					}
					if got := suite.layout().padding(len(inner)); got != packet.PadLen {
						t.Errorf("%08x: padding of %d, the peer used %d", spi, got, packet.PadLen)
					}
					inner, next, err = again.Open(seal(t, o, packet.Inner, NextIPv4))
					if err != nil || next != NextIPv4 || !bytes.Equal(inner, packet.Inner) {
						t.Errorf("%08x sealed again: %x, next %d, error %v; want %x", spi, inner, next, err, packet.Inner)
					}
					opened++
				}
			}
			if opened != len(session.ESP) {
				t.Errorf("%d of %d packets opened", opened, len(session.ESP))
			}
		})
	}
}
