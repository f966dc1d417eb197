package xauth_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postern/client/prompt"
	"postern/ike"
	"postern/ike/iketest"
	"postern/ike/isakmp"
	"postern/xauth"
)

const (
	good = canary + "-good"
	bad  = canary + "-bad"
	code = canary + "-123456"
)

// dialogue is one login as it must go.
type dialogue struct {
	name     string
	user     string
	password string
	nobody   bool // can be asked
	optional bool
	steps    []step
	codes    func() *xauth.Codes
	vendor   string
	gateway  func(context.Context, *ike.SA) error
	fault    iketest.Fault
	patience time.Duration
	after    func(*testing.T, *lab) // what else must be so, once the client is let in
	byDelete bool                   // ends with a Delete of the gateway's, which nobody repeats

	want        error  // of the client
	message     string // in it
	wantGateway error
	took        time.Duration // at least, where the person isn't the reason
	logins      int           // how many identifiers there may be; 0: 1
}

// server is a gateway that knows one user, and asks once more.
func server(s xauth.Server) func(context.Context, *ike.SA) error {
	if s.Verify == nil {
		s.Verify = verify("alice", good)
	}
	if s.Tries == 0 {
		s.Tries = 2
	}
	return func(ctx context.Context, sa *ike.SA) error {
		user, err := s.Authenticate(ctx, sa)
		if err == nil && user != "alice" {
			err = fmt.Errorf("user %q", user)
		}
		return err
	}
}

// says sends each configuration and ends with the error of the first that fails.
func says(cs ...isakmp.Configuration) func(context.Context, *ike.SA) error {
	return func(ctx context.Context, sa *ike.SA) error {
		for _, c := range cs {
			c.Identifier = 7
			reply, err := sa.Transact(ctx, c)
			if err != nil {
				return err
			}
			for _, a := range reply.Attributes {
				if a.Type == isakmp.AttrXAuthStatus && reply.Type == isakmp.CfgReply {
					if n, err := a.Uint(); n != isakmp.XAuthFail || err != nil {
						return fmt.Errorf("a REPLY with STATUS %d: %v", n, err)
					}
					return errFailReply
				}
			}
		}
		return nil
	}
}

var errFailReply = errors.New("REPLY with STATUS = FAIL")

func request(as ...isakmp.Attribute) isakmp.Configuration {
	return isakmp.Configuration{Type: isakmp.CfgRequest, Attributes: as}
}

func set(as ...isakmp.Attribute) isakmp.Configuration {
	return isakmp.Configuration{Type: isakmp.CfgSet, Attributes: as}
}

func wants(t uint16) isakmp.Attribute   { return isakmp.TLV(t, nil) }
func message(s string) isakmp.Attribute { return isakmp.TLV(isakmp.AttrXAuthMessage, []byte(s)) }
func status(v uint16) isakmp.Attribute  { return isakmp.TV(isakmp.AttrXAuthStatus, v) }
func kind(v uint16) isakmp.Attribute    { return isakmp.TV(isakmp.AttrXAuthType, v) }
func challenge(s string) isakmp.Attribute {
	return isakmp.TLV(isakmp.AttrXAuthChallenge, []byte(s))
}

func userAndPassword() []isakmp.Attribute {
	return []isakmp.Attribute{wants(isakmp.AttrXAuthUserName), wants(isakmp.AttrXAuthUserPassword)}
}

// withCode is a Verify that wants a passcode after the password.
func withCode(challenge string) func(context.Context, *ike.SA, string, []byte) error {
	return func(ctx context.Context, sa *ike.SA, user string, password []byte) error {
		if err := verify("alice", good)(ctx, sa, user, password); err != nil {
			return err
		}
		return &xauth.Challenge{
			Message: challenge, Attribute: isakmp.AttrXAuthPasscode,
			Verify: func(_ context.Context, answer []byte) error {
				if string(answer) != code {
					return &xauth.RefusedError{Message: "wrong code"}
				}
				return nil
			},
		}
	}
}

// delay holds back one datagram of the gateway's.
func delay(number int, by time.Duration) iketest.Fault {
	return func(d iketest.Datagram) []iketest.Delivery {
		if !d.FromA && d.Number == number {
			return []iketest.Delivery{{Octets: d.Octets, After: by}}
		}
		return []iketest.Delivery{{Octets: d.Octets}}
	}
}

const again = "The user name or the password is wrong. Please try again."

var errRADIUS = errors.New("no RADIUS server answers")

