package localapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// tape is a ResponseWriter that notes when each line came.
type tape struct {
	mu    sync.Mutex
	lines []string
	at    []time.Time
	full  chan struct{} // a line is taken when it's closed; nil: at once
}

func (w *tape) Header() http.Header { return http.Header{} }
func (w *tape) WriteHeader(int)     {}
func (w *tape) Flush()              {}

func (w *tape) Write(b []byte) (int, error) {
	w.mu.Lock()
	full := w.full
	w.mu.Unlock()
	if full != nil {
		<-full
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines, w.at = append(w.lines, string(b)), append(w.at, time.Now())
	return len(b), nil
}

// note is what is on the tape.
func (w *tape) note() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.lines...)
}

// call runs a lasting call on a tape, in a bubble, while f runs.
func lasting(d *desk, target string, w *tape, f func()) {
	ctx, cancel := context.WithCancel(context.Background())
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	var wg sync.WaitGroup
	wg.Go(func() { _ = calls[r.URL.Path].serve(NewServer(d, Options{}), w, r, Caller{}) })
	synctest.Wait()
	f()
	cancel()
	wg.Wait()
}

func warning(n int) func(*Snapshot) {
	return func(s *Snapshot) { s.Tunnels[0].Warnings = []string{fmt.Sprint(n)} }
}

func quiet() Snapshot {
	return Snapshot{Schema: 1, Mode: ModeUser, Tunnels: []Tunnel{{ID: "a", Status: Status{Schema: 1, State: Down}}}}
}

func TestWatchAtMostTenASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, w := newDesk(quiet()), &tape{}
		lasting(d, "/v1/watch", w, func() {
			for i := range 3000 {
				time.Sleep(time.Millisecond)
				d.show(warning(i))
			}
			time.Sleep(time.Second)
		})
		if n := len(w.lines); n < 25 || n > 32 {
			t.Errorf("%d snapshots in 3 s", n)
		}
		for i := 1; i < len(w.at); i++ {
			if pause := w.at[i].Sub(w.at[i-1]); pause < leastPause {
				t.Errorf("snapshot %d after %v", i, pause)
			}
		}
		if last := w.lines[len(w.lines)-1]; !strings.Contains(last, `"2999"`) {
			t.Errorf("the last one is old: %s", last)
		}
	})
}

func TestWatchAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, w := newDesk(quiet()), &tape{}
		lasting(d, "/v1/watch", w, func() {
			time.Sleep(5 * time.Second)
			d.show(warning(1))
			synctest.Wait()
			if got := w.note(); len(got) != 2 {
				t.Errorf("%d snapshots after a change", len(got))
			}
		})
	})
}

func TestWatchCounters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, w := newDesk(quiet()), &tape{}
		count := func(n uint64) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.snap.Tunnels = []Tunnel{{ID: "a", Status: Status{Traffic: &TrafficStatus{In: TrafficCount{Packets: n}}}}}
		}
		count(0)
		lasting(d, "/v1/watch", w, func() {
			for i := range 100 {
				time.Sleep(100 * time.Millisecond)
				count(uint64(i))
			}
			if n := len(w.note()); n < 10 || n > 12 {
				t.Errorf("%d snapshots in 10 s of traffic", n)
			}
			before := len(w.note())
			time.Sleep(20 * time.Second)
			if n := len(w.note()) - before; n > 1 {
				t.Errorf("%d lines in 20 s without traffic", n)
			}
		})
	})
}

func TestWatchWithoutTunnelsCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, w := newDesk(quiet()), &tape{}
		lasting(d, "/v1/watch", w, func() {
			time.Sleep(95 * time.Second)
			got := w.note()
			if want := []string{got[0], "\n", "\n", "\n"}; !slices.Equal(got, want) {
				t.Errorf("in 95 s: %q", got)
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			if d.looks > 5 {
				t.Errorf("%d looks in 95 s", d.looks)
			}
		})
	})
}

func TestWatchSkipsWhatIsntRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, w := newDesk(quiet()), &tape{full: make(chan struct{})}
		lasting(d, "/v1/watch", w, func() {
			for i := range 600 {
				time.Sleep(time.Second)
				d.show(warning(i))
			}
			close(w.full)
			time.Sleep(time.Second)
			if got := w.note(); len(got) != 2 || !strings.Contains(got[1], `"599"`) {
				t.Errorf("after 10 minutes without reading: %q", got)
			}
		})
	})
}

func TestLogStaysAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, w := newDesk(quiet()), &tape{}
		d.lines = []LogLine{{Level: "info", Message: "up"}}
		lasting(d, "/v1/log?follow=true", w, func() {
			time.Sleep(95 * time.Second)
			if got := w.note(); len(got) != 4 || !strings.Contains(got[0], `"up"`) || strings.Join(got[1:], "") != "\n\n\n" {
				t.Errorf("in 95 s: %q", got)
			}
		})
	})
}

// TestWatchOverTheSocket sees changes arrive, and the daemon's end told.
func TestWatchOverTheSocket(t *testing.T) {
	d := newDesk(quiet())
	l, err := Listen(t.TempDir()+"/s", 0o600)
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(d, Options{})
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	c := reach(t, l.Addr().String())
	n := 0
	var last error
	for snap, err := range c.Watch(t.Context()) {
		if last = err; err != nil {
			break
		}
		if n > 0 && snap.Tunnels[0].Warnings[0] != fmt.Sprint(n) {
			t.Errorf("snapshot %d: %v", n, snap)
		}
		if n++; n == 5 {
			ctx, cancel := context.WithTimeout(t.Context(), patient)
			defer cancel()
			if err := s.Shutdown(ctx); err != nil {
				t.Error(err)
			}
			continue
		}
		d.show(warning(n))
	}
	var r *Reason
	if !errors.As(last, &r) || r.Code != CodeNoService || n != 5 {
		t.Errorf("after %d snapshots: %v", n, last)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestWatchEnds sees a watcher's context end it without an error.
func TestWatchEnds(t *testing.T) {
	c := reach(t, serve(t, newDesk(quiet()), Options{}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for _, err := range c.Watch(ctx) {
		if err != nil {
			t.Error(err)
		}
		n++
		cancel()
	}
	if n != 1 {
		t.Errorf("%d snapshots", n)
	}
}

// TestWatcherThatNeverReads fills what the kernel keeps for a watcher, and sees that it
// harms nobody: changes are told to others, and the end comes soon.
func TestWatcherThatNeverReads(t *testing.T) {
	d := newDesk(quiet())
	socket := serve(t, d, Options{})
	deaf, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	if _, err := deaf.Write([]byte(request("GET", "/v1/watch"))); err != nil {
		t.Fatal(err)
	}
	c := reach(t, socket)
	large := strings.Repeat("x", 100<<10) // more than fits
	n := 0
	for snap, err := range c.Watch(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 && !strings.HasPrefix(snap.Tunnels[0].Warnings[0], fmt.Sprint(n)) {
			t.Errorf("snapshot %d is %.20q", n, snap.Tunnels[0].Warnings)
		}
		if n++; n > 10 {
			break
		}
		d.show(func(s *Snapshot) { s.Tunnels[0].Warnings = []string{fmt.Sprint(n) + large} })
	}
	// When it reads at last, lines are whole, and few.
	_ = deaf.SetReadDeadline(time.Now().Add(patient))
	b := bufio.NewReader(deaf)
	answer, err := http.ReadResponse(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	lines := json.NewDecoder(answer.Body)
	for i := 1; ; i++ {
		var s Snapshot
		if err := lines.Decode(&s); err != nil {
			t.Fatal(err)
		}
		if len(s.Tunnels[0].Warnings) > 0 && strings.HasPrefix(s.Tunnels[0].Warnings[0], "10x") {
			if i > 4 {
				t.Errorf("the newest snapshot is the deaf watcher's number %d", i)
			}
			break
		}
	}
}
