package radius_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	codec "layeh.com/radius"
	"layeh.com/radius/rfc2865"

	"postern/client/concentrator/radius"
	"postern/client/concentrator/radiusserver"
)

const (
	secret = "canary-shared-secret"
	loop   = "127.0.0.1:0"
)

var seed = []byte("canary-token-seed")

// people are the users of every test.
func people() map[string]*radiusserver.User {
	return map[string]*radiusserver.User{
		"alice": {Password: "canary-wonderland", Message: "Hello\x1b[31m\r\nAlice"},
		"bob": {
			Password: "canary-builder", Group: "staff", SharedKey: "canary-bob's key", Address: netip.MustParseAddr("10.20.0.77"),
			Ask: []radiusserver.Question{{Text: "What is the colour?", Answer: "canary-blue", Echo: true}, {Text: "And the number?", Answer: "canary-7"}},
		},
		"carol": {Token: &radiusserver.Token{Seed: seed, PIN: "1234"}},
	}
}

func serve(t *testing.T, cfg radiusserver.Config) *radiusserver.Server {
	t.Helper()
	if cfg.Secret == nil {
		cfg.Secret = []byte(secret)
	}
	if cfg.Users == nil {
		cfg.Users = people()
	}
	s, err := radiusserver.Listen(netip.MustParseAddrPort(loop), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func at(s *radiusserver.Server) radius.Server {
	return radius.Server{Auth: s.Addr().String(), Acct: s.Addr().String(), Secret: []byte(secret)}
}

// quick is a client that gives up soon: of servers that don't answer.
func quick(servers ...radius.Server) radius.Config {
	return radius.Config{Servers: servers, Timeout: 50 * time.Millisecond, Retries: 2}
}

// patient is a client that repeats soon and gives up late: of servers that answer,
// on however slow a machine.
func patient(servers ...radius.Server) radius.Config {
	return radius.Config{Servers: servers, Timeout: 50 * time.Millisecond, Retries: 10}
}

// show is an answer without what differs from run to run.
func show(a radius.Answer) string {
	switch a := a.(type) {
	case radius.Accept:
		return strings.TrimSpace(fmt.Sprintf("accept %q %s %s %v", a.Message, a.Group, a.SharedKey, a.Address))
	case radius.Reject:
		return fmt.Sprintf("reject %q", a.Message)
	case radius.Challenge:
		return fmt.Sprintf("challenge %q echo %v", a.Message, a.Echo)
	}
	return "nothing"
}

// say goes through a dialogue, typing one answer after the other.
func say(t *testing.T, c *radius.Client, user string, typed ...string) []string {
	t.Helper()
	var shown []string
	var state radius.State
	for _, word := range typed {
		a, err := c.Authenticate(t.Context(), radius.Request{User: user, Password: []byte(word), State: state})
		if err != nil {
			t.Fatal(err)
		}
		shown = append(shown, show(a))
		ch, _ := a.(radius.Challenge)
		state = ch.State
	}
	return shown
}

func TestDialogues(t *testing.T) {
	code := func(n uint64) string { return radiusserver.Code(seed, n) }
	denied := `reject "Access denied"`
	tests := []struct {
		name, user string
		change     func(*radiusserver.Token)
		typed      []string
		want       []string
	}{
		{"right password", "alice", nil, []string{"canary-wonderland"}, []string{`accept "Hello[31m\nAlice"   invalid IP`}},
		{"wrong password", "alice", nil, []string{"x"}, []string{denied}},
		{"unknown user", "mallory", nil, []string{"x"}, []string{denied}},
		{"password of 128 octets", "alice", nil, []string{strings.Repeat("x", 128)}, []string{denied}},
		{"null password", "alice", nil, []string{"", "canary-wonderland"}, []string{`challenge "Enter your password:" echo false`, `accept "Hello[31m\nAlice"   invalid IP`}},
		{"null password of nobody", "mallory", nil, []string{"", "x"}, []string{`challenge "Enter PASSCODE:" echo false`, denied}},
		{
			"two questions", "bob", nil,
			[]string{"canary-builder", "canary-blue", "canary-7"},
			[]string{`challenge "What is the colour?" echo true`, `challenge "And the number?" echo false`, `accept "" staff canary-bob's key 10.20.0.77`},
		},
		{"wrong answer", "bob", nil, []string{"canary-builder", "red"}, []string{`challenge "What is the colour?" echo true`, denied}},
		{"passcode", "carol", nil, []string{"1234" + code(0)}, []string{`accept ""   invalid IP`}},
		{"passcode without the PIN", "carol", nil, []string{code(0)}, []string{denied}},
		{"passcode used up", "carol", func(tk *radiusserver.Token) { tk.Used.Store(1) }, []string{"1234" + code(0)}, []string{denied}},
		{
			"next tokencode", "carol", func(tk *radiusserver.Token) { tk.NextTokencode = true },
			[]string{"1234" + code(0), code(1)},
			[]string{`challenge "Wait for the tokencode to change, then enter the new tokencode:" echo false`, `accept ""   invalid IP`},
		},
		{
			"the same tokencode again", "carol", func(tk *radiusserver.Token) { tk.NextTokencode = true },
			[]string{"1234" + code(0), code(0)},
			[]string{`challenge "Wait for the tokencode to change, then enter the new tokencode:" echo false`, denied},
		},
		{
			"next tokencode after three failures", "carol", nil,
			[]string{"x", "x", "x", "1234" + code(0), code(1)},
			[]string{denied, denied, denied, `challenge "Wait for the tokencode to change, then enter the new tokencode:" echo false`, `accept ""   invalid IP`},
		},
		{
			"new PIN of the user's", "carol", func(tk *radiusserver.Token) { tk.NewPIN = radiusserver.UserPIN },
			[]string{"1234" + code(0), "24680", "24680", "24680" + code(1)},
			[]string{
				`challenge "Enter a new PIN of 4 to 8 digits:" echo false`, `challenge "Please re-enter the new PIN:" echo false`,
				`challenge "PIN accepted. Wait for the tokencode to change, then enter the new passcode:" echo false`, `accept ""   invalid IP`,
			},
		},
		{
			"new PIN too short", "carol", func(tk *radiusserver.Token) { tk.NewPIN = radiusserver.UserPIN },
			[]string{"1234" + code(0), "123"},
			[]string{`challenge "Enter a new PIN of 4 to 8 digits:" echo false`, `reject "PIN rejected. Please try again."`},
		},
		{
			"new PINs that differ", "carol", func(tk *radiusserver.Token) { tk.NewPIN = radiusserver.UserPIN },
			[]string{"1234" + code(0), "24680", "24681"},
			[]string{`challenge "Enter a new PIN of 4 to 8 digits:" echo false`, `challenge "Please re-enter the new PIN:" echo false`, `reject "The PINs differ. Please try again."`},
		},
		{
			"either, the user's", "carol", func(tk *radiusserver.Token) { tk.NewPIN = radiusserver.AnyPIN },
			[]string{"1234" + code(0), "y", "24680"},
			[]string{
				`challenge "Do you want to choose your new PIN yourself (y/n)?" echo true`, `challenge "Enter a new PIN of 4 to 8 digits:" echo false`,
				`challenge "Please re-enter the new PIN:" echo false`,
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			users := people()
			if tt.change != nil {
				tt.change(users["carol"].Token)
			}
			c := radius.New(patient(at(serve(t, radiusserver.Config{Users: users}))))
			if d := cmp.Diff(tt.want, say(t, c, tt.user, tt.typed...)); d != "" {
				t.Error(d)
			}
		})
	}
}

// The server's PIN is in its question.
func TestGivenPIN(t *testing.T) {
	for _, accepted := range []bool{true, false} {
		users := people()
		users["carol"].Token.NewPIN = radiusserver.AnyPIN
		c := radius.New(patient(at(serve(t, radiusserver.Config{Users: users}))))
		var state radius.State
		send := func(typed string) radius.Answer {
			t.Helper()
			a, err := c.Authenticate(t.Context(), radius.Request{User: "carol", Password: []byte(typed), State: state})
			if err != nil {
				t.Fatal(err)
			}
			ch, _ := a.(radius.Challenge)
			state = ch.State
			return a
		}
		send("1234" + radiusserver.Code(seed, 0))
		q, ok := send("n").(radius.Challenge)
		var pin string
		if _, err := fmt.Sscanf(q.Message, "Your new PIN is %4s.", &pin); err != nil || !ok || !q.Echo {
			t.Fatalf("%+v: %v", q, err)
		}
		if !accepted {
			if got := show(send("n")); got != `reject "No new PIN was set."` {
				t.Error(got)
			}
			continue
		}
		send("y")
		if _, ok := send(pin + radiusserver.Code(seed, 1)).(radius.Accept); !ok {
			t.Error("the new passcode was refused")
		}
	}
}

func TestCHAP(t *testing.T) {
	c := radius.New(patient(at(serve(t, radiusserver.Config{}))))
	for password, want := range map[string]string{"canary-wonderland": `accept "Hello[31m\nAlice"   invalid IP`, "x": `reject "Access denied"`} {
		a, err := c.Authenticate(t.Context(), radius.Request{User: "alice", CHAP: radius.NewCHAP([]byte(password))})
		if err != nil || show(a) != want {
			t.Errorf("%v, %v; want %s", show(a), err, want)
		}
	}
	a, err := c.Authenticate(t.Context(), radius.Request{User: "bob", CHAP: radius.NewCHAP([]byte("canary-builder"))})
	q, ok := a.(radius.Challenge)
	if err != nil || !ok {
		t.Fatalf("%v, %v", a, err)
	}
	a, err = c.Authenticate(t.Context(), radius.Request{User: "bob", Password: []byte("canary-blue"), State: q.State})
	if _, ok := a.(radius.Challenge); err != nil || !ok {
		t.Errorf("%v, %v", show(a), err)
	}
}

func TestState(t *testing.T) {
	c := radius.New(patient(at(serve(t, radiusserver.Config{}))))
	ask := func(user, typed string, state radius.State) radius.Answer {
		t.Helper()
		a, err := c.Authenticate(t.Context(), radius.Request{User: user, Password: []byte(typed), State: state})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	old := `reject "The question was too old, or never asked."`
	state := ask("bob", "canary-builder", radius.State{}).(radius.Challenge).State
	if got := show(ask("alice", "canary-blue", state)); got != old {
		t.Errorf("another user with bob's State: %s", got)
	}
	state = ask("bob", "canary-builder", radius.State{}).(radius.Challenge).State
	ask("bob", "canary-blue", state)
	if got := show(ask("bob", "canary-blue", state)); got != old {
		t.Errorf("a State used again: %s", got)
	}
}

func TestPasswordTooLong(t *testing.T) {
	c := radius.New(patient(at(serve(t, radiusserver.Config{}))))
	_, err := c.Authenticate(t.Context(), radius.Request{User: "alice", Password: make([]byte, 129)})
	if !errors.Is(err, radius.ErrPassword) {
		t.Error(err)
	}
}

func TestSecondaryTakesOver(t *testing.T) {
	first, second := newRelay(t, serve(t, radiusserver.Config{})), serve(t, radiusserver.Config{})
	first.pass(never, nil)
	cfg := quick(first.server(), at(second))
	cfg.Retries = 4 // time enough for the secondary
	c := radius.New(cfg)
	if got := say(t, c, "bob", "canary-builder", "canary-blue", "canary-7"); !strings.HasPrefix(got[2], "accept") {
		t.Fatal(got)
	}
	first.await(5)
	sent := first.requests.Load()
	if sent != 5 {
		t.Errorf("the primary was sent %d requests, want 5", sent)
	}
	say(t, c, "alice", "canary-wonderland")
	if again := first.requests.Load(); again != sent {
		t.Errorf("the silent primary was asked again: %d requests", again-sent)
	}
	if n := second.Asked(); n != 4 {
		t.Errorf("the secondary judged %d requests, want 4", n)
	}
}

// An answer to a question goes to the server that asked, even if it has become silent.
func TestStateStaysWithItsServer(t *testing.T) {
	first, second := newRelay(t, serve(t, radiusserver.Config{})), serve(t, radiusserver.Config{})
	cfg := quick(first.server(), at(second))
	cfg.Retries = 4 // time enough for the question
	c := radius.New(cfg)
	a, err := c.Authenticate(t.Context(), radius.Request{User: "bob", Password: []byte("canary-builder")})
	if err != nil {
		t.Fatal(err)
	}
	first.pass(never, nil)
	_, err = c.Authenticate(t.Context(), radius.Request{User: "bob", Password: []byte("canary-blue"), State: a.(radius.Challenge).State})
	if s := (*radius.SilenceError)(nil); !errors.As(err, &s) || s.Sent != 5 {
		t.Error(err)
	}
	if n := second.Asked(); n != 0 {
		t.Errorf("the secondary was shown the answer")
	}
}

// Whatever is lost or doubled, the server judges a passcode once.
func TestLostAndRepeated(t *testing.T) {
	drop := func(first int) func(int) int {
		return func(n int) int {
			if n < first {
				return 0
			}
			return 1
		}
	}
	twice := func(int) int { return 2 }
	tests := []struct {
		name               string
		toServer, toClient func(n int) int
	}{
		{"request lost", drop(1), nil},
		{"answer lost", nil, drop(1)},
		{"two answers lost", nil, drop(2)},
		{"request doubled", twice, nil},
		{"answer doubled", nil, twice},
		{"both doubled", twice, twice},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			users := people()
			users["carol"].Token.NextTokencode = true
			s := serve(t, radiusserver.Config{Users: users})
			r := newRelay(t, s)
			r.pass(tt.toServer, tt.toClient)
			got := say(t, radius.New(patient(r.server())), "carol", "1234"+radiusserver.Code(seed, 0), radiusserver.Code(seed, 1))
			if !strings.HasPrefix(got[0], "challenge") || !strings.HasPrefix(got[1], "accept") {
				t.Error(got)
			}
			if n := s.Asked(); n != 2 {
				t.Errorf("the server judged %d requests, want 2", n)
			}
		})
	}
}

// What is sent again are the same octets: nothing is hidden anew, nothing in clear.
func TestRepeatsAreTheSameOctets(t *testing.T) {
	r := newRelay(t, serve(t, radiusserver.Config{}))
	r.pass(never, nil)
	_, err := radius.New(quick(r.server())).Authenticate(t.Context(), radius.Request{User: "alice", Password: []byte("canary-wonderland")})
	if err == nil {
		t.Fatal("answered")
	}
	r.await(3)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.seen) != 3 || !bytes.Equal(r.seen[0], r.seen[1]) || !bytes.Equal(r.seen[0], r.seen[2]) {
		t.Errorf("%x", r.seen)
	}
	if b := r.seen[0]; b[20] != 80 || bytes.Contains(b, []byte("canary")) {
		t.Errorf("the first attribute is %d, want Message-Authenticator: %q", b[20], b)
	}
}

