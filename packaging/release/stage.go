package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const noticesName = "THIRD-PARTY-LICENCES.txt"

// stage lays the files that packages hold beside the programs into work/stage: what git keeps in packaging, with manual
// pages and notices compressed. All have the commit's time and plain modes, so that packages of one commit are equal.
func (r *release) stage(work string) error {
	stage := filepath.Join(work, "stage")
	texts, err := notices()
	if err != nil {
		return err
	}
	if err := r.put(filepath.Join(stage, noticesName), texts, 0o644); err != nil {
		return err
	}
	if err := r.put(filepath.Join(stage, noticesName+".gz"), compress(texts), 0o644); err != nil {
		return err
	}
	kept, err := tracked("packaging", "gui/icons", "LICENSE", "docs")
	if err != nil {
		return err
	}
	for _, path := range kept {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if info, err := os.Stat(path); err != nil {
			return err
		} else if info.Mode()&0o100 != 0 {
			mode = 0o755
		}
		to := filepath.Join(stage, path)
		if dir := filepath.Base(filepath.Dir(path)); strings.HasPrefix(dir, "man") {
			to, data = to+".gz", compress(data)
		}
		if err := r.put(to, data, mode); err != nil {
			return err
		}
	}
	return r.put(filepath.Join(stage, "changelog.gz"), compress(r.changelog()), 0o644)
}

// tracked lists the files under paths that git keeps; a release has no others.
func tracked(paths ...string) ([]string, error) {
	out, err := run(".", append([]string{"git", "ls-files", "--"}, paths...)...)
	if err != nil || out == "" {
		return nil, err
	}
	return strings.Split(out, "\n"), nil
}

func (r *release) put(path string, data []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, data, mode); err != nil {
		return err
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		return err
	}
	at := time.Unix(r.epoch, 0)
	return os.Chtimes(path, at, at)
}

// compress is gzip -9n.
func compress(data []byte) []byte {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	_, _ = z.Write(data) // to memory, which doesn't fail
	_ = z.Close()
	return b.Bytes()
}

// changelog is a deb's (Debian Policy, section 4.4). What changed from release to release is in git; a package says which
// one it is.
func (r *release) changelog() []byte {
	// The name is that of the source; each package has a copy.
	at := time.Unix(r.epoch, 0).UTC().Format(time.RFC1123Z)
	return fmt.Appendf(nil, "postern (%s-1) unstable; urgency=medium\n\n  * Version %s.\n\n -- %s  %s\n", r.version, r.full, maintainer(), at)
}
