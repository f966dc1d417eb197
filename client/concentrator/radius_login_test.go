package concentrator

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/client/concentrator/radius"
	"postern/client/concentrator/radiusserver"
	"postern/client/prompt"
	"postern/ike"
	"postern/xauth"
)

// The gateway's clock is virtual; the server's isn't, for it has a socket, and stands
// outside of the bubble.

const radiusTestConf = `
[ General ]
InsideAddress = 10.20.0.1/24
[ IKE Policy ]
Protection = aes128-sha1-curve25519
[ VPN Group "staff" ]
SharedKey = "staff's key"
Transform = aes128-sha1
StartIPAddress = 10.20.0.10
MaxConnections = 2
Authentication = %s
SecurIDRequired = %s
[ VPN Users ]
carol Config=staff Password=lion
erin  Config=staff Password=bear
[ RADIUS ]
PrimAddress = %v
AuthPort = %d
AcctPort = %d
Secret = "the RADIUS secret"
ChallengeType = %s
Accounting = On
[ SecurID ]
`

var tokenSeed = []byte("the token's seed")

// tokenCode is what the token shows the n-th time.
func tokenCode(n uint64) string { return radiusserver.Code(tokenSeed, n) }

func radiusPeople() map[string]*radiusserver.User {
	return map[string]*radiusserver.User{
		"alice": {Password: "wonderland", Group: "staff", Address: netip.MustParseAddr("10.20.0.77"), Limit: 30 * time.Minute},
		"bob": {Password: "builder", Ask: []radiusserver.Question{
			{Text: "What is the \x1b[1mcolour?", Answer: "blue"}, {Text: "And the number?", Answer: "7", Echo: true},
		}},
		"mallory": {Password: "mallory", Group: "others"},
		"carol":   {Token: &radiusserver.Token{Seed: tokenSeed, PIN: "1234"}},
		"dora":    {Token: &radiusserver.Token{Seed: tokenSeed, PIN: "1234", NextTokencode: true, NewPIN: radiusserver.UserPIN}},
	}
}

// typist answers one question after the other, and keeps them.
type typist struct {
	answers []string
	asked   []string
}

func (p *typist) ask(_ context.Context, q prompt.Prompt) (prompt.Answers, error) {
	answers := prompt.Answers{}
	for _, f := range q.Fields {
		p.asked = append(p.asked, fmt.Sprintf("%s (%v) %s", f.Name, f.Kind, q.Message))
		if len(p.answers) == 0 {
			return nil, prompt.ErrCancelled
		}
		answers[f.Name] = prompt.Answer(p.answers[0])
		p.answers = p.answers[1:]
	}
	return answers, nil
}

func TestRADIUSLogin(t *testing.T) {
	const passcode = "passcode (passcode) Enter PASSCODE:"
	for _, tt := range []struct {
		name, auth, second, kind string
		user, password           string // stored
		typed                    []string
		asked                    []string
		refused                  string // the gateway's message; "-": none
	}{
		{name: "PAP", user: "alice", password: "wonderland"},
		{name: "CHAP", kind: "CHAP", user: "alice", password: "wonderland"},
		{name: "typed", user: "alice", typed: []string{"wonderland"}, asked: []string{"password (secret) "}},
		{name: "wrong password", user: "alice", password: "x", refused: "Access denied"},
		{name: "wrong password, CHAP", kind: "CHAP", user: "alice", password: "x", refused: "Access denied"},
		{name: "unknown user", user: "nobody", password: "x", refused: "Access denied"},
		{name: "another group", user: "mallory", password: "mallory", refused: "-"},
		{name: "a password of 129 octets", user: "alice", password: strings.Repeat("x", 129), refused: "-"},
		{
			name: "two questions", user: "bob", password: "builder", typed: []string{"blue", "7"},
			asked: []string{"password (passcode) What is the [1mcolour?", "answer (text) And the number?"},
		},
		{
			name: "two questions, CHAP", kind: "CHAP", user: "bob", password: "builder", typed: []string{"blue", "7"},
			asked: []string{"password (passcode) What is the [1mcolour?", "answer (text) And the number?"},
		},
		{
			name: "wrong answer", user: "bob", password: "builder", typed: []string{"red"},
			asked: []string{"password (passcode) What is the [1mcolour?"}, refused: "Access denied",
		},
		{
			name: "null password first", kind: "Challenge", user: "bob", typed: []string{"builder", "blue", "7"},
			asked: []string{"password (secret) Enter your password:", "password (passcode) What is the [1mcolour?", "answer (text) And the number?"},
		},
		{name: "SecurID", auth: "securid", user: "carol", typed: []string{"1234" + tokenCode(0)}, asked: []string{passcode}},
		{
			name: "SecurID, wrong three times", auth: "securid", user: "carol", typed: []string{"x", "y", "z"},
			asked: []string{passcode, "passcode (passcode) Access denied", "passcode (passcode) Access denied"}, refused: "Access denied",
		},
		{
			name: "SecurID, new PIN and next tokencode", auth: "securid", user: "dora",
			typed: []string{"1234" + tokenCode(0), "24680", "24680", "24680" + tokenCode(1), tokenCode(2)},
			asked: []string{
				passcode, "passcode (passcode) Enter a new PIN of 4 to 8 digits:", "passcode (passcode) Please re-enter the new PIN:",
				"passcode (passcode) PIN accepted. Wait for the tokencode to change, then enter the new passcode:",
				"passcode (passcode) Wait for the tokencode to change, then enter the new tokencode:",
			},
		},
		{
			name: "a local password and SecurID", auth: "local", second: "on", user: "carol", password: "lion",
			typed: []string{"1234" + tokenCode(0)}, asked: []string{passcode},
		},
		{name: "a wrong local password and SecurID", auth: "local", second: "on", user: "carol", password: "x", refused: "-"},
		{
			name: "a local password and no token", auth: "local", second: "on", user: "erin", password: "bear",
			typed: []string{"x"}, asked: []string{passcode}, refused: "Access denied",
		},
		{
			name: "RADIUS and SecurID", second: "on", user: "alice", password: "wonderland",
			typed: []string{"x"}, asked: []string{passcode}, refused: "Access denied", // alice has no token
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := radiusServer(t)
			conf := radiusConf(server, or(tt.auth, "radius"), or(tt.second, "off"), or(tt.kind, "PAP"))
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, conf)
				person := &typist{answers: tt.typed}
				l.ask = person.ask
				_, err := l.logIn(who{mode: ike.Main, id: "staff", key: "staff's key", user: tt.user, password: tt.password})
				if d := cmp.Diff(tt.asked, person.asked); d != "" {
					t.Error(d)
				}
				if tt.refused == "" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				refused := (*xauth.RefusedError)(nil)
				if !errors.As(err, &refused) || refused.Message != strings.TrimPrefix(tt.refused, "-") {
					t.Errorf("%v, want %q", err, tt.refused)
				}
			})
		})
	}
}

func radiusServer(t *testing.T) *radiusserver.Server {
	t.Helper()
	s, err := radiusserver.Listen(netip.MustParseAddrPort("127.0.0.1:0"), radiusserver.Config{Secret: []byte("the RADIUS secret"), Users: radiusPeople()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func radiusConf(s *radiusserver.Server, auth, second, kind string) string {
	return fmt.Sprintf(radiusTestConf, auth, second, s.Addr().Addr(), s.Addr().Port(), s.Addr().Port(), kind)
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// What the Accept says counts: the address, and how long the user may stay.
func TestRADIUSSession(t *testing.T) {
	server := radiusServer(t)
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, radiusConf(server, "radius", "off", "PAP"))
		d, inner := l.connected(who{mode: ike.Aggressive, id: "staff", key: "staff's key", user: "alice", password: "wonderland"})
		if inner.String() != "10.20.0.77" {
			t.Errorf("the inner address is %v", inner)
		}
		for range 7 { // 28 minutes
			d.carries(inner, netip.MustParseAddr("10.20.0.1"))
			time.Sleep(4 * time.Minute)
		}
		if l.online() == "" {
			t.Error("the session ended early")
		}
		time.Sleep(5 * time.Minute)
		if got := l.online(); got != "" {
			t.Errorf("connected beyond Session-Timeout: %s", got)
		}
		synctest.Wait()
	})
	records := server.Records()
	if len(records) != 2 || records[0].Kind != radius.Start || records[1].Kind != radius.Stop {
		t.Fatalf("%+v", records)
	}
	start, stop := records[0], records[1]
	if start.ID == "" || start.ID != stop.ID || start.User != "alice" || start.Address.String() != "10.20.0.77" || !start.Peer.IsValid() {
		t.Errorf("%+v", start)
	}
	if stop.Cause != radius.SessionTimeout || stop.Duration.Round(time.Minute) != 30*time.Minute || stop.In == 0 || stop.Out == 0 {
		t.Errorf("%+v", stop)
	}
}
