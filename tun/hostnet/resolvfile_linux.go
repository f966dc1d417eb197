package hostnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// fileStep writes the resolver's file itself.
type fileStep struct {
	Path   string      `json:"path"`   // links followed
	Before []byte      `json:"before"` // byte for byte; null: there was no file
	After  []byte      `json:"after"`
	Was    []byte      `json:"was,omitempty"` // what an earlier step of ours wrote, and this one may not have replaced yet
	Mode   fs.FileMode `json:"mode"`          // of the file before, and whose it was
	UID    int         `json:"uid"`
	GID    int         `json:"gid"`
}

func planFile(path string, before []byte, c Config) (*fileStep, error) {
	s := &fileStep{Path: path, Before: before, After: resolverFile(before, c), Mode: 0o644, UID: os.Geteuid(), GID: os.Getegid()}
	if before == nil {
		return s, nil
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return nil, fmt.Errorf("resolver's file %s: %w", path, err)
	}
	s.Mode, s.UID, s.GID = fs.FileMode(st.Mode&0o777), int(st.Uid), int(st.Gid)
	return s, nil
}

// follow returns the step that takes the place of o, a step of the same tunnel that was taken. When the file has o's text,
// what was there before it is what will come back. When another tunnel has built on that, a step that says nothing new
// stays as it is. When the file has somebody else's text by now, s is right.
func (h *host) follow(s, o *fileStep, c Config) *fileStep {
	if s.Path != o.Path || s.Before == nil {
		return s
	}
	next := *o
	next.After = resolverFile(o.Before, c)
	same := bytes.Equal(next.After, o.After)
	if !same {
		next.Was = o.After
	}
	if o.ours(s.Before) || same && h.buildsOn(o) {
		return &next
	}
	return s
}

func (s *fileStep) String() string { return "name servers in " + s.Path }

func (s *fileStep) do(context.Context, *host) error { return s.write(s.After) }

// undo writes the file as it was, if it is still ours. Where another tunnel has built on our text, its file is left and
// the text it will put back becomes the one that we found.
func (s *fileStep) undo(h *host) error {
	if err := os.Remove(s.temporary()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	now, err := os.ReadFile(s.Path)
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !missing:
		return err
	case missing && s.Before == nil, !missing && s.Before != nil && bytes.Equal(now, s.Before):
		return nil
	case !missing && s.Before == nil && s.ours(now):
		return os.Remove(s.Path)
	case !missing && s.ours(now):
		return s.write(s.Before)
	}
	if passed, err := s.passOn(h); passed || err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", s.Path, ErrKept)
}

// ours says whether the file's content is what we write, or what a process leaves that was killed while it wrote in
// place: the new text with the longer old one's end behind it.
func (s *fileStep) ours(now []byte) bool {
	for _, after := range [][]byte{s.After, s.Was} {
		if after != nil && (bytes.Equal(now, after) || bytes.Equal(now, over(s.Before, after)) || bytes.Equal(now, over(after, s.Before))) {
			return true
		}
	}
	return s.Was != nil && bytes.Equal(now, over(s.Was, s.After))
}

// over is the old text with the new one written over its beginning.
func over(old, new []byte) []byte {
	if len(old) <= len(new) {
		return new
	}
	return append(bytes.Clone(new), old[len(new):]...)
}

// passOn looks for the tunnel that found our text in the file, and gives it what we found there.
func (s *fileStep) passOn(h *host) (bool, error) {
	f, r, path := h.builder(s)
	if f == nil {
		return false, nil
	}
	f.Before, f.Mode, f.UID, f.GID = s.Before, s.Mode, s.UID, s.GID
	return true, r.save(path)
}

// builder is the step of another tunnel that found the text of s in the file, with its record; nil: there is none.
func (h *host) builder(s *fileStep) (*fileStep, *record, string) {
	for _, path := range h.records() {
		r, err := load(path)
		if err != nil {
			continue
		}
		for _, other := range r.Steps {
			if f := other.File; f != nil && f.Path == s.Path && f.Before != nil && bytes.Equal(f.Before, s.After) {
				return f, r, path
			}
		}
	}
	return nil, nil, ""
}

func (h *host) buildsOn(s *fileStep) bool {
	f, _, _ := h.builder(s)
	return f != nil
}

func (s *fileStep) temporary() string {
	return filepath.Join(filepath.Dir(s.Path), ".resolv.conf.postern")
}

// write replaces the file, or where that can't be done (a bind mount gives EBUSY, a folder that isn't ours to write to
// EACCES or EROFS) writes into the one that is there.
func (s *fileStep) write(text []byte) error {
	err := s.replace(text)
	if err == nil {
		return nil
	}
	f, openErr := os.OpenFile(s.Path, os.O_WRONLY, 0)
	if openErr != nil {
		return errors.Join(err, openErr)
	}
	// Not truncated first: a resolver that reads meanwhile finds servers at any moment.
	_, err = f.WriteAt(text, 0)
	if err == nil {
		err = f.Truncate(int64(len(text)))
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// replace renames a new file of the same mode and owner over the one that is there.
func (s *fileStep) replace(text []byte) error {
	tmp := s.temporary()
	if err := writeFile(tmp, text, s.Mode); err != nil {
		return err
	}
	err := os.Lchown(tmp, s.UID, s.GID)
	if err == nil {
		err = os.Rename(tmp, s.Path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return syncFolder(filepath.Dir(s.Path))
}
