package service

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"postern/client/localapi"
)

func TestRights(t *testing.T) {
	me := localapi.Caller{UID: uint32(os.Geteuid()), Name: "me"}
	polkitSays := func(v verdict, err error) polkit {
		return func(_ context.Context, c localapi.Caller, interact bool) (verdict, error) {
			if v == asks && interact { // and the person knew the password
				return allowed, err
			}
			return v, err
		}
	}
	tests := []struct {
		name   string
		mode   localapi.Mode
		polkit polkit
		who    localapi.Caller
		may    bool
		shown  verdict
	}{
		{"root", localapi.ModeSystem, nil, root, true, allowed},
		{"the group", localapi.ModeSystem, nil, alice, true, allowed},
		{"a stranger", localapi.ModeSystem, nil, stranger, false, denied},
		{"a stranger, allowed", localapi.ModeSystem, polkitSays(allowed, nil), stranger, true, allowed},
		{"a stranger with the password", localapi.ModeSystem, polkitSays(asks, nil), stranger, true, asks},
		{"a stranger, denied", localapi.ModeSystem, polkitSays(denied, nil), stranger, false, denied},
		{"a stranger, polkit broken", localapi.ModeSystem, polkitSays(allowed, errors.New("broken")), stranger, false, denied},
		{"one's own", localapi.ModeUser, nil, me, true, allowed},
		{"root in another's", localapi.ModeUser, nil, root, true, allowed},
		{"the group in another's", localapi.ModeUser, nil, alice, false, denied},
		{"a stranger in another's", localapi.ModeDemo, polkitSays(allowed, nil), stranger, false, denied},
	}
	for _, tt := range tests {
		r := rights{mode: tt.mode, uid: me.UID, group: testGroup, polkit: tt.polkit}
		err := r.require(t.Context(), tt.who, "connect")
		if (err == nil) != tt.may || err != nil && code(err) != localapi.CodeNotPermitted {
			t.Errorf("%s: %v", tt.name, err)
		}
		if got := r.shown(tt.who); got != tt.shown {
			t.Errorf("%s: shown %d, want %d", tt.name, got, tt.shown)
		}
	}
	r := rights{mode: localapi.ModeSystem, group: "no-such-group-here"}
	if err := r.require(t.Context(), stranger, "connect"); err == nil || !strings.Contains(err.Error(), "usermod -aG postern mallory") {
		t.Error(err)
	}
}

// TestPolkitRemembered: what is only shown isn't asked each time.
func TestPolkitRemembered(t *testing.T) {
	asked := 0
	r := rights{mode: localapi.ModeSystem, group: testGroup, polkit: func(context.Context, localapi.Caller, bool) (verdict, error) { asked++; return allowed, nil }}
	for range 10 {
		r.shown(stranger)
	}
	other := stranger
	other.PID = 5
	r.shown(other)
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
	for range 3 {
		if err := r.require(t.Context(), stranger, "connect"); err != nil {
			t.Error(err)
		}
	}
	if asked != 5 {
		t.Errorf("asked %d times", asked)
	}
}
