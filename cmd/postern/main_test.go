//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"postern/client"
	"postern/client/concentrator"
)

// TestMain makes the test binary the program itself when it is asked to be, or gets a
// verb: what a tested program starts of itself must never run the tests again.
func TestMain(m *testing.M) {
	verb := len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-")
	if verb || os.Getenv("POSTERN_TEST_AS_PROGRAM") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// program is postern as a process of its own.
type program struct {
	*exec.Cmd
	t     *testing.T
	out   bytes.Buffer
	err   transcript
	lines *bufio.Scanner // of standard output, if it's read as it comes
	limit time.Duration  // patience, but of what computes for long
}

// transcript may be read while it's written.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *transcript) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(b)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// patience is how long a program may take. It costs nothing unless something is wrong.
const patience = 2 * time.Minute

func postern(t *testing.T, args ...string) *program {
	t.Helper()
	p := &program{Cmd: exec.Command(os.Args[0], args...), t: t, limit: patience}
	// The race detector lets each program linger for a second, of which there are hundreds.
	p.Env = append(os.Environ(), "POSTERN_TEST_AS_PROGRAM=1", "GORACE=atexit_sleep_ms=0", "XDG_CONFIG_HOME="+t.TempDir())
	p.Stderr = &p.err
	p.SysProcAttr = ownSession()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%v said:\n%s%s", args, p.out.String(), p.err.String())
		}
	})
	return p
}

// finish runs the program to its end.
func (p *program) finish() (exit int) {
	p.t.Helper()
	p.Stdout = &p.out
	if err := p.Start(); err != nil {
		p.t.Fatal(err)
	}
	return p.wait()
}

func (p *program) wait() (exit int) {
	p.t.Helper()
	kill := time.AfterFunc(p.limit, func() { _ = p.Process.Kill() })
	defer kill.Stop()
	_ = p.Wait()
	return p.ProcessState.ExitCode()
}

// watch starts the program, whose standard output is then read status by status.
func (p *program) watch() {
	p.t.Helper()
	pipe, err := p.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		p.t.Fatal(err)
	}
	kill := time.AfterFunc(p.limit, func() { _ = p.Process.Kill() })
	p.t.Cleanup(func() {
		kill.Stop()
		_ = p.Process.Kill()
	})
	p.lines = bufio.NewScanner(pipe)
	p.lines.Buffer(nil, 1<<20)
}

// until reads statuses until one has the state.
func (p *program) until(want client.State) client.Status {
	p.t.Helper()
	for p.lines.Scan() {
		var st client.Status
		if err := json.Unmarshal(p.lines.Bytes(), &st); err != nil {
			p.t.Fatalf("%s: %v", p.lines.Text(), err)
		}
		if st.Schema != 1 {
			p.t.Errorf("schema %d", st.Schema)
		}
		if st.State == want {
			return st
		}
	}
	p.t.Fatalf("ended before %s", want)
	return client.Status{}
}

// gateway is an embedded concentrator for processes to connect to.
func gateway(t *testing.T) netip.AddrPort { return gatewayWith(t, "") }

// gatewayWith has these lines for its group.
func gatewayWith(t *testing.T, group string) netip.AddrPort {
	t.Helper()
	cfg, err := concentrator.ParseConfig(fmt.Appendf(nil, demoConfig, "the group's key", group, "the password"), "test.conf")
	if err != nil {
		t.Fatal(err)
	}
	g, err := concentrator.New(cfg, concentrator.Options{Port: netip.MustParseAddrPort("127.0.0.1:0"), Netstack: true})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- g.Serve(context.Background()) }()
	t.Cleanup(func() {
		g.Close()
		<-ended
	})
	return g.Addr()
}

// profileFile writes a profile that only we can read.
func profileFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "office.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const withoutSecrets = `
gateway = "%v"
identity = "staff"
user = "alice"
ike = ["aes256-sha256-modp2048"]
`

func withSecrets(t *testing.T) string {
	return profileFile(t, fmt.Sprintf(withoutSecrets+`