var dialogues = []dialogue{
	{name: "accept, all stored", user: "alice", password: good, nobody: true, gateway: server(xauth.Server{})},
	{
		name: "accept, all asked for", gateway: server(xauth.Server{Message: "Wel\x1bcome\r\nto B\xfcro"}),
		steps: []step{{want: "\"Welcome\\nto Büro\" user password", answers: "user=alice password=" + good}},
	},
	{
		name: "accept, password asked for", user: "alice", gateway: server(xauth.Server{}),
		steps: []step{{want: `"" password`, answers: "password=" + good}},
	},
	{
		name: "a trailing NUL in the password", user: "alice\x00", password: good + "\x00", nobody: true, gateway: server(xauth.Server{}),
	},
	{
		name: "a stored password is sent once, then the person asked", user: "alice", password: bad, gateway: server(xauth.Server{}),
		steps: []step{{want: `"` + again + `" password`, answers: "password=" + good}},
	},
	{
		name: "wrong, stored, nobody to ask", user: "alice", password: bad, nobody: true, gateway: server(xauth.Server{}),
		want: xauth.ErrRefused, message: again,
	},
	{
		name: "wrong, stored, one try", user: "alice", password: bad, nobody: true, gateway: server(xauth.Server{Tries: 1}),
		want: xauth.ErrRefused, wantGateway: xauth.ErrRefused,
	},
	{
		name: "wrong twice", user: "alice", gateway: server(xauth.Server{}),
		steps: []step{{want: `"" password`, answers: "password=" + bad}, {want: `"` + again + `" password`, answers: "password=" + bad}},
		want:  xauth.ErrRefused, wantGateway: xauth.ErrRefused,
	},
	{
		name: "retry in the same transaction", gateway: server(xauth.Server{}),
		steps: []step{
			{want: `"" user password`, answers: "user=alice password=" + bad},
			{want: `"` + again + `" user password`, answers: "user=alice password=" + good},
		},
	},
	{
		name: "two rounds with a passcode", user: "alice", password: good, gateway: server(xauth.Server{Verify: withCode("Token code?")}),
		steps: []step{{want: `"Token code?" passcode`, answers: "passcode=" + code}},
	},
	{
		name: "a passcode isn't the stored password", user: "alice", password: good, nobody: true,
		gateway: server(xauth.Server{Verify: withCode("Token code?")}), want: prompt.ErrNotInteractive, message: "passcode",
	},
	{
		name: "a wrong passcode, then both anew", user: "alice", password: good, gateway: server(xauth.Server{Verify: withCode("Token code?")}),
		steps: []step{
			{want: `"Token code?" passcode`, answers: "passcode=" + bad},
			{want: `"wrong code" password`, answers: "password=" + good},
			{want: `"Token code?" passcode`, answers: "passcode=" + code},
		},
	},
	{
		name: "a code in the place of the password", user: "alice", password: good,
		gateway: server(xauth.Server{Verify: func(ctx context.Context, sa *ike.SA, user string, password []byte) error {
			c := &xauth.Challenge{Message: "Next token", Verify: func(_ context.Context, answer []byte) error {
				return verify("alice", code)(ctx, sa, user, answer)
			}}
			return errors.Join(verify("alice", good)(ctx, sa, user, password), c)
		}}),
		steps: []step{{want: `"Next token" password`, answers: "password=" + code}},
	},
	{
		name: "a new PIN and an answer", user: "alice",
		gateway: says(
			request(kind(0), message("New PIN?"), wants(isakmp.AttrXAuthAnswer)),
			request(kind(0), message("4 to 8 digits"), wants(isakmp.AttrXAuthNextPIN)),
			request(kind(0), wants(isakmp.AttrXAuthUserName), wants(isakmp.AttrXAuthPasscode), wants(isakmp.AttrXAuthDomain)),
			set(status(isakmp.XAuthOK))),
		steps: []step{
			{want: `"New PIN?" answer`, answers: "answer=y"},
			{want: `"4 to 8 digits" new-pin`, answers: "new-pin=" + canary},
			{want: `"" passcode domain`, answers: "passcode=" + code + " domain=SALES"},
		},
	},
	{
		name: "message only", user: "alice", password: good,
		gateway: says(request(message("Read\nthis")), request(userAndPassword()...), set(status(isakmp.XAuthOK))),
		steps:   []step{{want: `"Read\nthis" `}},
	},
	{
		name: "message only, nobody reads it", user: "alice", password: good, nobody: true,
		gateway: says(request(message("Read this")), request(userAndPassword()...), set(status(isakmp.XAuthOK))),
	},
	{
		name: "cancelled", user: "alice", gateway: server(xauth.Server{}),
		steps: []step{{want: `"" password`, err: prompt.ErrCancelled}}, want: prompt.ErrCancelled,
	},
	{
		name: "nobody to ask", user: "alice", nobody: true, gateway: says(request(userAndPassword()...)),
		want: prompt.ErrNotInteractive, message: "the gateway asks for password", wantGateway: errFailReply,
	},
	{
		name: "the person takes too long", user: "alice", gateway: server(xauth.Server{Patience: time.Hour}),
		steps: []step{{want: `"" password`, takes: time.Hour}}, want: xauth.ErrUnanswered, message: "2m45s",
	},
	{
		name: "the gateway tires of waiting", user: "alice", gateway: server(xauth.Server{Patience: 50 * time.Second}),
		steps: []step{{want: `"" password`, takes: time.Hour}}, want: xauth.ErrRefused, wantGateway: new(ike.TimeoutError),
	},
	{
		name: "a slow person is asked once", user: "alice", gateway: server(xauth.Server{}),
		steps: []step{{want: `"" password`, answers: "password=" + good, takes: 100 * time.Second}},
	},
	{
		name: "an answer too long", user: "alice", gateway: server(xauth.Server{}),
		steps: []step{{want: `"" password`, answers: "password=" + strings.Repeat(good, 40)}}, message: "at most 255 characters",
		want: errAny,
	},
	{
		name: "a user name too long", user: strings.Repeat("a", 256), password: good, nobody: true,
		gateway: server(xauth.Server{Tries: 1}), want: xauth.ErrRefused, wantGateway: xauth.ErrRefused,
	},
	{
		name: "the gateway's own failure", user: "alice", password: good, nobody: true, want: xauth.ErrRefused, wantGateway: errRADIUS,
		gateway: server(xauth.Server{Verify: func(context.Context, *ike.SA, string, []byte) error { return errRADIUS }}),
	},
	{name: "bare OK", gateway: says(set(status(isakmp.XAuthOK))), nobody: true, want: xauth.ErrUnasked},
	{
		name: "OK after a message only", gateway: says(request(message("Hello")), set(status(isakmp.XAuthOK))), nobody: true,
		want: xauth.ErrUnasked,
	},
	{name: "bare OK where it's allowed", gateway: says(set(status(isakmp.XAuthOK))), nobody: true, optional: true},
	{
		name: "OK with more attributes", user: "alice", password: good, nobody: true,
		gateway: says(request(userAndPassword()...), set(kind(0), status(isakmp.XAuthOK), message("Hello"), isakmp.TLV(28672, []byte("x")))),
	},
	{
		name: "OK in long form", user: "alice", password: good, nobody: true,
		gateway: says(request(userAndPassword()...), set(isakmp.TLV(isakmp.AttrXAuthStatus, []byte{0, 1}))),
	},
	{
		name: "FAIL with a message", user: "alice", password: good, nobody: true, want: xauth.ErrRefused, message: `"Account\nlocked"`,
		gateway: says(request(userAndPassword()...), set(status(isakmp.XAuthFail), message("Account\r\nlocked\a"))),
	},
	{
		name: "FAIL with a message, of our gateway", user: "alice", password: good, nobody: true,
		want: xauth.ErrRefused, message: `"expired"`, wantGateway: xauth.ErrRefused,
		gateway: server(xauth.Server{Tries: 1, Verify: func(context.Context, *ike.SA, string, []byte) error {
			return &xauth.RefusedError{Message: "expired"}
		}}),
	},
	{
		name: "a type of its own", user: "alice", password: good, nobody: true, want: xauth.ErrType, message: "type 40000", wantGateway: errFailReply,
		gateway: says(request(append(userAndPassword(), kind(40000))...)),
	},
	{
		name: "no request at all", nobody: true, gateway: says(), want: xauth.ErrNoRequest, message: "waited 2m45s",
		took: 165 * time.Second,
	},
	{
		name: "no status", user: "alice", password: good, nobody: true, gateway: says(request(userAndPassword()...)),
		want: xauth.ErrNoStatus, message: "waited 20s", patience: 20 * time.Second,
	},
	{
		name: "Delete in the place of FAIL", byDelete: true, user: "alice", password: good, nobody: true, want: xauth.ErrRefused, message: "ended the connection",
		gateway: func(ctx context.Context, sa *ike.SA) error {
			defer sa.Close()
			return says(request(userAndPassword()...))(ctx, sa)
		},
	},
	{
		name: "Delete before anything", byDelete: true, nobody: true, want: ike.ErrDeleted,
		gateway: func(_ context.Context, sa *ike.SA) error { return sa.Close() },
	},
	{
		name: "the request overtakes Main Mode 6", user: "alice", password: good, nobody: true, gateway: server(xauth.Server{}),
		fault: delay(3, 300*time.Millisecond),
	},
}

