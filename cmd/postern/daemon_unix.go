//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"postern/client"
	"postern/client/localapi"
)

// systemCan says who may run the system's daemon.
func systemCan() error {
	if os.Geteuid() == 0 {
		return nil
	}
	return &client.Reason{
		Code: "not_permitted", Exit: client.ExitPermission, Message: "The system's service needs root.",
		Try: "Run it with sudo, or your own without privileges: postern daemon --user.",
	}
}

// listen returns the sockets to serve on: those that the service manager made, or one
// of our own.
func (f *daemonFlags) listen() (all []net.Listener, where string, err error) {
	all, err = inherited()
	if err != nil || len(all) > 0 {
		for _, l := range all {
			where = strings.TrimSpace(where + " " + l.Addr().String())
		}
		return all, where, err
	}
	path, perm := f.socket, os.FileMode(0o600)
	switch {
	case f.system && path == "":
		path, perm = localapi.SystemSocket(), 0o666
	case f.system:
		perm = 0o666
	case path == "":
		path = localapi.UserSocket()
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, "", err
	}
	l, err := localapi.Listen(path, perm)
	if err != nil {
		return nil, "", err
	}
	return []net.Listener{l}, path, nil
}

// firstInherited is the first descriptor of sd_listen_fds(3).
const firstInherited = 3

// inherited are the sockets that the service manager made for us (sd_listen_fds(3));
// none without one.
func inherited() (all []net.Listener, err error) {
	n, pid := os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_PID")
	for _, name := range []string{"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"} {
		os.Unsetenv(name) // they are for this process
	}
	if n == "" || pid != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	count, err := strconv.Atoi(n)
	if err != nil || count < 1 || count > 64 {
		return nil, fmt.Errorf("LISTEN_FDS is %q", n)
	}
	for fd := firstInherited; fd < firstInherited+count; fd++ {
		unix.CloseOnExec(fd)
		f := os.NewFile(uintptr(fd), fmt.Sprintf("LISTEN_FD_%d", fd))
		l, err := net.FileListener(f)
		f.Close()
		if err == nil {
			if u, ok := l.(*net.UnixListener); ok {
				u.SetUnlinkOnClose(false) // it is the service manager's
				all = append(all, l)
				continue
			}
			l.Close()
			err = errors.New("isn't a Unix socket that listens")
		}
		for _, l := range all {
			l.Close()
		}
		return nil, fmt.Errorf("descriptor %d of the service manager: %w", fd, err)
	}
	return all, nil
}

// underManager does nothing: service managers send signals here.
func underManager(context.CancelFunc) (over func()) { return func() {} }

// isReload says whether a signal means to read the profiles anew.
func isReload(s os.Signal) bool { return s == syscall.SIGHUP }

// monotonic is the time since some point in the past, as systemd wants it with
// RELOADING=1.
func monotonic() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
