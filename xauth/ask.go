package xauth

import (
	"context"
	"crypto/rand"
	"errors"

	"postern/ike/isakmp"
	"postern/xauth/otp"
)

// Question is what a gateway asks at one time. As the error of a judge it is
// asked next.
type Question struct {
	Message   string   // XAUTH-MESSAGE, shown to the person
	Type      uint16   // XAUTH-TYPE; generic goes unsaid
	Challenge []byte   // XAUTH-CHALLENGE; none with generic
	Asks      []uint16 // attributes, such as isakmp.AttrXAuthPasscode

	// Judge judges the reply as Server.Verify does a password. It mustn't keep it.
	Judge func(ctx context.Context, r Reply) error
}

// Reply is what a client answered, by attribute: one value for each that was
// asked for, empty where the client gave none.
type Reply map[uint16][]byte

func (r Reply) clear() {
	for _, v := range r {
		clear(v)
	}
}

func (q *Question) Error() string { return "a further question: " + q.Message }

// Challenge is the error of a Verify that wants to know one thing more.
type Challenge struct {
	Message   string // shown to the person
	Attribute uint16 // what is asked for, such as isakmp.AttrXAuthPasscode; 0: the password

	// Verify judges the answer as Server.Verify does a password; what that knew,
	// its closure has.
	Verify func(ctx context.Context, answer []byte) error
}

func (c *Challenge) Error() string { return "a further question: " + c.Message }

// question is c as a Question.
func (c *Challenge) question() *Question {
	t := c.Attribute
	if t == 0 {
		t = isakmp.AttrXAuthUserPassword
	}
	return &Question{
		Message: c.Message, Asks: []uint16{t},
		Judge: func(ctx context.Context, r Reply) error { return c.Verify(ctx, r[t]) },
	}
}

// further is the question that a judge's error asks, nil where it asks none.
func further(err error) *Question {
	if q := (*Question)(nil); errors.As(err, &q) {
		return q
	}
	if c := (*Challenge)(nil); errors.As(err, &c) {
		return c.question()
	}
	return nil
}

// attributes are the question's. Under the old numbers there is always a TYPE,
// which tells them from Mode Config's.
func (q *Question) attributes(v vendor) (as []isakmp.Attribute) {
	if q.Type != isakmp.XAuthGeneric || v.oldNumbers {
		as = append(as, isakmp.TV(isakmp.AttrXAuthType, q.Type))
	}
	if len(q.Challenge) > 0 {
		as = append(as, isakmp.TLV(isakmp.AttrXAuthChallenge, q.Challenge))
	}
	if q.Message != "" {
		as = append(as, isakmp.TLV(isakmp.AttrXAuthMessage, []byte(q.Message)))
	}
	for _, t := range q.Asks {
		as = append(as, isakmp.TLV(t, nil))
	}
	return as
}

// AskCHAP asks for a name and a password that is hidden by a challenge of its
// own. verify is shown both ends of it: RADIUS calls password CHAP-Password. The
// password, if known, is judged by otp.VerifyCHAP.
// draft-beaulieu-ike-xauth-02, appendix A-8
func AskCHAP(verify func(ctx context.Context, user string, password, challenge []byte) error) *Question {
	challenge := make([]byte, 16)
	_, _ = rand.Read(challenge)
	return &Question{
		Type: isakmp.XAuthRadiusCHAP, Challenge: challenge,
		Asks: []uint16{isakmp.AttrXAuthUserName, isakmp.AttrXAuthUserPassword},
		Judge: func(ctx context.Context, r Reply) error {
			return verify(ctx, string(r[isakmp.AttrXAuthUserName]), r[isakmp.AttrXAuthUserPassword], challenge)
		},
	}
}

// AskUser asks for the name alone, which decides what is asked next.
func AskUser(next func(ctx context.Context, user string) error) *Question {
	return &Question{
		Asks:  []uint16{isakmp.AttrXAuthUserName},
		Judge: func(ctx context.Context, r Reply) error { return next(ctx, string(r[isakmp.AttrXAuthUserName])) },
	}
}

// AskOTP asks for the answer to a challenge, which otp.Challenge.Verify judges.
// S/KEY's has MD4.
func AskOTP(c otp.Challenge, verify func(ctx context.Context, response []byte) error) *Question {
	kind := uint16(isakmp.XAuthOTP)
	if c.Algorithm == otp.MD4 {
		kind = isakmp.XAuthSKey
	}
	return &Question{
		Type: kind, Challenge: []byte(c.String()), Asks: []uint16{isakmp.AttrXAuthUserPassword},
		Judge: func(ctx context.Context, r Reply) error { return verify(ctx, r[isakmp.AttrXAuthUserPassword]) },
	}
}

// AskPasscode asks for a name and the code of a token.
// draft-beaulieu-ike-xauth-02, appendices
func AskPasscode(message string, verify func(ctx context.Context, user string, code []byte) error) *Question {
	return &Question{
		Message: message, Asks: []uint16{isakmp.AttrXAuthUserName, isakmp.AttrXAuthPasscode},
		Judge: func(ctx context.Context, r Reply) error {
			return verify(ctx, string(r[isakmp.AttrXAuthUserName]), r[isakmp.AttrXAuthPasscode])
		},
	}
}

// AskNewPIN asks for a PIN of the user's choice; nothing else may be asked for
// beside it. draft-beaulieu-ike-xauth-02, appendix A-5
func AskNewPIN(message string, next func(ctx context.Context, pin []byte) error) *Question {
	return &Question{
		Message: message, Asks: []uint16{isakmp.AttrXAuthNextPIN},
		Judge: func(ctx context.Context, r Reply) error { return next(ctx, r[isakmp.AttrXAuthNextPIN]) },
	}
}

// AskYesNo asks what is answered "y" or "n", or else means no; the message must
// say so. draft-beaulieu-ike-xauth-02, appendix A-6
func AskYesNo(message string, next func(ctx context.Context, yes bool) error) *Question {
	return &Question{
		Message: message, Asks: []uint16{isakmp.AttrXAuthAnswer},
		Judge: func(ctx context.Context, r Reply) error {
			a := r[isakmp.AttrXAuthAnswer]
			return next(ctx, len(a) > 0 && (a[0] == 'y' || a[0] == 'Y'))
		},
	}
}