// errAny is any error at all.
var errAny = errors.New("any error")

func (d dialogue) run(t *testing.T) {
	p := &person{T: t, steps: d.steps}
	cfg := xauth.ClientConfig{User: d.user, Password: []byte(d.password), Ask: p.ask, Optional: d.optional, Patience: d.patience, Vendor: d.vendor}
	if d.codes != nil {
		cfg.Codes = d.codes()
		defer cfg.Codes.Close()
	}
	if d.nobody {
		cfg.Ask = nil
	}
	l := connect(t, cfg, nil, d.fault)
	defer l.close()
	gateway := make(chan error, 1)
	go func() { gateway <- d.gateway(t.Context(), l.gateway) }()
	began := time.Now()
	err := l.client.Wait(t.Context(), l.sa)
	switch {
	case d.want == errAny && err == nil, d.want != errAny && !errors.Is(err, d.want):
		t.Errorf("client: %v, want %v", err, d.want)
	case err != nil && (!strings.Contains(err.Error(), d.message) || strings.Contains(err.Error(), canary)):
		t.Errorf("client: %v, want %q in it", err, d.message)
	}
	if took := time.Since(began); took < d.took {
		t.Errorf("took %v", took)
	}
	if d.want != nil {
		time.Sleep(time.Second) // the last REPLY is ahead of the Delete
		l.sa.Close()
	}
	err = <-gateway
	var timeout *ike.TimeoutError
	switch {
	case errors.As(d.wantGateway, &timeout) && errors.As(err, &timeout):
	case d.want != nil && d.wantGateway == nil: // whatever it makes of our going
	case !errors.Is(err, d.wantGateway):
		t.Errorf("gateway: %v, want %v", err, d.wantGateway)
	}
	if d.want != nil && err != nil && d.wantGateway != errFailReply && l.gateway.Err() == nil {
		t.Error("gateway: the SA lives on")
	}
	if err == nil && d.after != nil {
		d.after(t, l)
	}
	if len(l.identifiers) > max(1, d.logins) {
		t.Errorf("identifiers %v in one login", l.identifiers)
	}
	p.done()
}

