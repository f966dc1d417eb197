//go:build !unix

package service

import (
	"os"
	"os/exec"
	"os/signal"
)

func prepare(*exec.Cmd, *os.File) {}

// Settle makes this process a worker: signals are its Manager's to act on.
func Settle() { signal.Notify(make(chan os.Signal, 1), os.Interrupt) }
