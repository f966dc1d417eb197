package localapi

import (
	"errors"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestOverTheLimit has a user's connections over the limit refused with a sentence, and
// served again when others ended.
func TestOverTheLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process as another user")
	}
	asNobody(t)
	socket := serve(t, newDesk(example()), Options{MaxPerUser: 3})
	if out := nobody(t, "limit", socket); out != "refused, then served" {
		t.Error(out)
	}
}

// limitChild is run as another user, who isn't root.
func limitChild(socket string) string {
	var open []net.Conn
	for range 3 {
		c, err := net.Dial("unix", socket)
		if err != nil {
			return err.Error()
		}
		open = append(open, c)
	}
	c := New(socket)
	_, err := c.Version(waiting())
	var r *Reason
	if !errors.As(err, &r) || r.Code != CodeBusy || r.Exit != ExitTryLater || r.httpStatus() != http.StatusServiceUnavailable {
		return "over the limit: " + answerOf(err)
	}
	for _, c := range open {
		c.Close()
	}
	for end := time.Now().Add(patient); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, err = c.Version(waiting()); err == nil {
			return "refused, then served"
		}
	}
	return "after the others ended: " + answerOf(err)
}

// answerOf is what a child says of a call.
func answerOf(err error) string {
	if err == nil {
		return "served"
	}
	return err.Error()
}
