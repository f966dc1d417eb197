package xauth_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postern/client/prompt"
	"postern/ike"
	"postern/ike/isakmp"
	"postern/xauth"
	"postern/xauth/otp"
)

// seed is what authenticators are given. Time steps are shorter than the time
// that a gateway repeats its question for under one message ID.
const seed = "otpauth://totp/alice?period=10&secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

func withSeed(s string) func() *xauth.Codes {
	return func() *xauth.Codes {
		c, err := xauth.NewTOTP([]byte(s))
		if err != nil {
			panic(err)
		}
		return c
	}
}

// codeNow is the code when time begins in synctest.
var codeNow = func() string {
	token, err := otp.ParseTOTP([]byte(seed))
	if err != nil {
		panic(err)
	}
	return string(token.Code(token.Step(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))))
}()

// fortiGate wants a password, then n codes, each in an exchange of its own.
func fortiGate(n int) func(context.Context, *ike.SA) error {
	return func(ctx context.Context, sa *ike.SA) error {
		token, err := otp.ParseTOTP([]byte(seed))
		if err != nil {
			return err
		}
		var last uint64
		var ask func(left int, message string) *xauth.Question
		ask = func(left int, message string) *xauth.Question {
			return &xauth.Question{
				Type: isakmp.XAuthOTP, Message: message, Asks: []uint16{isakmp.AttrXAuthPasscode},
				Judge: func(_ context.Context, r xauth.Reply) error {
					step, ok := token.Verify(r[isakmp.AttrXAuthPasscode], time.Now(), 1)
					if !ok || step <= last {
						return xauth.ErrRefused
					}
					if last = step; left > 1 {
						return ask(left-1, "Wait for the next code")
					}
					return nil
				},
			}
		}
		return server(xauth.Server{Verify: func(ctx context.Context, sa *ike.SA, user string, password []byte) error {
			if err := verify("alice", good)(ctx, sa, user, password); err != nil {
				return err
			}
			return ask(n, "Enter the code")
		}})(ctx, sa)
	}
}

// securID is a gateway with SecurID of its own, whose user is in that state.
func securID(state string) func(context.Context, *ike.SA) error {
	const pin, given = canary + "pin", canary + "given"
	passcode := func(message, want string, then error) *xauth.Question {
		return xauth.AskPasscode(message, func(_ context.Context, user string, got []byte) error {
			if user != "alice" || string(got) != want {
				return &xauth.RefusedError{Message: "wrong passcode"}
			}
			return then
		})
	}
	chosen := xauth.AskNewPIN("Enter a new PIN having from 4 to 12 alphanumeric characters:", func(_ context.Context, got []byte) error {
		if string(got) != pin {
			return &xauth.RefusedError{Message: "the PIN was refused"}
		}
		return passcode("PIN accepted. Wait for the code to change, then enter the new PASSCODE:", pin+code, nil)
	})
	byServer := passcode("Your new PIN is "+given+". Wait for the code to change, then enter the new PASSCODE:", given+code, nil)
	either := xauth.AskYesNo("Do you want to choose your PIN? (y/n) [n]", func(_ context.Context, yes bool) error {
		if yes {
			return chosen
		}
		return byServer
	})
	then := map[string]error{
		"next": passcode("The token is out of sync. Enter the next code:", code+"next", nil), "chosen": chosen, "given": byServer, "either": either,
	}[state]
	return server(xauth.Server{Patience: time.Hour, First: func(*ike.SA) *xauth.Question { return passcode("Enter PASSCODE:", code, then) }})
}

// throughRADIUS is a gateway that asks for passwords, whatever is meant.
func throughRADIUS(rounds ...string) func(context.Context, *ike.SA) error {
	var ask func(rounds []string) error
	ask = func(rounds []string) error {
		if len(rounds) == 0 {
			return nil
		}
		return &xauth.Challenge{Message: rounds[0], Verify: func(_ context.Context, answer []byte) error {
			if string(answer) != rounds[1] {
				return xauth.ErrRefused
			}
			return ask(rounds[2:])
		}}
	}
	return server(xauth.Server{Message: "Enter PASSCODE:", Verify: func(_ context.Context, _ *ike.SA, user string, password []byte) error {
		if user != "alice" || string(password) != code {
			return xauth.ErrRefused
		}
		return ask(rounds)
	}})
}

