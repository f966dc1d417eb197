//go:build unix

package main

import "syscall"

// ownSession takes the process off our terminal, so that it can't ask there.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
