package ike_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/ike"
	"postern/ike/iketest"
	"postern/ike/isakmp"
)

func readPEM(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata/auth", name))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		t.Fatalf("%s: no PEM", name)
	}
	return block.Bytes
}

// credential reads a key and its certificate that openssl made.
func credential(t *testing.T, name string) ike.Credential {
	t.Helper()
	der := readPEM(t, name+".key")
	c := ike.Credential{Chain: [][]byte{readPEM(t, name+".crt")}}
	if k, err := ike.ParseDSSKey(der); err == nil {
		c.Key = k
	} else if k, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		c.Key = k
	} else if k, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		c.Key = k.(crypto.Signer)
	} else {
		t.Fatalf("%s: %v", name, err)
	}
	return c
}

// pinned is a Verify that takes one certificate and records what it is shown.
func pinned(want ike.Credential, shown *[]ike.Evidence) func(ike.Evidence) (crypto.PublicKey, error) {
	return func(e ike.Evidence) (crypto.PublicKey, error) {
		if shown != nil {
			*shown = append(*shown, e)
		}
		if len(e.Certificates) == 0 {
			return nil, errors.New("no certificate")
		}
		if string(e.Certificates[0].Data) != string(want.Chain[0]) {
			return nil, errors.New("another certificate")
		}
		c, err := x509.ParseCertificate(e.Certificates[0].Data)
		if err != nil {
			return nil, err
		}
		return c.PublicKey, nil
	}
}

// signers are the keys for each method with signatures.
var signers = []struct {
	method isakmp.AuthMethod
	key    string
}{
	{isakmp.AuthRSA, "rsa"},
	{isakmp.AuthXAuthInitRSA, "rsa"},
	{isakmp.AuthXAuthRespRSA, "rsa"},
	{isakmp.AuthHybridInitRSA, "rsa"},
	{isakmp.AuthHybridRespRSA, "rsa"},
	{isakmp.AuthDSS, "dss"},
	{isakmp.AuthXAuthInitDSS, "dss"},
	{isakmp.AuthXAuthRespDSS, "dss"},
	{isakmp.AuthHybridInitDSS, "dss"},
	{isakmp.AuthHybridRespDSS, "dss"},
	{isakmp.AuthECDSA256, "ecdsa-P-256"},
	{isakmp.AuthECDSA384, "ecdsa-P-384"},
	{isakmp.AuthECDSA521, "ecdsa-P-521"},
}

// certified sets both ends up for a method with signatures.
func (r *rig) certified(method isakmp.AuthMethod, key string) {
	i, s := credential(r.t, key+"-initiator"), credential(r.t, key+"-responder")
	r.a.Secret, r.b.Groups = nil, nil
	r.a.Methods, r.b.Methods = []isakmp.AuthMethod{method}, []isakmp.AuthMethod{method}
	r.a.Identity = isakmp.ID{Type: isakmp.IDFQDN, Data: []byte(key + "-initiator.example")}
	r.b.Identity = isakmp.ID{Type: isakmp.IDFQDN, Data: []byte(key + "-responder.example")}
	if method != isakmp.AuthHybridInitRSA && method != isakmp.AuthHybridInitDSS {
		r.a.Credentials, r.b.Verify = []ike.Credential{i}, pinned(i, nil)
	}
	if method != isakmp.AuthHybridRespRSA && method != isakmp.AuthHybridRespDSS {
		r.b.Credentials, r.a.Verify = []ike.Credential{s}, pinned(s, nil)
	}
}

// Every method with signatures carries a whole SA in both modes: phase 1, a
// transaction, a child.
func TestSignatureMethods(t *testing.T) {
	for _, s := range signers {
		t.Run(s.method.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.certified(s.method, s.key)
				a, b := r.connect()
				r.quick(a)
				request(t, a)
				request(t, b)
				if a.Info().Method != s.method || b.Info().Method != s.method {
					t.Errorf("methods %v and %v", a.Info().Method, b.Info().Method)
				}
				if diff := cmp.Diff(r.b.Identity, a.Info().Peer); diff != "" {
					t.Error("B's identity (-want +got):\n", diff)
				}
				want := len(r.b.Credentials)
				if n := len(a.Info().Certificates); n != want {
					t.Errorf("A knows %d certificates of B, not %d", n, want)
				}
				if want := strings.HasPrefix(s.method.String(), "XAUTH") || strings.HasPrefix(s.method.String(), "Hybrid"); a.Info().XAuth != want {
					t.Errorf("XAuth: %v", a.Info().XAuth)
				}
			})
		})
	}
}