const (
	enter    = `"Enter PASSCODE:" `
	pinRange = `"Enter a new PIN having from 4 to 12 alphanumeric characters:" new-pin`
	accepted = `"PIN accepted. Wait for the code to change, then enter the new PASSCODE:" passcode`
	given    = `"Your new PIN is ` + canary + `given. Wait for the code to change, then enter the new PASSCODE:" passcode`
	wantPIN  = `"Do you want to choose your PIN? (y/n) [n]" answer`
)

// tokenDialogues are those with codes of a token.
var tokenDialogues = []dialogue{
	{
		name: "FortiGate, the code is typed", user: "alice", password: good, gateway: fortiGate(1), vendor: "fortigate",
		steps: []step{
			{want: `"Enter the code" passcode`, answers: "passcode=" + code},
			{want: `"` + again + `" password`, answers: "password=" + good},
			{want: `"Enter the code" passcode`, answers: "passcode=" + codeNow},
		},
	},
	{name: "FortiGate, the code is made here", user: "alice", password: good, codes: withSeed(seed), nobody: true, gateway: fortiGate(1)},
	{name: "FortiGate, and the next code", user: "alice", password: good, codes: withSeed(seed), nobody: true, gateway: fortiGate(2), took: 9 * time.Second},
	{
		name: "FortiGate, a third code is the person's", user: "alice", password: good, codes: withSeed(seed), gateway: fortiGate(3),
		steps: []step{{want: `"Wait for the next code" passcode`, err: prompt.ErrCancelled}}, want: prompt.ErrCancelled,
	},
	{
		name: "FortiGate, the password isn't a code", user: "alice", password: good, nobody: true, gateway: fortiGate(1),
		want: prompt.ErrNotInteractive, message: "passcode",
	},
	{
		name: "codes of another seed", user: "alice", password: good, codes: withSeed("GEZDGNBVGY3TQOJR"), nobody: true, gateway: fortiGate(1),
		want: xauth.ErrRefused,
	},
	{
		name: "a code isn't sent where the password was asked for", user: "alice", codes: withSeed(seed), gateway: server(xauth.Server{}),
		steps: []step{{want: `"" password`, answers: "password=" + good}},
	},
	{
		name: "password and code in two logins' identifiers", user: "alice", password: good, logins: 2,
		gateway: func(ctx context.Context, sa *ike.SA) error {
			for id, c := range []isakmp.Configuration{request(userAndPassword()...), request(wants(isakmp.AttrXAuthPasscode)), set(status(isakmp.XAuthOK))} {
				c.Identifier = uint16(100 + min(id, 1))
				if _, err := sa.Transact(ctx, c); err != nil {
					return err
				}
			}
			return nil
		},
		steps: []step{{want: `"" passcode`, answers: "passcode=" + code}},
	},

	{
		name: "SecurID, accept", user: "alice", password: good, gateway: securID(""),
		steps: []step{{want: enter + "passcode", answers: "passcode=" + code}},
	},
	{
		name: "SecurID, wrong, then right", gateway: securID(""),
		steps: []step{
			{want: enter + "user passcode", answers: "user=alice passcode=" + bad},
			{want: `"wrong passcode" user passcode`, answers: "passcode=" + code}, // the name that was typed before is the default
		},
	},
	{
		name: "SecurID, next tokencode", user: "alice", gateway: securID("next"),
		steps: []step{
			{want: enter + "passcode", answers: "passcode=" + code},
			{want: `"The token is out of sync. Enter the next code:" passcode`, answers: "passcode=" + code + "next"},
		},
	},
	{
		name: "SecurID, a new PIN by the user", user: "alice", gateway: securID("chosen"),
		steps: []step{
			{want: enter + "passcode", answers: "passcode=" + code},
			{want: pinRange, answers: "new-pin=" + canary + "pin"},
			{want: accepted, answers: "passcode=" + canary + "pin" + code},
		},
	},
	{
		name: "SecurID, a new PIN by the server", user: "alice", gateway: securID("given"),
		steps: []step{
			{want: enter + "passcode", answers: "passcode=" + code},
			{want: given, answers: "passcode=" + canary + "given" + code},
		},
	},
	{
		name: "SecurID, either: the user", user: "alice", gateway: securID("either"),
		steps: []step{
			{want: enter + "passcode", answers: "passcode=" + code},
			{want: wantPIN, answers: "answer=yes"},
			{want: pinRange, answers: "new-pin=" + canary + "pin"},
			{want: accepted, answers: "passcode=" + canary + "pin" + code},
		},
	},
	{
		name: "SecurID, either: no", user: "alice", gateway: securID("either"),
		steps: []step{
			{want: enter + "passcode", answers: "passcode=" + code},
			{want: wantPIN, answers: "answer=no"},
			{want: given, answers: "passcode=" + canary + "given" + code},
		},
	},
	{
		name: "SecurID, either: no is the default", user: "alice", gateway: securID("either"),
		steps: []step{
			{want: enter + "passcode", answers: "passcode=" + code},
			{want: wantPIN},
			{want: given, answers: "passcode=" + canary + "given" + code},
		},
	},
	{
		name: "SecurID, the new PIN is too long", user: "alice", gateway: securID("chosen"),
		steps: []step{
			{want: enter + "passcode", answers: "passcode=" + code},
			{want: pinRange, answers: "new-pin=" + canary + "1234567"},
		},
		want: errAny, message: "at most 12 characters",
	},
	{
		name: "SecurID, cancelled at the new PIN", user: "alice", gateway: securID("chosen"),
		steps: []step{{want: enter + "passcode", answers: "passcode=" + code}, {want: pinRange, err: prompt.ErrCancelled}},
		want:  prompt.ErrCancelled,
	},
	{
		name: "SecurID, too late for the PIN", user: "alice", gateway: securID("chosen"),
		steps: []step{{want: enter + "passcode", answers: "passcode=" + code}, {want: pinRange, takes: time.Hour}},
		want:  xauth.ErrUnanswered,
	},
	{
		name: "SecurID, cancelled where the server gave a PIN", user: "alice", gateway: securID("given"),
		steps: []step{{want: enter + "passcode", answers: "passcode=" + code}, {want: given, err: prompt.ErrCancelled}},
		want:  prompt.ErrCancelled,
	},
	{
		name: "SecurID, nobody to ask", user: "alice", password: good, nobody: true, gateway: securID(""),
		want: prompt.ErrNotInteractive, message: "passcode",
	},

	{
		name: "SecurID through RADIUS, accept", user: "alice", gateway: throughRADIUS(),
		steps: []step{{want: enter + "password", answers: "password=" + code}},
	},
	{
		name: "SecurID through RADIUS, next tokencode", user: "alice", gateway: throughRADIUS("Wait for the next code:", canary+"2"),
		steps: []step{
			{want: enter + "password", answers: "password=" + code},
			{want: `"Wait for the next code:" password`, answers: "password=" + canary + "2"},
		},
	},
	{
		name: "SecurID through RADIUS, a new PIN by the server", user: "alice",
		gateway: throughRADIUS("Ready to have the system generate your PIN? (y/n) [n]", "y", "Your PIN is "+canary+"7. New PASSCODE:", canary+"7code"),
		steps: []step{
			{want: enter + "password", answers: "password=" + code},
			{want: `"Ready to have the system generate your PIN? (y/n) [n]" password`, answers: "password=y"},
			{want: `"Your PIN is ` + canary + `7. New PASSCODE:" password`, answers: "password=" + canary + "7code"},
		},
	},
	{
		name: "SecurID through RADIUS, a new PIN by the user", user: "alice",
		gateway: throughRADIUS("Enter your new PIN:", canary+"8", "Again:", canary+"8", "New PASSCODE:", canary+"8code"),
		steps: []step{
			{want: enter + "password", answers: "password=" + code},
			{want: `"Enter your new PIN:" password`, answers: "password=" + canary + "8"},
			{want: `"Again:" password`, answers: "password=" + canary + "8"},
			{want: `"New PASSCODE:" password`, answers: "password=" + canary + "8code"},
		},
	},
}

