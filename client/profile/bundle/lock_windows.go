package bundle

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// lock waits until no other process installs. Who crashes lets go.
func lock(path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0, &windows.Overlapped{}); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// sameMode is true of any file: Windows has no modes.
func sameMode(os.FileInfo, os.FileMode) bool { return true }
