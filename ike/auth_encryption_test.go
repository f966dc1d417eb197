//lint:file-ignore SA1019 the padding of RFC 2409, undone by another's hand

package ike_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/ike"
	"postern/ike/iketest"
	"postern/ike/isakmp"
)

// clearPayloads parses what is in clear of a message.
func clearPayloads(t *testing.T, d iketest.Datagram) *isakmp.Message {
	t.Helper()
	m, err := isakmp.ParseMessage(header(d.Octets), d.Octets[isakmp.HeaderLen:])
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func prf(key []byte, parts ...[]byte) []byte {
	m := hmac.New(sha256.New, key)
	for _, p := range parts {
		m.Write(p)
	}
	return m.Sum(nil)
}

// The formulas of RFC 2409, sections 5.2 and 5.3, worked through over a recorded
// flow with nothing but the RSA keys, the standard library, and for the last
// messages the cipher's key: SKEYID, HASH(1), Ke_i, Ke_r, IVs and padding, HASH_I
// and HASH_R.
func TestRSAEncryptionFormulas(t *testing.T) {
	for _, method := range []isakmp.AuthMethod{isakmp.AuthRSAEncryption, isakmp.AuthRSARevisedEncryption} {
		t.Run(method.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.encrypted(method)
				r.a.AlwaysSendCertificate = true
				a, _ := r.connect()
				time.Sleep(time.Second)
				voice := ike.VoiceOf(a)
				f := flowOf(t, r)
				ke, id := f.ke, f.id
				if method == isakmp.AuthRSARevisedEncryption {
					ke, id = f.revised(t)
				}
				skeyid := prf(sum256(f.nonce[0], f.nonce[1]), f.cky[0], f.cky[1])
				if diff := cmp.Diff(skeyid, voice.SKEYID()); diff != "" {
					t.Fatal("SKEYID (-want +got):\n", diff)
				}
				if diff := cmp.Diff([][]byte{r.a.Identity.Marshal(), r.b.Identity.Marshal()}, id[:]); diff != "" {
					t.Error("identities (-want +got):\n", diff)
				}
				if diff := cmp.Diff(sum256(r.a.PeerCertificate), f.hash1); diff != "" {
					t.Error("HASH(1) (-want +got):\n", diff)
				}
				hashI := prf(skeyid, ke[0], ke[1], f.cky[0], f.cky[1], f.sai, id[0])
				hashR := prf(skeyid, ke[1], ke[0], f.cky[1], f.cky[0], f.sai, id[1])
				gotI, gotR := f.proofs(t, voice)
				if diff := cmp.Diff([][]byte{hashI, hashR}, [][]byte{gotI, gotR}); diff != "" {
					t.Error("HASH_I and HASH_R (-want +got):\n", diff)
				}
				// IV = hash(g^xi | g^xr)
				if diff := cmp.Diff(sum256(ke[0], ke[1])[:16], voice.Phase1IV()); diff != "" {
					t.Error("IV (-want +got):\n", diff)
				}
			})
		})
	}
}

