package client_test

import (
	"testing"
	"time"
)

// A gateway that ends phase 1 and keeps its children isn't bothered before one of them
// must be renewed.
func TestChildrenOutlivePhase1(t *testing.T) {
	inWorld(t, lives(8*time.Hour, time.Hour), "", nil, func(w *world) {
		f := w.flow(100 * time.Millisecond)
		for n := 1; n <= 5; n++ {
			if err := w.gateway.g.RenewChildren(w.t.Context(), "alice"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			if err := w.gateway.g.DropPhase1("alice"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(45 * time.Minute)
			if got := w.seen("phase 1"); got != n {
				t.Errorf("%d phase 1s, want %d", got, n)
			}
			time.Sleep(10 * time.Minute) // the child's renewal
			if got := w.seen("phase 1 renewed"); got != n {
				t.Errorf("%d phase 1s renewed, want %d", got, n)
			}
		}
		f.end()
		f.perfect(t)
	})
}

const old5000Config = `
[ General ]
InsideAddress = 10.20.0.1/24
[ IKE Policy ]
Protection = aes128-sha1-curve25519
[ VPN Group "old" ]
Transform = aes128-sha1
StartIPAddress = 10.20.0.10
MaxConnections = 5
IPNet = 10.20.0.0/24
[ VPN Users ]
"staff" Config="old" SharedKey="` + groupKey + `"
`

// The exchanges of the VPN 5000 are renewed like others: its policy comes with the
// first child of each phase 1.
func TestVPN5000Renewals(t *testing.T) {
	inWorldOf(t, lives(10*time.Minute, 2*time.Minute)+"vpn5000 = \"required\"", old5000Config, nil, func(w *world) {
		f := w.flow(100 * time.Millisecond)
		for range 12 {
			time.Sleep(5 * time.Minute)
			if err := w.gateway.g.RenewChildren(w.t.Context(), "staff"); err != nil {
				t.Error(err)
			}
		}
		f.end()
		f.perfect(t)
		if n := w.seen("phase 1 renewed"); n < 7 {
			t.Errorf("%d renewals of phase 1", n)
		}
		if n := w.seen("ESP renewed"); n < 20 {
			t.Errorf("%d of children", n)
		}
		if st := w.conn.Status(); st.VPN5000 == nil || len(st.SAs) > 4 {
			t.Errorf("%+v, %d children", st.VPN5000, len(st.SAs))
		}
	})
}
