package ike

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/ike/isakmp"
)

// labSession is a recorded session between two strongSwans, with the keys that
// the gateway logged.
type labSession struct {
	PSK    string `json:"psk"`
	Phase1 []struct {
		CkyI    octets `json:"cky_i"`
		CkyR    octets `json:"cky_r"`
		Gxy     octets `json:"gxy"`
		Skeyid  octets `json:"skeyid"`
		SkeyidD octets `json:"skeyid_d"`
		SkeyidA octets `json:"skeyid_a"`
		SkeyidE octets `json:"skeyid_e"`
		Key     octets `json:"key"`
	} `json:"phase1"`
	Messages []labMessage `json:"messages"`
	Children []struct {
		SPI  octets `json:"spi"`
		Enc  octets `json:"enc"`
		Auth octets `json:"auth"`
	} `json:"child_sas"`
}

type labMessage struct {
	From      string    `json:"from"`
	Port      [2]uint16 `json:"port"`
	Isakmp    octets    `json:"isakmp"`
	IV        octets    `json:"iv"`
	Plaintext octets    `json:"plaintext"`
	RepeatOf  *int      `json:"retransmit_of"`
}

func (m labMessage) fromClient() bool { return m.From == "192.0.2.2" }

// datagram is the message as its receiver gets it.
func (m labMessage) datagram() Datagram {
	client, gateway := netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.1")
	from, to := gateway, client
	if m.fromClient() {
		from, to = client, gateway
	}
	return Datagram{m.Isakmp, Path{
		Local: netip.AddrPortFrom(to, m.Port[1]), Remote: netip.AddrPortFrom(from, m.Port[0]), Marker: m.Port[0] == 4500,
	}}
}

func readLab(t testing.TB, name string) *labSession {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("iketest/testdata/strongswan-lab", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	s := new(labSession)
	if err := json.Unmarshal(b, s); err != nil {
		t.Fatal(err)
	}
	return s
}

// replay reads a session with the code that reads a peer's messages, standing
// between the two ends: it knows g^xy and the pre-shared key, and nothing else.
type replay struct {
	t         *testing.T
	s         *labSession
	p         *phase1
	keys      *keys
	exchanges map[uint32]*exchange
	quick     map[uint32]*quick
	hashes    int // verified
	children  map[uint32]ChildKeys
}

func TestLabSessions(t *testing.T) {
	tests := []struct {
		name               string
		mode               Mode
		proposal           Proposal
		esp                ESPProposal
		hashes, childCount int
	}{
		{
			"main-aes256", Main,
			Proposal{isakmp.CipherAES, 256, isakmp.HashSHA256, isakmp.GroupMODP2048},
			ESPProposal{Encryption: isakmp.ESPAES, KeyBits: 256, Integrity: isakmp.AuthHMACSHA256},
			19, 4,
		},
		{
			"aggr-3des", Aggressive,
			Proposal{isakmp.Cipher3DES, 0, isakmp.HashMD5, isakmp.GroupMODP1024},
			ESPProposal{Encryption: isakmp.ESP3DES, Integrity: isakmp.AuthHMACMD5},
			19, 4,
		},
		{
			"loss10-4", Main,
			Proposal{isakmp.CipherAES, 256, isakmp.HashSHA256, isakmp.GroupMODP2048},
			ESPProposal{Encryption: isakmp.ESPAES, KeyBits: 256, Integrity: isakmp.AuthHMACSHA256},
			11, 2,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newReplay(t, test.name, test.mode, test.proposal)
			for i, m := range r.s.Messages {
				if err := r.take(i, m, test.esp); err != nil {
					t.Fatalf("message %d: %v", i, err)
				}
			}
			if r.hashes != test.hashes {
				t.Errorf("%d hashes verified, want %d", r.hashes, test.hashes)
			}
			want := map[uint32]ChildKeys{}
			for _, c := range r.s.Children {
				spi, _ := espSPI(c.SPI)
				want[spi] = ChildKeys{c.Enc, c.Auth}
			}
			if len(want) != test.childCount {
				t.Errorf("%d child SAs in the file, want %d", len(want), test.childCount)
			}
			if diff := cmp.Diff(want, r.children); diff != "" {
				t.Errorf("KEYMAT (-want +got):\n%s", diff)
			}
		})
	}
}

func newReplay(t *testing.T, name string, mode Mode, proposal Proposal) *replay {
	s := readLab(t, name)
	cfg := &Config{
		Proposals: []Proposal{proposal}, Methods: []isakmp.AuthMethod{isakmp.AuthXAuthInitPSK},
		Groups: func(Hello) []Group { return nil },
	}
	w := &Wire{router: NewRouter(func([]byte, Path) error { return nil })}
	p := newPhase1(w, s.Messages[0].datagram().From, cfg, mode, false)
	p.link.ckyI = isakmp.Cookie(s.Phase1[0].CkyI)
	return &replay{
		t: t, s: s, p: p, exchanges: map[uint32]*exchange{0: p.x},
		quick: map[uint32]*quick{}, children: map[uint32]ChildKeys{},
	}
}

