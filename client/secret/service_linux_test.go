package secret

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// bus runs a private session bus, which no test of this process shares: the library
// keeps its connection, so that each test is a process of its own.
func bus(t *testing.T) (address string) {
	t.Helper()
	path, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Skip("needs dbus-daemon")
	}
	config := filepath.Join(t.TempDir(), "bus.conf")
	// No services but those that a test runs.
	if err := os.WriteFile(config, []byte(`<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--config-file="+config, "--nofork", "--print-address")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// inProcess runs a test function in a process whose session has this bus.
func inProcess(t *testing.T, name, address string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+name+"$", "-test.v")
	cmd.Env = append(withoutSession(), "DBUS_SESSION_BUS_ADDRESS="+address, "POSTERN_TEST_PROCESS="+name)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+name) {
		t.Errorf("%v\n%s", err, out)
	}
}

func withoutSession() (env []string) {
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "DBUS_") && !strings.HasPrefix(v, "DISPLAY=") && !strings.HasPrefix(v, "WAYLAND_DISPLAY=") {
			env = append(env, v)
		}
	}
	return env
}

// inside says whether this is the process that inProcess ran.
func inside(t *testing.T) bool { return os.Getenv("POSTERN_TEST_PROCESS") == t.Name() }

func TestSecretService(t *testing.T) {
	if inside(t) {
		try(t)
		return
	}
	daemon, err := exec.LookPath("gnome-keyring-daemon")
	if err != nil {
		t.Skip("needs gnome-keyring-daemon")
	}
	address := bus(t)
	home := t.TempDir()
	cmd := exec.Command(daemon, "--foreground", "--components=secrets", "--unlock")
	cmd.Env = append(withoutSession(), "HOME="+home, "XDG_RUNTIME_DIR="+home, "XDG_DATA_HOME="+home, "DBUS_SESSION_BUS_ADDRESS="+address)
	cmd.Stdin = strings.NewReader("a password")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", address)
	for end := time.Now().Add(30 * time.Second); Available() != nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(Available())
		}
	}
	inProcess(t, t.Name(), address)
}

func TestNoSecretService(t *testing.T) {
	if !inside(t) {
		inProcess(t, t.Name(), bus(t))
		return
	}
	if err := Available(); !errors.Is(err, ErrNone) || !strings.Contains(err.Error(), "no Secret Service") {
		t.Error(err)
	}
}

// A service that takes calls and answers none.
func TestHangingSecretService(t *testing.T) {
	if !inside(t) {
		inProcess(t, t.Name(), bus(t))
		return
	}
	conn, err := dbus.ConnectSessionBus()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, path := range []dbus.ObjectPath{login, byDefault} {
		if err := conn.Export(silent{}, path, "org.freedesktop.DBus.Properties"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.RequestName(busName, dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := Get("office", "secret"); !errors.Is(err, ErrNone) || !strings.Contains(err.Error(), "doesn't answer") {
		t.Error(err)
	}
	if took := time.Since(began); took > 10*answerLimit {
		t.Errorf("took %v", took)
	}
}

// silent never answers.
type silent struct{}

func (silent) Get(_, _ string) (dbus.Variant, *dbus.Error) { select {} }

func TestNoSessionBus(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "autolaunch:")
	if err := Available(); !errors.Is(err, ErrNone) || !strings.Contains(err.Error(), "no session bus") {
		t.Error(err)
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
	if err := Available(); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
}
