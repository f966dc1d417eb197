package xauth

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"postern/ike"
	"postern/ike/isakmp"
)

// Server is a gateway's side of XAuth. It isn't changed once it is in use, and
// serves any number of SAs at the same time.
type Server struct {
	// Verify judges a name and a password: nil lets the user in; an error that is
	// ErrRefused costs one of the tries, and a RefusedError's Message is shown; a
	// *Question or *Challenge asks further; any other error ends the login at once.
	// It mustn't keep the password. It may be called by several goroutines at once.
	Verify func(ctx context.Context, sa *ike.SA, user string, password []byte) error

	// First, if not nil, makes what each try begins with, in the place of a question
	// for Verify.
	First func(sa *ike.SA) *Question

	Message  string        // shown with the first question; may be empty
	Passcode bool          // the first question is for a passcode in the password's place
	NameOnly bool          // the first question is for the name alone, and Verify gets no password
	Tries    int           // 0: 3
	Patience time.Duration // how long a person may take for each answer; 0: 165 s

	// Vendor is whose gateway this plays: "checkpoint" or "netscreen"; empty: none.
	Vendor string
	// Assign, if not nil, is what a NetScreen pushes to a user before the STATUS.
	Assign func(ctx context.Context, sa *ike.SA, user string) (*Assigned, error)
}

// Limits of a login. Chosen here.
const (
	defaultTries    = 3
	maxQuestions    = 9 // of one try
	maxUserName     = 255
	maxAnswerOctets = 1024
	failPatience    = 5 * time.Second // for the ACK of a STATUS of FAIL
)

// Authenticate asks the client for its user until Verify is content, and tells
// it the outcome. It begins when phase 1 is done. A user who isn't let in loses
// the SA: it is closed, and the error is ErrRefused or what Verify or the
// exchange failed with.
//
// The client's next exchange may overtake its ACK: hold it until Authenticate
// has returned. Not to be called by a handler of the SA's own.
func (s *Server) Authenticate(ctx context.Context, sa *ike.SA) (user string, err error) {
	d := dialogue{Server: s, sa: sa, identifier: newIdentifier(), vendor: vendorOf(s.Vendor, nil)}
	if err = d.run(ctx); err == nil {
		err = d.assign(ctx)
	}
	if err == nil {
		err = d.tell(ctx, isakmp.TV(isakmp.AttrXAuthStatus, isakmp.XAuthOK))
	} else if sa.Err() == nil {
		d.tellRefused(ctx, err)
	}
	if err != nil {
		_ = sa.Close()
		return d.user, fmt.Errorf("xauth: %w", err)
	}
	return d.user, nil
}

// dialogue is one login. "The identifier stays the same" in all its exchanges.
type dialogue struct {
	*Server
	sa         *ike.SA
	identifier uint16
	vendor     vendor
	user       string // who they say they are
}

// run asks until the user is let in, or not.
func (d *dialogue) run(ctx context.Context) (err error) {
	message := d.Message
	tries := d.Tries
	if tries == 0 {
		tries = defaultTries
	}
	for range tries {
		q := d.first()
		if message != "" {
			q.Message = message
		}
		if err = d.try(ctx, q); err == nil || !errors.Is(err, ErrRefused) {
			return err
		}
		message = "The user name or the password is wrong. Please try again."
		if r := (*RefusedError)(nil); errors.As(err, &r) && r.Message != "" {
			message = r.Message
		}
	}
	return err
}

// first is what a try begins with.
func (d *dialogue) first() *Question {
	if d.First != nil {
		return d.First(d.sa)
	}
	asks, secret := []uint16{isakmp.AttrXAuthUserName}, uint16(isakmp.AttrXAuthUserPassword)
	if d.Passcode {
		secret = isakmp.AttrXAuthPasscode
	}
	if !d.NameOnly {
		asks = append(asks, secret)
	}
	return &Question{Asks: asks, Judge: func(ctx context.Context, r Reply) error { return d.Verify(ctx, d.sa, d.user, r[secret]) }}
}

// try asks a question and what its judge wants to know beside.
func (d *dialogue) try(ctx context.Context, q *Question) error {
	for range maxQuestions {
		// <--  HDR*, HASH, ATTR(REQUEST)    HDR*, HASH, ATTR(REPLY)  -->
		reply, err := d.ask(ctx, q)
		if err != nil {
			return err
		}
		err = d.judge(ctx, q, reply)
		if q = further(err); q == nil {
			return err
		}
	}
	return fmt.Errorf("more than %d questions", maxQuestions)
}

