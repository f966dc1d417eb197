package xauth

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"postern/client/prompt"
	"postern/ike/isakmp"
	"postern/xauth/otp"
)

// question is a REQUEST of XAuth on its way to its answer. The gateway may
// repeat it under a new message ID while the person is still typing: all of the
// repeats share one question, one prompt and one answer.
type question struct {
	identifier uint16
	kind       *uint64  // XAUTH-TYPE, nil where the gateway names none
	asked      []uint16 // what to answer, in the gateway's order
	message    string   // cleaned
	challenge  []byte   // XAUTH-CHALLENGE

	// code is the attribute that a one-time code is wanted in, 0 for none; otp the
	// challenge that it answers, if there is one that we understand.
	code uint16
	otp  *otp.Challenge

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

// passPhrase is asked for in the place of a response that is made of it here.
var passPhrase = prompt.Field{Name: "pass-phrase", Label: "Pass phrase for the one-time password", Kind: prompt.Secret, Min: 1, Max: maxAnswer}

const (
	maxAnswer  = 255  // characters of an answer
	maxMessage = 2000 // characters of a gateway's MESSAGE

	maxChallenge = 255 // octets
	minCHAP      = 5   // octets of a challenge; RFC 2865, section 5.40
)

// isXAuth says whether c is of XAuth and not of Mode Config.
func isXAuth(c isakmp.Configuration) bool {
	return slices.ContainsFunc(c.Attributes, func(a isakmp.Attribute) bool {
		return a.Type >= isakmp.AttrXAuthType && a.Type <= isakmp.AttrXAuthAnswer
	})
}

// readQuestion reads a REQUEST. What it asks for and nobody could answer is left
// out: a gateway that needs it will say so.
func (c *Client) readQuestion(request isakmp.Configuration) *question {
	q := &question{identifier: request.Identifier, message: messageOf(request), done: make(chan struct{}), users: 1}
	for _, a := range request.Attributes {
		if a.Type == isakmp.AttrXAuthType && q.kind == nil {
			n, err := a.Uint()
			if err != nil {
				n = ^uint64(0) // a type of no number is none that is known
			}
			q.kind = &n
		}
		if a.Type == isakmp.AttrXAuthChallenge && len(a.Value) <= maxChallenge {
			q.challenge = a.Value
		}
		if _, ok := fields[a.Type]; ok && !slices.Contains(q.asked, a.Type) {
			q.asked = append(q.asked, a.Type)
		}
	}
	c.findCode(q)
	return q
}

// findCode finds out where a one-time code is wanted, and upon which challenge.
// The challenge of a generic question is in its MESSAGE, where only a profile
// that has one-time passwords looks for it: a password may be possible too.
func (c *Client) findCode(q *question) {
	passcode := slices.Contains(q.asked, isakmp.AttrXAuthPasscode)
	password := slices.Contains(q.asked, isakmp.AttrXAuthUserPassword)
	var found otp.Challenge
	err := errors.New("none")
	switch {
	case q.is(isakmp.XAuthSKey):
		found, err = otp.ParseSKey(string(q.challenge))
	case q.is(isakmp.XAuthOTP):
		found, err = otp.FindChallenge(string(q.challenge))
	case c.cfg.Codes.answersChallenges() && (passcode || password):
		found, err = otp.FindChallenge(q.message)
	}
	if err == nil {
		q.otp = &found
	}
	switch {
	case passcode:
		q.code = isakmp.AttrXAuthPasscode
	case password && (q.is(isakmp.XAuthSKey) || q.is(isakmp.XAuthOTP) || q.otp != nil):
		q.code = isakmp.AttrXAuthUserPassword
	}
}

// is says whether the question is of a type.
func (q *question) is(kind uint64) bool {
	if q.kind == nil {
		return kind == isakmp.XAuthGeneric // the default
	}
	return *q.kind == kind
}

// check says why a question can't be answered, whatever is known.
func (q *question) check() error {
	switch {
	case q.is(isakmp.XAuthRadiusCHAP) && len(q.challenge) < minCHAP && slices.Contains(q.asked, isakmp.AttrXAuthUserPassword):
		return fmt.Errorf("%w: RADIUS-CHAP with a challenge of %d octets", ErrType, len(q.challenge))
	case q.kind != nil && *q.kind > isakmp.XAuthSKey:
		return fmt.Errorf("%w: the gateway wants %s", ErrType, typeName(*q.kind))
	}
	return nil
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
	return q.identifier == open.identifier && slices.Equal(q.asked, open.asked) && bytes.Equal(q.challenge, open.challenge)
}

// answer makes the attributes of the REPLY: TYPE "if and only if it was
// present", then what was asked for, from what is stored, made here, or by
// asking the person.
func (c *Client) answer(ctx context.Context, q *question) ([]isakmp.Attribute, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	known := c.stored(q)
	err := c.makeCode(ctx, q, known)
	if err == nil {
		err = c.ask(ctx, q, known)
	}
	if err != nil {
		for _, v := range known {
			clear(v)
		}
		return nil, err
	}
	c.note(q, known)
	var reply []isakmp.Attribute
	if q.kind != nil {
		reply = append(reply, isakmp.TV(isakmp.AttrXAuthType, uint16(*q.kind)))
	}
	for _, t := range q.asked {
		reply = append(reply, isakmp.TLV(t, q.encode(t, known[t])))
	}
	return reply, nil
}

// encode is an answer as the question's type has it on the wire. It overwrites
// the answer where that isn't what is sent.
func (q *question) encode(t uint16, v []byte) []byte {
	if t != isakmp.AttrXAuthUserPassword || !q.is(isakmp.XAuthRadiusCHAP) {
		return v
	}
	// draft-beaulieu-ike-xauth-02, appendix A-8
	var identifier [1]byte
	_, _ = rand.Read(identifier[:])
	defer clear(v)
	return otp.CHAP(identifier[0], v, q.challenge)
}

// stored is what needn't be asked of the person. The stored password is good
// for the login's first question for one: where the gateway asks again, it was
// wrong, or a code is wanted in its place. Where a code is wanted it isn't sent
// at all.
func (c *Client) stored(q *question) map[uint16][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := make(map[uint16][]byte)
	for _, t := range q.asked {
		var v []byte
		switch t {
		case isakmp.AttrXAuthUserName:
			v = []byte(c.cfg.User)
		case isakmp.AttrXAuthDomain:
			v = []byte(c.cfg.Domain)
		case isakmp.AttrXAuthUserPassword:
			if c.passwords == 0 && q.code != t {
				v = bytes.Clone(c.password)
			}
		}
		if len(v) > 0 {
			known[t] = v
		}
	}
	return known
}

// maxCodes is how many codes are made for one login: the second is what a gateway
// wants that asks for the next one. Chosen here.
const maxCodes = 2

// makeCode adds to known the code that is wanted, if it can be made.
func (c *Client) makeCode(ctx context.Context, q *question, known map[uint16][]byte) (err error) {
	var code []byte
	switch {
	case q.code == 0 || c.madeAll():
	case q.otp != nil && c.cfg.Codes.answersChallenges():
		code = c.cfg.Codes.response(*q.otp)
	case q.otp == nil && c.cfg.Codes.timed():
		code, err = c.cfg.Codes.code(ctx)
	}
	if code == nil {
		return err
	}
	known[q.code] = code
	c.mu.Lock()
	defer c.mu.Unlock()
	c.codes++
	return nil
}

// madeAll says whether no further code is made in this login.
func (c *Client) madeAll() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.codes == maxCodes
}

