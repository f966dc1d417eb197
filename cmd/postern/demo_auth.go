package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"

	"postern/client/concentrator/radiusserver"
	"postern/client/prompt"
)

// demoAuth is how the demo's user proves who they are.
type demoAuth struct {
	config   string // beside demoConfig
	group    string // in its group
	local    string // the password in the gateway's list of users
	password string // what the user has stored; empty: nothing
	ask      prompt.Func
	profile  string              // lines in place of the group's identity and key; empty: none
	key      string              // the user's own, beside profile
	token    *radiusserver.Token // the user's; nil: none. The server's from its first login on
	servers  []*radiusserver.Server
}

func (a *demoAuth) close() {
	for _, s := range a.servers {
		s.Close()
	}
}

// The words of --auth.
const (
	authXAuth   = "xauth"
	authRADIUS  = "radius"
	authSecurID = "securid"
	authSTAMP   = "stamp"
)

// newDemoAuth prepares what is said beside the connection's own phases to out.
func newDemoAuth(kind, password string, out io.Writer) (*demoAuth, error) {
	switch kind {
	case authXAuth:
		return &demoAuth{local: password, password: password}, nil
	case authRADIUS:
		person := &demoPerson{out: out}
		return startRADIUS(kind, out, &radiusserver.User{
			Password: password, Group: demoGroup, Address: netip.MustParseAddr("10.20.0.15"),
			Ask: []radiusserver.Question{{Text: "Which concentrator did you dial first?", Answer: firstConcentrator, Echo: true}},
		}, password, person)
	case authSecurID:
		seed := []byte(rand.Text())
		person := &demoPerson{out: out, seed: seed, pin: "1234", newPIN: "246810"}
		return startRADIUS(kind, out, &radiusserver.User{
			Token: &radiusserver.Token{Seed: seed, PIN: person.pin, NewPIN: radiusserver.AnyPIN, NextTokencode: true},
		}, "", person)
	case authSTAMP:
		return newDemoSTAMP(out, password)
	}
	return nil, usageError{fmt.Errorf("--auth wants %s, %s, %s or %s, not %q", authXAuth, authRADIUS, authSecurID, authSTAMP, kind)}
}

// startRADIUS runs a RADIUS server with one user, for the gateway to ask.
func startRADIUS(kind string, out io.Writer, user *radiusserver.User, password string, person *demoPerson) (*demoAuth, error) {
	secret := rand.Text()
	s, err := radiusserver.Listen(netip.MustParseAddrPort("127.0.0.1:0"), radiusserver.Config{
		Secret: []byte(secret), Users: map[string]*radiusserver.User{demoUser: user},
		Saw: func(line string) { fmt.Fprintln(out, "    RADIUS:", line) },
	})
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "An embedded RADIUS server listens on %v, UDP, and judges its users.\n", s.Addr())
	return &demoAuth{
		config: fmt.Sprintf(demoRADIUS, kind, s.Addr().Addr(), secret, s.Addr().Port(), s.Addr().Port()),
		local:  rand.Text(), password: password, ask: person.answer, token: user.Token, servers: []*radiusserver.Server{s},
	}, nil
}

// demoRADIUS is what the gateway knows of the server.
const demoRADIUS = `
[ General ]
Authentication = %s

[ RADIUS ]
PrimAddress = %v
Secret = %s
AuthPort = %d
AcctPort = %d
Accounting = On

[ SecurID ]
Enabled = true
`

const firstConcentrator = "IntraPort"

// demoPerson reads questions, and answers as somebody with a token would. Each code
// of the token is used once.
type demoPerson struct {
	out         io.Writer
	seed        []byte
	pin, newPIN string

	mu    sync.Mutex
	codes uint64 // used so far
}

// answer is a prompt.Func.
func (d *demoPerson) answer(_ context.Context, p prompt.Prompt) (prompt.Answers, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	typed, what := d.reply(p.Message)
	answers := prompt.Answers{}
	var labels []string
	for _, f := range p.Fields {
		if f.Kind == prompt.YesNo {
			typed, what = "yes", "yes"
		}
		answers[f.Name] = prompt.Answer(typed)
		if f.Kind == prompt.YesNo {
			labels = append(labels, "decision")
			continue
		}
		labels = append(labels, strings.ToLower(f.Label))
	}
	fmt.Fprintf(d.out, "  The gateway asks for the %s: %q\n  %s types %s.\n", strings.Join(labels, ", "), p.Message, demoUser, what)
	return answers, nil
}

// reply is what to type, and how to say that without saying it.
func (d *demoPerson) reply(message string) (typed, what string) {
	has := func(s string) bool { return strings.Contains(strings.ToLower(message), s) }
	switch {
	case has("concentrator"):
		return firstConcentrator, "the answer"
	case has("new pin of"), has("re-enter"):
		d.pin = d.newPIN
		return d.pin, "a new PIN"
	case has("next") || has("new tokencode"):
		return d.code(), "the token's next code"
	}
	return d.pin + d.code(), "PIN and tokencode"
}

func (d *demoPerson) code() string {
	d.codes++
	return radiusserver.Code(d.seed, d.codes-1)
}

// oneAtATime lets several goroutines write whole lines.
type oneAtATime struct {
	mu  sync.Mutex
	out io.Writer
}

func (w *oneAtATime) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Write(b)
}
