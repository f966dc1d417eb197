package xauth

import (
	"bytes"
	"context"
	"sync"
	"time"

	"postern/xauth/otp"
)

// Codes makes one-time codes from a secret that is stored. One serves for all
// the logins of a user, so that no code is sent twice. Safe for concurrent use;
// a nil *Codes makes none.
type Codes struct {
	totp *otp.TOTP // nil: responses to challenges

	mu         sync.Mutex // guards what follows
	last       uint64     // the time step of the last code
	passPhrase []byte     // nil: the person is asked for it each time
}

// NewTOTP makes codes of a seed and the time. seed is as otp.ParseTOTP has it.
func NewTOTP(seed []byte) (*Codes, error) {
	t, err := otp.ParseTOTP(seed)
	if err != nil {
		return nil, err
	}
	return &Codes{totp: &t}, nil
}

// NewOTP makes responses to challenges of OTP and S/KEY. It copies the pass
// phrase; without one the person is asked for it, and it never leaves.
func NewOTP(passPhrase []byte) *Codes { return &Codes{passPhrase: bytes.Clone(passPhrase)} }

// Close overwrites the secret.
func (c *Codes) Close() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.passPhrase)
	if c.totp != nil {
		clear(c.totp.Seed)
	}
}

func (c *Codes) answersChallenges() bool { return c != nil && c.totp == nil }

func (c *Codes) timed() bool { return c != nil && c.totp != nil }

// response answers a challenge; nil without a pass phrase.
func (c *Codes) response(challenge otp.Challenge) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.passPhrase) == 0 {
		return nil
	}
	return challenge.Response(c.passPhrase)
}

// code is the code of this time step, or of the next where this one's was
// sent: "The verifier MUST NOT accept the second attempt of the OTP" (RFC 6238,
// section 5.2).
func (c *Codes) code(ctx context.Context) ([]byte, error) {
	step := c.reserve()
	select {
	case <-time.After(time.Until(c.totp.Begins(step))):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.totp.Code(step), nil
}

func (c *Codes) reserve() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	step := c.totp.Step(time.Now())
	if c.last == step || c.last == step+1 { // a later one is of a clock that was set back
		step = c.last + 1
	}
	c.last = step
	return step
}
