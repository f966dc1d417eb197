package hostnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// self is this process as the owner of records.
func self() (owner, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return owner{}, fmt.Errorf("which boot this is: %w", err)
	}
	_, start, err := processStat(os.Getpid())
	if err != nil {
		return owner{}, err
	}
	return owner{Boot: strings.TrimSpace(string(boot)), PID: os.Getpid(), Start: start}, nil
}

// alive says whether the owner still runs, given who we are. A process that was killed and not yet waited for doesn't.
func (o owner) alive(me owner) bool {
	if o.Boot != me.Boot {
		return false
	}
	state, start, err := processStat(o.PID)
	return err == nil && start == o.Start && state != 'Z' && state != 'X'
}

// processStat reads a process's state letter and its start in clock ticks since the boot: fields 3 and 22 of proc(5)'s
// /proc/pid/stat, counted behind the program's name, which may hold blanks and parentheses.
func processStat(pid int) (state byte, start uint64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	text := string(b)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 {
		return 0, 0, fmt.Errorf("/proc/%d/stat: %d fields", pid, len(fields))
	}
	start, err = strconv.ParseUint(fields[19], 10, 64)
	return fields[0][0], start, err
}

// namespace is the inode of the calling thread's network namespace.
func namespace() (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &st); err != nil {
		return 0, fmt.Errorf("which network namespace this is: %w", err)
	}
	return st.Ino, nil
}

// lock makes this the only process that works with the state files in dir, until the returned function is called or
// the process dies. Whoever holds it works for a few seconds at most.
func lock(ctx context.Context, dir string) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("state files: %w", err)
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(fmt.Errorf("state files: lock: %w", err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("state files: another process holds %s: %w", f.Name(), ctx.Err()), f.Close())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
