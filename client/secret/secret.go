// Package secret keeps a person's secrets in the keyring of their session: the Secret
// Service of a Linux desktop, the Keychain, or Windows' Credential Manager. It is for the
// person's own programs; the daemon has no keyring.
//
// An item belongs to the service "postern" and to the account "PROFILE/kind", the kinds
// being the keys of a profile: "secret", "password", "otp_secret", "key_passphrase",
// "pap_auth_secret". A value is written as the profile would have it.
package secret

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/zalando/go-keyring"
)

var (
	// ErrNone says that there is no keyring that can be used. Errors wrap it.
	ErrNone = errors.New("no keyring")
	// ErrNotFound says that the keyring has no such item.
	ErrNotFound = errors.New("not in the keyring")
)

// Kinds are the kinds of secrets.
var Kinds = []string{"secret", "password", "otp_secret", "key_passphrase", "pap_auth_secret"}

// service is what our items are found by.
const service = "postern"

// Chosen here.
const (
	// answerLimit is how long a keyring may take that asks nobody.
	answerLimit = 2 * time.Second
	// personLimit is how long one may take that asks a person to unlock it.
	personLimit = 2 * time.Minute
)

// check finds the keyring, and says how long it may take.
var check = reachable

// MockInit puts a keyring in memory in the place of the session's, for tests.
func MockInit() {
	keyring.MockInit()
	check = func() (time.Duration, error) { return answerLimit, nil }
}

// Available says whether there is a keyring that can be used: nil, or an error that
// wraps ErrNone and says why not. It takes 2 s at most.
func Available() error {
	_, err := check()
	return err
}

// Get returns what is kept, in memory that the caller clears. The error wraps
// ErrNotFound or ErrNone, or is the keyring's. A person may be asked to unlock it.
func Get(profile, kind string) ([]byte, error) {
	var value string
	err := ask(kind, func() (err error) {
		value, err = keyring.Get(service, account(profile, kind))
		return err
	})
	return []byte(value), err
}

// Set keeps a value, in place of what is kept already.
func Set(profile, kind string, value []byte) error {
	return ask(kind, func() error { return keyring.Set(service, account(profile, kind), string(value)) })
}

// Delete forgets a value. The error may wrap ErrNotFound.
func Delete(profile, kind string) error {
	return ask(kind, func() error { return keyring.Delete(service, account(profile, kind)) })
}

// Forget forgets everything about a profile and returns the kinds that there were.
func Forget(profile string) (kinds []string, err error) {
	for _, kind := range Kinds {
		switch err := Delete(profile, kind); {
		case err == nil:
			kinds = append(kinds, kind)
		case !errors.Is(err, ErrNotFound):
			return kinds, err
		}
	}
	return kinds, nil
}

// List returns the kinds that are kept of a profile.
func List(profile string) (kinds []string, err error) {
	for _, kind := range Kinds {
		value, err := Get(profile, kind)
		clear(value)
		switch {
		case err == nil:
			kinds = append(kinds, kind)
		case !errors.Is(err, ErrNotFound):
			return kinds, err
		}
	}
	return kinds, nil
}

func account(profile, kind string) string { return profile + "/" + kind }

// ask calls the keyring, whose library knows no time limit: what hangs is left behind
// in a goroutine of its own, and the answer that comes too late is dropped.
func ask(kind string, call func() error) error {
	if !slices.Contains(Kinds, kind) {
		return fmt.Errorf("%q is no kind of secret", kind)
	}
	limit, err := check()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	answered := make(chan error, 1)
	go func() { answered <- call() }()
	select {
	case err = <-answered:
	case <-ctx.Done():
		return fmt.Errorf("%w: it doesn't answer within %v", ErrNone, limit)
	}
	switch {
	case errors.Is(err, keyring.ErrNotFound):
		return ErrNotFound
	case err != nil:
		return fmt.Errorf("keyring: %w", err)
	}
	return nil
}
