package xauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"postern/client/prompt"
	"postern/ike"
	"postern/ike/isakmp"
)

// ErrRefused means that the gateway didn't let the user in. RefusedError says
// it with the gateway's own words.
var ErrRefused = errors.New("the login was refused")

// ErrNoRequest means that the gateway never asked who the user is.
var ErrNoRequest = errors.New("the gateway asks for no login")

// ErrNoStatus means that the gateway never said whether the answers were right.
var ErrNoStatus = errors.New("the gateway doesn't say whether the login succeeded")

// ErrUnasked means that the gateway let us in before it had asked anything,
// which somebody who plays the gateway would do too.
var ErrUnasked = errors.New("the gateway reports a login without having asked for one")

// ErrType means that the gateway wants an XAUTH-TYPE that isn't spoken here.
var ErrType = errors.New("unsupported kind of extended authentication")

// RefusedError is ErrRefused with the gateway's message.
type RefusedError struct {
	Message string // cleaned, may be empty
	Cause   error  // what else is known, may be nil
}

func (e *RefusedError) Error() string {
	s := ErrRefused.Error()
	if e.Message != "" {
		s += fmt.Sprintf(": the gateway says %q", e.Message)
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Is makes errors.Is(e, ErrRefused) true.
func (e *RefusedError) Is(target error) bool { return target == ErrRefused }

func (e *RefusedError) Unwrap() error { return e.Cause }

// gatewayPatience is how long a silent gateway is waited for, and how long a
// person may take. Chosen here: strongSwan repeats a request for 165 s before it
// gives up, and only the gateway can repeat it.
const gatewayPatience = 165 * time.Second

// ClientConfig is what is known of the user before a login.
type ClientConfig struct {
	Title    string // of the prompts, such as "office: log in"
	User     string // empty: asked for
	Password []byte // empty: asked for; NewClient copies it
	Domain   string // empty: asked for where the gateway wants one

	Ask      prompt.Func // nil: nobody can be asked
	Optional bool        // a STATUS of OK is believed before anything was asked

	// Patience is how long a silent gateway is waited for, and how long a person
	// may take for an answer; 0: 165 s.
	Patience time.Duration
	Log      *slog.Logger // nil: nothing is logged
}

// Client is the client's side of what a gateway begins under one SA: its
// questions, their outcome, and pushed configurations. Safe for concurrent use.
type Client struct {
	cfg    ClientConfig
	done   chan struct{}  // closed with the first outcome
	pushed chan *Assigned // holds the newest configuration that nobody took
	mu     sync.Mutex     // guards what follows
	err    error          // valid when done is closed
	open   *question      // being answered
	quiet  time.Time      // since when it is the gateway's turn; zero: never heard
	login  login          // of this login
	typed  prompt.Answer  // the password that was typed, while it was one
	user   string         // the name that was given last
}

// login is what a login has seen; a STATUS of OK begins the next.
type login struct {
	asked    bool // a question was answered
	stored   bool // the stored password was sent: it isn't sent again
	password int  // how often a person was asked for the password
}

// NewClient prepares for one SA. Give its Handle to ike.Config.Transaction, and
// Close it when the SA has ended.
func NewClient(cfg ClientConfig) *Client {
	cfg.Password = bytes.Clone(cfg.Password)
	if cfg.Ask == nil {
		cfg.Ask = prompt.Nobody
	}
	if cfg.Patience == 0 {
		cfg.Patience = gatewayPatience
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Client{cfg: cfg, done: make(chan struct{}), pushed: make(chan *Assigned, 1)}
}

// Close overwrites the passwords.
func (c *Client) Close() {}

// Answered returns the user's name and a copy of the password that were sent,
// so that a login which was cut short can begin again without a question, and a
// good password be kept. There is no password where the gateway asked for it
// more than once: a later one may have been a code.
func (c *Client) Answered() (user string, password []byte) { return "", nil }

// Handle answers what the gateway begins; it is an ike.Config.Transaction. A
// REQUEST of XAuth is answered from what is stored or by asking the person; a
// SET of XAUTH-STATUS ends the login; a SET of anything else is a pushed
// configuration. The answer is the caller's, who may overwrite the values in it
// once it is sent.
func (c *Client) Handle(ctx context.Context, sa *ike.SA, request isakmp.Configuration) *isakmp.Configuration {
	return nil
}

// Wait returns nil once the gateway has let the user in. Errors: ErrRefused,
// ErrNoRequest and ErrNoStatus with the time waited, ErrUnasked, ErrType,
// prompt.ErrCancelled, prompt.ErrNotInteractive, the SA's error where it ends,
// ctx's cause. A login that was refused after its stored password was sent, and
// for which nobody can be asked, is ErrRefused and prompt.ErrNotInteractive.
func (c *Client) Wait(ctx context.Context, sa *ike.SA) error { return nil }
