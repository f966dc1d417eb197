package stamp

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"postern/ike"
	"postern/ike/iketest"
	"postern/ike/isakmp"
)

// message takes a datagram in clear apart; nil if it isn't one.
func message(octets []byte) *isakmp.Message {
	h, err := isakmp.ParseHeader(octets)
	if err != nil || h.Flags&isakmp.FlagEncryption != 0 {
		return nil
	}
	m, err := isakmp.ParseMessage(h, octets[isakmp.HeaderLen:h.Length])
	if err != nil {
		return nil
	}
	return m
}

// rebuilt is a message with other payloads.
func rebuilt(h isakmp.Header, payloads []isakmp.Payload) []byte {
	b := isakmp.AppendPayloads(nil, payloads)
	h.NextPayload, h.Length = payloads[0].Type, uint32(isakmp.HeaderLen+len(b))
	return append(h.Append(nil), b...)
}

// isRADIUS says whether a message holds a RADIUS payload of a kind.
func isRADIUS(m *isakmp.Message, kind uint8) bool {
	body := []byte(nil)
	if m != nil {
		body = m.Get(PayloadRADIUS)
	}
	return len(body) > 1 && body[1] == kind
}

// ours counts datagrams in clear with private payloads.
func (l *lab) ours(fromA bool) (n int) {
	for _, d := range l.Sent() {
		if m := message(d.Octets); m != nil && d.FromA == fromA && m.Get(PayloadRADIUS) != nil {
			n++
		}
	}
	return n
}

func once(d iketest.Datagram) []iketest.Delivery { return []iketest.Delivery{{Octets: d.Octets}} }

func TestUnannounced(t *testing.T) {
	t.Run("the concentrator, and the profile requires it", func(t *testing.T) {
		inBubble(t, func(l *lab) {
			l.announceless = true
			if err := l.connect(l.t.Context()); !errors.Is(err, ErrNotAnnounced) {
				l.t.Error(err)
			}
		})
	})
	t.Run("the concentrator", func(t *testing.T) {
		inBubble(t, func(l *lab) {
			l.announceless, l.client.Required = true, false
			l.client.Method = PAP
			if err := l.connect(l.t.Context()); err != nil || l.applied != nil || l.ours(true) != 0 {
				l.t.Error(err, l.applied, l.ours(true))
			}
		})
	})
	t.Run("the client", func(t *testing.T) {
		inBubble(t, func(l *lab) {
			l.plainClient = true
			method(PAP, "")(l)
			l.keys = []ike.Group{{Name: "staff", Secret: aliceKey}}
			if err := l.connect(l.t.Context()); err != nil || l.receipt != nil || l.ours(false) != 0 {
				l.t.Error(err, l.receipt, l.ours(false))
			}
		})
	})
	t.Run("the client, and its group needs SecurID", func(t *testing.T) {
		inBubble(t, func(l *lab) {
			l.plainClient, l.securID = true, true
			if err := l.connect(l.t.Context()); err == nil || l.gateErr == nil {
				l.t.Error(err, l.gateErr)
			}
		})
	})
}

// TestReceiptCorrupted: a bit turns in the receipt, which HASH(3) doesn't cover. The
// concentrator has it said again.
func TestReceiptCorrupted(t *testing.T) {
	const header, vouched = 28, 32 // octets; HASH and its header lie in two blocks of AES
	inBubble(t, func(l *lab) {
		quick := 0
		l.SetFault(func(d iketest.Datagram) []iketest.Delivery {
			h, err := isakmp.ParseHeader(d.Octets)
			if err != nil || !d.FromA || h.Exchange != isakmp.ExchangeQuick {
				return once(d)
			}
			if quick++; quick != 2 { // message 3
				return once(d)
			}
			turned := bytes.Clone(d.Octets)
			turned[header+vouched+5] ^= 1
			return []iketest.Delivery{{Octets: turned}}
		})
		if err := l.connect(l.t.Context()); err != nil || l.receipt == nil || quick < 3 {
			l.t.Errorf("%v; the concentrator has receipt %v, and ended with %v; %d messages of Quick Mode", err, l.receipt, l.gateErr, quick)
		}
	})
}

