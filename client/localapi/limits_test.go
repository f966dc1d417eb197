package localapi

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLimits(t *testing.T) {
	l := limits{all: 10, perUser: 4, users: map[uint32]int{}}
	var got []verdict
	for range 6 { // the fifth and sixth are too many of one user
		got = append(got, l.enter(1000))
	}
	for uid := range uint32(4) { // others come in, until all are too many
		got = append(got, l.enter(1001+uid), l.enter(1001+uid))
	}
	want := []verdict{served, served, served, served, refused, refused, served, served, served, served, served, served, refused, refused}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("verdicts (-want +got):\n%s", diff)
	}
	for range 100 {
		if v := l.enter(0); v != served {
			t.Fatalf("root: %d", v)
		}
	}
	for range maxRefused - 4 {
		if v := l.enter(1000); v != refused {
			t.Fatalf("%d", v)
		}
	}
	if v := l.enter(1000); v != dropped {
		t.Errorf("%d, want it dropped", v)
	}
	for range 100 {
		l.leave(0, served)
	}
	for range maxRefused {
		l.leave(1000, refused)
	}
	for _, uid := range []uint32{1000, 1000, 1000, 1000, 1001, 1001, 1002, 1002, 1003, 1003} {
		l.leave(uid, served)
	}
	if l.total != 0 || l.refused != 0 || len(l.users) != 0 {
		t.Errorf("after all left: %+v", &l)
	}
}

// idlers opens connections that send a request, or nothing.
func idlers(t *testing.T, socket string, n int, request string) []net.Conn {
	t.Helper()
	var all []net.Conn
	t.Cleanup(func() {
		for _, c := range all {
			c.Close()
		}
	})
	for range n {
		c, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
		if _, err := c.Write([]byte(request)); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// memory is what the program holds, in octets.
func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// TestIdleClients has 1,000 clients that do nothing: half of them watch, a quarter said
// half of a request, a quarter nothing. A caller is served as if they weren't there, and
// they cost little.
func TestIdleClients(t *testing.T) {
	d := newDesk(example())
	socket := serve(t, d, Options{MaxPerUser: 2000}) // a person's own clients have a limit below that
	before, goroutines := memory(), runtime.NumGoroutine()
	watchers := idlers(t, socket, 500, request("GET", "/v1/watch"))
	idlers(t, socket, 250, "GET /v1/status HTTP/1.1\r\nHost: post")
	idlers(t, socket, 250, "")
	for _, w := range watchers { // each has its first snapshot
		_ = w.SetReadDeadline(time.Now().Add(patient))
		if _, err := http.ReadResponse(bufio.NewReader(w), nil); err != nil {
			t.Fatal(err)
		}
	}
	c := reach(t, socket)
	began := time.Now()
	for range 50 {
		if _, err := c.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.show(func(s *Snapshot) { s.Tunnels[0].Since = time.Now() })
	}
	if took := time.Since(began); took > patient {
		t.Errorf("50 calls took %v beside 1,000 clients", took)
	} else {
		t.Logf("50 calls took %v", took)
	}
	perClient := (int64(memory()) - int64(before)) / 1000
	t.Logf("%d octets and %.1f goroutines a client", perClient, float64(runtime.NumGoroutine()-goroutines)/1000)
	if perClient > 64<<10 { // both ends are in this process
		t.Errorf("a client costs %d octets", perClient)
	}
	if n := runtime.NumGoroutine() - goroutines; n > 2500 {
		t.Errorf("%d goroutines for 1,000 clients", n)
	}
}

// TestSilentClientIsCut sees a client that says nothing lose its connection, and one that
// stops in the middle of a body.
func TestSilentClientIsCut(t *testing.T) {
	if testing.Short() {
		t.Skip("takes longer than the time for a header")
	}
	t.Parallel()
	socket := serve(t, newDesk(example()), Options{})
	for name, part := range map[string]string{
		"nothing":        "",
		"half a header":  "GET /v1/status HTTP/1.1\r\n",
		"half a body":    request("POST", "/v1/connect", "Content-Type: application/json", "Content-Length: 100") + "{",
		"half a chunk":   request("POST", "/v1/connect", "Content-Type: application/json", "Transfer-Encoding: chunked") + "14\r\n{",
		"half a refused": request("POST", "/v1/status", "Content-Type: application/json", "Content-Length: 100") + "{",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := idlers(t, socket, 1, part)[0]
			_ = c.SetReadDeadline(time.Now().Add(patient))
			var got bytes.Buffer
			if _, err := io.Copy(&got, c); err != nil {
				t.Errorf("after %q: %v", got.String(), err)
			}
			if strings.Contains(got.String(), " 200 ") {
				t.Errorf("answer: %s", got.String())
			}
		})
	}
}
