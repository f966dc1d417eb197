package xauth_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/client/prompt"
	"postern/ike"
	"postern/ike/iketest"
	"postern/ike/isakmp"
	"postern/xauth"
)

// canary is what every secret of these tests contains.
const canary = "canary"

// lab is a client and a gateway with an SA between them.
type lab struct {
	*testing.T
	pipe    *iketest.Pipe
	client  *xauth.Client
	sa      *ike.SA // the client's
	gateway *ike.SA
	answer  func(isakmp.Configuration) *isakmp.Configuration // in the client's place

	mu          sync.Mutex
	log         bytes.Buffer
	identifiers map[uint16]bool // of what the gateway sent
}

func (l *lab) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.log.Write(b)
	return len(b), nil
}

// connect makes the SA. Whatever secret reaches a log fails the test at its end.
// Call it inside synctest.
func connect(t *testing.T, cfg xauth.ClientConfig, serve func(context.Context, *ike.SA, isakmp.Configuration) *isakmp.Configuration, fault iketest.Fault) *lab {
	t.Helper()
	l := &lab{T: t, pipe: iketest.NewPipe(), identifiers: make(map[uint16]bool)}
	l.pipe.SetFault(fault)
	log := slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.Log = log.With("end", "client")
	cfg.Title = "office: log in"
	l.client = xauth.NewClient(cfg)
	proposals := []ike.Proposal{{Cipher: isakmp.CipherAES, KeyBits: 128, Hash: isakmp.HashSHA1, Group: isakmp.GroupCurve25519}}
	methods := []isakmp.AuthMethod{isakmp.AuthXAuthInitPSK}
	accepted := make(chan error, 1)
	go func() {
		w, err := l.pipe.B.Next(t.Context())
		if err == nil {
			l.gateway, err = ike.Accept(t.Context(), w, ike.Config{
				Methods: methods, Proposals: proposals, Log: log.With("end", "gateway"), Transaction: serve,
				Groups: func(ike.Hello) []ike.Group { return []ike.Group{{Name: "staff", Secret: []byte("key")}} },
			})
		}
		accepted <- err
	}()
	var err error
	l.sa, err = ike.Dial(t.Context(), l.pipe.A, l.pipe.ToB, ike.Config{
		Methods: methods, Proposals: proposals, Log: log.With("end", "client"), Secret: []byte("key"),
		Identity: isakmp.ID{Type: isakmp.IDKeyID, Data: []byte("staff")}, Transaction: l.handle,
	})
	if err != nil {
		t.Fatal("dial:", err)
	}
	if err := <-accepted; err != nil {
		t.Fatal("accept:", err)
	}
	return l
}

func (l *lab) handle(ctx context.Context, sa *ike.SA, c isakmp.Configuration) *isakmp.Configuration {
	l.mu.Lock()
	l.identifiers[c.Identifier] = true
	l.mu.Unlock()
	if l.answer != nil {
		return l.answer(c)
	}
	return l.client.Handle(ctx, sa, c)
}

func (l *lab) close() {
	l.sa.Close()
	l.gateway.Close()
	l.client.Close()
	l.pipe.Close()
	time.Sleep(time.Minute) // what is on its way arrives nowhere
	if l.log.Len() == 0 || strings.Contains(l.log.String(), canary) {
		l.Errorf("a secret in the log, or no log:\n%s", l.log.String())
	}
	if l.Failed() {
		l.Logf("%s", l.log.String())
	}
}

// person answers prompts as a table says, one after another.
type person struct {
	*testing.T
	steps []step

	mu    sync.Mutex
	next  int
	given []prompt.Answers
}

// step is one prompt as it must be, and what comes of it.
type step struct {
	want    string // title, message and fields, as show writes them
	answers string // field=answer, separated by blanks
	err     error
	takes   time.Duration
}

func (p *person) ask(ctx context.Context, q prompt.Prompt) (prompt.Answers, error) {
	p.mu.Lock()
	i := p.next
	p.next++
	p.mu.Unlock()
	if i >= len(p.steps) {
		p.Errorf("one prompt too many: %s", show(q))
		return nil, prompt.ErrCancelled
	}
	s := p.steps[i]
	if got := show(q); got != s.want {
		p.Errorf("prompt %d: %s, want %s", i+1, got, s.want)
	}
	if q.Title != "office: log in" || q.Deadline.IsZero() {
		p.Errorf("prompt %d: title %q, deadline %v", i+1, q.Title, q.Deadline)
	}
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	answers := prompt.Answers{}
	for a := range strings.FieldsSeq(s.answers) {
		name, value, _ := strings.Cut(a, "=")
		answers[name] = prompt.Answer(value)
	}
	kept := maps.Clone(answers)
	p.mu.Lock()
	p.given = append(p.given, kept)
	p.mu.Unlock()
	return answers, s.err
}

func (p *person) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next != len(p.steps) {
		p.Errorf("%d prompts, want %d", p.next, len(p.steps))
	}
	for _, answers := range p.given {
		for name, a := range answers {
			if bytes.Trim(a, "\x00") != nil {
				p.Errorf("%q wasn't overwritten", name)
			}
		}
	}
}

func show(q prompt.Prompt) string {
	var names []string
	for _, f := range q.Fields {
		names = append(names, f.Name)
	}
	return fmt.Sprintf("%q %s", q.Message, strings.Join(names, " "))
}

// verify is a Server.Verify that knows one user.
func verify(user, password string) func(context.Context, *ike.SA, string, []byte) error {
	return func(_ context.Context, _ *ike.SA, u string, p []byte) error {
		if u != user || string(p) != password {
			return xauth.ErrRefused
		}
		return nil
	}
}