// take reads message i and checks it against the record.
func (r *replay) take(i int, m labMessage, child ESPProposal) error {
	h, err := isakmp.ParseHeader(m.Isakmp)
	if err != nil {
		return err
	}
	x := r.exchange(h)
	if m.RepeatOf != nil {
		if !x.isRepeat(m.datagram()) || !bytes.Equal(m.Isakmp, r.s.Messages[*m.RepeatOf].Isakmp) {
			return fmt.Errorf("isn't known to repeat message %d", *m.RepeatOf)
		}
		return nil
	}
	if x.isRepeat(m.datagram()) {
		return fmt.Errorf("is taken for a repeat")
	}
	if m.IV != nil {
		if diff := cmp.Diff([]byte(m.IV), x.iv); diff != "" {
			return fmt.Errorf("IV (-want +got):\n%s", diff)
		}
		plain, _, err := r.keys.decrypt(x.iv, m.Isakmp[isakmp.HeaderLen:], nil)
		if err != nil || !bytes.Equal(plain, m.Plaintext) {
			return fmt.Errorf("decrypts to % x, %v", plain, err)
		}
	}
	_, err = x.take(m.datagram(), func(msg *isakmp.Message) error { return r.verify(msg, m.fromClient(), child) })
	if h.MessageID == 0 && h.Flags&isakmp.FlagEncryption != 0 {
		r.keys.lastBlock = x.iv
	}
	return err
}

// exchange is the one that a message belongs to.
func (r *replay) exchange(h isakmp.Header) *exchange {
	x, ok := r.exchanges[h.MessageID]
	if !ok {
		x = &exchange{link: r.p.link, typ: h.Exchange, msgID: h.MessageID}
		x.protect(r.keys, r.keys.phase2IV(h.MessageID))
		r.exchanges[h.MessageID] = x
	}
	return x
}

func (r *replay) verify(m *isakmp.Message, client bool, child ESPProposal) error {
	r.hashes++
	switch m.Exchange {
	case isakmp.ExchangeMain, isakmp.ExchangeAggressive:
		return r.phase1(m, client)
	case isakmp.ExchangeQuick:
		return r.quickMode(m, child)
	}
	return checkHash(m, func(rest []byte) []byte { return r.keys.hash1(m.MessageID, rest) })
}

// phase1 takes whatever payloads of phase 1 the message has, in the order in
// which both modes need them.
func (r *replay) phase1(m *isakmp.Message, client bool) error {
	p := r.p
	if m.ResponderCookie != (isakmp.Cookie{}) {
		p.link.ckyR = m.ResponderCookie
	}
	if m.Get(isakmp.PayloadSA) != nil {
		choose := p.takeChoice
		if client {
			choose = p.choose
		}
		if err := choose(m); err != nil {
			return err
		}
	}
	if m.Get(isakmp.PayloadKE) != nil {
		p.initiator = !client // takeKE reads the other end's half
		if err := p.takeKE(m); err != nil {
			return err
		}
		if !client {
			if err := r.deriveKeys(); err != nil {
				return err
			}
		}
	}
	if id := m.Get(isakmp.PayloadID); id != nil && client {
		p.idiiB = id
	} else if id != nil {
		p.idirB = id
	}
	if m.Get(isakmp.PayloadHash) == nil {
		r.hashes--
		return nil
	}
	if client {
		return preShared{}.check(p, m, isakmp.ID{}, p.proofI(r.keys))
	}
	return preShared{}.check(p, m, isakmp.ID{}, p.proofR(r.keys))
}

// deriveKeys makes the key schedule from the record's g^xy and holds it against
// the record.
func (r *replay) deriveKeys() (err error) {
	want := r.s.Phase1[0]
	r.p.schedule.gxy = want.Gxy
	r.p.schedule.ckyI, r.p.schedule.ckyR = r.p.link.ckyI, r.p.link.ckyR
	if r.keys, err = r.p.deriveKeys(preShared(r.s.PSK)); err != nil {
		return err
	}
	k := r.keys
	diff := cmp.Diff(
		[]octets{want.Skeyid, want.SkeyidD, want.SkeyidA, want.SkeyidE, want.Key},
		[]octets{k.skeyid, k.skeyidD, k.skeyidA, k.skeyidE, k.ka})
	if diff != "" {
		return fmt.Errorf("keys (-want +got):\n%s", diff)
	}
	// The first message with a HASH of Aggressive Mode is in clear, all later ones
	// of either mode are encrypted.
	r.p.x.protect(k, k.iv)
	r.p.x.clearAllowed = r.p.x.typ == isakmp.ExchangeAggressive
	return nil
}

func (r *replay) quickMode(m *isakmp.Message, child ESPProposal) error {
	k := r.keys
	q := r.quick[m.MessageID]
	switch {
	case q == nil:
		q = &quick{sa: &SA{keys: k}, cfg: &ChildConfig{Proposals: []ESPProposal{child}}, mode: isakmp.EncapUDPTunnel}
		q.niB = m.Get(isakmp.PayloadNonce)
		r.quick[m.MessageID] = q
		var err error
		if q.chosen, q.ourSPI, _, err = chooseESP(m.Get(isakmp.PayloadSA), q.cfg, q.mode, 0x1000); err != nil {
			return err
		}
		return checkHash(m, func(rest []byte) []byte { return k.hash1(m.MessageID, rest) })
	case q.nrB == nil:
		q.nrB = m.Get(isakmp.PayloadNonce)
		var err error
		if q.chosen, q.theirSPI, err = chosenESP(m.Get(isakmp.PayloadSA), q.cfg, q.mode); err != nil {
			return err
		}
		c, err := q.child()
		if err != nil {
			return err
		}
		r.children[c.InboundSPI], r.children[c.OutboundSPI] = c.Inbound, c.Outbound
		return checkHash(m, func(rest []byte) []byte { return k.hash2(m.MessageID, q.niB, rest) })
	}
	if !equalHash(m.Get(isakmp.PayloadHash), k.hash3(m.MessageID, q.niB, q.nrB)) {
		return fmt.Errorf("HASH(3)")
	}
	return nil
}
