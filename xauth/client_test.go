package xauth_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/client/prompt"
	"postern/ike"
	"postern/ike/isakmp"
	"postern/xauth"
)

// TestHandle holds each answer to its attributes.
func TestHandle(t *testing.T) {
	user, password := isakmp.TLV(isakmp.AttrXAuthUserName, []byte("alice")), isakmp.TLV(isakmp.AttrXAuthUserPassword, []byte(good))
	fail := []isakmp.Attribute{status(isakmp.XAuthFail)}
	tests := []struct {
		name     string
		request  isakmp.Configuration
		wantType isakmp.CfgType
		want     []isakmp.Attribute
	}{
		{"user and password", request(userAndPassword()...), isakmp.CfgReply, []isakmp.Attribute{user, password}},
		{
			"in the gateway's order, TYPE first", request(wants(isakmp.AttrXAuthUserPassword), wants(isakmp.AttrXAuthUserName), kind(0)),
			isakmp.CfgReply,
			[]isakmp.Attribute{kind(0), password, user},
		},
		{
			"TYPE in long form", request(isakmp.TLV(isakmp.AttrXAuthType, []byte{0, 0, 0, 0}), wants(isakmp.AttrXAuthUserName)),
			isakmp.CfgReply,
			[]isakmp.Attribute{kind(0), user},
		},
		{"asked for twice", request(append(userAndPassword(), userAndPassword()...)...), isakmp.CfgReply, []isakmp.Attribute{user, password}},
		{
			"values in the request", request(isakmp.TLV(isakmp.AttrXAuthUserName, []byte("bob"))),
			isakmp.CfgReply,
			[]isakmp.Attribute{user},
		},
		{"what is unknown", request(append(userAndPassword(), wants(isakmp.AttrCiscoXAuthVendor))...), isakmp.CfgReply, []isakmp.Attribute{user, password}},
		{"domain", request(wants(isakmp.AttrXAuthDomain)), isakmp.CfgReply, []isakmp.Attribute{isakmp.TLV(isakmp.AttrXAuthDomain, []byte("SALES"))}},
		{"message", request(message("Hello")), isakmp.CfgReply, nil},
		{"RADIUS-CHAP without a challenge", request(append(userAndPassword(), kind(isakmp.XAuthRadiusCHAP))...), isakmp.CfgReply, fail},
		{"RADIUS-CHAP, asking for the name", request(kind(isakmp.XAuthRadiusCHAP), wants(isakmp.AttrXAuthUserName)), isakmp.CfgReply, []isakmp.Attribute{kind(1), user}},
		{"OTP, not the password", request(kind(isakmp.XAuthOTP), wants(isakmp.AttrXAuthUserPassword)), isakmp.CfgReply, fail},
		{"S/KEY, not the password", request(kind(isakmp.XAuthSKey), challenge("97 ke1234"), wants(isakmp.AttrXAuthUserPassword)), isakmp.CfgReply, fail},
		{"a type, and nothing asked", request(kind(isakmp.XAuthOTP)), isakmp.CfgReply, []isakmp.Attribute{kind(2)}},
		{"a private type", request(kind(40000)), isakmp.CfgReply, fail},
		{"no type at all", request(wants(isakmp.AttrXAuthType)), isakmp.CfgReply, fail},
		{"passcode", request(wants(isakmp.AttrXAuthPasscode)), isakmp.CfgReply, fail},
		{"STATUS echoed", set(status(isakmp.XAuthOK), message("Hello")), isakmp.CfgAck, []isakmp.Attribute{status(isakmp.XAuthOK)}},
		{"STATUS of FAIL echoed", set(status(isakmp.XAuthFail)), isakmp.CfgAck, fail},
		{"SET without STATUS", set(message("Hello")), isakmp.CfgAck, nil},
		{
			"push", set(isakmp.TLV(isakmp.AttrInternalIP4Address, []byte{10, 0, 0, 1}), isakmp.TV(isakmp.AttrUnityPFS, 2), isakmp.TV(isakmp.AttrUnityPFS, 5)),
			isakmp.CfgAck,
			[]isakmp.Attribute{wants(isakmp.AttrInternalIP4Address), wants(isakmp.AttrUnityPFS)},
		},
		{"the gateway wants a configuration", request(wants(isakmp.AttrApplicationVersion)), isakmp.CfgReply, nil},
		{"an answer to nothing", isakmp.Configuration{Type: isakmp.CfgReply}, 0, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := xauth.NewClient(xauth.ClientConfig{User: "alice", Password: []byte(good), Domain: "SALES"})
			defer c.Close()
			tt.request.Identifier = 4711
			got := c.Handle(t.Context(), nil, tt.request)
			if tt.wantType == 0 {
				if got != nil {
					t.Fatal(got)
				}
				return
			}
			want := &isakmp.Configuration{Type: tt.wantType, Identifier: 4711, Attributes: tt.want}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestErrorsName(t *testing.T) {
	tests := []struct {
		request isakmp.Configuration
		want    string
	}{
		{request(append(userAndPassword(), kind(isakmp.XAuthRadiusCHAP), challenge("1234"))...), "RADIUS-CHAP with a challenge of 4 octets"},
		{request(kind(40000)), "type 40000"},
		{request(wants(isakmp.AttrXAuthType)), "isn't a number"},
	}
	synctest.Test(t, func(t *testing.T) {
		l := connect(t, xauth.ClientConfig{}, nil, nil)
		defer l.close()
		for _, tt := range tests {
			c := xauth.NewClient(xauth.ClientConfig{})
			c.Handle(t.Context(), nil, tt.request)
			if err := c.Wait(t.Context(), l.sa); !errors.Is(err, xauth.ErrType) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
		}
		l.client.Handle(t.Context(), nil, set(status(isakmp.XAuthFail))) // so that there is a log
	})
}

// TestAnswered: what may be a code is never given out as the password.
func TestAnswered(t *testing.T) {
	rounds := func(passwords ...string) (func(context.Context, prompt.Prompt) (prompt.Answers, error), *int) {
		n := 0
		return func(context.Context, prompt.Prompt) (prompt.Answers, error) {
			n++
			return prompt.Answers{"user": prompt.Answer("alice"), "password": prompt.Answer(passwords[n-1]), "passcode": prompt.Answer(code)}, nil
		}, &n
	}
	tests := []struct {
		name     string
		cfg      xauth.ClientConfig
		typed    []string
		requests []isakmp.Configuration
		user     string
		password string
	}{
		{"nothing", xauth.ClientConfig{User: "alice", Password: []byte(good)}, nil, nil, "", ""},
		{"stored", xauth.ClientConfig{User: "bob", Password: []byte(good)}, nil, []isakmp.Configuration{request(userAndPassword()...)}, "bob", good},
		{"typed", xauth.ClientConfig{}, []string{good}, []isakmp.Configuration{request(userAndPassword()...)}, "alice", good},
		{
			"and a passcode",
			xauth.ClientConfig{},
			[]string{good, ""},
			[]isakmp.Configuration{request(userAndPassword()...), request(wants(isakmp.AttrXAuthPasscode))},
			"alice", good,
		},
		{
			"typed twice",
			xauth.ClientConfig{},
			[]string{good, code},
			[]isakmp.Configuration{request(userAndPassword()...), request(wants(isakmp.AttrXAuthUserPassword))},
			"alice", "",
		},
		{
			"stored, then typed",
			xauth.ClientConfig{User: "alice", Password: []byte(bad)},
			[]string{good},
			[]isakmp.Configuration{request(userAndPassword()...), request(userAndPassword()...)},
			"alice", "",
		},
		{
			"a second login",
			xauth.ClientConfig{User: "alice"},
			[]string{bad, good},
			[]isakmp.Configuration{request(userAndPassword()...), set(status(isakmp.XAuthOK)), request(userAndPassword()...)},
			"alice", good,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ask, n := rounds(tt.typed...)
			tt.cfg.Ask = ask
			c := xauth.NewClient(tt.cfg)
			for _, r := range tt.requests {
				c.Handle(t.Context(), nil, r)
			}
			user, password := c.Answered()
			if user != tt.user || string(password) != tt.password {
				t.Errorf("%q, %q", user, password)
			}
			if *n != len(tt.typed) {
				t.Errorf("asked %d times", *n)
			}
			c.Close()
			if _, password := c.Answered(); password != nil {
				t.Error("a password after Close")
			}
		})
	}
}

// TestPasswordIsCopied: the caller may overwrite its own copy at once.
func TestPasswordIsCopied(t *testing.T) {
	password := []byte(good)
	c := xauth.NewClient(xauth.ClientConfig{User: "alice", Password: password})
	clear(password)
	reply := c.Handle(t.Context(), nil, request(userAndPassword()...))
	if got := string(reply.Attributes[1].Value); got != good {
		t.Errorf("%q", got)
	}
	clear(reply.Attributes[1].Value)
	if _, sent := c.Answered(); string(sent) != good {
		t.Errorf("%q", sent)
	}
}

// typist is an Ask that counts its prompts and answers when told to.
type typist struct {
	prompts int
	types   chan string
}

func (p *typist) ask(ctx context.Context, _ prompt.Prompt) (prompt.Answers, error) {
	p.prompts++
	select {
	case s := <-p.types:
		return prompt.Answers{"user": prompt.Answer("alice"), "password": prompt.Answer(s), "passcode": prompt.Answer(s)}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestOpenQuestion: what else comes while a person is typing.
func TestOpenQuestion(t *testing.T) {
	handle := func(t *testing.T, c *xauth.Client, r isakmp.Configuration, id uint16) chan *isakmp.Configuration {
		r.Identifier = id
		got := make(chan *isakmp.Configuration, 1)
		go func() { got <- c.Handle(t.Context(), nil, r) }()
		synctest.Wait()
		return got
	}
	// answers counts the secrets in a reply, and overwrites it.
	answer := func(r *isakmp.Configuration) string {
		if r == nil {
			return "none"
		}
		v := string(r.Attributes[len(r.Attributes)-1].Value)
		for _, a := range r.Attributes {
			clear(a.Value)
		}
		return v
	}
	tests := []struct {
		name string
		run  func(t *testing.T, c *xauth.Client, p *typist)
	}{
		{"repeated under new message IDs", func(t *testing.T, c *xauth.Client, p *typist) {
			var got []chan *isakmp.Configuration
			for range 3 {
				got = append(got, handle(t, c, request(userAndPassword()...), 1))
			}
			p.types <- good
			for _, g := range got {
				if v := answer(<-g); v != good {
					t.Error(v)
				}
			}
			if p.prompts != 1 {
				t.Error(p.prompts, "prompts")
			}
		}},
		{"asked anew after the answer", func(t *testing.T, c *xauth.Client, p *typist) {
			for _, s := range []string{bad, good} {
				got := handle(t, c, request(userAndPassword()...), 1)
				p.types <- s
				if v := answer(<-got); v != s {
					t.Error(v)
				}
			}
			if p.prompts != 2 {
				t.Error(p.prompts, "prompts")
			}
		}},
		{"another question waits for its turn", func(t *testing.T, c *xauth.Client, p *typist) {
			first := handle(t, c, request(userAndPassword()...), 1)
			second := handle(t, c, request(wants(isakmp.AttrXAuthPasscode)), 1)
			third := handle(t, c, request(userAndPassword()...), 2)
			if p.prompts != 1 {
				t.Error(p.prompts, "prompts")
			}
			p.types <- good
			p.types <- code
			p.types <- code
			if v := answer(<-first) + answer(<-second) + answer(<-third); v != good+code+code {
				t.Error(v)
			}
		}},
		{"the gateway ends the login", func(t *testing.T, c *xauth.Client, p *typist) {
			got := handle(t, c, request(userAndPassword()...), 1)
			joined := handle(t, c, request(userAndPassword()...), 1)
			<-handle(t, c, set(status(isakmp.XAuthFail), message("too slow")), 1)
			if v := answer(<-got) + answer(<-joined); v != "nonenone" {
				t.Error(v)
			}
		}},
		{"the SA ends", func(t *testing.T, c *xauth.Client, p *typist) {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(ike.ErrDeleted) })
			if r := c.Handle(ctx, nil, request(userAndPassword()...)); r != nil {
				t.Error(r)
			}
		}},
		{"after a failure nothing is asked", func(t *testing.T, c *xauth.Client, p *typist) {
			got := <-handle(t, c, request(kind(40000)), 1)
			if v := answer(got); v != "\x00\x00" {
				t.Errorf("%q", v)
			}
			got = <-handle(t, c, request(userAndPassword()...), 1)
			if v := answer(got); v != "\x00\x00" || p.prompts != 0 {
				t.Errorf("%q, %d prompts", v, p.prompts)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &typist{types: make(chan string)}
				c := xauth.NewClient(xauth.ClientConfig{Ask: p.ask})
				defer c.Close()
				tt.run(t, c, p)
			})
		})
	}
}

// TestLaterLogin: a gateway may ask again on a living SA; the stored password,
// proved by then, serves again.
func TestLaterLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := connect(t, xauth.ClientConfig{User: "alice", Password: []byte(good)}, nil, nil)
		defer l.close()
		s := xauth.Server{Verify: verify("alice", good)}
		for range 2 {
			if user, err := s.Authenticate(t.Context(), l.gateway); user != "alice" || err != nil {
				t.Fatal(user, err)
			}
			if err := l.client.Wait(t.Context(), l.sa); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestWaitIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := connect(t, xauth.ClientConfig{}, nil, nil)
		defer l.close()
		l.client.Handle(t.Context(), nil, set(message("x"))) // no outcome
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errRADIUS)
		if err := l.client.Wait(ctx, l.sa); !errors.Is(err, errRADIUS) {
			t.Error(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
		defer stop()
		if err := l.client.Wait(ctx, l.sa); !errors.Is(err, xauth.ErrNoRequest) || !strings.Contains(err.Error(), "3s") {
			t.Error(err)
		}
	})
}
