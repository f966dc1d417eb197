//go:build unix

package main

import (
	"fmt"
	"os"
	"syscall"

	"postern/client"
)

var (
	endSignals   = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}
	otherSignals = []os.Signal{syscall.SIGUSR1, syscall.SIGUSR2}
)

// userSignal prints statistics at USR1 and reconnects at USR2.
func userSignal(c *client.Client, s os.Signal) {
	if s == syscall.SIGUSR2 {
		c.Reconnect()
		return
	}
	fmt.Fprint(os.Stderr, statistics(c.Status()))
}