func TestOnce(t *testing.T) {
	s := serve(t, radiusserver.Config{})
	c := radius.New(patient(at(s)))
	request := radius.Request{User: "carol", Password: []byte("1234" + radiusserver.Code(seed, 0)), Once: "message 1"}
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			if a, err := c.Authenticate(t.Context(), request); err != nil || !strings.HasPrefix(show(a), "accept") {
				t.Errorf("%v, %v", show(a), err)
			}
		})
	}
	all.Wait()
	if n := s.Asked(); n != 1 {
		t.Errorf("the server was asked %d times, want once", n)
	}
	for name, r := range map[string]radius.Request{
		"another message": {User: "carol", Password: request.Password, Once: "message 2"},
		"no name":         {User: "carol", Password: request.Password},
		"another user":    {User: "alice", Password: request.Password, Once: "message 1"},
		"another word":    {User: "carol", Password: []byte("x"), Once: "message 1"},
	} {
		if a, err := c.Authenticate(t.Context(), r); err != nil || !strings.HasPrefix(show(a), "reject") {
			t.Errorf("%s: %v, %v", name, show(a), err)
		}
	}
}

func TestNobodyAnswers(t *testing.T) {
	s := serve(t, radiusserver.Config{})
	closed := at(s)
	s.Close()
	for name, c := range map[string]struct {
		server radius.Server
		says   string
	}{
		"another secret": {radius.Server{Auth: at(serve(t, radiusserver.Config{})).Auth, Secret: []byte("another")}, "our Secret is silent too"},
		"nobody there":   {closed, "no server is there"},
	} {
		_, err := radius.New(quick(c.server)).Authenticate(t.Context(), radius.Request{User: "alice", Password: []byte("canary-wonderland")})
		if silence := (*radius.SilenceError)(nil); !errors.As(err, &silence) || silence.Sent != 3 || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A server that answers whoever asks, with a secret that isn't ours.
func TestWrongSecret(t *testing.T) {
	forged := newForger(t, func(request []byte) [][]byte {
		p, err := codec.Parse(request, []byte("theirs"))
		if err != nil {
			t.Error(err)
			return nil
		}
		b, _ := p.Response(codec.CodeAccessReject).Encode()
		return [][]byte{b}
	})
	cfg := quick(forged)
	cfg.Retries = 4 // time enough for its answer
	_, err := radius.New(cfg).Authenticate(t.Context(), radius.Request{User: "alice", Password: []byte("x")})
	if !errors.Is(err, radius.ErrAuthenticator) {
		t.Error(err)
	}
}

func TestCancelled(t *testing.T) {
	r := newRelay(t, serve(t, radiusserver.Config{}))
	r.pass(never, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := radius.New(radius.Config{Servers: []radius.Server{r.server(), r.server()}, Timeout: time.Minute}).
		Authenticate(ctx, radius.Request{User: "alice", Password: []byte("x")})
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 30*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}

// Who is between the server and us sends first; what doesn't verify is passed over.
func TestForgedAnswers(t *testing.T) {
	key := []byte(secret)
	proxyState := func(p *codec.Packet) { _ = rfc2865.ProxyState_Set(p, []byte("collision")) }
	reply := func(request []byte, code codec.Code, sign bool, change func(*codec.Packet)) []byte {
		p, err := codec.Parse(request, key)
		if err != nil {
			t.Error(err)
			return nil
		}
		a := p.Response(code)
		if change != nil {
			change(a)
		}
		b, err := a.Encode()
		if sign {
			b, err = radius.Sign(a)
		}
		if err != nil {
			t.Error(err)
		}
		return b
	}
	right := func(r []byte) []byte { return reply(r, codec.CodeAccessReject, true, nil) }
	tests := []struct {
		name   string
		policy radius.Policy
		forge  func(request []byte) []byte
		want   error
	}{
		{"code changed", radius.On, func(r []byte) []byte { b := right(r); b[0] = byte(codec.CodeAccessAccept); return b }, nil},
		{"attribute changed", radius.On, func(r []byte) []byte { b := right(r); b[len(b)-1] ^= 1; return b }, nil},
		{"another identifier", radius.On, func(r []byte) []byte { b := right(r); b[1]++; return b }, nil},
		{"too short", radius.On, func(r []byte) []byte { return right(r)[:19] }, nil},
		{"length beyond the end", radius.On, func(r []byte) []byte { b := right(r); b[3]++; return b }, nil},
		{"length of 3", radius.On, func(r []byte) []byte { b := right(r); b[2], b[3] = 0, 3; return b }, nil},
		{"an Access-Request", radius.On, func(r []byte) []byte { return r }, nil},
		{"an Accounting-Response", radius.On, func(r []byte) []byte { return reply(r, codec.CodeAccountingResponse, true, nil) }, nil},
		{"Message-Authenticator wrong", radius.Off, func(r []byte) []byte {
			return reply(r, codec.CodeAccessAccept, false, func(p *codec.Packet) { p.Add(80, make([]byte, 16)) })
		}, nil},
		{"two Message-Authenticators", radius.Off, func(r []byte) []byte {
			return reply(r, codec.CodeAccessAccept, true, func(p *codec.Packet) { p.Add(80, make([]byte, 16)) })
		}, nil},
		{"Message-Authenticator of 15 octets", radius.Off, func(r []byte) []byte {
			return reply(r, codec.CodeAccessAccept, false, func(p *codec.Packet) { p.Add(80, make([]byte, 15)) })
		}, nil},
		{"Proxy-State (CVE-2024-3596)", radius.Off, func(r []byte) []byte { return reply(r, codec.CodeAccessAccept, false, proxyState) }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, answered := range []bool{true, false} {
				server := newForger(t, func(request []byte) [][]byte {
					if answered {
						return [][]byte{tt.forge(request), right(request)}
					}
					return [][]byte{tt.forge(request)}
				})
				cfg := quick(server)
				cfg.Require, cfg.Retries = tt.policy, -1
				if answered {
					cfg.Timeout = time.Minute
				}
				a, err := radius.New(cfg).Authenticate(t.Context(), radius.Request{User: "alice", Password: []byte("x")})
				if _, rejected := a.(radius.Reject); answered != rejected || answered != (err == nil) {
					t.Errorf("right answer sent: %v: %v, %v", answered, show(a), err)
				}
			}
		})
	}
}

func TestMessageAuthenticatorPolicy(t *testing.T) {
	signs := map[bool]*radiusserver.Server{true: serve(t, radiusserver.Config{}), false: serve(t, radiusserver.Config{Unsigned: true})}
	for _, tt := range []struct {
		policy radius.Policy
		first  bool // what signs the first answer, and the second
		second bool
		want   string
	}{
		{radius.On, true, true, "yes yes"},
		{radius.On, false, true, "no yes"},
		{radius.Auto, true, true, "yes yes"},
		{radius.Auto, false, false, "yes yes"},
		{radius.Auto, false, true, "yes yes"},
		{radius.Auto, true, false, "yes no"},
		{radius.Off, true, false, "yes yes"},
	} {
		t.Run(fmt.Sprintf("%v %v %v", tt.policy, tt.first, tt.second), func(t *testing.T) {
			r := newRelay(t, signs[tt.first])
			cfg := patient(r.server())
			cfg.Require = tt.policy
			c := radius.New(cfg)
			var got []string
			for _, signed := range []bool{tt.first, tt.second} {
				r.to.Store(signs[signed].Addr())
				_, err := c.Authenticate(t.Context(), radius.Request{User: "alice", Password: []byte("canary-wonderland")})
				word := "yes"
				if errors.Is(err, radius.ErrNoMessageAuthenticator) && strings.Contains(err.Error(), "RequireMessageAuthenticator") {
					word = "no"
				} else if err != nil {
					word = err.Error()
				}
				got = append(got, word)
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("%s, want %s", s, tt.want)
			}
		})
	}
}

func TestAccounting(t *testing.T) {
	s := serve(t, radiusserver.Config{})
	r := newRelay(t, s)
	r.pass(nil, func(n int) int { return n % 3 }) // some lost, some doubled
	c := radius.New(patient(r.server()))
	record := radius.Record{
		ID: "0001", User: "alice", Peer: netip.MustParseAddr("192.0.2.10"), Address: netip.MustParseAddr("10.20.0.1"),
		Class: [][]byte{[]byte("class")},
	}
	var want []radius.Record
	for _, kind := range []radius.Kind{radius.Start, radius.Interim, radius.Stop} {
		record.Kind = kind
		if kind != radius.Start {
			record.Duration, record.In, record.Out = time.Minute, 5<<32+1, 7
		}
		if kind == radius.Stop {
			record.Cause = radius.IdleTimeout
		}
		if err := c.Account(t.Context(), record); err != nil {
			t.Fatal(err)
		}
		seen := record
		seen.Class = nil // not of the server's interest
		want = append(want, seen)
	}
	if d := cmp.Diff(want, s.Records(), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
		t.Error(d)
	}
	cfg := quick(r.server())
	cfg.Servers[0].Secret = []byte("another")
	if err := radius.New(cfg).Account(t.Context(), record); err == nil {
		t.Error("taken with another secret")
	}
}

// Addresses come as text from one server and as four octets from another.
func TestAssignedAddress(t *testing.T) {
	tests := []struct {
		name   string
		change func(*codec.Packet)
		want   string
	}{
		{"text", func(p *codec.Packet) { radius.AddVendor(p, radius.ClientAssignedIP, []byte("10.1.2.3")) }, "10.1.2.3"},
		{"text with NUL", func(p *codec.Packet) { radius.AddVendor(p, radius.ClientAssignedIP, []byte("10.1.2.3\x00")) }, "10.1.2.3"},
		{"octets", func(p *codec.Packet) { radius.AddVendor(p, radius.ClientAssignedIP, []byte{10, 1, 2, 3}) }, "10.1.2.3"},
		{"no address", func(p *codec.Packet) { radius.AddVendor(p, radius.ClientAssignedIP, []byte("at home")) }, "invalid IP"},
		{"IPv6", func(p *codec.Packet) { radius.AddVendor(p, radius.ClientAssignedIP, []byte("::1")) }, "invalid IP"},
		{"0.0.0.0", func(p *codec.Packet) { radius.AddVendor(p, radius.ClientAssignedIP, []byte{0, 0, 0, 0}) }, "invalid IP"},
		{"Framed-IP-Address", func(p *codec.Packet) { p.Add(rfc2865.FramedIPAddress_Type, []byte{10, 9, 9, 9}) }, "10.9.9.9"},
		{"the client chooses", func(p *codec.Packet) { p.Add(rfc2865.FramedIPAddress_Type, []byte{255, 255, 255, 254}) }, "invalid IP"},
		{"behind another vendor's", func(p *codec.Packet) {
			p.Add(rfc2865.VendorSpecific_Type, []byte{0, 0, 0, 9, 2, 6, 1, 1, 1, 1})
			radius.AddVendor(p, radius.ClientAssignedIP, []byte("10.1.2.3"))
		}, "10.1.2.3"},
		{"two in one", func(p *codec.Packet) {
			p.Add(rfc2865.VendorSpecific_Type, []byte{0, 0, 0, 255, 4, 4, 'g', 'g', 2, 6, 10, 1, 2, 3})
		}, "10.1.2.3"},
		{"malformed", func(p *codec.Packet) {
			p.Add(rfc2865.VendorSpecific_Type, []byte{0, 0, 0, 255, 2, 9, 10, 1})
			p.Add(rfc2865.VendorSpecific_Type, []byte{0, 0, 0, 255, 2})
			p.Add(rfc2865.VendorSpecific_Type, []byte{0, 0, 0, 255, 2, 0, 2, 0})
			p.Add(rfc2865.VendorSpecific_Type, []byte{0})
		}, "invalid IP"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := newForger(t, func(request []byte) [][]byte {
				p, _ := codec.Parse(request, []byte(secret))
				a := p.Response(codec.CodeAccessAccept)
				tt.change(a)
				b, err := radius.Sign(a)
				if err != nil {
					t.Error(err)
				}
				return [][]byte{append(b, "padding"...)}
			})
			a, err := radius.New(patient(server)).Authenticate(t.Context(), radius.Request{User: "alice", Password: []byte("x")})
			if accepted, ok := a.(radius.Accept); err != nil || !ok || accepted.Address.String() != tt.want {
				t.Errorf("%v, %v; want %s", show(a), err, tt.want)
			}
		})
	}
}

// No secret is in an error, or in what the server logs.
func TestCanary(t *testing.T) {
	var log strings.Builder
	s := serve(t, radiusserver.Config{Saw: func(line string) { fmt.Fprintln(&log, line) }})
	c := radius.New(patient(at(s)))
	say(t, c, "alice", "canary-wonderland")
	say(t, c, "bob", "canary-builder", "canary-blue", "canary-7")
	say(t, c, "bob", "canary-wrong")
	wrong := at(s)
	wrong.Secret = []byte("canary-other")
	_, err := radius.New(quick(wrong)).Authenticate(t.Context(), radius.Request{User: "alice", Password: []byte("canary-wonderland")})
	s.Close()
	if text := fmt.Sprint(err, log.String()); strings.Contains(text, "canary") || !strings.Contains(text, "bob") {
		t.Error(text)
	}
}

// newForger is a server that answers each request with what forge makes of it.
func newForger(t *testing.T, forge func(request []byte) [][]byte) radius.Server {
	t.Helper()
	conn, err := net.ListenPacket("udp", loop)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-done })
	go func() {
		defer close(done)
		b := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			for _, a := range forge(bytes.Clone(b[:n])) {
				conn.WriteTo(a, from)
			}
		}
	}()
	return radius.Server{Auth: conn.LocalAddr().String(), Acct: conn.LocalAddr().String(), Secret: []byte(secret)}
}

