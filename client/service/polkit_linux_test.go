package service

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"postern/client/localapi"
)

// cannot skips the test, or fails it where POSTERN_REQUIRE_PEERS=1 asks for all that need
// more than a person has.
func cannot(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("POSTERN_REQUIRE_PEERS") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// startSystemBus runs a system bus of its own for this test.
func startSystemBus(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("dbus-daemon")
	if err != nil {
		cannot(t, "needs dbus-daemon (Debian: package dbus-daemon)")
	}
	dir, err := os.MkdirTemp("", "bus") // short, for the socket's name is limited
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	config := filepath.Join(dir, "bus.conf")
	check(t, os.WriteFile(config, []byte(`<busconfig><type>session</type><listen>unix:path=`+dir+`/socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`), 0o600))
	cmd := exec.CommandContext(t.Context(), program, "--config-file="+config, "--nofork", "--nopidfile", "--print-address")
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	address, err := bufio.NewReader(out).ReadString('\n')
	check(t, err)
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", strings.TrimSpace(address))
	return strings.TrimSpace(address)
}

// authority speaks org.freedesktop.PolicyKit1.Authority: a person who is asked knows the
// password, if there is one.
type authority struct {
	mu       sync.Mutex
	result   polkitResult
	password bool
	subjects []polkitSubject
	flags    []uint32
	actions  []string
	wait     time.Duration
}

// CheckAuthorization is the interface's.
func (a *authority) CheckAuthorization(subject polkitSubject, action string, details map[string]string, flags uint32, cancellation string) (polkitResult, *dbus.Error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	time.Sleep(a.wait)
	a.subjects, a.flags, a.actions = append(a.subjects, subject), append(a.flags, flags), append(a.actions, action)
	if len(details) != 0 || cancellation != "" {
		return polkitResult{}, dbus.MakeFailedError(errors.New("unexpected details"))
	}
	r := a.result
	if r.Challenge && flags&polkitInteract != 0 {
		r = polkitResult{Authorized: a.password}
	}
	r.Details = map[string]string{}
	return r, nil
}

func startAuthority(t *testing.T, address string, a *authority) {
	t.Helper()
	bus, err := dbus.Connect(address)
	check(t, err)
	t.Cleanup(func() { bus.Close() })
	check(t, bus.Export(a, polkitPath, polkitName+".Authority"))
	reply, err := bus.RequestName(polkitName, dbus.NameFlagDoNotQueue)
	if err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatal(reply, err)
	}
}

func TestPolkit(t *testing.T) {
	caller := localapi.Caller{UID: 61003, PID: int32(os.Getpid()), Name: "mallory"}
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")
	if v, err := systemPolkit(t.Context(), caller, true); err == nil || v != denied {
		t.Error("without a bus:", v, err)
	}
	address := startSystemBus(t)
	if v, err := systemPolkit(t.Context(), caller, true); err == nil || v != denied {
		t.Error("without polkit:", v, err)
	}
	a := new(authority)
	startAuthority(t, address, a)
	for _, tt := range []struct {
		name           string
		result         polkitResult
		password       bool
		shown, granted verdict
	}{
		{"denied", polkitResult{}, true, denied, denied},
		{"authorized", polkitResult{Authorized: true}, true, allowed, allowed},
		{"asks, and is told the password", polkitResult{Challenge: true}, true, asks, allowed},
		{"asks in vain", polkitResult{Challenge: true}, false, asks, denied},
	} {
		a.mu.Lock()
		a.result, a.password = tt.result, tt.password
		a.mu.Unlock()
		shown, err := systemPolkit(t.Context(), caller, false)
		check(t, err)
		granted, err := systemPolkit(t.Context(), caller, true)
		check(t, err)
		if shown != tt.shown || granted != tt.granted {
			t.Errorf("%s: %d, %d", tt.name, shown, granted)
		}
	}
	start, err := processStart(caller.PID)
	check(t, err)
	for i, s := range a.subjects {
		if s.Kind != "unix-process" || s.Details["pid"].Value() != uint32(caller.PID) || s.Details["uid"].Value() != int32(61003) || s.Details["start-time"].Value() != start || start == 0 {
			t.Errorf("%+v", s)
		}
		if want := uint32(i % 2); a.flags[i] != want || a.actions[i] != "org.postern.control" {
			t.Errorf("%d: flags %d, %s", i, a.flags[i], a.actions[i])
		}
	}
	// A process that isn't there any more is nobody.
	gone := caller
	gone.PID = 1 << 30
	if v, err := systemPolkit(t.Context(), gone, true); err == nil || v != denied {
		t.Error("without a process:", v, err)
	}
	// A person who doesn't answer is waited for as long as the caller waits.
	a.mu.Lock()
	a.wait = time.Hour
	a.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if v, err := systemPolkit(ctx, caller, true); err == nil || v != denied {
		t.Error("without an answer:", v, err)
	}
}

// TestPolkitControls: whom polkit lets pass may connect, answer what they are asked, and
// see no more than before.
func TestPolkitControls(t *testing.T) {
	address := startSystemBus(t)
	a := &authority{result: polkitResult{Challenge: true}, password: true}
	startAuthority(t, address, a)
	gateway := startGateway(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "office.toml"), document("office", gateway, false).TOML+"secret = \""+groupKey+"\"\n", 0o600)
	m := shared(newManager(t, func(c *Config) { c.Profiles = dir }))
	m.rights.polkit = systemPolkit
	mallory := stranger
	mallory.PID = int32(os.Getpid())
	if s, _ := m.Snapshot(mallory); !s.Control {
		t.Error("not told that a try may help")
	}
	id := connect(t, m, mallory, localapi.ConnectRequest{Profile: "office"})
	asked := untilAsked(t, m, mallory, id) // who connected it is asked
	other := localapi.Caller{UID: 1004, PID: mallory.PID, Name: "eve"}
	if s, _ := m.Snapshot(other); len(s.Tunnels) != 1 || s.Tunnels[0].Prompt != nil {
		t.Errorf("%+v", s.Tunnels)
	}
	check(t, m.Answer(t.Context(), mallory, localapi.AnswerRequest{Tunnel: id, Prompt: asked.Prompt.ID, Answers: map[string]localapi.Octets{"password": localapi.Octets(password)}}))
	untilState(t, m, mallory, id, "up")
	a.mu.Lock()
	a.password = false
	a.mu.Unlock()
	if err := m.Disconnect(t.Context(), other, localapi.TunnelRequest{Tunnel: id}); code(err) != localapi.CodeNotPermitted {
		t.Error(err)
	}
}
