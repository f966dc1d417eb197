package gui

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"

	"postern/client/localapi"
)

// demo is a daemon of our own, with a gateway in it to try everything with. It needs no
// privileges, and ends with the window.
type demo struct {
	process *exec.Cmd
	folder  string // of its socket
	heard   func() // it said something
	ended   chan struct{}

	mu   sync.Mutex
	last []string // lines of what it says
}

// demoLines is how much is shown of what the demonstration says.
const demoLines = 8

// Write takes what the daemon says: what to type, and a token's codes.
func (d *demo) Write(b []byte) (int, error) {
	d.mu.Lock()
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimRight(line, "\n"); line != "" && !strings.HasPrefix(line, "time=") && !strings.HasPrefix(line, "Serving on ") {
			d.last = append(d.last, line)
		}
	}
	d.last = d.last[max(len(d.last)-demoLines, 0):]
	d.mu.Unlock()
	d.heard()
	return len(b), nil
}

// says is the last of what it said.
func (d *demo) says() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.last, "\n")
}

// demoPatience is how long a daemon may take to answer for the first time.
const demoPatience = 20 * time.Second

// startDemo starts the demonstration and turns to it.
func (u *UI) startDemo() {
	if u.demo != nil {
		return
	}
	u.notice.demo.Disable()
	heard := func() {
		fyne.Do(func() {
			if u.ctx.Err() == nil {
				u.notice.tellDemo()
			}
		})
	}
	go func() {
		d, err := newDemo(heard)
		if err == nil {
			err = d.wait()
		}
		fyne.Do(func() {
			u.notice.demo.Enable()
			if err != nil {
				d.end()
				u.complain(err)
				return
			}
			u.demo = d
			u.reach(localapi.New(d.socket()))
		})
	}()
}

// newDemo starts postern daemon --user --demo.
func newDemo(heard func()) (*demo, error) {
	program, err := command()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "postern-demo-") // of mode 0700
	if err != nil {
		return nil, err
	}
	d := &demo{folder: folder, heard: heard, ended: make(chan struct{})}
	d.process = exec.Command(program, "daemon", "--user", "--demo", "--socket", d.socket())
	d.process.Stdout, d.process.Stderr = d, d
	endWithUs(d.process)
	if err := d.process.Start(); err != nil {
		os.RemoveAll(folder)
		return nil, err
	}
	go func() {
		_ = d.process.Wait() // it has said why
		close(d.ended)
	}()
	return d, nil
}

// command is the command line's program: beside our own, or where programs are.
func command() (string, error) {
	name := "postern"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	if own, err := os.Executable(); err == nil {
		if path := filepath.Join(filepath.Dir(own), name); exec.Command(path).Err == nil {
			if _, err := os.Stat(path); err == nil {
				return path, nil
			}
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", errors.New(lang.L("The program postern isn't installed beside this window, nor in PATH."))
	}
	return path, nil
}

func (d *demo) socket() string { return filepath.Join(d.folder, "postern.sock") }

// wait waits until the daemon can be reached.
func (d *demo) wait() error {
	for end := time.Now().Add(demoPatience); time.Now().Before(end); {
		if _, err := os.Stat(d.socket()); err == nil {
			return nil
		}
		select {
		case <-d.ended:
			return errors.New(lang.L("The demonstration ended at once.") + " " + d.says())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return errors.New(lang.L("The demonstration didn't start in time."))
}

// hint is what it says of a profile: what to type.
func (d *demo) hint(name string) string {
	if d == nil {
		return ""
	}
	var lines []string
	for line := range strings.Lines(d.says()) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, name+": ") {
			lines = append(lines, strings.TrimPrefix(line, name+": "))
		}
	}
	return strings.Join(lines, "\n")
}

// end ends the daemon, if there is one.
func (d *demo) end() {
	if d == nil {
		return
	}
	_ = d.process.Process.Signal(os.Interrupt)
	select {
	case <-d.ended:
	case <-time.After(3 * time.Second):
		_ = d.process.Process.Kill()
		<-d.ended
	}
	os.RemoveAll(d.folder)
}
