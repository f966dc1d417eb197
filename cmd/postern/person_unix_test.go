//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"postern/client"
	"postern/client/localapi"
)

// human is somebody with a home of their own, whose programs know of each other.
type human struct {
	t    *testing.T
	home string
	env  []string
}

// newPerson has no keyring.
func newPerson(t *testing.T) *human {
	t.Helper()
	// A socket's path is short (unix(7)), a test's folder may not be.
	home, err := os.MkdirTemp("", "postern")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	return &human{t, home, []string{
		"HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_RUNTIME_DIR=" + home, "XDG_STATE_HOME=" + home,
		"DBUS_SESSION_BUS_ADDRESS=autolaunch:", "DISPLAY=", "WAYLAND_DISPLAY=", "VISUAL=", "EDITOR=", "NO_COLOR=", "CREDENTIALS_DIRECTORY=",
	}}
}

// postern is the program, run by this person.
func (h *human) postern(args ...string) *program {
	h.t.Helper()
	p := postern(h.t, args...)
	p.Env = append(p.Env, h.env...)
	return p
}

// does runs the program to its end, which has to be this.
func (h *human) does(exit int, args ...string) *program {
	h.t.Helper()
	p := h.postern(args...)
	if got := p.finish(); got != exit {
		h.t.Errorf("postern %s: exit code %d, want %d; it said %s%s", strings.Join(args, " "), got, exit, p.out.String(), p.err.String())
	}
	return p
}

// up connects with a proxy on a port that nobody else has.
func (h *human) up(exit int, args ...string) *program {
	h.t.Helper()
	return h.does(exit, append([]string{"up", "--socks", "127.0.0.1:0"}, args...)...)
}

// profiles is the person's folder.
func (h *human) profiles() string { return filepath.Join(h.home, "postern", "profiles") }

// has writes a profile.
func (h *human) has(name, text string) string {
	h.t.Helper()
	path := filepath.Join(h.profiles(), name+".toml")
	if err := os.MkdirAll(h.profiles(), 0o700); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return path
}

// office is a profile that connects, with these lines.
func (h *human) office(lines string) {
	h.t.Helper()
	h.has("office", fmt.Sprintf(withoutSecrets, gateway(h.t))+lines)
}

const stored = "secret = \"the group's key\"\npassword = \"the password\"\n"

// runsService starts the person's service, until the test ends.
func (h *human) runsService(args ...string) *program {
	h.t.Helper()
	p := h.postern(append([]string{"daemon", "--user"}, args...)...)
	pipe, err := p.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		_ = p.Process.Signal(syscall.SIGTERM)
		p.wait()
	})
	lines := bufio.NewScanner(pipe)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "Serving on ") {
			go func() {
				for lines.Scan() { // so that it never waits for us
				}
			}()
			return p
		}
	}
	h.t.Fatalf("the service doesn't serve: %s", p.err.String())
	return nil
}

// status is what status NAME --json says.
func (h *human) status(name string) (st client.Status) {
	h.t.Helper()
	h.reads(&st, "status", name, "--json")
	return st
}

// reads runs the program and reads the JSON that it prints.
func (h *human) reads(to any, args ...string) {
	h.t.Helper()
	p := h.does(0, args...)
	if err := json.Unmarshal(p.out.Bytes(), to); err != nil {
		h.t.Fatalf("postern %s: %v in %s", strings.Join(args, " "), err, p.out.String())
	}
}

// tunnels are the states of all connections.
func (h *human) tunnels() map[string]client.State {
	h.t.Helper()
	var s localapi.Snapshot
	h.reads(&s, "status", "--json")
	out := map[string]client.State{}
	for _, t := range s.Tunnels {
		out[t.Profile] = t.State
	}
	return out
}

// says checks what a program said.
func (p *program) says(wants ...string) {
	p.t.Helper()
	for _, want := range wants {
		if said := p.out.String() + p.err.String(); !strings.Contains(said, want) {
			p.t.Errorf("says %q, not %q", said, want)
		}
	}
}