func sum256(parts ...[]byte) []byte {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// encryptedFlow is a recorded phase 1, as far as the RSA keys open it. Index 0
// is the initiator's.
type encryptedFlow struct {
	mode  ike.Mode
	sent  []iketest.Datagram // all of phase 1
	cky   [2][]byte
	sai   []byte
	hash1 []byte
	ke    [2][]byte
	id    [2][]byte
	nonce [2][]byte
	with  [2]*isakmp.Message // that carry the nonces
}

func flowOf(t *testing.T, r *rig) (f encryptedFlow) {
	f.mode = r.a.Mode
	keys := [2]*rsa.PrivateKey{r.b.Credentials[0].Key.(*rsa.PrivateKey), r.a.Credentials[0].Key.(*rsa.PrivateKey)}
	for _, d := range r.Sent() {
		h := header(d.Octets)
		repeat := slices.ContainsFunc(f.sent, func(o iketest.Datagram) bool { return bytes.Equal(o.Octets, d.Octets) })
		if h.Exchange != phase1Type(r.a.Mode) || repeat {
			continue
		}
		f.sent = append(f.sent, d)
		if h.Flags&isakmp.FlagEncryption != 0 {
			continue
		}
		m := clearPayloads(t, d)
		end := 1
		if d.FromA {
			end = 0
			if f.sai == nil {
				f.sai = m.Get(isakmp.PayloadSA)
			}
			if hash := m.Get(isakmp.PayloadHash); hash != nil {
				f.hash1 = hash
			}
		}
		f.cky = [2][]byte{h.InitiatorCookie[:], h.ResponderCookie[:]}
		if m.Get(isakmp.PayloadNonce) == nil {
			continue
		}
		var err error
		f.with[end] = m
		if f.nonce[end], err = rsa.DecryptPKCS1v15(nil, keys[end], m.Get(isakmp.PayloadNonce)); err != nil {
			t.Fatal("nonce: ", err)
		}
		f.ke[end] = m.Get(isakmp.PayloadKE)
		if id, err := rsa.DecryptPKCS1v15(nil, keys[end], m.Get(isakmp.PayloadID)); err == nil {
			f.id[end] = id
		}
	}
	return f
}

// revised opens what is encrypted with Ke_i and Ke_r: AES with 256 bits, which is
// all of Ne with SHA2-256.
func (f encryptedFlow) revised(t *testing.T) (ke, id [2][]byte) {
	for end, m := range f.with {
		block, err := aes.NewCipher(prf(f.nonce[end], f.cky[end]))
		if err != nil {
			t.Fatal(err)
		}
		iv, behind, certs := make([]byte, 16), false, 0
		for i, p := range m.Payloads {
			if behind && p.Type != isakmp.PayloadHash {
				plain := make([]byte, len(p.Body))
				cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, p.Body)
				iv = p.Body[len(p.Body)-16:]
				pad := int(plain[len(plain)-1]) + 1
				if pad > 16 || bytes.Trim(plain[len(plain)-pad:len(plain)-1], "\x00") != nil {
					t.Fatalf("padding %x", plain)
				}
				plain = plain[:len(plain)-pad]
				switch p.Type {
				case isakmp.PayloadKE:
					ke[end] = plain
				case isakmp.PayloadID:
					id[end] = plain
				case isakmp.PayloadCert:
					certs++
				}
			}
			if p.Type == isakmp.PayloadNonce {
				behind = true
				// "MUST be the first payload" but for HASH(1), where SA isn't
				if f.mode == ike.Main && i != map[int]int{0: 1, 1: 0}[end] {
					t.Errorf("the nonce is payload %d", i)
				}
			}
		}
		if certs != 1-end {
			t.Errorf("%d certificates of end %d", certs, end)
		}
	}
	return ke, id
}

// proofs finds HASH_I and HASH_R.
func (f encryptedFlow) proofs(t *testing.T, v *ike.Voice) (hashI, hashR []byte) {
	iv := v.Phase1IV()
	for _, d := range f.sent {
		hash := []byte(nil)
		if header(d.Octets).Flags&isakmp.FlagEncryption != 0 {
			m, err := v.Open(d.Octets, &iv)
			if err != nil {
				t.Fatal(err)
			}
			hash = m.Get(isakmp.PayloadHash)
		} else if !d.FromA {
			hash = clearPayloads(t, d).Get(isakmp.PayloadHash)
		}
		if hash != nil && d.FromA {
			hashI = hash
		} else if hash != nil {
			hashR = hash
		}
	}
	return hashI, hashR
}

