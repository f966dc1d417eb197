package ike_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postern/ike"
	"postern/ike/iketest"
	"postern/ike/isakmp"
)

// forgeries is what somebody sends who sees the wire and has no key: everything
// but what nobody could tell from the true message: another of phase 1 in clear, and
// an encrypted one with other octets where no HASH covers it.
func forgeries(seen []byte, random *rand.Rand) map[string][]byte {
	h := header(seen)
	out := make(map[string][]byte)
	clear := func(name string, payloads ...isakmp.Payload) {
		for _, msgID := range []uint32{0, h.MessageID, random.Uint32()} {
			h := isakmp.Header{
				InitiatorCookie: h.InitiatorCookie, ResponderCookie: h.ResponderCookie, Version: isakmp.Version,
				Exchange: isakmp.ExchangeInformational, MessageID: msgID, NextPayload: payloads[0].Type,
			}
			body := isakmp.AppendPayloads(nil, payloads)
			h.Length = uint32(isakmp.HeaderLen + len(body))
			out[fmt.Sprintf("%s in clear, message ID %x", name, msgID)] = append(h.Append(nil), body...)
		}
	}
	for _, typ := range []isakmp.NotifyType{
		isakmp.NotifyNoProposalChosen, isakmp.NotifyInvalidCookie, isakmp.NotifyAuthenticationFailed, isakmp.NotifyPayloadMalformed,
		isakmp.NotifyInvalidSPI, isakmp.NotifyConnected, isakmp.NotifyInitialContact, isakmp.NotifyUnityLoadBalance, isakmp.NotifyRUThere,
	} {
		clear(typ.String(), notify(isakmp.ProtoISAKMP, nil, typ, []byte{192, 0, 2, 99}))
	}
	cookies := append(append([]byte(nil), h.InitiatorCookie[:]...), h.ResponderCookie[:]...)
	clear("delete of the SA", del(isakmp.ProtoISAKMP, cookies))
	clear("delete of a child", del(isakmp.ProtoESP, spi1))

	changed := func(name string, f func(b []byte) []byte) { out[name] = f(bytes.Clone(seen)) }
	changed("another initiator cookie", func(b []byte) []byte { copy(b, "another!"); return b })
	changed("version 2", func(b []byte) []byte { b[17] = 0x20; return b })
	changed("exchange 99", func(b []byte) []byte { b[18] = 99; return b })
	changed("another message ID", func(b []byte) []byte { b[20] ^= 0x55; return b })
	changed("no octets", func([]byte) []byte { return nil })
	changed("four octets of zero", func([]byte) []byte { return make([]byte, 4) })
	changed("a header", func(b []byte) []byte { return b[:isakmp.HeaderLen] })
	changed("cut", func(b []byte) []byte { return b[:len(b)-1] })
	changed("longer than it says", func(b []byte) []byte { b[27]++; return b })
	changed("64 KiB", func(b []byte) []byte {
		b = append(b, make([]byte, 65507-len(b))...)
		b[26], b[27] = 0xff, 0xe3
		return append(b[:24], 0, 0, 0xff, 0xe3)
	})
	changed("4 GiB", func(b []byte) []byte { copy(b[24:], "\xff\xff\xff\xff"); return b })
	if h.Flags&isakmp.FlagEncryption != 0 {
		changed("another responder cookie", func(b []byte) []byte { copy(b[8:], "another!"); return b })
		changed("in clear", func(b []byte) []byte { b[19] = 0; return b })
		changed("first block", func(b []byte) []byte { b[28] ^= 1; return b })
		if h.MessageID != 0 { // HASH_I and HASH_R don't cover what stands behind them
			changed("last block", func(b []byte) []byte { b[len(b)-17] ^= 1; return b })
			changed("a block less", func(b []byte) []byte { b = b[:len(b)-16]; b[27] -= 16; return b })
		}
		changed("65507 octets", func(b []byte) []byte {
			b[28] ^= 1
			b = append(b, make([]byte, 65507-len(b))...)
			n := isakmp.HeaderLen + (len(b)-isakmp.HeaderLen)/16*16
			b[24], b[25], b[26], b[27] = 0, 0, byte(n>>8), byte(n)
			return b[:n]
		})
	}
	for _, n := range []int{1, 27, 28, 100, 1500} {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		out[fmt.Sprintf("%d random octets", n)] = b
	}
	return out
}

