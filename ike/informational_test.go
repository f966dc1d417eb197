package ike_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/ike"
	"postern/ike/isakmp"
)

var (
	spi1 = []byte{0, 0, 0x11, 0x11}
	spi2 = []byte{0, 0, 0x22, 0x22}
)

// listen hears what A is told, in words.
func listen(r *rig) chan string {
	heard := make(chan string, 100)
	r.a.Deleted = func(_ *ike.SA, d isakmp.Delete) { heard <- fmt.Sprintf("delete %d %x", d.Protocol, d.SPIs) }
	r.a.Notify = func(_ *ike.SA, n isakmp.Notify) { heard <- fmt.Sprintf("notify %v", n.Type) }
	return heard
}

func drain(c chan string) (all []string) {
	synctest.Wait()
	for {
		select {
		case s := <-c:
			all = append(all, s)
		default:
			return all
		}
	}
}

// What A makes of messages under the SA's protection. Every payload of a message
// is read, whatever stands before it, and the SA's own Delete counts last.
func TestInformationalPayloads(t *testing.T) {
	cookies := func(a *ike.SA) []byte { return bothCookies(a) }
	tests := []struct {
		name     string
		payloads func(a *ike.SA) []isakmp.Payload
		heard    []string
		ended    bool
	}{
		{"delete", func(a *ike.SA) []isakmp.Payload {
			return []isakmp.Payload{del(isakmp.ProtoESP, spi1)}
		}, []string{"delete 3 [00001111]"}, false},
		{"delete of the SPI that A chose", func(a *ike.SA) []isakmp.Payload {
			return []isakmp.Payload{del(isakmp.ProtoESP, spi2)} // which SPI is whose, only the child knows
		}, []string{"delete 3 [00002222]"}, false},
		{"delete of two SPIs", func(a *ike.SA) []isakmp.Payload {
			return []isakmp.Payload{del(isakmp.ProtoESP, spi1, spi2)}
		}, []string{"delete 3 [00001111 00002222]"}, false},
		{"two deletes", func(a *ike.SA) []isakmp.Payload {
			return []isakmp.Payload{del(isakmp.ProtoESP, spi1), del(isakmp.ProtoESP, spi2)}
		}, []string{"delete 3 [00001111]", "delete 3 [00002222]"}, false},
		{"the same delete twice", func(a *ike.SA) []isakmp.Payload {
			return []isakmp.Payload{del(isakmp.ProtoESP, spi1), del(isakmp.ProtoESP, spi1)}
		}, []string{"delete 3 [00001111]", "delete 3 [00001111]"}, false},
		{"the SA's delete first", func(a *ike.SA) []isakmp.Payload {
			return []isakmp.Payload{del(isakmp.ProtoISAKMP, cookies(a)), del(isakmp.ProtoESP, spi1), notify(isakmp.ProtoESP, spi1, isakmp.NotifyInvalidSPI, nil)}
		}, []string{"delete 3 [00001111]", "notify INVALID-SPI"}, true},
		{"the SA's delete twice", func(a *ike.SA) []isakmp.Payload {
			return []isakmp.Payload{del(isakmp.ProtoISAKMP, cookies(a)), del(isakmp.ProtoISAKMP, cookies(a))}
		}, nil, true},
		{"another SA's delete", func(a *ike.SA) []isakmp.Payload {
			other := cookies(a)
			other[0] ^= 1
			return []isakmp.Payload{del(isakmp.ProtoISAKMP, other)}
		}, nil, false},
		{"the cookies swapped", func(a *ike.SA) []isakmp.Payload {
			c := cookies(a)
			return []isakmp.Payload{del(isakmp.ProtoISAKMP, append(c[8:16:16], c[:8]...))}
		}, nil, false},
		{"a delete without SPI", func(a *ike.SA) []isakmp.Payload {
			return []isakmp.Payload{del(isakmp.ProtoISAKMP)}
		}, nil, false},
		{"a broken delete, then a good one", func(a *ike.SA) []isakmp.Payload {
			return []isakmp.Payload{{Type: isakmp.PayloadDelete, Body: []byte{0, 0, 0, 1, 3, 4, 0, 9}}, del(isakmp.ProtoESP, spi2)}
		}, []string{"delete 3 [00002222]"}, false},
		{"notify behind delete", func(a *ike.SA) []isakmp.Payload {
			return []isakmp.Payload{del(isakmp.ProtoESP, spi1), notify(isakmp.ProtoISAKMP, nil, isakmp.NotifyInitialContact, nil)}
		}, []string{"delete 3 [00001111]", "notify INITIAL-CONTACT"}, false},
		{"an unknown notify", func(a *ike.SA) []isakmp.Payload {
			return []isakmp.Payload{notify(99, spi1, 40001, []byte("SRX"))}
		}, []string{"notify 40001"}, false},
		{"a cut notify", func(a *ike.SA) []isakmp.Payload {
			return []isakmp.Payload{{Type: isakmp.PayloadNotify, Body: []byte{0, 0}}}
		}, nil, false},
		{"nothing", func(a *ike.SA) []isakmp.Payload { return nil }, nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubbleOf(t, ike.Main, func(t *testing.T, r *rig) {
				heard := listen(r)
				a, p := r.puppet()
				p.say(p.Inform(7, test.payloads(a)...))
				got := drain(heard)
				if len(got) != len(test.heard) {
					t.Errorf("heard %q, want %q", got, test.heard)
				}
				for i := range min(len(got), len(test.heard)) {
					if test.heard[i] != "notify 40001" && got[i] != test.heard[i] {
						t.Errorf("heard %q, want %q", got, test.heard)
					}
				}
				if ended := a.Err() != nil; ended != test.ended || ended && a.Err() != ike.ErrDeleted {
					t.Errorf("the SA ended: %v", a.Err())
				}
			})
		})
	}
}

