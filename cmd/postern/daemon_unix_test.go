//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"postern/client"
	"postern/client/localapi"
)

// manager is the service manager's end of sd_notify(3).
type manager struct {
	t    *testing.T
	path string

	mu      sync.Mutex
	heard   []string
	changed chan struct{}
}

func newServiceManager(t *testing.T) *manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "notify")
	if err != nil {
		t.Fatal(err)
	}
	m := &manager{t: t, path: filepath.Join(dir, "s"), changed: make(chan struct{})}
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close(); os.RemoveAll(dir) })
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := socket.Read(buffer)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.heard = append(m.heard, strings.Split(strings.TrimSpace(string(buffer[:n])), "\n")...)
			close(m.changed)
			m.changed = make(chan struct{})
			m.mu.Unlock()
		}
	}()
	return m
}

// lines are those heard so far that begin like this.
func (m *manager) lines(prefix string) (out []string, changed <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.heard {
		if strings.HasPrefix(l, prefix) {
			out = append(out, l)
		}
	}
	return out, m.changed
}

// hears waits until so many lines came that begin like this.
func (m *manager) hears(prefix string, times int) {
	m.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		lines, changed := m.lines(prefix)
		if len(lines) >= times {
			return
		}
		select {
		case <-changed:
		case <-late.C:
			m.mu.Lock()
			defer m.mu.Unlock()
			m.t.Fatalf("%q was never heard %d times: %q", prefix, times, m.heard)
		}
	}
}

// ends waits for a daemon's end, which has to be a clean one.
func (p *program) endsAt(sig syscall.Signal) {
	p.t.Helper()
	if err := p.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
	if exit := p.wait(); exit != 0 {
		p.t.Errorf("exit code %d", exit)
	}
}

// TestDaemonNotifies: the service manager hears that it is ready, what it does, that it
// lives, and that it ends.
func TestDaemonNotifies(t *testing.T) {
	t.Parallel()
	h, sd := newPerson(t), newServiceManager(t)
	h.env = append(h.env, "NOTIFY_SOCKET="+sd.path, "WATCHDOG_USEC=200000")
	p := h.runsService()
	sd.hears("READY=1", 1)
	h.office(stored)
	h.up(0, "office")
	sd.hears("STATUS=1 of 1 connections up", 1)
	sd.hears("WATCHDOG=1", 3)
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	sd.hears("STOPPING=1", 1)
	if exit := p.wait(); exit != 0 {
		t.Errorf("exit code %d", exit)
	}
	// Of its connections' processes nothing is heard.
	if got, _ := sd.lines("STATUS=connect"); len(got) != 0 {
		t.Errorf("%q", got)
	}
}

