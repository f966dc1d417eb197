package hostnet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// record is the state file of one tunnel: all the steps that will be, are being, or were taken. It is on the disk before
// the first of them, so whatever moment the process dies at, undoing every step in it puts the host back.
//
// File: STATEDIR/net-NAMESPACE-INTERFACE.json, mode 0600. NAMESPACE is the inode of the network namespace.
type record struct {
	Schema    int    `json:"schema"` // 1
	Owner     owner  `json:"owner"`
	Namespace uint64 `json:"namespace"`
	Interface string `json:"interface"`
	Steps     []step `json:"steps"`
}

// owner is the process that answers for a record. Process ids come again, with another start; both come again after
// the next boot.
type owner struct {
	Boot  string `json:"boot"`  // /proc/sys/kernel/random/boot_id
	PID   int    `json:"pid"`   //
	Start uint64 `json:"start"` // clock ticks since the boot
}

// fileName is the name of a record's file within the folder of the state files.
func (r *record) fileName() string {
	return fmt.Sprintf("net-%d-%s.json", r.Namespace, r.Interface)
}

func (r *record) save(path string) error { return saveJSON(path, r) }

// saveJSON writes a state file: whole, or not at all. The lock is held.
func saveJSON(path string, value any) error {
	b, err := json.MarshalIndent(value, "", "\t")
	if err != nil {
		return fmt.Errorf("state file: %w", err)
	}
	tmp := path + ".tmp"
	if err := writeFile(tmp, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("state file: %w", err)
	}
	if err := errors.Join(os.Rename(tmp, path), syncFolder(filepath.Dir(path))); err != nil {
		return fmt.Errorf("state file: %w", err)
	}
	return nil
}

// sweep removes what processes left that died while they wrote a state file. The lock is held, so nobody writes now.
func (h *host) sweep() error {
	paths, _ := filepath.Glob(filepath.Join(h.dir, "*.json.tmp")) // fails on a bad pattern only
	var errs []error
	for _, path := range paths {
		if err := os.Remove(path); err != nil {
			errs = append(errs, fmt.Errorf("state file: %w", err))
		}
	}
	return errors.Join(errs...)
}

// load reads a record; its error is fs.ErrNotExist where there is none.
func load(path string) (*record, error) {
	var r record
	if err := loadJSON(path, &r, &r.Schema); err != nil {
		return nil, err
	}
	return &r, nil
}

// loadJSON reads a state file into a record, of which schema is a part.
func loadJSON(path string, record any, schema *int) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("state file: %w", err)
	}
	if err := json.Unmarshal(b, record); err != nil {
		return fmt.Errorf("state file %s: %w", path, err)
	}
	if *schema != 1 {
		return fmt.Errorf("state file %s: schema %d, this program knows 1", path, *schema)
	}
	return nil
}

// writeFile makes a file, or overwrites one that an earlier run left half written, and waits until it is on the disk. Its
// mode is perm whatever the umask.
func writeFile(path string, data []byte, perm fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(perm), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// syncFolder makes a rename or removal in the folder last.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
