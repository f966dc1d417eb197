package client

import (
	"testing"

	"postern/client/profile"
	"postern/ike/isakmp"
	"postern/tun/esp"
)

// Every spelling that a profile takes is an algorithm that the engines have.
func TestEveryAlgorithmOfAProfileExists(t *testing.T) {
	for _, cipher := range []string{"des", "3des", "aes128", "aes192", "aes256"} {
		for _, hash := range []string{"md5", "sha1", "sha256", "sha384", "sha512"} {
			for _, group := range []string{
				"modp768", "modp1024", "modp1536", "modp2048", "modp3072", "modp4096", "modp6144", "modp8192",
				"ecp256", "ecp384", "ecp521", "curve25519",
			} {
				o, err := profile.ParseIKE(cipher + "-" + hash + "-" + group)
				if err != nil {
					t.Fatal(err)
				}
				ps, err := phase1Proposals(&profile.Profile{IKE: []profile.IKEProposal{o}})
				if err != nil {
					t.Errorf("%v: %v", o, err)
				} else if got := ps[0].String(); got != o.String() {
					t.Errorf("%v became %s", o, got)
				}
			}
		}
	}
	for _, cipher := range []string{"des", "3des", "aes128", "aes192", "aes256", "null"} {
		for _, integrity := range []string{"md5", "sha1", "sha256", "sha256_96", "sha384", "sha512"} {
			checkESP(t, cipher+"-"+integrity)
		}
	}
	for _, gcm := range []string{"aes128gcm16", "aes192gcm16", "aes256gcm16"} {
		checkESP(t, gcm)
	}
}

func checkESP(t *testing.T, name string) {
	t.Helper()
	o, err := profile.ParseESP(name)
	if err != nil {
		t.Fatal(err)
	}
	ps, err := espProposals(&profile.Profile{ESP: []profile.ESPProposal{o}})
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if got := ps[0].String(); got != o.String() {
		t.Errorf("%s became %s", o, got)
	}
	s := suite(ps[0])
	enc, auth := s.KeyLengths()
	if _, err := esp.NewOutbound(s, 256, make([]byte, enc), make([]byte, auth)); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

func TestPFSGroup(t *testing.T) {
	for _, c := range []struct {
		name  string
		pfs   string
		asked int
		want  isakmp.Group
	}{
		{"off", "off", 5, 0},
		{"named", "modp1536", 0, isakmp.GroupMODP1536},
		{"auto, not asked for", "auto", 0, 0},
		{"auto, asked for", "auto", 1, isakmp.GroupMODP2048},
		{"auto, a group asked for", "auto", 5, isakmp.GroupMODP1536},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := pfsGroup(&profile.Profile{PFS: c.pfs}, c.asked, isakmp.GroupMODP2048); got != c.want {
				t.Errorf("group %d, want %d", got, c.want)
			}
		})
	}
}

// The MTU inside leaves room for what the largest suite offered adds.
func TestSmallestInner(t *testing.T) {
	p := profile.Default()
	ps, err := espProposals(p)
	if err != nil {
		t.Fatal(err)
	}
	mtu := smallestInner(ps, 1500, false)
	for _, o := range ps {
		if got := suite(o).Overhead(mtu) + mtu + 28; got > 1500 {
			t.Errorf("%v: a packet of %d octets becomes one of %d", o, mtu, got)
		}
	}
	if mtu < 1380 {
		t.Errorf("MTU %d wastes room", mtu)
	}
}
