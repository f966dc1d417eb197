package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"

	"postern/client/profile"
	"postern/client/prompt"
	"postern/ike"
	"postern/ike/isakmp"
	"postern/xauth"
)

// stageError says at which step of a connection an error came up.
type stageError struct {
	stage string
	error
}

func (e stageError) Unwrap() error { return e.error }

// The steps that explain themselves by name.
const (
	stageResolve = "resolve"
	stageSocket  = "socket"
	stageDevice  = "device"
	stageHost    = "host network"
	stageProxy   = "proxy"
	stageConfig  = "configuration"
	stageQuick   = "quick mode"
)

// Explain turns an error into what a person reads and a script tests. It is the
// one place that does.
func Explain(err error) *Reason {
	if err == nil {
		return nil
	}
	var known *Reason
	if errors.As(err, &known) {
		return known
	}
	r := explain(err)
	r.Detail = err.Error()
	return r
}

func explain(err error) *Reason {
	var stage stageError
	errors.As(err, &stage)
	var bad *profile.Error
	switch {
	case errors.Is(err, profile.ErrNotFound):
		return &Reason{Code: "no_such_profile", Exit: ExitNoProfile, Message: sentence(err.Error()), Try: "Name a profile that exists, or give the path of a file."}
	case errors.As(err, &bad):
		return &Reason{Code: "profile", Exit: ExitProfile, Message: sentence(bad.Error())}
	case errors.Is(err, xauth.ErrRefused):
		// It may be ErrNotInteractive too: what was stored was wrong.
		return &Reason{Code: "login_refused", Exit: ExitCredentials, Message: "The gateway refused the user name, the password or the code." + gatewaySays(err), Try: "Check them; user names are case-sensitive with most gateways."}
	case errors.Is(err, prompt.ErrNotInteractive):
		return &Reason{Code: "input_needed", Exit: ExitInput, Message: "The gateway asks for something that isn't stored, and nobody may be asked.", Try: "Store it (password_file, --secrets-fd), or run without --no-prompt."}
	case errors.Is(err, prompt.ErrCancelled):
		return &Reason{Code: "cancelled", Exit: ExitInterrupted, Message: "Cancelled."}
	case errors.Is(err, xauth.ErrUnanswered):
		return &Reason{Code: "not_answered", Exit: ExitInput, Message: "Nobody answered the gateway's question in time.", Try: "Try again, and have the code at hand."}
	case errors.Is(err, xauth.ErrType):
		return &Reason{Code: "login_kind", Exit: ExitRefused, Message: "The gateway wants a kind of login that isn't known here.", Try: "Ask your administrator for another way to log in."}
	case errors.Is(err, xauth.ErrUnasked):
		return &Reason{Code: "unasked", Exit: ExitIdentity, Message: "The gateway reports a login that it never asked for, which somebody who plays it would do too.", Try: "If your gateway is like this, set xauth = \"optional\"."}
	case explainCertificate(err) != nil:
		return explainCertificate(err)
	case errors.Is(err, ike.ErrIdentity):
		return &Reason{Code: "wrong_gateway", Exit: ExitIdentity, Message: "The gateway proved to be another one than the profile's gateway_identity names.", Try: "Correct gateway_identity if this is your gateway; otherwise don't connect."}
	case stage.stage == stageResolve:
		return &Reason{Code: "name_not_found", Exit: ExitTimeout, Message: sentence(err.Error()), Try: "Check the gateway's name and that name resolution works here."}
	case errors.Is(err, xauth.ErrNoRequest):
		return &Reason{Code: "no_xauth", Exit: ExitTimeout, Message: "The gateway accepted phase 1 but never asked for a user.", Try: "If it has no users, set xauth = false."}
	}
	if r := explainVPN5000(err); r != nil {
		return r
	}
	if r := explainPeer(err, stage.stage); r != nil {
		return r
	}
	return explainHost(err, stage.stage)
}

// explainPeer is about what the gateway said, or didn't.
func explainPeer(err error, stage string) *Reason {
	var notify *ike.NotifyError
	errors.As(err, &notify)
	var late *ike.TimeoutError
	timeout := errors.As(err, &late)
	switch {
	case timeout && late.Message >= 5 && (notify == nil || errors.Is(err, ike.ErrAuthentication)):
		// Main Mode proves nothing of the gateway's before its last message.
		return &Reason{Code: "no_answer_key", Exit: ExitTimeout, Message: "The gateway stopped answering at the proof of identity. A wrong pre-shared key looks like this in Main Mode, and so does an identity it doesn't know.", Try: "Check secret and identity with your administrator."}
	case errors.Is(err, ike.ErrAuthentication):
		return &Reason{Code: "group_key_wrong", Exit: ExitCredentials, Message: "The gateway's proof doesn't match the pre-shared key: the group's key is wrong.", Try: "Check secret (and secret_encoding) with your administrator."}
	case notify != nil:
		return explainNotify(notify, late, stage)
	case timeout && late.Refused != nil:
		return &Reason{Code: "bad_answer", Exit: ExitTimeout, Message: fmt.Sprintf("The gateway answers, but with nothing that can be accepted (%s: %v).", late.Stage, late.Refused), Try: "Tell your administrator what stands in brackets: the gateway breaks the protocol, or somebody else answers in its place."}
	case timeout && stage == stageConfig:
		return &Reason{Code: "no_configuration", Exit: ExitTimeout, Message: "The gateway didn't answer when asked for an address inside.", Try: "If it assigns none, set address to the one you were given."}
	case timeout && stage == stageQuick:
		return &Reason{Code: "no_answer_quick", Exit: ExitTimeout, Message: "The gateway accepted the login but doesn't answer the request for a tunnel: it probably doesn't like the esp proposals, pfs or the networks.", Try: "Compare esp, pfs and networks with the gateway's settings."}
	case timeout && late.Message > 1:
		return &Reason{Code: "no_answer_midway", Exit: ExitTimeout, Message: fmt.Sprintf("The gateway answered at first and then stopped (%v).", err), Try: "Try again; if it stays so, something on the way drops large packets or UDP port 4500."}
	case timeout:
		return &Reason{Code: "no_answer", Exit: ExitTimeout, Message: "The gateway doesn't answer. Its address may be wrong, UDP port 500 may be blocked on the way, or it may not know your group and keep silent.", Try: "Check gateway and identity; try mode = \"aggressive\" if your administrator named a group."}
	case errors.Is(err, ike.ErrDead):
		return &Reason{Code: "gateway_gone", Exit: ExitTimeout, Message: "The gateway stopped answering."}
	case errors.Is(err, ike.ErrDeleted):
		return &Reason{Code: "ended_by_gateway", Exit: ExitOther, Message: "The gateway ended the connection."}
	case errors.Is(err, ike.ErrExpired):
		return &Reason{Code: "expired", Exit: ExitOther, Message: "The connection's life time is over."}
	}
	return nil
}