// A watchdog for another process isn't ours to feed.
func TestWatchdogPeriod(t *testing.T) {
	for _, tt := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"", "", 0},
		{"30000000", "", 30 * time.Second},
		{"30000000", fmt.Sprint(os.Getpid()), 30 * time.Second},
		{"30000000", "1", 0},
		{"0", "", 0},
		{"-5", "", 0},
		{"9999999999999999999", "", 0},
		{"soon", "", 0},
	} {
		t.Setenv("WATCHDOG_USEC", tt.usec)
		t.Setenv("WATCHDOG_PID", tt.pid)
		if got := watchdogPeriod(); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

// activated is a program that gets the socket from its service manager, whose process
// number is known once it runs.
func activated(p *program, socket *os.File, more ...string) {
	args := append([]string{"/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`}, p.Args...)
	p.Path, p.Args, p.ExtraFiles = "/bin/sh", args, []*os.File{socket}
	p.Env = append(append(p.Env, "LISTEN_FDS=1", "LISTEN_FDNAMES=postern.socket"), more...)
}

// TestSocketActivation: it serves on the socket that it is given, and leaves it there.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	h, sd := newPerson(t), newServiceManager(t)
	path := filepath.Join(h.home, "postern.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	file, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	// Somebody calls before it runs.
	called := make(chan error, 1)
	go func() {
		api := localapi.New(path)
		defer api.Close()
		_, err := api.Snapshot(context.WithoutCancel(t.Context()))
		called <- err
	}()
	p := h.postern("daemon", "--user", "--socket", filepath.Join(h.home, "unused.sock"))
	activated(p, file, "NOTIFY_SOCKET="+sd.path)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	sd.hears("READY=1", 1)
	if err := <-called; err != nil {
		t.Error(err)
	}
	h.office(stored)
	h.up(0, "office")
	p.endsAt(syscall.SIGTERM)
	for name, want := range map[string]bool{"postern.sock": true, "unused.sock": false} {
		if _, err := os.Lstat(filepath.Join(h.home, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	l.Close()

	// What isn't a socket that listens is refused.
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	p = h.postern("daemon", "--user")
	activated(p, null)
	if exit := p.finish(); exit != client.ExitService {
		t.Errorf("exit code %d", exit)
	}
	p.says("descriptor 3")
}

// TestOneDaemon: a second one is refused; what a killed one left of its socket is no
// obstacle.
func TestOneDaemon(t *testing.T) {
	t.Parallel()
	h := newPerson(t)
	first := h.runsService()
	h.does(client.ExitService, "daemon", "--user").says("listens on", "already")
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	first.wait()
	if _, err := os.Lstat(filepath.Join(h.home, "postern.sock")); err != nil {
		t.Fatal(err)
	}
	h.runsService()
	info, err := os.Lstat(filepath.Join(h.home, "postern.sock"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	h.does(0, "status")
	// What isn't a socket isn't removed.
	other := filepath.Join(h.home, "file")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.does(client.ExitService, "daemon", "--user", "--socket", other).says("isn't a socket")
}

// TestDaemonEnds: with its connections, whatever ends it; also where they are in the
// middle of something.
func TestDaemonEnds(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		h := newPerson(t)
		p := h.runsService()
		h.office(stored)
		h.has("asks", fmt.Sprintf(withoutSecrets, gateway(t))+"secret = \"the group's key\"\n")
		h.has("silent", fmt.Sprintf(withoutSecrets, silentGateway(t))+stored)
		h.up(0, "office")
		h.up(0, "asks", "--wait", "0")
		h.up(0, "silent", "--wait", "0")
		p.endsAt(sig)
		h.does(client.ExitService, "status")
	}
}

// TestDemoDaemon: with --demo there is a profile for each way to log in.
func TestDemoDaemon(t *testing.T) {
	t.Parallel()
	h := newPerson(t)
	p := h.postern("daemon", "--demo")
	sd := newServiceManager(t)
	p.Env = append(p.Env, "NOTIFY_SOCKET="+sd.path)
	p.Stdout = &p.err
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	sd.hears("READY=1", 1)
	defer p.endsAt(syscall.SIGTERM)
	h.does(0, "list").says("demo", "demo-password", "demo-radius", "demo-securid", "demo-stamp")
	h.up(0, "demo")
	h.does(0, "doctor", "demo")
	h.up(6, "demo-password", "--no-prompt").says("isn't stored")
	for name, said := range map[string][]string{
		"demo-password": {demoPassword},
		"demo-radius":   {firstConcentrator},
		"demo-securid":  {"PIN+code", "yes", "246810", "246810", "PIN+code", "code"},
		"demo-stamp":    {"PIN+code", "yes", "246810", "246810", "PIN+code", "code"},
	} {
		t.Run(name, func(t *testing.T) { answerAll(t, h, p, name, said) })
	}
	h.does(0, "down", "--all")
	h.up(0, "demo") // doctor and the first connection left its secrets alone
}

// answerAll connects a profile of the demo's and types what its user would, reading the
// token's codes where the daemon shows them.
func answerAll(t *testing.T, h *human, daemon *program, name string, typed []string) {
	t.Helper()
	api := localapi.New(filepath.Join(h.home, "postern.sock"))
	defer api.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	reply, err := api.Connect(ctx, localapi.ConnectRequest{Profile: name, Proxy: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	codes, pin, last := 0, "1234", uint64(0)
	code := func() string {
		_, shown, _ := strings.Cut(daemon.err.String(), name+": the token shows, one after the other: ")
		codes++
		return strings.Fields(shown)[codes-1]
	}
	for s, err := range api.Watch(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		for _, tunnel := range s.Tunnels {
			switch {
			case tunnel.ID != reply.ID:
			case tunnel.State == client.Up && len(typed) == 0:
				return
			case tunnel.State == client.Failed:
				t.Fatalf("%+v, %d answers left", tunnel.Reason, len(typed))
			case tunnel.Prompt != nil && tunnel.Prompt.ID != last:
				if len(typed) == 0 {
					t.Fatalf("asks once more: %+v", tunnel.Prompt)
				}
				last = tunnel.Prompt.ID
				answer := typed[0]
				typed = typed[1:]
				switch answer {
				case "PIN+code":
					answer = pin + code()
				case "code":
					answer = code()
				case "246810":
					pin = answer
				}
				answers := map[string]localapi.Octets{tunnel.Prompt.Fields[0].Name: localapi.Octets(answer)}
				if err := api.Answer(ctx, localapi.AnswerRequest{Tunnel: reply.ID, Prompt: last, Answers: answers}); err != nil {
					t.Fatalf("%v: %+v", err, tunnel.Prompt)
				}
			}
		}
	}
	t.Fatal(errors.Join(errors.New("never up"), ctx.Err()))
}
