package stamp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"

	"postern/client/prompt"
	"postern/ike"
	"postern/ike/isakmp"
)

// ClientConfig is what a profile says about a VPN 5000.
type ClientConfig struct {
	Title    string // of the prompts, such as "office: log in"
	Required bool   // a gateway that doesn't announce itself is no use

	// The RADIUS step. Method is the only one that is answered, 0: none is.
	Method        Method
	PAPAuthSecret []byte // CHAP can do without, and is worse for it
	SharedKey     []byte // of IKE; it takes the secret's place where CHAP has none

	User     string // of RADIUS and SecurID; empty: asked for
	Password []byte // of RADIUS; empty: asked for. NewClient copies it

	Ask      prompt.Func   // nil: nobody can be asked
	Patience time.Duration // that a person has for each answer; 0: 165 s
	Log      *slog.Logger  // nil: nothing is logged
}

// Times. Chosen here.
const (
	personPatience = 165 * time.Second
	serverPatience = 2 * time.Minute // that a RADIUS or SecurID server has
	clientPatience = 5 * time.Minute // that a client has, with a person behind it
	rejectLinger   = 5 * time.Second // for a result that was lost
	margin         = time.Second     // by which whoever is asked gives up before the clock does
)

// Client is the client's half, for one connection. Its methods may be called
// concurrently.
type Client struct {
	cfg ClientConfig

	mu       sync.Mutex // guards what follows
	password []byte
	used     bool // the password was sent once
}

// NewClient prepares for one connection. Close it when that has ended.
func NewClient(cfg ClientConfig) *Client {
	c := &Client{password: bytes.Clone(cfg.Password)}
	cfg.Password = nil
	if cfg.Ask == nil {
		cfg.Ask = prompt.Nobody
	}
	if cfg.Patience == 0 {
		cfg.Patience = personPatience
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	c.cfg = cfg
	return c
}

// Close overwrites the password.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.password)
	c.password = nil
}

// Answered returns a copy of the password that RADIUS was given, so that the next
// connection needs no question; nil where it may have been good for one use only.
func (c *Client) Answered() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cfg.Method == Challenge {
		return nil
	}
	return bytes.Clone(c.password)
}

// Configure adds the announcement to what is dialled with, and the RADIUS step if
// the profile asks for it: without, nothing of the person's leaves before the
// gateway is authenticated.
func (c *Client) Configure(cfg *ike.Config) {
	cfg.VendorIDs = append(cfg.VendorIDs, VendorID())
	if c.cfg.Method != 0 {
		cfg.Prelude = c.Prelude
	}
}

// Agreed says whether both ends speak this. Errors: ErrNotAnnounced.
func (c *Client) Agreed(info ike.Info) (bool, error) {
	agreed := Announced(info.VendorIDs)
	if !agreed && c.cfg.Required {
		return false, ErrNotAnnounced
	}
	return agreed, nil
}

// Ride carries policy and receipt on the connection's first Quick Mode. apply is
// given the policy, verified, before the child is installed, and says what became
// of it; its error ends the exchange.
func (c *Client) Ride(sa *ike.SA, apply func(*Policy) (Receipt, error)) *ike.Ride {
	return &ike.Ride{Confirm: func(b *ike.QuickBinding, found []isakmp.Payload) ([]isakmp.Payload, error) {
		// <--  HDR*, HASH(2), SA, Nr, STAMP(policy)
		body := find(found, PayloadSTAMP)
		if body == nil {
			return nil, ErrNoPolicy
		}
		policy, err := parsePolicy(body)
		if err != nil {
			return nil, err
		}
		if err := checkDigest(policy.digest, sa.Info().FirstSent); err != nil {
			return nil, err
		}
		receipt, err := apply(policy)
		if err != nil {
			return nil, err
		}

		// HDR*, HASH(3), STAMP(receipt)  -->
		receipt.digest = digestOf(sa.Info().FirstReceived)
		return []isakmp.Payload{{Type: PayloadSTAMP, Body: receipt.marshal(b)}}, nil
	}}
}

// find is the body of the first payload of a type, nil if there is none.
func find(payloads []isakmp.Payload, t isakmp.PayloadType) []byte {
	for _, p := range payloads {
		if p.Type == t {
			return p.Body
		}
	}
	return nil
}

// ask asks a person, and returns copies of the answers.
func (c *Client) ask(ctx context.Context, message string, fields ...prompt.Field) (map[string][]byte, error) {
	p := prompt.Prompt{Title: c.cfg.Title, Message: message, Fields: fields, Deadline: time.Now().Add(c.cfg.Patience)}
	ctx, cancel := context.WithDeadline(ctx, p.Deadline)
	defer cancel()
	answers, err := c.cfg.Ask(ctx, p)
	defer answers.Clear()
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.DeadlineExceeded) {
			return nil, cause
		}
		if errors.Is(err, context.DeadlineExceeded) {
			return nil, fmt.Errorf("%w in %v", ErrUnanswered, c.cfg.Patience)
		}
		return nil, err
	}
	got := make(map[string][]byte)
	for _, f := range fields {
		if err := f.Check(answers[f.Name]); err != nil {
			return nil, fmt.Errorf("the answer to %q: %w", f.Label, err)
		}
		got[f.Name] = bytes.Clone(answers[f.Name])
	}
	return got, nil
}

// userField asks for the name where it isn't known.
func (c *Client) userField() []prompt.Field {
	if c.cfg.User != "" {
		return nil
	}
	return []prompt.Field{{Name: "user", Label: "User name", Kind: prompt.Text, Min: 1, Max: 60}}
}

// CleanMessage makes text of anybody's fit for a message attribute.
func CleanMessage(s string) string {
	s = prompt.Clean(s, maxText)
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
	for len(s) > maxText {
		r := []rune(s)
		s = string(r[:len(r)-1])
	}
	return s
}