// A message without HASH, with a wrong one or with one that doesn't stand first
// says nothing.
func TestInformationalWithoutHash(t *testing.T) {
	inBubbleOf(t, ike.Main, func(t *testing.T, r *rig) {
		heard := listen(r)
		a, p := r.puppet()
		goodbye := del(isakmp.ProtoISAKMP, bothCookies(a))
		hashed := p.Hashed(7, goodbye)
		wrong := []isakmp.Payload{{Type: isakmp.PayloadHash, Body: make([]byte, 32)}, goodbye}
		seal := func(id uint32, payloads ...isakmp.Payload) []byte {
			iv := p.Base(id)
			return p.Seal(isakmp.ExchangeInformational, 0, id, &iv, payloads...)
		}
		for name, octets := range map[string][]byte{
			"no HASH":              seal(7, goodbye),
			"wrong HASH":           seal(7, wrong...),
			"HASH of another ID":   seal(8, hashed...),
			"HASH last":            seal(7, hashed[1], hashed[0]),
			"two HASHes":           seal(7, append(wrong[:1:1], hashed...)...),
			"a payload more":       seal(7, append(hashed[:2:2], notify(1, nil, 1, nil))...),
			"short HASH":           seal(7, isakmp.Payload{Type: isakmp.PayloadHash, Body: hashed[0].Body[:31]}, goodbye),
			"empty HASH":           seal(7, isakmp.Payload{Type: isakmp.PayloadHash}, goodbye),
			"message ID 0":         seal(0, p.Hashed(0, goodbye)...),
			"in clear":             p.Clear(isakmp.ExchangeInformational, 7, goodbye),
			"in clear with HASH":   p.Clear(isakmp.ExchangeInformational, 7, hashed...),
			"in clear, ID 0":       p.Clear(isakmp.ExchangeInformational, 0, goodbye),
			"as a quick mode":      p.Clear(isakmp.ExchangeQuick, 7, goodbye),
			"as a transaction":     p.Clear(isakmp.ExchangeTransaction, 7, goodbye),
			"clear phase 1 notify": p.Clear(isakmp.ExchangeMain, 0, goodbye),
		} {
			p.say(octets)
			synctest.Wait()
			if a.Err() != nil {
				t.Fatalf("%s ended the SA", name)
			}
		}
		if got := drain(heard); got != nil {
			t.Errorf("heard %q", got)
		}
		p.say(seal(7, hashed...))
		synctest.Wait()
		if a.Err() != ike.ErrDeleted {
			t.Error("the true one: ", a.Err())
		}
	})
}

// probe is an R-U-THERE or its ACK.
func probe(a *ike.SA, typ isakmp.NotifyType, sequence uint32) isakmp.Payload {
	return notify(isakmp.ProtoISAKMP, bothCookies(a), typ, binary.BigEndian.AppendUint32(nil, sequence))
}

