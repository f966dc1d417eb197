package localapi

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// The pace of a stream. Chosen here.
const (
	leastPause = 100 * time.Millisecond // between two snapshots
	countPause = time.Second            // between two looks at the counters, while a tunnel is up
	keepalive  = 30 * time.Second       // of silence, after which a blank line says that all is well
	lastWrite  = time.Second            // what a caller has to take the last line, at the end
)

// stream is an answer of lines that lasts: one JSON value each, or nothing. A caller
// that doesn't read holds nothing up but its own stream. Its methods may be called
// concurrently.
type stream struct {
	mu      sync.Mutex
	w       http.ResponseWriter
	flush   *http.ResponseController
	began   bool
	written time.Time
}

// newStream begins a stream that is cut, where it doesn't end by itself, once ctx ends.
// The caller calls end.
func newStream(ctx context.Context, w http.ResponseWriter) (s *stream, end func() bool) {
	s = &stream{w: w, flush: http.NewResponseController(w), written: time.Now()}
	_ = s.flush.SetWriteDeadline(time.Time{}) // of an earlier call on the connection
	end = context.AfterFunc(ctx, func() { _ = s.flush.SetWriteDeadline(time.Now().Add(lastWrite)) })
	return s, end
}

// line writes a line.
func (s *stream) line(b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.locked(b)
}

func (s *stream) locked(b []byte) error {
	if !s.began {
		s.began = true
		s.w.Header().Set("Content-Type", "application/x-ndjson")
		s.w.WriteHeader(http.StatusOK)
	}
	if b != nil {
		b = append(b, '\n')
	}
	if _, err := s.w.Write(b); err != nil {
		return err
	}
	s.written = time.Now()
	return s.flush.Flush()
}

// begin sends the header, where no line has.
func (s *stream) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.began {
		return nil
	}
	return s.locked(nil)
}

// value writes a line of JSON.
func (s *stream) value(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.line(b)
}

// watch sends the whole snapshot, now and after each change.
func (s *Server) watch(w http.ResponseWriter, r *http.Request, c Caller) error {
	if err := query(r, nil); err != nil {
		return err
	}
	ctx := r.Context()
	out, end := newStream(ctx, w)
	defer end()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var last []byte
	for ctx.Err() == nil {
		snap, changed := s.backend.Snapshot(c)
		b, err := json.Marshal(whole(snap))
		if err != nil {
			return err
		}
		switch {
		case !bytes.Equal(b, last):
			last = b
			err = out.line(b)
		case time.Since(out.written) >= keepalive:
			err = out.line([]byte{})
		}
		if err != nil {
			return nil // the caller is gone
		}
		pause(ctx, timer, leastPause, nil)
		wait := keepalive - time.Since(out.written)
		if counting(snap) {
			wait = countPause - leastPause
		}
		pause(ctx, timer, wait, changed)
	}
	return nil
}

// counting says whether a snapshot's counters move.
func counting(s Snapshot) bool {
	for _, t := range s.Tunnels {
		if t.Traffic != nil {
			return true
		}
	}
	return false
}

// pause waits for a time, or less where something happens.
func pause(ctx context.Context, timer *time.Timer, d time.Duration, happens <-chan struct{}) {
	timer.Reset(d)
	select {
	case <-ctx.Done():
	case <-happens:
	case <-timer.C:
	}
}

// logLines sends lines of the log.
func (s *Server) logLines(w http.ResponseWriter, r *http.Request, c Caller) error {
	request, err := logRequest(r)
	if err != nil {
		return err
	}
	out, end := newStream(r.Context(), w)
	defer end()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	var wg sync.WaitGroup
	if request.Follow {
		wg.Go(func() { out.keepAlive(ctx) })
	}
	err = s.backend.Log(ctx, c, request, func(l LogLine) error { return out.value(l) })
	gone := ctx.Err() != nil
	cancel()
	wg.Wait()
	switch {
	case err == nil || gone:
		_ = out.begin()
		return nil
	case !out.began:
		return err
	}
	_ = out.value(failure{reasonOf(err)})
	return nil
}

// keepAlive writes a blank line whenever there was none for a while.
func (s *stream) keepAlive(ctx context.Context) {
	timer := time.NewTimer(keepalive)
	defer timer.Stop()
	for wait := keepalive; ; {
		pause(ctx, timer, wait, nil)
		if ctx.Err() != nil {
			return
		}
		s.mu.Lock()
		wait = keepalive - time.Since(s.written)
		if wait <= 0 {
			if s.locked([]byte{}) != nil {
				s.mu.Unlock()
				return
			}
			wait = keepalive
		}
		s.mu.Unlock()
	}
}
