//go:build unix

package bundle

import (
	"fmt"
	"os"
	"syscall"
)

// trusted says why somebody else than root, or who we are, could have put a file there.
func trusted(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok || st.Uid != 0 && int(st.Uid) != os.Geteuid():
		return fmt.Errorf("%s doesn't belong to root (chown root)", path)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("others can write to %s (chmod go-w)", path)
	}
	return nil
}
