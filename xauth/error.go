package xauth

import (
	"errors"
	"fmt"
)

// ErrRefused means that the gateway didn't let the user in. RefusedError says
// it with the gateway's own words.
var ErrRefused = errors.New("the login was refused")

// ErrNoRequest means that the gateway never asked who the user is.
var ErrNoRequest = errors.New("the gateway asks for no login")

// ErrNoStatus means that the gateway never said whether the answers were right.
var ErrNoStatus = errors.New("the gateway doesn't say whether the login succeeded")

// ErrUnasked means that the gateway let us in before it had asked anything,
// which somebody who plays the gateway would do too.
var ErrUnasked = errors.New("the gateway reports a login without having asked for one")

// ErrUnanswered means that a person took too long.
var ErrUnanswered = errors.New("nobody answered the gateway's question")

// ErrType means that the gateway wants an XAUTH-TYPE that isn't spoken here.
var ErrType = errors.New("unsupported kind of extended authentication")

// RefusedError is ErrRefused with the gateway's message.
type RefusedError struct {
	Message string // cleaned, may be empty
	Cause   error  // what else is known, may be nil
}

func (e *RefusedError) Error() string {
	s := ErrRefused.Error()
	if e.Message != "" {
		s += fmt.Sprintf(": the gateway says %q", e.Message)
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Is makes errors.Is(e, ErrRefused) true.
func (e *RefusedError) Is(target error) bool { return target == ErrRefused }

func (e *RefusedError) Unwrap() error { return e.Cause }
