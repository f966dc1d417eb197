package xauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"postern/client/prompt"
	"postern/ike"
	"postern/ike/isakmp"
)

// gatewayPatience is how long a silent gateway is waited for, and how long a
// person may take. Chosen here: strongSwan repeats a request for 165 s before it
// gives up, and only the gateway can repeat it.
const gatewayPatience = 165 * time.Second

// againPatience is how long a gateway is waited for that may not ask at all. Chosen
// here: some lose their first question and repeat it after 4 s.
const againPatience = 10 * time.Second

// ClientConfig is what is known of the user before a login.
type ClientConfig struct {
	Title    string // of the prompts, such as "office: log in"
	User     string // empty: asked for
	Password []byte // empty: asked for; NewClient copies it
	Domain   string // empty: asked for where the gateway wants one
	Codes    *Codes // nil: the person types one-time codes; the Client doesn't close it
	Vendor   string // "checkpoint", "netscreen", …; empty or "auto": told by vendor IDs

	Ask      prompt.Func // nil: nobody can be asked
	Optional bool        // a STATUS of OK is believed before anything was asked

	// Again: a user who is logged in renews phase 1. A gateway that asks nothing for
	// 10 s, or says OK at once, is content with the first login.
	Again bool

	// Patience is how long a silent gateway is waited for, and how long a person
	// may take for an answer; 0: 165 s.
	Patience time.Duration
	Log      *slog.Logger // nil: nothing is logged
}

// Client is the client's side of what a gateway begins under one SA: its
// questions, their outcome, and pushed configurations. Safe for concurrent use:
// every exchange has a goroutine of its own.
type Client struct {
	cfg    ClientConfig
	done   chan struct{}  // closed with the first outcome
	pushed chan *Assigned // the newest configuration that nobody took yet

	mu        sync.Mutex // guards what follows
	err       error      // the outcome, once done is closed
	open      *question  // being answered
	quiet     time.Time  // since when it is the gateway's turn; zero: it never asked
	answered  bool       // a question, in this login
	passwords int        // how many were sent in this login
	codes     int        // how many were made in this login
	old       bool       // the gateway has the old numbers
	password  []byte     // the stored one
	user      string     // the name that was sent last
	sent      []byte     // the password that was sent, unless it may have been a code
}

// NewClient prepares for one SA. Give its Handle to ike.Config.Transaction, and
// Close it when the SA has ended.
func NewClient(cfg ClientConfig) *Client {
	password := bytes.Clone(cfg.Password)
	cfg.Password = nil
	if cfg.Ask == nil {
		cfg.Ask = prompt.Nobody
	}
	if cfg.Patience == 0 {
		cfg.Patience = gatewayPatience
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Client{cfg: cfg, password: password, done: make(chan struct{}), pushed: make(chan *Assigned, 1)}
}

// Close overwrites the passwords.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.password)
	clear(c.sent)
	c.password, c.sent = nil, nil
}

// Answered returns the user's name and a copy of the password that were sent,
// so that a login which was cut short can begin again without a question, and a
// good password be kept. The password is nil where more than one was sent: a
// later one may have been a code.
func (c *Client) Answered() (user string, password []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.user, bytes.Clone(c.sent)
}

// Handle answers what the gateway begins; it is an ike.Config.Transaction. A
// REQUEST of XAuth is answered from what is stored or by asking the person; a
// SET of XAUTH-STATUS ends the login; a SET of anything else is a pushed
// configuration. The answer is the caller's, who may overwrite the values in it
// once it is sent.
func (c *Client) Handle(ctx context.Context, sa *ike.SA, request isakmp.Configuration) *isakmp.Configuration {
	if !c.hasOldNumbers(sa, request) {
		return c.handle(ctx, request)
	}
	answer := c.handle(ctx, fromOld(request))
	if answer == nil {
		return nil
	}
	old := toOld(*answer)
	return &old
}

