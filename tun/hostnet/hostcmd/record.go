package hostcmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// record is the file of one tunnel: all steps that will be, are being or were taken. It is on the disk before the first.
//
// File: DIR/net-INTERFACE.json, mode 0600.
type record struct {
	Schema    int    `json:"schema"` // 1
	Owner     string `json:"owner"`  // the process that answers for it, as Host.Self
	Interface string `json:"interface"`
	Steps     []Step `json:"steps"`
}

func (h *Host) path(name string) string { return filepath.Join(h.Dir, "net-"+name+".json") }

func (h *Host) save(r *record) error {
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return fmt.Errorf("state file: %w", err)
	}
	tmp := h.path(r.Interface) + ".tmp" // one name, so that those of killed processes don't pile up
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("state file: %w", err)
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(tmp, h.path(r.Interface))
	}
	if err != nil {
		return fmt.Errorf("state file: %w", errors.Join(err, os.Remove(tmp)))
	}
	return nil
}

// load reads a record; its error is fs.ErrNotExist where there is none.
func load(path string) (*record, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("state file: %w", err)
	}
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("state file %s: %w", path, err)
	}
	if r.Schema != 1 {
		return nil, fmt.Errorf("state file %s: schema %d, this program knows 1", path, r.Schema)
	}
	return &r, nil
}

// records are those of all tunnels; what can't be read is left out, with an error each.
func (h *Host) records() (all []*record, err error) {
	if h.Dir == "" {
		return nil, nil
	}
	paths, _ := filepath.Glob(filepath.Join(h.Dir, "net-*.json")) // fails on a bad pattern only
	var errs []error
	for _, path := range paths {
		r, err := load(path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, r)
	}
	return all, errors.Join(errs...)
}

// drop removes the record of an interface.
func (h *Host) drop(name string) error {
	if err := os.Remove(h.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("state file: %w", err)
	}
	return nil
}
