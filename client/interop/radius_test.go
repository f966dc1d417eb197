//go:build linux

package interop

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/client/concentrator/radius"
)

// Our RADIUS client and FreeRADIUS.
func TestClientAsksFreeRADIUS(t *testing.T) {
	needFreeRADIUS(t)
	t.Parallel()
	f := hostRADIUS(t, freeRADIUS{Secret: "the RADIUS secret"})
	server := radius.Server{Auth: fmt.Sprintf("127.0.0.1:%d", f.AuthPort), Acct: fmt.Sprintf("127.0.0.1:%d", f.AcctPort), Secret: []byte(f.Secret)}
	c := radius.New(radius.Config{Retries: 10, Servers: []radius.Server{server}})
	cfg := radius.Config{Timeout: 200 * time.Millisecond, Retries: 1, Servers: []radius.Server{server}} // where silence is right
	show := func(a radius.Answer) string {
		switch a := a.(type) {
		case radius.Accept:
			return fmt.Sprintf("accept %s %q %v %q", a.Group, a.SharedKey, a.Address, a.Class)
		case radius.Reject:
			return fmt.Sprintf("reject %q", a.Message)
		case radius.Challenge:
			return fmt.Sprintf("challenge %q echo %v", a.Message, a.Echo)
		}
		return "nothing"
	}
	const accepted = `accept staff "alice's own key" 10.20.0.77 ["lab"]`
	for _, tt := range []struct {
		name, user string
		chap       bool
		typed      []string
		want       []string
	}{
		{"PAP", "alice", false, []string{"wonderland"}, []string{accepted}},
		{"PAP, wrong", "alice", false, []string{"wrong"}, []string{`reject ""`}},
		{"PAP, nobody", "mallory", false, []string{"wrong"}, []string{`reject ""`}},
		{"CHAP", "alice", true, []string{"wonderland"}, []string{accepted}},
		{"CHAP, wrong", "alice", true, []string{"wrong"}, []string{`reject ""`}},
		{"Framed-IP-Address", "carol", false, []string{"lion"}, []string{`accept others "" 10.20.0.78 []`}},
		{"two questions", "bob", false, []string{"builder", "blue", "7"}, []string{`challenge "What is the colour?" echo false`, `challenge "And the number?" echo true`, `accept  "" invalid IP []`}},
		{"null password first", "bob", false, []string{"", "blue", "7"}, []string{`challenge "What is the colour?" echo false`, `challenge "And the number?" echo true`, `accept  "" invalid IP []`}},
		{"wrong answer", "bob", false, []string{"builder", "red"}, []string{`challenge "What is the colour?" echo false`, `reject "Wrong."`}},
		{"wrong password before the question", "bob", false, []string{"wrong"}, []string{`reject ""`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var state radius.State
			for i, word := range tt.typed {
				r := radius.Request{User: tt.user, Password: []byte(word), State: state, Peer: netip.MustParseAddr(clientAddress)}
				if tt.chap {
					r.CHAP = radius.NewCHAP(r.Password)
				}
				a, err := c.Authenticate(t.Context(), r)
				if err != nil || show(a) != tt.want[i] {
					t.Fatalf("%s, %v; want %s", show(a), err, tt.want[i])
				}
				q, _ := a.(radius.Challenge)
				state = q.State
			}
		})
	}
	t.Run("silence", func(t *testing.T) {
		_, err := radius.New(cfg).Authenticate(t.Context(), radius.Request{User: "mute", Password: []byte("mute")})
		if s := (*radius.SilenceError)(nil); !errors.As(err, &s) || s.Sent != 2 || s.Refused != nil {
			t.Error(err)
		}
	})
	t.Run("wrong secret", func(t *testing.T) {
		cfg := cfg
		cfg.Servers = []radius.Server{{Auth: cfg.Servers[0].Auth, Acct: cfg.Servers[0].Acct, Secret: []byte("another")}}
		_, err := radius.New(cfg).Authenticate(t.Context(), radius.Request{User: "alice", Password: []byte("wonderland")})
		if s := (*radius.SilenceError)(nil); !errors.As(err, &s) || !strings.Contains(err.Error(), "Secret") {
			t.Error(err)
		}
	})
	t.Run("accounting", func(t *testing.T) {
		r := radius.Record{Kind: radius.Start, ID: "0042", User: "alice", Address: netip.MustParseAddr("10.20.0.77"), Peer: netip.MustParseAddr(clientAddress)}
		if err := c.Account(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		r.Kind, r.Duration, r.In, r.Cause = radius.Stop, time.Minute, 5<<32+1, radius.UserRequest
		if err := c.Account(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		detail, err := os.ReadFile(filepath.Join(f.Dir, "detail"))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			"Acct-Status-Type = Start", "Acct-Status-Type = Stop", `Acct-Session-Id = "0042"`, "Framed-IP-Address = 10.20.0.77",
			`CVPN5000-Client-Assigned-IP = "10.20.0.77"`, "Acct-Session-Time = 60",
			// Of the two names that its dictionaries have for CVPN5000-Client-Real-IP the later one is of 4 octets.
			`Attr-26.255.3 = ` + fmt.Sprintf("%#x", clientAddress),
			"Acct-Input-Octets = 1", "Acct-Input-Gigawords = 5", "Acct-Terminate-Cause = User-Request",
		} {
			if !strings.Contains(string(detail), want) {
				t.Errorf("FreeRADIUS didn't note %s:\n%s", want, detail)
			}
		}
	})
}

// Debian 12's FreeRADIUS signs its answers only when it is told to.
func TestFreeRADIUSWithoutMessageAuthenticator(t *testing.T) {
	needFreeRADIUS(t)
	t.Parallel()
	f := hostRADIUS(t, freeRADIUS{Secret: "the RADIUS secret", Unsigned: true})
	for policy, accepted := range map[radius.Policy]bool{radius.On: false, radius.Auto: true, radius.Off: true} {
		c := radius.New(radius.Config{Require: policy, Servers: []radius.Server{{Auth: fmt.Sprintf("127.0.0.1:%d", f.AuthPort), Secret: []byte(f.Secret)}}})
		_, err := c.Authenticate(t.Context(), radius.Request{User: "alice", Password: []byte("wonderland")})
		if accepted && err != nil || !accepted && (!errors.Is(err, radius.ErrNoMessageAuthenticator) || !strings.Contains(err.Error(), "RequireMessageAuthenticator")) {
			t.Errorf("%v: %v", policy, err)
		}
	}
}

// What the concentrator's file says of labRADIUS.
const radiusConf = `
[ General ]
Authentication = radius

[ RADIUS ]
PrimAddress = ` + host1 + `
Secret = "the RADIUS secret"
Accounting = On
`

// Behind our gateway FreeRADIUS judges, and gives an address.
func TestConcentratorAsksFreeRADIUS(t *testing.T) {
	needFreeRADIUS(t)
	t.Parallel()
	for _, kind := range []string{"PAP", "CHAP"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, false)
			l.serve()
			server := l.freeRADIUS(labRADIUS)
			gateway := l.concentrator(radiusConf + "ChallengeType = " + kind + "\n")
			before := l.client.network()
			client := l.postern(labSwan.profile())
			client.up()
			l.carries("10.20.0.77", host1)
			l.eventually("the start of accounting", func() bool { return strings.Contains(server.accounted(), "Acct-Status-Type = Start") })
			client.quit(before)
			l.eventually("the end of accounting", func() bool { return strings.Contains(server.accounted(), "Acct-Status-Type = Stop") })
			for _, want := range []string{"Framed-IP-Address = 10.20.0.77", `Class = 0x6c6162`, "Acct-Terminate-Cause = User-Request"} {
				if !strings.Contains(server.accounted(), want) {
					t.Errorf("FreeRADIUS didn't note %s:\n%s", want, server.accounted())
				}
			}
			if said := gateway.said.String(); strings.Contains(said, "wonderland") || strings.Contains(said, "RADIUS secret") {
				t.Error("the gateway's log tells a secret")
			}
			gateway.running()
		})
	}
}

func TestConcentratorHearsFreeRADIUSRefuse(t *testing.T) {
	needFreeRADIUS(t)
	t.Parallel()
	for _, c := range []struct {
		name    string
		profile settings
		conf    string
	}{
		{"wrong password", settings{"password": "wrong"}, ""},
		{"unknown user", settings{"user": "mallory"}, ""},
		{"user of another group", settings{"user": "carol", "password": "lion"}, ""},
		{"silence", settings{"user": "mute", "password": "mute"}, "Retries = 1\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, false)
			l.freeRADIUS(labRADIUS)
			l.concentrator(radiusConf + c.conf)
			code, last := l.postern(labSwan.profile().with(c.profile)).refused()
			if code != 2 || last.Reason.Code != "login_refused" {
				t.Errorf("exit code %d, %+v; want 2, login_refused", code, last.Reason)
			}
		})
	}
}

// vpnc's judgement of our questions: a challenge round, and a second one.
func TestVPNCAnswersFreeRADIUS(t *testing.T) {
	needFreeRADIUS(t)
	needVPNC(t)
	t.Parallel()
	l := newLab(t, false)
	l.serve()
	l.freeRADIUS(labRADIUS)
	l.concentrator(radiusConf)
	client := l.vpnc(vpnc{Group: "staff", Secret: "the group's key", User: "bob", Password: "builder", NATT: "force-natt", Answers: []string{"builder", "blue", "7"}})
	l.carries(l.vpncUp(client), host1)
	client.stop() // what it said stands in a buffer until then
	for _, want := range []string{"What is the colour?", "And the number?"} {
		if !strings.Contains(client.said.String(), want) {
			t.Errorf("vpnc didn't show %q", want)
		}
	}
}

