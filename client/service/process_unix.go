//go:build unix

package service

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// lockFD is the worker's descriptor of its daemon's lock.
const lockFD = 3

// prepare makes a worker one that a terminal's signals don't reach, and that holds the
// lock.
func prepare(cmd *exec.Cmd, lock *os.File) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if lock != nil {
		cmd.ExtraFiles = []*os.File{lock}
	}
}

// Settle makes this process a worker: the lock that it inherited isn't handed on to
// programs that it starts, and signals are its Manager's to act on.
func Settle() {
	unix.CloseOnExec(lockFD) // fails where there is none
	// Caught and not ignored, which its own programs would inherit. SIGPIPE: when the
	// Manager is gone the network has still to be put back.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGPIPE)
}
