package ike_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"postern/ike"
	"postern/ike/isakmp"
)

var ciphers = []ike.Proposal{
	{Cipher: isakmp.CipherDES},
	{Cipher: isakmp.Cipher3DES},
	{Cipher: isakmp.CipherAES, KeyBits: 128},
	{Cipher: isakmp.CipherAES, KeyBits: 192},
	{Cipher: isakmp.CipherAES, KeyBits: 256},
}

var hashes = []isakmp.Hash{isakmp.HashMD5, isakmp.HashSHA1, isakmp.HashSHA256, isakmp.HashSHA384, isakmp.HashSHA512}

var groups = []isakmp.Group{
	isakmp.GroupMODP768, isakmp.GroupMODP1024, isakmp.GroupMODP1536, isakmp.GroupMODP2048, isakmp.GroupMODP3072,
	isakmp.GroupMODP4096, isakmp.GroupMODP6144, isakmp.GroupMODP8192,
	isakmp.GroupECP256, isakmp.GroupECP384, isakmp.GroupECP521, isakmp.GroupCurve25519,
}

// under runs a connection with a proposal, a child with perfect forward secrecy of
// the same group included, and requests both ways.
func under(t *testing.T, p ike.Proposal) {
	t.Helper()
	inBubble(t, func(t *testing.T, r *rig) {
		r.a.Proposals, r.b.Proposals = []ike.Proposal{p}, []ike.Proposal{p}
		a, b := r.connect()
		if a.Info().Proposal != p || b.Info().Proposal != p {
			t.Errorf("agreed on %v and %v", a.Info().Proposal, b.Info().Proposal)
		}
		c := child()
		c.Group = p.Group
		ca, err := a.Quick(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		checkPair(t, ca, <-r.children)
		request(t, a)
		request(t, b)
	})
}

func TestEveryCipherWithEveryHash(t *testing.T) {
	for _, p := range ciphers {
		for _, p.Hash = range hashes {
			p.Group = isakmp.GroupCurve25519
			t.Run(p.String(), func(t *testing.T) { under(t, p) })
		}
	}
}

func TestEveryGroup(t *testing.T) {
	for _, g := range groups {
		p := ike.Proposal{Cipher: isakmp.CipherAES, KeyBits: 128, Hash: isakmp.HashSHA1, Group: g}
		t.Run(p.String(), func(t *testing.T) {
			if testing.Short() && (g == isakmp.GroupMODP6144 || g == isakmp.GroupMODP8192) {
				t.Skip("slow, and -short was asked for")
			}
			under(t, p)
		})
	}
}

// Every suite for the child: what was agreed on, and keys of the right length.
func TestEveryESPSuite(t *testing.T) {
	integrities := map[isakmp.AuthAlgorithm]int{
		isakmp.AuthHMACMD5: 16, isakmp.AuthHMACSHA1: 20, isakmp.AuthHMACSHA256: 32, isakmp.AuthHMACSHA384: 48, isakmp.AuthHMACSHA512: 64,
	}
	type suite struct {
		ike.ESPProposal
		encryption, integrity int
	}
	var suites []suite
	for auth, n := range integrities {
		suites = append(suites,
			suite{ike.ESPProposal{Encryption: isakmp.ESPNull, Integrity: auth}, 0, n},
			suite{ike.ESPProposal{Encryption: isakmp.ESPDES, Integrity: auth}, 8, n},
			suite{ike.ESPProposal{Encryption: isakmp.ESP3DES, Integrity: auth}, 24, n},
		)
		for _, bits := range []int{128, 192, 256} {
			suites = append(suites, suite{ike.ESPProposal{Encryption: isakmp.ESPAES, KeyBits: bits, Integrity: auth}, bits / 8, n})
		}
	}
	for _, bits := range []int{128, 192, 256} {
		suites = append(suites, suite{ike.ESPProposal{Encryption: isakmp.ESPAESGCM16, KeyBits: bits}, bits/8 + 4, 0})
	}
	suites = append(suites, suite{ike.ESPProposal{Encryption: isakmp.ESPAES, KeyBits: 128, Integrity: isakmp.AuthHMACSHA256, Truncate96: true}, 16, 32})
	for _, s := range suites {
		t.Run(s.String(), func(t *testing.T) {
			inBubbleOf(t, ike.Main, func(t *testing.T, r *rig) {
				r.b.Quick = func(_ context.Context, _ *ike.SA, o ike.QuickOffer) (*ike.ChildConfig, error) {
					return &ike.ChildConfig{
						Proposals: []ike.ESPProposal{{Encryption: isakmp.ESPNull, Integrity: 99}, s.ESPProposal}, Local: o.Local, Remote: o.Remote,
						Settled: func(c *ike.Child, _ error) { r.children <- c },
					}, nil
				}
				a, _ := r.connect()
				c := child()
				c.Proposals = []ike.ESPProposal{s.ESPProposal}
				ca, err := a.Quick(t.Context(), c)
				if err != nil {
					t.Fatal(err)
				}
				cb := <-r.children
				if ca.Proposal != s.ESPProposal || cb.Proposal != s.ESPProposal {
					t.Errorf("agreed on %v and %v", ca.Proposal, cb.Proposal)
				}
				for _, k := range []ike.ChildKeys{ca.Inbound, ca.Outbound, cb.Inbound, cb.Outbound} {
					if len(k.Encryption) != s.encryption || len(k.Integrity) != s.integrity {
						t.Errorf("keys of %d and %d octets, want %d and %d", len(k.Encryption), len(k.Integrity), s.encryption, s.integrity)
					}
				}
				if string(ca.Inbound.Encryption) != string(cb.Outbound.Encryption) || string(ca.Outbound.Integrity) != string(cb.Inbound.Integrity) {
					t.Error("the ends have other keys")
				}
			})
		})
	}
}

// Of many proposals the responder takes the initiator's first that it knows, and
// no difference of life times stands in the way.
func TestFirstCommonProposal(t *testing.T) {
	offered := []ike.Proposal{
		{Cipher: isakmp.CipherAES, KeyBits: 256, Hash: isakmp.HashSHA512, Group: isakmp.GroupCurve25519},
		{Cipher: isakmp.CipherAES, KeyBits: 192, Hash: isakmp.HashSHA256, Group: isakmp.GroupCurve25519},
		{Cipher: isakmp.CipherAES, KeyBits: 128, Hash: isakmp.HashSHA1, Group: isakmp.GroupCurve25519},
	}
	lives := []time.Duration{0, time.Second, time.Hour, 8 * time.Hour, 2147483 * time.Second, 100 * 365 * 24 * time.Hour}
	for _, la := range lives {
		for _, lb := range lives {
			t.Run(fmt.Sprint(la, " and ", lb), func(t *testing.T) {
				inBubble(t, func(t *testing.T, r *rig) {
					r.a.Proposals, r.b.Proposals = offered, []ike.Proposal{offered[2], offered[1]}
					r.a.Lifetime, r.b.Lifetime = la, lb
					r.serve()
					a, err := r.dial(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if got := a.Info().Proposal; got != offered[1] {
						t.Errorf("agreed on %v", got)
					}
				})
			})
		}
	}
}