func explainNotify(n *ike.NotifyError, late *ike.TimeoutError, stage string) *Reason {
	said := "The gateway answers " + n.Type.String() + ": "
	switch n.Type {
	case isakmp.NotifyNoProposalChosen:
		if stage == stageQuick {
			return &Reason{Code: "no_proposal_esp", Exit: ExitRefused, Message: said + "it accepts none of the esp proposals, or not the networks or pfs.", Try: "Compare esp, pfs and networks with the gateway's settings."}
		}
		return &Reason{Code: "no_proposal", Exit: ExitRefused, Message: said + "it accepts none of the ike proposals, or doesn't know your group.", Try: "Compare ike, mode and identity with the gateway's settings; older gateways want 3des-sha1-modp1024."}
	case isakmp.NotifyInvalidIDInformation:
		return &Reason{Code: "identity_refused", Exit: ExitRefused, Message: said + "it doesn't know this identity, or not these networks.", Try: "Check identity, identity_type and networks."}
	case isakmp.NotifyAuthenticationFailed:
		if n.Authenticated || late != nil && late.Message > 1 {
			return &Reason{Code: "authentication_failed", Exit: ExitCredentials, Message: said + "the pre-shared key or the identity is wrong.", Try: "Check secret and identity."}
		}
		return &Reason{Code: "identity_refused", Exit: ExitRefused, Message: said + "it doesn't know this identity.", Try: "Check identity and identity_type."}
	}
	exit := ExitRefused
	if n.Type == isakmp.NotifyPayloadMalformed || n.Type == isakmp.NotifyInvalidHashInformation {
		// What a gateway says that decrypted with another key.
		return &Reason{Code: "no_answer_key", Exit: ExitTimeout, Message: said + "it couldn't read the proof of identity. A wrong pre-shared key looks like this in Main Mode.", Try: "Check secret with your administrator."}
	}
	return &Reason{Code: "refused", Exit: exit, Message: "The gateway answers " + n.Type.String() + "."}
}

// explainHost is about this machine.
func explainHost(err error, stage string) *Reason {
	var op *net.OpError
	denied := errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.EPERM)
	var file *fs.PathError
	switch {
	case denied && stage == "" && errors.As(err, &file): // before anything was changed
		return &Reason{Code: "not_permitted", Exit: ExitPermission, Message: fmt.Sprintf("You may not read %s.", file.Path), Try: "Ask its owner, or name a profile of your own."}
	case denied:
		return &Reason{Code: "not_permitted", Exit: ExitPermission, Message: "Changing the network needs privileges that this process hasn't: " + err.Error() + ".", Try: "Run it as root, or with --rootless, which needs none."}
	case stage == stageSocket && errors.Is(err, syscall.EADDRINUSE):
		return &Reason{Code: "port_taken", Exit: ExitNetwork, Message: "The UDP port is taken: " + err.Error() + ".", Try: "Leave source_port out, so that any free port will do, or stop the other program."}
	case stage == stageSocket, stage == stageDevice, stage == stageHost, stage == stageProxy, errors.As(err, &op),
		errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return &Reason{Code: "network", Exit: ExitNetwork, Message: sentence(err.Error())}
	case errors.Is(err, context.Canceled):
		return &Reason{Code: "cancelled", Exit: ExitInterrupted, Message: "Interrupted."}
	}
	return &Reason{Code: "other", Exit: ExitOther, Message: sentence(err.Error())}
}

// gatewaySays is the gateway's own message, which is cleaned already.
func gatewaySays(err error) string {
	var refused *xauth.RefusedError
	if !errors.As(err, &refused) || refused.Message == "" {
		return ""
	}
	return fmt.Sprintf(" It says %q.", refused.Message)
}

// sentence begins with a capital and ends with a full stop.
func sentence(s string) string {
	if s == "" {
		return s
	}
	if c := s[0]; c >= 'a' && c <= 'z' {
		s = string(c-'a'+'A') + s[1:]
	}
	if last := s[len(s)-1]; last != '.' && last != '!' && last != '?' {
		s += "."
	}
	return s
}
