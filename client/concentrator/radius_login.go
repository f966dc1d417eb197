package concentrator

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"postern/client/concentrator/radius"
	"postern/ike/isakmp"
	"postern/xauth"
)

// How RADIUS meets XAuth. Chosen here, for no document says what a concentrator did:
//
//	Access-Accept     the user is let in, or asked for a passcode beside it
//	Access-Reject     STATUS = FAIL, with Reply-Message as MESSAGE
//	Access-Challenge  one more REQUEST, with Reply-Message as MESSAGE; what is asked
//	                  for is an ANSWER where the server says that it may be shown
//	                  (Prompt = Echo), else a password, or from SecurID a passcode

// errRejected is what the log says of an Access-Reject.
var errRejected = errors.New("RADIUS rejects the user")

// errUnavailable is shown to a user whom nobody could judge.
const errUnavailable = "The gateway can't check logins now. Please try again later."

// passcodeQuestion is what SecurID's users have always been asked.
const passcodeQuestion = "Enter PASSCODE:"

// login is one user's XAuth.
type login struct {
	g      *Gateway
	name   string // of the SA, so that a repeated request is known as such
	from   netip.Addr
	group  *Group
	by     *User         // whom phase 1 proved; may be nil
	accept radius.Accept // what RADIUS says of the user
}

// server is how the client is asked.
func (l *login) server() *xauth.Server {
	s := &xauth.Server{Verify: l.verify, Tries: 1} // who sends a password by itself sends the same again
	if l.g.verify != nil {
		return s
	}
	switch auth := l.group.authentication(l.g.cfg); {
	case auth == AuthSecurID:
		s.Message, s.Passcode, s.Tries = passcodeQuestion, true, 0
	case auth == AuthRADIUS && l.g.cfg.RADIUS.ChallengeType == ChallengeFirst:
		s.NameOnly = true
	}
	return s
}

// first judges what the user typed first.
func (l *login) first(ctx context.Context, user string, password []byte) error {
	if l.g.verify != nil {
		return l.g.verify(ctx, user, password)
	}
	switch l.group.authentication(l.g.cfg) {
	case AuthRADIUS:
		r := radius.Request{User: user, Password: password}
		if l.g.cfg.RADIUS.ChallengeType == ChallengeCHAP {
			r.CHAP = radius.NewCHAP(password)
		}
		return l.ask(ctx, l.g.radius, r, isakmp.AttrXAuthUserPassword)
	case AuthSecurID:
		return l.ask(ctx, l.g.securID, radius.Request{User: user, Password: password}, isakmp.AttrXAuthPasscode)
	}
	return l.g.cfg.verify(ctx, user, password)
}

// second asks for the passcode that the group wants on top.
func (l *login) second(user string) error {
	if !l.group.SecurID || l.g.verify != nil || l.group.authentication(l.g.cfg) == AuthSecurID {
		return nil
	}
	return &xauth.Challenge{
		Message: passcodeQuestion, Attribute: isakmp.AttrXAuthPasscode,
		Verify: func(ctx context.Context, passcode []byte) error {
			return l.ask(ctx, l.g.securID, radius.Request{User: user, Password: passcode}, isakmp.AttrXAuthPasscode)
		},
	}
}

// ask asks a server, and hands on what it wants to know.
func (l *login) ask(ctx context.Context, c *radius.Client, r radius.Request, attribute uint16) error {
	r.Peer, r.Once = l.from, l.name
	answer, err := c.Authenticate(ctx, r)
	switch {
	case errors.Is(err, radius.ErrPassword):
		return &xauth.RefusedError{Cause: err}
	case err != nil:
		return fmt.Errorf("%w: %w", errNobodyJudges, err)
	}
	switch a := answer.(type) {
	case radius.Accept:
		l.note(a)
		return nil
	case radius.Challenge:
		asked := attribute
		if a.Echo {
			asked = isakmp.AttrXAuthAnswer
		}
		return &xauth.Challenge{
			Message: a.Message, Attribute: asked,
			Verify: func(ctx context.Context, typed []byte) error {
				return l.ask(ctx, c, radius.Request{User: r.User, Password: typed, State: a.State}, attribute)
			},
		}
	case radius.Reject:
		return &xauth.RefusedError{Message: a.Message, Cause: errRejected}
	}
	return errRejected
}

// errNobodyJudges says that the fault isn't the user's.
var errNobodyJudges = errors.New("nobody can judge the user")

// note keeps what an Accept says; one of SecurID's "can't supply the group", and
// leaves what RADIUS said.
func (l *login) note(a radius.Accept) {
	if l.accept.Group == "" {
		l.accept.Group = a.Group
	}
	if !l.accept.Address.IsValid() {
		l.accept.Address = a.Address
	}
	if len(l.accept.Class) == 0 {
		l.accept.Class = a.Class
	}
	l.accept.Limit, l.accept.Interim = max(l.accept.Limit, a.Limit), max(l.accept.Interim, a.Interim)
}
