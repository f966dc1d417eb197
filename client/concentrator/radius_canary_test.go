package concentrator_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"postern/client"
	"postern/client/concentrator"
	"postern/client/concentrator/radiusserver"
	"postern/client/profile"
	"postern/client/prompt"
)

// shared is what several goroutines write.
type shared struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *shared) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

const canaryConf = `
[ General ]
InsideAddress = 10.20.0.1/24
Authentication = %s
[ VPN Group "staff" ]
SharedKey = "canary-group-key"
StartIPAddress = 10.20.0.10
MaxConnections = 2
[ RADIUS ]
PrimAddress = 127.0.0.1
AuthPort = %d
AcctPort = %d
Secret = "canary-radius-secret"
PAPAuthSecret = "canary-pap-secret"
Accounting = On
[ SecurID ]
`

// TestCanary: no secret is in what either end logs at debug level, in what the RADIUS
// server tells, in the status, or in an error; whether the login succeeds or not.
func TestCanary(t *testing.T) {
	seed := []byte("canary-seed")
	passcode := "canary-1234" + radiusserver.Code(seed, 0)
	for _, tt := range []struct {
		name, auth, user string
		typed            []string
		up               bool
	}{
		{"questions", "radius", "bob", []string{"canary-password", "canary-blue"}, true},
		{"wrong answer", "radius", "bob", []string{"canary-password", "canary-red"}, false},
		{"wrong password", "radius", "bob", []string{"canary-other"}, false},
		{"SecurID", "securid", "carol", []string{passcode, "canary-5678", "canary-5678", "canary-5678" + radiusserver.Code(seed, 1)}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			said := new(shared)
			log := slog.New(slog.NewTextHandler(said, &slog.HandlerOptions{Level: slog.LevelDebug}))
			server, err := radiusserver.Listen(netip.MustParseAddrPort("127.0.0.1:0"), radiusserver.Config{
				Secret: []byte("canary-radius-secret"), Saw: func(line string) { fmt.Fprintln(said, line) },
				Users: map[string]*radiusserver.User{
					"bob":   {Password: "canary-password", SharedKey: "canary-bob's-key", Ask: []radiusserver.Question{{Text: "Colour?", Answer: "canary-blue"}}},
					"carol": {Token: &radiusserver.Token{Seed: seed, PIN: "canary-1234", NewPIN: radiusserver.UserPIN}},
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			port := server.Addr().Port()
			cfg, err := concentrator.ParseConfig(fmt.Appendf(nil, canaryConf, tt.auth, port, port), "test.conf")
			if err != nil {
				t.Fatal(err)
			}
			g, err := concentrator.New(cfg, concentrator.Options{Port: netip.MustParseAddrPort("127.0.0.1:0"), Netstack: true, Log: log})
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			go func() { _ = g.Serve(t.Context()) }()

			p, err := profile.Parse(fmt.Appendf(nil, "gateway = \"%v\"\nidentity = \"staff\"\nsecret = \"canary-group-key\"\nuser = %q\n", g.Addr(), tt.user), "test.toml")
			if err != nil {
				t.Fatal(err)
			}
			typed := tt.typed
			c := client.New(p, client.Options{
				Log: log, Rootless: &client.Rootless{Proxy: "127.0.0.1:0"},
				Ask: func(_ context.Context, q prompt.Prompt) (prompt.Answers, error) {
					if len(typed) == 0 || len(q.Fields) != 1 {
						return nil, prompt.ErrCancelled
					}
					a := prompt.Answers{q.Fields[0].Name: prompt.Answer(typed[0])}
					typed = typed[1:]
					return a, nil
				},
			})
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- c.Run(ctx) }()
			up := false
			for running := true; running; {
				st, changed := c.Watch()
				fmt.Fprintf(said, "%+v\n", st)
				if up = up || st.State == client.Up; up {
					cancel()
				}
				select {
				case <-changed:
				case err = <-ended:
					running = false
				}
			}
			cancel()
			g.Close()
			fmt.Fprintln(said, err)
			if up != tt.up {
				t.Errorf("up: %v, want %v\n%s", up, tt.up, said)
			}
			for line := range strings.Lines(said.String()) {
				if strings.Contains(line, "canary") || strings.Contains(line, radiusserver.Code(seed, 0)) || strings.Contains(line, radiusserver.Code(seed, 1)) {
					t.Errorf("tells a secret: %s", line)
				}
			}
			if !strings.Contains(said.String(), tt.user) {
				t.Error("nothing was logged")
			}
		})
	}
}