// hasOldNumbers says whether request is of XAuth under the old numbers: a
// REQUEST with a TYPE, and from then on what has a STATUS.
func (c *Client) hasOldNumbers(sa *ike.SA, request isakmp.Configuration) bool {
	if !vendorOf(c.cfg.Vendor, sa).oldNumbers {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if request.Type == isakmp.CfgRequest && hasOld(request, isakmp.AttrCheckPointXAuthType) {
		c.old = true
		return true
	}
	return c.old && request.Type == isakmp.CfgSet && hasOld(request, isakmp.AttrCheckPointXAuthStatus)
}

// handle is Handle for the draft's numbers.
func (c *Client) handle(ctx context.Context, request isakmp.Configuration) *isakmp.Configuration {
	switch {
	case request.Type == isakmp.CfgRequest && isXAuth(request):
		return c.request(ctx, request)
	case request.Type == isakmp.CfgRequest:
		// Mode Config the other way round: there is nothing that we'd assign.
		return &isakmp.Configuration{Type: isakmp.CfgReply, Identifier: request.Identifier}
	case request.Type == isakmp.CfgSet && isXAuth(request):
		return c.status(request)
	case request.Type == isakmp.CfgSet:
		return c.takePush(request)
	}
	return nil
}

// request answers a REQUEST. One question is answered at a time: what repeats it
// joins it, another waits for its turn.
func (c *Client) request(ctx context.Context, request isakmp.Configuration) *isakmp.Configuration {
	q := c.readQuestion(request)
	ctx, q.cancel = context.WithCancelCause(ctx)
	defer q.cancel(nil)
	for {
		open, mine := c.enter(q)
		if mine {
			c.resolve(ctx, q)
			return c.leave(q)
		}
		select {
		case <-open.done:
		case <-ctx.Done():
		}
		if q.sameAs(open) {
			return c.leave(open)
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

// enter opens q where no question is open, else joins the open one if q repeats it.
func (c *Client) enter(q *question) (open *question, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open != nil {
		if q.sameAs(c.open) {
			c.open.users++
		}
		return c.open, false
	}
	c.open = q
	return q, true
}

// resolve finds the answer to the open question. What can't be answered is
// replied to with STATUS = FAIL, and ends the login.
func (c *Client) resolve(ctx context.Context, q *question) {
	var reply []isakmp.Attribute
	err := c.failed()
	if err == nil {
		reply, err = c.answer(ctx, q)
	}
	if err != nil {
		reply = []isakmp.Attribute{isakmp.TV(isakmp.AttrXAuthStatus, isakmp.XAuthFail)}
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	if q.dropped = ctx.Err() != nil; err != nil && !q.dropped {
		c.finish(err)
	}
	q.reply, c.open, c.quiet = reply, nil, time.Now()
	close(q.done)
}

// leave is the REPLY to one of the REQUESTs that share q; the last one
// overwrites q's own copy. It is nil where the gateway waits for none.
func (c *Client) leave(q *question) *isakmp.Configuration {
	c.mu.Lock()
	defer c.mu.Unlock()
	reply := &isakmp.Configuration{Type: isakmp.CfgReply, Identifier: q.identifier}
	for _, a := range q.reply {
		a.Value = bytes.Clone(a.Value)
		reply.Attributes = append(reply.Attributes, a)
	}
	if q.users--; q.users == 0 {
		for _, a := range q.reply {
			clear(a.Value)
		}
	}
	if q.dropped {
		return nil
	}
	return reply
}

// note remembers what was answered.
func (c *Client) note(q *question, answers map[uint16][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered = c.answered || len(q.asked) > 0
	if user, ok := answers[isakmp.AttrXAuthUserName]; ok {
		c.user = string(user)
	}
	if password, ok := answers[isakmp.AttrXAuthUserPassword]; ok && q.code != isakmp.AttrXAuthUserPassword {
		clear(c.sent)
		c.sent = nil
		if c.passwords++; c.passwords == 1 {
			c.sent = bytes.Clone(password)
		}
	}
}

// askedAgain says whether q wants a password or a code after one was sent that
// was stored or made.
func (c *Client) askedAgain(q *question) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if q.code != 0 {
		return c.codes > 0
	}
	return c.passwords > 0 && slices.Contains(q.asked, isakmp.AttrXAuthUserPassword)
}

// longestStatus is how many octets of a STATUS are echoed: more make no number.
const longestStatus = 8

// status takes the SET that ends a login. "The remote side may send no other
// STATUS"; some gateways add a configuration. The ACK echoes the STATUS, as
// vpnc and libreswan do, where the draft wants no attribute.
func (c *Client) status(set isakmp.Configuration) *isakmp.Configuration {
	ack := &isakmp.Configuration{Type: isakmp.CfgAck, Identifier: set.Identifier}
	var status *isakmp.Attribute // of several the last one counts
	pushed := false
	for i := range set.Attributes {
		switch t := set.Attributes[i].Type; {
		case t == isakmp.AttrXAuthStatus:
			status = &set.Attributes[i]
		case t < isakmp.AttrXAuthType || t > isakmp.AttrXAuthAnswer:
			pushed = true
		}
	}
	if status == nil {
		return ack // nothing that means anything to us: no outcome
	}
	n, err := status.Uint()
	ok := err == nil && n == isakmp.XAuthOK
	ack.Attributes = []isakmp.Attribute{{Type: status.Type, Basic: status.Basic, Value: bytes.Clone(status.Value[:min(len(status.Value), longestStatus)])}}
	message := messageOf(set)
	if message != "" {
		// What it says isn't for a log: it may be a PIN.
		c.cfg.Log.Info("the gateway sent a message", "octets", len(message))
	}
	if ok && pushed {
		c.takePush(set) // which passes over attributes of XAuth
	}
	c.settle(ok, message)
	return ack
}

// errSettled ends a prompt that the gateway waits for no longer.
var errSettled = errors.New("the gateway has ended the login")

// settle ends a login; the next one starts afresh.
func (c *Client) settle(ok bool, message string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open != nil {
		c.open.cancel(errSettled)
	}
	switch {
	case !ok:
		c.finish(&RefusedError{Message: message})
	case !c.answered && !c.cfg.Optional && !c.cfg.Again:
		c.finish(ErrUnasked)
	default:
		c.finish(nil)
		c.answered, c.passwords, c.codes = false, 0, 0
	}
}

// finish notes the first outcome; c.mu is held.
func (c *Client) finish(err error) {
	select {
	case <-c.done:
	default:
		c.err = err
		close(c.done)
	}
}

// failed is the outcome, where it is an error.
func (c *Client) failed() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Wait returns nil once the gateway has let the user in. Errors: ErrRefused,
// ErrNoRequest and ErrNoStatus with the time waited, ErrUnasked, ErrType,
// prompt.ErrCancelled, prompt.ErrNotInteractive, ErrUnanswered, the SA's error
// where it ends, ctx's cause. Where the gateway asks for the password again and
// there is nobody to answer, it is both ErrRefused and prompt.ErrNotInteractive.
// The time that a person takes isn't counted as the gateway's.
func (c *Client) Wait(ctx context.Context, sa *ike.SA) error {
	began := time.Now()
	silence := time.NewTimer(c.remaining(began))
	defer silence.Stop()
	for {
		select {
		case <-c.done:
			return c.err
		case <-sa.Done():
			return c.cutShort(sa.Err())
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
				return c.silent(began)
			}
			return context.Cause(ctx)
		case <-silence.C:
			rest := c.remaining(began)
			switch {
			case rest <= 0 && c.content():
				return nil
			case rest <= 0:
				return c.silent(began)
			}
			silence.Reset(rest)
		}
	}
}

// remaining is how much longer the gateway is waited for.
func (c *Client) remaining(began time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open != nil {
		return c.cfg.Patience
	}
	patience := c.cfg.Patience
	if c.quiet.IsZero() && c.cfg.Again {
		patience = againPatience
	}
	if c.quiet.After(began) {
		began = c.quiet
	}
	return patience - time.Since(began)
}

// content says whether the gateway asked nothing, and needn't.
func (c *Client) content() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cfg.Again && c.quiet.IsZero()
}

// Silence is how long it has been the gateway's turn; 0 while a question of its
// own is being answered. began is when the waiting for its first one began.
func (c *Client) Silence(began time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open != nil {
		return 0
	}
	if c.quiet.After(began) {
		began = c.quiet
	}
	return time.Since(began)
}

// silent is the error for a gateway that doesn't go on.
func (c *Client) silent(began time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.quiet.IsZero() {
		return fmt.Errorf("%w: waited %v", ErrNoRequest, time.Since(began).Round(time.Second))
	}
	return fmt.Errorf("%w: waited %v", ErrNoStatus, time.Since(c.quiet).Round(time.Second))
}

// cutShort is the error for an SA that ended before the login did. A gateway
// that deletes it upon our answer didn't like the answer: some never send a
// STATUS of FAIL.
func (c *Client) cutShort(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if failed := c.failed(); failed != nil {
		return failed
	}
	if c.answered && errors.Is(err, ike.ErrDeleted) {
		return &RefusedError{Cause: err}
	}
	return err
}
