//go:build linux

package interop

import (
	"syscall"
	"testing"
)

// A client that was killed in the middle of a connection is put right by the next start, even if that doesn't get as far
// as a connection.
func TestPosternKilledIsPutRight(t *testing.T) {
	needStrongSwan(t)
	t.Parallel()
	l := newLab(t, false)
	l.serve()
	s := labSwan
	s.Also = []string{"dns = 10.99.1.53"}
	l.swanGateway(s)
	before := l.client.network()
	client := l.postern(s.profile())
	client.up()
	client.signal(syscall.SIGKILL)
	if _, err := client.wait(patience); err != nil {
		t.Fatal(err)
	}
	if l.client.network() == before {
		t.Fatal("nothing was left behind: this test proves nothing")
	}
	if code, last := l.postern(s.profile().with(settings{"password": "wrong"})).refused(); code != 2 {
		t.Errorf("exit code %d, %+v", code, last)
	}
	if after := l.client.network(); after != before {
		t.Errorf("the network wasn't put right\nbefore:\n%s\nafter:\n%s", before, after)
	}
	again := l.postern(s.profile())
	again.up()
	again.quit(before)
}
