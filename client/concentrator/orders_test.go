package concentrator

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"postern/ike/isakmp"
)

const ordersConf = `
[ General ]
InsideAddress = 10.20.0.1/24
[ IKE Policy ]
Protection = aes128-sha1-curve25519
[ VPN Group "staff" ]
SharedKey = "staff's key"
Transform = aes128-sha1
StartIPAddress = 10.20.0.10
MaxConnections = 2
[ VPN Users ]
alice Config=staff Password=wonderland
`

// moves counts what changes a gateway: its log without refusals and repeats.
type moves struct{ n *atomic.Int64 }

func (m moves) Enabled(context.Context, slog.Level) bool { return true }
func (m moves) WithAttrs([]slog.Attr) slog.Handler       { return m }
func (m moves) WithGroup(string) slog.Handler            { return m }

func (m moves) Handle(_ context.Context, r slog.Record) error {
	switch r.Message {
	case "refused", "-> repeated", "unprotected notify":
	default:
		m.n.Add(1)
	}
	return nil
}

// play sends messages in an order. It says how many Quick Modes and addresses the gateway
// gave for them, and whether the last message changed anything there.
func play(t *testing.T, who attacker, order []string) (answers int, moved bool) {
	synctest.Test(t, func(t *testing.T) {
		m := moves{new(atomic.Int64)}
		l := newLabLogged(t, ordersConf, slog.New(m))
		a := newAttacker(l, who)
		before := int64(0)
		for _, kind := range order {
			before = m.n.Load()
			a.send(kind)
		}
		answers, moved = a.answers, m.n.Load() > before
		for _, s := range l.g.Sessions() {
			answers += s.Children
			if s.Address.IsValid() {
				answers++
			}
		}
		time.Sleep(time.Second)
	})
	return answers, moved
}

// What attackers have. The last isn't one.
var (
	withoutKeys       = attacker{key: "guessed", method: isakmp.AuthXAuthInitPSK, user: "alice", password: "wonderland"}
	withGroupKey      = attacker{key: "staff's key", method: isakmp.AuthXAuthInitPSK}
	withPlainMethod   = attacker{key: "staff's key", method: isakmp.AuthPSK}
	withWrongPassword = attacker{key: "staff's key", method: isakmp.AuthXAuthInitPSK, user: "alice", password: "guessed"}
	honest            = attacker{key: "staff's key", method: isakmp.AuthXAuthInitPSK, user: "alice", password: "wonderland"}
)

// Quick Mode and an inner address are reached through phase 1 and XAuth only: not by any
// order of messages of eight kinds. An order isn't followed further once a message of
// it changes nothing at the gateway. POSTERN_ORDERS is how long they are.
func TestOrders(t *testing.T) {
	depth := 4
	if raced {
		depth = 3
	}
	if _, err := fmt.Sscan(os.Getenv("POSTERN_ORDERS"), &depth); err != nil && os.Getenv("POSTERN_ORDERS") != "" {
		t.Fatal(err)
	}
	for name, who := range map[string]attacker{
		"without keys": withoutKeys, "with the group's key": withGroupKey,
		"with the group's key and without XAuth": withPlainMethod, "with a wrong password": withWrongPassword,
	} {
		t.Run(name, func(t *testing.T) {
			began, runs, longest := time.Now(), 0, 0
			var follow func(order []string)
			follow = func(order []string) {
				for _, kind := range kinds {
					order := append(order[:len(order):len(order)], kind)
					answers, moved := play(t, who, order)
					runs++
					if answers > 0 {
						t.Fatalf("%s: the gateway answers", strings.Join(order, ", "))
					}
					if moved {
						longest = max(longest, len(order))
					}
					if moved && len(order) < depth {
						follow(order)
					}
				}
			}
			follow(nil)
			t.Logf("%d orders of up to %d messages in %v; the longest that changed something: %d", runs, depth, time.Since(began).Round(time.Second), longest)
			if runs < 100 {
				t.Error("nothing was followed")
			}
		})
	}
}

// The same messages in the right order, with the right password, lead to Quick Mode; so
// TestOrders would see it.
func TestOrdersOfAlice(t *testing.T) {
	for _, order := range []string{
		"main 1, main 3, main 5, transaction answer, transaction answer, quick 1",
		"aggressive 1, aggressive 3, transaction answer, transaction answer, quick 1",
		"aggressive 1, main 1, main 3, main 5, transaction answer, transaction answer, quick 1",
	} {
		if answers, _ := play(t, honest, strings.Split(order, ", ")); answers == 0 {
			t.Errorf("%s: no answer", order)
		}
		for n := range strings.Split(order, ", ") {
			short := append(strings.Split(order, ", ")[:n:n], "quick 1")
			if answers, _ := play(t, honest, short); answers > 0 && n < len(strings.Split(order, ", "))-1 {
				t.Errorf("%v: the gateway answers", short)
			}
		}
	}
}
