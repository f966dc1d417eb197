//go:build linux

package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A process runs in a node, in a process group of its own. It ends with the test, and with the test program however that
// ends.
type process struct {
	node  *node
	name  string
	cmd   *exec.Cmd
	said  output
	ended chan struct{} // closed when it has ended and its output is complete
}

// An output gathers what a process says.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// command makes a command that enters the node and becomes the program; "@name" is a helper of this test program.
func (n *node) command(ctx context.Context, program ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		n.lab.t.Fatal(err)
	}
	c := exec.CommandContext(ctx, self, append([]string{n.netns, n.run, n.resolver}, program...)...)
	// The race detector would let every helper linger for a second.
	c.Env = append(os.Environ(), helperVariable+"=enter", "GORACE=atexit_sleep_ms=0")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = 10 * time.Second // for what it said last
	return c
}

// try runs a program in the node to its end, for twice the lab's patience at most.
func (n *node) try(program ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	out, err := n.command(ctx, program...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %s: %w\n%s", n.name, strings.Join(program, " "), err, out)
	}
	return string(out), err
}

// must is try, and ends the test on an error.
func (n *node) must(program ...string) string {
	n.lab.t.Helper()
	out, err := n.try(program...)
	if err != nil {
		n.lab.t.Fatal(err)
	}
	return out
}

// start starts a program in the node. When the test fails, what it said is printed.
func (n *node) start(env []string, program ...string) *process {
	t := n.lab.t
	t.Helper()
	p := &process{node: n, name: n.name + ": " + program[0], ended: make(chan struct{})}
	p.cmd = n.command(context.Background(), program...)
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.said, &p.said
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("%s (%v) said:\n%s", p.name, p.cmd.ProcessState, p.said.String())
		}
	})
	return p
}

// stop asks the process to end, kills its group when it doesn't within 30 s, and returns its exit code: -1 when a signal
// ended it.
func (p *process) stop() int {
	p.signal(syscall.SIGTERM)
	if code, err := p.wait(30 * time.Second); err == nil {
		return code
	}
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.ended
	return p.cmd.ProcessState.ExitCode()
}

// signal reaches the process itself, unless it has ended.
func (p *process) signal(s syscall.Signal) {
	select {
	case <-p.ended:
	default:
		p.cmd.Process.Signal(s)
	}
}

// wait returns the exit code of the process when it ends within the limit.
func (p *process) wait(limit time.Duration) (int, error) {
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-time.After(limit):
		return 0, errors.New(p.name + ": runs on after " + limit.String())
	}
}

// running ends the test when the process has ended.
func (p *process) running() {
	p.node.lab.t.Helper()
	select {
	case <-p.ended:
		p.node.lab.t.Fatalf("%s: ended early: %v", p.name, p.cmd.ProcessState)
	default:
	}
}
