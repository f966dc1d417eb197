package gui

import (
	"os/exec"
	"syscall"
)

// endWithUs lets the kernel end a process when ours is gone (prctl(2),
// PR_SET_PDEATHSIG).
func endWithUs(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }
