package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/client"
	"postern/client/concentrator"
	"postern/client/localapi"
	"postern/client/profile"
)

// TestMain makes the test binary a worker when it is asked to be.
func TestMain(m *testing.M) {
	if os.Getenv(workerVariable) != "" {
		Settle()
		if err := Work(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

const workerVariable = "POSTERN_TEST_WORKER"

func testWorker() *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), workerVariable+"=1", "GORACE=atexit_sleep_ms=0") // the race detector lets it linger for a second
	return cmd
}

// patience is how long anything may take. It costs nothing unless something is wrong.
const patience = 2 * time.Minute

// Secrets that must turn up nowhere.
const (
	groupKey = "canary-group-key-7f31"
	password = "canary-password-90aa"
)

const gatewayConfig = `
[ General ]
InsideAddress = 10.20.0.1/24
[ IKE Policy ]
Protection = aes256-sha256-modp2048
[ VPN Group "staff" ]
SharedKey = "` + groupKey + `"
Transform = aes128-sha1
StartIPAddress = 10.20.0.10
MaxConnections = 50
IPNet = 10.20.0.0/24
Banner = "Welcome"
[ VPN Users ]
"alice" Config="staff" Password="` + password + `"
"bob" Config="staff" Password="` + password + `"
"carol" Config="staff" Password="` + password + `"
`

// startGateway runs a concentrator on loopback.
func startGateway(t *testing.T) netip.AddrPort {
	t.Helper()
	cfg, err := concentrator.ParseConfig([]byte(gatewayConfig), "test.conf")
	if err != nil {
		t.Fatal(err)
	}
	g, err := concentrator.New(cfg, concentrator.Options{Port: netip.MustParseAddrPort("127.0.0.1:0"), Netstack: true})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- g.Serve(context.Background()) }()
	t.Cleanup(func() {
		g.Close()
		if err := <-served; err != nil {
			t.Error("gateway:", err)
		}
	})
	return g.Addr()
}

// document is a profile of a person's own for that gateway. With the password nothing is
// asked.
func document(name string, gateway netip.AddrPort, withPassword bool) *localapi.Document {
	d := &localapi.Document{
		Name:    name,
		TOML:    fmt.Sprintf("gateway = %q\nidentity = \"staff\"\nuser = \"alice\"\nike = [\"aes256-sha256-modp2048\"]\nesp = [\"aes128-sha1\"]\n", gateway),
		Secrets: map[string]localapi.Octets{"secret": localapi.Octets(groupKey)},
	}
	if withPassword {
		d.Secrets["password"] = localapi.Octets(password)
	}
	return d
}

// as is the document for another user of the gateway's, who gets another address.
func as(user string, d *localapi.Document) *localapi.Document {
	d.TOML = strings.Replace(d.TOML, `"alice"`, strconv.Quote(user), 1)
	return d
}

// output is what a daemon logs.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// newManager is one without privileges, but for rights as change says. Nothing that it
// logs has a secret in it.
func newManager(t *testing.T, change func(*Config)) *Manager {
	t.Helper()
	var out output
	c := Config{
		Mode: localapi.ModeUser, Version: "test", StateDir: t.TempDir(), Worker: testWorker, Debug: true,
		Log: slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}),
	}
	if change != nil {
		change(&c)
	}
	m, err := New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.Close()
		if t.Failed() {
			t.Logf("the log:\n%s", out.String())
		}
		for _, secret := range []string{groupKey, password} {
			if bytes.Contains([]byte(out.String()), []byte(secret)) {
				t.Errorf("the log has %q in it", secret)
			}
		}
	})
	return m
}

// shared makes a Manager without privileges one that treats people as a system's does.
func shared(m *Manager) *Manager {
	m.rights.mode, m.rights.group = localapi.ModeSystem, testGroup
	return m
}

// People, by number only.
const testGroup = "54321"

var (
	root     = localapi.Caller{UID: 0, Name: "root"}
	alice    = localapi.Caller{UID: 1001, GIDs: []uint32{1001, 54321}, Name: "alice"}
	bob      = localapi.Caller{UID: 1002, GIDs: []uint32{1002, 54321}, Name: "bob"}
	stranger = localapi.Caller{UID: 1003, GIDs: []uint32{1003}, Name: "mallory"}
)

// until waits for a snapshot that fits.
func until(t *testing.T, m *Manager, c localapi.Caller, what string, fits func(localapi.Snapshot) bool) localapi.Snapshot {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		s, changed := m.Snapshot(c)
		if fits(s) {
			return s
		}
		select {
		case <-changed:
		case <-time.After(freshness + 50*time.Millisecond): // counters alone are no change
		case <-late.C:
			t.Fatalf("never %s: %+v", what, s.Tunnels)
		}
	}
}

// find is a tunnel of a snapshot; nil: it isn't there.
func find(s localapi.Snapshot, id string) *localapi.Tunnel {
	for i := range s.Tunnels {
		if s.Tunnels[i].ID == id {
			return &s.Tunnels[i]
		}
	}
	return nil
}

// untilState waits for a tunnel's state.
func untilState(t *testing.T, m *Manager, c localapi.Caller, id string, state client.State) localapi.Tunnel {
	t.Helper()
	s := until(t, m, c, fmt.Sprintf("%s %s", id, state), func(s localapi.Snapshot) bool {
		found := find(s, id)
		return found != nil && found.State == state
	})
	return *find(s, id)
}

func connect(t *testing.T, m *Manager, c localapi.Caller, r localapi.ConnectRequest) string {
	t.Helper()
	reply, err := m.Connect(t.Context(), c, r)
	if err != nil {
		t.Fatal(err)
	}
	return reply.ID
}

// code is the code of an error's Reason; "" for none.
func code(err error) string {
	var r *localapi.Reason
	if !errors.As(err, &r) {
		return fmt.Sprint(err)
	}
	return r.Code
}

// userOf is the profile's part of an error, where it is one.
func profileError(t *testing.T, err error) *profile.Error {
	t.Helper()
	var bad *profile.Error
	if !errors.As(err, &bad) {
		t.Fatalf("not about a profile: %v", err)
	}
	return bad
}
