//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A process runs in an end of a lab, in a process group of its own. It ends with the lab, and with this program however
// that ends.
type process struct {
	name  string
	cmd   *exec.Cmd
	said  output // on standard output
	erred output // on standard error
	ended chan struct{}
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

// start starts a program in the namespace, with /run of its own. sh and ip become the program, so that its number is the
// process's.
func (e *end) start(env []string, program ...string) (*process, error) {
	args := []string{"netns", "exec", e.netns, "sh", "-c", `mount --bind "$0" /run && exec "$@"`, e.run}
	c := exec.CommandContext(e.lab.ctx, "ip", append(args, program...)...)
	c.Env = append(os.Environ(), env...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = 5 * time.Second
	p := &process{name: filepath.Base(program[0]), cmd: c, ended: make(chan struct{})}
	c.Stdout, c.Stderr = &p.said, &p.erred
	if err := c.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		_ = c.Wait()
	}()
	e.processes = append(e.processes, p)
	return p, nil
}

// startReady starts a program and waits until a condition holds, or the program has ended.
func (e *end) startReady(env []string, ready func(p *process) bool, program ...string) (*process, error) {
	p, err := e.start(env, program...)
	if err != nil {
		return nil, err
	}
	err = e.lab.eventually(p.name+" being ready", func() bool { return p.hasEnded() || ready(p) })
	if err == nil && p.hasEnded() && !ready(p) {
		err = errors.New("ended early")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", p.name, err, p.lastWords())
	}
	return p, nil
}

// output runs a program in the namespace to its end, for limit at most, and returns what it said.
func (e *end) output(limit time.Duration, program ...string) (string, error) {
	p, err := e.start(nil, program...)
	if err != nil {
		return "", err
	}
	if err := p.wait(limit); err != nil {
		p.stop()
		return "", err
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		return "", fmt.Errorf("%s: exit code %d: %s", p.name, code, p.lastWords())
	}
	return p.said.String(), nil
}

// says reports whether the process has said that.
func says(text string) func(*process) bool {
	return func(p *process) bool { return strings.Contains(p.said.String()+p.erred.String(), text) }
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// lastWords are the last 400 octets or so of what it said.
func (p *process) lastWords() string {
	all := strings.TrimSpace(p.erred.String() + "\n" + p.said.String())
	return all[max(0, len(all)-400):]
}

func (p *process) wait(limit time.Duration) error {
	select {
	case <-p.ended:
		return nil
	case <-time.After(limit):
		return fmt.Errorf("%s: runs on after %v", p.name, limit)
	}
}

// signal reaches the process itself, unless it has ended.
func (p *process) signal(s syscall.Signal) {
	if !p.hasEnded() {
		_ = p.cmd.Process.Signal(s)
	}
}

// stop asks the process to end, and kills its group when it doesn't within seconds.
func (p *process) stop() {
	p.signal(syscall.SIGTERM)
	if p.wait(5*time.Second) != nil {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.ended
	}
}

// cpu is what the process and its descendants have used so far, in seconds, user and system: utime, stime, cutime and
// cstime of proc(5), which count all threads. The kernel's clock ticks for user space are 1/100 s.
func (p *process) cpu() float64 {
	if p == nil {
		return 0
	}
	return treeTicks(readStats(), p.cmd.Process.Pid) / 100
}

// A stat is what is read of /proc/PID/stat.
type stat struct {
	parent int
	ticks  float64
}

// parseStat reads a line of /proc/PID/stat. The name in brackets may hold anything, so fields are counted from its end.
func parseStat(line string) (s stat, ok bool) {
	f := strings.Fields(line[strings.LastIndexByte(line, ')')+1:])
	if len(f) < 15 {
		return s, false
	}
	s.parent, _ = strconv.Atoi(f[1])
	for _, field := range f[11:15] {
		n, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return s, false
		}
		s.ticks += n
	}
	return s, true
}

func readStats() map[int]stat {
	all := map[int]stat{}
	found, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range found {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		line, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		if s, ok := parseStat(string(line)); ok {
			all[pid] = s
		}
	}
	return all
}

// treeTicks adds up a process and its descendants that live.
func treeTicks(all map[int]stat, pid int) float64 {
	sum := all[pid].ticks
	for child, s := range all {
		if s.parent == pid {
			sum += treeTicks(all, child)
		}
	}
	return sum
}

// rss is what is in memory now, in KiB.
func (p *process) rss() int {
	if p == nil {
		return 0
	}
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			n, _ := strconv.Atoi(f[1])
			return n
		}
	}
	return 0
}

// sleep waits, unless the context ends before.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