// Forged and broken datagrams before each message, to both ends: the connection
// is made as if they weren't there, with no second attempt.
func TestForgeriesBetweenAnyTwoMessages(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.a.DPD, r.b.DPD = time.Minute, time.Minute
		random := rand.New(rand.NewPCG(1, 2))
		n := 0
		r.SetFault(func(d iketest.Datagram) []iketest.Delivery {
			forged := forgeries(d.Octets, random)
			n += len(forged)
			go func() {
				for _, octets := range forged {
					r.Inject(true, bytes.Clone(octets))
					r.Inject(false, octets)
					time.Sleep(10 * time.Microsecond) // so that no inbox is full
				}
			}()
			return arrive(d)
		})
		a, b := r.connect()
		r.quick(a)
		request(t, a)
		request(t, b)
		time.Sleep(10 * time.Minute)
		for end, sa := range map[string]*ike.SA{"A": a, "B": b} {
			if sa.Err() != nil {
				t.Errorf("%s's SA ended: %v", end, sa.Err())
			}
		}
		if a.Path() != r.ToB || b.Path() != r.ToA {
			t.Errorf("A sends to %v, B to %v", a.Path(), b.Path())
		}
		cookies := map[isakmp.Cookie]bool{}
		for _, d := range of(r.Sent(), true, phase1Type(r.a.Mode)) {
			cookies[header(d.Octets).InitiatorCookie] = true
		}
		if len(cookies) != 1 {
			t.Errorf("%d attempts", len(cookies))
		}
		if n < 300 {
			t.Errorf("only %d forgeries", n)
		}
		r.quick(a)
	})
}

// A first message that was changed on its way doesn't take the place of the true
// one, though it has the same cookie and came first.
func TestChangedFirstMessage(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.SetFault(nth(1, true, phase1Type(r.a.Mode), func(d iketest.Datagram) []iketest.Delivery {
			changed := bytes.Clone(d.Octets)
			changed[len(changed)-1] ^= 1 // of a vendor ID
			if r.a.Mode == ike.Aggressive {
				changed = rewritten(changed, func(ps []isakmp.Payload) []isakmp.Payload {
					ps[2].Body[0] ^= 1 // of the nonce
					return ps
				})
			}
			return []iketest.Delivery{{Octets: changed}, {Octets: d.Octets, After: time.Millisecond}}
		}))
		r.serve()
		a, err := r.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r.quick(a)
	})
}

// What we send comes back to us at once, as if it were the peer's: no message of
// ours is taken for the answer to it.
func TestOwnMessagesComeBack(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.SetFault(func(d iketest.Datagram) []iketest.Delivery {
			time.AfterFunc(0, func() { r.Inject(d.FromA, bytes.Clone(d.Octets)) })
			return arrive(d)
		})
		a, b := r.connect()
		r.quick(a)
		request(t, a)
		request(t, b)
		if n := len(of(r.Sent(), true, phase1Type(r.a.Mode))); n > 3 {
			t.Errorf("phase 1 took %d messages of A's", n)
		}
		if a.Path() != r.ToB || b.Path() != r.ToA {
			t.Errorf("A sends to %v, B to %v", a.Path(), b.Path())
		}
	})
}

// Forgeries from elsewhere move no path and begin nothing.
func TestForgeriesFromElsewhere(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		a, b := r.connect()
		r.quick(a)
		random := rand.New(rand.NewPCG(3, 4))
		elsewhere := netip.MustParseAddrPort("203.0.113.66:4500")
		sent := r.Sent()
		for _, d := range sent {
			for _, octets := range forgeries(d.Octets, random) {
				r.A.Deliver(bytes.Clone(octets), ike.Path{Local: r.ToB.Local, Remote: elsewhere})
				r.B.Deliver(bytes.Clone(octets), ike.Path{Local: r.ToA.Local, Remote: elsewhere})
				synctest.Wait()
			}
		}
		if a.Path() != r.ToB || b.Path() != r.ToA {
			t.Errorf("A sends to %v, B to %v", a.Path(), b.Path())
		}
		request(t, a)
		request(t, b)
	})
}