// Our client shows each question on its terminal, and what is typed there goes to FreeRADIUS.
func TestPosternAnswersFreeRADIUS(t *testing.T) {
	needFreeRADIUS(t)
	need(t, "script")
	t.Parallel()
	for _, c := range []struct {
		name, kind string
		typed      [][2]string // a question, and what is typed then
	}{
		{"PAP", "PAP", [][2]string{{"What is the colour?", "blue"}, {"And the number?", "7"}}},
		{"null password first", "Challenge", [][2]string{{"What is the colour?", "blue"}, {"And the number?", "7"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, false)
			l.serve()
			l.freeRADIUS(labRADIUS)
			l.concentrator(radiusConf + "ChallengeType = " + c.kind + "\n")
			p := labSwan.profile().with(settings{"user": "bob", "password": "builder"})
			if c.kind == "Challenge" { // the first question counts as one for the password
				delete(p, "password")
			}
			client, keyboard := l.posternOnTerminal(p)
			for _, q := range c.typed {
				l.eventually(q[0], func() bool { client.running(); return strings.Contains(client.said.String(), q[0]) })
				if _, err := keyboard.WriteString(q[1] + "\r"); err != nil {
					t.Fatal(err)
				}
			}
			client.up()
			l.carries(firstOfPool, host1)
			if strings.Contains(client.said.String(), "blue") {
				t.Error("an answer was shown as it was typed")
			}
		})
	}
}

// Our client before strongSwan, whose users FreeRADIUS judges.
func TestPosternReachesStrongSwanWithRADIUS(t *testing.T) {
	needFreeRADIUS(t)
	needStrongSwan(t)
	t.Parallel()
	for _, right := range []bool{true, false} {
		t.Run(fmt.Sprintf("right password %v", right), func(t *testing.T) {
			t.Parallel()
			l := newLab(t, false)
			l.serve()
			l.freeRADIUS(labRADIUS)
			s := labSwan
			s.RADIUS = host1
			l.swanGateway(s)
			if !right {
				if code, last := l.postern(s.profile().with(settings{"password": "wrong"})).refused(); code != 2 || last.Reason.Code != "login_refused" {
					t.Errorf("exit code %d, %+v; want 2, login_refused", code, last.Reason)
				}
				return
			}
			client := l.postern(s.profile())
			client.up()
			l.carries(l.client.addressOf(posternInterface), host1)
		})
	}
}