// checkPoint is a server that has the old numbers.
func checkPoint(s xauth.Server) func(context.Context, *ike.SA) error {
	s.Vendor = "checkpoint"
	return server(s)
}

// vendorDialogues are those that differ by the gateway's make.
var vendorDialogues = []dialogue{
	{name: "Check Point, accept", user: "alice", password: good, nobody: true, vendor: "checkpoint", gateway: checkPoint(xauth.Server{})},
	{
		name: "Check Point, wrong, then right", user: "alice", password: bad, vendor: "checkpoint", gateway: checkPoint(xauth.Server{}),
		steps: []step{{want: `"` + again + `" password`, answers: "password=" + good}},
	},
	{
		name: "Check Point, wrong", user: "alice", password: bad, nobody: true, vendor: "checkpoint", gateway: checkPoint(xauth.Server{Tries: 1}),
		want: xauth.ErrRefused, wantGateway: xauth.ErrRefused,
	},
	{
		name: "Check Point, a passcode", user: "alice", password: good, vendor: "checkpoint", gateway: checkPoint(xauth.Server{Verify: withCode("Code?")}),
		steps: []step{{want: `"Code?" passcode`, answers: "passcode=" + code}},
	},
	{
		name: "Check Point, nobody to ask", user: "alice", nobody: true, vendor: "checkpoint", gateway: checkPoint(xauth.Server{}),
		want: prompt.ErrNotInteractive, message: "password",
	},
	{
		name: "Check Point's numbers from somebody else", byDelete: true, user: "alice", password: good, nobody: true, gateway: checkPoint(xauth.Server{Tries: 1}),
		want: ike.ErrDeleted, wantGateway: xauth.ErrRefused,
	},
	{
		name: "Check Point, a configuration behind the login", user: "alice", password: good, nobody: true, vendor: "checkpoint",
		gateway: func(ctx context.Context, sa *ike.SA) error {
			if err := checkPoint(xauth.Server{})(ctx, sa); err != nil {
				return err
			}
			return xauth.Push(ctx, sa, &whole)
		},
		after: func(t *testing.T, l *lab) {
			a, err := l.client.Pushed(t.Context(), l.sa)
			if err != nil || a.Address != whole.Address {
				t.Errorf("%+v, %v", a, err)
			}
		},
		logins: 2,
	},
	{
		name: "NetScreen pushes inside the login", user: "alice", password: good, nobody: true, vendor: "netscreen",
		gateway: server(xauth.Server{Vendor: "netscreen", Assign: func(_ context.Context, _ *ike.SA, user string) (*xauth.Assigned, error) {
			return &whole, nil
		}}),
		after: func(t *testing.T, l *lab) {
			// The gateway has no Transaction: a REQUEST would end with an error.
			a, err := l.client.Pull(t.Context(), l.sa, xauth.Request{})
			if err != nil || a.Address != whole.Address || !slices.Equal(a.DNS, whole.DNS) {
				t.Errorf("%+v, %v", a, err)
			}
		},
	},
	{
		name: "NetScreen pushes behind the login", user: "alice", password: good, nobody: true, vendor: "netscreen", logins: 2,
		gateway: func(ctx context.Context, sa *ike.SA) error {
			if err := server(xauth.Server{})(ctx, sa); err != nil {
				return err
			}
			time.Sleep(4 * time.Second)
			return xauth.Push(ctx, sa, &whole)
		},
		after: func(t *testing.T, l *lab) {
			a, err := l.client.Pull(t.Context(), l.sa, xauth.Request{})
			if err != nil || a.Address != whole.Address {
				t.Errorf("%+v, %v", a, err)
			}
		},
	},
}

