package stamp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postern/client/prompt"
	"postern/ike"
	"postern/ike/iketest"
	"postern/ike/isakmp"
)

var (
	labProposal = ike.Proposal{Cipher: isakmp.CipherAES, KeyBits: 128, Hash: isakmp.HashSHA1, Group: isakmp.GroupCurve25519}
	labESP      = ike.ESPProposal{Encryption: isakmp.ESPAES, KeyBits: 128, Integrity: isakmp.AuthHMACSHA1}
	papSecret   = []byte("the one secret of the concentrator")
	aliceKey    = []byte("alice's own key of IKE")
)

// Canaries: none of them may show up where it can be read.
var canaries = []string{"wonderland", "PASSCODE-1", "TOKEN-2", "4711", string(papSecret), string(aliceKey)}

// lab is a client and a concentrator in virtual time.
type lab struct {
	*iketest.Pipe
	t      testing.TB
	mode   ike.Mode
	client ClientConfig
	server *Server
	policy *Policy // nil: the concentrator sends none
	id     string  // what the client calls itself in phase 1

	securID      bool           // the concentrator's group needs it
	announceless bool           // the concentrator is no such thing
	plainClient  bool           // the client neither
	keys         []ike.Group    // without the RADIUS step
	tell         func(ike.Info) // of the client, if not nil

	mu       sync.Mutex
	log      bytes.Buffer
	asked    []string // prompts, as the person saw them
	answers  []string // what the person says, in order
	receipt  *Receipt
	login    *Login
	applied  *Policy
	gateErr  error // how the concentrator's half ended
	finished chan struct{}
}

func newLab(t testing.TB, mode ike.Mode) *lab {
	l := &lab{Pipe: iketest.NewPipe(), t: t, mode: mode, id: "alice", finished: make(chan struct{})}
	l.client = ClientConfig{Title: "lab", User: "alice", Required: true, PAPAuthSecret: papSecret, SharedKey: aliceKey, Ask: l.person}
	l.server = &Server{Secret: papSecret}
	l.keys = []ike.Group{{Name: "staff/alice", Secret: aliceKey}}
	l.policy = &Policy{Address: netip.MustParsePrefix("10.20.0.10/24"), Networks: []netip.Prefix{netip.MustParsePrefix("10.30.0.0/16")}}
	return l
}

func (l *lab) logger(end string) *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug})).With("end", end)
}

// Write is for the logs of both ends.
func (l *lab) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if testing.Verbose() {
		fmt.Fprintf(l.t.Output(), "%s", b)
	}
	return l.log.Write(b)
}

// person answers prompts from l.answers: one string for each field, "cancel" and
// "silence" do what they say.
func (l *lab) person(ctx context.Context, p prompt.Prompt) (prompt.Answers, error) {
	l.mu.Lock()
	answers := prompt.Answers{}
	var shown []string
	cancel, silence := false, len(l.answers) == 0
	for _, f := range p.Fields {
		shown = append(shown, fmt.Sprintf("%s (%v)", f.Label, f.Kind))
		if len(l.answers) == 0 {
			silence = true
			break
		}
		a := l.answers[0]
		l.answers = l.answers[1:]
		cancel, silence = a == "cancel", a == "silence"
		answers[f.Name] = prompt.Answer(a)
	}
	l.asked = append(l.asked, strings.TrimSpace(p.Message+" "+strings.Join(shown, ", ")))
	l.mu.Unlock()
	if cancel {
		return nil, prompt.ErrCancelled
	}
	think := 3 * time.Second
	if silence {
		think = time.Hour
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(think):
		return answers, nil
	}
}

