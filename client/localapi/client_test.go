package localapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// listen runs a foreign server on a socket.
func listen(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	l, err := Listen(filepath.Join(t.TempDir(), "s"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return l.Addr().String()
}

// answer is a handler that says this with a Server header.
func answer(server string, status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server", server)
		w.WriteHeader(status)
		fmt.Fprint(w, text)
	}
}

// TestNoService has everything that can be wrong with what is called.
func TestNoService(t *testing.T) {
	dir := t.TempDir()
	dead := filepath.Join(dir, "dead")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	hangsUp, err := net.Listen("unix", filepath.Join(dir, "hangs up"))
	if err != nil {
		t.Fatal(err)
	}
	defer hangsUp.Close()
	go func() {
		for {
			c, err := hangsUp.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	tests := map[string]struct {
		socket, code, says, try string
	}{
		"no socket":         {filepath.Join(dir, "none"), CodeNoService, "isn't running", "Start it with: "},
		"nobody listens":    {dead, CodeNoService, "isn't running", "Start it with: "},
		"a file":            {file, CodeNoService, "isn't running", "Start it with: "},
		"it hangs up":       {hangsUp.Addr().String(), CodeNoService, "ended before it answered", "Start it with: "},
		"another server":    {listen(t, answer("nginx", 200, "{}")), CodeWrongService, "isn't postern's", "--socket"},
		"another's failure": {listen(t, answer("nginx", 404, "<html>")), CodeWrongService, "isn't postern's", "--socket"},
		"no JSON":           {listen(t, answer("postern/2", 200, "<html>")), CodeWrongService, "isn't postern's", "--socket"},
		"no Reason":         {listen(t, answer("postern/2", 500, "{}")), CodeWrongService, "isn't postern's", "--socket"},
		"another schema":    {listen(t, answer("postern/9", 200, `{"schema":2,"tunnels":[]}`)), CodeWrongService, "schema 2", "restart the service"},
		"an older one":      {listen(t, answer("postern/0.1", 404, `{"error":{"code":"request","message":"no","exit":7}}`)), CodeWrongService, "version 0.1", "Restart it"},
		"a redirection":     {listen(t, answer("postern/1", 302, "")), CodeWrongService, "isn't postern's", "--socket"},
	}
	for name, test := range tests {
		c := New(test.socket)
		calls := map[string]func() error{
			"snapshot": func() error { _, err := c.Snapshot(t.Context()); return err },
			"watch": func() (err error) {
				for _, err = range c.Watch(t.Context()) {
					if err != nil {
						break
					}
				}
				return err
			},
			"profiles": func() error { _, err := c.Profiles(t.Context()); return err },
			"connect": func() error {
				_, err := c.Connect(t.Context(), ConnectRequest{Profile: strings.Repeat("a", 50<<10)})
				return err
			},
		}
		for what, call := range calls {
			if what == "connect" && name == "another schema" {
				continue // its answer has none
			}
			var r *Reason
			if err := call(); !errors.As(err, &r) || r.Code != test.code || r.Exit != ExitService || !strings.Contains(r.Message, test.says) || !strings.Contains(r.Try, test.try) {
				t.Errorf("%s: %s: %+v", name, what, err)
			}
		}
	}
}

// TestStartCommand has the one command that starts what isn't running.
func TestStartCommand(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/1234")
	if got := startCommand("/run/user/1234/postern.sock"); got != "postern daemon --user" {
		t.Errorf("of a person's own: %q", got)
	}
	if got := startCommand(SystemSocket()); !strings.HasPrefix(got, "sudo ") {
		t.Errorf("of the system's: %q", got)
	}
}

// TestServiceThatHangs has a service that doesn't answer: the caller's patience counts.
func TestServiceThatHangs(t *testing.T) {
	release := make(chan struct{})
	socket := listen(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := New(socket).Snapshot(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the context's end: %v", err)
	}
	c := New(socket)
	var r *Reason
	if err := c.call(t.Context(), http.MethodGet, "status", 50*time.Millisecond, nil, nil); !errors.As(err, &r) || r.Code != CodeNoService || !strings.Contains(r.Message, "doesn't answer") {
		t.Errorf("the call's end: %v", err)
	}
}

// TestStreamThatBreaks has a stream end in the middle.
func TestStreamThatBreaks(t *testing.T) {
	socket := listen(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server", "postern/1")
		fmt.Fprint(w, "{\"schema\":1}\n\n\n{\"schema\":1,")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	n := 0
	var last error
	for _, err := range New(socket).Watch(t.Context()) {
		if last = err; err == nil {
			n++
		}
	}
	var r *Reason
	if n != 1 || !errors.As(last, &r) || r.Code != CodeNoService {
		t.Errorf("%d snapshots, then %v", n, last)
	}
}

// TestServiceRestarts has a Client whose idle connection went with an older daemon.
func TestServiceRestarts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	c := New(path)
	defer c.Close()
	for range 3 {
		l, err := Listen(path, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		s := NewServer(newDesk(example()), Options{})
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(l) }()
		for range 2 {
			if _, err := c.Snapshot(t.Context()); err != nil {
				t.Error(err)
			}
			if err := c.Answer(t.Context(), AnswerRequest{Tunnel: "a", Prompt: 1}); err != nil {
				t.Error(err)
			}
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		<-ended
	}
}

func TestListen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "made", "s")
	l, err := Listen(path, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o666 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := Listen(path, 0o666); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a second one: %v", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // as after kill -9
	l.Close()
	l, err = Listen(path, 0o600)
	if err != nil {
		t.Fatal("after a crash:", err)
	}
	defer l.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(file, 0o666); err == nil {
		t.Error("a file was taken for a socket")
	}
	if b, _ := os.ReadFile(file); string(b) != "mine" {
		t.Error("the file is gone")
	}
}

// Of daemons that start at once over what a crash left, one gets the socket, and callers
// reach it.
func TestListenAtOnce(t *testing.T) {
	const daemons = 8
	for range 50 {
		path := filepath.Join(t.TempDir(), "s")
		stale, err := Listen(path, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		stale.(*net.UnixListener).SetUnlinkOnClose(false)
		stale.Close()
		made := make(chan net.Listener, daemons)
		var all sync.WaitGroup
		for range daemons {
			all.Go(func() {
				if l, err := Listen(path, 0o600); err == nil {
					made <- l
				}
			})
		}
		all.Wait()
		if n := len(made); n != 1 {
			t.Fatalf("%d daemons listen on one socket", n)
		}
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		(<-made).Close()
	}
}

func TestDefaultSockets(t *testing.T) {
	run := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", run)
	own := filepath.Join(run, "postern.sock")
	all := DefaultSockets()
	if all[len(all)-1] != own {
		t.Errorf("%q", all)
	}
	none := filepath.Join(run, "none")
	if got := found([]string{none, own}); got != SystemSocket() {
		t.Errorf("with none there: %q", got)
	}
	if err := os.WriteFile(own, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := found([]string{none, own}); got != own {
		t.Errorf("with one's own there: %q", got)
	}
	t.Setenv("XDG_RUNTIME_DIR", "relative")
	if got := UserSocket(); !filepath.IsAbs(got) {
		t.Errorf("%q", got)
	}
}