// relay stands between a client and a server.
type relay struct {
	conn     *net.UDPConn
	to       atomic.Value // netip.AddrPort
	requests atomic.Int64

	mu                 sync.Mutex
	toServer, toClient func(n int) int
	seen               [][]byte // from the client
}

func newRelay(t *testing.T, s *radiusserver.Server) *relay {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(loop)))
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{conn: conn}
	r.to.Store(s.Addr())
	done := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-done })
	go func() {
		defer close(done)
		r.run()
	}()
	return r
}

func (r *relay) server() radius.Server {
	at := r.conn.LocalAddr().String()
	return radius.Server{Auth: at, Acct: at, Secret: []byte(secret)}
}

// pass says how often the n-th datagram goes on; nil: once.
func (r *relay) pass(toServer, toClient func(n int) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.toServer, r.toClient = toServer, toClient
}

// await waits until n requests have come, for the last one may be under way; a
// minute at most.
func (r *relay) await(n int64) {
	for end := time.Now().Add(time.Minute); r.requests.Load() < n && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

func never(int) int { return 0 }

func (r *relay) run() {
	b := make([]byte, 4096)
	var client netip.AddrPort
	for i, j := 0, 0; ; {
		n, from, err := r.conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		r.mu.Lock()
		pass, to, count := r.toServer, r.to.Load().(netip.AddrPort), &i
		if from == to {
			pass, to, count = r.toClient, client, &j
		} else {
			client = from
			r.requests.Add(1)
			r.seen = append(r.seen, bytes.Clone(b[:n]))
		}
		r.mu.Unlock()
		times := 1
		if pass != nil {
			times = pass(*count)
		}
		*count++
		for range times {
			r.conn.WriteToUDPAddrPort(b[:n], to)
		}
	}
}
