package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// noCoreDumps keeps secrets out of core files: neither the kernel nor a program
// that it pipes cores to gets one, and no other process of the same user may read
// our memory (prctl(2), PR_SET_DUMPABLE).
func noCoreDumps() {
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}

// lockMemory keeps secrets out of swap: all that this process has in memory and will
// have. It says whether it does. Where the memory that may be locked is bounded it
// doesn't: with a lock on all that is to come, a process over its bound gets no more
// memory at all.
func lockMemory() bool {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit) != nil || limit.Cur != unix.RLIM_INFINITY {
		return false
	}
	// Only what is used: Go reserves far more than it ever touches.
	return unix.Mlockall(unix.MCL_CURRENT|unix.MCL_FUTURE|unix.MCL_ONFAULT) == nil
}

// daemonCapabilities are all that the system's daemon keeps of root's: to change the
// network, to send from port 500, and for ESP without UDP.
const daemonCapabilities = capabilities(1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_BIND_SERVICE | 1<<unix.CAP_NET_RAW)

// capabilities is a set of them, a bit each (capabilities(7)).
type capabilities uint64

// boundVariable marks a process that was started with a bounded set.
const boundVariable = "POSTERN_CAPABILITIES_BOUNDED"

// boundCapabilities leaves this process no more capabilities than keep, in any set and
// on any thread, and no way to get them back. For that it starts itself anew, from a
// thread that has given them up: what the other threads have ends there. It has to be
// called first.
func boundCapabilities(keep capabilities) error {
	again := os.Getenv(boundVariable) != ""
	os.Unsetenv(boundVariable)
	done, err := bounded(keep)
	if done || err != nil {
		return err
	}
	if again {
		return errors.New("giving up capabilities: they came back")
	}
	// Before CAP_SYS_RESOURCE goes; refused where that is missing.
	_ = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY})
	runtime.LockOSThread()
	if err := giveUp(keep); err != nil {
		return fmt.Errorf("giving up capabilities: %w", err)
	}
	err = syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), boundVariable+"=1"))
	return fmt.Errorf("starting anew without capabilities: %w", err)
}

// bounded says whether this thread has no more than keep and can't get more.
func bounded(keep capabilities) (bool, error) {
	f, err := os.Open("/proc/thread-self/status")
	if err != nil {
		return false, err
	}
	defer f.Close()
	sets := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimSpace(value)
		switch key {
		case "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb":
			set, err := strconv.ParseUint(value, 16, 64)
			if err != nil || capabilities(set)&^keep != 0 {
				return false, err
			}
			sets++
		case "NoNewPrivs":
			if value != "1" {
				return false, nil
			}
			sets++
		}
	}
	return sets == 6, nil
}

// giveUp bounds the calling thread.
func giveUp(keep capabilities) error {
	for c := uintptr(0); ; c++ {
		has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, c, 0, 0, 0)
		if err != nil {
			break // behind the last one that the kernel knows
		}
		if has == 1 && keep&(1<<c) == 0 {
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
				return err
			}
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // the lower and the upper 32 bits
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	for i := range data {
		bits := uint32(keep >> (32 * i))
		data[i] = unix.CapUserData{Permitted: data[i].Permitted & bits, Effective: data[i].Permitted & bits}
	}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}