// TestStripped: somebody takes announcements, or anything else, out of the first
// messages, which no HASH covers as a whole.
func TestStripped(t *testing.T) {
	drop := func(which func([]byte) bool) func(d iketest.Datagram) []iketest.Delivery {
		return func(d iketest.Datagram) []iketest.Delivery {
			m := message(d.Octets)
			if m == nil || m.Get(isakmp.PayloadSA) == nil {
				return once(d)
			}
			var kept []isakmp.Payload
			for _, p := range m.Payloads {
				if p.Type != isakmp.PayloadVendorID || !which(p.Body) {
					kept = append(kept, p)
				}
			}
			return []iketest.Delivery{{Octets: rebuilt(m.Header, kept)}}
		}
	}
	announcement := func(id []byte) bool { return Announced([][]byte{id}) }
	another := func(id []byte) bool { return len(id) == 8 || bytes.HasPrefix(id, []byte{0xaf, 0xca, 0xd7}) } // DPD
	for _, c := range []struct {
		name     string
		fromA    bool
		which    func([]byte) bool
		required bool
		want     error
	}{
		{"the client's announcement", true, announcement, true, ErrStripped},
		{"the client's announcement, the profile says auto", true, announcement, false, ErrStripped},
		{"the concentrator's announcement", false, announcement, true, ErrNotAnnounced},
		{"another vendor ID of the client's", true, another, true, ErrStripped},
		{"another vendor ID of the concentrator's", false, another, true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(l *lab) {
				l.client.Required = c.required
				change := drop(c.which)
				l.SetFault(func(d iketest.Datagram) []iketest.Delivery {
					if d.FromA == c.fromA {
						return change(d)
					}
					return once(d)
				})
				err := l.connect(l.t.Context())
				if c.want != nil && !errors.Is(err, c.want) {
					l.t.Errorf("the client: %v, want %v", err, c.want)
				}
				// The client took another first message than was sent: its receipt says so.
				if c.want == nil && (l.receipt != nil || l.gateErr == nil) {
					l.t.Errorf("the concentrator has receipt %v, and ended with %v", l.receipt, l.gateErr)
				}
			})
		})
	}
	t.Run("the concentrator's announcement, the profile says auto", func(t *testing.T) {
		inBubble(t, func(l *lab) {
			l.client.Required = false
			change := drop(announcement)
			l.SetFault(func(d iketest.Datagram) []iketest.Delivery {
				if !d.FromA {
					return change(d)
				}
				return once(d)
			})
			_ = l.connect(l.t.Context())
			if l.receipt != nil || l.gateErr == nil {
				l.t.Errorf("the concentrator goes on: %v, %v", l.receipt, l.gateErr)
			}
		})
	})
}

// TestForgedRADIUSRequest: a request whose MAC doesn't verify causes no prompt, no
// answer, and no change of the clock; neither does one of another connection.
func TestForgedRADIUSRequest(t *testing.T) {
	for name, request := range map[string]func(c *conversation) (id uint32, body []byte){
		"no MAC": func(c *conversation) (uint32, []byte) {
			return 7, (&radius{kind: kindRequest, method: PAP, identifier: 1, challenge: make([]byte, 16)}).marshal(c, 7, nil)
		},
		"another secret": func(c *conversation) (uint32, []byte) {
			return 7, (&radius{kind: kindRequest, method: PAP, identifier: 1, challenge: make([]byte, 16)}).marshal(c, 7, macKey([]byte("guess")))
		},
		"replayed from another connection": func(c *conversation) (uint32, []byte) {
			other := *c
			other.ckyI = isakmp.Cookie{1, 2, 3}
			return 7, (&radius{kind: kindRequest, method: PAP, identifier: 1, challenge: make([]byte, 16)}).marshal(&other, 7, macKey(papSecret))
		},
		"another message ID": func(c *conversation) (uint32, []byte) {
			return 8, (&radius{kind: kindRequest, method: PAP, identifier: 1, challenge: make([]byte, 16)}).marshal(c, 7, macKey(papSecret))
		},
		"another method": func(c *conversation) (uint32, []byte) {
			return 7, (&radius{kind: kindRequest, method: CHAP, identifier: 1, challenge: make([]byte, 16)}).marshal(c, 7, macKey(papSecret))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(l *lab) {
				l.client.Method = PAP // and the concentrator doesn't ask
				injected := false
				l.SetFault(func(d iketest.Datagram) []iketest.Delivery {
					m := message(d.Octets)
					if !d.FromA || injected || m == nil {
						return once(d)
					}
					injected = true
					c := &conversation{m.InitiatorCookie, isakmp.Cookie{9}, d.Octets}
					id, body := request(c)
					h := isakmp.Header{
						InitiatorCookie: c.ckyI, ResponderCookie: c.ckyR, Version: isakmp.Version,
						Exchange: isakmp.ExchangeInformational, MessageID: id,
					}
					forged := rebuilt(h, []isakmp.Payload{{Type: PayloadRADIUS, Body: body}})
					time.AfterFunc(time.Millisecond, func() { l.Inject(true, forged) })
					return nil // and the first message is lost: it must be repeated all the same
				})
				began := time.Now()
				if err := l.connect(l.t.Context()); err != nil {
					l.t.Fatal(err)
				}
				if len(l.asked) != 0 || l.ours(true) != 0 {
					l.t.Errorf("asked %q, %d datagrams", l.asked, l.ours(true))
				}
				if took := time.Since(began); took > 15*time.Second {
					l.t.Errorf("took %v", took)
				}
			})
		})
	}
}