// No datagram makes an end allocate more than a copy of it in clear and a little:
// 64 KiB at most.
func TestAllocationsOfForgeries(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.a.Log, r.b.Log = nil, nil
		a, b := r.connect()
		r.quick(a)
		request(t, b)
		random := rand.New(rand.NewPCG(5, 6))
		for _, d := range r.Sent() {
			if header(d.Octets).MessageID == 0 && header(d.Octets).ResponderCookie == (isakmp.Cookie{}) {
				continue // they begin a phase 1, which is held to limits of its own
			}
			for name, octets := range forgeries(d.Octets, random) {
				if n := allocated(func() {
					r.Inject(!d.FromA, octets)
					synctest.Wait()
				}); n > 64<<10+4<<10 {
					t.Errorf("%s: %d octets allocated", name, n)
				}
			}
		}
		request(t, a)
	})
}

// allocated is how many octets f allocates: the least of three runs where it is
// too much, for the runtime allocates beside.
func allocated(f func()) uint64 {
	least := ^uint64(0)
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		if least = min(least, after.TotalAlloc-before.TotalAlloc); least <= 64<<10 {
			break
		}
	}
	return least
}

// Datagrams that crashed other implementations, at every state.
func TestDatagramsThatCrashedOthers(t *testing.T) {
	path := filepath.Join("../../shared/facts/vectors/malformed/libreswan-fuzzer-ikev1.hex")
	file, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		t.Skip("test vectors aren't here: ", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	var hostile [][]byte
	for _, line := range strings.Fields(string(file)) {
		var b []byte
		if _, err := fmt.Sscanf(line, "%x", &b); err == nil && len(b) > isakmp.HeaderLen {
			hostile = append(hostile, b)
		}
	}
	if len(hostile) < 4 {
		t.Fatalf("%d datagrams", len(hostile))
	}
	inBubble(t, func(t *testing.T, r *rig) {
		r.SetFault(func(d iketest.Datagram) []iketest.Delivery {
			for _, octets := range hostile {
				for _, own := range []bool{true, false} {
					b := bytes.Clone(octets)
					if own {
						copy(b, d.Octets[:16])
					}
					go r.Inject(d.FromA, bytes.Clone(b))
					go r.Inject(!d.FromA, b)
				}
			}
			return arrive(d)
		})
		a, b := r.connect()
		r.quick(a)
		request(t, b)
	})
}

// Errors and logs at the most talkative level hold no secret.
func TestLogsHoldNoSecret(t *testing.T) {
	var log strings.Builder
	inBubble(t, func(t *testing.T, r *rig) {
		r.a.Log, r.b.Log = slogTo(&log, "A"), slogTo(&log, "B")
		r.a.Secret = []byte("canary-psk")
		r.b.Groups = func(ike.Hello) []ike.Group { return []ike.Group{{Name: "staff", Secret: []byte("canary-psk")}} }
		a, b := r.connect()
		c, _ := r.quick(a)
		if _, err := b.Transact(t.Context(), isakmp.Configuration{Type: isakmp.CfgRequest, Attributes: []isakmp.Attribute{
			isakmp.TLV(isakmp.AttrXAuthUserPassword, []byte("canary-password")),
		}}); err != nil {
			t.Error(err)
		}
		for _, secret := range []string{"canary", fmt.Sprintf("%x", c.Inbound.Encryption), fmt.Sprintf("%x", "canary")} {
			if strings.Contains(log.String(), secret) {
				t.Errorf("%q is in the log", secret)
			}
		}
		if !strings.Contains(log.String(), "HDR*, HASH, SA, Ni, IDci, IDcr") {
			t.Error("the log tells nothing")
		}
	})
}
