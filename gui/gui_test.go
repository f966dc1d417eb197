package gui

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"

	"postern/client/localapi"
	"postern/client/secret"
)

// patience is for what is bound to happen, on however busy a machine.
const patience = 2 * time.Minute

// program is the command line's program, for the tests of the window with a daemon.
var program string

func TestMain(m *testing.M) {
	secret.MockInit()
	folder, err := os.MkdirTemp("", "postern-gui-test-")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(folder, "postern")
	if out, err := exec.Command("go", "build", "-o", program, "postern/cmd/postern").CombinedOutput(); err != nil {
		panic(string(out))
	}
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

// screen is a window over a real daemon with its demonstration's gateways.
type screen struct {
	*testing.T
	ui     *UI
	window fyne.Window
	said   *buffer // by the daemon
	socket string
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// person gives the test a home of its own.
func home(t *testing.T) (profiles string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("XDG_RUNTIME_DIR", dir)
	profiles = filepath.Join(dir, ".config", "postern", "profiles")
	if err := os.MkdirAll(profiles, 0o700); err != nil {
		t.Fatal(err)
	}
	return profiles
}

// open opens the window; daemon: with a daemon behind it.
func open(t *testing.T, daemon bool) *screen {
	t.Helper()
	s := &screen{T: t, said: &buffer{}, socket: filepath.Join(t.TempDir(), "s")}
	if daemon {
		s.daemon()
	}
	a := newApp(t)
	s.do(func() {
		s.ui = New(a, localapi.New(s.socket))
		s.window = test.NewWindow(s.ui.Content())
		s.window.Resize(fyne.NewSize(860, 640))
		s.ui.Attach(s.window)
		s.ui.Start()
	})
	t.Cleanup(func() { s.do(s.ui.Close) })
	return s
}

// daemon starts postern daemon --user --demo and ends it with the test.
func (s *screen) daemon() (end func()) {
	s.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := exec.CommandContext(ctx, program, "daemon", "--user", "--demo", "--socket", s.socket)
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 10 * time.Second
	c.Stdout, c.Stderr = s.said, s.said
	if err := c.Start(); err != nil {
		s.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = c.Wait() }()
	end = sync.OnceFunc(func() { cancel(); <-ended })
	s.Cleanup(end)
	s.until("the daemon", func() bool { _, err := os.Stat(s.socket); return err == nil })
	return end
}

// until waits for something that Fyne's goroutine knows.
func (s *screen) until(what string, is func() bool) {
	s.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		var ok bool
		fyne.DoAndWait(func() { ok = is() })
		if ok {
			return
		}
		if time.Now().After(end) {
			s.Fatalf("in %v there was no %s; the daemon said:\n%s", patience, what, s.said)
		}
	}
}

// do runs on Fyne's goroutine.
func (s *screen) do(f func()) { fyne.DoAndWait(f) }

// choose selects a profile by its name.
func (s *screen) choose(name string) {
	s.Helper()
	s.until("profile "+name, func() bool {
		for _, e := range s.ui.entries {
			if e.name == name {
				s.ui.choose(e.key)
				return true
			}
		}
		return false
	})
}

// state is the selected connection's.
func (s *screen) is(state localapi.State) {
	s.Helper()
	s.until("state "+string(state), func() bool { e := s.ui.entry(); return e != nil && e.state() == state })
}

// asked waits for a question, and gives its answers.
func (s *screen) answer(prompt string, answers ...string) {
	s.Helper()
	s.until("question about "+prompt, func() bool {
		q := s.ui.question
		if q == nil || len(q.fields) == 0 || q.fields[0].Name != prompt {
			return false
		}
		i := 0
		for _, f := range q.fields {
			for _, e := range []*textEntry{f.entry, f.again} {
				if e != nil {
					e.SetText(answers[min(i, len(answers)-1)])
				}
			}
			i++
		}
		q.submit()
		return true
	})
}

func TestConnect(t *testing.T) {
	home(t)
	s := open(t, true)
	s.choose("demo")
	s.do(s.ui.connection.press)
	s.is(localapi.Up)
	s.do(func() {
		c := s.ui.connection
		if c.button.Text != "Disconnect" || !c.up.Visible() || c.phases.box.Visible() {
			t.Errorf("button %q, facts %v, phases %v", c.button.Text, c.up.Visible(), c.phases.box.Visible())
		}
		for name, want := range map[string]string{"address": "10.20.0.", "networks": "10.20.0.0/24", "cipher": "AES with 256 bits"} {
			if got := c.facts.values[name].Text; !strings.Contains(got, want) {
				t.Errorf("%s is %q, want %q in it", name, got, want)
			}
		}
		if !c.proxy.box.Visible() || !strings.Contains(c.proxy.text.Text, c.proxy.proxy) || c.proxy.proxy == "" {
			t.Errorf("the proxy is told as %q", c.proxy.text.Text)
		}
		if s.window.Canvas().Overlays().Top() == nil {
			t.Error("the banner isn't shown")
		}
		if !strings.Contains(s.window.Title(), "Connected") {
			t.Errorf("the title is %q", s.window.Title())
		}
		c.press()
	})
	s.is(localapi.Down)
}

func TestLogin(t *testing.T) {
	home(t)
	s := open(t, true)
	s.choose("demo-password")
	s.do(s.ui.connection.press)
	s.answer("password", "wrong")
	s.is(localapi.Failed)
	s.do(func() {
		f := s.ui.connection.failure
		if !f.box.Visible() || !strings.Contains(f.message.Text, "refused") {
			t.Errorf("the failure is told as %q", f.message.Text)
		}
		s.ui.connection.press()
	})
	s.answer("password", "postern")
	s.is(localapi.Up)
}

func TestCancelAPrompt(t *testing.T) {
	home(t)
	s := open(t, true)
	s.choose("demo-password")
	s.do(s.ui.connection.press)
	s.until("question", func() bool { return s.ui.question != nil })
	s.do(func() { s.ui.question.fields[0].entry.TypedKey(&fyne.KeyEvent{Name: fyne.KeyEscape}) })
	s.is(localapi.Down)
	s.do(func() {
		if s.ui.connection.failure.box.Visible() {
			t.Error("a person's own no is told as a failure")
		}
	})
}

// tokencodes are those that the demonstration tells for a profile.
func (s *screen) tokencodes(name string) (codes []string) {
	s.Helper()
	s.until("tokencodes", func() bool {
		for line := range strings.Lines(s.said.String()) {
			if rest, ok := strings.CutPrefix(strings.TrimSpace(line), name+": the token shows, one after the other: "); ok {
				codes = strings.Fields(rest)
			}
		}
		return len(codes) > 3
	})
	return codes
}

func TestSecurID(t *testing.T) {
	home(t)
	s := open(t, true)
	s.choose("demo-securid")
	codes := s.tokencodes("demo-securid")
	s.do(s.ui.connection.press)
	s.answer("passcode", "1234"+codes[0])
	// A new PIN, then the next tokencode, in the order that the server likes.
	used := 1
	for n := 1; ; n++ {
		var kind string
		s.until("next question", func() bool {
			if e := s.ui.entry(); e != nil && (e.state() == localapi.Up || e.state() == localapi.Failed) {
				kind = string(e.state())
				return true
			}
			q := s.ui.question
			if q == nil {
				return false
			}
			kind = "message"
			if len(q.fields) > 0 {
				kind = q.fields[0].Kind.String()
			}
			return true
		})
		switch {
		case kind == "up":
			return
		case kind == "failed":
			t.Fatalf("%+v", s.ui.entry().tunnel.Reason)
		case kind == "message":
			s.do(s.ui.question.submit)
		case n > 8:
			t.Fatal("asked for ever")
		case kind == "new-pin":
			s.do(func() {
				s.ui.question.fields[0].entry.SetText("4711")
				s.ui.question.fields[0].again.SetText("4712")
				s.ui.question.submit()
			})
			s.do(func() {
				if q := s.ui.question; q == nil || !q.fault.Visible() {
					t.Error("two PINs that differ are taken")
				}
			})
			s.do(func() { s.ui.question.fields[0].again.SetText("4711"); s.ui.question.submit() })
		case kind == "yes-no":
			s.do(func() { s.ui.question.fields[0].yes.SetSelected("Yes"); s.ui.question.submit() })
		default:
			s.do(func() {
				q := s.ui.question
				typed := "4711" // the new PIN again
				if strings.Contains(q.prompt.Message, "tokencode") {
					typed = codes[used]
					used++
				}
				if strings.Contains(q.prompt.Message, "passcode") {
					typed = "4711" + typed
				}
				q.fields[0].entry.SetText(typed)
				q.submit()
			})
		}
	}
}

// Without a daemon the window says so; when one comes, it shows what that has.
func TestDaemonComesAndGoes(t *testing.T) {
	home(t)
	s := open(t, false)
	s.until("notice", func() bool { return s.ui.notice.box.Visible() })
	s.do(func() {
		if !strings.Contains(s.ui.notice.message.Text, "postern daemon") {
			t.Errorf("the notice is %q", s.ui.notice.message.Text)
		}
	})
	end := s.daemon()
	s.choose("demo")
	s.do(s.ui.connection.press)
	s.is(localapi.Up)
	end()
	s.until("notice", func() bool { return s.ui.notice.box.Visible() && s.ui.offline != nil })
	s.daemon()
	s.until("daemon", func() bool { return !s.ui.notice.box.Visible() })
}
