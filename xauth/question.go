package xauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/client/prompt"
	"postern/ike/isakmp"
)

// question is a REQUEST of XAuth on its way to its answer. The gateway may
// repeat it under a new message ID while the person is still typing: all of the
// repeats share one question, one prompt and one answer.
type question struct {
	identifier uint16
	kind       *uint64  // XAUTH-TYPE, nil where the gateway names none
	asked      []uint16 // what to answer, in the gateway's order
	message    string   // cleaned

	cancel context.CancelCauseFunc
	done   chan struct{} // closed when it is answered or dropped

	// Guarded by Client.mu.
	users   int                // REQUESTs that share it
	reply   []isakmp.Attribute // valid when done is closed
	dropped bool               // the gateway waits no longer
}

// fields are what a gateway may ask for, as a person is asked for it. The least
// and most length are of any gateway; it may have narrower ones that it says in
// its MESSAGE.
var fields = map[uint16]prompt.Field{
	isakmp.AttrXAuthUserName:     {Name: "user", Label: "User name", Kind: prompt.Text, Min: 1, Max: maxAnswer},
	isakmp.AttrXAuthUserPassword: {Name: "password", Label: "Password", Kind: prompt.Secret, Max: maxAnswer},
	isakmp.AttrXAuthPasscode:     {Name: "passcode", Label: "Passcode", Kind: prompt.Passcode, Min: 1, Max: maxAnswer},
	isakmp.AttrXAuthDomain:       {Name: "domain", Label: "Domain", Kind: prompt.Text, Max: maxAnswer},
	isakmp.AttrXAuthNextPIN:      {Name: "new-pin", Label: "New PIN", Kind: prompt.NewPIN, Min: 1, Max: maxAnswer},
	isakmp.AttrXAuthAnswer:       {Name: "answer", Label: "Answer", Kind: prompt.Text, Max: maxAnswer},
}

const (
	maxAnswer  = 255  // characters of an answer
	maxMessage = 2000 // characters of a gateway's MESSAGE
)

// isXAuth says whether c is of XAuth and not of Mode Config.
func isXAuth(c isakmp.Configuration) bool {
	return slices.ContainsFunc(c.Attributes, func(a isakmp.Attribute) bool {
		return a.Type >= isakmp.AttrXAuthType && a.Type <= isakmp.AttrXAuthAnswer
	})
}

// readQuestion reads a REQUEST. What it asks for and nobody could answer is left
// out: a gateway that needs it will say so.
func readQuestion(request isakmp.Configuration) *question {
	q := &question{identifier: request.Identifier, message: messageOf(request), done: make(chan struct{}), users: 1}
	for _, a := range request.Attributes {
		if a.Type == isakmp.AttrXAuthType && q.kind == nil {
			n, err := a.Uint()
			if err != nil {
				n = ^uint64(0) // a type of no number is none that is known
			}
			q.kind = &n
		}
		if _, ok := fields[a.Type]; ok && !slices.Contains(q.asked, a.Type) {
			q.asked = append(q.asked, a.Type)
		}
	}
	return q
}

// messageOf is the gateway's MESSAGE, cleaned; several are lines of one.
func messageOf(c isakmp.Configuration) string {
	var all string
	for _, a := range c.Attributes {
		if a.Type == isakmp.AttrXAuthMessage && len(a.Value) > 0 && len(all) < maxMessage {
			all += prompt.CleanText(head(a.Value, maxMessage), maxMessage) + "\n"
		}
	}
	return prompt.CleanText(all, maxMessage)
}

// sameAs says whether q repeats an open question. "The identifier … is the same
// throughout", so that what is asked counts too.
func (q *question) sameAs(open *question) bool {
	return q.identifier == open.identifier && slices.Equal(q.asked, open.asked)
}