// What Verify sees: the method, the identity, the chain in order.
func TestEvidence(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.certified(isakmp.AuthRSA, "rsa")
		ca := []byte("an authority's certificate")
		r.b.Credentials[0].Chain = append(r.b.Credentials[0].Chain, ca)
		var shown []ike.Evidence
		r.a.Verify = pinned(r.b.Credentials[0], &shown)
		r.connect()
		want := []ike.Evidence{{
			Method: isakmp.AuthRSA, Remote: r.ToB.Remote, Identity: &r.b.Identity,
			Certificates: []isakmp.Cert{
				{Encoding: isakmp.CertX509Signature, Data: r.b.Credentials[0].Chain[0]},
				{Encoding: isakmp.CertX509Signature, Data: ca},
			},
		}}
		if len(shown) != 1 || shown[0].Method != want[0].Method || shown[0].Remote != want[0].Remote {
			t.Errorf("shown %+v", shown)
		}
		if diff := cmp.Diff(want[0].Identity, shown[0].Identity); diff != "" {
			t.Error("identity (-want +got):\n", diff)
		}
		if diff := cmp.Diff(want[0].Certificates, shown[0].Certificates); diff != "" {
			t.Error("certificates (-want +got):\n", diff)
		}
	})
}

// A certificate goes to who asks for it, and with the option to who doesn't.
func TestCertificateRequests(t *testing.T) {
	for _, test := range []struct {
		name                  string
		strip, always, arrive bool
	}{
		{"asked", false, false, true},
		{"not asked", true, false, false},
		{"always", true, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.certified(isakmp.AuthHybridInitRSA, "rsa")
				r.b.AlwaysSendCertificate = test.always
				r.a.Authorities = [][]byte{[]byte("one"), []byte("two")}
				var shown []ike.Evidence
				r.a.Verify = pinned(r.b.Credentials[0], &shown)
				inner := r.a.Verify
				r.a.Verify = func(e ike.Evidence) (crypto.PublicKey, error) {
					if _, err := inner(e); err != nil && test.arrive {
						t.Error(err)
					}
					return r.b.Credentials[0].Key.Public(), nil
				}
				requests := 0
				r.SetFault(func(d iketest.Datagram) []iketest.Delivery {
					if d.FromA && header(d.Octets).Flags&isakmp.FlagEncryption == 0 {
						m, err := isakmp.ParseMessage(header(d.Octets), d.Octets[isakmp.HeaderLen:])
						if err != nil {
							t.Error(err)
						}
						requests += len(m.All(isakmp.PayloadCertReq))
						if test.strip {
							return rewrite(without(isakmp.PayloadCertReq))(d)
						}
					}
					return arrive(d)
				})
				r.connect()
				if requests != 2 {
					t.Errorf("%d requests for two authorities", requests)
				}
				if len(shown) != 1 || (len(shown[0].Certificates) == 1) != test.arrive {
					t.Errorf("shown %d times, first %v", len(shown), shown)
				}
			})
		})
	}
}

func without(typ isakmp.PayloadType) func([]isakmp.Payload) []isakmp.Payload {
	return func(in []isakmp.Payload) (out []isakmp.Payload) {
		for _, p := range in {
			if p.Type != typ {
				out = append(out, p)
			}
		}
		return out
	}
}

// A certificate that isn't accepted ends the attempt, with Verify's reason, and
// the peer gets nothing that only the right one may have: no Transaction, no
// Aggressive Mode message 3.
func TestCertificateRefused(t *testing.T) {
	reason := errors.New("expired yesterday")
	refuse := func(ike.Evidence) (crypto.PublicKey, error) { return nil, reason }
	t.Run("by the initiator", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r *rig) {
			r.certified(isakmp.AuthHybridInitRSA, "rsa")
			r.a.Verify = refuse
			r.serve()
			_, err := r.dial(t.Context())
			if !errors.Is(err, ike.ErrCertificate) || !errors.Is(err, reason) {
				t.Error(err)
			}
			sent := of(r.Sent(), true, phase1Type(r.a.Mode))
			if r.a.Mode == ike.Aggressive {
				for _, d := range sent {
					if header(d.Octets).Flags&isakmp.FlagEncryption != 0 {
						t.Error("message 3 was sent")
					}
				}
			}
			if n := len(of(r.Sent(), true, isakmp.ExchangeTransaction)); n != 0 {
				t.Errorf("%d Transaction messages", n)
			}
		})
	})
	t.Run("by the responder", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r *rig) {
			r.certified(isakmp.AuthRSA, "rsa")
			r.b.Verify = refuse
			r.serve()
			sa, err := r.dial(t.Context())
			if r.a.Mode == ike.Main && err == nil {
				t.Error("an SA")
			}
			if sa != nil {
				synctest.Wait() // Aggressive Mode tells the initiator nothing
			}
			if err := <-r.refused; !errors.Is(err, reason) {
				t.Error(err)
			}
		})
	})
}