// TestFields: how each thing is asked for.
func TestFields(t *testing.T) {
	const codeKind, otpKind = prompt.Passcode, isakmp.XAuthOTP
	newPIN := func(s string) isakmp.Configuration { return request(message(s), wants(isakmp.AttrXAuthNextPIN)) }
	answer := func(s string) isakmp.Configuration { return request(message(s), wants(isakmp.AttrXAuthAnswer)) }
	pin := func(least, most int) prompt.Field {
		return prompt.Field{Name: "new-pin", Label: "New PIN", Kind: prompt.NewPIN, Min: least, Max: most}
	}
	tests := []struct {
		name    string
		request isakmp.Configuration
		want    prompt.Field
	}{
		{"user", request(wants(isakmp.AttrXAuthUserName)), prompt.Field{Name: "user", Label: "User name", Kind: prompt.Text, Min: 1, Max: 255}},
		{"password", request(wants(isakmp.AttrXAuthUserPassword)), prompt.Field{Name: "password", Label: "Password", Kind: prompt.Secret, Max: 255}},
		{"passcode", request(wants(isakmp.AttrXAuthPasscode)), prompt.Field{Name: "passcode", Label: "Passcode", Kind: codeKind, Min: 1, Max: 255}},
		{"domain", request(wants(isakmp.AttrXAuthDomain)), prompt.Field{Name: "domain", Label: "Domain", Kind: prompt.Text, Max: 255}},
		{
			"a password that is a code", request(kind(otpKind), wants(isakmp.AttrXAuthUserPassword)),
			prompt.Field{Name: "password", Label: "One-time password", Kind: codeKind, Min: 1, Max: 255},
		},
		{"a new PIN", newPIN("New PIN?"), pin(1, 255)},
		{"from 4 to 8", newPIN("Enter a new PIN having from 4 to 8 digits:"), pin(4, 8)},
		{"between 4 and 6", newPIN("between 4 and 6 alphanumeric characters"), pin(4, 6)},
		{"4-8", newPIN("(4-8 digits)"), pin(4, 8)},
		{"8 to 4", newPIN("8 to 4 digits"), pin(1, 255)},
		{"0 to 0", newPIN("0 to 0 digits"), pin(1, 255)},
		{"an answer", answer("Which floor?"), prompt.Field{Name: "answer", Label: "Answer", Kind: prompt.Text, Max: 255}},
		{"y/n", answer("Choose? (y/n)"), prompt.Field{Name: "answer", Label: "Answer", Kind: prompt.YesNo, Max: 255, Default: "no"}},
		{"yes or no", answer("Yes or No?"), prompt.Field{Name: "answer", Label: "Answer", Kind: prompt.YesNo, Max: 255, Default: "no"}},
		{"no y/n", answer("Symmetry/no"), prompt.Field{Name: "answer", Label: "Answer", Kind: prompt.Text, Max: 255}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got prompt.Prompt
			c := xauth.NewClient(xauth.ClientConfig{Ask: func(_ context.Context, p prompt.Prompt) (prompt.Answers, error) {
				got = p
				return nil, prompt.ErrCancelled
			}})
			c.Handle(t.Context(), nil, tt.request)
			if len(got.Fields) != 1 || got.Fields[0] != tt.want {
				t.Errorf("%+v, want %+v", got.Fields, tt.want)
			}
		})
	}
}

