package radius

import (
	"errors"
	"fmt"
	"time"
)

// Why an answer doesn't count. They stand in a SilenceError.
var (
	// ErrAuthenticator is for an answer whose Response Authenticator, or whose
	// Message-Authenticator, isn't made with our secret.
	ErrAuthenticator = errors.New("an answer isn't signed with our Secret: the server has another one, or somebody else sent it")

	// ErrNoMessageAuthenticator is for an answer that anybody between the server and
	// us could have forged (CVE-2024-3596).
	ErrNoMessageAuthenticator = errors.New("the answer has no Message-Authenticator, without which it can be forged: make the server send one, " +
		"or allow this with RequireMessageAuthenticator = Auto or Off")
)

// ErrPassword is for a password that RADIUS can't carry.
var ErrPassword = errors.New("RADIUS carries passwords of up to 128 octets")

// SilenceError says that a server didn't answer in a way that counts.
type SilenceError struct {
	Server  string        // "192.0.2.1:1812"
	Sent    int           // how often the request was sent
	Waited  time.Duration // in all
	Refused error         // why the last datagram that came didn't count; nil: none came
}

func (e *SilenceError) Error() string {
	if errors.Is(e.Refused, ErrNoMessageAuthenticator) {
		return fmt.Sprintf("RADIUS server %s: %v", e.Server, e.Refused)
	}
	s := fmt.Sprintf("RADIUS server %s: no answer to %d requests in %v", e.Server, e.Sent, e.Waited.Round(time.Millisecond))
	if e.Refused != nil {
		return s + ": " + e.Refused.Error()
	}
	return s + " (a server that doesn't know our address or our Secret is silent too)"
}

func (e *SilenceError) Unwrap() error { return e.Refused }
