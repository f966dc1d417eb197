//go:build unix

package service

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// trusted says why a file could have been put there by somebody else than root, or who
// we are: it, each folder on the way to it and each link among those has to belong to
// one of the two, and nobody else may write to it. (In a folder like /tmp others can't
// exchange what isn't theirs.) The file itself mustn't be a link.
func trusted(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if err := trustedWay(path); err != nil {
		return err
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return err
	}
	return trustedWay(filepath.Join(folder, filepath.Base(path)))
}

func trustedWay(path string) error {
	for at := path; ; at = filepath.Dir(at) {
		info, err := os.Lstat(at)
		if err != nil {
			return err
		}
		if err := trustedOne(info, at == path); err != nil {
			return fmt.Errorf("isn't used, for %s %w", at, err)
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

func trustedOne(info os.FileInfo, last bool) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	mode := info.Mode()
	link := mode&os.ModeSymlink != 0 // whose mode says nothing
	switch {
	case !ok:
		return errors.New("has no owner")
	case last && !mode.IsRegular():
		return errors.New("isn't a regular file")
	case st.Uid != 0 && int(st.Uid) != os.Geteuid():
		return errors.New("doesn't belong to root (chown root)")
	case !link && mode.Perm()&0o022 != 0 && !(mode.IsDir() && mode&os.ModeSticky != 0):
		return errors.New("can be written to by others than root (chmod go-w)")
	}
	return nil
}