// TestFieldsAgain: the second time a name has a default, and what is typed for a
// password may be a code.
func TestFieldsAgain(t *testing.T) {
	var got []prompt.Field
	c := xauth.NewClient(xauth.ClientConfig{Ask: func(_ context.Context, p prompt.Prompt) (prompt.Answers, error) {
		got = p.Fields
		return prompt.Answers{"user": prompt.Answer("alice"), "password": prompt.Answer(good)}, nil
	}})
	defer c.Close()
	for range 2 {
		c.Handle(t.Context(), nil, request(userAndPassword()...))
	}
	if len(got) != 2 || got[0].Default != "alice" || got[1].Kind != prompt.Passcode {
		t.Errorf("%+v", got)
	}
}

// TestCodesAreSentOnce: two logins within one time step have different codes.
func TestCodesAreSentOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		codes := withSeed(seed)()
		defer codes.Close()
		seen := make(map[string]bool)
		for range 4 {
			c := xauth.NewClient(xauth.ClientConfig{Codes: codes})
			reply := c.Handle(t.Context(), nil, request(wants(isakmp.AttrXAuthPasscode)))
			seen[string(reply.Attributes[0].Value)] = true
			c.Close()
		}
		if len(seen) != 4 {
			t.Errorf("%d codes in 4 logins", len(seen))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		c := xauth.NewClient(xauth.ClientConfig{Codes: codes})
		if reply := c.Handle(ctx, nil, request(wants(isakmp.AttrXAuthPasscode))); reply != nil {
			t.Errorf("an answer though the gateway waits no longer: %v", reply)
		}
	})
	if _, err := xauth.NewTOTP([]byte(canary)); err == nil || strings.Contains(err.Error(), canary) {
		t.Error(err)
	}
}