// What is sent to the responder with bad padding, with good padding around what
// its sender doesn't know, and with a good nonce of a wrong length: it answers all
// of them alike, at the same times, and ends in the same state.
func TestNoPaddingOracle(t *testing.T) {
	nonces := map[string]func(k *rsa.PublicKey) []byte{
		"good padding": func(k *rsa.PublicKey) []byte {
			c, err := rsa.EncryptPKCS1v15(rand.Reader, k, bytes.Repeat([]byte{1}, 32))
			if err != nil {
				panic(err)
			}
			return c
		},
		"a nonce of 1 octet": func(k *rsa.PublicKey) []byte {
			c, err := rsa.EncryptPKCS1v15(rand.Reader, k, []byte{1})
			if err != nil {
				panic(err)
			}
			return c
		},
		"block type 1": func(k *rsa.PublicKey) []byte { return rawRSA(k, append([]byte{0, 1}, make([]byte, 126)...)) },
		"no separator": func(k *rsa.PublicKey) []byte { return rawRSA(k, append([]byte{0, 2}, bytes.Repeat([]byte{3}, 126)...)) },
		"short padding": func(k *rsa.PublicKey) []byte {
			return rawRSA(k, append([]byte{0, 2, 1, 0}, bytes.Repeat([]byte{3}, 124)...))
		},
		"any number": func(k *rsa.PublicKey) []byte { return rawRSA(k, bytes.Repeat([]byte{0x11}, 128)) },
	}
	for _, method := range []isakmp.AuthMethod{isakmp.AuthRSAEncryption, isakmp.AuthRSARevisedEncryption} {
		for _, mode := range modes {
			for _, field := range []isakmp.PayloadType{isakmp.PayloadNonce, isakmp.PayloadID} {
				if method == isakmp.AuthRSARevisedEncryption && field == isakmp.PayloadID {
					continue // not RSA there
				}
				t.Run(fmt.Sprint(method, ", ", mode, ", ", field), func(t *testing.T) {
					seen := map[string][]string{}
					for name, make := range nonces {
						what := observe(t, method, mode, field, make)
						seen[what] = append(seen[what], name)
					}
					if len(seen) != 1 {
						t.Errorf("they can be told apart:\n%v", seen)
					}
				})
			}
		}
	}
}

func rawRSA(k *rsa.PublicKey, block []byte) []byte {
	c := new(big.Int).SetBytes(block)
	return c.Exp(c, big.NewInt(int64(k.E)), k.N).FillBytes(make([]byte, k.Size()))
}

// observe replaces a field of the initiator's message and tells all that can be
// seen of the responder: what it sends, when, and how it ends.
func observe(t *testing.T, method isakmp.AuthMethod, mode ike.Mode, field isakmp.PayloadType, forge func(*rsa.PublicKey) []byte) (what string) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mode)
		r.encrypted(method)
		r.a.Log, r.b.Log = nil, nil
		target := r.b.Credentials[0].Key.Public().(*rsa.PublicKey)
		forged := forge(target)
		began := time.Now()
		r.SetFault(func(d iketest.Datagram) []iketest.Delivery {
			h := header(d.Octets)
			switch {
			case d.FromA && time.Since(began) > 300*time.Millisecond:
				return drop(d) // repeats come at random times
			case !d.FromA:
				what += fmt.Sprintf("%v: %v %v %v, %d octets\n", time.Since(began).Round(time.Millisecond), h.Exchange, h.Flags, h.NextPayload, len(d.Octets))
			case h.Flags&isakmp.FlagEncryption == 0 && clearPayloads(t, d).Get(field) != nil:
				return rewrite(func(ps []isakmp.Payload) []isakmp.Payload {
					for i := range ps {
						if ps[i].Type == field {
							ps[i].Body = forged
						}
					}
					return ps
				})(iketest.Datagram{Octets: d.Octets})
			}
			return arrive(d)
		})
		r.serve()
		go func() {
			if _, err := r.dial(t.Context()); err == nil {
				t.Error("an SA")
			}
		}()
		end := fmt.Sprint(<-r.refused)
		what += "ends: " + strings.Map(func(c rune) rune {
			if c >= '0' && c <= '9' {
				return -1 // lengths in what decrypts to noise
			}
			return c
		}, end) + "\n"
	})
	return what
}
