package stamp

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"postern/client/prompt"
	"postern/ike"
	"postern/ike/isakmp"
)

// The RADIUS step. Documented: a special information exchange right after the
// first IKE packet from the client; the PAP exchange is protected by
// PAPAuthSecret. Chosen here: its form, and that the client repeats.
//
//	 Client                                Concentrator
//	--------                              --------------
//	 HDR, SA, …                      -->
//	                                 <--  HDR, RADIUS(request), VID
//	 HDR, RADIUS(response)           -->
//	                                  …   with Challenge as often as it likes
//	                                 <--  HDR, RADIUS(result)
//
// All of it is in clear and has a MAC; a message whose MAC doesn't verify is as
// if it hadn't come.

// radiusClient is one RADIUS step.
type radiusClient struct {
	*Client
	prelude *ike.Prelude
	conversation
	request *radius // the last
	outcome *radius // once it is there
}

// Prelude is an ike.Config.Prelude. Errors: ErrRefused, ErrNoSecret, ErrUnanswered,
// prompt.ErrCancelled, prompt.ErrNotInteractive.
func (c *Client) Prelude(ctx context.Context, p *ike.Prelude) error {
	if c.cfg.PAPAuthSecret == nil && (c.cfg.Method != CHAP || len(c.cfg.SharedKey) == 0) {
		return fmt.Errorf("%v: %w", c.cfg.Method, ErrNoSecret)
	}
	d := &radiusClient{Client: c, prelude: p, conversation: conversation{ckyI: p.CookieI, first: p.First}}
	if err := d.run(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("RADIUS step: %w", err)
	}
	return nil
}

func (d *radiusClient) run(ctx context.Context) error {
	// <--  HDR, RADIUS(request), VID
	if _, err := d.prelude.Receive(ctx, d.takeRequest); err != nil {
		return err
	}
	for range maxRounds {
		// The request proves that our first message arrived: it isn't repeated any more.
		d.prelude.Hold(d.cfg.Patience + margin)
		response, err := d.respond(ctx)
		if err != nil {
			return err
		}

		// HDR, RADIUS(response)  -->  <--  HDR, RADIUS(request) or HDR, RADIUS(result)
		d.prelude.Hold(serverPatience)
		if _, err := d.prelude.RoundTrip(ctx, response, d.takeNext); err != nil {
			return err
		}
		if d.outcome == nil {
			continue
		}
		if d.outcome.outcome != outcomeAccepted {
			d.forgetPassword()
			return &RefusedError{Step: "RADIUS", Message: d.outcome.message}
		}
		d.prelude.Release()
		return nil
	}
	return fmt.Errorf("more than %d questions", maxRounds)
}

// takeRequest takes a request of the method that the profile pins.
func (d *radiusClient) takeRequest(m ike.PreludeMessage) error {
	r, err := parseRADIUS(find(m.Payloads, PayloadRADIUS))
	if err != nil {
		return err
	}
	switch {
	case r.kind != kindRequest:
		return errors.New("RADIUS payload: no request")
	case r.method != d.cfg.Method:
		return fmt.Errorf("RADIUS payload: the gateway asks for %v, and the profile says %v", r.method, d.cfg.Method)
	case d.request != nil && (r.identifier == d.request.identifier || m.CookieR != d.ckyR):
		return errors.New("RADIUS payload: no further request")
	}
	with := d.conversation
	with.ckyR = m.CookieR
	if d.cfg.PAPAuthSecret != nil {
		if err := r.verify(&with, m.MessageID, macKey(d.cfg.PAPAuthSecret)); err != nil {
			return fmt.Errorf("RADIUS payload: request: %w", err)
		}
	}
	d.conversation, d.request = with, r
	return nil
}