// TestForgedRADIUSResult: before each true result comes a false one.
func TestForgedRADIUSResult(t *testing.T) {
	for name, c := range map[string]struct {
		password string
		outcome  uint8
		want     error
	}{
		"rejected, and is accepted": {"wonderland", outcomeRejected, nil},
		"accepted, and is rejected": {"guess", outcomeAccepted, ErrRefused},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(l *lab) {
				pap(c.password)(l)
				l.SetFault(func(d iketest.Datagram) []iketest.Delivery {
					m := message(d.Octets)
					if !isRADIUS(m, kindResult) {
						return once(d)
					}
					true_, _ := parseRADIUS(m.Get(PayloadRADIUS))
					with := &conversation{m.InitiatorCookie, m.ResponderCookie, nil}
					var all []iketest.Delivery
					for _, km := range [][]byte{nil, macKey([]byte("guess")), macKey(aliceKey)} {
						body := (&radius{kind: kindResult, identifier: true_.identifier, outcome: c.outcome}).marshal(with, m.MessageID, km)
						all = append(all, iketest.Delivery{Octets: rebuilt(m.Header, []isakmp.Payload{{Type: PayloadRADIUS, Body: body}})})
					}
					changed := bytes.Clone(d.Octets)
					changed[len(changed)-4-macLen-1] ^= 3 // the outcome, under the true MAC
					return append(all, iketest.Delivery{Octets: changed}, iketest.Delivery{Octets: d.Octets, After: time.Second})
				})
				if err := l.connect(l.t.Context()); c.want == nil && err != nil || c.want != nil && !errors.Is(err, c.want) {
					l.t.Errorf("%v, want %v", err, c.want)
				}
			})
		})
	}
}

