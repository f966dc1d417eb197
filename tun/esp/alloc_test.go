package esp

import (
	"errors"
	"testing"
)

// Neither sealing nor opening nor refusing a packet allocates.
func TestNoAllocations(t *testing.T) {
	const runs = 100
	inner := pattern(1406, 0x45)
	forEachSuite(t, func(t *testing.T, s Suite) {
		o, in := newPair(t, s)
		packets := make([][]byte, runs+1) // AllocsPerRun calls once more, to warm up
		for i := range packets {
			packets[i] = make([]byte, 0, len(inner)+s.Overhead(len(inner)))
		}
		i := 0
		sealed := testing.AllocsPerRun(runs, func() {
			var err error
			if packets[i], err = o.Seal(packets[i], inner, NextIPv4); err != nil {
				t.Fatal(err)
			}
			i++
		})
		if sealed != 0 {
			t.Errorf("Seal: %v allocations", sealed)
		}

		forged := append([]byte(nil), packets[0]...)
		forged[len(forged)-1] ^= 1
		refused := testing.AllocsPerRun(runs, func() {
			if _, _, err := in.Open(forged); !errors.Is(err, ErrIntegrity) {
				t.Fatal(err)
			}
		})
		if refused != 0 {
			t.Errorf("Open of a forged packet: %v allocations", refused)
		}

		i = 0
		opened := testing.AllocsPerRun(runs, func() {
			if _, _, err := in.Open(packets[i]); err != nil {
				t.Fatal(err)
			}
			i++
		})
		if opened != 0 {
			t.Errorf("Open: %v allocations", opened)
		}
	})
}
