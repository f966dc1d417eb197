package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"postern/client"
)

// atTerminal starts the program on a terminal of its own; what the person has of it is
// returned.
func (h *human) atTerminal(args ...string) (*program, *os.File) {
	h.t.Helper()
	person, theirs := openPTY(h.t)
	p := h.postern(args...)
	p.Stdin, p.Stdout, p.Stderr = theirs, theirs, theirs
	p.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := p.Start(); err != nil {
		h.t.Fatal(err)
	}
	theirs.Close()
	return p, person
}

func (p *program) ends(exit int, person *os.File) {
	p.t.Helper()
	rest := make(chan string, 1)
	go func() {
		var said strings.Builder
		lines := bufio.NewScanner(person)
		for lines.Scan() {
			said.WriteString(lines.Text() + "\n")
		}
		rest <- said.String()
	}()
	if got := p.wait(); got != exit {
		p.t.Errorf("%v: exit code %d, want %d", p.Args[1:], got, exit)
	}
	select {
	case said := <-rest:
		p.t.Log(said)
	case <-time.After(patience):
		p.t.Error("the terminal stays open")
	}
}

func TestUpAsks(t *testing.T) {
	t.Parallel()
	h := newPerson(t)
	h.runsService()
	h.office("secret = \"the group's key\"\n")
	p, person := h.atTerminal("up", "office", "--socks", "127.0.0.1:0", "--color", "never")
	readUntil(t, person, "Password: ")
	fmt.Fprint(person, "\x03")
	p.ends(130, person)
	if got := h.tunnels(); len(got) != 0 {
		t.Errorf("Ctrl-C leaves %v", got)
	}

	p, person = h.atTerminal("up", "office", "--socks", "127.0.0.1:0", "--color", "never")
	readUntil(t, person, "Password: ")
	fmt.Fprint(person, "the password\r")
	readUntil(t, person, "To disconnect: postern down office\r\n")
	p.ends(0, person)
}

// A service that ends while a question is open leaves the terminal as it was.
func TestServiceEndsMeanwhile(t *testing.T) {
	t.Parallel()
	h := newPerson(t)
	service := h.runsService()
	h.office("secret = \"the group's key\"\n")
	p, person := h.atTerminal("up", "office", "--socks", "127.0.0.1:0")
	readUntil(t, person, "Password: ")
	theirs, err := os.OpenFile(terminalName(t, person), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	if err := service.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	readUntil(t, person, "postern daemon --user\r\n")
	if exit := p.wait(); exit != 9 {
		t.Errorf("exit code %d", exit)
	}
	if !echoes(t, theirs) {
		t.Error("the terminal doesn't echo any more")
	}
}

// terminalName is the program's end of a pseudo terminal.
func terminalName(t *testing.T, person *os.File) string {
	t.Helper()
	conn, err := person.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var number uint32
	if e := conn.Control(func(fd uintptr) { number, err = unix.IoctlGetUint32(int(fd), unix.TIOCGPTN) }); e != nil || err != nil {
		t.Fatal(e, err)
	}
	return fmt.Sprintf("/dev/pts/%d", number)
}

func TestEditAgain(t *testing.T) {
	t.Parallel()
	h := newPerson(t)
	h.has("office", "gateway = \"192.0.2.1\"\n")
	// An editor that makes a mistake, and mends it the next time.
	h.env = append(h.env, "EDITOR=sed -i -e s/gateway/gatewya/;t -e s/gatewya.*/gateway=\"192.0.2.2\"/")
	p, person := h.atTerminal("edit", "office")
	readUntil(t, person, "(yes): ")
	fmt.Fprint(person, "\r")
	p.ends(0, person)
	if text := h.content("office.toml"); text != "gateway=\"192.0.2.2\"\n" {
		t.Errorf("%s", text)
	}
	p, person = h.atTerminal("edit", "office")
	readUntil(t, person, "(yes): ")
	fmt.Fprint(person, "n\r")
	p.ends(7, person)
}

// withKeyring gives the person a session bus and a keyring that is unlocked.
func (h *human) withKeyring() {
	h.t.Helper()
	for _, name := range []string{"dbus-daemon", "gnome-keyring-daemon"} {
		if _, err := exec.LookPath(name); err != nil {
			h.t.Skip("needs " + name)
		}
	}
	run := func(in string, name string, args ...string) *bufio.Reader {
		cmd := exec.Command(name, args...)
		cmd.Env = append(os.Environ(), append(slices.Clone(h.env), "XDG_DATA_HOME="+h.home)...)
		cmd.Stdin = strings.NewReader(in)
		out, err := cmd.StdoutPipe()
		if err != nil {
			h.t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			h.t.Fatal(err)
		}
		h.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		return bufio.NewReader(out)
	}
	config := filepath.Join(h.home, "bus.conf")
	if err := os.WriteFile(config, []byte(`<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`), 0o600); err != nil {
		h.t.Fatal(err)
	}
	address, err := run("", "dbus-daemon", "--config-file="+config, "--nofork", "--print-address").ReadString('\n')
	if err != nil {
		h.t.Fatal(err)
	}
	h.env = append(h.env, "DBUS_SESSION_BUS_ADDRESS="+strings.TrimSpace(address))
	run("a password", "gnome-keyring-daemon", "--foreground", "--components=secrets", "--unlock")
	conn, err := dbus.Connect(strings.TrimSpace(address))
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		var v dbus.Variant
		keyring := conn.Object("org.freedesktop.secrets", "/org/freedesktop/secrets/collection/login")
		if keyring.Call("org.freedesktop.DBus.Properties.Get", 0, "org.freedesktop.Secret.Collection", "Locked").Store(&v) == nil {
			return
		}
		if time.Now().After(end) {
			h.t.Fatal("the keyring doesn't answer")
		}
	}
}

