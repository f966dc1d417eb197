package service

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"postern/client/localapi"
)

// process is a worker as its Manager sees it.
type process struct {
	cmd  *exec.Cmd
	in   *os.File // our end of what it reads
	to   frames
	done chan struct{} // closed when it has ended, and all it said was heard
	err  error         // how it ended; to be read once done is closed

	mu    sync.Mutex
	polls uint64
	heard map[uint64]chan struct{} // closed when the report of that number has come
}

// Limits of a worker. Chosen here.
const (
	sayTimeout  = 5 * time.Second  // until it reads what it is told
	stopTimeout = 20 * time.Second // until it has put everything back
	pollTimeout = 300 * time.Millisecond
	maxStderr   = 300 // lines of what it says as it dies
)

// startProcess starts a worker. It is left the file lock as long as it lives. hear is
// called for each report, one after the other, and complain for each line that it writes
// to its standard error.
func startProcess(cmd *exec.Cmd, lock *os.File, hear func(report), complain func(string)) (*process, error) {
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	p := &process{cmd: cmd, in: ours, to: frames{w: deadlined{ours}}, done: make(chan struct{}), heard: make(map[uint64]chan struct{})}
	cmd.Stdin = theirs
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	prepare(cmd, lock)
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	go p.listen(out, stderr, hear, complain)
	return p, nil
}

// deadlined is a pipe to a worker, which may have stopped reading.
type deadlined struct{ f *os.File }

func (d deadlined) Write(b []byte) (int, error) {
	_ = d.f.SetWriteDeadline(time.Now().Add(sayTimeout))
	return d.f.Write(b)
}

// listen hears a worker until it has ended.
func (p *process) listen(out, stderr io.Reader, hear func(report), complain func(string)) {
	defer close(p.done)
	var complaints sync.WaitGroup
	complaints.Go(func() {
		lines := bufio.NewScanner(stderr)
		for n := 0; lines.Scan(); n++ {
			if n < maxStderr {
				complain(lines.Text())
			}
		}
		_, _ = io.Copy(io.Discard, stderr) // what was no line
	})
	in := bufio.NewReader(out)
	for {
		r, err := readReport(in)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				_ = p.cmd.Process.Kill() // it makes no sense any more
			}
			break
		}
		hear(r)
		if r.Poll != 0 {
			p.wake(r.Poll)
		}
	}
	complaints.Wait()
	p.err = p.cmd.Wait()
	p.in.Close()
}

// poll waits until the worker has reported its present state, for a moment.
func (p *process) poll() {
	p.mu.Lock()
	p.polls++
	n, heard := p.polls, make(chan struct{})
	p.heard[n] = heard
	p.mu.Unlock()
	late := time.NewTimer(pollTimeout)
	defer late.Stop()
	if p.to.command(command{Poll: n}) == nil {
		select {
		case <-heard:
		case <-p.done:
		case <-late.C:
		}
	}
	p.mu.Lock()
	delete(p.heard, n)
	p.mu.Unlock()
}

func (p *process) wake(n uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ch := p.heard[n]; ch != nil {
		close(ch)
		delete(p.heard, n)
	}
}

// wait waits for the worker's end. When ctx ends it is asked to put everything back and
// to end; when it doesn't it is killed.
func (p *process) wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
	}
	if err := p.to.command(command{Stop: true}); err != nil {
		p.in.Close() // which says the same
	}
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	return p.err
}

// clearAll overwrites secrets with zeros.
func clearAll(secrets map[string]localapi.Octets) {
	for _, s := range secrets {
		s.Clear()
	}
}
