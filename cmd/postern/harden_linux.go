package main

import "golang.org/x/sys/unix"

// noCoreDumps keeps secrets out of core files: neither the kernel nor a program
// that it pipes cores to gets one, and no other process of the same user may read
// our memory (prctl(2), PR_SET_DUMPABLE).
func noCoreDumps() {
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}