// The signature of another key than the certificate's is refused, at both ends.
func TestWrongKey(t *testing.T) {
	for _, s := range signers {
		t.Run(s.method.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.certified(s.method, s.key)
				if len(r.b.Credentials) > 0 {
					r.b.Credentials[0].Key = credential(t, s.key+"-initiator").Key
				} else {
					r.a.Credentials[0].Key = credential(t, s.key+"-responder").Key
				}
				r.serve()
				_, err := r.dial(t.Context())
				if len(r.b.Credentials) == 0 {
					err = <-r.refused
				}
				if !errors.Is(err, ike.ErrAuthentication) {
					t.Error(err)
				}
			})
		})
	}
}

// A method for which something is missing is never offered, nor taken: a profile
// with certificates doesn't fall back on a pre-shared key.
func TestMethodsNeedTheirKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, s := range signers {
			r := newRig(t, ike.Main)
			r.certified(s.method, s.key)
			r.a.Credentials, r.a.Verify = nil, nil
			r.a.Secret = []byte("secret")
			if _, err := r.dial(t.Context()); err == nil || len(r.Sent()) != 0 {
				t.Errorf("%v: %v, %d sent", s.method, err, len(r.Sent()))
			}
		}
		r := newRig(t, ike.Main)
		r.certified(isakmp.AuthRSA, "rsa")
		r.b.Methods = []isakmp.AuthMethod{isakmp.AuthPSK, isakmp.AuthXAuthInitPSK}
		r.b.Groups = func(ike.Hello) []ike.Group { return []ike.Group{{Name: "all"}} }
		r.serve()
		if _, err := r.dial(t.Context()); err == nil {
			t.Error("A took a method it didn't offer")
		}
	})
}

// A gateway that serves groups, RSA, DSS and ECDSA at once uses what its peer
// offers.
func TestManyMethodsAtOneGateway(t *testing.T) {
	for _, s := range signers {
		t.Run(s.method.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				groups := r.b.Groups
				r.certified(s.method, s.key)
				r.b.Groups = groups
				r.b.Methods = []isakmp.AuthMethod{isakmp.AuthPSK}
				r.b.Credentials = nil
				for _, o := range signers {
					r.b.Methods = append(r.b.Methods, o.method)
					r.b.Credentials = append(r.b.Credentials, credential(t, o.key+"-responder"))
				}
				if r.b.Verify == nil {
					r.b.Verify = func(ike.Evidence) (crypto.PublicKey, error) { return nil, errors.New("nobody") }
				}
				a, _ := r.connect()
				if a.Info().Method != s.method {
					t.Error("method ", a.Info().Method)
				}
			})
		})
	}
}

// bigChain makes certificates that need fragments.
func (r *rig) bigChain() {
	r.certified(isakmp.AuthRSA, "rsa")
	for range 3 {
		r.a.Credentials[0].Chain = append(r.a.Credentials[0].Chain, make([]byte, 1500))
		r.b.Credentials[0].Chain = append(r.b.Credentials[0].Chain, make([]byte, 1500))
	}
}

// Long messages go in fragments between ends that both announce them, lost and
// doubled ones included, and whole otherwise.
func TestFragments(t *testing.T) {
	for _, test := range []struct {
		name      string
		a, b      int
		fragments bool
	}{
		{"by default", 0, 0, true},
		{"small ones", 576, 300, true},
		{"the initiator doesn't", -1, 0, false},
		{"the responder doesn't", 0, -1, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.bigChain()
				r.a.FragmentSize, r.b.FragmentSize = test.a, test.b
				r.a.NATTraversal, r.b.NATTraversal = ike.NATForce, ike.NATForce
				n := 0
				r.SetFault(func(d iketest.Datagram) []iketest.Delivery {
					n++
					switch {
					case header(d.Octets).NextPayload != isakmp.PayloadFragment:
						return arrive(d)
					case n%17 == 0:
						return drop(d)
					case n%5 == 0:
						return append(arrive(d), late(30*time.Millisecond)(d)...)
					}
					return late(time.Duration(n%7) * time.Millisecond)(d)
				})
				a, _ := r.connect()
				r.quick(a)
				seen := map[bool]bool{}
				for _, d := range r.Sent() {
					h := header(d.Octets)
					if h.NextPayload == isakmp.PayloadFragment {
						seen[d.FromA] = true
						if len(d.Octets) > 1280 {
							t.Errorf("a fragment of %d octets", len(d.Octets))
						}
					}
				}
				if seen[true] != test.fragments || seen[false] != test.fragments {
					t.Error("fragments: ", seen)
				}
			})
		})
	}
}

