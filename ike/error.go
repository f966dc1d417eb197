package ike

import (
	"errors"
	"fmt"
	"time"

	"postern/ike/isakmp"
)

// ErrAuthentication means that the peer couldn't prove that it knows the key, or
// told us so of ours.
var ErrAuthentication = errors.New("authentication failed")

// ErrSignature means that the peer signed with another key than its certificate's, or
// something else than this exchange. What wraps it wraps ErrAuthentication too.
var ErrSignature = errors.New("the peer's signature")

// ErrIdentity means that the peer proved to be somebody else than wanted.
var ErrIdentity = errors.New("the peer isn't who it should be")

// ErrDead means that the peer stopped answering (RFC 3706).
var ErrDead = errors.New("the peer doesn't answer any more")

// ErrDeleted means that the peer deleted the SA.
var ErrDeleted = errors.New("the peer ended the connection")

// ErrExpired means that the SA's life time is over.
var ErrExpired = errors.New("the phase 1 life time is over")

// TimeoutError says what no answer came to. Refused is the last thing that did
// come and was no answer, if any: a hint, since anybody may have sent it.
type TimeoutError struct {
	Stage   string // "main mode"
	Message int    // the number of our message in the exchange, 0 when we only waited
	After   time.Duration
	Refused error
}

func (e *TimeoutError) Error() string {
	s := fmt.Sprintf("%s: no answer to message %d in %v", e.Stage, e.Message, e.After.Round(time.Second))
	if e.Message == 0 {
		s = fmt.Sprintf("%s: nothing came from the peer in %v", e.Stage, e.After.Round(time.Second))
	}
	if e.Refused != nil {
		s += "; the last refused: " + e.Refused.Error()
	}
	return s
}

func (e *TimeoutError) Unwrap() error { return e.Refused }

// NotifyError is an error notify of the peer. Authenticated is false where no
// HASH covered it, so that it's a hint and no more.
type NotifyError struct {
	Type          isakmp.NotifyType
	Text          string // what the notify carries if that is readable text
	Authenticated bool
}

func (e *NotifyError) Error() string {
	s := "the peer answers " + e.Type.String()
	if !e.Authenticated {
		s += " (in clear)"
	}
	if e.Text != "" {
		s += fmt.Sprintf(" %q", e.Text)
	}
	return s
}

// notifyError makes an error of an error notify (types 1 to 16383, RFC 2408,
// section 3.14.1) and nil of a status.
func notifyError(n *isakmp.Notify, authenticated bool) error {
	if n.Type == 0 || n.Type > 16383 {
		return nil
	}
	e := &NotifyError{Type: n.Type, Authenticated: authenticated}
	if len(n.Data) <= 128 && printable(n.Data) {
		e.Text = string(n.Data)
	}
	return e
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
