package isakmp

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "record the golden files anew")

// octets are written in hexadecimal.
type octets []byte

func (o *octets) UnmarshalText(b []byte) (err error) {
	*o, err = hex.DecodeString(string(b))
	return err
}

// labSession is a recorded session between two strongSwans.
type labSession struct {
	Phase1 []struct {
		PRF     string `json:"prf"`
		SkeyidA octets `json:"skeyid_a"`
	} `json:"phase1"`
	Messages []labMessage `json:"messages"`
}

type labMessage struct {
	From         string `json:"from"`
	Isakmp       octets `json:"isakmp"`
	Plaintext    octets `json:"plaintext"`
	PayloadTypes []int  `json:"payload_types"`
	RepeatOf     *int   `json:"retransmit_of"`
}

// fromClient says that the initiator of phase 1 sent the message.
func (m labMessage) fromClient() bool { return m.From == "192.0.2.2" }

func readLab(t testing.TB, name string) labSession {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../iketest/testdata/strongswan-lab", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var s labSession
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

var labSessions = []string{"main-aes256", "aggr-3des", "loss10-4"}

// parse reads the message in clear. Octets behind the payloads of an encrypted
// message are padding.
func (m labMessage) parse(t testing.TB) *Message {
	t.Helper()
	h, err := ParseHeader(m.Isakmp)
	if err != nil {
		t.Fatal(err)
	}
	if int(h.Length) != len(m.Isakmp) {
		t.Fatalf("length %d of %d octets", h.Length, len(m.Isakmp))
	}
	if got := h.Append(nil); !bytes.Equal(got, m.Isakmp[:HeaderLen]) {
		t.Errorf("header % x, received % x", got, m.Isakmp[:HeaderLen])
	}
	body := m.Isakmp[HeaderLen:]
	if h.Flags&FlagEncryption != 0 {
		body = m.Plaintext
	}
	msg, err := ParseMessage(h, body)
	if err != nil {
		t.Fatal(err)
	}
	if again := AppendPayloads(nil, msg.Payloads); !bytes.Equal(again, msg.After(-1)) || !bytes.HasPrefix(body, again) {
		t.Errorf("payloads marshalled\n% x, received\n% x", again, body)
	}
	return msg
}

// Every message of every session is read, written again octet for octet, and
// printed; the golden files show what was understood.
func TestLabSessions(t *testing.T) {
	for _, name := range labSessions {
		t.Run(name, func(t *testing.T) {
			var got strings.Builder
			initiated := map[uint32]bool{} // by message ID: the client began it
			for i, m := range readLab(t, name).Messages {
				if m.RepeatOf != nil {
					fmt.Fprintf(&got, "%d repeats %d\n", i, *m.RepeatOf)
					continue
				}
				msg := m.parse(t)
				for j, want := range m.PayloadTypes {
					if len(msg.Payloads) != len(m.PayloadTypes) || msg.Payloads[j].Type != PayloadType(want) {
						t.Errorf("message %d: payloads %v, want types %v", i, msg, m.PayloadTypes)
						break
					}
				}
				if _, known := initiated[msg.MessageID]; !known {
					initiated[msg.MessageID] = m.fromClient()
				}
				arrow := map[bool]string{true: "->", false: "<-"}[m.fromClient()]
				fmt.Fprintf(&got, "%d %s %s: %s\n", i, arrow, msg.Exchange, msg.Notation(initiated[msg.MessageID] == m.fromClient()))
				for _, p := range msg.Payloads {
					got.WriteString(describe(t, p))
				}
			}
			golden(t, filepath.Join("testdata", name+".txt"), got.String())
		})
	}
}

// describe returns what a payload with a structure says, after writing it again.
func describe(t *testing.T, p Payload) string {
	t.Helper()
	switch p.Type {
	case PayloadSA:
		return describeSA(roundTrip(t, ParseSA, p))
	case PayloadID:
		return fmt.Sprintf("\tID %s\n", roundTrip(t, ParseID, p))
	case PayloadNotify:
		n := roundTrip(t, ParseNotify, p)
		return fmt.Sprintf("\tN %s of %s %x, data %x\n", n.Type, n.Protocol, n.SPI, n.Data)
	case PayloadDelete:
		d := roundTrip(t, ParseDelete, p)
		return fmt.Sprintf("\tD %s %x\n", d.Protocol, d.SPIs)
	case PayloadConfiguration:
		return fmt.Sprintf("\tATTR %s\n", roundTrip(t, ParseConfiguration, p))
	}
	return ""
}

func describeSA(sa SA) string {
	var b strings.Builder
	for _, p := range sa.Proposals {
		fmt.Fprintf(&b, "\tP %d %s %x\n", p.Number, p.Protocol, p.SPI)
		for _, tr := range p.Transforms {
			fmt.Fprintf(&b, "\t  T %d ID %d:", tr.Number, tr.ID)
			for _, a := range tr.Attributes {
				v, _ := a.Uint()
				fmt.Fprintf(&b, " %d=%d", a.Type, v)
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// roundTrip reads the payload's body and wants the same octets back.
func roundTrip[T interface{ Marshal() []byte }](t *testing.T, parse func([]byte) (T, error), p Payload) T {
	t.Helper()
	v, err := parse(p.Body)
	if err != nil {
		t.Error(err)
	} else if diff := cmp.Diff(p.Body, v.Marshal()); diff != "" {
		t.Errorf("%s payload (-received +marshalled):\n%s", p.Type, diff)
	}
	return v
}

// What HASH(1) and its kin cover is After(0), octet for octet as received:
// HASH = prf(SKEYID_a, M-ID | After(0)). RFC 2409, sections 5.5 and 5.7
func TestLabHashesCoverAfter(t *testing.T) {
	prfs := map[string]func() hash.Hash{"md5": md5.New, "sha256": sha256.New}
	for _, name := range labSessions {
		t.Run(name, func(t *testing.T) {
			s := readLab(t, name)
			quick := map[uint32]bool{} // quick modes seen; their later hashes cover nonces too
			checked := 0
			for i, m := range s.Messages {
				if m.Plaintext == nil {
					continue
				}
				msg := m.parse(t)
				if msg.MessageID == 0 || quick[msg.MessageID] {
					continue
				}
				quick[msg.MessageID] = msg.Exchange == ExchangeQuick
				mac := hmac.New(prfs[s.Phase1[0].PRF], s.Phase1[0].SkeyidA)
				mac.Write(binary.BigEndian.AppendUint32(nil, msg.MessageID))
				mac.Write(msg.After(0))
				if got := msg.Get(PayloadHash); !hmac.Equal(got, mac.Sum(nil)) {
					t.Errorf("message %d, %s: HASH %x covers something else", i, msg, got)
				}
				checked++
			}
			if checked < 5 {
				t.Errorf("only %d hashes checked", checked)
			}
		})
	}
}

// golden compares got with the file, or writes the file with -update.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}
