package concentrator

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Names that crashed others, or would write what they like into a log: each is refused
// like any stranger, and the next user is served.
func TestCraftedUserNames(t *testing.T) {
	for _, name := range []string{
		strings.Repeat("a", 256), strings.Repeat("a", 60000), "\x00", "alice\x00", "\x00alice", "alice\nbob", "\x1b[2Jalice", "%n%n%n%s", "../../etc/passwd",
		"alice\" level=INFO msg=\"logged in", "\xff\xfe\xfd", strings.Repeat("\u202e", 80), "'; DROP TABLE users; --", "${HOME}", "alice ", " alice", "ALICE",
	} {
		synctest.Test(t, func(t *testing.T) {
			var log safeLog
			l := newLabLogged(t, testConf, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
			d, err := l.logIn(who{id: "staff", key: "staff's key", user: name, password: "wonderland"})
			if err == nil && name != "alice\x00" { // some clients end their strings so
				t.Errorf("%q is in", name)
			}
			if d != nil && d.sa != nil {
				_ = d.sa.Close()
			}
			time.Sleep(time.Second)
			if text := log.String(); strings.ContainsAny(text, "\x00\x1b") || strings.Contains(text, "\nbob") {
				t.Errorf("%q: the log has it as it came", name)
			}
			d, _ = l.connected(who{id: "staff", key: "staff's key", user: "alice", password: "wonderland"})
			_ = d.sa.Close()
		})
	}
}

// safeLog may be read while it's written.
type safeLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *safeLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *safeLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
