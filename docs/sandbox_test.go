package docs

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// program is the command, built once for all tests.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "postern-docs-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "postern.exe") // Windows wants the suffix, and others don't mind
	c := exec.Command("go", "build", "-o", path, "postern/cmd/postern")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	c.Stderr = os.Stderr
	return path, c.Run()
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := program(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// sandbox is a person's home with a service of their own, whose gateways are embedded, and a working folder with the files
// that pages speak of.
type sandbox struct {
	postern string   // the program
	home    string   //
	work    string   // the working folder
	env     []string //
	gateway string   // an embedded gateway's address and port
}

// newSandbox makes the home and starts the service, which ends with the test.
func newSandbox(t *testing.T) *sandbox {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	home, err := os.MkdirTemp("", "docs") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	s := &sandbox{postern: path, home: home, work: filepath.Join(home, "work")}
	for _, dir := range []string{"work", "run"} {
		if err := os.Mkdir(filepath.Join(home, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range os.Environ() {
		// No keyring, no settings of whoever runs the test.
		if name, _, _ := strings.Cut(v, "="); !strings.HasPrefix(name, "XDG_") && !strings.HasPrefix(name, "DBUS_") && !strings.HasPrefix(name, "POSTERN_") && name != "HOME" {
			s.env = append(s.env, v)
		}
	}
	s.env = append(s.env, "HOME="+home, "XDG_RUNTIME_DIR="+filepath.Join(home, "run"), "XDG_CONFIG_HOME="+filepath.Join(home, "config"),
		"XDG_STATE_HOME="+filepath.Join(home, "state"), "EDITOR=true", "VISUAL=true", "TERM=dumb")
	s.serve(t)
	return s
}

// serve starts the service and learns where its gateway is.
func (s *sandbox) serve(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	c := exec.CommandContext(ctx, s.postern, "daemon", "--user", "--demo")
	c.Dir, c.Env = s.work, s.env
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 30 * time.Second
	var log bytes.Buffer
	c.Stderr = &log
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan bool, 1)
	done := make(chan error, 1)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "Serving on ") {
				ready <- true
			}
		}
		done <- c.Wait()
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	select {
	case <-ready:
	case err := <-done:
		done <- err
		t.Fatalf("the service ended: %v\n%s", err, log.Bytes())
	case <-time.After(2 * time.Minute):
		t.Fatalf("the service isn't ready after two minutes")
	}
	var listed struct {
		Profiles []struct{ Name, Gateway string }
	}
	text := s.output(t, "list", "--json")
	if err := json.Unmarshal(text, &listed); err != nil {
		t.Fatalf("list --json: %v\n%s", err, text)
	}
	for _, p := range listed.Profiles {
		if p.Name == "demo" {
			s.gateway = p.Gateway
		}
	}
	if s.gateway == "" {
		t.Fatalf("list --json has no gateway of the profile demo\n%s", text)
	}
}

// office is a profile for pages that show none.
const office = "name = \"office\"\ngateway = \"vpn.office.example\"\nsecret = \"a key of nobody's\"\n"

// open makes the sandbox ready for a page: the connection demo is up, the working folder has the sample files, the only profile
// is office, and both it and office.toml are the first one that the page shows.
func (s *sandbox) open(t *testing.T, page string) {
	t.Helper()
	s.output(t, "up", "demo", "--no-prompt") // as it is when somebody asks for a status
	if err := os.RemoveAll(s.work); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(s.work, os.DirFS(filepath.Join("examples", "imports"))); err != nil {
		t.Fatal(err)
	}
	profile := office
	if all := profiles(page); len(all) > 0 {
		profile = all[0]
	}
	s.empty(t)
	for _, path := range []string{filepath.Join(s.work, "office.toml"), filepath.Join(s.folder(), "office.toml")} {
		if err := os.WriteFile(path, []byte(s.here(t, profile)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// folder is where profiles are.
func (s *sandbox) folder() string { return filepath.Join(s.home, "config", "postern", "profiles") }

// empty leaves no profile.
func (s *sandbox) empty(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(s.folder()); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(s.folder(), 0o700); err != nil {
		t.Fatal(err)
	}
}

// start calls the program.
func (s *sandbox) start(t *testing.T, words ...string) (stdout, stderr []byte, err error) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	c := exec.CommandContext(ctx, s.postern, words...)
	c.Dir, c.Env = s.work, s.env
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err = c.Run()
	return out.Bytes(), errs.Bytes(), err
}

func (s *sandbox) output(t *testing.T, words ...string) []byte {
	t.Helper()
	out, errs, err := s.start(t, words...)
	if err != nil {
		t.Fatalf("postern %s: %v\n%s", strings.Join(words, " "), err, errs)
	}
	return out
}

// parse has the program itself read a command's words: with --help among them it reads the others first, and refuses a
// flag that it doesn't have, or a value that isn't one.
func (s *sandbox) parse(t *testing.T, c shown) {
	t.Helper()
	words := c.words
	if words[0] == "help" || strings.HasPrefix(words[0], "-") {
		return
	}
	verb := words[:1:1]
	if len(words) > 1 && (words[0] == "secret" || words[0] == "profile") {
		verb = words[:2:2]
	}
	all := append(append(verb, "--help"), words[len(verb):]...)
	out, errs, err := s.start(t, all...)
	if !c.whole && bytes.Contains(errs, []byte("flag needs an argument")) {
		return // one is mentioned, without
	}
	if err != nil {
		t.Errorf("postern %s: %v\n%s", strings.Join(words, " "), err, errs)
	}
	for _, line := range strings.Split(string(out), "\n") {
		if use, found := strings.CutPrefix(line, "  postern "+strings.Join(verb, " ")); found && (use == "" || use[0] == ' ') {
			return
		}
	}
	if !bytes.Contains(out, []byte(", "+words[0]+"\n")) { // an alias
		t.Errorf("postern %s: there is no verb %s", strings.Join(words, " "), strings.Join(verb, " "))
	}
}

// run runs a command that a page shows, in the words that fit here. It has to succeed.
func (s *sandbox) run(t *testing.T, page, words []string) {
	t.Helper()
	if words[0] == "import" {
		s.empty(t)
	}
	if _, errs, err := s.start(t, words...); err != nil {
		t.Errorf("postern %s, run as postern %s: %v\n%s", strings.Join(page, " "), strings.Join(words, " "), err, errs)
	}
}
