//go:build unix

package service

import (
	"bufio"
	"context"
	"io"
	"os/exec"
	"syscall"
	"time"
)

// runGroup runs a program in a process group of its own, all of which is killed when ctx
// ends. What it leaves running behind is left alone, and no longer heard.
func runGroup(ctx context.Context, path string, env []string, say func(string)) error {
	cmd := exec.CommandContext(ctx, path)
	cmd.Env, cmd.Dir = env, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			say(lines.Text())
		}
		_, _ = io.Copy(io.Discard, out)
	}()
	err := cmd.Run()
	in.Close()
	<-heard
	if err == exec.ErrWaitDelay {
		return nil // it ended; what it started goes on
	}
	return err
}