func TestKeyring(t *testing.T) {
	t.Parallel()
	h := newPerson(t)
	h.withKeyring()
	h.runsService()
	h.has("office", fmt.Sprintf(withoutSecrets, gatewayWith(t, "SaveSecrets = on")))
	h.has("other", "gateway = \"192.0.2.1\"\nname = \"head office\"\n")
	h.has("strict", fmt.Sprintf(withoutSecrets, gateway(t))+"secret = \"the group's key\"\n")
	p, person := h.atTerminal("up", "strict", "--socks", "127.0.0.1:0")
	readUntil(t, person, "Password: ")
	fmt.Fprint(person, "the password\r") // which that gateway doesn't let one keep
	p.ends(0, person)
	h.does(0, "down")

	set := h.postern("secret", "set", "office", "secret")
	set.Stdin = strings.NewReader("the group's key\n")
	if exit := set.finish(); exit != 0 {
		t.Errorf("set from standard input: exit code %d", exit)
	}
	p, person = h.atTerminal("up", "office", "--socks", "127.0.0.1:0", "--color", "never")
	readUntil(t, person, "Password: ")
	fmt.Fprint(person, "the password\r")
	readUntil(t, person, "in your keyring [yes/no] (no): ")
	fmt.Fprint(person, "yes\r")
	p.ends(0, person)
	h.does(0, "down")
	h.does(0, "secret", "list").says("office", "secret", "password")
	h.up(0, "office", "--no-prompt")
	h.does(0, "down")
	r := h.postern("run", "office", "--rootless", "--socks", "127.0.0.1:0", "--json", "--no-prompt")
	r.watch()
	r.until(client.Up)
	_ = r.Process.Signal(syscall.SIGTERM)
	r.until(client.Down)
	if exit := r.wait(); exit != 0 {
		t.Errorf("run: exit code %d", exit)
	}

	set = h.postern("secret", "set", "other")
	set.Stdin = strings.NewReader("hunter2")
	if exit := set.finish(); exit != 0 {
		t.Errorf("exit code %d", exit)
	}
	h.does(0, "secret", "list", "other").says("password")
	h.does(0, "export", "other", "--with-secrets").says("hunter2")
	h.does(0, "remove", "other", "-y").says("Forgot the password")

	h.does(0, "secret", "forget", "office", "password").says("Forgot the password")
	h.does(6, "up", "office", "--no-prompt")
	h.does(0, "remove", "office", "-y").says("Forgot the pre-shared key, of your keyring")
	h.does(0, "secret", "list", "office").says("keeps nothing")

	h.does(0, "import", h.file("office.conf", vpncFile)).says("the password and the pre-shared key: in your keyring")
	if text := h.content("office.toml"); strings.Contains(text, "secret") || strings.Contains(text, "password") {
		t.Errorf("%s", text)
	}
	h.does(0, "export", "office", "--with-secrets").says("gr0up's key", "hunter2")
	if files, _ := os.ReadDir(h.profiles()); len(files) != 2 {
		t.Errorf("%v", files)
	}
	typed, person := h.atTerminal("secret", "set", "office")
	readUntil(t, person, "The password of office: ")
	fmt.Fprint(person, "another\r")
	typed.ends(0, person)
	h.does(0, "export", "office", "--with-secrets").says("password = \"another\"")
}