// serve is the concentrator's half, for one client.
func (l *lab) serve(ctx context.Context, w *ike.Wire) (err error) {
	admitted := make(chan error, 1)
	nudged := make(chan struct{}, 1)
	cfg := ike.Config{
		Proposals: []ike.Proposal{labProposal}, Identity: isakmp.ID{Type: isakmp.IDKeyID, Data: []byte("concentrator")},
		Groups: func(ike.Hello) []ike.Group { return l.keys }, Log: l.logger("concentrator"),
	}
	var stage sync.Mutex
	var login *Login
	if !l.announceless {
		cfg.VendorIDs = [][]byte{VendorID()}
		cfg.Prelude = func(ctx context.Context, p *ike.Prelude) error {
			if l.server.Method == 0 || !Announced(p.VendorIDs) {
				return nil
			}
			got, err := l.server.Login(ctx, p)
			if errors.Is(err, ErrSilent) {
				return nil
			}
			if err != nil {
				return err
			}
			stage.Lock()
			login = got
			stage.Unlock()
			p.Groups = []ike.Group{{Name: got.Group, Secret: got.SharedKey}}
			return nil
		}
		cfg.PeerIdentity = func(id isakmp.ID) error {
			stage.Lock()
			defer stage.Unlock()
			if login != nil && string(id.Data) != login.User {
				return fmt.Errorf("the RADIUS step let %s in, and this is %v", login.User, id)
			}
			return nil
		}
	}
	cfg.Quick = func(ctx context.Context, sa *ike.SA, o ike.QuickOffer) (*ike.ChildConfig, error) {
		for wait := true; wait; {
			select {
			case err := <-admitted:
				if admitted <- err; err != nil {
					return nil, err
				}
				wait = false
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			case <-o.Repeated:
				select {
				case nudged <- struct{}{}:
				default:
				}
			}
		}
		c := &ike.ChildConfig{Proposals: []ike.ESPProposal{labESP}, Local: o.Local, Remote: o.Remote}
		if Announced(sa.Info().VendorIDs) && l.policy != nil && !l.announceless {
			c.Ride = Ride(sa, func() (*Policy, error) { p := *l.policy; return &p, nil }, func(r *Receipt) {
				l.mu.Lock()
				l.receipt = r
				l.mu.Unlock()
			})
			c.Settled = func(_ *ike.Child, err error) {
				if err != nil {
					sa.Info()
					go sa.Close()
				}
			}
		}
		return c, nil
	}
	sa, err := ike.Accept(ctx, w, cfg)
	if err != nil {
		return err
	}
	defer sa.Close()
	l.mu.Lock()
	l.login = login
	l.mu.Unlock()
	if l.securID {
		if !Announced(sa.Info().VendorIDs) {
			return errors.New("the client doesn't announce itself, and its group needs SecurID")
		}
		if _, err := l.server.SecurID(ctx, sa, "", nudged); err != nil {
			admitted <- err
			return err
		}
	}
	admitted <- nil
	select {
	case <-sa.Done():
		return sa.Err()
	case <-ctx.Done():
		return nil
	}
}

// connect is both halves: the client from its first packet to its child.
func (l *lab) connect(ctx context.Context) (err error) {
	gate, stop := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() {
		for {
			w, err := l.B.Next(gate)
			if err != nil {
				return
			}
			served.Go(func() {
				err := l.serve(gate, w)
				w.Close()
				l.mu.Lock()
				if err != nil {
					l.gateErr = err
				}
				l.mu.Unlock()
			})
		}
	})
	defer func() {
		time.Sleep(time.Second) // what is on its way arrives
		stop()
		served.Wait()
		l.Close()
	}()
	l.client.Log = l.logger("client")
	c := NewClient(l.client)
	defer c.Close()
	cfg := ike.Config{
		Mode: l.mode, Proposals: []ike.Proposal{labProposal}, Secret: l.client.SharedKey, Log: l.logger("client"),
		Identity: isakmp.ID{Type: isakmp.IDKeyID, Data: []byte(l.id)},
	}
	if !l.plainClient {
		c.Configure(&cfg)
	}
	sa, err := ike.Dial(ctx, l.A, l.ToB, cfg)
	if err != nil {
		return err
	}
	defer sa.Close()
	if l.tell != nil {
		l.tell(sa.Info())
	}
	if l.plainClient {
		_, err := sa.Quick(ctx, ike.ChildConfig{Proposals: []ike.ESPProposal{labESP}})
		return err
	}
	agreed, err := c.Agreed(sa.Info())
	if err != nil {
		return err
	}
	child := ike.ChildConfig{Proposals: []ike.ESPProposal{labESP}}
	if agreed {
		child.Ride = c.Ride(sa, func(p *Policy) (Receipt, error) {
			l.mu.Lock()
			l.applied = p
			l.mu.Unlock()
			return Receipt{Version: "postern", Platform: "test", Networks: uint16(len(p.Networks)), NoIPX: p.IPX}, nil
		})
	}
	dialogue, done := context.WithCancel(ctx)
	said := make(chan error, 1)
	go func() {
		err := c.SecurID(dialogue, sa)
		if err != nil {
			go sa.Close()
		}
		said <- err
	}()
	_, err = sa.Quick(ctx, child)
	if err == nil {
		time.Sleep(10 * time.Second) // the last message may have to be repeated
	}
	done()
	if e := <-said; e != nil {
		err = e
	}
	return err
}

