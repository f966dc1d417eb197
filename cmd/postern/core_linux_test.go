package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"postern/client/concentrator"
	"postern/ike"
	"postern/xauth"
)

// lockedBuffer may be read while it's written.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// TestCoreAfterDisconnect: what a core of the daemon would hold. While a connection is up
// only its own process has its secrets; after it nobody has, and no file, environment,
// command line or log either. How many copies of each a living connection's process
// has is told, keys included.
func TestCoreAfterDisconnect(t *testing.T) {
	m := newMachine(t)
	const password, key, code = "canary-password-5e1f", "canary-key-93ab", "canary-code-77d0"
	var keys lockedBuffer
	at := net.UDPAddrFromAddrPort(challengingGateway(t, key, password, code, &keys))
	p := m.daemon("--verbose")
	alice := m.resident(61001, testGroup)
	profile := alice.has("mine", profileText(at, fmt.Sprintf("secret = %q\npassword = %q\n", key, password)))
	answers := filepath.Join(m.dir, "answers")
	check(t, os.WriteFile(answers, []byte(fmt.Sprintf("{\"answer\": %q, \"passcode\": %q, \"password\": %q}\n", code, code, code)), 0o644))
	input, err := os.Open(answers)
	check(t, err)
	defer input.Close()
	up := postern(t, "up", "mine", "--answers-fd", "3", "--socket", m.socket())
	up.Path, up.Args[0], up.Dir = m.self, m.self, "/"
	up.Env = append(up.Env, "HOME="+alice.home, "XDG_CONFIG_HOME="+alice.home, "XDG_STATE_HOME="+alice.home, "XDG_RUNTIME_DIR="+alice.home, "DBUS_SESSION_BUS_ADDRESS=autolaunch:")
	up.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: alice.cred}
	up.ExtraFiles = []*os.File{input}
	if exit := up.finish(); exit != 0 {
		t.Fatalf("exit code %d: %s", exit, up.err.String())
	}

	_, ka, found := strings.Cut(strings.TrimSpace(keys.String()), ",")
	raw, err := hex.DecodeString(ka)
	if !found || err != nil {
		t.Fatalf("no key was told: %q", keys.String())
	}
	secrets := map[string]string{"password": password, "pre-shared key": key, "code": code, "phase 1 key": string(raw)}
	for _, name := range []string{"password", "pre-shared key", "code"} {
		secrets[name+" in base64"] = base64.StdEncoding.EncodeToString([]byte(secrets[name]))
	}
	workers := children(p.Process.Pid)
	if len(workers) == 0 {
		t.Fatal("the connection has no process of its own")
	}
	for _, pid := range append(workers, p.Process.Pid) {
		for _, name := range []string{"environ", "cmdline"} {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
			check(t, err)
			for what, secret := range secrets {
				if bytes.Contains(b, []byte(secret)) {
					t.Errorf("%d: the %s is in %s", pid, what, name)
				}
			}
		}
	}
	for what, secret := range secrets {
		n := 0
		for _, pid := range workers {
			n += inMemory(t, pid, secret)
		}
		t.Logf("while it is up the connection's process holds the %s %d times", what, n)
		if what == "phase 1 key" && n == 0 {
			t.Error("what is known to be there isn't found")
		}
		if n := inMemory(t, p.Process.Pid, secret); n > 0 {
			t.Errorf("while it is up the daemon holds the %s %d times", what, n)
		}
	}

	if exit, said := alice.runs("down", "mine"); exit != 0 {
		t.Fatal(said)
	}
	until(t, "the end of the connection's process", func() bool { return len(children(p.Process.Pid)) == 0 })
	for what, secret := range secrets {
		if n := inMemory(t, p.Process.Pid, secret); n > 0 {
			t.Errorf("after it the daemon holds the %s %d times", what, n)
		}
	}
	p.endsAt(syscall.SIGTERM)
	m.hasNoFileWith(secrets, profile, answers)
	for what, secret := range secrets {
		if strings.Contains(p.err.String(), secret) {
			t.Errorf("the %s is in the log", what)
		}
	}
	if !strings.Contains(p.err.String(), "HDR*") {
		t.Error("the log tells nothing")
	}
}

// challengingGateway asks for a code behind the password.
func challengingGateway(t *testing.T, key, password, code string, keys *lockedBuffer) netip.AddrPort {
	t.Helper()
	cfg, err := concentrator.ParseConfig(fmt.Appendf(nil, demoConfig, key, "", password), "test.conf")
	check(t, err)
	verify := func(_ context.Context, user string, given []byte) error {
		if user != "alice" || string(given) != password {
			return &xauth.RefusedError{}
		}
		return &xauth.Challenge{Message: "The code, please", Verify: func(_ context.Context, given []byte) error {
			if string(given) != code {
				return &xauth.RefusedError{}
			}
			return nil
		}}
	}
	g, err := concentrator.New(cfg, concentrator.Options{
		Port: netip.MustParseAddrPort("127.0.0.1:0"), Netstack: true, Verify: verify, KeyLog: ike.NewKeyLog(keys),
	})
	check(t, err)
	ended := make(chan error, 1)
	go func() { ended <- g.Serve(context.Background()) }()
	t.Cleanup(func() {
		g.Close()
		<-ended
	})
	return g.Addr()
}

// hasNoFileWith wants no file of the machine but these to have a secret in it.
func (m *machine) hasNoFileWith(secrets map[string]string, but ...string) {
	m.t.Helper()
	read := 0
	check(m.t, filepath.WalkDir(m.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || path == m.self || path == but[0] || path == but[1] {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		read++
		for what, secret := range secrets {
			if bytes.Contains(b, []byte(secret)) {
				m.t.Errorf("the %s is in %s", what, path)
			}
		}
		return nil
	}))
	if read == 0 {
		m.t.Error("no file was read")
	}
}
