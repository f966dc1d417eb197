package localapi

import "testing"

func TestGroupNumber(t *testing.T) {
	for id, want := range map[string]uint32{"0": 0, "1000": 1000, "S-1-5-32-545": number("S-1-5-32-545")} {
		if n, ok := GroupNumber(id); !ok || n != want {
			t.Errorf("%s: %d, %v", id, n, ok)
		}
	}
	for _, id := range []string{"", "-1", "4294967296", "postern", "S-2-1"} {
		if n, ok := GroupNumber(id); ok {
			t.Errorf("%q is %d", id, n)
		}
	}
	if a, b := number("S-1-5-32-545"), number("S-1-5-32-546"); a == b || a == 0 || b == 0 {
		t.Errorf("two groups: %d and %d", a, b)
	}
}
