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
	// *Challenge asks further; any other error ends the login at once. It mustn't
	// keep the password. It may be called by several goroutines at once.
	Verify func(ctx context.Context, sa *ike.SA, user string, password []byte) error

	Message  string        // shown with the first question; may be empty
	Passcode bool          // the first question is for a passcode in the password's place
	NameOnly bool          // the first question is for the name alone, and Verify gets no password
	Tries    int           // 0: 3
	Patience time.Duration // how long a person may take for each answer; 0: 165 s
}

// Limits of a login. Chosen here.
const (
	defaultTries  = 3
	maxChallenges = 8 // after one password
	maxUserName   = 255
	maxPassword   = 1024
	failPatience  = 5 * time.Second // for the ACK of a STATUS of FAIL
)

// Challenge is the error of a Verify that wants to know more.
type Challenge struct {
	Message   string // shown to the person
	Attribute uint16 // what is asked for, such as isakmp.AttrXAuthPasscode; 0: the password

	// Verify judges the answer as Server.Verify does a password; what that knew,
	// its closure has.
	Verify func(ctx context.Context, answer []byte) error
}

func (c *Challenge) Error() string { return "a further question: " + c.Message }

// Authenticate asks the client for its user until Verify is content, and tells
// it the outcome. It begins when phase 1 is done. A user who isn't let in loses
// the SA: it is closed, and the error is ErrRefused or what Verify or the
// exchange failed with.
//
// The client's next exchange may overtake its ACK: hold it until Authenticate
// has returned. Not to be called by a handler of the SA's own.
func (s *Server) Authenticate(ctx context.Context, sa *ike.SA) (user string, err error) {
	d := dialogue{Server: s, sa: sa, identifier: newIdentifier()}
	if user, err = d.run(ctx); err == nil {
		err = d.tell(ctx, isakmp.TV(isakmp.AttrXAuthStatus, isakmp.XAuthOK))
	} else if sa.Err() == nil {
		d.tellRefused(ctx, err)
	}
	if err != nil {
		_ = sa.Close()
		return user, fmt.Errorf("xauth: %w", err)
	}
	return user, nil
}

// dialogue is one login. "The identifier stays the same" in all its exchanges.
type dialogue struct {
	*Server
	sa         *ike.SA
	identifier uint16
}

// run asks until the user is let in, or not.
func (d *dialogue) run(ctx context.Context) (user string, err error) {
	message := d.Message
	tries := d.Tries
	if tries == 0 {
		tries = defaultTries
	}
	for range tries {
		// <--  HDR*, HASH, ATTR(REQUEST)    HDR*, HASH, ATTR(REPLY)  -->
		reply, e := d.ask(ctx, message, d.first()...)
		if e != nil {
			return user, e
		}
		user, err = d.judge(ctx, reply)
		if err == nil || !errors.Is(err, ErrRefused) {
			return user, err
		}
		message = "The user name or the password is wrong. Please try again."
		if r := (*RefusedError)(nil); errors.As(err, &r) && r.Message != "" {
			message = r.Message
		}
	}
	return user, err
}

// first is what the first question is for.
func (d *dialogue) first() []uint16 {
	switch {
	case d.NameOnly:
		return []uint16{isakmp.AttrXAuthUserName}
	case d.Passcode:
		return []uint16{isakmp.AttrXAuthUserName, isakmp.AttrXAuthPasscode}
	}
	return []uint16{isakmp.AttrXAuthUserName, isakmp.AttrXAuthUserPassword}
}

// judge shows name and password to Verify, and asks what it wants to know beside.
func (d *dialogue) judge(ctx context.Context, reply isakmp.Configuration) (user string, err error) {
	var password []byte
	if !d.NameOnly {
		asked := d.first()
		password = value(reply, asked[len(asked)-1])
	}
	defer clear(password)
	name := value(reply, isakmp.AttrXAuthUserName)
	if err := checkUser(name, password); err != nil {
		return "", &RefusedError{Cause: err}
	}
	user = string(name)
	err = d.Verify(ctx, d.sa, user, password)
	for range maxChallenges {
		var c *Challenge
		if !errors.As(err, &c) {
			return user, err
		}
		err = d.challenge(ctx, c)
	}
	return user, fmt.Errorf("more than %d further questions", maxChallenges)
}

// challenge asks one thing more.
func (d *dialogue) challenge(ctx context.Context, c *Challenge) error {
	attribute := c.Attribute
	if attribute == 0 {
		attribute = isakmp.AttrXAuthUserPassword
	}
	reply, err := d.ask(ctx, c.Message, attribute)
	if err != nil {
		return err
	}
	answer := value(reply, attribute)
	defer clear(answer)
	if len(answer) > maxPassword {
		return &RefusedError{Cause: fmt.Errorf("an answer of %d octets", len(answer))}
	}
	return c.Verify(ctx, answer)
}

// errDeclined is the error for a client that replies STATUS = FAIL.
var errDeclined = errors.New("the client doesn't answer the question")

// ask sends a REQUEST and returns its REPLY. While a person is typing, ike gives
// up before they do: the question is then repeated under a new message ID, and
// the identifier tells the client that it is the same.
func (d *dialogue) ask(ctx context.Context, message string, attributes ...uint16) (reply isakmp.Configuration, err error) {
	request := isakmp.Configuration{Type: isakmp.CfgRequest, Identifier: d.identifier}
	if message != "" {
		request.Attributes = append(request.Attributes, isakmp.TLV(isakmp.AttrXAuthMessage, []byte(message)))
	}
	for _, t := range attributes {
		request.Attributes = append(request.Attributes, isakmp.TLV(t, nil))
	}
	patience := d.Patience
	if patience == 0 {
		patience = gatewayPatience
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		reply, err = d.sa.Transact(ctx, request)
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

// tell ends the login (SET/ACK). The ACK is empty or echoes the STATUS: nothing
// hangs on which.
func (d *dialogue) tell(ctx context.Context, outcome ...isakmp.Attribute) error {
	// <--  HDR*, HASH, ATTR(SET)    HDR*, HASH, ATTR(ACK)  -->
	_, err := d.sa.Transact(ctx, isakmp.Configuration{Type: isakmp.CfgSet, Identifier: d.identifier, Attributes: outcome})
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
// which isn't part of them.
func value(reply isakmp.Configuration, t uint16) []byte {
	for _, a := range reply.Attributes {
		if a.Type == t {
			return bytes.TrimSuffix(a.Value, []byte{0})
		}
	}
	return nil
}

// checkUser bounds what a peer may call itself before it is logged, looked up or
// handed to RADIUS.
func checkUser(name, password []byte) error {
	switch {
	case len(name) == 0:
		return errors.New("no user name")
	case len(name) > maxUserName:
		return fmt.Errorf("a user name of %d octets", len(name))
	case len(password) > maxPassword:
		return fmt.Errorf("a password of %d octets", len(password))
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
