package service

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"postern/client/localapi"
)

// ring keeps the last lines of the log. It may be used by several goroutines.
type ring struct {
	mu      sync.Mutex
	lines   []entry // the oldest at next, once it is full
	next    int
	count   uint64        // lines there ever were
	changed chan struct{} // closed and replaced with every line
}

// entry is a line and whose it is.
type entry struct {
	line  localapi.LogLine
	owner owner
}

// owner is whose a tunnel or a line of the log is: a user's number, or
type owner int64

const (
	ofSystem owner = -1 // everybody may see it
	ofDaemon owner = -2 // those who control the daemon may
)

func newRing(size int) *ring {
	return &ring{lines: make([]entry, 0, size), changed: make(chan struct{})}
}

func (r *ring) add(e entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.lines) < cap(r.lines) {
		r.lines = append(r.lines, e)
	} else {
		r.lines[r.next] = e
		r.next = (r.next + 1) % len(r.lines)
	}
	r.count++
	close(r.changed)
	r.changed = make(chan struct{})
}

// since returns the lines after the first seen that there ever were, as far as they are
// kept, how many there were now, and a channel that is closed with the next one.
func (r *ring) since(seen uint64) (lines []entry, now uint64, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept := uint64(len(r.lines))
	for n := max(seen, r.count-kept); n < r.count; n++ {
		at := r.next + int(kept-(r.count-n))
		lines = append(lines, r.lines[at%len(r.lines)])
	}
	return lines, r.count, r.changed
}

// read calls line for each line that see lets through, and with follow for those to
// come until ctx ends.
func (r *ring) read(ctx context.Context, follow bool, see func(entry) bool, line func(localapi.LogLine) error) error {
	var seen uint64
	for {
		lines, now, changed := r.since(seen)
		seen = now
		for _, e := range lines {
			if !see(e) {
				continue
			}
			if err := line(e.line); err != nil {
				return err
			}
		}
		if !follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// handler is a slog.Handler that turns records into lines of the log.
type handler struct {
	level  slog.Level
	add    func(localapi.LogLine)
	prefix string
	attrs  []slog.Attr
}

func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	line := localapi.LogLine{Time: r.Time, Level: strings.ToLower(r.Level.String()), Message: r.Message}
	attrs := make(map[string]string)
	for _, a := range h.attrs {
		flatten(attrs, "", a)
	}
	r.Attrs(func(a slog.Attr) bool { flatten(attrs, h.prefix, a); return true })
	if len(attrs) > 0 {
		line.Attrs = attrs
	}
	h.add(line)
	return nil
}

// flatten writes an attribute as text; those in a group are called GROUP.NAME.
func flatten(to map[string]string, prefix string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() != slog.KindGroup {
		if a.Key != "" {
			to[prefix+a.Key] = v.String()
		}
		return
	}
	if a.Key != "" {
		prefix += a.Key + "."
	}
	for _, in := range v.Group() {
		flatten(to, prefix, in)
	}
}

func (h *handler) WithAttrs(as []slog.Attr) slog.Handler {
	c := *h
	c.attrs = append([]slog.Attr(nil), h.attrs...)
	for _, a := range as {
		if h.prefix != "" {
			a = slog.Attr{Key: strings.TrimSuffix(h.prefix, "."), Value: slog.GroupValue(a)}
		}
		c.attrs = append(c.attrs, a)
	}
	return &c
}

func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.prefix += name + "."
	return &c
}

// levelOf is the level that a line bears.
func levelOf(l localapi.LogLine) slog.Level {
	var level slog.Level
	if level.UnmarshalText([]byte(l.Level)) != nil {
		return slog.LevelInfo
	}
	return level
}

// record is a line for the daemon's own log.
func record(l localapi.LogLine) slog.Record {
	r := slog.NewRecord(l.Time, levelOf(l), l.Message, 0)
	if l.Time.IsZero() {
		r.Time = time.Now()
	}
	if l.Tunnel != "" {
		r.AddAttrs(slog.String("tunnel", l.Tunnel))
	}
	for k, v := range l.Attrs {
		r.AddAttrs(slog.String(k, v))
	}
	return r
}