// takeNext takes a further request, which only Challenge has, or the result.
func (d *radiusClient) takeNext(m ike.PreludeMessage) error {
	r, err := parseRADIUS(find(m.Payloads, PayloadRADIUS))
	if err != nil {
		return err
	}
	if r.kind == kindRequest && d.cfg.Method == Challenge {
		return d.takeRequest(m)
	}
	if r.kind != kindResult || m.CookieR != d.ckyR || r.identifier != d.request.identifier {
		return errors.New("RADIUS payload: no result of ours")
	}
	secret := d.cfg.PAPAuthSecret
	if secret == nil {
		secret = d.cfg.SharedKey
	}
	if err := r.verify(&d.conversation, m.MessageID, macKey(secret)); err != nil {
		return fmt.Errorf("RADIUS payload: result: %w", err)
	}
	d.outcome = r
	return nil
}

// respond answers the last request.
func (d *radiusClient) respond(ctx context.Context) (m ike.PreludeMessage, err error) {
	r := &radius{kind: kindResponse, method: d.cfg.Method, identifier: d.request.identifier, user: d.cfg.User}
	var password []byte
	if d.cfg.Method != Challenge || d.request.message != "" || r.user == "" {
		if r.user, password, err = d.credentials(ctx); err != nil {
			return m, err
		}
	}
	defer clear(password)
	switch {
	case d.cfg.Method == CHAP:
		r.password = CHAPResponse(r.identifier, password, d.challengeOf(d.request.challenge))
	case password != nil:
		r.password = hide(d.cfg.PAPAuthSecret, d.authenticator(d.cfg.PAPAuthSecret, d.request.challenge), password)
	}
	var km []byte
	if d.cfg.PAPAuthSecret != nil {
		km = macKey(d.cfg.PAPAuthSecret)
	}
	id := d.prelude.NewMessageID()
	return ike.PreludeMessage{
		CookieR: d.ckyR, MessageID: id,
		Payloads: []isakmp.Payload{{Type: PayloadRADIUS, Body: r.marshal(&d.conversation, id, km)}},
	}, nil
}

// credentials are the user's name and password, from what is stored or by asking
// the person. What is stored serves one login: it isn't tried again after a
// refusal, nor for a second challenge.
func (d *radiusClient) credentials(ctx context.Context) (user string, password []byte, err error) {
	user = d.cfg.User
	fields := d.userField()
	nameOnly := d.cfg.Method == Challenge && d.request.message == ""
	if !nameOnly {
		if password = d.stored(); password == nil {
			f := prompt.Field{Name: "password", Label: "Password", Kind: prompt.Secret, Max: maxPassword}
			if d.cfg.Method == Challenge {
				f = prompt.Field{Name: "password", Label: "Answer", Kind: prompt.Passcode, Max: maxPassword}
			}
			fields = append(fields, f)
		}
	}
	if len(fields) > 0 {
		answers, err := d.ask(ctx, d.request.message, fields...)
		if err != nil {
			return "", nil, err
		}
		if user == "" {
			user = string(answers["user"])
			d.cfg.User = user
		}
		if password == nil && !nameOnly {
			password = answers["password"]
			d.keep(password)
		}
	}
	switch {
	case len(password) > maxPassword:
		return "", nil, fmt.Errorf("a password of %d octets, where RADIUS takes %d", len(password), maxPassword)
	case checkText(user, maxText) != nil:
		return "", nil, fmt.Errorf("user name: %w", checkText(user, maxText))
	}
	return user, password, nil
}

// stored is the password that needn't be asked for, nil if it must be.
func (c *Client) stored() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.password == nil || c.used && c.cfg.Method == Challenge {
		return nil
	}
	c.used = true
	return bytes.Clone(c.password)
}

// keep remembers a password that was typed, for a phase 1 that has to begin anew.
// The answer to a challenge is good for that challenge only.
func (c *Client) keep(password []byte) {
	if c.cfg.Method == Challenge {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.password)
	c.password = bytes.Clone(password)
}

func (c *Client) forgetPassword() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.password)
	c.password = nil
}