// TestSameChallengeForTwoUsers: a concentrator that repeats its challenge learns
// nothing from two answers: neither hidden passwords nor CHAP responses are alike.
func TestSameChallengeForTwoUsers(t *testing.T) {
	for _, m := range []Method{PAP, CHAP} {
		c := NewClient(ClientConfig{Method: m, User: "alice", Password: []byte("wonderland"), PAPAuthSecret: papSecret})
		seen := map[string]bool{}
		for i := range byte(4) {
			d := &radiusClient{Client: c, prelude: &ike.Prelude{}, conversation: conversation{ckyI: isakmp.Cookie{i}, ckyR: isakmp.Cookie{7}, first: []byte{i}}}
			d.request = &radius{kind: kindRequest, method: m, identifier: 1, challenge: make([]byte, 16)}
			answer, err := d.respond(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			r, err := parseRADIUS(find(answer.Payloads, PayloadRADIUS))
			if err != nil {
				t.Fatal(err)
			}
			if seen[string(r.password)] {
				t.Errorf("%v: the same octets in two connections", m)
			}
			seen[string(r.password)] = true
		}
	}
}

// TestSecurIDReplayed: whoever recorded the dialogue sends it again, in the middle
// and afterwards: nobody is asked twice.
func TestSecurIDReplayed(t *testing.T) {
	inBubble(t, func(l *lab) {
		typed(code(step{Question{Ask: AskNextCode}, "TOKEN-2"}), "PASSCODE-1", "TOKEN-2", "again", "and again")(l)
		fast := l.server.Verify
		l.server.Verify = func(ctx context.Context, user string, a Answer, state any) (Verdict, error) {
			time.Sleep(5 * time.Second) // so that replays meet an answered client
			return fast(ctx, user, a, state)
		}
		l.SetFault(func(d iketest.Datagram) []iketest.Delivery {
			all := once(d)
			if h, err := isakmp.ParseHeader(d.Octets); err == nil && h.Exchange == isakmp.ExchangeInformational && h.Flags&isakmp.FlagEncryption != 0 {
				for n := range 20 {
					all = append(all, iketest.Delivery{Octets: d.Octets, After: time.Duration(n+1) * 900 * time.Millisecond})
				}
			}
			return all
		})
		if err := l.connect(l.t.Context()); err != nil {
			l.t.Fatal(err)
		}
		if len(l.asked) != 2 {
			l.t.Errorf("asked %q", l.asked)
		}
	})
}

// TestCVE20020848: the VPN 5000's client sent a password in clear when it repeated
// its RADIUS request. Here what is repeated is the same octets, and there is no
// password in clear in any.
func TestCVE20020848(t *testing.T) {
	for _, m := range []Method{PAP, CHAP, Challenge} {
		inBubble(t, func(l *lab) {
			if m == Challenge {
				typed(asks([2]string{"Colour?", "PASSCODE-1"}), "PASSCODE-1")(l)
			} else {
				method(m, "wonderland")(l)
			}
			responses := map[string]int{}
			dropped := map[string]bool{}
			l.SetFault(func(d iketest.Datagram) []iketest.Delivery {
				if !d.FromA || !isRADIUS(message(d.Octets), kindResponse) {
					return once(d)
				}
				responses[string(d.Octets)]++
				if responses[string(d.Octets)] <= 3 {
					dropped[string(d.Octets)] = true
					return nil
				}
				return once(d)
			})
			if err := l.connect(l.t.Context()); err != nil {
				l.t.Fatal(err)
			}
			want := 1
			if m == Challenge {
				want = 2
			}
			if len(responses) != want {
				l.t.Errorf("%v: %d different responses, want %d", m, len(responses), want)
			}
			for _, n := range responses {
				if n < 4 {
					l.t.Errorf("%v: a response was sent %d times", m, n)
				}
			}
		})
	}
}

// TestCVE20021492: over-long input overran buffers of the VPN 5000's client. Here
// it is refused before anything is sent, and a peer's is refused by its decoder.
func TestCVE20021492(t *testing.T) {
	long := strings.Repeat("A", 70000)
	for name, setup := range map[string]func(l *lab){
		"user name":             func(l *lab) { pap("wonderland")(l); l.client.User = long },
		"password":              func(l *lab) { pap(long)(l) },
		"password, typed":       typed(pap(""), long),
		"passcode":              typed(code(), long),
		"new PIN":               typed(code(step{Question{Ask: AskNewPIN, MinPIN: 4, MaxPIN: 8}, "4711"}), "PASSCODE-1", long),
		"answer to a challenge": typed(asks([2]string{"Colour?", "PASSCODE-1"}), long),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(l *lab) {
				setup(l)
				if err := l.connect(l.t.Context()); err == nil {
					l.t.Error("taken")
				} else if strings.Contains(err.Error(), "AAAA") {
					l.t.Error("the error holds the input")
				}
			})
		})
	}
}