// encryptions are the methods of RSA encryption.
var encryptions = []isakmp.AuthMethod{
	isakmp.AuthRSAEncryption, isakmp.AuthXAuthInitRSAEncryption, isakmp.AuthXAuthRespRSAEncryption,
	isakmp.AuthRSARevisedEncryption, isakmp.AuthXAuthInitRSARevisedEncryption, isakmp.AuthXAuthRespRSARevisedEncryption,
}

// encrypted sets both ends up for a method of RSA encryption.
func (r *rig) encrypted(method isakmp.AuthMethod) {
	r.certified(method, "rsa")
	r.a.PeerCertificate = r.b.Credentials[0].Chain[0]
	i, name := r.a.Credentials[0].Key.Public(), r.a.Identity
	r.b.Verify = func(e ike.Evidence) (crypto.PublicKey, error) {
		if e.Identity == nil || cmp.Diff(name, *e.Identity) != "" {
			return nil, errors.New("nobody of ours")
		}
		return i, nil
	}
}

func TestRSAEncryptionMethods(t *testing.T) {
	for _, method := range encryptions {
		t.Run(method.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.encrypted(method)
				r.a.NATTraversal = ike.NATForce
				a, b := r.connect()
				r.quick(a)
				request(t, a)
				request(t, b)
				if diff := cmp.Diff([]isakmp.ID{r.b.Identity, r.a.Identity}, []isakmp.ID{a.Info().Peer, b.Info().Peer}); diff != "" {
					t.Error("identities (-want +got):\n", diff)
				}
				if a.Info().Method != method || !a.Info().NAT.Us || !b.Info().NAT.Peer {
					t.Errorf("%v, NAT %+v and %+v", a.Info().Method, a.Info().NAT, b.Info().NAT)
				}
				for _, d := range r.Sent() {
					for _, name := range []isakmp.ID{r.a.Identity, r.b.Identity} {
						if strings.Contains(string(d.Octets), string(name.Data)) {
							t.Errorf("%s is sent in clear", name.Data)
						}
					}
				}
			})
		})
	}
}

// With another key than the one its certificate has, neither end gets in.
func TestRSAEncryptionWrongKey(t *testing.T) {
	for _, method := range encryptions[2:4] {
		for _, end := range []string{"initiator", "responder"} {
			t.Run(method.String()+", "+end, func(t *testing.T) {
				inBubble(t, func(t *testing.T, r *rig) {
					r.encrypted(method)
					if end == "initiator" {
						r.a.Credentials[0].Key = credential(t, "rsa-responder").Key
					} else {
						r.b.Credentials[0].Key = credential(t, "rsa-initiator").Key
					}
					r.serve()
					if _, err := r.dial(t.Context()); err == nil {
						t.Error("an SA")
					}
				})
			})
		}
	}
}