func allDialogues() []dialogue {
	return slices.Concat(dialogues, typedDialogues, tokenDialogues, vendorDialogues)
}

func TestDialogues(t *testing.T) {
	for _, d := range allDialogues() {
		t.Run(d.name, func(t *testing.T) { synctest.Test(t, d.run) })
	}
}

// faults are what may happen to a datagram.
var faults = map[string]func(octets []byte) []iketest.Delivery{
	"lost": func([]byte) []iketest.Delivery { return nil },
	"doubled": func(b []byte) []iketest.Delivery {
		return []iketest.Delivery{{Octets: b}, {Octets: b, After: 5 * time.Millisecond}}
	},
	"late": func(b []byte) []iketest.Delivery {
		return []iketest.Delivery{{Octets: b, After: 30 * time.Millisecond}}
	},
}

// TestEachDatagram runs logins with each of their datagrams lost, doubled and
// overtaken by the next: the person notices nothing, and what fails fails with
// the same error.
func TestEachDatagram(t *testing.T) {
	for _, d := range allDialogues() {
		if d.wantGateway != errFailReply {
			d.wantGateway = nil // it may learn by a Delete or by silence
		}
		if d.fault != nil || d.byDelete || testing.Short() && d.name != "two rounds with a passcode" {
			continue
		}
		for name, fault := range faults {
			for number := 1; number <= 10; number++ {
				for _, fromA := range []bool{true, false} {
					d.fault = func(x iketest.Datagram) []iketest.Delivery {
						if x.Number == number && x.FromA == fromA {
							return fault(x.Octets)
						}
						return []iketest.Delivery{{Octets: x.Octets}}
					}
					t.Run(fmt.Sprintf("%s, %s %d of the client %v", d.name, name, number, fromA), func(t *testing.T) { synctest.Test(t, d.run) })
				}
			}
		}
	}
}