// asPhrase says whether the person is asked for a pass phrase in the place of
// the code.
func (c *Client) asPhrase(q *question, t uint16) bool {
	return t == q.code && q.otp != nil && c.cfg.Codes.answersChallenges()
}

// field is how the person is asked for t.
func (c *Client) field(q *question, t uint16) prompt.Field {
	f := fields[t]
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.asPhrase(q, t):
		return passPhrase
	case t == isakmp.AttrXAuthUserName:
		f.Default = c.user
	case t == isakmp.AttrXAuthUserPassword && q.code == t:
		f.Label, f.Kind, f.Min = "One-time password", prompt.Passcode, 1
	case t == isakmp.AttrXAuthUserPassword && c.passwords > 0:
		f.Kind = prompt.Passcode // perhaps: RADIUS has no other field for a code
	case t == isakmp.AttrXAuthNextPIN:
		f.Min, f.Max = pinLength(q.message)
	case t == isakmp.AttrXAuthAnswer && isYesNo(q.message):
		f.Kind, f.Default = prompt.YesNo, "no"
	}
	return f
}

// ask adds to known what only the person knows.
func (c *Client) ask(ctx context.Context, q *question, known map[uint16][]byte) error {
	p := prompt.Prompt{Title: c.cfg.Title, Message: q.shown(), Deadline: time.Now().Add(c.cfg.Patience)}
	types := make(map[string]uint16)
	for _, t := range q.asked {
		if _, ok := known[t]; !ok {
			f := c.field(q, t)
			p.Fields = append(p.Fields, f)
			types[f.Name] = t
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
	for _, f := range p.Fields {
		a := answers[f.Name]
		if err := f.Check(a); err != nil {
			return fmt.Errorf("the answer to %q: %w", f.Label, err)
		}
		known[types[f.Name]] = c.typed(q, f, a)
	}
	return nil
}

// typed is what a person's answer means to the gateway, in memory of its own.
func (c *Client) typed(q *question, f prompt.Field, a prompt.Answer) []byte {
	if len(a) == 0 {
		a = prompt.Answer(f.Default)
	}
	switch {
	case f.Name == passPhrase.Name:
		return q.otp.Response(a)
	case f.Kind == prompt.YesNo:
		return bytes.Clone(a[:1]) // "y" or "n", as appendix A-6 of the draft has it
	}
	return bytes.Clone(a)
}

// shown is what the person is told: the MESSAGE, and the challenge that their
// generator wants.
func (q *question) shown() string {
	if !q.is(isakmp.XAuthOTP) && !q.is(isakmp.XAuthSKey) {
		return q.message
	}
	challenge := prompt.Clean(string(q.challenge), maxChallenge)
	if challenge == "" || strings.Contains(q.message, challenge) {
		return q.message
	}
	return prompt.CleanText(q.message+"\nChallenge: "+challenge, maxMessage)
}

var (
	pinRange = regexp.MustCompile(`(?i)\b(\d{1,2}) ?(?:to|and|-) ?(\d{1,2}) (?:digits|characters|alphanumeric|numbers)`)
	yesOrNo  = regexp.MustCompile(`(?i)\by(?:es)? ?(?:/|or) ?no?\b`)
)

// pinLength is how long a new PIN may be: what SecurID's texts say, such as
// "having from 4 to 8 digits", else whatever goes.
func pinLength(message string) (least, most int) {
	if m := pinRange.FindStringSubmatch(message); m != nil {
		least, _ = strconv.Atoi(m[1])
		most, _ = strconv.Atoi(m[2])
		if least > 0 && least <= most {
			return least, most
		}
	}
	f := fields[isakmp.AttrXAuthNextPIN]
	return f.Min, f.Max
}

// isYesNo says whether a MESSAGE wants "y" or "n" for an answer.
func isYesNo(message string) bool { return yesOrNo.MatchString(message) }

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

// typeName names an XAUTH-TYPE that isn't known.
func typeName(n uint64) string {
	if n == ^uint64(0) {
		return "a type that isn't a number"
	}
	return fmt.Sprintf("type %d", n)
}
