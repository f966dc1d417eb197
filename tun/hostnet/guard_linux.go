package hostnet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Guard is a kill switch in force. Its methods may be called from any goroutine, one at a time.
type Guard struct {
	host *host
	file string // its state file; empty once released
}

// guardRecord is the state file of one kill switch. It is on the disk before the table is made, and goes after it.
//
// File: STATEDIR/guard-NAMESPACE-TABLE.json, mode 0600. NAMESPACE is the inode of the network namespace.
type guardRecord struct {
	Schema    int         `json:"schema"` // 1
	Owner     owner       `json:"owner"`
	Namespace uint64      `json:"namespace"`
	Table     string      `json:"table"` // the first one of its names
	Since     time.Time   `json:"since"`
	Config    GuardConfig `json:"config"`
}

// Protect puts a kill switch in force before the first packet to the gateway: an nftables table of its own in the calling
// thread's network namespace. It holds until Release, whatever happens to the process or to the tunnel, and is replaced
// without a gap by the next Protect with the same ID once its process is dead. [Recover] leaves it alone. It ends with the
// namespace, and with the boot.
//
// What it is told of is written to a state file in stateDir first, so that [Guards] and [Release] find it. The error
// wraps ErrNoFirewall where nftables is missing, and fs.ErrPermission without CAP_NET_ADMIN; then nothing has changed.
//
// Names are not looked up while it holds, unless inside the tunnel: a caller does so before, and remembers the addresses.
func Protect(ctx context.Context, c GuardConfig, stateDir string) (*Guard, error) {
	c, err := c.check()
	if err != nil {
		return nil, fmt.Errorf("kill switch: %w", err)
	}
	h, err := open(stateDir)
	if err != nil {
		return nil, fmt.Errorf("kill switch: %w", err)
	}
	g, err := h.protect(ctx, c)
	if err != nil {
		h.nl.Close()
		return nil, fmt.Errorf("kill switch: %w", err)
	}
	return g, nil
}

func (h *host) protect(ctx context.Context, c GuardConfig) (*Guard, error) {
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return nil, fmt.Errorf("state files: %w", err)
	}
	unlock, err := lock(ctx, h.dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	me, err := self()
	if err != nil {
		return nil, err
	}
	r := &guardRecord{Schema: 1, Owner: me, Namespace: h.namespace, Table: tableName(c.ID), Since: time.Now(), Config: c}
	g := &Guard{host: h, file: filepath.Join(h.dir, r.fileName())}
	before, err := loadGuard(g.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		before = nil
	case err != nil:
		return nil, err
	case before.Owner.alive(me):
		return nil, fmt.Errorf("%q is in force already, by process %d", before.Config.ID, before.Owner.PID)
	case before.Owner.Boot == me.Boot:
		r.Since = before.Since
	}
	if err := h.enforce(r, before, g.file); err != nil {
		return nil, err
	}
	return g, nil
}

// enforce writes the record and puts it in force. When that can't be done the record is as it was before; nil: absent.
func (h *host) enforce(r, before *guardRecord, file string) error {
	if err := saveJSON(file, r); err != nil {
		return err
	}
	err := h.makeTable(r)
	switch {
	case err == nil:
		return nil
	case before == nil:
		return errors.Join(err, os.Remove(file))
	}
	return errors.Join(err, saveJSON(file, before))
}

// Update replaces what the kill switch does, at one stroke. The ID stays. It is called when the tunnel has its device and
// its networks, and again on each Change of Kind Address or Route, since connected networks are looked up here. After
// an error the kill switch is as it was.
func (g *Guard) Update(ctx context.Context, c GuardConfig) error {
	c, err := c.check()
	if err != nil {
		return fmt.Errorf("kill switch: %w", err)
	}
	unlock, err := lock(ctx, g.host.dir)
	if err != nil {
		return err
	}
	defer unlock()
	if g.file == "" {
		return errors.New("kill switch: it is released already")
	}
	before, err := loadGuard(g.file)
	if err != nil {
		return fmt.Errorf("kill switch: %w", err)
	}
	if before.Config.ID != c.ID {
		return fmt.Errorf("kill switch: the ID %q, it has %q", c.ID, before.Config.ID)
	}
	r := *before
	r.Config = c
	if err := g.host.enforce(&r, before, g.file); err != nil {
		return fmt.Errorf("kill switch: %w", err)
	}
	return nil
}

// Release ends the kill switch. A second call does nothing, one after a failure tries again.
func (g *Guard) Release() error {
	if g.file == "" {
		return nil
	}
	unlock, err := lock(context.Background(), g.host.dir)
	if err != nil {
		return err
	}
	defer unlock()
	r, err := loadGuard(g.file)
	if err == nil {
		err = g.host.lift(r, g.file)
	}
	if err != nil {
		return fmt.Errorf("kill switch: %w", err)
	}
	g.file = ""
	g.host.nl.Close()
	return nil
}

// lift removes the table, then the record.
func (h *host) lift(r *guardRecord, file string) error {
	if err := removeTable(r.Table); err != nil {
		return err
	}
	return errors.Join(os.Remove(file), syncFolder(h.dir))
}

// Guards lists the kill switches of the calling thread's network namespace, those of dead processes too.
func Guards(stateDir string) ([]GuardState, error) {
	var out []GuardState
	err := eachGuard(stateDir, func(_ *host, r *guardRecord, _ string, me owner) error {
		out = append(out, GuardState{r.Config, r.Since, r.Owner.PID, r.Owner.alive(me)})
		return nil
	})
	return out, err
}

// Release ends the kill switch of that ID that a dead process left; "" ends all of them. One whose process lives stays,
// which is an error if it was named. None of that name is no error.
func Release(stateDir, id string) error {
	return eachGuard(stateDir, func(h *host, r *guardRecord, file string, me owner) error {
		switch {
		case id != "" && id != r.Config.ID:
			return nil
		case !r.Owner.alive(me):
			return h.lift(r, file)
		case id != "":
			return fmt.Errorf("%q is in force, by process %d", id, r.Owner.PID)
		}
		return nil
	})
}

// eachGuard calls f for each kill switch of this boot and namespace, with the lock held. Records of other boots are removed.
func eachGuard(stateDir string, f func(h *host, r *guardRecord, file string, me owner) error) error {
	return withState(stateDir, func(h *host) error {
		me, err := self()
		if err != nil {
			return err
		}
		var errs []error
		files, _ := filepath.Glob(filepath.Join(stateDir, "guard-*.json")) // fails on a bad pattern only
		for _, file := range files {
			r, err := loadGuard(file)
			switch {
			case err != nil:
			case r.Owner.Boot != me.Boot:
				err = os.Remove(file)
			case r.Namespace == h.namespace:
				err = f(h, r, file, me)
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("kill switch: %w", err))
			}
		}
		return errors.Join(errs...)
	})
}

func (r *guardRecord) fileName() string { return fmt.Sprintf("guard-%d-%s.json", r.Namespace, r.Table) }

func loadGuard(file string) (*guardRecord, error) {
	var r guardRecord
	if err := loadJSON(file, &r, &r.Schema); err != nil {
		return nil, err
	}
	return &r, nil
}

// tableName is the first one of the two names of a kill switch's table: "postern_" and the ID as far as nft(8) takes it, with a mark where that isn't all of it.
func tableName(id string) string {
	name := strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
			return c
		}
		return '_'
	}, id)
	if name != id || len(name) > 60 {
		sum := sha256.Sum256([]byte(id))
		name = name[:min(len(name), 60)] + "_" + hex.EncodeToString(sum[:4])
	}
	return "postern_" + name
}
