package client_test

import (
	"fmt"
	"testing"
	"time"
)

// A connection whose SAs live for minutes is renewed without anybody noticing.
func TestRenewals(t *testing.T) {
	inWorld(t, fmt.Sprintf("password = %q\nlifetime = {ike = \"10m\", esp = \"2m\"}", password), "", nil, func(w *world) {
		f := w.flow(100 * time.Millisecond)
		time.Sleep(time.Hour)
		f.end()
		f.perfect(t)
		if s := w.gateway.g.Sessions(); len(s) != 1 || s[0].Since.Add(time.Hour).After(time.Now()) {
			t.Errorf("sessions %+v", s)
		}
	})
}
