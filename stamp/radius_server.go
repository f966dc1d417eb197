package stamp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"postern/ike"
	"postern/ike/isakmp"
)

// radiusServer is one RADIUS step.
type radiusServer struct {
	*Server
	prelude *ike.Prelude
	conversation
	request  *radius
	response *radius
	keyed    bool // the response has a MAC
}

// silentRepeats is how often a client repeats its first message before it is taken
// for one that doesn't answer the step. Chosen here.
const silentRepeats = 6

// Login leads the RADIUS step; call it from an ike.Config.Prelude, for a client
// that has announced itself. Errors: ErrSilent, after which phase 1 may go on with
// other keys; ErrRefused; what Authenticate failed with.
func (s *Server) Login(ctx context.Context, p *ike.Prelude) (*Login, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience())
	defer cancel()
	d := &radiusServer{Server: s, prelude: p, conversation: conversation{p.CookieI, p.CookieR, p.First}}
	l, err := d.run(ctx)
	if err != nil {
		return nil, fmt.Errorf("RADIUS step: %w", err)
	}
	return l, nil
}

func (d *radiusServer) run(ctx context.Context) (*Login, error) {
	message, state := "", any(nil)
	for range maxRounds {
		// <--  HDR, RADIUS(request), VID    HDR, RADIUS(response)  -->
		if err := d.ask(ctx, message); err != nil {
			return nil, err
		}
		result, err := d.authenticate(ctx, state)
		if err != nil {
			d.log().Warn("RADIUS", "user", d.response.user, "error", err)
			result = Result{Message: "The authentication server doesn't answer."}
		}
		switch {
		case result.Outcome == Accepted:
			// <--  HDR, RADIUS(result)
			d.tell(outcomeAccepted, result)
			return &Login{d.response.user, result}, nil
		case result.Outcome == Challenged && d.Method == Challenge:
			message, state = result.Message, result.State
			if message == "" {
				message = "Answer:" // the first request alone carries none
			}
		default:
			d.tell(outcomeRejected, result)
			d.linger(ctx)
			if err == nil {
				err = &RefusedError{Step: "RADIUS"}
			}
			return nil, err
		}
	}
	return nil, fmt.Errorf("more than %d questions", maxRounds)
}

// ask sends a request and waits for its response, which the client repeats as
// often as it must.
func (d *radiusServer) ask(ctx context.Context, message string) error {
	identifier := byte(0)
	if d.request != nil {
		identifier = d.request.identifier
	}
	r := &radius{kind: kindRequest, method: d.Method, challenge: make([]byte, challengeLen), message: CleanMessage(message)}
	rand.Read(r.challenge)
	for r.identifier == identifier {
		r.identifier = uint8(d.prelude.NewMessageID())
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if d.request == nil {
		repeats := 0
		d.prelude.Repeated = func() {
			if repeats++; repeats == silentRepeats {
				cancel(ErrSilent)
			}
		}
		defer func() { d.prelude.Repeated = nil }()
	}
	d.request = r
	if err := d.send(r, d.Secret, announcement()); err != nil {
		return err
	}
	_, err := d.prelude.Receive(ctx, d.takeResponse)
	return err
}

// send sends a payload, with a MAC where there is a secret.
func (d *radiusServer) send(r *radius, secret []byte, more ...isakmp.Payload) error {
	id := d.prelude.NewMessageID()
	var km []byte
	if secret != nil {
		km = macKey(secret)
	}
	body := r.marshal(&d.conversation, id, km)
	return d.prelude.Send(ike.PreludeMessage{
		CookieR: d.ckyR, MessageID: id,
		Payloads: append([]isakmp.Payload{{Type: PayloadRADIUS, Body: body}}, more...),
	})
}

// takeResponse takes the response to the last request.
func (d *radiusServer) takeResponse(m ike.PreludeMessage) error {
	r, err := parseRADIUS(find(m.Payloads, PayloadRADIUS))
	if err != nil {
		return err
	}
	switch {
	case r.kind != kindResponse || r.method != d.Method || r.identifier != d.request.identifier:
		return errors.New("RADIUS payload: no response to what was asked")
	case d.response != nil && d.response.user != r.user:
		return errors.New("RADIUS payload: another user's")
	case d.Method == Challenge && d.request.message != "" && r.password == nil:
		return errors.New("RADIUS payload: no answer")
	case r.mac == nil && d.Method == CHAP:
		// The CHAP response proves itself.
	default:
		if err := r.verify(&d.conversation, m.MessageID, macKey(d.Secret)); err != nil {
			return fmt.Errorf("RADIUS payload: response: %w", err)
		}
	}
	d.response, d.keyed = r, r.mac != nil
	return nil
}

// authenticate asks the RADIUS server.
func (d *radiusServer) authenticate(ctx context.Context, state any) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, serverPatience)
	defer cancel()
	c := Credentials{User: d.response.user, Method: d.Method, Remote: d.prelude.From.Remote, State: state}
	switch {
	case d.Method == CHAP:
		c.CHAPIdentifier, c.CHAPResponse = d.response.identifier, d.response.password
		c.CHAPChallenge = d.challengeOf(d.request.challenge)
	case d.response.password != nil:
		c.Password = reveal(d.Secret, d.authenticator(d.Secret, d.request.challenge), d.response.password)
		defer clear(c.Password)
	}
	return d.Authenticate(ctx, c)
}

// tell sends the result. A client without PAPAuthSecret can only verify what is
// made with its user's key.
func (d *radiusServer) tell(outcome uint8, r Result) {
	secret := d.Secret
	if !d.keyed {
		if secret = r.SharedKey; secret == nil {
			return
		}
	}
	_ = d.send(&radius{kind: kindResult, identifier: d.request.identifier, message: CleanMessage(r.Message), outcome: outcome}, secret)
}

// linger repeats the result to a client that repeats its response.
func (d *radiusServer) linger(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, rejectLinger)
	defer cancel()
	_, _ = d.prelude.Receive(ctx, func(ike.PreludeMessage) error { return errors.New("the step is over") })
}
