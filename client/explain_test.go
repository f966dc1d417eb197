package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"postern/client/profile"
	"postern/client/prompt"
	"postern/ike"
	"postern/ike/isakmp"
	"postern/ike/pki"
	"postern/xauth"
)

func TestExplain(t *testing.T) {
	late := func(stage string, message int, refused error) error {
		return &ike.TimeoutError{Stage: stage, Message: message, After: 31 * time.Second, Refused: refused}
	}
	notify := func(n isakmp.NotifyType, authenticated bool) error {
		return &ike.NotifyError{Type: n, Authenticated: authenticated}
	}
	for _, c := range []struct {
		name string
		err  error
		code string
		exit int
	}{
		{"profile missing", fmt.Errorf("%q: %w", "home", profile.ErrNotFound), "no_such_profile", 10},
		{"profile wrong", &profile.Error{File: "office.toml", Line: 3, Key: "mode", Problem: "wants main"}, "profile", 7},
		{"name unknown", stageError{stageResolve, errors.New("no such host")}, "name_not_found", 3},
		{"silence", late("main mode", 1, nil), "no_answer", 3},
		{"silence in aggressive mode", late("aggressive mode", 1, nil), "no_answer", 3},
		{"what nobody can accept", late("aggressive mode", 1, errors.New("message 2: KE payload of 0 octets")), "bad_answer", 3},
		{"silence in the middle", late("main mode", 3, nil), "no_answer_midway", 3},
		{"silence at the proof", late("main mode", 5, nil), "no_answer_key", 3},
		{"a complaint under other keys", late("main mode", 5, ike.ErrAuthentication), "no_answer_key", 3},
		{"HASH_R of aggressive mode", late("aggressive mode", 1, ike.ErrAuthentication), "group_key_wrong", 2},
		{"no proposal", late("main mode", 1, notify(isakmp.NotifyNoProposalChosen, false)), "no_proposal", 4},
		{"no proposal for ESP", stageError{stageQuick, notify(isakmp.NotifyNoProposalChosen, true)}, "no_proposal_esp", 4},
		{"unknown group", late("aggressive mode", 1, notify(isakmp.NotifyAuthenticationFailed, false)), "identity_refused", 4},
		{"unknown identity", late("aggressive mode", 1, notify(isakmp.NotifyInvalidIDInformation, false)), "identity_refused", 4},
		{"authentication refused", notify(isakmp.NotifyAuthenticationFailed, true), "authentication_failed", 2},
		{"unreadable proof", late("main mode", 5, notify(isakmp.NotifyPayloadMalformed, false)), "no_answer_key", 3},
		{"another notify", notify(isakmp.NotifyInvalidCookie, true), "refused", 4},
		{"login refused", &xauth.RefusedError{Message: "go away"}, "login_refused", 2},
		{"login refused, and nobody to ask again", &xauth.RefusedError{Cause: prompt.ErrNotInteractive}, "login_refused", 2},
		{"nobody answered", fmt.Errorf("%w in 2m45s", xauth.ErrUnanswered), "not_answered", 6},
		{"a kind of login", fmt.Errorf("%w: type 40000", xauth.ErrType), "login_kind", 4},
		{"let in unasked", xauth.ErrUnasked, "unasked", 11},
		{"nobody to ask", fmt.Errorf("xauth: %w", prompt.ErrNotInteractive), "input_needed", 6},
		{"cancelled", prompt.ErrCancelled, "cancelled", 130},
		{"no login asked for", xauth.ErrNoRequest, "no_xauth", 3},
		{"another gateway", fmt.Errorf("main mode: %w", ike.ErrIdentity), "wrong_gateway", 11},
		{"the gateway's certificate", late("aggressive mode", 1, fmt.Errorf("%w: %w", ike.ErrCertificate, &pki.Error{Problem: pki.Expired})), "certificate_expired", 11},
		{"the gateway's signature", certified(late("main mode", 5, fmt.Errorf("%w: %w", ike.ErrAuthentication, ike.ErrSignature))), "gateway_signature", 11},
		{"the gateway's proof", certified(ike.ErrAuthentication), "gateway_proof", 11},
		{"our certificate refused", certified(late("main mode", 5, notify(isakmp.NotifyInvalidCertificate, false))), "certificate_refused", 2},
		{"our signature refused", certified(notify(isakmp.NotifyAuthenticationFailed, true)), "certificate_refused", 2},
		{"silence at a certificate", certified(late("main mode", 5, nil)), "no_answer_certificate", 3},
		{"silence before certificates", certified(late("main mode", 1, nil)), "no_answer", 3},
		{"no proposal with certificates", certified(late("main mode", 1, notify(isakmp.NotifyNoProposalChosen, false))), "no_proposal", 4},
		{"no configuration", stageError{stageConfig, late("transaction", 1, nil)}, "no_configuration", 3},
		{"no quick mode", stageError{stageQuick, late("quick mode", 1, nil)}, "no_answer_quick", 3},
		{"not permitted", stageError{stageDevice, &os.PathError{Op: "open", Path: "/dev/net/tun", Err: syscall.EPERM}}, "not_permitted", 8},
		{"a file of another user", &os.PathError{Op: "open", Path: "/home/alice/office.toml", Err: syscall.EACCES}, "not_permitted", 8},
		{"port taken", stageError{stageSocket, os.NewSyscallError("bind", syscall.EADDRINUSE)}, "port_taken", 5},
		{"routes", stageError{stageHost, errors.New("a route can't be added")}, "network", 5},
		{"dead", ike.ErrDead, "gateway_gone", 3},
		{"deleted", ike.ErrDeleted, "ended_by_gateway", 1},
		{"interrupted", context.Canceled, "cancelled", 130},
		{"something else", errors.New("a fault"), "other", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := Explain(fmt.Errorf("connecting: %w", c.err))
			if r.Code != c.code || r.Exit != c.exit {
				t.Errorf("code %s, exit %d; want %s, %d", r.Code, r.Exit, c.code, c.exit)
			}
			if !strings.HasSuffix(r.Message, ".") || r.Message[:1] != strings.ToUpper(r.Message[:1]) {
				t.Errorf("not a sentence: %q", r.Message)
			}
			if r.Detail == "" {
				t.Error("the engine's own words are missing")
			}
			if again := Explain(r); again != r {
				t.Error("explained twice")
			}
		})
	}
	if Explain(nil) != nil {
		t.Error("nothing explained as something")
	}
}