secret = "the group's key"
password = "the password"
`, gateway(t)))
}

func TestDemo(t *testing.T) {
	for _, mode := range []string{"main", "aggressive"} {
		t.Run(mode, func(t *testing.T) {
			p := postern(t, "demo", "--mode", mode)
			if exit := p.finish(); exit != 0 {
				t.Fatalf("exit code %d", exit)
			}
			for _, want := range []string{"connected", mode + " mode, aes256-sha256-modp2048", "Fetched http://10.20.0.1/ through the tunnel: 200", "You are behind the gateway", "Moved: "} {
				if !strings.Contains(p.out.String(), want) {
					t.Errorf("doesn't say %q", want)
				}
			}
		})
	}
	t.Run("json", func(t *testing.T) {
		p := postern(t, "demo", "--json")
		if exit := p.finish(); exit != 0 {
			t.Fatalf("exit code %d", exit)
		}
		var result demoResult
		if err := json.Unmarshal(p.out.Bytes(), &result); err != nil {
			t.Fatal(err)
		}
		if result.Page.Code != 200 || result.Page.Octets == 0 || result.Status.State != client.Up || result.Status.Traffic.In.Octets == 0 {
			t.Errorf("%+v", result)
		}
	})
	t.Run("keep", func(t *testing.T) {
		p := postern(t, "demo", "--keep")
		p.watch()
		for p.lines.Scan() && !strings.Contains(p.lines.Text(), "Ctrl-C ends it") {
		}
		if err := p.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if exit := p.wait(); exit != 0 {
			t.Errorf("exit code %d", exit)
		}
	})
}

func TestRunUntilASignal(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			p := postern(t, "run", withSecrets(t), "--rootless", "--socks", "127.0.0.1:0", "--json", "--no-prompt")
			p.watch()
			up := p.until(client.Up)
			if up.Tunnel.Proxy == "" || up.Tunnel.Interface != "" {
				t.Errorf("tunnel %+v", up.Tunnel)
			}
			if err := p.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			p.until(client.Down)
			if exit := p.wait(); exit != 0 {
				t.Errorf("exit code %d", exit)
			}
		})
	}
}

func TestSignalsOfARunningConnection(t *testing.T) {
	p := postern(t, "run", withSecrets(t), "--rootless", "--socks", "127.0.0.1:0", "--json")
	p.watch()
	first := p.until(client.Up)
	if err := p.Process.Signal(syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	for second := first; !second.Tunnel.Since.After(first.Tunnel.Since); {
		second = p.until(client.Up) // without a new connection this ends when the program is killed
	}
	if err := p.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); !strings.Contains(p.err.String(), "octets out"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("USR1 printed no statistics")
		}
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.until(client.Down)
	if exit := p.wait(); exit != 0 {
		t.Errorf("exit code %d", exit)
	}
}

// silentGateway takes datagrams and answers none.
func silentGateway(t *testing.T) net.Addr {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.LocalAddr()
}

func TestRunInterruptedBeforeItIsUp(t *testing.T) {
	for sig, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		path := profileFile(t, fmt.Sprintf(withoutSecrets+"secret = \"a key\"\npassword = \"x\"\n", silentGateway(t)))
		p := postern(t, "run", path, "--rootless", "--json")
		p.watch()
		p.until(client.Connecting)
		if err := p.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if exit := p.wait(); exit != want {
			t.Errorf("%v: exit code %d, want %d", sig, exit, want)
		}
	}
}

func TestSecretsComeFromElsewhere(t *testing.T) {
	bare := func(t *testing.T) string { return profileFile(t, fmt.Sprintf(withoutSecrets, gateway(t))) }
	t.Run("descriptor", func(t *testing.T) {
		p := postern(t, "run", bare(t), "--rootless", "--socks", "127.0.0.1:0", "--json", "--no-prompt", "--secrets-fd", "3")
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		p.ExtraFiles = []*os.File{r}
		fmt.Fprint(w, "secret=the group's key\npassword=the password\n")
		w.Close()
		upAndDown(p)
	})
	t.Run("credentials directory", func(t *testing.T) {
		dir := t.TempDir()
		for name, text := range map[string]string{"office.secret": "the group's key", "office.password": "the password"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		p := postern(t, "run", bare(t), "--rootless", "--socks", "127.0.0.1:0", "--json", "--no-prompt")
		p.Env = append(p.Env, "CREDENTIALS_DIRECTORY="+dir)
		upAndDown(p)
	})
}

func upAndDown(p *program) {
	p.t.Helper()
	p.watch()
	endWhenUp(p)
}

func endWhenUp(p *program) {
	p.t.Helper()
	p.until(client.Up)
	_ = p.Process.Signal(syscall.SIGTERM)
	p.until(client.Down)
	if exit := p.wait(); exit != 0 {
		p.t.Errorf("exit code %d", exit)
	}
}

// A service manager hears when traffic can flow, and when it ends.
func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	p := postern(t, "run", withSecrets(t), "--rootless", "--socks", "127.0.0.1:0", "--json")
	p.Env = append(p.Env, "NOTIFY_SOCKET="+path)
	all := make(chan string, 1)
	go func() { // while the program runs, for a socket holds but a few datagrams
		var heard strings.Builder
		buffer := make([]byte, 4096)
		for !strings.Contains(heard.String(), "STOPPING=1") {
			n, err := socket.Read(buffer)
			if err != nil {
				break
			}
			heard.Write(buffer[:n])
			heard.WriteByte('\n')
		}
		all <- heard.String()
	}()
	upAndDown(p)
	_ = socket.SetReadDeadline(time.Now().Add(20 * time.Second))
	heard := <-all
	ready, stopping := strings.Index(heard, "READY=1"), strings.Index(heard, "STOPPING=1")
	if ready < 0 || stopping < ready || !strings.Contains(heard, "STATUS=connecting") {
		t.Errorf("heard %q", heard)
	}
}

func TestExitCodes(t *testing.T) {
	open := filepath.Join(t.TempDir(), "open.toml")
	if err := os.WriteFile(open, []byte("gateway = \"192.0.2.1\"\nsecret = \"x\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		want int
		says string
	}{
		{"no such profile", []string{"run", "nowhere"}, 10, "no such profile"},
		{"no such file", []string{"run", "./nowhere.toml"}, 10, "no such profile"},
		{"two profiles", []string{"run", "a", "b"}, 7, "one profile"},
		{"unknown verb", []string{"frobnicate"}, 7, "unknown command"},
		{"unknown flag", []string{"run", "--frob"}, 7, "unknown flag"},
		{"a secret that others can read", []string{"run", open}, 7, "chmod 600"},
		{"unknown key", []string{"run", profileFile(t, "gateway = \"192.0.2.1\"\nmoed = \"main\"\n")}, 7, "mode"},
		{"a proxy without --rootless", []string{"run", profileFile(t, "gateway = \"192.0.2.1\"\n"), "--socks", ":1"}, 7, "--rootless"},
		{"a wrong demo", []string{"demo", "--mode", "quick"}, 7, "main or aggressive"},
		{"nobody to ask", []string{"run", profileFile(t, "gateway = \"192.0.2.1\"\n"), "--rootless", "--no-prompt"}, 6, "nobody may be asked"},
		{"no terminal to ask on", []string{"run", profileFile(t, "gateway = \"192.0.2.1\"\n"), "--rootless"}, 6, "nobody may be asked"},
		{"version", []string{"version"}, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := postern(t, c.args...)
			if exit := p.finish(); exit != c.want {
				t.Errorf("exit code %d, want %d", exit, c.want)
			}
			if !strings.Contains(p.err.String(), c.says) {
				t.Errorf("says %q, not %q", p.err.String(), c.says)
			}
		})
	}
}
