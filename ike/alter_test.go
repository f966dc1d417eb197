package ike_test

import (
	"testing"

	"postern/ike"
	"postern/ike/isakmp"
)

// What B alters arrives altered, behind a HASH that verifies where it was made anew
// and not where it wasn't, and the IV chains of both ends go on together.
func TestAlter(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		private := isakmp.Payload{Type: 200, Body: []byte("not agreed on")}
		rehash, clear := true, false
		r.b.Alter = func(o *ike.Outgoing) {
			if o.MessageID == 0 {
				return
			}
			if o.Payloads = append(o.Payloads, private); rehash {
				o.Rehash()
			}
			o.Flags, o.Clear = 0x80, clear
		}
		a, b := r.connect()
		r.quick(a) // message 3 is read on the chain behind the altered message 2
		request(t, a)
		request(t, b)
		for _, d := range of(r.Sent(), false, isakmp.ExchangeQuick) {
			if header(d.Octets).Flags != 0x80|isakmp.FlagEncryption {
				t.Errorf("flags %v", header(d.Octets).Flags)
			}
		}
		if _, err := b.Inform(); err != nil {
			t.Fatal(err)
		}
		if p := <-a.Private(); string(p.Body) != string(private.Body) {
			t.Errorf("%q came", p.Body)
		}

		rehash = false
		if _, err := a.Quick(t.Context(), child()); err == nil {
			t.Error("a HASH(2) of other payloads is taken")
		}
		rehash, clear = true, true
		if _, err := a.Quick(t.Context(), child()); err == nil {
			t.Error("a message 2 in clear is taken")
		}
	})
}

// Plain has the last word about what is encrypted.
func TestAlterPlain(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		turned := 0
		r.b.Alter = func(o *ike.Outgoing) {
			if turned == 0 && o.Exchange == isakmp.ExchangeTransaction {
				o.Plain = func(b []byte) []byte {
					turned++
					b[len(b)-1] ^= 1 // of ATTR
					m, err := isakmp.ParseMessage(isakmp.Header{NextPayload: isakmp.PayloadHash}, b)
					if err != nil {
						t.Fatal(err)
					}
					copy(m.Payloads[0].Body, o.Hash(m.After(0)))
					return b
				}
			}
		}
		a, _ := r.connect()
		c := isakmp.Configuration{Type: isakmp.CfgSet, Attributes: []isakmp.Attribute{isakmp.TV(isakmp.AttrXAuthStatus, 0)}}
		answer, err := a.Transact(t.Context(), c)
		if err != nil || turned != 1 || answer.Attributes[0].Value[1] != 1 {
			t.Errorf("%v, %v, changed %d times", answer, err, turned)
		}
	})
}

// A message that nothing is left of is one block of zeros.
func TestAlterToNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.a.Alter = func(o *ike.Outgoing) {
			if o.Exchange == isakmp.ExchangeQuick && o.Number == 3 {
				o.Payloads = nil
			}
		}
		a, _ := r.connect()
		if _, err := a.Quick(t.Context(), child()); err != nil {
			t.Error(err)
		}
	})
}

// Datagrams stands between a message and the wire each time that it is sent.
func TestAlterDatagrams(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		sent := 0
		r.b.Alter = func(o *ike.Outgoing) {
			if o.Exchange == isakmp.ExchangeQuick {
				o.Datagrams = func(ds [][]byte) [][]byte {
					if sent++; sent == 1 {
						return nil
					}
					return append(ds, ds...)
				}
			}
		}
		a, _ := r.connect()
		r.quick(a)
		if n := len(of(r.Sent(), false, isakmp.ExchangeQuick)); sent < 2 || n != 2*(sent-1) {
			t.Errorf("sent %d times, %d datagrams", sent, n)
		}
	})
}