// judge shows a REPLY to its question's judge, and overwrites it.
func (d *dialogue) judge(ctx context.Context, q *Question, reply isakmp.Configuration) error {
	r := make(Reply)
	defer r.clear()
	for _, t := range q.Asks {
		r[t] = q.value(reply, t)
		if len(r[t]) > maxAnswerOctets {
			return &RefusedError{Cause: fmt.Errorf("an answer of %d octets", len(r[t]))}
		}
	}
	if name, ok := r[isakmp.AttrXAuthUserName]; ok {
		if err := checkUser(name); err != nil {
			return &RefusedError{Cause: err}
		}
		d.user = string(name)
	}
	return q.Judge(ctx, r)
}

// errDeclined is the error for a client that replies STATUS = FAIL.
var errDeclined = errors.New("the client doesn't answer the question")

// ask sends a REQUEST and returns its REPLY. While a person is typing, ike gives
// up before they do: the question is then repeated under a new message ID, and
// the identifier tells the client that it is the same.
func (d *dialogue) ask(ctx context.Context, q *Question) (reply isakmp.Configuration, err error) {
	patience := d.Patience
	if patience == 0 {
		patience = gatewayPatience
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request := isakmp.Configuration{Type: isakmp.CfgRequest, Identifier: d.identifier, Attributes: q.attributes(d.vendor)}
	for {
		reply, err = d.transact(ctx, request)
		if timeout := (*ike.TimeoutError)(nil); !errors.As(err, &timeout) || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return reply, err
	}
	// A client that can't answer replies STATUS = FAIL, whatever else it replies.
	for _, a := range reply.Attributes {
		if a.Type == isakmp.AttrXAuthStatus {
			return reply, errDeclined
		}
	}
	return reply, nil
}

// transact is the SA's, in the numbers of the vendor that is played.
func (d *dialogue) transact(ctx context.Context, c isakmp.Configuration) (isakmp.Configuration, error) {
	if !d.vendor.oldNumbers {
		return d.sa.Transact(ctx, c)
	}
	answer, err := d.sa.Transact(ctx, toOld(c))
	return fromOld(answer), err
}

// assign pushes a configuration inside the login.
func (d *dialogue) assign(ctx context.Context) error {
	if !d.vendor.pushes || d.Assign == nil {
		return nil
	}
	a, err := d.Assign(ctx, d.sa, d.user)
	if err != nil {
		return err
	}
	// <--  HDR*, HASH, ATTR(SET)    HDR*, HASH, ATTR(ACK)  -->
	return d.tell(ctx, a.Attributes(nil)...)
}

// tell tells the client something (SET/ACK). The ACK is empty or echoes the STATUS: nothing
// hangs on which.
func (d *dialogue) tell(ctx context.Context, outcome ...isakmp.Attribute) error {
	// <--  HDR*, HASH, ATTR(SET)    HDR*, HASH, ATTR(ACK)  -->
	_, err := d.transact(ctx, isakmp.Configuration{Type: isakmp.CfgSet, Identifier: d.identifier, Attributes: outcome})
	return err
}

// tellRefused sends STATUS = FAIL, with the message that Verify gave. A client
// that doesn't listen any more learns it from the Delete.
func (d *dialogue) tellRefused(ctx context.Context, err error) {
	ctx, cancel := context.WithTimeout(ctx, failPatience)
	defer cancel()
	outcome := []isakmp.Attribute{isakmp.TV(isakmp.AttrXAuthStatus, isakmp.XAuthFail)}
	if r := (*RefusedError)(nil); errors.As(err, &r) && r.Message != "" {
		outcome = append(outcome, isakmp.TLV(isakmp.AttrXAuthMessage, []byte(r.Message)))
	}
	_ = d.tell(ctx, outcome...)
}

// value is what a REPLY says for t. Not RFC: Android ends strings with a NUL,
// which isn't part of them. A hidden password is no string, and may end so.
func (q *Question) value(reply isakmp.Configuration, t uint16) []byte {
	for _, a := range reply.Attributes {
		switch {
		case a.Type != t:
		case t == isakmp.AttrXAuthUserPassword && q.Type == isakmp.XAuthRadiusCHAP:
			return a.Value
		default:
			return bytes.TrimSuffix(a.Value, []byte{0})
		}
	}
	return nil
}

// checkUser bounds what a peer may call itself before it is logged, looked up or
// handed to RADIUS.
func checkUser(name []byte) error {
	switch {
	case len(name) == 0:
		return errors.New("no user name")
	case len(name) > maxUserName:
		return fmt.Errorf("a user name of %d octets", len(name))
	case bytes.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("a user name with control characters")
	}
	return nil
}

// newIdentifier is random and not 0, which ike would fill in anew each time.
func newIdentifier() uint16 {
	var b [2]byte
	_, _ = rand.Read(b[:])
	return binary.BigEndian.Uint16(b[:]) | 1
}
