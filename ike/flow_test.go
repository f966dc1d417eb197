package ike_test

import (
	"testing"

	"postern/ike"
	"postern/ike/isakmp"
)

// What a connection does, from phase 1 to the Delete, over a perfect wire.
func TestWholeConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		a, b := r.connect()
		r.quick(a)
		request(t, a)
		request(t, b)
		ia, ib := a.Info(), b.Info()
		if ia.CookieI != ib.CookieI || ia.CookieR != ib.CookieR || ia.Proposal != proposal || ib.Proposal != proposal {
			t.Errorf("A: %+v, B: %+v", ia, ib)
		}
		if ia.Mode != r.a.Mode || ib.Mode != r.a.Mode || !ia.Initiator || ib.Initiator || ib.Group != "staff" {
			t.Errorf("A: %+v, B: %+v", ia, ib)
		}
		if ib.Peer.Type != isakmp.IDKeyID || string(ib.Peer.Data) != "staff" || ia.Peer.Type != isakmp.IDIPv4Addr {
			t.Errorf("A's peer %v, B's %v", ia.Peer, ib.Peer)
		}
		if !ia.Unity || !ib.Unity || !ia.DPD || !ib.DPD {
			t.Errorf("A: %+v, B: %+v", ia, ib)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		<-b.Done()
		if b.Err() != ike.ErrDeleted {
			t.Error("B ended: ", b.Err())
		}
		b.Close()
		if n := r.A.Wires() + r.B.Wires(); n != 0 {
			t.Errorf("%d wires are left", n)
		}
	})
}