// TestCVE20020852: a packet with many valid payloads, or a huge SPI, crashed the
// VPN 5000's client.
func TestCVE20020852(t *testing.T) {
	payloads := func(n int, t isakmp.PayloadType, body []byte) (all []isakmp.Payload) {
		for range n {
			all = append(all, isakmp.Payload{Type: t, Body: body})
		}
		return all
	}
	notify := append([]byte{0, 0, 0, 1, 1, 0xff, 0, 24}, make([]byte, 255)...)
	request := (&radius{kind: kindRequest, method: PAP, identifier: 1, challenge: make([]byte, 16)}).marshal(&conversation{}, 7, macKey(papSecret))
	inBubble(t, func(l *lab) {
		pap("wonderland")(l)
		l.SetFault(func(d iketest.Datagram) []iketest.Delivery {
			h, err := isakmp.ParseHeader(d.Octets)
			if err != nil || d.FromA {
				return once(d)
			}
			var all []iketest.Delivery
			for _, ps := range [][]isakmp.Payload{
				payloads(1000, isakmp.PayloadVendorID, VendorID()),
				payloads(31, PayloadRADIUS, request),
				payloads(33, PayloadRADIUS, request),
				payloads(30, PayloadSTAMP, fullPolicy().marshal()),
				payloads(20, isakmp.PayloadNotify, notify),
				payloads(1, isakmp.PayloadDelete, append([]byte{0, 0, 0, 1, 1, 0xff, 0xff, 0xff}, make([]byte, 60000)...)),
				payloads(2, PayloadRADIUS, bytes.Repeat([]byte{1, 1, 0, 0, 0x80}, 10000)),
			} {
				info := h
				info.Exchange, info.Flags, info.MessageID = isakmp.ExchangeInformational, 0, 77
				all = append(all, iketest.Delivery{Octets: rebuilt(info, ps)})
			}
			return append(all, iketest.Delivery{Octets: d.Octets, After: time.Millisecond})
		})
		if err := l.connect(l.t.Context()); err != nil {
			l.t.Error(err)
		}
	})
}

// TestCVE20154171: nothing of the person's leaves before the gateway is
// authenticated. Who plays the gateway without its key is told no name, no
// password, no passcode; only a profile with a RADIUS method answers that step.
func TestCVE20154171(t *testing.T) {
	t.Run("RADIUS step, which the profile doesn't name", func(t *testing.T) {
		inBubble(t, func(l *lab) {
			method(PAP, "wonderland")(l)
			l.client.Method = 0
			l.keys = []ike.Group{{Name: "staff", Secret: aliceKey}}
			l.id = "id-of-the-device"
			if err := l.connect(l.t.Context()); err != nil { // the concentrator finds the step unanswered
				l.t.Error(err)
			}
			if len(l.asked) != 0 || l.ours(true) != 0 {
				l.t.Errorf("asked %q, %d datagrams", l.asked, l.ours(true))
			}
			for _, d := range l.Sent() {
				if bytes.Contains(d.Octets, []byte("alice")) {
					l.t.Errorf("datagram %d names the user", d.Number)
				}
			}
		})
	})
	t.Run("SecurID of a gateway without the key", func(t *testing.T) {
		inBubble(t, func(l *lab) {
			typed(code(), "PASSCODE-1")(l)
			l.keys = []ike.Group{{Name: "staff", Secret: []byte("another key")}}
			if err := l.connect(l.t.Context()); err == nil || len(l.asked) != 0 {
				l.t.Errorf("%v, asked %q", err, l.asked)
			}
		})
	})
	t.Run("RADIUS step of a gateway without the secret", func(t *testing.T) {
		inBubble(t, func(l *lab) {
			pap("wonderland")(l)
			l.server.Secret = []byte("another secret")
			if err := l.connect(l.t.Context()); err == nil || l.ours(true) != 0 {
				l.t.Errorf("%v, %d datagrams", err, l.ours(true))
			}
		})
	})
}

// TestNoSecret: a client told to use PAP without a secret refuses; it never sends a
// password in clear.
func TestNoSecret(t *testing.T) {
	for _, m := range []Method{PAP, Challenge} {
		inBubble(t, func(l *lab) {
			method(m, "wonderland")(l)
			l.client.PAPAuthSecret = nil
			if err := l.connect(l.t.Context()); !errors.Is(err, ErrNoSecret) || l.ours(true) != 0 {
				l.t.Errorf("%v, %d datagrams", err, l.ours(true))
			}
		})
	}
}

// TestNameIsBound: who logs in as one user and proves to be another is told
// AUTHENTICATION-FAILED.
func TestNameIsBound(t *testing.T) {
	inBubble(t, func(l *lab) {
		pap("wonderland")(l)
		l.id = "bob"
		err := l.connect(l.t.Context())
		if err == nil || l.gateErr == nil || !errors.Is(l.gateErr, ike.ErrIdentity) && !strings.Contains(l.gateErr.Error(), "alice") {
			l.t.Errorf("%v; the concentrator: %v", err, l.gateErr)
		}
	})
}