// TestHiddenPasswordEndsWithZero: it isn't taken for the end of a string.
func TestHiddenPasswordEndsWithZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := connect(t, xauth.ClientConfig{}, nil, nil)
		defer l.close()
		hidden := append(bytes.Repeat([]byte{1}, otp.CHAPLength-1), 0)
		l.answer = func(c isakmp.Configuration) *isakmp.Configuration {
			return &isakmp.Configuration{Type: isakmp.CfgType(c.Type + 1), Identifier: c.Identifier, Attributes: []isakmp.Attribute{
				isakmp.TLV(isakmp.AttrXAuthUserName, []byte("alice\x00")), isakmp.TLV(isakmp.AttrXAuthUserPassword, bytes.Clone(hidden)),
			}}
		}
		s := xauth.Server{First: func(*ike.SA) *xauth.Question {
			return xauth.AskCHAP(func(_ context.Context, user string, password, _ []byte) error {
				if user != "alice" || !bytes.Equal(password, hidden) {
					t.Errorf("user %q, %x", user, password)
				}
				return nil
			})
		}}
		if _, err := s.Authenticate(t.Context(), l.gateway); err != nil {
			t.Error(err)
		}
	})
}

// TestOldNumbers: they are XAuth's behind a TYPE only, and only with a vendor
// that has them.
func TestOldNumbers(t *testing.T) {
	old := request(isakmp.TV(13, 0), wants(14), wants(15))
	modeConfig := request(wants(14), wants(15))
	tests := []struct {
		name    string
		vendor  string
		request isakmp.Configuration
		want    int // attributes in the REPLY
	}{
		{"Check Point's", "checkpoint", old, 3},
		{"without a TYPE", "checkpoint", modeConfig, 0},
		{"of any other vendor", "", old, 0},
		{"of Cisco", "cisco", old, 0},
		{"the draft's from Check Point", "checkpoint", request(userAndPassword()...), 2},
	}
	for _, tt := range tests {
		c := xauth.NewClient(xauth.ClientConfig{User: "alice", Password: []byte(good), Vendor: tt.vendor})
		reply := c.Handle(t.Context(), nil, tt.request)
		if len(reply.Attributes) != tt.want {
			t.Errorf("%s: %v", tt.name, reply)
		}
		for i, a := range reply.Attributes {
			if a.Type != tt.request.Attributes[i].Type {
				t.Errorf("%s: attribute %d for %d", tt.name, a.Type, tt.request.Attributes[i].Type)
			}
		}
		c.Close()
	}
}