// An offer of Aggressive Mode whose first message can't be made is refused.
func TestAggressiveModeWithRSAEncryption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, ike.Aggressive)
		r.encrypted(isakmp.AuthRSARevisedEncryption)
		good := r.a
		other := proposal
		other.KeyBits = 128
		for name, change := range map[string]func(*ike.Config){
			"two families":          func(c *ike.Config) { c.Methods = []isakmp.AuthMethod{isakmp.AuthRSARevisedEncryption, isakmp.AuthRSA} },
			"the other order":       func(c *ike.Config) { c.Methods = []isakmp.AuthMethod{isakmp.AuthRSA, isakmp.AuthRSAEncryption} },
			"two ciphers":           func(c *ike.Config) { c.Proposals = []ike.Proposal{proposal, other} },
			"no certificate of B's": func(c *ike.Config) { c.PeerCertificate = nil },
			"no Verify":             func(c *ike.Config) { c.Verify = nil },
			"no key of ours":        func(c *ike.Config) { c.Credentials = nil },
		} {
			c := good
			change(&c)
			if _, err := ike.Dial(t.Context(), r.A, r.ToB, c); err == nil || len(r.Sent()) > 0 {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// Whatever attribute of the responder's choice is changed on the way, the
// initiator doesn't take it: under every method, the method itself included.
func TestAlteredChoiceUnderEveryMethod(t *testing.T) {
	changes := map[string]func([]isakmp.Attribute) []isakmp.Attribute{
		"one more": func(as []isakmp.Attribute) []isakmp.Attribute {
			return append(as, isakmp.TV(isakmp.AttrKeyLength+2, 1))
		},
	}
	for _, typ := range []uint16{isakmp.AttrEncryption, isakmp.AttrKeyLength, isakmp.AttrHash, isakmp.AttrGroup, isakmp.AttrAuthMethod} {
		for _, value := range []uint16{0, 1, 2, 3, 4, 5, 7, 14, 128, 64221, 65001, 65005, 65535} {
			changes[fmt.Sprintf("attribute %d = %d", typ, value)] = func(as []isakmp.Attribute) []isakmp.Attribute {
				return alter(as, typ, func(a isakmp.Attribute) []isakmp.Attribute { return []isakmp.Attribute{isakmp.TV(a.Type, value)} })
			}
		}
		changes[fmt.Sprintf("attribute %d is missing", typ)] = func(as []isakmp.Attribute) []isakmp.Attribute {
			return alter(as, typ, func(isakmp.Attribute) []isakmp.Attribute { return nil })
		}
		changes[fmt.Sprintf("attribute %d stands twice", typ)] = func(as []isakmp.Attribute) []isakmp.Attribute {
			return alter(as, typ, func(a isakmp.Attribute) []isakmp.Attribute { return []isakmp.Attribute{a, a} })
		}
	}
	methods := []isakmp.AuthMethod{isakmp.AuthRSA, isakmp.AuthHybridInitRSA, isakmp.AuthRSAEncryption, isakmp.AuthRSARevisedEncryption}
	for _, method := range methods {
		inBubble(t, func(t *testing.T, r *rig) {
			if method == isakmp.AuthRSA || method == isakmp.AuthHybridInitRSA {
				r.certified(method, "rsa")
			} else {
				r.encrypted(method)
			}
			r.a.Log, r.b.Log = nil, nil
			r.serve()
			for name, change := range changes {
				var same atomic.Bool // a repeat may be changed while the outcome is read
				r.SetFault(func(d iketest.Datagram) []iketest.Delivery {
					if d.FromA || header(d.Octets).Flags&isakmp.FlagEncryption != 0 || clearPayloads(t, d).Get(isakmp.PayloadSA) == nil {
						return arrive(d)
					}
					return rewrite(func(ps []isakmp.Payload) []isakmp.Payload {
						sa, err := isakmp.ParseSA(ps[0].Body)
						if err != nil {
							t.Error(err)
						}
						as := &sa.Proposals[0].Transforms[0].Attributes
						changed := change(slices.Clone(*as))
						same.Store(cmp.Equal(*as, changed))
						*as = changed
						ps[0].Body = sa.Marshal()
						return ps
					})(d)
				})
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				sa, err := r.dial(ctx)
				cancel()
				if (err == nil) != same.Load() {
					t.Errorf("%v, %s: %v", method, name, err)
				}
				if sa != nil {
					sa.Abandon()
				}
			}
		})
	}
}

// alter replaces the attributes of one type.
func alter(as []isakmp.Attribute, typ uint16, f func(isakmp.Attribute) []isakmp.Attribute) (out []isakmp.Attribute) {
	for _, a := range as {
		if a.Type == typ {
			out = append(out, f(a)...)
		} else {
			out = append(out, a)
		}
	}
	return out
}

// A gateway that refuses what we prove says so under the keys of the exchange: the
// error tells what it said.
func TestComplaintUnderOurKeys(t *testing.T) {
	inBubbleOf(t, ike.Main, func(t *testing.T, r *rig) {
		r.certified(isakmp.AuthRSA, "rsa")
		a, _ := r.connect()
		spy := ike.VoiceOf(a)
		for _, d := range r.Sent() {
			if d.FromA && header(d.Octets).Flags&isakmp.FlagEncryption != 0 {
				n := isakmp.Notify{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, Type: isakmp.NotifyInvalidIDInformation}
				block := d.Octets[len(d.Octets)-16:]
				octets := spy.Complain(block, 77, isakmp.Payload{Type: isakmp.PayloadNotify, Body: n.Marshal()})
				err := ike.ComplaintOf(a, block, octets)
				var said *ike.NotifyError
				if !errors.Is(err, ike.ErrAuthentication) || !errors.As(err, &said) || said.Type != n.Type || !said.Authenticated {
					t.Error(err)
				}
				octets[len(octets)-1] ^= 1
				if err := ike.ComplaintOf(a, block, octets); errors.As(err, &said) && err != nil && strings.Contains(err.Error(), "INVALID") {
					t.Error("altered: ", err)
				}
				break
			}
		}
	})
}