// answer makes the attributes of the REPLY: TYPE "if and only if it was
// present", then what was asked for, from what is stored or by asking the person.
func (c *Client) answer(ctx context.Context, q *question) ([]isakmp.Attribute, error) {
	var reply []isakmp.Attribute
	if q.kind != nil {
		if *q.kind != isakmp.XAuthGeneric {
			return nil, fmt.Errorf("%w: the gateway wants %s", ErrType, typeName(*q.kind))
		}
		reply = append(reply, isakmp.TV(isakmp.AttrXAuthType, isakmp.XAuthGeneric))
	}
	if q.message != "" {
		c.cfg.Log.Info("the gateway says", "message", q.message)
	}
	known := c.stored(q.asked)
	if err := c.ask(ctx, q, known); err != nil {
		for _, v := range known {
			clear(v)
		}
		return nil, err
	}
	c.note(q.asked, known)
	for _, t := range q.asked {
		reply = append(reply, isakmp.TLV(t, known[t]))
	}
	return reply, nil
}

// stored is what needn't be asked of the person. The stored password is good
// for the login's first question for one: where the gateway asks again, it was
// wrong, or a code is wanted in its place.
func (c *Client) stored(asked []uint16) map[uint16][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := make(map[uint16][]byte)
	for _, t := range asked {
		var v []byte
		switch t {
		case isakmp.AttrXAuthUserName:
			v = []byte(c.cfg.User)
		case isakmp.AttrXAuthDomain:
			v = []byte(c.cfg.Domain)
		case isakmp.AttrXAuthUserPassword:
			if c.passwords == 0 {
				v = bytes.Clone(c.password)
			}
		}
		if len(v) > 0 {
			known[t] = v
		}
	}
	return known
}

// ask adds to known what only the person knows.
func (c *Client) ask(ctx context.Context, q *question, known map[uint16][]byte) error {
	p := prompt.Prompt{Title: c.cfg.Title, Message: q.message, Deadline: time.Now().Add(c.cfg.Patience)}
	for _, t := range q.asked {
		if _, ok := known[t]; !ok {
			p.Fields = append(p.Fields, fields[t])
		}
	}
	if len(p.Fields) == 0 && (len(q.asked) > 0 || q.message == "") {
		return nil
	}
	ctx, cancel := context.WithDeadline(ctx, p.Deadline)
	defer cancel()
	answers, err := c.cfg.Ask(ctx, p)
	defer answers.Clear()
	if err != nil {
		return c.unanswered(ctx, q, p, err)
	}
	for _, t := range q.asked {
		f := fields[t]
		if _, ok := known[t]; ok {
			continue
		}
		if err := f.Check(answers[f.Name]); err != nil {
			return fmt.Errorf("the answer to %q: %w", f.Label, err)
		}
		known[t] = bytes.Clone(answers[f.Name])
	}
	return nil
}

// unanswered says why a prompt has no answer.
func (c *Client) unanswered(ctx context.Context, q *question, p prompt.Prompt, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	if errors.Is(err, prompt.ErrNotInteractive) && len(p.Fields) == 0 {
		return nil // a message that nobody reads needs no answer
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w in %v", ErrUnanswered, c.cfg.Patience)
	}
	var labels []string
	for _, f := range p.Fields {
		labels = append(labels, strings.ToLower(f.Label[:1])+f.Label[1:])
	}
	if len(labels) > 0 {
		err = fmt.Errorf("the gateway asks for %s: %w", strings.Join(labels, ", "), err)
	}
	if c.askedAgain(q) && errors.Is(err, prompt.ErrNotInteractive) {
		return &RefusedError{Message: q.message, Cause: err}
	}
	return err
}

// typeName names an XAUTH-TYPE. draft-beaulieu-ike-xauth-02, section 6.3
func typeName(n uint64) string {
	switch n {
	case isakmp.XAuthRadiusCHAP:
		return "RADIUS-CHAP (type 1)"
	case isakmp.XAuthOTP:
		return "OTP (type 2)"
	case isakmp.XAuthSKey:
		return "S/KEY (type 3)"
	case ^uint64(0):
		return "a type that isn't a number"
	}
	return fmt.Sprintf("type %d", n)
}
