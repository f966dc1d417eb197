//go:build unix

package bundle

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
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
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// sameMode says whether a file has a mode.
func sameMode(info os.FileInfo, mode os.FileMode) bool { return info.Mode() == mode }
