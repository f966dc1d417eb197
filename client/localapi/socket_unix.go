//go:build unix

package localapi

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// UserSocket returns where a person's own daemon listens: in $XDG_RUNTIME_DIR, or in
// /run/user/UID, or in their folder of caches.
func UserSocket() string {
	const name = "postern.sock"
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return filepath.Join(dir, name)
	}
	run := filepath.Join("/run/user", strconv.Itoa(os.Getuid()))
	if info, err := os.Stat(run); err == nil && info.IsDir() {
		return filepath.Join(run, name)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "postern", name)
}

// Listen makes a Unix socket with these permissions: 0666 for the system's daemon, which
// asks the kernel who calls, 0600 for a person's own. It makes the folder that the socket is
// in, and takes the place of a socket that nobody listens on any more.
func Listen(path string, perm fs.FileMode) (net.Listener, error) {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("local API: %w", err)
	}
	unlock, err := lock(folder)
	if err != nil {
		return nil, fmt.Errorf("local API: %w", err)
	}
	defer unlock()
	if err := removeStale(path); err != nil {
		return nil, fmt.Errorf("local API: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("local API: %w", err)
	}
	if err := os.Chmod(path, perm); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("local API: %w", err)
	}
	return l, nil
}

// lock waits until nobody else makes a socket in a folder: of two daemons that start over
// the same stale socket one would remove what the other just made.
func lock(folder string) (unlock func(), err error) {
	f, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("locking %s: %w", folder, err)
	}
	return func() { _ = f.Close() }, nil
}

// removeStale removes a socket that nobody listens on.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is there and isn't a socket", path)
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		_ = c.Close()
		return fmt.Errorf("a service listens on %s already", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

func dial(ctx context.Context, path string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", path)
}
