package service

import (
	"context"
	"fmt"
	"os/user"
	"slices"
	"strconv"
	"sync"
	"time"

	"postern/client/localapi"
)

// verdict is what polkit says of a caller.
type verdict uint8

const (
	denied  verdict = iota // or polkit doesn't run
	asks                   // it would ask for a password first
	allowed                //
)

// polkit asks the system's authority whether a caller may control connections. With
// interact it may ask a person for a password, which lasts until ctx ends.
type polkit func(ctx context.Context, c localapi.Caller, interact bool) (verdict, error)

// rights say who may do what.
type rights struct {
	mode   localapi.Mode
	uid    uint32 // whose daemon without privileges it is
	group  string // its members control a system daemon; a name or a number
	polkit polkit // nil: nobody to ask

	mu    sync.Mutex
	asked map[polkitKey]polkitAnswer
}

type polkitKey struct {
	uid uint32
	pid int32
}

type polkitAnswer struct {
	verdict verdict
	until   time.Time
}

// polkitCache is for how long an answer of polkit's counts that only decides what is
// shown. Chosen here.
const polkitCache = 5 * time.Second

// mayUse says whether a caller is served at all.
func (r *rights) mayUse(c localapi.Caller) bool {
	return r.mode == localapi.ModeSystem || c.UID == r.uid || c.UID == 0
}

// controls says whether a caller controls connections without being asked anything.
func (r *rights) controls(c localapi.Caller) bool {
	if c.UID == 0 {
		return true
	}
	if r.mode != localapi.ModeSystem {
		return c.UID == r.uid
	}
	gid, ok := groupID(r.group)
	return ok && slices.Contains(c.GIDs, gid)
}

// require lets those pass who may control connections, by polkit's leave where they
// need it; the others get a Reason.
func (r *rights) require(ctx context.Context, c localapi.Caller, what string) error {
	if !r.mayUse(c) {
		return r.refusal(c, what)
	}
	if r.controls(c) {
		return nil
	}
	if r.polkit != nil {
		if v, err := r.polkit(ctx, c, true); err == nil && v == allowed {
			return nil
		}
	}
	return r.refusal(c, what)
}

// shown is what polkit says without asking a person.
func (r *rights) shown(c localapi.Caller) verdict {
	if !r.mayUse(c) {
		return denied
	}
	if r.controls(c) {
		return allowed
	}
	if r.polkit == nil {
		return denied
	}
	key := polkitKey{c.UID, c.PID}
	r.mu.Lock()
	known, ok := r.asked[key]
	r.mu.Unlock()
	if ok && time.Now().Before(known.until) {
		return known.verdict
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	v, err := r.polkit(ctx, c, false)
	if err != nil {
		v = denied
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asked == nil || len(r.asked) > maxCached {
		r.asked = make(map[polkitKey]polkitAnswer)
	}
	r.asked[key] = polkitAnswer{v, time.Now().Add(polkitCache)}
	return v
}

const maxCached = 1000

func (r *rights) refusal(c localapi.Caller, what string) error {
	if r.mode != localapi.ModeSystem {
		return &localapi.Reason{
			Code: localapi.CodeNotPermitted, Exit: localapi.ExitPermission,
			Message: fmt.Sprintf("You may not %s here: this service is another user's.", what), Try: "Start your own with: postern daemon --user",
		}
	}
	return localapi.NotPermitted(c, what)
}

// groupID finds a group's number.
func groupID(group string) (uint32, bool) {
	if n, err := strconv.ParseUint(group, 10, 32); err == nil {
		return uint32(n), true
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		return 0, false
	}
	return localapi.GroupNumber(g.Gid)
}
