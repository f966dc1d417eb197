package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/client/localapi"
	"postern/client/profile"
)

func TestRing(t *testing.T) {
	for _, n := range []int{0, 1, 4, 5, 6, 9, 10, 11, 23} {
		r := newRing(5)
		for i := range n {
			r.add(entry{line: localapi.LogLine{Message: fmt.Sprint(i)}, owner: owner(i % 2)})
		}
		var got []string
		take := func(l localapi.LogLine) error { got = append(got, l.Message); return nil }
		if err := r.read(t.Context(), false, func(entry) bool { return true }, take); err != nil {
			t.Fatal(err)
		}
		var want []string
		for i := max(0, n-5); i < n; i++ {
			want = append(want, fmt.Sprint(i))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestRingFollowed(t *testing.T) {
	r := newRing(5)
	r.add(entry{line: localapi.LogLine{Message: "0"}})
	ctx, cancel := context.WithCancel(t.Context())
	lines := make(chan string)
	ended := make(chan error, 1)
	go func() {
		ended <- r.read(ctx, true, func(e entry) bool { return e.owner == 0 }, func(l localapi.LogLine) error { lines <- l.Message; return nil })
	}()
	for i := range 20 {
		if got := <-lines; got != fmt.Sprint(i) {
			t.Fatalf("%q, want %d", got, i)
		}
		r.add(entry{line: localapi.LogLine{Message: "another's"}, owner: 1})
		r.add(entry{line: localapi.LogLine{Message: fmt.Sprint(i + 1)}})
	}
	<-lines
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	broken := errors.New("gone")
	if err := r.read(t.Context(), true, func(entry) bool { return true }, func(localapi.LogLine) error { return broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
}

func TestHandler(t *testing.T) {
	var got []localapi.LogLine
	log := slog.New(&handler{level: slog.LevelInfo, add: func(l localapi.LogLine) { l.Time = time.Time{}; got = append(got, l) }})
	log.Debug("not this")
	log.Info("one", "a", 1, "password", profile.Secret(password))
	log.With("who", "me").WithGroup("g").With("x", true).Warn("two", "y", slog.GroupValue(slog.Int("z", 2)))
	log.WithGroup("").Error("three", "error", errors.New("why"))
	want := []localapi.LogLine{
		{Level: "info", Message: "one", Attrs: map[string]string{"a": "1", "password": "…"}},
		{Level: "warn", Message: "two", Attrs: map[string]string{"who": "me", "g.x": "true", "g.y.z": "2"}},
		{Level: "error", Message: "three", Attrs: map[string]string{"error": "why"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, l := range got {
		if back := record(l); back.Level != levelOf(l) || back.Message != l.Message || back.NumAttrs() != len(l.Attrs) {
			t.Errorf("%+v", back)
		}
	}
	if levelOf(localapi.LogLine{Level: "loud"}) != slog.LevelInfo {
		t.Error("an unknown level")
	}
}

// TestLog: everybody reads of their own connections and the system's, those in control
// of the daemon too.
func TestLog(t *testing.T) {
	m := shared(newManager(t, nil))
	m.note(ofDaemon, localapi.LogLine{Message: "of the daemon"})
	m.note(ofSystem, localapi.LogLine{Message: "of the system's", Tunnel: "office"})
	m.note(1001, localapi.LogLine{Message: "of alice's", Tunnel: "1001:office"})
	m.note(1003, localapi.LogLine{Message: "of mallory's", Tunnel: "1003:lab"})
	tests := []struct {
		who    localapi.Caller
		tunnel string
		want   []string
		code   string
	}{
		{root, "", []string{"of the daemon", "of the system's", "of alice's", "of mallory's"}, ""},
		{alice, "", []string{"of the daemon", "of the system's", "of alice's"}, ""},
		{stranger, "", []string{"of the system's", "of mallory's"}, ""},
		{stranger, "office", []string{"of the system's"}, ""},
		{alice, "office", []string{"of the system's", "of alice's"}, ""},
		{alice, "1001:office", []string{"of alice's"}, ""},
		{stranger, "1001:office", nil, localapi.CodeNoSuchTunnel},
		{stranger, "lab", []string{"of mallory's"}, ""},
		{bob, "lab", nil, localapi.CodeNoSuchTunnel},
		{root, "1003:lab", []string{"of mallory's"}, ""},
	}
	for _, tt := range tests {
		var got []string
		err := m.Log(t.Context(), tt.who, localapi.LogRequest{Tunnel: tt.tunnel}, func(l localapi.LogLine) error { got = append(got, l.Message); return nil })
		if !slices.Equal(got, tt.want) || tt.code != "" && code(err) != tt.code || tt.code == "" && err != nil {
			t.Errorf("%s, %q: %q, %v", tt.who.Name, tt.tunnel, got, err)
		}
	}
}