// hearProbe reads A's next R-U-THERE or ACK.
func (p *puppet) hearProbe(typ isakmp.NotifyType) uint32 {
	p.r.t.Helper()
	var iv []byte
	m := p.hear(&iv)
	n, err := isakmp.ParseNotify(m.Get(isakmp.PayloadNotify))
	if err != nil || n.Type != typ || len(n.Data) != 4 || len(n.SPI) != 16 {
		p.r.t.Fatalf("puppet: %v, %+v, %v", m, n, err)
	}
	return binary.BigEndian.Uint32(n.Data)
}

// Every R-U-THERE is answered with its own number: new or not, in the same
// message or another.
func TestProbesAreAnswered(t *testing.T) {
	inPuppetBubble(t, func(t *testing.T, r *rig, a *ike.SA, p *puppet) {
		var got []uint32
		for i, sequence := range []uint32{5, 6, 6, 0, 0xffffffff, 5} {
			octets := p.Inform(uint32(i+1), probe(a, isakmp.NotifyRUThere, sequence))
			p.say(octets)
			got = append(got, p.hearProbe(isakmp.NotifyRUThereAck))
			if i%2 == 0 {
				p.say(octets)
				got = append(got, p.hearProbe(isakmp.NotifyRUThereAck))
			}
		}
		if diff := cmp.Diff([]uint32{5, 5, 6, 6, 6, 0, 0xffffffff, 0xffffffff, 5}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		p.say(p.Inform(20, notify(isakmp.ProtoISAKMP, bothCookies(a), isakmp.NotifyRUThere, []byte{1, 2, 3})))
		time.Sleep(time.Second)
		if n := p.heard(); n != 0 {
			t.Error("a probe of three octets is answered")
		}
	})
}

// The peer's probes are answered while an exchange is under way and while a
// person thinks.
func TestProbesAreAnsweredAtAnyTime(t *testing.T) {
	inPuppetBubble(t, func(t *testing.T, r *rig, a *ike.SA, p *puppet) {
		go func() { _, _ = a.Transact(t.Context(), isakmp.Configuration{Type: isakmp.CfgRequest}) }()
		time.Sleep(200 * time.Millisecond)
		p.heard()
		p.say(p.Inform(9, probe(a, isakmp.NotifyRUThere, 42)))
		if got := p.hearProbe(isakmp.NotifyRUThereAck); got != 42 {
			t.Error("answered with ", got)
		}
	})
}

// And while a person thinks about a question of the gateway's.
func TestProbesAreAnsweredWhileAPersonThinks(t *testing.T) {
	inBubbleOf(t, ike.Main, func(t *testing.T, r *rig) {
		r.a.Transaction = func(ctx context.Context, _ *ike.SA, _ isakmp.Configuration) *isakmp.Configuration {
			<-ctx.Done()
			return nil
		}
		a, p := r.puppet()
		iv := p.Base(3)
		question := isakmp.Payload{Type: isakmp.PayloadConfiguration, Body: isakmp.Configuration{Type: isakmp.CfgRequest}.Marshal()}
		p.say(p.Seal(isakmp.ExchangeTransaction, 0, 3, &iv, p.Hashed(3, question)...))
		for i := range uint32(20) {
			time.Sleep(10 * time.Second)
			p.say(p.Inform(100+i, probe(a, isakmp.NotifyRUThere, i)))
			if got := p.hearProbe(isakmp.NotifyRUThereAck); got != i {
				t.Errorf("%d is answered with %d", i, got)
			}
		}
	})
}

// A message that comes again, or one of ours that comes back, proves nothing: it
// moves no path.
func TestReplayedInformational(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		a, b := r.connect()
		time.Sleep(time.Minute)
		v := ike.VoiceOf(b)
		octets := v.Inform(99, probe(a, isakmp.NotifyRUThere, 1))
		attacker := ike.Path{Local: r.ToB.Local, Remote: netip.MustParseAddrPort("203.0.113.66:500")}
		r.A.Deliver(append([]byte(nil), octets...), r.ToB)
		synctest.Wait()
		ack := of(r.Sent(), true, isakmp.ExchangeInformational)[0].Octets
		for range 3 {
			r.A.Deliver(append([]byte(nil), octets...), attacker)
			r.A.Deliver(append([]byte(nil), ack...), attacker)
			synctest.Wait()
		}
		if got := a.Path().Remote; got != r.ToB.Remote {
			t.Error("A sends to ", got)
		}
		for _, d := range of(r.Sent(), true, isakmp.ExchangeInformational) {
			if d.From.Local != r.ToB.Remote {
				t.Error("an answer went to ", d.From.Local)
			}
		}
	})
}
