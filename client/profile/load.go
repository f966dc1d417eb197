package profile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Load reads the profile in a file. It refuses a file that holds a secret or a
// password while its group or others can read it, and a profile that the machine's policy
// or its own forbids. Errors are *Error, wrap
// ErrNotFound, or are those of the system.
func Load(path string) (*Profile, error) {
	p, err := load(path)
	if err != nil {
		return nil, err
	}
	if err := p.govern(); err != nil {
		p.Clear()
		return nil, err
	}
	return p, nil
}

// load is Load without asking whether the profile may be used.
func load(path string) (*Profile, error) {
	data, private, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	defer clear(data)
	p, err := parse(data, path, private)
	if err != nil {
		return nil, err
	}
	if p.File, err = filepath.Abs(path); err != nil {
		p.Clear()
		return nil, err
	}
	return p, nil
}

// openToOthers says how to keep others from reading a file.
func openToOthers(path string) string {
	return "others can read this file and the secret in it; run: chmod 600 " + path
}

// readFile reads a regular file of up to maxFile octets and says whether only
// its owner can read it. Both are said of the same open file, which nobody can
// exchange in between.
func readFile(path string) (data []byte, private bool, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // opening a FIFO doesn't wait
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, false, err
	}
	if !info.Mode().IsRegular() {
		return nil, false, &Error{File: path, Problem: "isn't a regular file"}
	}
	data, err = io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = &Error{File: path, Problem: fmt.Sprintf("is larger than %d octets", maxFile)}
	}
	return data, isPrivate(info), err
}
