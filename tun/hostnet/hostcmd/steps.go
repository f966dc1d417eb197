package hostcmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
)

// Host is the machine. Its methods may be called from any goroutine, one at a time.
type Host struct {
	System System
	Run    Run
	Dir    string                  // of the state files, made when it is needed; "" for Way alone
	Self   string                  // this process, told from others with its number, also after a boot
	Alive  func(owner string) bool // that process still runs
}

// Apply puts t in force, all of it or nothing. Warnings say what was left out.
func (h *Host) Apply(ctx context.Context, t Tunnel) (warnings []string, err error) {
	if err := os.MkdirAll(h.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("state files: %w", err)
	}
	if _, err := os.Stat(h.path(t.Interface)); err == nil {
		return nil, fmt.Errorf("interface %s is set up already, by the tunnel of %s", t.Interface, h.path(t.Interface))
	}
	warnings, err = h.change(ctx, &record{Schema: 1, Owner: h.Self, Interface: t.Interface}, t)
	if err != nil {
		return nil, errors.Join(err, h.Restore(context.WithoutCancel(ctx), t.Interface))
	}
	return warnings, nil
}

// Change puts another Tunnel of the same interface in force, and touches only what differs.
func (h *Host) Change(ctx context.Context, t Tunnel) (warnings []string, err error) {
	r, err := load(h.path(t.Interface))
	if err != nil {
		return nil, err
	}
	return h.change(ctx, r, t)
}

// change takes the steps that are new, and takes those back that aren't wanted any more. One that another step replaces
// is taken back first, for the two don't go together; all others afterwards, so that there is never less than in both.
func (h *Host) change(ctx context.Context, r *record, t Tunnel) (warnings []string, err error) {
	steps, warnings := h.System.Plan(t)
	table, _ := h.System.Table(ctx, h.Run) // without it a route that is there already is an error
	old := r.Steps
	now := make([]Step, 0, len(steps))
	for _, s := range steps {
		if i := slices.IndexFunc(old, s.same); i >= 0 {
			now = append(now, old[i])
			continue
		}
		if there(table, s.Route) && !slices.ContainsFunc(old, func(o Step) bool { return o.Slot == s.Slot }) && !h.shared(r, s) {
			warnings = append(warnings, fmt.Sprintf("there is a %s already, left as it is", s.Slot))
			continue
		}
		now = append(now, s)
	}
	stale := slices.DeleteFunc(slices.Clone(old), func(o Step) bool { return slices.ContainsFunc(now, o.same) })
	r.Steps = slices.Concat(stale, now)
	if err := h.save(r); err != nil {
		return nil, err
	}
	for i := range now {
		if now[i].Sure {
			continue
		}
		replaced := slices.DeleteFunc(slices.Clone(stale), func(o Step) bool { return o.Slot != now[i].Slot })
		if err := h.undo(ctx, r, replaced); err != nil {
			return nil, err
		}
		stale = slices.DeleteFunc(stale, func(o Step) bool { return o.Slot == now[i].Slot })
		if !(there(table, now[i].Route) && h.shared(r, now[i])) {
			if err := h.do(ctx, now[i]); err != nil {
				return nil, err
			}
		}
		now[i].Sure = true
		r.Steps = slices.Concat(stale, now)
		if err := h.save(r); err != nil {
			return nil, err
		}
	}
	if err := h.undo(ctx, r, stale); err != nil {
		return nil, err
	}
	r.Steps = now
	return warnings, h.save(r)
}

// same says whether two steps do the same.
func (s Step) same(o Step) bool { return s.Slot == o.Slot && reflect.DeepEqual(s.Do, o.Do) }

func (h *Host) do(ctx context.Context, s Step) error {
	for _, c := range s.Do {
		if _, err := h.Run(ctx, c); err != nil {
			return fmt.Errorf("%s: %w", s.Slot, err)
		}
	}
	return nil
}

// undo takes steps back, the last one first, all that can be. What can't be is an error if the step was surely taken.
func (h *Host) undo(ctx context.Context, r *record, steps []Step) error {
	if len(steps) == 0 {
		return nil
	}
	table, unknown := h.System.Table(ctx, h.Run)
	var errs []error
	for _, s := range slices.Backward(steps) {
		if s.Route != nil && (unknown == nil && !there(table, s.Route) || h.shared(r, s)) {
			continue // it went with its device or uplink, or another tunnel needs it
		}
		for _, c := range s.Undo {
			if _, err := h.Run(ctx, c); err != nil && s.Sure {
				errs = append(errs, fmt.Errorf("undo %s: %w", s.Slot, err))
			}
		}
	}
	return errors.Join(errs...)
}

// shared says whether another tunnel has the same step: two that have one gateway, or both block IPv6.
func (h *Host) shared(r *record, s Step) bool {
	all, _ := h.records()
	return slices.ContainsFunc(all, func(o *record) bool {
		return o.Interface != r.Interface && slices.ContainsFunc(o.Steps, func(p Step) bool { return p.Sure && s.same(p) })
	})
}

// Restore puts back what was there before. After a failure it may be called again.
func (h *Host) Restore(ctx context.Context, name string) error {
	r, err := load(h.path(name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := h.undo(ctx, r, r.Steps); err != nil {
		return err
	}
	return h.drop(name)
}

// Recover puts back what processes that are dead left behind.
func (h *Host) Recover(ctx context.Context) error {
	all, err := h.records()
	errs := []error{err}
	for _, r := range all {
		if !h.Alive(r.Owner) {
			errs = append(errs, h.Restore(ctx, r.Interface))
		}
	}
	return errors.Join(errs...)
}
