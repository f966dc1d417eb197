package stamp

import (
	"errors"
	"fmt"
)

// ErrRefused means that the concentrator didn't let the user in. RefusedError
// says it with the concentrator's own words.
var ErrRefused = errors.New("the login was refused")

// ErrNotAnnounced means that the profile requires the VPN 5000 extensions, and
// the gateway doesn't announce them.
var ErrNotAnnounced = errors.New("the gateway doesn't announce the VPN 5000 extensions")

// ErrNoPolicy means that the gateway announced the extensions and sent no policy.
// Somebody on the way took our announcement out of our first message, or changed
// its answer.
var ErrNoPolicy = fmt.Errorf("the gateway announced the VPN 5000 extensions and sent no policy: %w", ErrStripped)

// ErrNoSecret means that a password would have to travel in clear.
var ErrNoSecret = errors.New("no pap_auth_secret to protect the password with")

// ErrUnanswered means that a person took too long.
var ErrUnanswered = errors.New("nobody answered the gateway's question")

// ErrSilent means that a client doesn't answer the RADIUS step.
var ErrSilent = errors.New("the client doesn't answer the RADIUS step")

// RefusedError is ErrRefused with the concentrator's message.
type RefusedError struct {
	Step    string // "RADIUS" or "SecurID"
	Message string // may be empty
}

func (e *RefusedError) Error() string {
	s := e.Step + ": " + ErrRefused.Error()
	if e.Message != "" {
		s += fmt.Sprintf(": the gateway says %q", e.Message)
	}
	return s
}

// Is makes errors.Is(e, ErrRefused) true.
func (e *RefusedError) Is(target error) bool { return target == ErrRefused }

// ErrReceipt: the client's receipt for the policy is missing, or isn't proved.
var ErrReceipt = errors.New("the client sends no receipt that holds")
