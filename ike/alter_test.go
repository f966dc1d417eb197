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