// inBubble runs f in virtual time, in both modes.
func inBubble(t *testing.T, f func(*lab)) {
	for _, mode := range []ike.Mode{ike.Main, ike.Aggressive} {
		t.Run(mode.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, mode)
				f(l)
				l.noCanaries()
			})
		})
	}
}

// noCanaries looks for secrets in the logs.
func (l *lab) noCanaries() {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range canaries {
		if bytes.Contains(l.log.Bytes(), []byte(c)) {
			l.t.Errorf("the logs hold %q", c)
		}
		for _, d := range l.Sent() {
			if bytes.Contains(d.Octets, []byte(c)) {
				l.t.Errorf("datagram %d holds %q in clear", d.Number, c)
			}
		}
	}
}

// radiusOf is a RADIUS server that knows one user.
func radiusOf(user, password string) Authenticate {
	return func(_ context.Context, c Credentials) (Result, error) {
		ok := c.User == user && string(c.Password) == password
		if c.Method == CHAP {
			ok = c.User == user && bytes.Equal(c.CHAPResponse, CHAPResponse(c.CHAPIdentifier, []byte(password), c.CHAPChallenge))
		}
		if !ok {
			return Result{Outcome: Rejected, Message: "No."}, nil
		}
		return Result{Outcome: Accepted, Group: "staff", SharedKey: aliceKey}, nil
	}
}

// challenges is a RADIUS server that asks each of the questions in turn.
func challenges(questions ...[2]string) Authenticate {
	return func(_ context.Context, c Credentials) (Result, error) {
		n, _ := c.State.(int)
		if n == 0 && len(c.Password) > 0 {
			return Result{}, errors.New("the first password isn't null")
		}
		if n > 0 && string(c.Password) != questions[n-1][1] {
			return Result{Outcome: Rejected, Message: "No."}, nil
		}
		if n == len(questions) {
			return Result{Outcome: Accepted, Group: "staff", SharedKey: aliceKey}, nil
		}
		return Result{Outcome: Challenged, Message: questions[n][0], State: n + 1}, nil
	}
}

// dialogueOf is a SecurID server that expects these answers to its questions, the
// first of which is for the passcode.
func dialogueOf(passcode string, then ...step) Verify {
	return func(_ context.Context, user string, a Answer, state any) (Verdict, error) {
		n, _ := state.(int)
		want := step{Question{Ask: AskPasscode}, passcode}
		if n > 0 {
			want = then[n-1]
		}
		said := string(a.Passcode) + string(a.NewPIN)
		if a.Ask == AskAcceptPIN || a.Ask == AskWhoChooses {
			said = map[bool]string{true: "yes", false: "no"}[a.Yes]
		}
		if user != "alice" || a.Ask != want.question.Ask || said != want.answer {
			return Verdict{Outcome: Rejected, Message: "Access denied."}, nil
		}
		if n == len(then) {
			return Verdict{Outcome: Accepted}, nil
		}
		return Verdict{Outcome: Challenged, Question: then[n].question, State: n + 1}, nil
	}
}

type step struct {
	question Question
	answer   string
}
